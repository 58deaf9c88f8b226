//! What the pipeline service does on hearing messages: replies of outside consumers are recorded.
//!
//! **Invariant:** only a reply that is at fault itself goes to dead letters. One that is doubled, late
//! or about what is gone changes nothing, and is counted.

use std::collections::BTreeMap;

use contracts::message::{
    Message as _, StepAccepted, StepEnded, StepOutcome, StepProgressed, Topic,
};
use outbox::{Consumer, Deaf, Hear, Heard, Tuning};
use runtime::{Fault as _, Kind, clock};
use sea_orm::DatabaseTransaction;

use crate::Error;
use crate::request::RequestId;
use crate::run::{Outcome, Reply};
use crate::store::{Replied, Store};

/// What outside consumers say.
pub(crate) const REPLIES: Consumer = Consumer {
    group: "pipeline-replies",
    topics: &[Topic::Replies],
    inbox: true,
    batch: 100,
    tuning: Tuning::Prompt,
};

/// Characters of a message, or of a line for the log.
const LONGEST: usize = 4096;
/// Characters of who carries a request out.
const LONGEST_NAME: usize = 100;
/// Lines of a message.
const MOST_LINES: usize = 100;
/// Bytes of all lines of a message.
const MOST_BYTES: usize = 64 * 1024;

/// Hears replies.
pub(crate) struct Ear {
    store: Store,
}

impl Ear {
    /// Records in `store`.
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Hear for Ear {
    async fn hear(&self, tx: &DatabaseTransaction, messages: &[Heard]) -> Result<(), Deaf> {
        let replies: Result<Vec<Replied>, Deaf> = messages.iter().map(replied).collect();
        let now_ms = clock::now_ms();
        self.store.record_replies(tx, replies?, now_ms).await?;
        Ok(())
    }

    fn heard(&self, _messages: &[Heard]) {
        self.store.ring();
    }
}

/// What a message replies to, and what.
fn replied(message: &Heard) -> Result<Replied, Deaf> {
    let (request_id, run_id, reply) = match message.kind.as_str() {
        StepAccepted::TYPE => {
            let said: StepAccepted = message.decode()?;
            let by = clipped(&said.by, LONGEST_NAME);
            (said.request_id, said.run_id, Reply::Accepted { by })
        }
        StepProgressed::TYPE => {
            let said: StepProgressed = message.decode()?;
            let lines = lines(&said.lines)?;
            let sequence = said.sequence;
            if i64::try_from(sequence).is_err() {
                return Err(at_fault("sequence is larger than 9223372036854775807"));
            }
            let reply = Reply::Progressed { sequence, lines };
            (said.request_id, said.run_id, reply)
        }
        StepEnded::TYPE => {
            let said: StepEnded = message.decode()?;
            let reply = Reply::Ended {
                outcome: outcome(&said)?,
                message: clipped(&said.message, LONGEST),
                outputs: said.outputs.into_iter().collect::<BTreeMap<_, _>>(),
            };
            (said.request_id, said.run_id, reply)
        }
        _ => {
            let known = [StepAccepted::TYPE, StepProgressed::TYPE, StepEnded::TYPE];
            return Err(at_fault(format!(
                "a reply has one of the types {}",
                known.join(", ")
            )));
        }
    };
    let request: RequestId = request_id.parse().map_err(|it| at_fault(format!("{it}")))?;
    if !run_id.is_empty() && run_id != request.run_id {
        return Err(at_fault("runId is not that of the request"));
    }
    Ok(Replied { request, reply })
}

fn outcome(said: &StepEnded) -> Result<Outcome, Deaf> {
    match said.outcome() {
        StepOutcome::Succeeded => Ok(Outcome::Succeeded),
        StepOutcome::Warned => Ok(Outcome::Warned),
        StepOutcome::Failed => Ok(Outcome::Failed),
        StepOutcome::Cancelled => Ok(Outcome::Cancelled),
        StepOutcome::Unspecified => Err(at_fault(
            "outcome is missing: it is STEP_OUTCOME_SUCCEEDED, _WARNED, _FAILED or _CANCELLED",
        )),
    }
}

fn lines(said: &[String]) -> Result<Vec<String>, Deaf> {
    if said.len() > MOST_LINES || said.iter().map(String::len).sum::<usize>() > MOST_BYTES {
        return Err(at_fault(format!(
            "lines are more than {MOST_LINES}, or more than 64 KiB: send several messages"
        )));
    }
    // What is several lines in one is several in the log.
    let lines = said.iter().flat_map(|it| it.lines());
    let lines: Vec<String> = lines.map(|it| clipped(it, LONGEST)).collect();
    if lines.len() > MOST_LINES * 10 {
        return Err(at_fault("lines hold too many lines: send several messages"));
    }
    Ok(lines)
}

/// The beginning of a text, without what a store doesn't take.
fn clipped(text: &str, most: usize) -> String {
    text.chars().filter(|it| *it != '\0').take(most).collect()
}

fn at_fault(why: impl Into<String>) -> Deaf {
    Deaf::AtFault(why.into())
}

impl From<Error> for Deaf {
    fn from(error: Error) -> Self {
        match error.kind() {
            Kind::Invalid => Self::AtFault(error.to_string()),
            Kind::Unauthenticated
            | Kind::Denied
            | Kind::NotFound
            | Kind::Conflict
            | Kind::Exists
            | Kind::Busy
            | Kind::Unavailable
            | Kind::Late
            | Kind::Internal => Self::Away(error.into()),
        }
    }
}
