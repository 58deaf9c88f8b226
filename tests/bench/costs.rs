//! What much of something costs: records of a log, pipelines of a list, lists beside stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use harness::World;
use harness::world::Server;
use serde_json::json;

use crate::measure::{Http, resident_mb};
use crate::table::{Table, percentiles};

/// Records that are stored before logs are read.
const RECORDS: u64 = 1_000_000;
/// Pipelines that are there before they are listed.
const PIPELINES: usize = 10_000;
/// Requests of a latency.
const SAMPLES: usize = 200;
/// Lists and stops a second, and how long.
const LISTS: u32 = 200;
const STOPS: u32 = 10;
const BESIDE: Duration = Duration::from_secs(20);

/// A page of a log in which a million records are stored, asked of both faces.
pub(crate) async fn logs(world: &World, table: &mut Table) {
    let http = Http::of(world);
    let script = format!("seq -f 'record %.0f of the bench for logs' 1 {RECORDS}");
    let pipeline = http
        .define("bench-logs", vec![json!({"id": "one", "run": script})])
        .await;
    let (_, run_count) = http.start(&pipeline).await;
    http.ended(&pipeline, run_count).await;
    let latest = json!({"pipelineId": pipeline, "runCount": run_count});
    let last = format!("record {RECORDS} of");
    while !http
        .post("/api/v1/pipeline/logs", &latest)
        .await
        .to_string()
        .contains(&last)
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (mut newest, mut middle) = (Vec::new(), Vec::new());
    for round in 0..SAMPLES {
        let begun = Instant::now();
        http.post("/api/v1/pipeline/logs", &latest).await;
        newest.push(ms(begun.elapsed()));
        let after = 1 + (round as u64 * 4_999) % RECORDS;
        let path = format!(
            "/api/v2/pipelines/{pipeline}/runs/{run_count}/logs?limit=1000&after=1.{after}"
        );
        let begun = Instant::now();
        http.get(&path).await;
        middle.push(ms(begun.elapsed()));
    }
    table.row(
        "logs: the latest 1 000 of 1 000 000 records, p50 / p99",
        percentiles(newest),
    );
    table.row(
        "logs: 1 000 records from anywhere among 1 000 000, p50 / p99",
        percentiles(middle),
    );
}

/// All of ten thousand pipelines, and the memory that it takes.
pub(crate) async fn pipelines(world: &World, table: &mut Table) {
    let http = Http::of(world);
    let steps = || (0..5).map(|n| json!({"id": format!("s{n}"), "run": "echo one of five steps"}));
    for batch in 0..PIPELINES / 50 {
        let each = (0..50).map(|it| {
            let name = format!("bench-list-{batch}-{it}");
            let (http, steps) = (&http, steps().collect());
            async move { http.define(&name, steps).await }
        });
        join_all(each).await;
    }
    let before = resident(world);
    let peak = Peak::watch(world);
    let begun = Instant::now();
    let listed = read(&http, "/api/v1/pipeline/pipelines").await;
    let unpaged = begun.elapsed();
    let begun = Instant::now();
    let (mut cursor, mut pages, mut bytes) = (String::new(), 0, 0);
    loop {
        let path = format!("/api/v2/pipelines?limit=1000&cursor={cursor}");
        let page = http.get(&path).await;
        bytes += page.to_string().len();
        pages += 1;
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let walked = begun.elapsed();
    let peak = peak.end().await;
    table.row(
        "pipelines: the list of 1 000 out of 10 000",
        format!("{:.0} ms ({:.1} MB)", ms(unpaged), mb(listed)),
    );
    table.row(
        format!("pipelines: all 10 000 in {pages} pages"),
        format!("{:.0} ms ({:.1} MB)", ms(walked), mb(bytes)),
    );
    for ((name, before), (peak, (_, after))) in before.iter().zip(peak.iter().zip(resident(world)))
    {
        table.row(
            format!("memory of {name} before, at most, and after listing"),
            format!("{before:.1} / {peak:.1} / {after:.1} MB"),
        );
    }
}

/// Lists a second beside stops a second: how long a stop takes to be accepted.
#[allow(clippy::disallowed_methods, reason = "requests of the bench's own")]
pub(crate) async fn stops_beside_lists(world: &World, table: &mut Table) {
    let http = Http::of(world);
    let step = json!({"id": "one", "run": "sleep 600"});
    let pipeline = http.define("bench-beside", vec![step]).await;
    let listed = |n: usize| json!({"id": format!("s{n}"), "run": "echo one of five steps"});
    for n in 0..100 {
        let name = format!("bench-beside-{n}");
        http.define(&name, (0..5).map(listed).collect()).await;
    }
    let seconds = u32::try_from(BESIDE.as_secs()).unwrap_or(1);
    let mut runs = Vec::new();
    for _ in 0..STOPS * seconds / 20 {
        runs.extend(join_all((0..20).map(|_| http.start(&pipeline))).await);
    }
    let listing = tokio::spawn(lists(http.clone()));
    let mut tick = tokio::time::interval(Duration::from_secs(1) / STOPS);
    let mut stops = Vec::new();
    for (_, run_count) in &runs {
        tick.tick().await;
        let http = http.clone();
        let path = format!("/api/v2/pipelines/{pipeline}/runs/{run_count}/stop");
        stops.push(tokio::spawn(async move {
            let begun = Instant::now();
            http.post(&path, &json!({"mode": "kill"})).await;
            ms(begun.elapsed())
        }));
    }
    let stops = join_all(stops).await;
    let took = stops
        .into_iter()
        .map(|it| it.expect("it was stopped"))
        .collect();
    let (rate, lists) = listing.await.expect("lists were answered");
    for (_, run_count) in &runs {
        http.ended(&pipeline, *run_count).await;
    }
    table.row(
        format!("stop beside {LISTS} lists a second, {STOPS} stops a second, p50 / p99"),
        percentiles(took),
    );
    table.row(
        format!("those lists of 100 pipelines ({rate:.0} a second), p50 / p99"),
        percentiles(lists),
    );
}

/// Asks for lists at their rate; answers what was reached, and how long each took.
#[allow(clippy::disallowed_methods, reason = "requests of the bench's own")]
async fn lists(http: Http) -> (f64, Vec<f64>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / LISTS);
    let (start, mut lists) = (Instant::now(), Vec::new());
    while start.elapsed() < BESIDE {
        tick.tick().await;
        let http = http.clone();
        lists.push(tokio::spawn(async move {
            let begun = Instant::now();
            read(&http, "/api/v2/pipelines?limit=100").await;
            ms(begun.elapsed())
        }));
    }
    let lists = join_all(lists).await;
    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    let rate = lists.len() as f64 / start.elapsed().as_secs_f64();
    let took = lists.into_iter().map(|it| it.expect("it was answered"));
    (rate, took.collect())
}

/// Reads an answer piece by piece and keeps none; answers its bytes.
async fn read(http: &Http, path: &str) -> usize {
    let request = http.client.get(format!("{}{path}", http.url));
    let answer = request.bearer_auth(harness::world::TOKEN).send().await;
    let mut answer = answer.expect("the gateway answers");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    let mut bytes = 0;
    while let Some(piece) = answer.chunk().await.expect("a whole answer") {
        bytes += piece.len();
    }
    bytes
}

/// The processes that make a list.
fn listers(world: &World) -> impl Iterator<Item = &Server> {
    let lists = |it: &&Server| ["all", "gateway", "pipeline"].contains(&it.name.as_str());
    world.servers().iter().filter(lists)
}

/// Megabytes of resident memory of each process that lists.
fn resident(world: &World) -> Vec<(String, f64)> {
    let memory = |it: &Server| resident_mb(it.pid().unwrap_or_default());
    listers(world)
        .map(|it| (it.name.clone(), memory(it)))
        .collect()
}

/// The most memory that each of them had while it was watched, in megabytes.
struct Peak {
    is_over: Arc<AtomicBool>,
    watching: tokio::task::JoinHandle<Vec<f64>>,
}

impl Peak {
    #[allow(clippy::disallowed_methods, reason = "a task of the bench's own")]
    fn watch(world: &World) -> Self {
        let pids: Vec<u32> = listers(world).filter_map(Server::pid).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let watching = tokio::spawn(async move {
            let mut most = vec![0.0_f64; pids.len()];
            while !ends.load(Ordering::Relaxed) {
                for (most, pid) in most.iter_mut().zip(&pids) {
                    *most = most.max(resident_mb(*pid));
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            most
        });
        Self { is_over, watching }
    }

    async fn end(self) -> Vec<f64> {
        self.is_over.store(true, Ordering::Relaxed);
        self.watching.await.unwrap_or_default()
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "megabytes")]
fn mb(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
