//! What can be configured about the bus.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use contracts::message::Topic;
use runtime::config::Secret;
use serde::{Deserialize, Serialize};

/// Where the bus is and how much it keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `embedded:<directory>` or `kafka://host:port[,host:port]`.
    pub url: String,
    /// Hours that a message is kept, on every topic but activity.
    pub retention_hours: u32,
    /// MiB that are kept of each topic but activity (on Kafka: of each partition).
    pub retention_mib: u32,
    /// Hours that activity is kept on the bus; audit-log has stored it long before.
    pub activity_retention_hours: u32,
    /// MiB of activity that are kept on the bus (on Kafka: in each partition).
    pub activity_retention_mib: u32,
    /// Kafka: what stands before the names of topics and consumer groups, for instance `staging.`,
    /// where several installations share a cluster.
    pub prefix: String,
    /// Kafka: whether topics that are missing are made at start.
    pub create_topics: bool,
    /// Kafka: partitions of a topic that is made.
    pub partitions: u16,
    /// Kafka: copies of a topic that is made. Three on a cluster of three.
    pub replication: u16,
    /// Kafka: `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub security_protocol: String,
    /// Kafka: `SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`, when the protocol has SASL. The client
    /// library is built with these alone.
    pub sasl_mechanism: String,
    /// Kafka: who we are, for SASL.
    pub username: String,
    /// Kafka: our password, for SASL.
    pub password: Secret,
    /// Kafka: the file of trusted authorities. Unset: the system's.
    pub ca_location: Option<PathBuf>,
    /// Kafka: further properties for the client library, by its own names, which have the last
    /// word; for instance `ssl.certificate.location` and `ssl.key.location` to show a certificate
    /// of our own.
    pub properties: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "embedded:".into(),
            retention_hours: 7 * 24,
            retention_mib: 1024,
            activity_retention_hours: 24,
            activity_retention_mib: 1024,
            prefix: String::new(),
            create_topics: true,
            partitions: 4,
            replication: 1,
            security_protocol: "plaintext".into(),
            sasl_mechanism: "SCRAM-SHA-512".into(),
            username: String::new(),
            password: Secret::default(),
            ca_location: None,
            properties: BTreeMap::new(),
        }
    }
}

/// How much is kept of a topic: what passes either limit is dropped, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The oldest message.
    pub age: Duration,
    /// Bytes altogether.
    pub bytes: u64,
}

impl Config {
    /// The name of `topic` on the cluster.
    #[cfg(feature = "kafka")]
    pub(super) fn name_of(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// The topic that has this name on the cluster.
    #[cfg(feature = "kafka")]
    pub(super) fn topic_of(&self, name: &str) -> Option<Topic> {
        Topic::of_name(name.strip_prefix(&self.prefix)?)
    }

    /// How much is kept of `topic`.
    pub fn retention(&self, topic: Topic) -> Retention {
        let (hours, mib) = match topic {
            Topic::Activity => (self.activity_retention_hours, self.activity_retention_mib),
            Topic::Commands
            | Topic::Steps
            | Topic::Replies
            | Topic::Events
            | Topic::Access
            | Topic::DeadLetters => (self.retention_hours, self.retention_mib),
        };
        Retention {
            age: Duration::from_secs(u64::from(hours) * 3600),
            bytes: u64::from(mib) * 1024 * 1024,
        }
    }
}
