//! A real PostgreSQL and a real Apache Kafka of the tests' own, on free ports of the loopback
//! interface.
//!
//! Everything lies in one directory: `services.json` says the URLs, ports and process ids; each
//! service has a folder for its data and a log. What the system itself runs is left alone.
//!
//! Kept true: every method may be repeated; `up` answers when both serve; a service that was
//! stopped comes back on the same port with the same data; `down` leaves no process and no data.
//! One method at a time works on a directory.

mod kafka;
mod postgres;
mod record;

use std::fs::{self, File};
use std::path::{Path, PathBuf, absolute};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;
use rustix::process::Signal;

use self::kafka::Kafka;
use self::postgres::Postgres;
use self::record::Record;
use crate::{process, tools};

/// One of the two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// The database.
    Postgres,
    /// The broker.
    Kafka,
}

/// Where the two services answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// `postgres://user:password@127.0.0.1:port/database`, as a superuser.
    pub postgres: String,
    /// `kafka://127.0.0.1:port`.
    pub kafka: String,
}

/// The two services of one directory. Calls block; they are for tasks and for threads that may
/// wait.
#[derive(Clone, Debug)]
pub struct Services {
    dir: PathBuf,
}

impl Services {
    /// The services that `cargo xtask services` means when it is told no directory:
    /// `target/services`.
    pub fn of_the_tests() -> Self {
        Self {
            dir: crate::root().join("target/services"),
        }
    }

    /// The services of `dir`, which is made when they start.
    pub fn at(dir: impl AsRef<Path>) -> Self {
        Self {
            dir: absolute(&dir).unwrap_or_else(|_| dir.as_ref().to_owned()),
        }
    }

    /// The directory of these services.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts both side by side, installing what is missing where we may, and answers when both
    /// serve.
    pub fn up(&self) -> anyhow::Result<Urls> {
        tools::provide_services()?;
        let _lock = self.lock()?;
        let record = Record::read(&self.dir)?.map_or_else(Record::with_free_ports, Ok)?;
        record.write(&self.dir)?;
        let (postgres, kafka) = self.both(&record);
        thread::scope(|scope| {
            let database = scope.spawn(|| timed("postgres", || postgres.start()));
            let broker = timed("kafka", || kafka.start());
            let database = database.join();
            broker?;
            database.unwrap_or_else(|_| bail!("the thread that starts postgres panicked"))
        })?;
        self.note(record)
    }

    /// Stops both and removes their data and addresses; the logs stay.
    pub fn down(&self) -> anyhow::Result<()> {
        if !self.dir.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let Some(record) = Record::read(&self.dir)? else {
            return Ok(());
        };
        let (postgres, kafka) = self.both(&record);
        let stopped = (postgres.stop(), kafka.kill());
        stopped.0.and(stopped.1)?;
        postgres.forget()?;
        kafka.forget()?;
        Record::remove(&self.dir)
    }

    /// Starts one again, on its port and data, and answers when it serves.
    pub fn start(&self, name: Name) -> anyhow::Result<()> {
        self.with(name, Postgres::start, Kafka::start)
    }

    /// Stops one in an orderly way (connections are cut), and answers when it is gone.
    pub fn stop(&self, name: Name) -> anyhow::Result<()> {
        self.with(name, Postgres::stop, Kafka::stop)
    }

    /// Freezes all processes of one: its port stays open, nothing answers.
    pub fn pause(&self, name: Name) -> anyhow::Result<()> {
        self.signal(name, Signal::STOP)
    }

    /// Lets a frozen one go on.
    pub fn resume(&self, name: Name) -> anyhow::Result<()> {
        self.signal(name, Signal::CONT)
    }

    /// Where both answer.
    pub fn urls(&self) -> anyhow::Result<Urls> {
        Ok(self.record()?.urls())
    }

    /// Prints a line a service: its name, state, process and URL.
    pub fn print_status(&self) -> anyhow::Result<()> {
        let Some(record) = Record::read(&self.dir)? else {
            println!("no services in {}", self.dir.display());
            return Ok(());
        };
        let urls = record.urls();
        let (postgres, kafka) = self.both(&record);
        print_line(
            "postgres",
            postgres.pid(),
            postgres.answers(),
            &urls.postgres,
        );
        print_line("kafka", kafka.pid(), kafka.answers(), &urls.kafka);
        Ok(())
    }

    fn both(&self, record: &Record) -> (Postgres, Kafka) {
        (
            Postgres::new(&self.dir, &record.postgres),
            Kafka::new(&self.dir, &record.kafka),
        )
    }

    fn with(
        &self,
        name: Name,
        postgres: impl FnOnce(&Postgres) -> anyhow::Result<()>,
        kafka: impl FnOnce(&Kafka) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let _lock = self.lock()?;
        let record = self.record()?;
        let services = self.both(&record);
        match name {
            Name::Postgres => postgres(&services.0)?,
            Name::Kafka => kafka(&services.1)?,
        }
        self.note(record).map(drop)
    }

    fn signal(&self, name: Name, signal: Signal) -> anyhow::Result<()> {
        let send = |pid: Option<u32>| {
            let pid = pid.context("it does not run; start it first")?;
            process::family(pid)
                .into_iter()
                .try_for_each(|pid| process::signal(pid, signal))
        };
        self.with(
            name,
            |postgres| send(postgres.pid()),
            |kafka| send(kafka.pid()),
        )
    }

    /// Writes down which processes serve now.
    fn note(&self, mut record: Record) -> anyhow::Result<Urls> {
        let (postgres, kafka) = self.both(&record);
        record.postgres.pid = postgres.pid();
        record.kafka.pid = kafka.pid();
        record.write(&self.dir)?;
        Ok(record.urls())
    }

    fn record(&self) -> anyhow::Result<Record> {
        Record::read(&self.dir)?.with_context(|| {
            format!(
                "no services in {}; run cargo xtask services up",
                self.dir.display()
            )
        })
    }

    /// Keeps a second command out of the directory until the answer is dropped.
    fn lock(&self) -> anyhow::Result<File> {
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("{} could not be made", self.dir.display()))?;
        let file = File::create(self.dir.join("lock"))?;
        file.lock()?;
        Ok(file)
    }
}

fn timed(name: &str, start: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let begun = Instant::now();
    start().with_context(|| format!("{name} does not start"))?;
    let took = begun.elapsed();
    if took > Duration::from_millis(100) {
        eprintln!("{name} serves after {:.1} s", took.as_secs_f64());
    }
    Ok(())
}

fn print_line(name: &str, pid: Option<u32>, answers: bool, url: &str) {
    let state = match (pid, answers) {
        (Some(_), true) => "serves",
        (Some(_), false) => "silent",
        (None, _) => "stopped",
    };
    println!(
        "{name:<9} {state:<8} {:<8} {url}",
        pid.map_or("-".into(), |pid| pid.to_string())
    );
}
