//! Throughput: lines, runs a second, and a long queue.

use std::time::{Duration, Instant};

use futures::future::join_all;
use harness::World;
use serde_json::json;

use crate::measure::{Http, run_ms};
use crate::table::{Table, percentiles};

/// Lines of the log bench.
const LINES: u64 = 1_000_000;
/// Runs a second of the sustained load.
const RATE: u64 = 150;
/// How long it is sustained.
const SUSTAINED: Duration = Duration::from_mins(1);
/// Runs of the long queue.
const QUEUED: usize = 5_000;

/// A step that writes a million lines: start → the last one is served.
pub(crate) async fn log_lines(world: &World, table: &mut Table) {
    let http = Http::of(world);
    let script = format!("seq -f 'line %.0f of the bench for log lines' 1 {LINES}");
    let pipeline = http
        .define("bench-lines", vec![json!({"id": "one", "run": script})])
        .await;
    let start = Instant::now();
    let (_, run_count) = http.start(&pipeline).await;
    http.ended(&pipeline, run_count).await;
    let ran = start.elapsed();
    let last = format!("line {LINES} of");
    let path = "/api/v1/pipeline/logs";
    let body = json!({"pipelineId": pipeline, "runCount": run_count, "type": "console output"});
    loop {
        let newest = http.post(path, &body).await.to_string();
        if newest.contains(&last) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (ran, served) = (ran.as_secs_f64(), start.elapsed().as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "a million")]
    let rate = LINES as f64 / served;
    table.row(
        "log lines a second, written → served",
        format!("{rate:.0} (run {ran:.1} s, served {served:.1} s)"),
    );
}

/// Two-step runs at a steady rate: what was reached, and request → end.
#[allow(clippy::disallowed_methods, reason = "requests of the bench's own")]
pub(crate) async fn sustained(world: &World, table: &mut Table) {
    let http = Http::of(world);
    let steps = ["one", "two"]
        .map(|id| json!({"id": id, "run": ":"}))
        .to_vec();
    let pipeline = http.define("bench-sustained", steps).await;
    let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(RATE).unwrap_or(1));
    let (start, mut requests) = (Instant::now(), Vec::new());
    while start.elapsed() < SUSTAINED {
        tick.tick().await;
        let (http, pipeline) = (http.clone(), pipeline.clone());
        requests.push(tokio::spawn(async move { http.start(&pipeline).await }));
    }
    let asked = requests.len();
    for request in requests {
        request.await.expect("accepted");
    }
    all_ended(&http, &pipeline, asked).await;
    let took = start.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    let rate = asked as f64 / took;
    table.row(
        format!("two-step runs a second for 60 s, {RATE} asked for"),
        format!(
            "{rate:.0} (all ended {:.1} s after the last request)",
            took - 60.0
        ),
    );
    table.row(
        "request → end under that load, p50 / p99",
        percentiles(samples(&http, &pipeline).await),
    );
}

/// A long queue: how fast it is worked off.
pub(crate) async fn drain(world: &World, table: &mut Table) {
    let http = Http::of(world);
    let pipeline = http
        .define("bench-drain", vec![json!({"id": "one", "run": ":"})])
        .await;
    let executors = http.get("/api/v2/executors").await;
    let name = executors["executors"][0]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let path = format!("/api/v2/executors/{name}/drain");
    http.post(&path, &json!({"drain": true})).await;
    for _ in 0..QUEUED / 50 {
        join_all((0..50).map(|_| http.start(&pipeline))).await;
    }
    let start = Instant::now();
    http.post(&path, &json!({"drain": false})).await;
    all_ended(&http, &pipeline, QUEUED).await;
    let took = start.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "thousands")]
    let rate = QUEUED as f64 / took;
    table.row(
        "drain of 5 000 queued one-step runs",
        format!("{took:.1} s ({rate:.0} a second)"),
    );
}

/// Waits until no run is open. Looks at the page of the oldest open runs, not at each.
async fn all_ended(http: &Http, pipeline: &str, count: usize) {
    let mut oldest = 1;
    while oldest <= count {
        let run = http
            .get(&format!("/api/v2/pipelines/{pipeline}/runs/{oldest}"))
            .await;
        if run["endedAt"].is_string() {
            oldest += 1.max((count - oldest) / 50);
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    for last in count.saturating_sub(200)..=count {
        http.ended(pipeline, i64::try_from(last.max(1)).unwrap_or(1))
            .await;
    }
}

/// Request → end of the newest thousand runs.
async fn samples(http: &Http, pipeline: &str) -> Vec<f64> {
    let page = http
        .get(&format!("/api/v2/pipelines/{pipeline}/runs?limit=1000"))
        .await;
    page["runs"]
        .as_array()
        .into_iter()
        .flatten()
        .map(run_ms)
        .collect()
}
