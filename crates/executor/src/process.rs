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

use std::path::PathBuf;

use keeper::{Answer, Order};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout};

pub use keeper::{Spec, monotonic_ns};
pub use keepers::{Error, Keepers, OWN_PROGRAM};
pub use sweep::sweep;

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
    pub stdout: Option<ChildStdout>,
    /// What it writes to standard error.
    pub stderr: Option<ChildStderr>,
    /// The only handle of the socket: while it is open, the process may live.
    channel: UnixStream,
    heard: Vec<u8>,
    pid: Option<u32>,
    exit: Option<Exit>,
    is_gone: bool,
    mark: Option<Mark>,
    /// Its control group, if it has one.
    group: Option<PathBuf>,
    /// Reaped by the runtime after this is dropped; how it ended says nothing.
    _keeper: Child,
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
        while !self.is_gone {
            if let Some(answer) = self.answer().await {
                self.take_in(answer);
            } else {
                if let Some(group) = self.group.take() {
                    cgroup::end(&group);
                }
                if let Some(mark) = self.mark.clone() {
                    mark.kill().await;
                }
                self.is_gone = true;
            }
        }
        self.exit.clone().unwrap_or(Exit::Lost)
    }

    fn take_in(&mut self, answer: Answer) {
        match answer {
            Answer::Started(pid) => self.pid = Some(pid),
            Answer::Failed(reason) => self.exit = Some(Exit::Failed(reason)),
            Answer::Exited(code) => self.exit = Some(Exit::Code(code)),
            Answer::Signalled(signal) => self.exit = Some(Exit::Signal(signal)),
            Answer::Gone => self.is_gone = true,
        }
    }

    /// The keeper's next answer; nothing if it is dead, or isn't a keeper.
    async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return std::str::from_utf8(line.trim_ascii_end())
                    .ok()?
                    .parse()
                    .ok();
            }
            let length = self.channel.read_buf(&mut self.heard).await.ok()?;
            if length == 0 || self.heard.len() > ANSWERS_MAX_BYTES {
                return None;
            }
        }
    }

    /// Sends an order without waiting: to a keeper that has ended it means nothing any more, and
    /// to one that doesn't listen a closed socket says as much as `kill`.
    fn order(&self, order: Order) {
        let line = format!("{order}\n");
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match (
            rustix::net::send(&self.channel, line.as_bytes(), flags),
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
                let _ = rustix::net::shutdown(&self.channel, Shutdown::Write);
            }
        }
    }
}
