//! Reading from Kafka as one of a group.

use std::collections::HashMap;

use contracts::message::Topic;
use futures::FutureExt as _;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::client::{self, Quiet};
use super::{Broker, drop_aside, event, fault};
use crate::bus::{Error, Heard, Tuning};

/// Bytes of messages that are read at once.
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

pub(super) type Client = StreamConsumer<Quiet>;

/// One of a group's readers.
pub(in crate::bus) struct Reader {
    broker: Broker,
    group: String,
    topics: Vec<Topic>,
    tuning: Tuning,
    classic: bool,
    client: Option<Client>,
    /// The offset after the last message that was read, of each partition.
    read: HashMap<(Topic, i32), i64>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// What a reader does about an error.
pub(super) enum Remedy {
    /// The client library gets over it by itself.
    Wait,
    /// The brokers don't know the group protocol of Kafka 4.
    Classic,
    /// Start over.
    Fail(Error),
}

impl Reader {
    pub(super) fn join(
        broker: Broker,
        group: String,
        topics: Vec<Topic>,
        tuning: Tuning,
    ) -> Result<Self, Error> {
        let mut reader = Self {
            classic: broker.is_classic(),
            broker,
            group,
            topics,
            tuning,
            client: None,
            read: HashMap::new(),
        };
        reader.subscribe()?;
        Ok(reader)
    }

    fn subscribe(&mut self) -> Result<(), Error> {
        let config = &self.broker.0.config;
        let settings = client::reader(config, &self.group, self.tuning, self.classic)?;
        let client =
            Client::from_config_and_context(&settings, Quiet::default()).map_err(setting)?;
        let names: Vec<String> = self.topics.iter().map(|it| config.name_of(*it)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        client.subscribe(&names).map_err(setting)?;
        self.leave();
        self.client = Some(client);
        Ok(())
    }

    pub(in crate::bus) async fn next(&mut self, most: usize) -> Result<Vec<Heard>, Error> {
        let mut found = vec![self.first().await?];
        let mut bytes = found[0].payload.len();
        while found.len() < most && bytes < BYTES_AT_ONCE {
            let Some(client) = &self.client else { break };
            // An error comes again with the next first message, if it lasts.
            let Some(Ok(message)) = client.recv().now_or_never() else {
                break;
            };
            let Some(heard) = event::heard(&message, &self.broker.0.config) else {
                continue;
            };
            bytes += heard.payload.len();
            found.push(heard);
        }
        for heard in &found {
            self.read.insert(
                (heard.topic, heard.position.partition),
                heard.position.offset + 1,
            );
        }
        Ok(found)
    }

    async fn first(&mut self) -> Result<Heard, Error> {
        loop {
            let Some(client) = &self.client else {
                return Err(Error::away("left the group"));
            };
            let error = match client.recv().await {
                Ok(message) => match event::heard(&message, &self.broker.0.config) {
                    Some(heard) => return Ok(heard),
                    None => continue,
                },
                Err(error) => error,
            };
            match remedy(&error, &self.topics, self.classic) {
                Remedy::Wait => {
                    tracing::debug!(
                        consumer.group = self.group,
                        "reading goes on after: {error}"
                    );
                }
                Remedy::Classic => {
                    tracing::info!("the broker has no group protocol \"consumer\": using classic");
                    self.broker.fall_back_to_classic();
                    self.classic = true;
                    self.subscribe()?;
                }
                Remedy::Fail(error) => return Err(error),
            }
        }
    }

    /// Commits what is still ours; what went to another reader is that one's to commit.
    pub(in crate::bus) fn commit(&mut self) -> Result<(), Error> {
        let Some(client) = &self.client else {
            return Ok(());
        };
        let ours = client.assignment().map_err(Error::away)?;
        let mut offsets = TopicPartitionList::with_capacity(self.read.len());
        for ((topic, partition), offset) in self.read.drain() {
            let name = self.broker.0.config.name_of(topic);
            if ours.find_partition(&name, partition).is_some() {
                offsets
                    .add_partition_offset(&name, partition, Offset::Offset(offset))
                    .map_err(Error::away)?;
            }
        }
        if offsets.count() == 0 {
            return Ok(());
        }
        client
            .commit(&offsets, CommitMode::Async)
            .map_err(Error::away)
    }

    fn leave(&mut self) {
        if let Some(client) = self.client.take() {
            drop_aside(client);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.leave();
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "used as a function of errors"
)]
pub(super) fn setting(error: KafkaError) -> Error {
    Error::Setting(error.to_string())
}

pub(super) fn remedy(error: &KafkaError, topics: &[Topic], classic: bool) -> Remedy {
    let Some(code) = error.rdkafka_error_code() else {
        let is_end = matches!(error, KafkaError::PartitionEOF(_));
        return if is_end {
            Remedy::Wait
        } else {
            Remedy::Fail(Error::away(error))
        };
    };
    let is_of_old = matches!(code, Code::UnsupportedFeature | Code::UnsupportedVersion);
    let passes = matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::PollExceeded
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotCoordinator
            | Code::RebalanceInProgress
    );
    if is_of_old && !classic {
        Remedy::Classic
    } else if passes && !matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        Remedy::Wait
    } else {
        Remedy::Fail(fault(error, topics.first().copied()))
    }
}
