//! What can be configured about an executor.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An executor's section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What schedulers and people call it; unique among executors. Empty: the host's name and a
    /// few digits that the work directory keeps.
    pub name: String,
    /// Runs at a time. 0: four a core, and four at least.
    pub slots: u32,
    /// Steps of one run at a time; more of them wait.
    pub parallel_steps: u32,
    /// The executor's own directory: identity, spool, and what it makes there for runs.
    pub work_dir: PathBuf,
    /// Whether the next attempt of a run finds its workspace in the same directory or is given a copy.
    pub workspace: Sharing,
    /// Where workspaces lie. Empty: `workspaces` in the work directory. Where several executors
    /// share workspaces they all name the same directory here.
    pub workspace_dir: PathBuf,
    /// Where snapshots of workspaces go: a directory, as a path or a `file:` URL. Empty:
    /// `snapshots` in the work directory.
    pub snapshot_store: String,
    /// Milliseconds between TERM and KILL, and what running steps get to finish when the executor ends.
    pub grace_ms: u64,
    /// MiB of output that one run may log here.
    pub log_quota_mib: u64,
    /// MiB of log entries that wait on disk while the bus is away.
    pub spool_mib: u64,
    /// Keepers that are started before there is a step for them.
    pub warm_keepers: usize,
}

/// How a run's workspace gets from one attempt to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// It stays where it is: one machine, or a volume that all executors mount.
    #[default]
    Shared,
    /// It is saved after each step that changed it.
    Snapshot,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: String::new(),
            slots: 0,
            parallel_steps: 32,
            work_dir: PathBuf::from("penstock-data/executor"),
            workspace: Sharing::Shared,
            workspace_dir: PathBuf::new(),
            snapshot_store: String::new(),
            grace_ms: 10_000,
            log_quota_mib: 256,
            spool_mib: 256,
            warm_keepers: 4,
        }
    }
}

impl Config {
    pub(crate) fn slot_count(&self) -> u32 {
        if self.slots > 0 {
            return self.slots;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        u32::try_from(cores).unwrap_or(1).saturating_mul(4)
    }

    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }

    pub(crate) fn workspaces(&self) -> PathBuf {
        self.or_in_work_dir(&self.workspace_dir, "workspaces")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        let path = self.snapshot_store.strip_prefix("file://");
        let path = PathBuf::from(path.unwrap_or(&self.snapshot_store));
        self.or_in_work_dir(&path, "snapshots")
    }

    fn or_in_work_dir(&self, path: &std::path::Path, name: &str) -> PathBuf {
        if path.as_os_str().is_empty() {
            self.work_dir.join(name)
        } else {
            path.to_owned()
        }
    }
}
