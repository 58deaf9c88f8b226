//! Replies of outside consumers, recorded together.
//!
//! **Invariant:** a reply and what follows from it commit with the note that it was heard.

use std::collections::BTreeSet;

use sea_orm::DatabaseTransaction;

use super::Store;
use super::locked::Locked;
use crate::Error;
use crate::request::RequestId;
use crate::run::{Hearing, Reply};

/// A reply, and to which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replied {
    pub(crate) request: RequestId,
    pub(crate) reply: Reply,
}

impl Store {
    /// Replies are recorded in their order. Those that are doubled, late or about nothing that is
    /// known change nothing.
    pub(crate) async fn record_replies(
        &self,
        tx: &DatabaseTransaction,
        replies: Vec<Replied>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let ids: BTreeSet<String> = replies.iter().map(|it| it.request.run_id.clone()).collect();
        let mut locked = self.lock_all(tx, ids).await?;
        for Replied { request, reply } in replies {
            let hearing = match locked.get_mut(&request.run_id) {
                None => Hearing::Unknown,
                Some(Err(why)) => {
                    tracing::error!(run.id = request.run_id, "a reply can't be recorded: {why}");
                    continue;
                }
                Some(Ok(its)) => {
                    let try_of_step = (request.step_id.as_str(), request.of_try);
                    let run = &mut its.run;
                    run.hear(try_of_step, reply, now_ms, rand::random())
                }
            };
            count(&request, hearing);
        }
        let changed = locked.values_mut().flatten().filter(|it| it.has_changed());
        let mut changed: Vec<&mut Locked> = changed.collect();
        for it in &mut changed {
            it.write_down(now_ms)?;
        }
        if !changed.is_empty() {
            let changed = changed.into_iter().map(|it| &*it).collect();
            Self::save_all(tx, changed, now_ms).await?;
        }
        Ok(())
    }

    /// Rings whatever may have to do with runs that have changed.
    pub(crate) fn ring(&self) {
        self.relay.ring();
        self.children.ring();
    }
}

fn count(request: &RequestId, hearing: Hearing) {
    metrics::counter!("penstock_replies_total", "came_to" => hearing.name()).increment(1);
    match hearing {
        Hearing::Recorded | Hearing::Repeated => {}
        Hearing::Late | Hearing::Unknown => tracing::debug!(
            run.id = request.run_id,
            "a reply to {request} is {} and counts for nothing",
            hearing.name()
        ),
    }
}
