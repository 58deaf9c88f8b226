//! The small process over a step's processes.
//!
//! The executor starts its own binary again as `keeper`, one for each process of a step that runs
//! at a time, with a socket as standard input. Over the socket it [hands over](hand_over) a [`Spec`]
//! with the step's standard output and error, then [`Order`]s, and hears [`Answer`]s, a line each.
//! The keeper starts the process, adopts whatever it forks, and says when the last of it is gone.
//! Then, without a child and with nothing of the step left, it waits for the next one.
//!
//! What it keeps true, whatever the step's processes do (ignore TERM, `setsid`, fork twice, hold
//! the pipes open, stop themselves) and whatever happens to the executor (killed, stopped):
//!
//! - Nothing outlives the deadline, which is on the monotonic clock and which the executor's
//!   orders alone can move.
//! - Nothing outlives the executor: when the socket closes, all is killed at once.
//! - Nothing outlives the main process, unless it was told to end: then its whole family has the
//!   same period of grace, because a shell dies of TERM long before the program it started.
//! - TERM is sent once to each process, and early enough for grace and KILL to fit inside the
//!   deadline.
//!
//! **Invariant:** the keeper runs one thread, opens no file but below `/proc`, `/dev/null` and, if
//! its second argument names one, a control group's directory, and logs nothing: it has nothing to
//! fail at.

pub mod cgroup;
mod channel;
mod course;
mod family;
mod marked;
mod message;
mod spawn;
mod table;
mod watch;

use std::process::ExitCode;

use rustix::time::{ClockId, clock_gettime};

pub use channel::hand_over;
pub use course::LAST_PART;
pub use marked::{Environ, kill_marked};
pub use message::{Answer, Malformed, Order, SPEC_MAX_BYTES, Spec};

/// Is the keeper: to be called by `main`, before anything else, when the first argument is
/// `keeper`.
///
/// A second argument is the directory of a [control group](cgroup) to make one for each
/// step in; where that can't be, the step does without.
///
/// Ends when the socket has closed and no process of a step is left, and says on the socket all
/// there is to say; the exit code tells only whether it was told of a step at all.
pub fn main() -> ExitCode {
    watch::keep()
}

/// The monotonic clock in nanoseconds: the one on which deadlines are given.
///
/// It is the same for all processes of one machine, starts anew when that boots, and stands still
/// while it is suspended.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or_default()
}
