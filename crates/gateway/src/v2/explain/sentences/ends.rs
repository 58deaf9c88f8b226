//! Why a run ends or has ended, and by whom.

use contracts::message::{EndCause, StopMode};
use contracts::pipeline::Run;
use serde_json::{Value, json};

use super::{Sentence, sentence};
use crate::time::Time;
use crate::v2::words;

pub(super) fn stopping(run: &Run) -> Sentence {
    let mode = match run.stop_mode() {
        StopMode::Unspecified | StopMode::Graceful => "what is running finishes",
        StopMode::Cancel => "what is running is told to end",
        StopMode::Kill => "what is running is killed",
    };
    let text = format!(
        "A stop was asked for{}: {mode}, and no other step starts.",
        because(run)
    );
    sentence(text, stop_facts(run))
}

pub(super) fn ended(run: &Run) -> Sentence {
    let by = by(run);
    let text = match run.end_cause() {
        EndCause::Unspecified | EndCause::Completed => "All steps have ended.".to_owned(),
        EndCause::StepFailed => "A step failed.".to_owned(),
        EndCause::StepTimedOut => "A step took longer than it may.".to_owned(),
        EndCause::ExecutorLost if !run.reason.is_empty() => {
            format!("The run could not go on: {}.", run.reason)
        }
        EndCause::ExecutorLost => {
            "The executor was lost, and the run could not go on elsewhere.".to_owned()
        }
        EndCause::Stopped => format!("The run was stopped{}.", because(run)),
        EndCause::Reset => format!("The pipeline was reset{by}."),
        EndCause::Rejected => format!("An approval was refused{by}."),
    };
    let mut facts = stop_facts(run);
    facts["endCause"] = json!(words::EndCause::of(run.end_cause));
    facts["endedAt"] = json!(Time::of(run.ended_at_ms));
    sentence(text, facts)
}

fn stop_facts(run: &Run) -> Value {
    json!({
        "mode": words::StopMode::of(run.stop_mode),
        "by": run.ended_by.as_ref().map(|actor| &actor.name),
        "reason": (!run.reason.is_empty()).then_some(&run.reason),
    })
}

fn because(run: &Run) -> String {
    if run.reason.is_empty() {
        by(run)
    } else {
        format!("{} ({})", by(run), run.reason)
    }
}

fn by(run: &Run) -> String {
    run.ended_by
        .as_ref()
        .map(|actor| format!(" by {}", actor.name))
        .unwrap_or_default()
}
