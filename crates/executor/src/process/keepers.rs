//! Keepers that wait for their process, so that a step's first instruction comes one message and
//! one spawn after it is wanted.
//!
//! **Invariants:** a keeper has one process at a time, and waits for the next one only after it has
//! said that nothing of the last is left. One that waits and is found dead is replaced; one that may
//! have started something is never tried again.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keeper::{Malformed, Spec};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use super::sweep::Mark;
use super::{Answer, Process, cgroup};

/// The program that this process runs, as a program to start: the same file, even after it was
/// replaced or removed.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the step is made of can't be started on any machine.
    #[error("{0}")]
    Spec(#[from] Malformed),
    /// This machine can't start another process now.
    #[error("could not start a keeper from {program}")]
    Keeper {
        /// The program that was to be the keeper.
        program: PathBuf,
        /// What was in the way.
        #[source]
        source: io::Error,
    },
    /// The keeper was killed before it said whether it started the process. None is left.
    #[error("the keeper ended before it started the process")]
    Lost,
}

/// Starts processes of steps, with keepers of which some wait.
#[derive(Debug, Clone)]
pub struct Keepers {
    program: PathBuf,
    /// The control group in which each makes one for its step.
    home: Option<Arc<Path>>,
    pool: Arc<Mutex<Pool>>,
}

/// Those that wait.
#[derive(Debug)]
pub(super) struct Pool {
    wanted: usize,
    /// As many as may wait after a rush.
    most: usize,
    /// Who has worked last comes last.
    waiting: Vec<Waiting>,
    /// How many are on their way to wait.
    starting: usize,
}

impl Keepers {
    /// Keepers of `program` (a binary that is [`keeper::main`] when its first argument is
    /// `keeper`), of which up to `wanted` wait. None is started before [`warm`](Self::warm) or the
    /// first process.
    pub fn new(program: impl Into<PathBuf>, wanted: usize) -> Self {
        let pool = Pool {
            wanted,
            most: wanted,
            waiting: Vec::new(),
            starting: 0,
        };
        Self {
            program: program.into(),
            home: None,
            pool: Arc::new(Mutex::new(pool)),
        }
    }

    /// Lets each make a control group for its step in this one, which
    /// [`prepare`](super::cgroup::prepare) has made.
    #[must_use]
    pub(crate) fn in_groups(mut self, home: Option<PathBuf>) -> Self {
        self.home = home.map(Arc::from);
        self
    }

    /// Lets up to `most` wait that come back from their processes, for as long as there is work for
    /// them: see [`rest`](Self::rest).
    #[must_use]
    pub fn keeping(self, most: usize) -> Self {
        let wanted = lock(&self.pool).wanted;
        lock(&self.pool).most = most.max(wanted);
        self
    }

    /// Lets those go, beyond those that are wanted, that nobody has needed for so long.
    pub fn rest(&self, patience: Duration) {
        let mut pool = lock(&self.pool);
        while pool.waiting.len() > pool.wanted && pool.waiting[0].since.elapsed() >= patience {
            pool.waiting.remove(0);
        }
    }

    /// Starts a process under a keeper that waited or else under a new one. It answers when the
    /// process runs, or [could not be started](super::Exit::Failed), which `wait` then says.
    ///
    /// Dropping this future kills what it started.
    pub async fn start(&self, spec: &Spec) -> Result<Process, Error> {
        let line = spec.to_line()?;
        let pipes = Pipes::open().map_err(|source| self.unable(source))?;
        let waiting = lock(&self.pool).waiting.pop();
        let ahead = match waiting {
            Some(waiting) => waiting.tell(&line, &pipes).await,
            None => None,
        };
        let keeper = match ahead {
            Some(keeper) => keeper,
            // It has read nothing, so it has started nothing.
            None => self
                .start_one()?
                .tell(&line, &pipes)
                .await
                .ok_or(Error::Lost)?,
        };
        let mut process = Process::of(keeper, pipes, Mark::of(spec), self.pool.clone());
        let begun = process.begin().await;
        // Not before: the step goes first.
        self.warm();
        begun.map(|()| process)
    }

    /// Sees to it, in the background, that keepers wait: all that are wanted, once fewer than half
    /// of them do. Others come back from their steps.
    pub fn warm(&self) {
        let missing = {
            let mut pool = lock(&self.pool);
            let there = pool.waiting.len() + pool.starting;
            let missing = if there < pool.wanted.div_ceil(2) {
                pool.wanted - there
            } else {
                0
            };
            pool.starting += missing;
            missing
        };
        if missing > 0 {
            let keepers = self.clone();
            tokio::task::spawn_blocking(move || keepers.start_ahead(missing));
        }
    }

    /// How many keepers wait.
    pub fn waiting(&self) -> usize {
        lock(&self.pool).waiting.len()
    }

    fn start_ahead(&self, missing: usize) {
        for _ in 0..missing {
            let started = self.start_one();
            let mut pool = lock(&self.pool);
            pool.starting -= 1;
            match started {
                // Others may have come back meanwhile: one too many ends with its socket.
                Ok(waiting) if pool.waiting.len() < pool.most => pool.waiting.insert(0, waiting),
                Ok(_) => {}
                // The next process starts its own, and then this is tried again.
                Err(error) => tracing::warn!(%error, "no keeper waits ahead"),
            }
        }
    }

    fn start_one(&self) -> Result<Waiting, Error> {
        Waiting::spawn(&self.program, self.home.as_deref()).map_err(|source| self.unable(source))
    }

    fn unable(&self, source: io::Error) -> Error {
        Error::Keeper {
            program: self.program.clone(),
            source,
        }
    }
}

/// Lets a keeper wait for its next process; one too many ends with its socket.
pub(super) fn give_back(pool: &Mutex<Pool>, mut keeper: Waiting) {
    let mut pool = lock(pool);
    if pool.waiting.len() < pool.most {
        keeper.since = Instant::now();
        pool.waiting.push(keeper);
    }
}

fn lock(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// Starts a process under a keeper of its own, of `program`. See [`Keepers::start`].
    pub async fn start(program: &Path, spec: &Spec) -> Result<Self, Error> {
        Keepers::new(program, 0).start(spec).await
    }

    /// Waits until it is known whether there is a process.
    async fn begin(&mut self) -> Result<(), Error> {
        let answered = match &mut self.keeper {
            Some(keeper) => super::answer(&mut keeper.channel, &mut self.heard).await,
            None => None,
        };
        match answered {
            Some(answer @ (Answer::Started(_) | Answer::Failed(_))) => {
                self.take_in(answer);
                Ok(())
            }
            Some(Answer::Exited(_) | Answer::Signalled(_) | Answer::Gone) | None => {
                self.wait().await;
                Err(Error::Lost)
            }
        }
    }
}

/// A keeper without a process.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) channel: UnixStream,
    /// Reaped by the runtime after this is dropped; how it ended says nothing.
    _keeper: Child,
    /// The control group that it makes for its step.
    pub(super) group: Option<PathBuf>,
    since: Instant,
}

/// The pipes of a step's standard output and standard error.
pub(super) struct Pipes {
    pub(super) stdout: Receiver,
    pub(super) stderr: Receiver,
    writers: [OwnedFd; 2],
}

impl Pipes {
    fn open() -> io::Result<Self> {
        let (out, out_writer) = io::pipe()?;
        let (err, err_writer) = io::pipe()?;
        Ok(Self {
            stdout: Receiver::from_owned_fd(out.into())?,
            stderr: Receiver::from_owned_fd(err.into())?,
            writers: [out_writer.into(), err_writer.into()],
        })
    }
}

impl Waiting {
    fn spawn(program: &Path, home: Option<&Path>) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let keeper = Command::new(program)
            .arg0("penstock")
            .arg("keeper")
            .args(home)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let group = home
            .zip(keeper.id())
            .map(|(home, keeper)| cgroup::of_step(home, keeper));
        Ok(Self {
            channel: UnixStream::from_std(ours)?,
            _keeper: keeper,
            group,
            since: Instant::now(),
        })
    }

    /// Tells it its process; nothing comes of it if the keeper is dead.
    async fn tell(mut self, line: &[u8], pipes: &Pipes) -> Option<Self> {
        let output = pipes.writers.each_ref().map(OwnedFd::as_fd);
        let went = keeper::hand_over(&self.channel, line, output).ok()?;
        self.channel.write_all(line.get(went..)?).await.ok()?;
        Some(self)
    }
}
