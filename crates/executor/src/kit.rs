//! What every attempt of an executor works with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contracts::pipeline::attempts_client::AttemptsClient;
use runtime::{Route, Tasks};
use tokio::sync::{Notify, watch};

use crate::lease::Lease;
use crate::log::Logs;
use crate::process::Keepers;
use crate::shift::Shift;
use crate::step::http::Clients;
use crate::workspace::Workspaces;

/// What every attempt works with. One an executor.
pub(crate) struct Kit {
    pub(crate) name: String,
    pub(crate) boot: u64,
    pub(crate) slots: u32,
    pub(crate) parallel_steps: usize,
    pub(crate) grace: Duration,
    pub(crate) lease: Lease,
    pub(crate) shift: Shift,
    pub(crate) pipeline: AttemptsClient<Route>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) workspaces: Workspaces,
    pub(crate) keepers: Keepers,
    pub(crate) http: Clients,
    /// Executables for plug-ins, if there is a directory of them.
    pub(crate) plugins: Option<PathBuf>,
    /// Where steps write their outputs.
    pub(crate) outputs: PathBuf,
    /// What every process finds in its environment, whatever its step says.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) is_draining: watch::Sender<bool>,
    /// Has the lease renewed now.
    pub(crate) renew: Notify,
    pub(crate) tasks: Tasks,
}
