//! Life-cycle lines: what happened to a run, in words for a person.
//!
//! **Invariant:** each kind of line has one stable name (`run.queued`, `step.started`, …) that
//! programs may rely on; the text they may not.

use contracts::message::{
    Actor, AttemptBegan, AttemptEnd, AttemptEnded, EndCause, GateDecided, RunChanged, RunState,
    StepChanged, StepSaid, StepState,
};

/// Characters of a line, at most.
const LONGEST: usize = 4096;

/// A line about a run's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it tells of.
    pub(crate) kind: &'static str,
    /// When it happened.
    pub(crate) time_ms: i64,
    /// The attempt it is about, 0 for the run.
    pub(crate) attempt: u32,
    /// The step it is about, empty for the run.
    pub(crate) step_id: String,
    /// The try it is about, 0 for none.
    pub(crate) tried: u32,
    pub(crate) text: String,
}

/// Whether it is the last line of a run, after all output.
pub(crate) fn is_final(kind: &str) -> bool {
    matches!(
        kind,
        "run.succeeded" | "run.warned" | "run.failed" | "run.cancelled"
    )
}

/// Whether output that is still on its way may belong before it.
pub(crate) fn ends_output(kind: &str) -> bool {
    let of_step = matches!(
        kind,
        "step.succeeded" | "step.warned" | "step.failed" | "step.cancelled" | "step.retrying"
    );
    of_step
        || matches!(
            kind,
            "attempt.finished" | "attempt.handed-back" | "attempt.lost"
        )
}

/// Its order among lines and output of the same millisecond: beginnings, output (1), ends.
pub(crate) fn rank(kind: &str) -> u8 {
    match kind {
        "" => 1,
        kind if is_final(kind) || ends_output(kind) => 2,
        _ => 0,
    }
}

/// The line of a run's change, if it is one to tell.
pub(crate) fn of_run(event: &RunChanged) -> Option<Line> {
    let (run, actor) = (event.run_count, by(event.actor.as_ref()));
    let reason = after_colon(&event.reason);
    let (kind, text) = match event.to() {
        RunState::Unspecified | RunState::Running => return None,
        RunState::Queued if event.from() == RunState::Unspecified => {
            ("run.queued", format!("run {run} was requested{actor}"))
        }
        RunState::Queued => ("run.queued", format!("run {run} is queued again{reason}")),
        RunState::Waiting => ("run.waiting", format!("run {run} waits{reason}")),
        RunState::Cancelling => (
            "run.cancelling",
            format!("stop was requested{actor}{reason}"),
        ),
        RunState::Failing => ("run.failing", format!("run {run} is failing{}", why(event))),
        RunState::Succeeded => ("run.succeeded", "run succeeded".into()),
        RunState::Warned => ("run.warned", "run succeeded with warnings".into()),
        RunState::Failed => ("run.failed", format!("run failed{}", why(event))),
        RunState::Cancelled => ("run.cancelled", format!("run was cancelled{}", why(event))),
    };
    let step_id = String::new();
    Some(Line {
        kind,
        time_ms: event.at_ms,
        attempt: 0,
        step_id,
        tried: 0,
        text: clipped(text),
    })
}

/// The line of an attempt's beginning.
pub(crate) fn of_beginning(event: &AttemptBegan) -> Line {
    let waited = if event.waited {
        ", after pipelines that it is in conflict with"
    } else {
        ""
    };
    let text = format!(
        "attempt {} began on executor {}{waited}",
        event.attempt, event.executor
    );
    of_attempt("attempt.began", event.at_ms, event.attempt, text)
}

/// The line of an attempt's end.
pub(crate) fn of_ending(event: &AttemptEnded) -> Line {
    let attempt = event.attempt;
    let (kind, text) = match event.how() {
        AttemptEnd::Unspecified | AttemptEnd::Finished => {
            ("attempt.finished", format!("attempt {attempt} finished"))
        }
        AttemptEnd::HandedBack => (
            "attempt.handed-back",
            format!(
                "attempt {attempt} was handed back by executor {}",
                event.executor
            ),
        ),
        AttemptEnd::Lost => ("attempt.lost", lost(event)),
    };
    of_attempt(kind, event.at_ms, attempt, text)
}

fn lost(event: &AttemptEnded) -> String {
    let AttemptEnded {
        attempt,
        executor,
        last_seq,
        ..
    } = event;
    let known = match last_seq {
        0 => String::new(),
        seq => format!(", those after {seq},"),
    };
    format!(
        "attempt {attempt} was lost with executor {executor}: its last lines{known} may be missing"
    )
}

fn of_attempt(kind: &'static str, time_ms: i64, attempt: u32, text: String) -> Line {
    Line {
        kind,
        time_ms,
        attempt,
        step_id: String::new(),
        tried: 0,
        text: clipped(text),
    }
}

/// The line of a step's change, if it is one to tell.
pub(crate) fn of_step(event: &StepChanged) -> Option<Line> {
    let StepChanged {
        step_id,
        r#try: tried,
        ..
    } = event;
    let said = after_colon(&event.message);
    let code = match event.exit_code {
        Some(code) if code != 0 => format!(" with exit code {code}"),
        _ => String::new(),
    };
    let (kind, text) = match event.state() {
        StepState::Unspecified | StepState::Pending => return None,
        StepState::Running => (
            "step.started",
            format!("step {step_id} started (try {tried})"),
        ),
        StepState::Retrying => (
            "step.retrying",
            format!("step {step_id} failed{code} and will be tried again{said}"),
        ),
        StepState::Succeeded => ("step.succeeded", format!("step {step_id} succeeded")),
        StepState::Warned => (
            "step.warned",
            format!("step {step_id} succeeded with warnings{said}"),
        ),
        StepState::Failed => ("step.failed", format!("step {step_id} failed{code}{said}")),
        StepState::Cancelled => (
            "step.cancelled",
            format!("step {step_id} was cancelled{said}"),
        ),
        StepState::Waiting => ("step.waiting", format!("step {step_id} waits{said}")),
        StepState::Skipped => ("step.skipped", format!("step {step_id} was skipped{said}")),
    };
    Some(Line {
        kind,
        time_ms: event.at_ms,
        attempt: event.attempt,
        step_id: step_id.clone(),
        tried: *tried,
        text: clipped(text),
    })
}

/// The lines that whoever serves a step said about it.
pub(crate) fn of_words(event: &StepSaid) -> impl Iterator<Item = Line> + '_ {
    event.lines.iter().map(|text| Line {
        kind: "step.progress",
        time_ms: event.at_ms,
        attempt: event.attempt,
        step_id: event.step_id.clone(),
        tried: event.r#try,
        text: clipped(text.clone()),
    })
}

/// The line of a decision at a gate.
pub(crate) fn of_decision(event: &GateDecided) -> Line {
    let (kind, deed) = if event.approved {
        ("gate.approved", "approved")
    } else {
        ("gate.rejected", "rejected")
    };
    let (actor, said) = (by(event.actor.as_ref()), after_colon(&event.message));
    Line {
        kind,
        time_ms: event.at_ms,
        attempt: 0,
        step_id: event.step_id.clone(),
        tried: 0,
        text: clipped(format!("step {} was {deed}{actor}{said}", event.step_id)),
    }
}

/// Why a run ended or is ending: the cause, who, and what they said.
fn why(event: &RunChanged) -> String {
    let actor = by(event.actor.as_ref());
    let cause = match event.cause() {
        EndCause::Unspecified | EndCause::Completed => String::new(),
        EndCause::StepFailed => ": a step failed".into(),
        EndCause::StepTimedOut => ": a step took too long".into(),
        EndCause::ExecutorLost => ": its executors were lost".into(),
        EndCause::Stopped => format!(": it was stopped{actor}"),
        EndCause::Reset => format!(": its pipeline was reset{actor}"),
        EndCause::Rejected => format!(": it was rejected{actor}"),
    };
    cause + &after_colon(&event.reason)
}

fn by(actor: Option<&Actor>) -> String {
    match actor {
        None => String::new(),
        Some(actor) if actor.name.is_empty() => format!(" by {}", actor.user_id),
        Some(actor) => format!(" by {}", actor.name),
    }
}

fn after_colon(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

fn clipped(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests;
