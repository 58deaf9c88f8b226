//! What a run consists of, and what is told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use steps::{Plan, flow};

use super::{Asked, Decision, Served, Stop};
use crate::state::State;

/// Who did something, as the caller's service told.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Actor {
    /// A user's id, or `system`.
    pub user_id: String,
    /// For people.
    pub name: String,
    /// The token's id, if one was used.
    pub token_id: String,
    /// Empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// Its steps were through.
    Completed,
    /// A step failed.
    StepFailed,
    /// A step took longer than its timeout.
    StepTimedOut,
    /// Its attempts were lost or came to nothing, [`LOST_IN_A_ROW`](super::LOST_IN_A_ROW) times without progress or at a
    /// step that says so.
    ExecutorLost,
    /// Someone stopped it.
    Stopped,
    /// Someone reset its pipeline.
    Reset,
    /// Someone rejected it at a gate.
    Rejected,
}

/// A step of a run, in the plan's order.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRun {
    /// Where it is, how often it was tried and how often that failed.
    pub progress: flow::Progress,
    /// Of the last try; absent without a process.
    pub exit_code: Option<i32>,
    /// What there is to say about its state.
    pub message: String,
    /// When the first try started; milliseconds since 1970-01-01 UTC, as all times here.
    pub started_at_ms: Option<i64>,
    /// When the last try ended.
    pub ended_at_ms: Option<i64>,
    /// What it handed to later steps.
    pub outputs: BTreeMap<String, String>,
    /// What was heard of it, if its tool is served outside.
    pub served: Served,
    /// Written back by the store when set.
    pub changed: bool,
}

/// The executor that works on the run, while one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub executor: String,
    /// Its boot number.
    pub boot: u64,
}

/// A run and its steps, as they are.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it does, pinned when it was accepted.
    pub plan: Arc<Plan>,
    /// Where it is.
    pub state: State,
    /// The latest attempt; 0 before the first.
    pub attempt: u32,
    /// Who works on that attempt; nobody once it has ended.
    pub holder: Option<Holder>,
    /// Attempts that were lost, or came to nothing by a fault, since a step was last finished.
    pub lost_in_a_row: u32,
    /// It wants no executor: what is left to do is done outside of them.
    pub parked: bool,
    /// What its start lets a gate ask.
    pub asked: Option<Asked>,
    /// The stop that holds, if one was accepted.
    pub stop: Option<Stop>,
    /// Why it ended, or is about to.
    pub cause: Option<EndCause>,
    /// The same in words.
    pub reason: String,
    /// Who made it end, when someone did without a stop.
    pub ended_by: Option<Actor>,
    /// When the first attempt began.
    pub started_at_ms: Option<i64>,
    /// When it came into its final state.
    pub ended_at_ms: Option<i64>,
    /// The last log entry that the latest attempt is known to have numbered.
    pub last_seq: u64,
    /// As many as the plan has.
    pub steps: Vec<StepRun>,
    /// It begins after it had to wait for pipelines that must not run at the same time. Told with
    /// its beginning, and not kept.
    pub waited: bool,
    /// What has happened since it was read, oldest first.
    pub news: Vec<News>,
}

/// Something that others are to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The state changed.
    Changed {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
    },
    /// It waits for an executor, for this attempt.
    Requested(u32),
    /// A stop was accepted or escalated.
    StopRequested,
    /// The attempt began, and who has it.
    Began(u32, Holder),
    /// The attempt ended.
    Ended(u32, AttemptEnd),
    /// A step started a try, or came into another state; its position in the plan.
    Step(usize),
    /// Someone decided at a gate.
    Decided(Decision),
    /// Whoever serves a step said something for the log.
    Said {
        /// The step's position in the plan.
        position: usize,
        /// At least one.
        lines: Vec<String>,
    },
    /// Whoever serves the step is to stop it, or need not go on; its position in the plan.
    Recalled(usize),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// There was nothing left to do for it.
    Finished,
    /// The executor gave it back.
    HandedBack,
    /// The lease lapsed, or the executor came back without it.
    Lost,
}

/// What an executor is told when it wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has the attempt (perhaps since an earlier try to begin).
    Begun,
    /// The run has ended, or another attempt is due.
    Over,
}
