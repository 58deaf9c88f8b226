//! What executor and keeper say to each other: one line of text each.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest specification that the keeper reads, in bytes of JSON.
///
/// It is beyond what Linux accepts as arguments and environment of one process.
pub const SPEC_MAX_BYTES: usize = 8 << 20;

/// The process to start, and for how long: the executor's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// The program, then its arguments. A program without a slash is searched in the `PATH` of
    /// [`env`](Self::env).
    pub argv: Vec<String>,
    /// The whole environment: the process gets this and nothing else.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// How long TERM may take before KILL follows, in milliseconds.
    ///
    /// At the deadline it is at most a twentieth of the time that was left when the deadline was
    /// heard, so that a step goes on through an outage that is only a little shorter than the lease.
    pub grace_ms: u64,
    /// When no process may be left: nanoseconds of the [monotonic clock](crate::monotonic_ns).
    pub deadline_ns: u64,
}

impl Spec {
    /// The specification as it is sent: one line of JSON, with its end.
    pub fn to_line(&self) -> Result<Vec<u8>, Malformed> {
        let mut line = serde_json::to_vec(self).map_err(|error| Malformed(error.to_string()))?;
        if line.len() > SPEC_MAX_BYTES {
            let length = line.len();
            return Err(Malformed(format!(
                "the step's arguments and environment take {length} bytes; at most {SPEC_MAX_BYTES} are possible"
            )));
        }
        line.push(b'\n');
        Ok(line)
    }

    pub(crate) fn from_line(line: &[u8]) -> Result<Self, Malformed> {
        let spec: Self =
            serde_json::from_slice(line).map_err(|error| Malformed(error.to_string()))?;
        if spec.argv.is_empty() {
            return Err(Malformed("argv is empty, name a program".to_owned()));
        }
        Ok(spec)
    }
}

/// What the executor wants of a keeper whose process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// No process may be left at this time of the monotonic clock, in nanoseconds.
    Deadline(u64),
    /// Ask all processes to end, and kill them after their grace.
    Term,
    /// Kill all processes.
    Kill,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(ns) => write!(f, "deadline {ns}"),
            Self::Term => f.write_str("term"),
            Self::Kill => f.write_str("kill"),
        }
    }
}

impl FromStr for Order {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("deadline", ns) => Ok(Self::Deadline(number(line, ns)?)),
            ("term", "") => Ok(Self::Term),
            ("kill", "") => Ok(Self::Kill),
            _ => Err(Malformed(format!("unknown order `{line}`"))),
        }
    }
}

/// What the keeper has to say. [`Gone`](Self::Gone) is always the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The main process runs under this id.
    Started(u32),
    /// The main process could not be started, with the reason.
    Failed(String),
    /// The main process ended with this code.
    Exited(i32),
    /// The main process was ended by this signal.
    Signalled(i32),
    /// No process of the step is left.
    Gone,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(pid) => write!(f, "started {pid}"),
            Self::Failed(reason) => write!(f, "failed {}", reason.replace('\n', " ")),
            Self::Exited(code) => write!(f, "exited {code}"),
            Self::Signalled(signal) => write!(f, "signalled {signal}"),
            Self::Gone => f.write_str("gone"),
        }
    }
}

impl FromStr for Answer {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("started", pid) => Ok(Self::Started(number(line, pid)?)),
            ("failed", reason) => Ok(Self::Failed(reason.to_owned())),
            ("exited", code) => Ok(Self::Exited(number(line, code)?)),
            ("signalled", signal) => Ok(Self::Signalled(number(line, signal)?)),
            ("gone", "") => Ok(Self::Gone),
            _ => Err(Malformed(format!("unknown answer `{line}`"))),
        }
    }
}

fn number<N: FromStr>(line: &str, digits: &str) -> Result<N, Malformed> {
    digits
        .parse()
        .map_err(|_| Malformed(format!("`{line}` lacks its number")))
}

/// A line that is not what it should be, with what is wrong about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_heard() {
        for order in [Order::Deadline(u64::MAX), Order::Term, Order::Kill] {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        for answer in [
            Answer::Started(7),
            Answer::Failed("no program `x y`".to_owned()),
            Answer::Exited(-1),
            Answer::Signalled(9),
            Answer::Gone,
        ] {
            assert_eq!(answer.to_string().parse(), Ok(answer));
        }
    }

    #[test]
    fn a_reason_of_several_lines_stays_one_answer() {
        assert_eq!(Answer::Failed("a\nb".to_owned()).to_string(), "failed a b");
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for line in ["", "deadline", "deadline x", "term now", "stop"] {
            assert!(line.parse::<Order>().is_err(), "{line}");
        }
        let nothing = r#"{"argv":[],"env":{},"cwd":"/","graceMs":0,"deadlineNs":0}"#;
        assert!(Spec::from_line(nothing.as_bytes()).is_err());
    }
}
