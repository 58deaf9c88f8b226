//! Hears messages, each with one effect, however often it is delivered.
//!
//! A batch has its effect in one transaction, which also notes it in the inbox; then its position
//! is committed. If a message is at fault the batch is heard one by one, the message goes to dead
//! letters with the reason, and the rest goes on.
//!
//! **Invariants:** only a message that is itself at fault is set aside. While a store or a peer is
//! away the same batch is tried again, without limit. Messages of one key are heard in order.

use std::error::Error as StdError;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use contracts::message::Topic;
use futures::FutureExt as _;
use runtime::clock::{self, millis};
use runtime::{Bell, Database, Tasks};
use sea_orm::{DatabaseTransaction, DbErr};
use tracing::Instrument as _;

use crate::bus::{self, Bus, Heard, Tuning, Undecodable};
use crate::dead::{anonymous, letter};
use crate::inbox;

/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Panics in a row over one message after which it counts as at fault.
const PANICS: u32 = 5;
/// How often old rows of the inbox are deleted.
const PRUNE_PERIOD: Duration = Duration::from_mins(10);
/// How much longer the inbox knows a message than the bus keeps it.
const INBOX_LONGER: Duration = Duration::from_hours(24);

/// What a service does on hearing messages.
pub trait Hear: Send + Sync + 'static {
    /// Makes the effect of `messages` true in `tx`, which also notes them as heard.
    ///
    /// They are new to this consumer (if it has an inbox) and in the order of their keys. Types that
    /// concern nobody here are to be passed over.
    fn hear(
        &self,
        tx: &DatabaseTransaction,
        messages: &[Heard],
    ) -> impl Future<Output = Result<(), Deaf>> + Send;

    /// Is told after the commit: ring bells here.
    fn heard(&self, messages: &[Heard]) {
        let _ = messages;
    }
}

/// Why messages weren't heard.
#[derive(Debug, thiserror::Error)]
pub enum Deaf {
    /// The message breaks a rule: it goes to dead letters with this text.
    #[error("{0}")]
    AtFault(String),
    /// A store or a peer is away: the same messages are tried again, without limit.
    #[error("{0}")]
    Away(#[source] Box<dyn StdError + Send + Sync>),
}

impl From<DbErr> for Deaf {
    fn from(error: DbErr) -> Self {
        Self::Away(error.into())
    }
}

impl From<Undecodable> for Deaf {
    fn from(error: Undecodable) -> Self {
        Self::AtFault(error.to_string())
    }
}

impl From<crate::Error> for Deaf {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Store(error) => error.into(),
            crate::Error::TooLarge { .. } | crate::Error::Unwritable { .. } => {
                Self::AtFault(error.to_string())
            }
        }
    }
}

/// How a service reads.
#[derive(Debug, Clone, Copy)]
pub struct Consumer {
    /// The group, and the consumer's name in the inbox: `<service>-<what it hears>`. Instances of
    /// a service share it.
    pub group: &'static str,
    /// What it reads.
    pub topics: &'static [Topic],
    /// Whether repeats are dropped by the inbox; else [`Hear`] must bear them.
    pub inbox: bool,
    /// Messages a transaction, at most.
    pub batch: usize,
    /// How it reads.
    pub tuning: Tuning,
}

/// Lets `hear` hear what `consumer` reads, as long as the process lives.
pub fn consume<H: Hear>(
    consumer: Consumer,
    database: &Database,
    bus: &Bus,
    hear: Arc<H>,
    tasks: &Tasks,
) {
    let (database, bus) = (database.clone(), bus.clone());
    if consumer.inbox {
        prune_inbox(consumer, &database, &bus, tasks);
    }
    let listener = Arc::new(Listener {
        consumer,
        database,
        bus,
        hear,
    });
    tasks.repeat(consumer.group, move |()| {
        let listener = listener.clone();
        async move { listener.listen().await }
    });
}

fn prune_inbox(consumer: Consumer, database: &Database, bus: &Bus, tasks: &Tasks) {
    let kept = consumer
        .topics
        .iter()
        .map(|topic| bus.retention(*topic).age)
        .max();
    let kept_ms = millis(kept.unwrap_or_default() + INBOX_LONGER);
    let database = database.clone();
    tasks.answer("inbox-prune", &Bell::new(), PRUNE_PERIOD, move || {
        let database = database.clone();
        async move { inbox::prune(&database, consumer.group, clock::now_ms() - kept_ms).await }
    });
}

struct Listener<H> {
    consumer: Consumer,
    database: Database,
    bus: Bus,
    hear: Arc<H>,
}

/// What came of one try.
enum Tried {
    Done,
    AtFault(String),
    Away(String),
    Panicked,
}

impl<H: Hear> Listener<H> {
    async fn listen(&self) -> Result<(), bus::Error> {
        let Consumer {
            group,
            topics,
            batch,
            tuning,
            ..
        } = self.consumer;
        let mut reader = self.bus.read(group, topics, tuning).await?;
        loop {
            let messages = reader.next(batch.max(1)).await?;
            if !self.settled_at_once(&messages).await {
                for message in &messages {
                    self.settle(message).await;
                }
            }
            reader.commit()?;
        }
    }

    /// Hears all in one transaction, waiting for what is away. No if one of them stands out.
    async fn settled_at_once(&self, messages: &[Heard]) -> bool {
        if messages.len() == 1 || messages.iter().any(|message| anonymous(message).is_some()) {
            return false;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            match self.attempt(messages).await {
                Tried::Done => return true,
                Tried::AtFault(_) | Tried::Panicked => return false,
                Tried::Away(why) => self.wait(&mut pause, &why).await,
            }
        }
    }

    /// Hears one message, or sets it aside.
    async fn settle(&self, message: &Heard) {
        let mut pause = FIRST_PAUSE;
        let mut panics = 0;
        let why = loop {
            if let Some(why) = anonymous(message) {
                break why.to_owned();
            }
            match self.attempt(std::slice::from_ref(message)).await {
                Tried::Done => return,
                Tried::AtFault(why) => break why,
                Tried::Away(why) => self.wait(&mut pause, &why).await,
                Tried::Panicked => {
                    panics += 1;
                    if panics == PANICS {
                        break format!("hearing it panicked {PANICS} times");
                    }
                    self.wait(&mut pause, "hearing a message panicked").await;
                }
            }
        };
        self.bury(message, &why).await;
    }

    async fn attempt(&self, messages: &[Heard]) -> Tried {
        // Held open until all is heard: one span a message, each in the message's own trace.
        let group = self.consumer.group;
        let spans: Vec<_> = messages.iter().map(|it| it.span(group)).collect();
        let Some(first) = spans.first().cloned() else {
            return Tried::Done;
        };
        let work = AssertUnwindSafe(self.effect(messages)).catch_unwind();
        match work.instrument(first).await {
            Ok(Ok(())) => Tried::Done,
            Ok(Err(Deaf::AtFault(why))) => Tried::AtFault(why),
            Ok(Err(Deaf::Away(error))) => Tried::Away(runtime::fault::chain(error.as_ref())),
            Err(_) => {
                metrics::counter!("penstock_consumer_panics_total", "group" => self.consumer.group)
                    .increment(1);
                Tried::Panicked
            }
        }
    }

    async fn effect(&self, messages: &[Heard]) -> Result<(), Deaf> {
        let tx = self.database.begin().await?;
        let admitted;
        let mut new = messages;
        if self.consumer.inbox {
            admitted = inbox::admit(&tx, self.consumer.group, messages, clock::now_ms()).await?;
            new = &admitted;
        }
        if new.is_empty() {
            return Ok(());
        }
        self.hear.hear(&tx, new).await?;
        tx.commit().await?;
        runtime::fault_point::pass("message.taken");
        self.hear.heard(new);
        Ok(())
    }

    async fn wait(&self, pause: &mut Duration, why: &str) {
        let group = self.consumer.group;
        metrics::counter!("penstock_consumer_waits_total", "group" => group).increment(1);
        tracing::warn!(
            consumer.group = group,
            "{group} waits and will try again: {why}"
        );
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
    }

    /// Sends a message to dead letters, waiting for the bus as long as it is away.
    async fn bury(&self, message: &Heard, why: &str) {
        let group = self.consumer.group;
        metrics::counter!("penstock_dead_letters_total", "group" => group).increment(1);
        tracing::error!(
            consumer.group = group,
            message.id = message.id,
            "a {} at {} {} is at fault and goes to dead letters: {why}",
            message.kind,
            message.topic.name(),
            message.position,
        );
        let mut post = letter(message, group, why);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.bus.publish(vec![post.clone()]).await {
                Ok(outcomes) if outcomes.iter().all(Result::is_ok) => return,
                Ok(_) if post.payload.is_empty() => return,
                Ok(_) => post.payload = bytes::Bytes::new(),
                Err(error) => self.wait(&mut pause, &error.to_string()).await,
            }
        }
    }
}
