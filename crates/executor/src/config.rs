//! What can be configured about an executor.

use std::path::PathBuf;
use std::time::Duration;

use runtime::config::Secret;
use serde::{Deserialize, Serialize};

use crate::step::deny;
pub use crate::step::deny::Block;

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
    /// Where snapshots of workspaces go: a directory, `file:///directory` or `s3://bucket/prefix`.
    /// Empty: `snapshots` in the work directory.
    pub snapshot_store: String,
    /// Milliseconds between TERM and KILL, and what running steps get to finish when the executor ends.
    pub grace_ms: u64,
    /// MiB of output that one run may log here.
    pub log_quota_mib: u64,
    /// MiB of log entries that wait on disk while the bus is away.
    pub spool_mib: u64,
    /// Keepers that wait for a step, at most; about half as many are there before the first one.
    pub warm_keepers: usize,
    /// Days that the workspace of a debugging run is kept after its last step began.
    pub debugging_days: u32,
    /// A directory of a control group of version 2 that this process may write, such as one that
    /// systemd delegates. Each step then has a group in it and is killed in one write. It makes a
    /// keeper's start take some 10 ms longer (the step's own only where no keeper waits), so it is
    /// for steps that fork faster than they can be searched for. Empty: none.
    pub cgroup: PathBuf,
    /// A directory with executables for plug-ins (DPUs) that are not native, each under the plug-in's name. One
    /// of a native plug-in's name takes its place. Empty: none.
    pub plugins: PathBuf,
    /// How a bucket for snapshots is reached.
    pub s3: S3,
    /// What holds for requests of steps.
    pub http: Http,
}

/// What holds for requests of `http` and `tool` steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Blocks of addresses that no request goes to, be it named, resolved or redirected there. Unless
    /// said otherwise these are where clouds tell a machine its credentials: `169.254.0.0/16`,
    /// `fe80::/10` and `fd00:ec2::254/128`. What is said here replaces them. Steps that are
    /// processes are held to it by the network alone, and where a proxy is set for the executor the
    /// proxy resolves names.
    pub deny: Vec<Block>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            deny: deny::usual(),
        }
    }
}

/// How a bucket of S3, or of what speaks its protocol, is reached.
///
/// What is empty is taken from the standard variables (`AWS_REGION`, `AWS_ACCESS_KEY_ID`, …), which
/// also allow for a role of a container or a machine; files of profiles aren't read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3 {
    /// For instance `http://minio:9000`. Empty: `AWS_ENDPOINT_URL`, else Amazon's of the region.
    pub endpoint: String,
    /// Empty: `AWS_REGION`, else `us-east-1`.
    pub region: String,
    /// Who we are.
    pub access_key_id: String,
    /// The secret that belongs to it.
    pub secret_access_key: Secret,
    /// What temporary credentials have besides.
    pub session_token: Secret,
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
            debugging_days: 7,
            cgroup: PathBuf::new(),
            plugins: PathBuf::new(),
            s3: S3::default(),
            http: Http::default(),
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

    /// Where workspaces lie.
    pub fn workspaces(&self) -> PathBuf {
        if self.workspace_dir.as_os_str().is_empty() {
            self.work_dir.join("workspaces")
        } else {
            self.workspace_dir.clone()
        }
    }
}
