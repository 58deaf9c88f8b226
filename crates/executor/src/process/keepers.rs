//! Keepers that wait for their process: started ahead, so that a step's first instruction comes
//! one message and one spawn after it is wanted.
//!
//! **Invariant:** a keeper has one process in its life. One that was started ahead and is found
//! dead is replaced; one that may have started something is never tried again.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keeper::{Malformed, Spec};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
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

/// Starts processes of steps, with keepers of which some wait ahead.
#[derive(Debug, Clone)]
pub struct Keepers {
    program: PathBuf,
    /// The control group in which each makes one for its step.
    home: Option<Arc<Path>>,
    wanted: usize,
    pool: Arc<Mutex<Pool>>,
}

#[derive(Debug, Default)]
struct Pool {
    waiting: VecDeque<Waiting>,
    /// How many are on their way to wait.
    starting: usize,
}

impl Keepers {
    /// Keepers of `program` (a binary that is [`keeper::main`] when its first argument is
    /// `keeper`), of which `wanted` wait ahead. None is started before [`warm`](Self::warm) or the
    /// first process.
    pub fn new(program: impl Into<PathBuf>, wanted: usize) -> Self {
        Self {
            program: program.into(),
            home: None,
            wanted,
            pool: Arc::default(),
        }
    }

    /// Lets each make a control group for its step in this one, which
    /// [`prepare`](super::cgroup::prepare) has made.
    #[must_use]
    pub(crate) fn in_groups(mut self, home: Option<PathBuf>) -> Self {
        self.home = home.map(Arc::from);
        self
    }

    /// Starts a process under a keeper that waited or else under a new one. It answers when the
    /// process runs, or [could not be started](super::Exit::Failed), which `wait` then says.
    ///
    /// Dropping this future kills what it started.
    pub async fn start(&self, spec: &Spec) -> Result<Process, Error> {
        let line = spec.to_line()?;
        let mark = Mark::of(spec);
        let waiting = self.pool().waiting.pop_front();
        let ahead = match waiting {
            Some(waiting) => waiting.tell(&line, mark.clone()).await,
            None => None,
        };
        let mut process = match ahead {
            Some(process) => process,
            // It has read nothing, so it has started nothing.
            None => self
                .start_one()?
                .tell(&line, mark)
                .await
                .ok_or(Error::Lost)?,
        };
        let begun = process.begin().await;
        // Not before: the step goes first.
        self.warm();
        begun.map(|()| process)
    }

    /// Sees to it, in the background, that as many keepers wait as are wanted.
    pub fn warm(&self) {
        let missing = {
            let mut pool = self.pool();
            let missing = self
                .wanted
                .saturating_sub(pool.waiting.len() + pool.starting);
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
        self.pool().waiting.len()
    }

    fn start_ahead(&self, missing: usize) {
        for _ in 0..missing {
            let started = self.start_one();
            let mut pool = self.pool();
            pool.starting -= 1;
            match started {
                Ok(waiting) => pool.waiting.push_back(waiting),
                // The next process starts its own, and then this is tried again.
                Err(error) => tracing::warn!(%error, "no keeper waits ahead"),
            }
        }
    }

    fn start_one(&self) -> Result<Waiting, Error> {
        Waiting::spawn(&self.program, self.home.as_deref()).map_err(|source| Error::Keeper {
            program: self.program.clone(),
            source,
        })
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// Starts a process under a keeper of its own, of `program`. See [`Keepers::start`].
    pub async fn start(program: &Path, spec: &Spec) -> Result<Self, Error> {
        Keepers::new(program, 0).start(spec).await
    }

    /// Waits until it is known whether there is a process.
    async fn begin(&mut self) -> Result<(), Error> {
        match self.answer().await {
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

/// A keeper that hasn't been told its process.
#[derive(Debug)]
struct Waiting {
    channel: UnixStream,
    keeper: Child,
    /// The control group that it was told to make.
    group: Option<PathBuf>,
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
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let group = home
            .zip(keeper.id())
            .map(|(home, keeper)| cgroup::of_step(home, keeper));
        Ok(Self {
            channel: UnixStream::from_std(ours)?,
            keeper,
            group,
        })
    }

    /// Tells it its process; nothing comes of it if the keeper is dead.
    async fn tell(mut self, line: &[u8], mark: Option<Mark>) -> Option<Process> {
        self.channel.write_all(line).await.ok()?;
        Some(Process {
            stdout: self.keeper.stdout.take(),
            stderr: self.keeper.stderr.take(),
            channel: self.channel,
            heard: Vec::new(),
            pid: None,
            exit: None,
            is_gone: false,
            mark,
            group: self.group,
            _keeper: self.keeper,
        })
    }
}
