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
    let mut bench = Bench::start().await?;
    let (mut published, mut delivered, mut announced) = (Vec::new(), Vec::new(), Vec::new());
    for count in 0..ROUNDS {
        let (durable, heard) = bench.publish(count).await?;
        published.push(durable);
        delivered.push(heard);
        announced.push(bench.announce(count).await?);
    }
    summary("publish is durable", published);
    summary("publish → heard", delivered);
    summary("committed → heard", announced);
    let resident = resident_kib() - bench.resident_before_kib;
    println!("resident memory: {resident} KiB more than without the bus");
    let (cpu, idle) = (cpu_ticks(), Duration::from_secs(10));
    tokio::time::sleep(idle).await;
    println!(
        "idle: {} ms of CPU in {idle:?}, {} KiB",
        10 * (cpu_ticks() - cpu),
        resident_kib()
    );
    println!(
        "published in batches of 500: {} a second",
        bench.throughput().await?
    );
    bench.tasks.drain();
    bench.tasks.ended().await;
    Ok(())
}

/// A service of its own, beside the bus.
struct Bench {
    bus: Bus,
    database: Database,
    bell: Bell,
    tasks: Tasks,
    run: String,
    heard: mpsc::UnboundedReceiver<(String, Instant)>,
    resident_before_kib: i64,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let (ready, tasks, bell) = (Readiness::new(), Tasks::new(), Bell::new());
        let store = format!("sqlite://{}", folder.path().display());
        let database = Database::open::<Migrator>(&store, "latency", &ready).await?;
        let resident_before_kib = resident_kib();
        let began = Instant::now();
        let bus = Bus::open(&config(), &ready, &tasks).await?;
        println!("open {:?}", began.elapsed());
        outbox::relay(&database, &bus, &bell, &tasks, "latency");
        let run: String = RunId::made_at(clock::now_ms()).into();
        let consumer = Consumer {
            group: Box::leak(format!("latency-{run}").into_boxed_str()),
            topics: &[Topic::Commands],
            inbox: true,
            batch: 64,
            tuning: Tuning::Prompt,
        };
        let (told, heard) = mpsc::unbounded_channel();
        outbox::consume(consumer, &database, &bus, Arc::new(Report(told)), &tasks);
        Ok(Self {
            bus,
            database,
            bell,
            tasks,
            run,
            heard,
            resident_before_kib,
            _folder: folder,
        })
    }

    fn message(&self, count: i64) -> RunRequested {
        RunRequested {
            run_id: self.run.clone(),
            run_count: count,
            ..Default::default()
        }
    }

    /// When the next of our messages was heard.
    async fn next(&mut self) -> Result<Instant, &'static str> {
        loop {
            let (run, at) = self.heard.recv().await.ok_or("the consumer ended")?;
            if run == self.run {
                return Ok(at);
            }
        }
    }

    async fn publish(
        &mut self,
        count: i64,
    ) -> Result<(Duration, Duration), Box<dyn std::error::Error>> {
        let now = clock::now_ms();
        let post = Post::of(&self.message(count), MessageId::made_at(now), now)?;
        let began = Instant::now();
        self.bus.publish(vec![post]).await?;
        let durable = began.elapsed();
        if count == 0 {
            println!("first publish {durable:?}");
        }
        Ok((durable, self.next().await? - began))
    }

    async fn announce(&mut self, count: i64) -> Result<Duration, Box<dyn std::error::Error>> {
        let tx = self.database.begin().await?;
        outbox::announce(&tx, &self.message(count), clock::now_ms()).await?;
        tx.commit().await?;
        let committed = Instant::now();
        self.bell.ring();
        Ok(self.next().await?.saturating_duration_since(committed))
    }

    async fn throughput(&self) -> Result<u128, Box<dyn std::error::Error>> {
        let began = Instant::now();
        let posts: Result<Vec<_>, _> = (0..10_000)
            .map(|count| Post::of(&self.message(count), MessageId::made_at(count), count))
            .collect();
        for posts in posts?.chunks(500) {
            self.bus.publish(posts.to_vec()).await?;
        }
        Ok(10_000_000 / began.elapsed().as_millis().max(1))
    }
}

fn config() -> Config {
    let mut config = Config {
        url: "embedded:target/latency".into(),
        ..Config::default()
    };
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some((name, value)) => drop(config.properties.insert(name.into(), value.into())),
            None => config.url = argument,
        }
    }
    config
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
