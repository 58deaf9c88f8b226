//! The tests' own Apache Kafka: one node, broker and controller in one process.
//!
//! Its jars come by Maven from `tests/kafka/pom.xml` into `target/kafka`, once for all directories.
//! Two things make it start fast: the first run leaves an archive of its classes for the later
//! ones, and code is compiled by the quick compiler only.

mod wire;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;

use super::postgres::remove;
use super::record::Broker;
use crate::{process, tools};

/// How long it may take to start, its recovery after a crash included, and to stop.
const LIMIT: Duration = Duration::from_mins(2);

const CLUSTER_ID: &str = "cGVuc3RvY2stdGVzdHMxMg";

pub(super) struct Kafka {
    home: PathBuf,
    log: PathBuf,
    port: u16,
    controller_port: u16,
}

impl Kafka {
    pub(super) fn new(dir: &Path, broker: &Broker) -> Self {
        let home = dir.join("kafka");
        let log = home.join("kafka.log");
        Self {
            home,
            log,
            port: broker.port,
            controller_port: broker.controller_port,
        }
    }

    /// Starts the broker where it doesn't run, and answers when it has joined its cluster.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let pid = if let Some(pid) = self.pid() {
            pid
        } else {
            let jars = jars()?;
            self.format(&jars)?;
            self.spawn(&jars)?
        };
        process::wait_until("kafka", LIMIT, || {
            if process::is_gone(pid) {
                bail!("kafka ended as it started");
            }
            Ok(self.answers())
        })
        .map_err(|error| process::with_tail(&error, &self.log))
    }

    /// Ends the broker in an orderly way, or the hard way once it has had its time.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        process::signal(pid, Signal::CONT)?;
        process::signal(pid, Signal::TERM)?;
        if wait_for_end(pid).is_err() {
            eprintln!(
                "kafka ignores SIGTERM for {} s and is killed",
                LIMIT.as_secs()
            );
            return self.kill();
        }
        Ok(())
    }

    /// Ends the broker at once, whatever becomes of what it stored.
    pub(super) fn kill(&self) -> anyhow::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        process::signal(pid, Signal::KILL)?;
        wait_for_end(pid)
    }

    /// Removes what the broker stored; its log stays.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        remove(&self.data())
    }

    /// The broker's process, if it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        let pid = fs::read_to_string(self.home.join("pid"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        process::runs_with(pid, &self.settings()).then_some(pid)
    }

    /// Says whether the broker serves now.
    pub(super) fn answers(&self) -> bool {
        wire::serves(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).unwrap_or(false)
    }

    /// Writes the settings, and prepares the data folder where there is none.
    fn format(&self, jars: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(self.home.join("tmp"))?;
        fs::write(self.settings(), self.properties())?;
        if self.data().join("meta.properties").exists() {
            return Ok(());
        }
        remove(&self.data())?;
        let mut command = self.java(jars);
        command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]);
        tools::output(command.arg(self.settings())).map(drop)
    }

    /// Starts the broker in a process group of its own, so that it outlives this command and its
    /// terminal's signals.
    fn spawn(&self, jars: &Path) -> anyhow::Result<u32> {
        let log = File::create(&self.log)?;
        let classes = jars.with_file_name("classes.jsa");
        let mut command = self.java(jars);
        if !classes.exists() {
            command.arg(format!("-XX:ArchiveClassesAtExit={}", classes.display()));
        }
        command
            .arg("kafka.Kafka")
            .arg(self.settings())
            .current_dir(&self.home);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = command.spawn().context("java could not be started")?;
        fs::write(self.home.join("pid"), child.id().to_string())?;
        Ok(child.id())
    }

    /// A Java machine with the broker's classes; it writes below its home only.
    fn java(&self, jars: &Path) -> Command {
        let classes = jars.with_file_name("classes.jsa");
        let mut command = Command::new("java");
        command.args([
            "-Xms64m",
            "-Xmx384m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
        ]);
        command.args(["-XX:-UsePerfData", "-Djava.awt.headless=true"]);
        command.arg("-Dorg.slf4j.simpleLogger.showDateTime=true");
        command.arg(format!(
            "-Djava.io.tmpdir={}",
            self.home.join("tmp").display()
        ));
        if classes.exists() {
            command.arg(format!("-XX:SharedArchiveFile={}", classes.display()));
        }
        command.arg("-cp").arg(jars.join("*"));
        command
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn settings(&self) -> PathBuf {
        self.home.join("server.properties")
    }

    fn properties(&self) -> String {
        let (port, controller, data) = (self.port, self.controller_port, self.data());
        format!(
            "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={}
num.partitions=4
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# A reader that was killed loses its place after 6 s instead of 45: tests kill often.
group.consumer.min.heartbeat.interval.ms=1000
group.consumer.heartbeat.interval.ms=1000
group.consumer.min.session.timeout.ms=6000
group.consumer.session.timeout.ms=6000
log.segment.bytes=16777216
log.cleaner.dedupe.buffer.size=8388608
",
            data.display()
        )
    }
}

/// The folder of the broker's jars, fetched where they are missing or where `pom.xml` has changed
/// since.
pub(super) fn jars() -> anyhow::Result<PathBuf> {
    let (pom, home) = (
        crate::root().join("tests/kafka/pom.xml"),
        crate::root().join("target/kafka"),
    );
    let (jars, fetched) = (home.join("jars"), home.join("pom.xml"));
    let wanted = fs::read(&pom).with_context(|| format!("{} is unreadable", pom.display()))?;
    if fs::read(&fetched).is_ok_and(|had| had == wanted) {
        return Ok(jars);
    }
    eprintln!("fetching the jars of Apache Kafka into {}", home.display());
    remove(&jars)?;
    if home.join("classes.jsa").exists() {
        fs::remove_file(home.join("classes.jsa"))?;
    }
    fs::create_dir_all(&home)?;
    let mut maven = Command::new("mvn");
    maven
        .args([
            "-q",
            "-B",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            "-f",
        ])
        .arg(&pom);
    maven.arg(format!("-DoutputDirectory={}", jars.display()));
    maven.arg(format!(
        "-Dmaven.repo.local={}",
        home.join("maven").display()
    ));
    maven.env("MAVEN_OPTS", "-XX:-UsePerfData");
    tools::output(&mut maven).with_context(|| {
        format!(
            "the jars of Apache Kafka could not be fetched: Maven must reach Maven Central or the \
             mirror that ~/.m2/settings.xml names; with the network back, or {} copied from another \
             machine, try again",
            home.display()
        )
    })?;
    fs::write(&fetched, &wanted)?;
    Ok(jars)
}

fn wait_for_end(pid: u32) -> anyhow::Result<()> {
    process::wait_until("the end of kafka", LIMIT, || Ok(process::is_gone(pid)))
}
