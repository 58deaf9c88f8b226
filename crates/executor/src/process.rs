//! A step's process, as the executor sees it: started under a keeper, told to end, waited for.
//!
//! The keeper (the crate of that name) is what watches over the process and all that it forks; this
//! is the other end of its socket. What holds whatever happens here:
//!
//! - Dropping a [`Process`] kills it, because that closes the socket; so does the end of this
//!   process in any way.
//! - [`Process::wait`] answers when nothing of the step is left, not when its first process ended.
//! - A keeper that was itself killed leaves nothing behind either: its processes are found by the
//!   variables with which every step is started.

pub(crate) mod cgroup;
mod keepers;
mod sweep;

use std::sync::{Arc, Mutex};

use keeper::{Answer, Order};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;

pub use keeper::{Spec, monotonic_ns};
pub use keepers::{Error, Keepers, OWN_PROGRAM};
pub use sweep::sweep;

use keepers::{Pipes, Pool, Waiting};
use sweep::Mark;

/// More than all that a keeper ever says, in bytes.
const ANSWERS_MAX_BYTES: usize = 64 << 10;

/// How a step's process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself, with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It could not be started, with a reason for the step's author.
    Failed(String),
    /// Its keeper was killed, so nobody knows how it ended. Nothing of it is left.
    Lost,
}

/// A process of a step, with all that it forks.
#[derive(Debug)]
pub struct Process {
    /// What it writes to standard output. Ends when the last process that holds it has.
    pub stdout: Option<Receiver>,
    /// What it writes to standard error.
    pub stderr: Option<Receiver>,
    /// Has the only handle of the socket: while that is open, the process may live. Given back when
    /// nothing of the step is left.
    keeper: Option<Waiting>,
    pool: Arc<Mutex<Pool>>,
    heard: Vec<u8>,
    pid: Option<u32>,
    exit: Option<Exit>,
    mark: Option<Mark>,
}

impl Process {
    /// The id of the main process, if it could be started.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Moves the time at which no process may be left: nanoseconds of [`monotonic_ns`].
    ///
    /// It can be lost on a keeper that doesn't listen, which then keeps the earlier deadline.
    pub fn extend(&self, deadline_ns: u64) {
        self.order(Order::Deadline(deadline_ns));
    }

    /// Asks all processes to end; those that haven't after the grace of the [`Spec`] are killed.
    pub fn term(&self) {
        self.order(Order::Term);
    }

    /// Kills all processes.
    pub fn kill(&self) {
        self.order(Order::Kill);
    }

    /// Waits until no process of the step is left, and answers how the main one ended.
    ///
    /// Read its output meanwhile, or it may wait for that for ever. It may be cancelled and called
    /// again; after the end it answers the same again.
    pub async fn wait(&mut self) -> Exit {
        while let Some(keeper) = &mut self.keeper {
            match answer(&mut keeper.channel, &mut self.heard).await {
                Some(answer) => self.take_in(answer),
                None => self.lost().await,
            }
        }
        self.exit.clone().unwrap_or(Exit::Lost)
    }

    fn of(keeper: Waiting, pipes: Pipes, mark: Option<Mark>, pool: Arc<Mutex<Pool>>) -> Self {
        Self {
            stdout: Some(pipes.stdout),
            stderr: Some(pipes.stderr),
            keeper: Some(keeper),
            pool,
            heard: Vec::new(),
            pid: None,
            exit: None,
            mark,
        }
    }

    fn take_in(&mut self, answer: Answer) {
        match answer {
            Answer::Started(pid) => self.pid = Some(pid),
            Answer::Failed(reason) => self.exit = Some(Exit::Failed(reason)),
            Answer::Exited(code) => self.exit = Some(Exit::Code(code)),
            Answer::Signalled(signal) => self.exit = Some(Exit::Signal(signal)),
            Answer::Gone => {
                let keeper = self.keeper.take();
                // One that says more than that is none.
                if let Some(keeper) = keeper.filter(|_| self.heard.is_empty()) {
                    keepers::give_back(&self.pool, keeper);
                }
            }
        }
    }

    /// The keeper was lost: what it kept is found and killed without it.
    async fn lost(&mut self) {
        if let Some(group) = self.keeper.as_mut().and_then(|it| it.group.take()) {
            cgroup::end(&group);
        }
        if let Some(mark) = self.mark.clone() {
            mark.kill().await;
        }
        self.keeper = None;
    }

    /// Sends an order without waiting: to a keeper that has ended it means nothing any more, and
    /// to one that doesn't listen a closed socket says as much as `kill`.
    fn order(&self, order: Order) {
        let Some(keeper) = &self.keeper else { return };
        let line = format!("{order}\n");
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match (
            rustix::net::send(&keeper.channel, line.as_bytes(), flags),
            order,
        ) {
            (Ok(length), _) if length == line.len() => {}
            (Err(Errno::AGAIN), Order::Deadline(_)) => {
                tracing::warn!(
                    process.pid = self.pid,
                    "keeper does not listen to a renewal"
                );
            }
            // Half a line, no room for an important one, or nobody there.
            (Ok(_) | Err(_), _) => {
                let _ = rustix::net::shutdown(&keeper.channel, Shutdown::Write);
            }
        }
    }
}

/// The keeper's next answer; nothing if it is dead, or isn't a keeper.
async fn answer(channel: &mut UnixStream, heard: &mut Vec<u8>) -> Option<Answer> {
    loop {
        if let Some(end) = heard.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=end).collect();
            return std::str::from_utf8(line.trim_ascii_end())
                .ok()?
                .parse()
                .ok();
        }
        let length = channel.read_buf(heard).await.ok()?;
        if length == 0 || heard.len() > ANSWERS_MAX_BYTES {
            return None;
        }
    }
}
