//! The topics on Kafka: looked for at start, and made if they are missing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use contracts::message::Topic;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::client::{self, Quiet};
use super::publish::Producer;
use super::{blocking, drop_aside};
use crate::bus::{Config, Error};

/// How long the cluster may take to say what topics it has.
const LIST_LIMIT: Duration = Duration::from_secs(5);
/// How long it may take to make some.
const MAKE_LIMIT: Duration = Duration::from_secs(30);

/// Makes the topics that are missing.
pub(super) async fn ensure(config: &Config, producer: &Arc<Producer>) -> Result<(), Error> {
    let producer = producer.clone();
    let present = blocking(move || present(&producer)).await?;
    let missing: Vec<Topic> = Topic::ALL
        .into_iter()
        .filter(|topic| !present.contains(&config.name_of(*topic)))
        .collect();
    match missing.first() {
        None => Ok(()),
        Some(_) if config.create_topics => make(config, &missing).await,
        Some(topic) => Err(Error::Topic {
            topic: topic.name(),
            why: "bus.create_topics is false".into(),
        }),
    }
}

fn present(producer: &Producer) -> Result<HashSet<String>, Error> {
    let client = producer
        .client()
        .ok_or_else(|| Error::away("the process is ending"))?;
    let cluster = client
        .fetch_metadata(None, LIST_LIMIT)
        .map_err(|error| producer.away(&error))?;
    Ok(cluster
        .topics()
        .iter()
        .map(|topic| topic.name().to_owned())
        .collect())
}

async fn make(config: &Config, missing: &[Topic]) -> Result<(), Error> {
    let admin: AdminClient<Quiet> =
        AdminClient::from_config_and_context(&client::producer(config)?, Quiet::default())
            .map_err(|error| Error::Setting(error.to_string()))?;
    let settings: Vec<_> = missing
        .iter()
        .map(|topic| Settings::of(config, *topic))
        .collect();
    let new: Vec<NewTopic<'_>> = settings.iter().map(|it| it.new_topic(config)).collect();
    let options = AdminOptions::new()
        .operation_timeout(Some(MAKE_LIMIT))
        .request_timeout(Some(MAKE_LIMIT));
    let outcomes = admin
        .create_topics(&new, &options)
        .await
        .map_err(Error::away);
    drop_aside(admin);
    for (outcome, topic) in outcomes?.into_iter().zip(missing) {
        match outcome {
            Ok(_) => tracing::info!("made the topic {}", topic.name()),
            // Another service was first.
            Err((_, Code::TopicAlreadyExists)) => {}
            Err((_, code)) => {
                return Err(Error::Topic {
                    topic: topic.name(),
                    why: code.to_string(),
                });
            }
        }
    }
    Ok(())
}

/// What a new topic is set to.
struct Settings {
    name: String,
    retention_ms: String,
    retention_bytes: String,
    in_sync: &'static str,
}

impl Settings {
    fn of(config: &Config, topic: Topic) -> Self {
        let retention = config.retention(topic);
        Self {
            name: config.name_of(topic),
            retention_ms: retention.age.as_millis().to_string(),
            retention_bytes: retention.bytes.to_string(),
            // What was acknowledged is on two machines where there are three.
            in_sync: if config.replication >= 3 { "2" } else { "1" },
        }
    }

    fn new_topic(&self, config: &Config) -> NewTopic<'_> {
        let copies = TopicReplication::Fixed(i32::from(config.replication.max(1)));
        NewTopic::new(&self.name, i32::from(config.partitions.max(1)), copies)
            .set("retention.ms", &self.retention_ms)
            .set("retention.bytes", &self.retention_bytes)
            .set("min.insync.replicas", self.in_sync)
    }
}
