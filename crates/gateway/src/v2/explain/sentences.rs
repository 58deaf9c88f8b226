//! What there is to say about a run. Pure: it knows the run and what the scheduler says of it.

mod ends;
mod queue;
mod steps;

use contracts::message::RunState;
use contracts::pipeline::Run;
use contracts::scheduler::ExplainResponse;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use ends::{ended, stopping};
use queue::{queued, working};
use steps::steps;

/// A sentence, and what it rests on.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Sentence {
    text: String,
    #[schema(value_type = Object)]
    facts: Map<String, Value>,
}

/// What the scheduler says.
pub(super) enum Queue {
    /// It wasn't asked, or doesn't know the run.
    Silent,
    /// It can't be asked.
    Away,
    Says(ExplainResponse),
}

/// Everything that explains the run, the most important first.
pub(super) fn sentences(run: &Run, queue: &Queue) -> Vec<Sentence> {
    let mut said = Vec::new();
    match run.state() {
        RunState::Queued => said.extend(queued(run, queue)),
        RunState::Running => {
            said.extend(working(run, queue));
            said.extend(steps(run));
        }
        RunState::Waiting => {
            said.push(sentence(
                "The run waits for something outside of it; it holds no executor.",
                json!({}),
            ));
            said.extend(steps(run));
        }
        RunState::Cancelling => {
            said.push(stopping(run));
            said.extend(working(run, queue));
            said.extend(steps(run));
        }
        RunState::Failing => {
            said.push(sentence(
                "A step has failed; what always runs is still to finish.",
                json!({}),
            ));
            said.extend(working(run, queue));
            said.extend(steps(run));
        }
        RunState::Succeeded | RunState::Warned | RunState::Failed | RunState::Cancelled => {
            said.push(ended(run));
            said.extend(steps(run));
        }
        RunState::Unspecified => {}
    }
    said
}

/// A sentence without the facts that are not known.
fn sentence(text: impl Into<String>, facts: Value) -> Sentence {
    let facts = match facts {
        Value::Object(facts) => facts
            .into_iter()
            .filter(|(_, fact)| !fact.is_null())
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    Sentence {
        text: text.into(),
        facts,
    }
}

#[cfg(test)]
mod tests;
