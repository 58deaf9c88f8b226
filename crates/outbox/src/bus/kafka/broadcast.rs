//! Reading from Kafka from now on, whoever else reads.

use std::time::Duration;

use contracts::message::Topic;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{self, Quiet};
use super::read::{Client, Remedy, remedy, setting};
use super::{blocking, drop_aside, event, fault};
use crate::bus::{Config, Error, Heard};

/// How long the cluster may take to say where its topics end.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// Hears what is published from now on, on the partitions that there are now.
pub(in crate::bus) struct Broadcast {
    config: Config,
    client: Option<Client>,
    topics: Vec<Topic>,
}

impl std::fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broadcast")
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

impl Broadcast {
    pub(super) async fn from_now(config: &Config, topics: &[Topic]) -> Result<Self, Error> {
        let settings = client::broadcast(config)?;
        let client =
            Client::from_config_and_context(&settings, Quiet::default()).map_err(setting)?;
        let mut broadcast = Self {
            config: config.clone(),
            client: Some(client),
            topics: topics.to_vec(),
        };
        broadcast.assign_ends().await?;
        Ok(broadcast)
    }

    /// Begins where each partition ends now, so that nothing published from here on is missed.
    async fn assign_ends(&mut self) -> Result<(), Error> {
        let Some(client) = self.client.take() else {
            return Ok(());
        };
        let (config, topics) = (self.config.clone(), self.topics.clone());
        let outcome = blocking(move || {
            let assigned = ends(&client, &config, &topics)
                .and_then(|ends| client.assign(&ends).map_err(Error::away));
            assigned.map(|()| client)
        });
        self.client = Some(outcome.await?);
        Ok(())
    }

    pub(in crate::bus) async fn next(&mut self) -> Result<Heard, Error> {
        loop {
            let Some(client) = &self.client else {
                return Err(Error::away("not assigned"));
            };
            match client.recv().await {
                Ok(message) => {
                    if let Some(heard) = event::heard(&message, &self.config) {
                        return Ok(heard);
                    }
                }
                Err(error) => {
                    if let Remedy::Fail(error) = remedy(&error, &self.topics, true) {
                        return Err(error);
                    }
                }
            }
        }
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop_aside(client);
        }
    }
}

fn ends(client: &Client, config: &Config, topics: &[Topic]) -> Result<TopicPartitionList, Error> {
    let mut ends = TopicPartitionList::new();
    for topic in topics {
        let failed = |error: KafkaError| fault(&error, Some(*topic));
        let name = config.name_of(*topic);
        let cluster = client
            .fetch_metadata(Some(&name), LOOK_LIMIT)
            .map_err(failed)?;
        let partitions = cluster
            .topics()
            .first()
            .map_or(&[][..], |it| it.partitions());
        if partitions.is_empty() {
            return Err(Error::Topic {
                topic: topic.name(),
                why: "it isn't there".into(),
            });
        }
        for partition in partitions {
            let (_, end) = client
                .fetch_watermarks(&name, partition.id(), LOOK_LIMIT)
                .map_err(failed)?;
            ends.add_partition_offset(&name, partition.id(), Offset::Offset(end))
                .map_err(failed)?;
        }
    }
    Ok(ends)
}
