//! The tries of an attempt that may start, and those that run.
//!
//! **Invariant:** what was granted starts once, and its secrets are kept no longer than until then.

use std::collections::HashMap;
use std::fmt;

use contracts::pipeline::{Grant, Outcome, StepReport};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::state::Try;
use crate::step::{self, Done, StepTry, Told};

/// What a try was granted.
pub(super) struct Granted {
    /// By the names of their variables.
    pub(super) secrets: HashMap<String, Vec<u8>>,
    /// The tool that it works with, with its secrets.
    pub(super) tool: Vec<u8>,
    /// When it was.
    pub(super) since: Instant,
}

/// All of it is secret.
impl fmt::Debug for Granted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Granted").finish_non_exhaustive()
    }
}

/// The tries of an attempt. Those that run are killed when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Tries {
    running: JoinSet<Done>,
    controls: HashMap<Try, watch::Sender<Told>>,
    /// What those that haven't started yet were granted.
    granted: HashMap<Try, Granted>,
}

impl Tries {
    /// Takes grants, which may be repeats, and answers whose they are.
    pub(super) fn grant(&mut self, grants: Vec<Grant>, since: Instant) -> Vec<Try> {
        let mut granted = Vec::with_capacity(grants.len());
        for grant in grants {
            let one = Try {
                step: grant.step_id,
                number: grant.r#try,
            };
            if !self.controls.contains_key(&one) {
                let granted = Granted {
                    secrets: grant.secrets,
                    tool: grant.tool_json,
                    since,
                };
                self.granted.insert(one.clone(), granted);
            }
            granted.push(one);
        }
        granted
    }

    /// Takes out what was granted with a try.
    pub(super) fn take(&mut self, one: &Try) -> Granted {
        self.granted.remove(one).unwrap_or_else(|| Granted {
            secrets: HashMap::new(),
            tool: Vec::new(),
            since: Instant::now(),
        })
    }

    /// Gives up a try that was granted.
    pub(super) fn skip(&mut self, one: Try) -> StepReport {
        self.granted.remove(&one);
        StepReport {
            step_id: one.step,
            r#try: one.number,
            outcome: Outcome::Cancelled.into(),
            message: "the run was stopped before it started".into(),
            ..StepReport::default()
        }
    }

    /// Starts a try.
    pub(super) fn start(&mut self, step: StepTry) {
        let (control, told) = watch::channel(Told::Nothing);
        self.controls.insert(step.of.clone(), control);
        let span = step.span();
        self.running
            .spawn(step::perform(step, told).instrument(span));
    }

    /// Tells a try that runs to end, if it wasn't told so as hard before.
    pub(super) fn tell(&self, one: &Try, told: Told) {
        if let Some(control) = self.controls.get(one) {
            control.send_if_modified(|held| told > std::mem::replace(held, told.max(*held)));
        }
    }

    /// Waits for the next end of a try; nothing if none runs. Can be cancelled.
    pub(super) async fn ended(&mut self) -> Option<Result<Done, JoinError>> {
        let done = self.running.join_next().await?;
        if let Ok(done) = &done {
            self.controls.remove(&done.of);
        }
        Some(done)
    }
}
