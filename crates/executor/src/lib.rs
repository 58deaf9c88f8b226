//! Runs the steps of runs.
//!
//! It owns a work directory and nothing else. On one stream ([`work`]) it holds a lease from the
//! scheduler and is assigned attempts; each ([`attempt`]) asks `pipeline` what may start, carries
//! that out ([`step`]) under a keeper ([`process`]) in the run's [`workspace`], and reports how it
//! ended. What steps write goes to the bus as activity ([`log`]).
//!
//! What it keeps true:
//!
//! - Nothing starts before `pipeline` granted it, nothing is reported after the lease has lapsed,
//!   and no process outlives the lease, whatever happens to this process (I4, I5).
//! - After a stop nothing starts but finalizers (I8).
//! - Entries are numbered without gap, and what was dropped is said where it was dropped (I9); no
//!   registered secret gets into one (I12).
//! - It carries out no more attempts than it has slots (I11).

mod attempt;
mod config;
mod error;
mod identity;
mod kit;
mod lease;
mod log;
pub mod process;
mod shift;
mod step;
mod work;
mod workspace;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::pipeline::attempts_client::AttemptsClient;
use keeper::monotonic_ns;
use outbox::Bus;
use runtime::bell::Progress;
use runtime::{Bell, Route, Tasks, clock};
use tokio::sync::{Notify, OnceCell, watch};

pub use config::{Block, Config, Http, S3, Sharing};
pub use error::Error;

use crate::attempt::state::Fate;
use crate::identity::Identity;
use crate::kit::Kit;
use crate::lease::Lease;
use crate::log::{Limits, Logs, Outlet};
use crate::process::Keepers;
use crate::shift::Shift;
use crate::work::Work;
use crate::workspace::Workspaces;

/// How often it is looked for workspaces of ended runs.
const SWEEP: Duration = Duration::from_mins(5);
/// What may still be said when the executor ends, and what is still logged.
const FAREWELL: Duration = Duration::from_secs(3);
/// The largest answer of `pipeline`: a plan of a thousand steps.
const LARGEST_ANSWER: usize = 16 << 20;
const MIB: u64 = 1 << 20;

/// Whom an executor asks and tells.
#[derive(Clone)]
pub struct Peers {
    /// Its `Work` stream.
    pub scheduler: Route,
    /// What may start, and what became of it.
    pub pipeline: Route,
    /// Where activity goes.
    pub bus: Bus,
}

/// A running executor.
#[derive(Clone)]
pub struct Executor {
    kit: Arc<Kit>,
    drained: Arc<OnceCell<()>>,
    /// The work directory, until it is left.
    identity: Arc<Mutex<Option<Identity>>>,
}

/// Starts an executor. `keeper_program` is a program that is [`keeper::main`] when its first
/// argument is `keeper`; [`process::OWN_PROGRAM`] if that is this one. It drains with `tasks`.
///
/// What an earlier start left running is killed first. A scheduler that is away is waited for in
/// the background.
pub async fn start(
    config: Config,
    peers: Peers,
    keeper_program: PathBuf,
    tasks: &Tasks,
) -> Result<Executor, Error> {
    let outlet = Outlet::of(peers.bus);
    begin(
        config,
        (peers.scheduler, peers.pipeline),
        outlet,
        keeper_program,
        tasks,
    )
    .await
}

async fn begin(
    config: Config,
    (scheduler, pipeline): (Route, Route),
    outlet: Outlet,
    keeper_program: PathBuf,
    tasks: &Tasks,
) -> Result<Executor, Error> {
    let identity = Identity::take(&config.work_dir, &config.name, clock::now_ms())?;
    kill_leftovers(&identity.name).await;
    let home = home_of_groups(&config.cgroup, &identity.name).await?;
    let spool = config.work_dir.join("spool");
    let limits = Limits {
        executor: 8 << 20,
        attempt: 1 << 20,
        run: config.log_quota_mib.saturating_mul(MIB),
        spool: config.spool_mib.saturating_mul(MIB),
    };
    let (logs, shipper) = Logs::open(&spool, limits, outlet).map_err(Error::unusable(&spool))?;
    let kit = Arc::new(Kit {
        name: identity.name.clone(),
        boot: identity.boot,
        slots: config.slot_count(),
        parallel_steps: usize::try_from(config.parallel_steps).unwrap_or(usize::MAX),
        grace: config.grace(),
        lease: Lease::new(),
        shift: Shift::new(config.slot_count()),
        pipeline: AttemptsClient::new(pipeline).max_decoding_message_size(LARGEST_ANSWER),
        logs,
        workspaces: Workspaces::open(&config)?,
        keepers: Keepers::new(keeper_program, config.warm_keepers)
            .keeping(usize::try_from(config.slot_count()).unwrap_or(usize::MAX))
            .in_groups(home),
        http: step::http::Clients::new(&config.http.deny)?,
        outputs: empty(&config.work_dir.join("outputs"))?,
        plugins: directory_of_plugins(&config.plugins)?,
        environment: step::environment::common(),
        is_draining: watch::Sender::new(false),
        renew: Notify::new(),
        tasks: Tasks::new(),
    });
    kit.tasks.spawn(shipper.run());
    kit.keepers.warm();
    keep_working(&kit, scheduler);
    let identity = Arc::new(Mutex::new(Some(identity)));
    let executor = Executor {
        kit,
        drained: Arc::default(),
        identity,
    };
    drain_with(executor.clone(), tasks);
    Ok(executor)
}

/// Kills what an earlier start of this executor left running, should its keepers be gone.
async fn kill_leftovers(name: &str) {
    let name = name.to_owned();
    let swept = tokio::task::spawn_blocking(move || process::sweep(&name, |_, _| false)).await;
    match swept {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(killed)) => tracing::warn!(killed, "processes of an earlier start were left"),
        Ok(Err(error)) => tracing::error!("processes of an earlier start can't be found: {error}"),
    }
}

/// The control group for those of steps, if there is to be one.
async fn home_of_groups(parent: &Path, name: &str) -> Result<Option<PathBuf>, Error> {
    if parent.as_os_str().is_empty() {
        return Ok(None);
    }
    let (path, name) = (parent.to_owned(), name.to_owned());
    tokio::task::spawn_blocking(move || process::cgroup::prepare(&path, &name))
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map(Some)
        .map_err(|source| Error::Cgroup {
            path: parent.to_owned(),
            source,
        })
}

/// The directory with executables for plug-ins, if one is named.
fn directory_of_plugins(path: &Path) -> Result<Option<PathBuf>, Error> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    path.canonicalize().map(Some).map_err(Error::unusable(path))
}

/// An empty directory at `path`.
fn empty(path: &Path) -> Result<PathBuf, Error> {
    let _ = std::fs::remove_dir_all(path);
    std::fs::create_dir_all(path).map_err(Error::unusable(path))?;
    path.canonicalize().map_err(Error::unusable(path))
}

/// Starts what goes on until the executor ends.
fn keep_working(kit: &Arc<Kit>, scheduler: Route) {
    let work = Work {
        kit: kit.clone(),
        scheduler,
    };
    kit.tasks.repeat("executor's work", move |()| {
        let work = work.clone();
        async move {
            work.go_on().await;
            Ok::<(), Infallible>(())
        }
    });
    let watched = kit.clone();
    kit.tasks.repeat("executor's lease", move |()| {
        let kit = watched.clone();
        async move {
            kit.lease.live().await;
            kit.lease.lapsed().await;
            tracing::warn!("the lease has lapsed: what runs under it is killed and forgotten");
            kit.shift.doom(Fate::Forgotten);
            Ok::<(), Infallible>(())
        }
    });
    let swept = kit.clone();
    kit.tasks
        .answer("executor's workspaces", &Bell::new(), SWEEP, move || {
            let kit = swept.clone();
            async move {
                let is_held = |run_id: &str| kit.shift.holds_run(run_id);
                workspace::sweep(&kit.workspaces, &mut kit.pipeline.clone(), is_held).await?;
                Ok::<_, tonic::Status>(Progress::Idle)
            }
        });
}

fn drain_with(executor: Executor, tasks: &Tasks) {
    let draining = tasks.draining().clone();
    tasks.spawn(async move {
        draining.cancelled().await;
        executor.drain().await;
    });
}

impl Executor {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.kit.name
    }

    /// The number of this start.
    pub fn boot(&self) -> u64 {
        self.kit.boot
    }

    /// Takes no more work, lets attempts go on for the grace period, gives back what is left of
    /// them, ships the log, and ends. Takes at most twice the grace period and some seconds. Whoever
    /// asks again waits for the same.
    pub async fn drain(&self) {
        self.drained.get_or_init(|| Box::pin(self.end())).await;
    }

    async fn end(&self) {
        let kit = &self.kit;
        tracing::info!("the executor takes no more work");
        kit.is_draining.send_replace(true);
        kit.renew.notify_one();
        let _ = tokio::time::timeout(kit.grace, kit.shift.idle()).await;
        kit.shift.doom(Fate::HandedBack);
        let _ = tokio::time::timeout(kit.grace + FAREWELL, kit.shift.idle()).await;
        let _ = tokio::time::timeout(FAREWELL, self.say_goodbye()).await;
        kit.logs.close(FAREWELL);
        kit.tasks.drain();
        let _ = tokio::time::timeout(2 * FAREWELL, kit.tasks.ended()).await;
        drop(
            self.identity
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    /// Waits until the scheduler has heard all there is to say.
    async fn say_goodbye(&self) {
        self.kit.shift.all_said().await;
        let said_ns = monotonic_ns();
        self.kit.renew.notify_one();
        self.kit.lease.answered_since(said_ns).await;
    }
}
