//! One try of one step: made ready, carried out, judged and reported.
//!
//! **Invariants:** whatever goes wrong becomes an outcome, also a panic of ours. The workspace is
//! saved before the outcome is known to anyone. Neither messages nor outputs hold a secret (I12).

pub(crate) mod deny;
pub(crate) mod environment;
mod files;
pub(crate) mod http;
mod plugin;
mod process;
mod tool;

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use contracts::pipeline::{BeginAttemptResponse, Outcome, StepReport};
use futures::FutureExt as _;
use runtime::{clock, telemetry};
use steps::{Context, Invocation, Plan};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Span;

use crate::attempt::state::Try;
use crate::kit::Kit;
use crate::log::{Journal, StepLog};
use crate::shift::Key;
use crate::workspace::Workspace;

/// The longest message of a report, in characters.
const MESSAGE: usize = 1000;

/// What all steps of an attempt know of it.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) run_id: String,
    pub(crate) run_count: i64,
    pub(crate) attempt: u32,
    pub(crate) pipeline_id: String,
    pub(crate) pipeline_name: String,
    pub(crate) parameters: HashMap<String, String>,
    pub(crate) is_debugging: bool,
    pub(crate) traceparent: Option<String>,
    /// Or what is wrong with it.
    plan: Result<Plan, String>,
}

impl Facts {
    pub(crate) fn of(key: &Key, traceparent: Option<String>, begun: &BeginAttemptResponse) -> Self {
        Self {
            run_id: key.run_id.clone(),
            run_count: begun.run_count,
            attempt: key.attempt,
            pipeline_id: begun.pipeline_id.clone(),
            pipeline_name: begun.pipeline_name.clone(),
            parameters: begun.parameters.clone(),
            is_debugging: begun.debugging,
            traceparent: telemetry::traceparent().or(traceparent),
            plan: serde_json::from_str(&begun.plan_json)
                .map_err(|error| format!("this executor can't read the run's plan: {error}")),
        }
    }

    /// The steps that run on every end but kill.
    pub(crate) fn finalizers(&self) -> BTreeSet<String> {
        self.steps()
            .iter()
            .filter(|step| step.always)
            .map(|step| step.id.clone())
            .collect()
    }

    /// All steps of the plan.
    fn steps(&self) -> &[steps::plan::Step] {
        let plan = self.plan.as_ref();
        plan.map(|plan| plan.steps.as_slice()).unwrap_or_default()
    }

    fn step(&self, id: &str) -> Result<&steps::plan::Step, String> {
        let plan = self.plan.as_ref().map_err(Clone::clone)?;
        let index = plan
            .index_of(id)
            .ok_or_else(|| format!("the plan has no step {id}"))?;
        Ok(&plan.steps[index])
    }
}

/// How a running try was told to end; the order is that of escalation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    /// It wasn't.
    #[default]
    Nothing,
    /// TERM, grace, KILL; what it has started elsewhere goes on, and so does the step.
    Leave,
    /// TERM, grace, KILL.
    Term,
    /// KILL; what it has started elsewhere is somebody else's now.
    Drop,
    /// KILL.
    Kill,
}

/// A try that may start.
pub(crate) struct StepTry {
    pub(crate) kit: Arc<Kit>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) journal: Arc<Journal>,
    /// Of finished steps, by `step.key`.
    pub(crate) outputs: Arc<HashMap<String, String>>,
    pub(crate) of: Try,
    pub(crate) secrets: HashMap<String, Vec<u8>>,
    /// The tool that it works with, with its secrets; empty if it works with none.
    pub(crate) tool: Vec<u8>,
    /// When it was granted.
    pub(crate) since: Instant,
}

/// A try that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) of: Try,
    pub(crate) report: StepReport,
    /// It was cut because the lease was about to lapse: the report says nothing about the step.
    pub(crate) is_cut: bool,
}

/// How a try ended.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) exit_code: Option<i32>,
    pub(crate) message: String,
    pub(crate) outputs: HashMap<String, String>,
    pub(crate) is_cut: bool,
}

impl Ending {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Failed,
            message: message.into(),
            ..Self::default()
        }
    }

    pub(crate) fn cancelled() -> Self {
        let message = "stopped".into();
        Self {
            outcome: Outcome::Cancelled,
            message,
            ..Self::default()
        }
    }

    pub(crate) fn timed_out(timeout_ms: u64) -> Self {
        let timeout = steps::duration::format(std::time::Duration::from_millis(timeout_ms));
        let message = format!("timed out after {timeout}");
        Self {
            outcome: Outcome::TimedOut,
            message,
            ..Self::default()
        }
    }

    fn is_well(&self) -> bool {
        matches!(self.outcome, Outcome::Succeeded | Outcome::Warned)
    }
}

/// Carries out a try, until it has ended or was told to.
pub(crate) async fn perform(step: StepTry, told: watch::Receiver<Told>) -> Done {
    let log = StepLog::new(step.journal.clone(), step.of.step.clone(), step.of.number);
    let started_at_ms = clock::now_ms();
    let carried_out = Box::pin(step.carry_out(&log, told.clone()));
    let mut ending = AssertUnwindSafe(carried_out)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            Ending::failed(
                "the executor failed while it carried out the step; its own log says more",
            )
        });
    step.save(&mut ending, told).await;
    if !ending.is_well() {
        let failure = ending.outcome.as_str_name().trim_start_matches("OUTCOME_");
        Span::current().record("error.type", failure.to_lowercase());
    }
    if !ending.is_well() && !ending.message.is_empty() {
        log.say(ending.message.as_str());
    }
    log.close();
    let mask = log.mask();
    let message: String = mask
        .apply_to(ending.message)
        .chars()
        .take(MESSAGE)
        .collect();
    let masked = |(key, value)| (key, mask.apply_to(value));
    let report = StepReport {
        step_id: step.of.step.clone(),
        r#try: step.of.number,
        outcome: ending.outcome.into(),
        exit_code: ending.exit_code,
        message,
        outputs: ending.outputs.into_iter().map(masked).collect(),
        started_at_ms,
        ended_at_ms: clock::now_ms(),
    };
    Done {
        of: step.of,
        report,
        is_cut: ending.is_cut,
    }
}

impl StepTry {
    /// The span of this try, in the attempt's. What it says is known to everyone who may see the
    /// run (I12).
    pub(crate) fn span(&self) -> Span {
        tracing::info_span!(
            "step",
            run.id = self.facts.run_id,
            run.count = self.facts.run_count,
            run.attempt = self.facts.attempt,
            pipeline.id = self.facts.pipeline_id,
            pipeline.name = self.facts.pipeline_name,
            step.id = self.of.step,
            step.r#try = self.of.number,
            error.type = tracing::field::Empty,
        )
    }

    /// The `traceparent` for what the try does: of its own span, or of the run where this process
    /// tells no traces.
    fn traceparent(&self) -> Option<String> {
        telemetry::traceparent().or_else(|| self.facts.traceparent.clone())
    }

    async fn carry_out(&self, log: &StepLog, told: watch::Receiver<Told>) -> Ending {
        let planned = match self.facts.step(&self.of.step) {
            Ok(planned) => planned,
            Err(why) => return Ending::failed(why),
        };
        let context = Context {
            parameters: &self.facts.parameters,
            outputs: &self.outputs,
            secrets: &self.secrets,
        };
        let invocation = match planned.invocation(&context) {
            Ok(invocation) => invocation,
            Err(fault) => return Ending::failed(fault.to_string()),
        };
        if let Err(ending) = self.make_ready(told.clone()).await {
            return ending;
        }
        match invocation {
            Invocation::Process(process) => {
                let start = process::Start {
                    kind: "process",
                    argv: process.argv,
                    env: process.env,
                    cwd: self.workspace.path().to_owned(),
                };
                process::carry_out(self, start, planned.timeout_ms, log, told).await
            }
            Invocation::Plugin(call) => {
                Box::pin(plugin::carry_out(self, call, planned.timeout_ms, log, told)).await
            }
            Invocation::Http(request) => {
                http::carry_out(self, request, planned.timeout_ms, log, told).await
            }
            Invocation::Tool(call) => {
                Box::pin(tool::carry_out(self, call, planned.timeout_ms, log, told)).await
            }
        }
    }

    /// Notes how long it took from the grant to the start.
    fn started(&self, kind: &'static str) {
        metrics::histogram!("penstock_step_start_seconds", "kind" => kind)
            .record(self.since.elapsed().as_secs_f64());
    }
}
