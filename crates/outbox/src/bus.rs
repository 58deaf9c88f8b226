//! The bus: a durable log of messages by topic, behind a URL.
//!
//! `embedded:<directory>` is a log in a `SQLite` file of this process; `kafka://host:port[,…]` is
//! Apache Kafka. Both keep the same promises.
//!
//! **Invariants:** what [`Bus::publish`] accepted survives power loss (as far as the broker's own
//! replication goes) and is read at least once by every group; messages of one key are read in the
//! order of their publication; what is too old or too much is dropped, oldest first.

use runtime::{Readiness, Tasks};

mod config;
mod embedded;
#[cfg(feature = "kafka")]
mod kafka;
mod message;

pub use config::{Config, Retention};
pub use contracts::message::Topic;
pub use message::{Heard, LARGEST_VALUE, Position, Post, Refused, Undecodable};

/// A connection to the bus. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Bus {
    kind: Kind,
    config: Config,
}

#[derive(Debug, Clone)]
enum Kind {
    Embedded(embedded::Log),
    #[cfg(feature = "kafka")]
    Kafka(kafka::Broker),
}

/// How a reader weighs promptness against the cost of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tuning {
    /// Every message at once: commands, events, replies.
    Prompt,
    /// Much at a time, a little later: activity, access.
    Bulk,
}

/// Why the bus didn't do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL has a scheme that no bus has, or lacks its rest.
    #[error("\"{0}\" is not a bus: write embedded:<directory> or kafka://host:port[,host:port]")]
    Url(String),
    /// This program was built without it.
    #[error("{0} needs a penstock that was built with the feature \"kafka\"")]
    NotBuilt(String),
    /// A topic isn't there and can't be made.
    #[error(
        "the topic {topic} is missing and can't be made: {why}; create it, or allow penstock to"
    )]
    Topic {
        /// Which.
        topic: &'static str,
        /// What the broker said.
        why: String,
    },
    /// A setting that the client library doesn't take.
    #[error("the bus can't be set up: {0}")]
    Setting(String),
    /// The bus is away; nothing is known about what was asked. Try again.
    #[error("the bus is away: {0}")]
    Away(String),
    /// The file of the embedded bus can't be used.
    #[error("the embedded bus can't be opened")]
    Store(#[source] runtime::database::Error),
}

impl Error {
    fn away(why: impl std::fmt::Display) -> Self {
        Self::Away(why.to_string())
    }
}

impl Bus {
    /// Opens the bus and makes its topics.
    ///
    /// A broker that is away is waited for in the background, and `ready` says so meanwhile.
    /// Fails if the URL or a setting is wrong, or a topic is missing and can't be made.
    pub async fn open(config: &Config, ready: &Readiness, tasks: &Tasks) -> Result<Self, Error> {
        let kind = if let Some(directory) = config.url.strip_prefix("embedded:") {
            if directory.is_empty() {
                return Err(Error::Url(config.url.clone()));
            }
            Kind::Embedded(embedded::Log::open(directory, config, ready, tasks).await?)
        } else if config.url.starts_with("kafka://") {
            open_kafka(config, ready, tasks).await?
        } else {
            return Err(Error::Url(config.url.clone()));
        };
        Ok(Self {
            kind,
            config: config.clone(),
        })
    }

    /// Publishes `posts` in their order and waits until they are durable.
    ///
    /// Answers one outcome a post; a refused one can never be taken. An error means that the bus
    /// is away and any of them may have been published or not: publish all again.
    pub async fn publish(&self, posts: Vec<Post>) -> Result<Vec<Result<(), Refused>>, Error> {
        if posts.is_empty() {
            return Ok(Vec::new());
        }
        match &self.kind {
            Kind::Embedded(log) => log.publish(posts).await,
            #[cfg(feature = "kafka")]
            Kind::Kafka(broker) => broker.publish(posts).await,
        }
    }

    /// Reads `topics` as one of `group`: each message goes to one reader of the group.
    ///
    /// A new group begins with the oldest message that is kept.
    #[cfg_attr(
        not(feature = "kafka"),
        allow(clippy::unused_async, reason = "a broker has to be asked")
    )]
    pub async fn read(
        &self,
        group: &str,
        topics: &[Topic],
        tuning: Tuning,
    ) -> Result<Reader, Error> {
        #[cfg(not(feature = "kafka"))]
        let _ = tuning;
        Ok(Reader(match &self.kind {
            Kind::Embedded(log) => ReaderKind::Embedded(log.read(group, topics)),
            #[cfg(feature = "kafka")]
            Kind::Kafka(broker) => ReaderKind::Kafka(broker.read(group, topics, tuning).await?),
        }))
    }

    /// Reads what is published on `topics` from now on, whoever else reads it.
    #[cfg_attr(
        not(feature = "kafka"),
        allow(clippy::unused_async, reason = "a broker has to be asked")
    )]
    pub async fn broadcast(&self, topics: &[Topic]) -> Result<Broadcast, Error> {
        Ok(Broadcast(match &self.kind {
            Kind::Embedded(log) => BroadcastKind::Embedded(log.broadcast(topics)),
            #[cfg(feature = "kafka")]
            Kind::Kafka(broker) => BroadcastKind::Kafka(broker.broadcast(topics).await?),
        }))
    }

    /// Whether it is this process's own, which nobody outside can read or write.
    pub fn is_embedded(&self) -> bool {
        matches!(self.kind, Kind::Embedded(_))
    }

    /// How long and how much the bus keeps of `topic`.
    pub fn retention(&self, topic: Topic) -> Retention {
        self.config.retention(topic)
    }
}

#[cfg(feature = "kafka")]
async fn open_kafka(config: &Config, ready: &Readiness, tasks: &Tasks) -> Result<Kind, Error> {
    kafka::Broker::open(config, ready, tasks)
        .await
        .map(Kind::Kafka)
}

#[cfg(not(feature = "kafka"))]
#[allow(
    clippy::unused_async,
    reason = "the one that is built with Kafka waits"
)]
async fn open_kafka(config: &Config, _: &Readiness, _: &Tasks) -> Result<Kind, Error> {
    Err(Error::NotBuilt(config.url.clone()))
}

/// One of a group's readers. Dropped, it leaves what it didn't commit to the others.
#[derive(Debug)]
pub struct Reader(ReaderKind);

#[derive(Debug)]
enum ReaderKind {
    Embedded(embedded::Reader),
    #[cfg(feature = "kafka")]
    Kafka(kafka::Reader),
}

impl Reader {
    /// Waits for messages and answers what is there, between one and `most` of them, each after
    /// those of the call before.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Heard>, Error> {
        match &mut self.0 {
            ReaderKind::Embedded(reader) => reader.next(most).await,
            #[cfg(feature = "kafka")]
            ReaderKind::Kafka(reader) => reader.next(most).await,
        }
    }

    /// Says that all that was read has had its effect.
    ///
    /// It becomes durable a moment later; after a crash in between some messages are read again.
    pub fn commit(&mut self) -> Result<(), Error> {
        match &mut self.0 {
            ReaderKind::Embedded(reader) => {
                reader.commit();
                Ok(())
            }
            #[cfg(feature = "kafka")]
            ReaderKind::Kafka(reader) => reader.commit(),
        }
    }
}

/// Hears every message from when it was made. A hint only: nothing is noted as read.
#[derive(Debug)]
pub struct Broadcast(BroadcastKind);

#[derive(Debug)]
enum BroadcastKind {
    Embedded(embedded::Broadcast),
    #[cfg(feature = "kafka")]
    Kafka(kafka::Broadcast),
}

impl Broadcast {
    /// Waits for the next message.
    pub async fn next(&mut self) -> Result<Heard, Error> {
        match &mut self.0 {
            BroadcastKind::Embedded(broadcast) => broadcast.next().await,
            #[cfg(feature = "kafka")]
            BroadcastKind::Kafka(broadcast) => broadcast.next().await,
        }
    }
}
