//! What the scheduler does on hearing messages.

use contracts::message::{
    Message as _, PipelineDeleted, RunChanged, RunRequested, RunState, StopRequested, Topic,
};
use contracts::pipeline::EndedRun;
use contracts::scheduler::Stop;
use contracts::scheduler::to_executor::Says;
use outbox::{Bus, Consumer, Deaf, Hear, Heard, Tuning};
use runtime::{Bell, Tasks, clock};
use sea_orm::ActiveValue::Set;
use sea_orm::DatabaseTransaction;

use crate::Error;
use crate::entity::queue;
use crate::hub::Hub;
use crate::store::Store;

/// Fills the queue from commands.
pub(crate) const COMMANDS: Consumer = Consumer {
    group: "scheduler-commands",
    topics: &[Topic::Commands],
    inbox: true,
    batch: 200,
    tuning: Tuning::Prompt,
};

/// Empties it from events. All that it does may be repeated, so it needs no inbox.
pub(crate) const EVENTS: Consumer = Consumer {
    group: "scheduler-events",
    topics: &[Topic::Events],
    inbox: false,
    batch: 500,
    tuning: Tuning::Prompt,
};

/// Hears what concerns the queue and the schedules.
pub(crate) struct Ear {
    pub(crate) bell: Bell,
    /// Rung when a schedule's slot may be tried.
    pub(crate) slots: Bell,
}

impl Hear for Ear {
    async fn hear(&self, tx: &DatabaseTransaction, messages: &[Heard]) -> Result<(), Deaf> {
        let (mut queued, mut left, mut freed) = (Vec::new(), Vec::new(), Vec::new());
        let (mut resting, mut ended, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for message in messages {
            match message.kind.as_str() {
                RunRequested::TYPE => queued.push(row(message)?),
                RunChanged::TYPE => {
                    let changed: RunChanged = message.decode()?;
                    let to = changed.to();
                    if matches!(to, RunState::Succeeded | RunState::Warned) {
                        ended.push(ended_run(&changed));
                    }
                    if to.is_final() {
                        left.push(changed.run_id);
                        freed.push(changed.pipeline_id);
                    } else if to == RunState::Waiting {
                        resting.push((changed.run_id, changed.attempt));
                    }
                }
                PipelineDeleted::TYPE => {
                    let gone: PipelineDeleted = message.decode()?;
                    deleted.push(gone.pipeline_id);
                }
                _ => {}
            }
        }
        let now_ms = clock::now_ms();
        Store::enqueue(tx, latest(queued)).await?;
        Store::leave_queue(tx, left).await?;
        Store::rest(tx, &resting).await?;
        Store::places_freed(tx, freed.clone()).await?;
        Store::pipelines_free(tx, freed, now_ms).await?;
        Store::follow_runs(tx, &ended, now_ms).await?;
        Store::pipelines_deleted(tx, &deleted, now_ms).await?;
        Ok(())
    }

    fn heard(&self, _messages: &[Heard]) {
        self.bell.ring();
        self.slots.ring();
    }
}

/// A run that succeeded or warned, for those that follow it.
fn ended_run(changed: &RunChanged) -> EndedRun {
    EndedRun {
        number: 0,
        run_id: changed.run_id.clone(),
        pipeline_id: changed.pipeline_id.clone(),
        ended_at_ms: changed.at_ms,
        silent: changed.silent,
        schedule_id: changed.schedule_id.clone(),
        slot: changed.slot.clone(),
    }
}

fn row(message: &Heard) -> Result<queue::ActiveModel, Deaf> {
    let requested: RunRequested = message.decode()?;
    Ok(queue::ActiveModel {
        run_id: Set(requested.run_id),
        pipeline_id: Set(requested.pipeline_id),
        run_count: Set(requested.run_count),
        attempt: Set(requested.attempt.cast_signed()),
        concurrency: Set(requested.concurrency.cast_signed()),
        priority: Set(requested.priority),
        order_number: Set(requested.order_number),
        enqueued_at_ms: Set(requested.requested_at_ms),
        not_before_ms: Set(0),
        traceparent: Set(message.traceparent.clone().filter(|it| it.len() <= 64)),
        executor: Set(None),
        boot: Set(None),
        assigned_at_ms: Set(None),
        waits_for: Set(None),
    })
}

/// One row a run, of its latest attempt: one statement can't write a row twice.
fn latest(rows: Vec<queue::ActiveModel>) -> Vec<queue::ActiveModel> {
    let mut by_run = std::collections::BTreeMap::new();
    for row in rows {
        let key = row.run_id.clone().take();
        let newer = by_run
            .get(&key)
            .is_none_or(|known: &queue::ActiveModel| known.attempt.as_ref() < row.attempt.as_ref());
        if newer {
            by_run.insert(key, row);
        }
    }
    by_run.into_values().collect()
}

/// Passes stops on to the executors of this process. Every scheduler hears every stop; one that is
/// missed is told with the next renewal.
pub(crate) fn pass_stops_on(bus: &Bus, store: &Store, hub: &Hub, tasks: &Tasks) {
    let (bus, store, hub) = (bus.clone(), store.clone(), hub.clone());
    tasks.repeat("pass stops on", move |()| {
        let (bus, store, hub) = (bus.clone(), store.clone(), hub.clone());
        async move {
            let mut broadcast = bus.broadcast(&[Topic::Commands]).await?;
            loop {
                let heard = broadcast.next().await?;
                if let Err(error) = pass_on(&heard, &store, &hub).await {
                    tracing::warn!("a stop waits for the next renewal: {error}");
                }
            }
            #[allow(unreachable_code, reason = "says what the loop may end with")]
            Ok::<(), outbox::bus::Error>(())
        }
    });
}

async fn pass_on(heard: &Heard, store: &Store, hub: &Hub) -> Result<(), Error> {
    if heard.kind != StopRequested::TYPE {
        return Ok(());
    }
    let Ok(stop) = heard.decode::<StopRequested>() else {
        return Ok(());
    };
    let executor = store.row(&stop.run_id).await?.and_then(|row| row.executor);
    if let Some(executor) = executor {
        hub.say(
            &executor,
            Says::Stop(Stop {
                run_id: stop.run_id,
                mode: stop.mode,
            }),
        );
    }
    Ok(())
}
