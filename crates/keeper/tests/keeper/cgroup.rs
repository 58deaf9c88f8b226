//! A control group to make those of steps in, where this machine lets us have one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::eventually;

/// A control group of a test's own.
pub(crate) struct Cgroup {
    /// The place where version 2 is mounted.
    mount: PathBuf,
    folder: PathBuf,
}

impl Cgroup {
    /// Whether there can be one.
    pub(crate) fn can_be() -> bool {
        Self::new().is_some()
    }

    /// Nothing where version 2 isn't mounted, or not for us to write.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mut fields = mounts.lines().map(|line| line.split(' '));
        let mount = fields.find_map(|mut fields| {
            let place = fields.nth(1)?;
            (fields.next()? == "cgroup2").then(|| PathBuf::from(place))
        })?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = mount.join(format!("keeper-test-{}-{count}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let home = Self { mount, folder };
        fs::create_dir(home.folder.join(keeper::cgroup::KEEPERS)).ok()?;
        Some(home)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// The names of the groups in it.
    pub(crate) fn groups(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap().map(Result::unwrap);
        entries
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }

    /// Where the processes of a keeper's step are to be.
    pub(crate) fn of_step(&self, keeper: u32) -> String {
        let below = self.folder.strip_prefix(&self.mount).unwrap();
        let step = below.join(format!("{}{keeper}", keeper::cgroup::STEP));
        format!("/{}", step.display())
    }
}

/// Where a process is, as the system says it.
pub(crate) fn group_of(pid: u32) -> String {
    let said = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = said.lines().find_map(|line| line.strip_prefix("0::"));
    path.unwrap().to_owned()
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for group in self.groups() {
            let group = self.folder.join(group);
            let _ = keeper::cgroup::kill(&group);
            // What was killed needs a moment to be gone.
            eventually("the group is empty", || fs::remove_dir(&group).is_ok());
        }
        let _ = fs::remove_dir(&self.folder);
    }
}
