//! Measures the bus: how long a message takes from `publish` and from `announce` to its hearer, and
//! what the bus costs in memory.
//!
//! `cargo run -p outbox --example latency -- embedded:/tmp/bus` or `-- kafka://127.0.0.1:9092`,
//! where properties of the client library may follow: `linger.ms=5`.

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::id::{MessageId, RunId};
use contracts::message::RunRequested;
use outbox::bus::{Config, Topic};
use outbox::{Bus, Consumer, Deaf, Hear, Heard, Post, Tables, Tuning};
use runtime::{Bell, Database, Readiness, Tasks, clock};
use sea_orm::DatabaseTransaction;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio::sync::mpsc;

const ROUNDS: i64 = 500;

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Tables)]
    }
}

struct Report(mpsc::UnboundedSender<(String, Instant)>);

impl Hear for Report {
    async fn hear(&self, _: &DatabaseTransaction, messages: &[Heard]) -> Result<(), Deaf> {
        for message in messages {
            let _ = self.0.send((message.key.clone(), Instant::now()));
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "embedded:target/latency".into());
    let folder = tempfile::tempdir()?;
    let (ready, tasks, bell) = (Readiness::new(), Tasks::new(), Bell::new());
    let store = format!("sqlite://{}", folder.path().display());
    let database = Database::open::<Migrator>(&store, "latency", &ready).await?;
    let before = resident_kib();
    let began = Instant::now();
    let properties = std::env::args()
        .skip(2)
        .filter_map(|arg| {
            arg.split_once('=')
                .map(|(name, value)| (name.into(), value.into()))
        })
        .collect();
    let config = Config {
        url,
        properties,
        ..Config::default()
    };
    let bus = Bus::open(&config, &ready, &tasks).await?;
    println!("open {:?}", began.elapsed());
    outbox::relay(&database, &bus, &bell, &tasks, "latency");

    let run: String = RunId::made_at(clock::now_ms()).into();
    let group: &'static str = Box::leak(format!("latency-{run}").into_boxed_str());
    let (told, mut heard) = mpsc::unbounded_channel();
    let consumer = Consumer {
        group,
        topics: &[Topic::Commands],
        inbox: true,
        batch: 64,
        tuning: Tuning::Prompt,
    };
    outbox::consume(consumer, &database, &bus, Arc::new(Report(told)), &tasks);
    let mut broadcast = bus.broadcast(&[Topic::Commands]).await?;
    let mut next = async || loop {
        match heard.recv().await {
            Some((key, at)) if key == run => return at,
            Some(_) => {}
            None => return Instant::now(),
        }
    };

    let (mut published, mut delivered, mut announced) = (Vec::new(), Vec::new(), Vec::new());
    for count in 0..ROUNDS {
        let message = RunRequested {
            run_id: run.clone(),
            run_count: count,
            ..Default::default()
        };
        let now = clock::now_ms();
        let post = Post::of(&message, MessageId::made_at(now), now)?;
        let began = Instant::now();
        bus.publish(vec![post]).await?;
        if count == 0 {
            println!("first publish {:?}", began.elapsed());
        }
        published.push(began.elapsed());
        delivered.push(next().await - began);
        broadcast.next().await?;

        let began = Instant::now();
        let tx = database.begin().await?;
        outbox::announce(&tx, &message, now).await?;
        tx.commit().await?;
        bell.ring();
        let committed = began.elapsed();
        announced.push((next().await - began).saturating_sub(committed));
        broadcast.next().await?;
    }
    summary("publish is durable", published);
    summary("publish → heard", delivered);
    summary("committed → heard", announced);
    println!("published in batches of 500: {} a second", throughput(&bus, &run).await?);
    println!(
        "resident memory: {} KiB more than without the bus",
        resident_kib() - before
    );
    let (cpu, idle) = (cpu_ticks(), Duration::from_secs(10));
    tokio::time::sleep(idle).await;
    println!(
        "idle: {} ms of CPU in {idle:?}, {} KiB",
        10 * (cpu_ticks() - cpu),
        resident_kib()
    );
    tasks.drain();
    tasks.ended().await;
    Ok(())
}

async fn throughput(bus: &Bus, run: &str) -> Result<u128, Box<dyn std::error::Error>> {
    let began = Instant::now();
    let mut posts = Vec::new();
    for count in 0..10_000 {
        let message = RunRequested {
            run_id: run.into(),
            run_count: count,
            ..Default::default()
        };
        posts.push(Post::of(&message, MessageId::made_at(count), count)?);
    }
    for posts in posts.chunks(500) {
        bus.publish(posts.to_vec()).await?;
    }
    Ok(10_000_000 / began.elapsed().as_millis().max(1))
}

fn summary(what: &str, mut all: Vec<Duration>) {
    all.sort_unstable();
    let at = |percent: usize| all[(all.len() - 1) * percent / 100];
    println!(
        "{what}: p50 {:?}, p90 {:?}, p99 {:?}",
        at(50),
        at(90),
        at(99)
    );
}

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|it| it.parse().ok())
        .unwrap_or_default()
}

fn cpu_ticks() -> i64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<i64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|it| it.parse().ok())
        .collect();
    // Without the name and the state: utime is the 11th number, stime the 12th.
    fields.iter().skip(10).take(2).sum()
}
