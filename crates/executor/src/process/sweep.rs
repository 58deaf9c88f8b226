//! The last resort: processes of steps found without their keeper, by the variables with which
//! every step is started.

use std::io;

use keeper::{Spec, kill_marked};

const EXECUTOR: &str = "PENSTOCK_EXECUTOR";
const RUN: &str = "PENSTOCK_RUN";
const ATTEMPT: &str = "PENSTOCK_ATTEMPT";

/// The variables that together name one start of one step.
const TRY: [&str; 5] = [EXECUTOR, RUN, ATTEMPT, "PENSTOCK_STEP", "PENSTOCK_TRY"];

/// Kills what this executor started on this machine for attempts that aren't live.
///
/// `is_live` is asked with the run's id and the attempt's number of each process whose environment
/// carries them and the executor's name. The answer is how many were killed.
///
/// It reads the whole process table and waits for the killed to be gone: call it where blocking
/// is allowed.
///
/// # Errors
/// The process table can't be read.
pub fn sweep(executor: &str, is_live: impl Fn(&str, u32) -> bool) -> io::Result<usize> {
    kill_marked(|environ| {
        let attempt = environ
            .value(ATTEMPT)
            .and_then(|attempt| attempt.parse().ok());
        environ.value(EXECUTOR) == Some(executor)
            && environ
                .value(RUN)
                .zip(attempt)
                .is_some_and(|(run, attempt)| !is_live(run, attempt))
    })
}

/// What marks the processes of one start of a step.
#[derive(Debug, Clone)]
pub(super) struct Mark([(&'static str, String); 5]);

impl Mark {
    /// The mark of a step that is started with all of the variables.
    pub(super) fn of(spec: &Spec) -> Option<Self> {
        let values = TRY.map(|name| spec.env.get(name).map(|value| (name, value.clone())));
        let [
            Some(executor),
            Some(run),
            Some(attempt),
            Some(step),
            Some(number),
        ] = values
        else {
            return None;
        };
        Some(Self([executor, run, attempt, step, number]))
    }

    /// Kills the processes that carry it, and waits for them to be gone.
    pub(super) async fn kill(self) {
        let killing = tokio::task::spawn_blocking(move || {
            kill_marked(|environ| {
                self.0
                    .iter()
                    .all(|(name, value)| environ.value(name) == Some(value))
            })
        });
        match killing.await {
            Ok(Ok(killed)) => tracing::warn!(killed, "a keeper was lost, its processes are killed"),
            Ok(Err(error)) => {
                tracing::error!(%error, "a keeper was lost, its processes can't be found");
            }
            Err(error) => {
                tracing::error!(%error, "a keeper was lost, the search for its processes failed");
            }
        }
    }
}
