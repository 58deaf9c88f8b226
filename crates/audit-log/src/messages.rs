//! What the audit log does on hearing messages: output is stored, what happened becomes lines, and
//! who did what becomes records.

mod records;

use std::collections::BTreeMap;

use contracts::message::{
    ActivityBatch, AttemptBegan, AttemptEnded, GateDecided, Message, RunChanged, StepChanged,
    StepSaid, UserActed,
};
use outbox::{Deaf, Hear, Heard};
use runtime::clock;
use sea_orm::DatabaseTransaction;

use crate::bells::Bells;
use crate::store::{Key, Log, News, Store};
use crate::{Error, chunk, line};

pub(crate) use records::Ledger;

/// Hears output. Repeats are told by the entries' numbers.
#[derive(Debug)]
pub(crate) struct Activity {
    store: Store,
    bells: Bells,
}

impl Activity {
    /// Stores in `store` and rings `bells`.
    pub(crate) fn new(store: Store, bells: Bells) -> Self {
        Self { store, bells }
    }
}

impl Hear for Activity {
    async fn hear(&self, tx: &DatabaseTransaction, messages: &[Heard]) -> Result<(), Deaf> {
        let heard = messages.to_vec();
        // Decoding a hundred batches takes long enough to be kept off the workers.
        let logs = match tokio::task::spawn_blocking(move || gathered(&heard)).await {
            Ok(logs) => logs?,
            Err(panic) => return Err(Deaf::Away(panic.into())),
        };
        let heard: usize = logs.values().map(|log| log.entries.len()).sum();
        let stored = self.store.keep_output(tx, logs, clock::now_ms()).await?;
        metrics::counter!("penstock_activity_entries_total").increment(stored as u64);
        let repeats = heard.saturating_sub(stored) as u64;
        metrics::counter!("penstock_activity_repeats_total").increment(repeats);
        Ok(())
    }

    fn heard(&self, messages: &[Heard]) {
        ring(&self.bells, messages);
    }
}

/// The output in these messages, by attempt and in its order.
fn gathered(messages: &[Heard]) -> Result<BTreeMap<Key, Log>, Deaf> {
    let mut logs: BTreeMap<Key, Log> = BTreeMap::new();
    for message in messages.iter().filter(|it| it.is::<ActivityBatch>()) {
        let batch: ActivityBatch = message.decode()?;
        if let Some(why) = chunk::fault(&batch) {
            return Err(Deaf::AtFault(why));
        }
        let ActivityBatch {
            run_id,
            pipeline_id,
            attempt,
            entries,
        } = batch;
        let log = logs.entry(Key { run_id, attempt }).or_default();
        log.pipeline_id = pipeline_id;
        log.entries.extend(entries);
    }
    for log in logs.values_mut() {
        log.entries = chunk::in_order(std::mem::take(&mut log.entries));
    }
    Ok(logs)
}

/// Hears what has happened to runs, and what users did.
#[derive(Debug)]
pub(crate) struct Events {
    store: Store,
    bells: Bells,
    ledger: Ledger,
}

impl Events {
    /// Stores in `store` and rings `bells`; what users did goes to `ledger`.
    pub(crate) fn new(store: Store, bells: Bells, ledger: Ledger) -> Self {
        Self {
            store,
            bells,
            ledger,
        }
    }
}

impl Hear for Events {
    async fn hear(&self, tx: &DatabaseTransaction, messages: &[Heard]) -> Result<(), Deaf> {
        let news: Result<Vec<Vec<News>>, Deaf> = messages.iter().map(news).collect();
        let news: Vec<News> = news?.into_iter().flatten().collect();
        if !news.is_empty() {
            self.store.keep_news(tx, news, clock::now_ms()).await?;
        }
        self.ledger.keep(tx, messages).await
    }

    fn heard(&self, messages: &[Heard]) {
        ring(&self.bells, messages);
        self.ledger
            .kept(messages.iter().filter(|it| it.is::<UserActed>()).count());
    }
}

/// What a message says about a run; nothing if it is about something else.
fn news(message: &Heard) -> Result<Vec<News>, Deaf> {
    let news = match message.kind.as_str() {
        RunChanged::TYPE => of_run(message.decode()?),
        AttemptBegan::TYPE => of_beginning(message.decode()?),
        AttemptEnded::TYPE => of_ending(message.decode()?),
        StepChanged::TYPE => of_step(message.decode()?),
        GateDecided::TYPE => of_decision(message.decode()?),
        StepSaid::TYPE => return of_words(&message.decode()?),
        _ => return Ok(Vec::new()),
    };
    check(&news)?;
    Ok(vec![news])
}

/// Refuses what can't be stored.
fn check(news: &News) -> Result<(), Deaf> {
    for (field, id) in [("run_id", &news.run_id), ("pipeline_id", &news.pipeline_id)] {
        if !contracts::id::is_object_id(id) {
            return Err(Deaf::AtFault(format!("{field} is not an id")));
        }
    }
    let seq = news.attempt.and_then(|it| it.1).unwrap_or_default();
    if i64::try_from(seq).is_err() {
        return Err(Deaf::AtFault("last_seq is not an entry's number".into()));
    }
    Ok(())
}

/// A line each of what whoever serves a step said.
fn of_words(event: &StepSaid) -> Result<Vec<News>, Deaf> {
    let said = line::of_words(event).map(|line| News {
        line: Some(line),
        run: None,
        attempt: None,
        at_ms: event.at_ms,
        run_id: event.run_id.clone(),
        pipeline_id: event.pipeline_id.clone(),
    });
    let said: Vec<News> = said.collect();
    said.iter().try_for_each(check)?;
    Ok(said)
}

fn of_run(event: RunChanged) -> News {
    let state = event.to();
    News {
        line: line::of_run(&event),
        run: Some((event.run_count, state)),
        attempt: state
            .is_final()
            .then_some((event.attempt, Some(event.last_seq))),
        at_ms: event.at_ms,
        run_id: event.run_id,
        pipeline_id: event.pipeline_id,
    }
}

fn of_beginning(event: AttemptBegan) -> News {
    News {
        line: Some(line::of_beginning(&event)),
        run: None,
        attempt: Some((event.attempt, None)),
        at_ms: event.at_ms,
        run_id: event.run_id,
        pipeline_id: event.pipeline_id,
    }
}

fn of_ending(event: AttemptEnded) -> News {
    News {
        line: Some(line::of_ending(&event)),
        run: None,
        attempt: Some((event.attempt, Some(event.last_seq))),
        at_ms: event.at_ms,
        run_id: event.run_id,
        pipeline_id: event.pipeline_id,
    }
}

fn of_step(event: StepChanged) -> News {
    News {
        line: line::of_step(&event),
        run: None,
        attempt: None,
        at_ms: event.at_ms,
        run_id: event.run_id,
        pipeline_id: event.pipeline_id,
    }
}

fn of_decision(event: GateDecided) -> News {
    News {
        line: Some(line::of_decision(&event)),
        run: None,
        attempt: None,
        at_ms: event.at_ms,
        run_id: event.run_id,
        pipeline_id: event.pipeline_id,
    }
}

/// Both topics' keys are the run's id.
fn ring(bells: &Bells, messages: &[Heard]) {
    let mut last = "";
    for message in messages {
        if message.key != last {
            bells.ring(&message.key);
            last = &message.key;
        }
    }
}

impl From<Error> for Deaf {
    fn from(error: Error) -> Self {
        Self::Away(error.into())
    }
}
