//! What the disk keeps of a log when the executor is killed, and what becomes of runs when it is full.
//!
//! Both take a process of its own: this executable, started again for one part of the story.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use contracts::message::{ActivityBatch, ActivityEntry, Topic};
use contracts::pipeline::Outcome;
use executor::Config;
use libtest_mimic::Trial;
use outbox::Tuning;

use crate::trials_of;
use crate::world::{World, eventually};

const SELF: &str = executor::process::OWN_PROGRAM;
/// The part of an executor that is killed.
pub(crate) const DIES: &str = "executor-that-dies";
/// The part of an executor whose disk is full.
pub(crate) const FILLS: &str = "executor-on-a-small-disk";
/// The small disk, as `mount` takes it.
const SMALL: &str = "size=8m,nr_inodes=256";
const LINES: usize = 3000;

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        what_was_reported_is_not_lost_with_the_executor,
        a_full_disk_fails_steps_and_holds_up_nothing,
    ]
}

/// Plays a part in a folder.
pub(crate) fn play(part: &str, folder: &str) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = Path::new(folder);
    runtime.block_on(async {
        match part {
            DIES => dies(folder).await,
            _ => fills(folder).await,
        }
    });
    ExitCode::SUCCESS
}

/// Every entry that the bus has, once there are so many.
async fn entries(world: &World, wanted: usize) -> BTreeMap<(u32, u64), ActivityEntry> {
    let topics = [Topic::Activity];
    let mut reader = world
        .bus
        .read("test", &topics, Tuning::Prompt)
        .await
        .unwrap();
    let mut entries = BTreeMap::new();
    while entries.len() < wanted {
        for heard in reader.next(100).await.unwrap() {
            let batch: ActivityBatch = heard.decode().unwrap();
            let attempt = batch.attempt;
            let numbered = batch.entries.into_iter();
            entries.extend(numbered.map(|entry| ((attempt, entry.seq), entry)));
        }
    }
    entries
}

async fn ends(mut command: Command) -> ExitStatus {
    let ended = tokio::task::spawn_blocking(move || command.status());
    ended.await.unwrap().unwrap()
}

async fn what_was_reported_is_not_lost_with_the_executor() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Command::new(SELF);
        part.arg(DIES).arg(folder.path());
        assert_eq!(ends(part).await.signal(), Some(9));
        // A keeper that was being started may have them a moment longer.
        let is_free = |name| runtime::lock::directory(&folder.path().join(name)).is_ok();
        eventually("its locks go", || is_free("executor") && is_free("bus")).await;
        let mut world = World::at(folder.path()).await;
        world.start(world.config()).await;
        let entries = entries(&world, LINES + 1).await;
        let expected = (1..=LINES as u64 + 1).map(|seq| (1, seq));
        assert!(entries.keys().copied().eq(expected), "a gap, or too much");
        assert_eq!(entries[&(1, LINES as u64 + 1)].message, "last");
        world.drain().await;
        let spool = fs::read_dir(world.work_dir().join("spool")).unwrap();
        assert_eq!(spool.count(), 0, "what is on the bus stays on disk");
    }
}

async fn dies(folder: &Path) {
    let mut world = World::at(folder).await;
    world.plan(&format!(
        "  - {{id: a, run: 'seq 1 {LINES}'}}\n  - {{id: b, run: echo last}}"
    ));
    world.script().killed_by = Some(2);
    world.start(world.config()).await;
    world.carried_out().await;
}

async fn a_full_disk_fails_steps_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o {SMALL} none \"$0\" && exec \"$@\"");
    let on_small_disk = |flags: &str, program: &[&str]| {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", &mount]).arg(folder.path());
        command.args(program);
        command
    };
    for flags in ["-Urm", "-m"] {
        let trial = on_small_disk(flags, &["true"]).output();
        if trial.is_ok_and(|it| it.status.success()) {
            let program = std::env::current_exe().unwrap();
            let mut part = on_small_disk(flags, &[program.to_str().unwrap(), FILLS]);
            part.arg(folder.path());
            assert!(ends(part).await.success());
            return;
        }
    }
    eprintln!("SKIPPED: a full disk can't be had here: unshare(1) may not mount a tmpfs");
}

async fn fills(folder: &Path) {
    let mut world = World::at(folder).await;
    world.plan("  - {id: a, run: 'cat /dev/zero > fill 2> errors || seq 1 100000'}");
    world.start(world.config()).await;
    let first = a_step_fills_the_disk(&world).await;
    let second = a_step_finds_the_disk_full(&world, folder).await;
    let total = usize::try_from(first + second).unwrap();
    let entries = entries(&world, total).await;
    let dropped = entries.values().find(|it| it.truncated);
    let message = &dropped.expect("what was dropped is said").message;
    assert!(message.contains("are missing here"), "{message}");
    let refused = entries
        .range((2, 0)..)
        .any(|(_, it)| it.message.contains("No space left"));
    assert!(refused, "the log says why the step failed");
    assert_eq!(entries.len(), total);
}

/// Neither bus nor spool take what it writes then, and it ends well all the same.
async fn a_step_fills_the_disk(world: &World) -> u64 {
    world.assign(1).await;
    eventually("a report", || !world.script().reports.is_empty()).await;
    let report = world.script().reports[0].clone();
    assert_eq!(report.steps[0].outcome(), Outcome::Succeeded, "{report:?}");
    // Its run has ended, so its workspace goes, and with it what filled the disk.
    eventually("the workspace is gone", || !world.workspace().exists()).await;
    report.last_seq
}

/// It can't have a workspace, and says so.
async fn a_step_finds_the_disk_full(world: &World, folder: &Path) -> u64 {
    let room = folder.join("room");
    fill(&room);
    let config = Config {
        work_dir: folder.join("another"),
        ..world.config()
    };
    let error = world.try_start(config).await.err().unwrap();
    let error = runtime::fault::chain(&error);
    assert!(error.contains("No space left"), "{error}");
    world.assign(2).await;
    eventually("a report", || world.script().reports.len() > 1).await;
    let report = world.script().reports[1].clone();
    let step = &report.steps[0];
    assert_eq!(step.outcome(), Outcome::Failed);
    assert!(step.message.contains("No space left"), "{}", step.message);
    fs::remove_dir_all(room).unwrap();
    report.last_seq
}

/// Leaves no room for a byte or a name.
fn fill(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let mut file = File::create(folder.join("bytes")).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let names = (0..).map(|number| File::create(folder.join(number.to_string())));
    assert!(names.take(100_000).any(|made| made.is_err()));
}
