//! Latencies of single runs, memory, and stops.

use std::time::{Duration, Instant};

use harness::World;
use serde_json::{Value, json};

use crate::stamp::{Stamps, now_ns};
use crate::table::{Table, percentiles};

/// Samples of a latency.
const SAMPLES: usize = 200;

/// HTTP as a script does it, over kept connections.
#[derive(Clone)]
pub(crate) struct Http {
    pub(crate) client: reqwest::Client,
    pub(crate) url: String,
}

impl Http {
    pub(crate) fn of(world: &World) -> Self {
        Self {
            client: runtime::tls::client()
                .build()
                .expect("a client can be made"),
            url: world.url(),
        }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.url));
        let answer = request
            .bearer_auth(harness::world::TOKEN)
            .json(body)
            .send()
            .await;
        let answer = answer.expect("the gateway answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.text().await.expect("a body");
        // Some have nothing to say but that it is done.
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.url));
        let answer = request.bearer_auth(harness::world::TOKEN).send().await;
        answer
            .expect("the gateway answers")
            .json()
            .await
            .expect("JSON")
    }

    /// Defines a pipeline without a limit on its runs.
    pub(crate) async fn define(&self, name: &str, steps: Vec<Value>) -> String {
        let body = json!({"name": name, "concurrency": 0, "steps": steps});
        let made = self.post("/api/v2/pipelines", &body).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn start(&self, pipeline: &str) -> (String, i64) {
        let run = self
            .post(&format!("/api/v2/pipelines/{pipeline}/runs"), &json!({}))
            .await;
        let id = run["id"].as_str().expect("an id").to_owned();
        (id, run["runCount"].as_i64().expect("a number"))
    }

    /// The run once it has ended.
    pub(crate) async fn ended(&self, pipeline: &str, run_count: i64) -> Value {
        loop {
            let run = self
                .get(&format!("/api/v2/pipelines/{pipeline}/runs/{run_count}"))
                .await;
            if run["endedAt"].is_string() {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Milliseconds with one decimal.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[allow(clippy::cast_precision_loss, reason = "a duration of nanoseconds")]
fn ms_between(start_ns: u64, end_ns: u64) -> f64 {
    end_ns.saturating_sub(start_ns) as f64 / 1e6
}

/// Resident memory of each process.
pub(crate) fn memory(world: &World, table: &mut Table) {
    for server in world.servers() {
        let memory = resident_mb(server.pid().unwrap_or_default());
        let name = format!("idle memory of {}", server.name);
        table.row(name, format!("{memory:.1} MB"));
    }
}

/// Resident memory of a process in MB, 0 if there is none.
pub(crate) fn resident_mb(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = text.lines().find(|line| line.starts_with("VmRSS"));
    let kib: f64 = resident
        .and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_default();
    kib / 1024.0
}

/// Request → accepted, and request → the step's own first instruction.
pub(crate) async fn latency(world: &World, stamps: &Stamps, table: &mut Table) {
    let http = Http::of(world);
    let step = json!({"id": "one", "command": stamps.command()});
    let pipeline = http.define("bench-latency", vec![step]).await;
    let (mut accepted, mut first) = (Vec::new(), Vec::new());
    for round in 0..SAMPLES + 10 {
        let start = now_ns();
        let (run, run_count) = http.start(&pipeline).await;
        let answered = now_ns();
        let stamp = stamps.of(&run, "one").await;
        http.ended(&pipeline, run_count).await;
        if round >= 10 {
            accepted.push(ms_between(start, answered));
            first.push(ms_between(start, stamp.at_ns));
        }
    }
    table.row("request → accepted, p50 / p99", percentiles(accepted));
    table.row(
        "request → first instruction of the first step, p50 / p99",
        percentiles(first),
    );
}

/// One step's first instruction → the next one's, in one run.
pub(crate) async fn step_to_step(world: &World, stamps: &Stamps, table: &mut Table) {
    let http = Http::of(world);
    let step = |n: usize| json!({"id": format!("s{n}"), "command": stamps.command()});
    let pipeline = http
        .define("bench-steps", (0..20).map(step).collect())
        .await;
    let mut between = Vec::new();
    for _ in 0..10 {
        let (run, run_count) = http.start(&pipeline).await;
        http.ended(&pipeline, run_count).await;
        let mut last = stamps.of(&run, "s0").await;
        for n in 1..20 {
            let next = stamps.of(&run, &format!("s{n}")).await;
            between.push(ms_between(last.at_ns, next.at_ns));
            last = next;
        }
    }
    table.row("step → step, p50 / p99", percentiles(between));
}

/// Forty one-line steps, one after the other: request → ended.
pub(crate) async fn forty_steps(world: &World, table: &mut Table) {
    let http = Http::of(world);
    let step = |n: usize| json!({"id": format!("s{n}"), "run": "echo line"});
    let pipeline = http
        .define("bench-forty", (0..40).map(step).collect())
        .await;
    let mut took = Vec::new();
    for _ in 0..10 {
        let (_, run_count) = http.start(&pipeline).await;
        took.push(run_ms(&http.ended(&pipeline, run_count).await));
    }
    table.row("40 one-line steps in one run, p50 / p99", percentiles(took));
}

/// Request → end of a run, by the server's own clock.
pub(crate) fn run_ms(run: &Value) -> f64 {
    let at = |field: &str| -> i64 {
        let text = run[field].as_str().unwrap_or_default();
        text.parse::<jiff::Timestamp>()
            .map(jiff::Timestamp::as_millisecond)
            .unwrap_or_default()
    };
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a bench")]
    let took = (at("endedAt") - at("requestedAt")) as f64;
    took
}

/// A kill is asked for → the step's process is gone.
pub(crate) async fn stop(world: &World, stamps: &Stamps, table: &mut Table) {
    let http = Http::of(world);
    let step = json!({"id": "one", "command": stamps.command(), "env": {"BENCH_STAY": "1"}});
    let pipeline = http.define("bench-stop", vec![step]).await;
    let mut took = Vec::new();
    for _ in 0..50 {
        let (run, run_count) = http.start(&pipeline).await;
        let stamp = stamps.of(&run, "one").await;
        let start = Instant::now();
        let path = format!("/api/v2/pipelines/{pipeline}/runs/{run_count}/stop");
        http.post(&path, &json!({"mode": "kill"})).await;
        while is_alive(stamp.pid) {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        took.push(start.elapsed().as_secs_f64() * 1000.0);
        http.ended(&pipeline, run_count).await;
    }
    table.row("stop (kill) → process gone, p50 / p99", percentiles(took));
}

fn is_alive(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}
