//! What can keep the pipeline service from doing as asked.

use contracts::access::Right;
use runtime::{Fault, Kind};
use sea_orm::DbErr;
use tonic::Status;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No pipeline is known by this id, number or name.
    #[error("there is no pipeline \"{0}\"")]
    NoPipeline(String),
    /// Several pipelines have this name.
    #[error("several pipelines are called \"{name}\": use one of the ids {}", ids.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Whom it could mean.
        ids: Vec<String>,
    },
    /// The caller sees the pipeline, and may not do this with it.
    #[error("to {} pipeline \"{pipeline}\" you must be its {}", right.deed(), right.holders())]
    Denied {
        /// Its name.
        pipeline: String,
        /// What it takes.
        right: Right,
    },
    /// The caller is a guest of the account.
    #[error("to make a pipeline you need a role in the site: site_user or above")]
    MayNotMake,
    /// The pipeline has no such run.
    #[error("pipeline \"{pipeline}\" has no run {run_count}")]
    NoRun {
        /// Its name.
        pipeline: String,
        /// What was asked for.
        run_count: i64,
    },
    /// The run with this number is another pipeline's.
    #[error("run number {0} is one of another pipeline")]
    OtherPipeline(i64),
    /// No run has this id.
    #[error("there is no run with the id {0}")]
    NoSuchRun(String),
    /// The definition or the parameters have faults; each is named with its place.
    #[error("{0}")]
    Faults(steps::Faults),
    /// A field of the request can't be what it is.
    #[error("{0}")]
    Invalid(String),
    /// A pipeline of that name is there already.
    #[error("a pipeline called \"{0}\" exists: choose another name, or apply it as a new version")]
    Exists(String),
    /// The idempotency key came with another request before.
    #[error("the idempotency key was used for another request: use a new key for a new run")]
    KeyReused,
    /// A run without anything to do.
    #[error("pipeline \"{0}\" has no enabled step to run")]
    NoStep(String),
    /// Runs that have not ended keep a pipeline from being deleted or reset.
    #[error("pipeline \"{0}\" has a run that has not ended: stop it first")]
    Unfinished(String),
    /// A run waits at a gate, and the caller wants no other run queued behind it.
    #[error("pipeline \"{0}\" waits at a gate: have it approved, rejected, stopped or reset first")]
    Paused(String),
    /// Someone keeps it from being run.
    #[error("pipeline \"{pipeline}\" is locked by {by}{}: have it unlocked first", said(.reason))]
    Locked {
        /// Its name.
        pipeline: String,
        /// Who.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// There is no run to go on from.
    #[error("pipeline \"{pipeline}\" has nothing to resume: {why}")]
    NothingToResume {
        /// Its name.
        pipeline: String,
        /// In words.
        why: &'static str,
    },
    /// A pipeline would run within its own run.
    #[error("pipeline \"{0}\" would run within its own run: take it out of the circle")]
    Cycle(String),
    /// A child's pipeline must not run at the same time as one above it does.
    #[error("pipeline \"{0}\" must not run at the same time as a pipeline that runs it")]
    ConflictsAbove(String),
    /// Runs start runs that start runs.
    #[error("more than 8 runs would lie within each other: let fewer pipelines run each other")]
    TooDeep,
    /// A child run was to be started that isn't due any more.
    #[error("the child run is not due any more")]
    NotDue,
    /// Nothing waits for a decision.
    #[error("{0} does not wait for a decision")]
    NotOpen(String),
    /// Several gates are open, and none was named.
    #[error("several wait for a decision: name one of {}", .0.join(", "))]
    SeveralOpen(Vec<String>),
    /// The run's plan has no such step.
    #[error("run {run_count} has no step \"{step}\"")]
    NoRunStep {
        /// Which run.
        run_count: i64,
        /// What was asked for.
        step: String,
    },
    /// Who decides has decided otherwise before.
    #[error("you have {} this already, which stays", if *.0 { "approved" } else { "rejected" })]
    Decided(bool),
    /// Who started the run may not approve it.
    #[error("who started the run may not approve step {0}: someone else has to")]
    OwnRun(String),
    /// The registry can't be asked for a step's secrets.
    #[error("the secrets of a step can't be read now: {0}")]
    Registry(String),
    /// A row holds what this version can't read.
    #[error("a stored row can't be read: {0}")]
    Row(String),
    /// Reading the definition has panicked.
    #[error("the definition can't be read")]
    Reading(#[from] runtime::aside::Panicked),
    /// Recording what an executor said has panicked.
    #[error("the call can't be answered")]
    Unanswered(#[from] runtime::gather::Unanswered),
    /// A message can't be announced.
    #[error("a message can't be announced")]
    Outbox(#[from] outbox::Error),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] DbErr),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoPipeline(_)
            | Self::NoRun { .. }
            | Self::NoSuchRun(_)
            | Self::NoRunStep { .. } => Kind::NotFound,
            Self::Faults(_) | Self::Invalid(_) | Self::NoStep(_) | Self::OtherPipeline(_) => {
                Kind::Invalid
            }
            Self::Ambiguous { .. }
            | Self::KeyReused
            | Self::Unfinished(_)
            | Self::Paused(_)
            | Self::Locked { .. }
            | Self::NothingToResume { .. }
            | Self::Cycle(_)
            | Self::ConflictsAbove(_)
            | Self::TooDeep
            | Self::NotDue
            | Self::NotOpen(_)
            | Self::SeveralOpen(_)
            | Self::Decided(_) => Kind::Conflict,
            Self::Denied { .. } | Self::MayNotMake | Self::OwnRun(_) => Kind::Denied,
            Self::Exists(_) => Kind::Exists,
            Self::Registry(_) => Kind::Unavailable,
            Self::Store(error) if runtime::database::is_away(error) => Kind::Unavailable,
            Self::Outbox(error) => error.kind(),
            Self::Row(_) | Self::Reading(_) | Self::Unanswered(_) | Self::Store(_) => {
                Kind::Internal
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoPipeline(_) => "NO_PIPELINE",
            Self::Ambiguous { .. } => "AMBIGUOUS",
            Self::Denied { .. } | Self::MayNotMake => "DENIED",
            Self::NoRun { .. } | Self::NoSuchRun(_) => "NO_RUN",
            Self::OtherPipeline(_) => "OTHER_PIPELINE",
            Self::Faults(_) => "FAULTS",
            Self::Invalid(_) => "INVALID",
            Self::Exists(_) => "EXISTS",
            Self::KeyReused => "KEY_REUSED",
            Self::NoStep(_) => "NO_STEP",
            Self::Unfinished(_) => "UNFINISHED",
            Self::Paused(_) => "PAUSED",
            Self::Locked { .. } => "LOCKED",
            Self::Cycle(_) => "CYCLE",
            Self::ConflictsAbove(_) => "CONFLICTS_ABOVE",
            Self::TooDeep => "TOO_DEEP",
            Self::NotDue => "NOT_DUE",
            Self::NothingToResume { .. } => "NOTHING_TO_RESUME",
            Self::NotOpen(_) => "NOT_OPEN",
            Self::SeveralOpen(_) => "SEVERAL_OPEN",
            Self::NoRunStep { .. } => "NO_STEP_OF_RUN",
            Self::Decided(_) => "DECIDED",
            Self::OwnRun(_) => "OWN_RUN",
            Self::Registry(_) => "REGISTRY_AWAY",
            Self::Row(_) => "ROW",
            Self::Reading(_) => "READING",
            Self::Unanswered(_) => "UNANSWERED",
            Self::Outbox(_) => "OUTBOX",
            Self::Store(_) => "STORE",
        }
    }
}

/// A reason in parentheses; nothing for none.
fn said(reason: &str) -> String {
    match reason {
        "" => String::new(),
        reason => format!(" ({reason})"),
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        runtime::fault::status(&error)
    }
}
