//! Ten thousand schedules that are due in the same second, and a hundred thousand that wait.

use std::time::{Duration, Instant};

use futures::future::join_all;
use harness::World;
use harness::rows::Rows;
use serde_json::json;

use crate::measure::{Http, millis};
use crate::table::Table;

/// Pipelines, and schedules of each.
const PIPELINES: usize = 10;
const EACH: usize = 1000;
/// How long it may take to make the schedules, before they are due.
const MADE_WITHIN: Duration = Duration::from_mins(3);
/// Schedules that are made at the same time.
const TOGETHER: usize = 50;

/// Pipelines of which schedules wait, `EACH` of each.
const WAITING: usize = 100;
/// How long it is looked at what they cost.
const LOOK: Duration = Duration::from_secs(20);

/// What schedules cost that wait, and a start with them.
pub(crate) async fn waiting(world: &World, table: &mut Table) {
    let http = Http::of(world);
    for number in 0..WAITING {
        let step = json!({"id": "one", "run": "true"});
        let name = format!("bench-waiting-{number}");
        let pipeline = http.define(&name, vec![step]).await;
        make(&http, &pipeline, "2100-01-01T00:00:00Z").await;
    }
    let server = world.server("scheduler");
    let before_ms = cpu_ms(server.pid().unwrap_or_default());
    tokio::time::sleep(LOOK).await;
    let spent_ms = cpu_ms(server.pid().unwrap_or_default()) - before_ms;
    #[allow(clippy::cast_precision_loss, reason = "some seconds")]
    let share = spent_ms as f64 / LOOK.as_millis() as f64 * 100.0;
    table.row(
        "100 000 schedules wait: a processor's time",
        format!("{share:.2} %"),
    );
    server.kill();
    let begun = Instant::now();
    world.start_again(server).await;
    table.row(
        "100 000 schedules wait: start until ready",
        millis(begun.elapsed()),
    );
}

/// The time that a process has had of processors; 0 if there is none.
fn cpu_ms(pid: u32) -> u64 {
    /// Linux counts in hundredths of a second, whatever its kernel does.
    const TICK_MS: u64 = 10;
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (_, behind_name) = text.rsplit_once(") ").unwrap_or_default();
    let user_and_system = behind_name.split(' ').skip(11).take(2);
    let ticks: u64 = user_and_system
        .filter_map(|it| it.parse::<u64>().ok())
        .sum();
    ticks * TICK_MS
}

/// Makes `EACH` schedules of a pipeline, due at one time.
async fn make(http: &Http, pipeline: &str, at: &str) {
    let body = json!({"pipeline": pipeline, "at": at, "overlap": "queue"});
    for _ in 0..EACH / TOGETHER {
        let made = (0..TOGETHER).map(|_| http.post("/api/v2/schedules", &body));
        join_all(made).await;
    }
}

/// Makes schedules for one moment: from then until each has its slot's row, and its run.
pub(crate) async fn due(world: &World, table: &mut Table) {
    let http = Http::of(world);
    // The first run waits for somebody; all others are accepted and wait for their place.
    let gate = json!({"id": "go", "approval": {}});
    let mut pipelines = Vec::new();
    for number in 0..PIPELINES {
        let name = format!("bench-scheduled-{number}");
        let definition = json!({"name": name, "concurrency": 1, "steps": [gate]});
        let made = http.post("/api/v2/pipelines", &definition).await;
        pipelines.push(made["id"].as_str().expect("an id").to_owned());
    }
    let at = jiff::Timestamp::now() + jiff::SignedDuration::try_from(MADE_WITHIN).expect("a time");
    let at_ms = at.as_second() * 1000;
    let at = jiff::Timestamp::from_millisecond(at_ms).expect("a time");
    let begun = Instant::now();
    for pipeline in &pipelines {
        make(&http, pipeline, &at.to_string()).await;
    }
    #[allow(clippy::cast_precision_loss, reason = "ten thousand")]
    let rate = (PIPELINES * EACH) as f64 / begun.elapsed().as_secs_f64();
    table.row("schedules made a second", format!("{rate:.0}"));
    let (scheduler, pipeline) = (
        Rows::of(world, "scheduler").await,
        Rows::of(world, "pipeline").await,
    );
    let slots = format!("SELECT count(*) FROM slot WHERE slot_ms = {at_ms}");
    let runs = "SELECT count(*) FROM run WHERE schedule_id IS NOT NULL";
    let slots = reached(&scheduler, &slots, at_ms).await;
    table.row("10 000 due at once → a row of each slot", slots);
    let runs = reached(&pipeline, runs, at_ms).await;
    table.row("10 000 due at once → a run of each accepted", runs);
    let late = "SELECT CAST(max(late_ms) AS BIGINT) FROM slot";
    let late = scheduler.number(late).await;
    table.row("the latest of them, as its slot says", format!("{late} ms"));
    for rows in [scheduler, pipeline] {
        rows.close().await;
    }
}

/// How long after a time a count is all of them.
async fn reached(rows: &Rows, count: &str, at_ms: i64) -> String {
    let all = i64::try_from(PIPELINES * EACH).unwrap_or(i64::MAX);
    while rows.number(count).await < all {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took_ms = jiff::Timestamp::now().as_millisecond() - at_ms;
    format!("{took_ms} ms")
}
