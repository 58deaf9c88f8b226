//! Steps with control groups of their own, where this machine lets us have some.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contracts::message::StopMode;
use executor::Config;
use libtest_mimic::Trial;

use crate::trials_of;
use crate::world::{World, eventually};

pub(crate) fn trials() -> Vec<Trial> {
    let can_be = Home::new().is_some();
    trials_of![
        a_step_runs_in_a_group_of_its_own_and_is_killed_in_it,
        what_an_earlier_start_left_in_a_group_is_killed,
    ]
    .into_iter()
    .map(|trial| trial.with_ignored_flag(!can_be))
    .collect()
}

/// A control group of a test's own.
struct Home(PathBuf);

impl Home {
    /// Nothing where version 2 isn't mounted, or not for us to write.
    fn new() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mut fields = mounts.lines().map(|line| line.split(' '));
        let mount = fields.find_map(|mut fields| {
            let place = fields.nth(1)?;
            (fields.next()? == "cgroup2").then(|| PathBuf::from(place))
        })?;
        let number: u32 = rand::random();
        let home = mount.join(format!("executor-test-{number}"));
        fs::create_dir(&home).ok()?;
        Some(Self(home))
    }

    fn executors(&self) -> PathBuf {
        self.0.join("executor-grouped")
    }

    /// How many processes are in a step's group.
    fn processes(&self, step: &str) -> usize {
        let procs = self.executors().join(step).join("cgroup.procs");
        fs::read_to_string(procs).map_or(0, |procs| procs.lines().count())
    }

    fn config(&self, world: &World) -> Config {
        Config {
            name: "grouped".into(),
            cgroup: self.0.clone(),
            ..world.config()
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Those of keepers that still wait are among them.
        for group in names(&self.executors()) {
            remove(&self.executors().join(group));
        }
        remove(&self.executors());
        remove(&self.0);
    }
}

/// Removes a group, once what was killed in it is gone.
fn remove(group: &Path) {
    let _ = keeper::cgroup::kill(group);
    for _ in 0..1000 {
        if fs::remove_dir(group).is_ok() || !group.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The groups in a group.
fn names(group: &Path) -> Vec<String> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

const SLOW: &str =
    "  - {id: a, run: 'setsid sleep 1000 & cat /proc/self/cgroup > group; echo $! > pid; wait'}";

async fn a_step_runs_in_a_group_of_its_own_and_is_killed_in_it() {
    let home = Home::new().unwrap();
    let mut world = World::new().await;
    world.plan(SLOW);
    world.start(home.config(&world)).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    let group = world.made("group").await;
    assert!(group.contains("/executor-grouped/step-"), "{group}");
    world.stop(StopMode::Kill).await;
    world.ended().await;
    assert!(!crate::world::lives(&pid));
    let step = group.trim_end().rsplit('/').next().unwrap().to_owned();
    // Its keeper waits there for the next step.
    eventually("nobody else is in its group", || home.processes(&step) <= 1).await;
}

async fn what_an_earlier_start_left_in_a_group_is_killed() {
    let home = Home::new().unwrap();
    let left = home.executors().join("step-1");
    fs::create_dir_all(&left).unwrap();
    let mut sleeper = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    fs::write(left.join("cgroup.procs"), sleeper.id().to_string()).unwrap();
    let mut world = World::new().await;
    world.start(home.config(&world)).await;
    let status = sleeper.wait().unwrap();
    assert!(!status.success(), "{status}");
    // It may have been dying still when its group was to be removed.
    remove(&left);
    assert!(!left.exists());
}
