//! Measures how fast output is stored and read again.
//!
//! `cargo run --release -p audit-log --example throughput -- [store URL] [bus URL]`: by default on
//! `SQLite` and the embedded bus in a temporary directory. A million lines of one run are published
//! in batches of 64 KiB; then the audit log is started and its follower timed.

use std::error::Error;
use std::time::{Duration, Instant};

use contracts::audit::QueryActivityRequest;
use contracts::audit::audit_log_client::AuditLogClient;
use contracts::id::{PipelineId, RunId};
use contracts::message::{ActivityBatch, ActivityEntry, RunChanged, RunState, Stream};
use outbox::{Bus, Post, bus};
use runtime::{Readiness, Tasks, clock, route};

const LINES: u64 = 1_000_000;
/// Lines of a batch, about 64 KiB of JSON.
const BATCH: u64 = 400;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut urls = std::env::args().skip(1);
    let store = urls
        .next()
        .unwrap_or_else(|| format!("sqlite://{}", folder.path().display()));
    let bus_url = urls
        .next()
        .unwrap_or_else(|| format!("embedded:{}", folder.path().join("bus").display()));
    let (ready, tasks) = (Readiness::new(), Tasks::new());
    let config = bus::Config {
        url: bus_url,
        ..bus::Config::default()
    };
    let bus = Bus::open(&config, &ready, &tasks).await?;
    let now_ms = clock::now_ms();
    let (run_id, pipeline_id) = (RunId::made_at(now_ms), PipelineId::made_at(now_ms));

    let begun = Instant::now();
    publish(&bus, &run_id, &pipeline_id, now_ms).await?;
    report("published", begun.elapsed());

    let config = audit_log::Config {
        key_file: folder.path().join("audit-key"),
        ..audit_log::Config::default()
    };
    let stores = audit_log::Stores::open(&config, &store, &ready).await?;
    let begun = Instant::now();
    let routes = audit_log::start(config, stores, bus, &tasks).await?;
    let client = AuditLogClient::new(route::local(routes, route::LIMIT));
    let run_id = run_id.to_string();
    follow(client.clone(), &run_id).await?;
    report("stored and followed", begun.elapsed());
    let begun = Instant::now();
    follow(client, &run_id).await?;
    report("read again", begun.elapsed());
    tasks.drain();
    tasks.ended().await;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "this is what it is for")]
fn report(what: &str, took: Duration) {
    let each_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / LINES;
    println!(
        "{what}: {LINES} lines in {took:.2?}, {} a second",
        1_000_000_000 / each_ns.max(1)
    );
}

async fn publish(
    bus: &Bus,
    run_id: &RunId,
    pipeline_id: &PipelineId,
    now_ms: i64,
) -> Result<(), Box<dyn Error>> {
    for first in (1..=LINES).step_by(usize::try_from(BATCH * 16)?) {
        let firsts = (first..first + BATCH * 16).step_by(usize::try_from(BATCH)?);
        let posts: Result<Vec<Post>, _> = firsts
            .filter(|first| *first <= LINES)
            .map(|first| {
                Post::of(
                    &batch(run_id, pipeline_id, first, now_ms),
                    first.to_string(),
                    now_ms,
                )
            })
            .collect();
        bus.publish(posts?).await?;
    }
    let end = RunChanged {
        run_id: run_id.to_string(),
        pipeline_id: pipeline_id.to_string(),
        run_count: 1,
        to: RunState::Succeeded.into(),
        attempt: 1,
        at_ms: now_ms + 1_000_000,
        last_seq: LINES,
        ..RunChanged::default()
    };
    bus.publish(vec![Post::of(&end, "end", now_ms)?]).await?;
    Ok(())
}

fn batch(run_id: &RunId, pipeline_id: &PipelineId, first: u64, now_ms: i64) -> ActivityBatch {
    let entry = |seq: u64| ActivityEntry {
        seq,
        time_ms: now_ms + i64::try_from(seq / 100).unwrap_or_default(),
        step_id: "build".into(),
        r#try: 1,
        stream: Stream::Stdout.into(),
        message: format!(
            "[{seq:>8}] compiling module {} of the whole: nothing to see here",
            seq % 97
        ),
        truncated: false,
    };
    ActivityBatch {
        run_id: run_id.to_string(),
        pipeline_id: pipeline_id.to_string(),
        attempt: 1,
        entries: (first..(first + BATCH).min(LINES + 1)).map(entry).collect(),
    }
}

async fn follow(
    mut client: AuditLogClient<runtime::Route>,
    run_id: &str,
) -> Result<(), Box<dyn Error>> {
    let (run_id, limit) = (run_id.to_owned(), 1000);
    let asked = QueryActivityRequest {
        run_id,
        limit,
        ..QueryActivityRequest::default()
    };
    let mut stream = client.tail_activity(asked).await?.into_inner();
    let (mut count, mut next) = (0, 1);
    while let Some(page) = stream.message().await? {
        for entry in page.entries.iter().filter(|it| it.kind.is_empty()) {
            let seq = entry.entry.as_ref().map_or(0, |it| it.seq);
            if seq != next {
                return Err(format!("entry {seq} came in place of {next}").into());
            }
            next += 1;
            count += 1;
        }
    }
    if count == LINES {
        Ok(())
    } else {
        Err(format!("{count} lines came").into())
    }
}
