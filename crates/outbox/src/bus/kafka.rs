//! The bus on Apache Kafka.
//!
//! One idempotent producer a process, one client a reader. Messages never expire inside the client:
//! a publication that takes too long is given up as a whole, with its producer, so that what got
//! through is always a beginning of what was asked, and a repetition keeps the order of each key.
//!
//! **Invariants:** a position is committed only after the effect, so everything is read at least
//! once. A message is a `CloudEvent` in binary mode ([`event`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use contracts::message::Topic;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use runtime::{Readiness, Tasks};

use super::{Config, Error, Post, Refused, Tuning};

mod broadcast;
mod client;
mod event;
mod publish;
mod read;
mod topics;
mod watch;

pub(super) use broadcast::Broadcast;
use publish::Producer;
pub(super) use read::Reader;

/// The name of this seam in the readiness report.
const SEAM: &str = "bus";
/// The longest pause between two tries to reach a broker that is away at start.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the end of a process waits for a client that says goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// A connection to the brokers.
#[derive(Clone)]
pub(super) struct Broker(Arc<Shared>);

struct Shared {
    config: Config,
    producer: RwLock<Arc<Producer>>,
    /// The brokers don't know the group protocol of Kafka 4.
    classic: AtomicBool,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Broker").field(&self.0.config.url).finish()
    }
}

impl Broker {
    pub(super) async fn open(
        config: &Config,
        ready: &Readiness,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let broker = Self(Arc::new(Shared {
            config: config.clone(),
            producer: RwLock::new(Arc::new(Producer::new(config)?)),
            classic: AtomicBool::new(false),
        }));
        match broker.prepare().await {
            Ok(()) => {
                ready.present(SEAM);
                watch::start(&broker, ready, tasks);
            }
            Err(Error::Away(why)) => {
                ready.missing(SEAM, &why);
                tracing::warn!("the bus is away: {why}");
                broker.prepare_later(ready, tasks);
            }
            Err(error) => return Err(error),
        }
        Ok(broker)
    }

    /// Makes the topics and lets the producer introduce itself, which takes half a second once.
    async fn prepare(&self) -> Result<(), Error> {
        topics::ensure(&self.0.config, &self.producer()).await
    }

    fn prepare_later(&self, ready: &Readiness, tasks: &Tasks) {
        let (broker, ready, draining) = (self.clone(), ready.clone(), tasks.draining().clone());
        let watchers = tasks.clone();
        let work = async move {
            let mut pause = Duration::from_millis(100);
            while let Err(error) = broker.prepare().await {
                ready.missing(SEAM, error.to_string());
                tracing::warn!("the bus isn't ready: {error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            ready.present(SEAM);
            watch::start(&broker, &ready, &watchers);
        };
        tasks.spawn(async move {
            let _ = draining.run_until_cancelled(work).await;
        });
    }

    pub(super) async fn publish(
        &self,
        posts: Vec<Post>,
    ) -> Result<Vec<Result<(), Refused>>, Error> {
        let producer = self.producer();
        let outcome = producer.publish(&posts).await;
        if outcome.is_err() {
            self.replace(&producer)?;
        }
        outcome
    }

    pub(super) async fn read(
        &self,
        group: &str,
        topics: &[Topic],
        tuning: Tuning,
    ) -> Result<Reader, Error> {
        let (broker, group, topics) = (self.clone(), group.to_owned(), topics.to_vec());
        blocking(move || Reader::join(broker, group, topics, tuning)).await
    }

    pub(super) async fn broadcast(&self, topics: &[Topic]) -> Result<Broadcast, Error> {
        Broadcast::from_now(&self.0.config, topics).await
    }

    fn producer(&self) -> Arc<Producer> {
        self.0
            .producer
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Gives up on a producer, with all that it still holds.
    fn replace(&self, producer: &Arc<Producer>) -> Result<(), Error> {
        let mut current = self
            .0
            .producer
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, producer) {
            let given_up =
                std::mem::replace(&mut *current, Arc::new(Producer::new(&self.0.config)?));
            drop(current);
            given_up.give_up();
        }
        Ok(())
    }

    fn is_classic(&self) -> bool {
        self.0.classic.load(Ordering::Relaxed)
    }

    fn fall_back_to_classic(&self) {
        self.0.classic.store(true, Ordering::Relaxed);
    }
}

/// What the client library said, as far as a caller would act differently.
fn fault(error: &KafkaError, topic: Option<Topic>) -> Error {
    let missing = matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic)
    );
    match (missing, topic) {
        (true, Some(topic)) => Error::Topic {
            topic: topic.name(),
            why: "it isn't there".into(),
        },
        (true, None) => Error::Away(format!("a topic is missing: {error}")),
        (false, _) => Error::away(error),
    }
}

/// Runs a call of the client library that blocks.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(call)
        .await
        .map_err(Error::away)?
}

/// Drops a client aside: it says goodbye to the broker, which may take a while, and for ever if the
/// broker never answers. The process waits for it no longer than [`GOODBYE`].
fn drop_aside<T: Send + 'static>(client: T) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    runtime.spawn_blocking(move || {
        let (gone, waiting) = mpsc::channel();
        let dropping = thread::Builder::new().name("kafka goodbye".into());
        let dropping = dropping.spawn(move || {
            drop(client);
            let _ = gone.send(());
        });
        if dropping.is_ok() {
            let _ = waiting.recv_timeout(GOODBYE);
        }
    });
}
