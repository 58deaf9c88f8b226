//! How the client library is set up.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::bus::{Config, Error, Tuning};

/// How the client library was built to show a password.
const MECHANISMS: [&str; 3] = ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"];
/// The most that is kept of a complaint, in characters.
const COMPLAINT: usize = 500;
/// Where systems keep their trusted authorities.
const AUTHORITIES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Passes on what the client library says. It tries again by itself and says so each time, so
/// that is for debugging; what matters comes back as an error of a call. Such an error says little
/// about a broker that can't be reached or that refuses us, so the last complaint is kept for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Quiet {
    complaint: Arc<Mutex<String>>,
    /// No broker could be reached lately.
    lost_all: Arc<AtomicBool>,
}

impl Quiet {
    /// That a call failed, with what is known of why.
    pub(super) fn away(&self, error: &KafkaError) -> Error {
        let complaint = self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if complaint.is_empty() {
            Error::away(error)
        } else {
            Error::away(format!("{error}: {complaint}"))
        }
    }

    /// Whether it was said since the last time that no broker can be reached.
    pub(super) fn take_lost_all(&self) -> bool {
        self.lost_all.swap(false, Ordering::Relaxed)
    }
}

impl ClientContext for Quiet {
    fn log(&self, level: Level, facility: &str, message: &str) {
        match level {
            Level::Emerg | Level::Alert | Level::Critical => {
                tracing::error!(target: "librdkafka", "{facility}: {message}");
            }
            Level::Error | Level::Warning | Level::Notice | Level::Info | Level::Debug => {
                tracing::debug!(target: "librdkafka", "{facility}: {message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
        let code = error.rdkafka_error_code();
        let advice = match code {
            // Says only that all have complained.
            Some(Code::AllBrokersDown) => {
                self.lost_all.store(true, Ordering::Relaxed);
                return;
            }
            Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
                "; check bus.username, bus.password and bus.sasl_mechanism"
            }
            Some(Code::SSL) => "; check bus.ca_location and bus.security_protocol",
            Some(_) | None => "",
        };
        let reason: String = reason.chars().take(COMPLAINT).collect();
        *self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = format!("{reason}{advice}");
    }
}

impl ConsumerContext for Quiet {
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(target: "librdkafka", "a position wasn't committed: {error}");
        }
    }
}

/// What all clients share.
fn common(config: &Config) -> Result<ClientConfig, Error> {
    let brokers = config
        .url
        .strip_prefix("kafka://")
        .unwrap_or_default()
        .trim_end_matches('/');
    // Not quoted: what stands there may be a password.
    if brokers.contains('@') {
        return Err(Error::Setting(
            "bus.url holds credentials: give them as bus.username and bus.password".into(),
        ));
    }
    if brokers.is_empty() || brokers.contains(['/', ' ']) {
        return Err(Error::Url(config.url.clone()));
    }
    let protocol = config.security_protocol.to_ascii_lowercase();
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", brokers)
        .set("client.id", "penstock")
        .set("security.protocol", &protocol)
        .set("socket.nagle.disable", "true")
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "60000");
    if protocol.ends_with("ssl")
        && let Some(file) = authorities(config)
    {
        client.set("ssl.ca.location", file.to_string_lossy());
    }
    if protocol.starts_with("sasl") {
        let mechanism = config.sasl_mechanism.to_ascii_uppercase();
        if !MECHANISMS.contains(&mechanism.as_str()) {
            let (given, known) = (&config.sasl_mechanism, MECHANISMS.join(", "));
            return Err(Error::Setting(format!(
                "bus.sasl_mechanism is \"{given}\": choose one of {known}"
            )));
        }
        client
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", &config.username)
            .set("sasl.password", config.password.expose());
    }
    Ok(client)
}

fn authorities(config: &Config) -> Option<&Path> {
    let configured = config.ca_location.as_deref();
    configured.or_else(|| {
        AUTHORITIES
            .into_iter()
            .map(Path::new)
            .find(|file| file.is_file())
    })
}

fn with_properties(mut client: ClientConfig, config: &Config) -> ClientConfig {
    for (name, value) in &config.properties {
        client.set(name, value);
    }
    client
}

/// A producer whose messages are kept in order, arrive once, and never expire inside of it.
pub(super) fn producer(config: &Config) -> Result<ClientConfig, Error> {
    let mut client = common(config)?;
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Whoever has much to say publishes it in batches; waiting for more would cost each run.
        .set("linger.ms", "0")
        .set("compression.type", "lz4")
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", "0")
        .set("message.max.bytes", "1048576")
        .set("queue.buffering.max.messages", "10000")
        .set("queue.buffering.max.kbytes", "32768");
    Ok(with_properties(client, config))
}

/// One of a group's consumers.
pub(super) fn reader(
    config: &Config,
    group: &str,
    tuning: Tuning,
    classic: bool,
) -> Result<ClientConfig, Error> {
    let mut client = consumer(config, group, tuning)?;
    client.set("auto.offset.reset", "earliest");
    if classic {
        client
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky");
    } else {
        client.set("group.protocol", "consumer");
    }
    Ok(with_properties(client, config))
}

/// A consumer that is given its partitions and commits nothing.
pub(super) fn broadcast(config: &Config) -> Result<ClientConfig, Error> {
    let mut client = consumer(config, "penstock-broadcast", Tuning::Prompt)?;
    client.set("auto.offset.reset", "latest");
    Ok(with_properties(client, config))
}

fn consumer(config: &Config, group: &str, tuning: Tuning) -> Result<ClientConfig, Error> {
    let (wait_ms, queued_kib) = match tuning {
        // How long an empty fetch is held: a message ends it at once, a new partition doesn't.
        Tuning::Prompt => ("100", "2048"),
        Tuning::Bulk => ("500", "8192"),
    };
    let mut client = common(config)?;
    client
        .set("group.id", format!("{}{group}", config.prefix))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false")
        // While a store is away a reader isn't polled; it must not lose its place for that.
        .set("max.poll.interval.ms", "3600000")
        .set("fetch.wait.max.ms", wait_ms)
        .set("fetch.min.bytes", "1")
        .set("fetch.error.backoff.ms", "100")
        .set("max.partition.fetch.bytes", "1048576")
        .set("fetch.max.bytes", "4194304")
        .set("queued.min.messages", "1000")
        .set("queued.max.messages.kbytes", queued_kib);
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        Config {
            url: url.into(),
            ..Config::default()
        }
    }

    #[test]
    fn a_url_names_its_brokers() {
        let client = producer(&config("kafka://one:9092,two:9093/")).unwrap();
        assert_eq!(client.get("bootstrap.servers"), Some("one:9092,two:9093"));
        for url in ["kafka://", "kafka://host:1/topic"] {
            assert!(
                matches!(producer(&config(url)), Err(Error::Url(_))),
                "{url}"
            );
        }
        let error = producer(&config("kafka://me:hunter2@host:1")).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_password_is_given_to_the_client_only() {
        let config = Config {
            security_protocol: "SASL_SSL".into(),
            username: "penstock".into(),
            password: runtime::config::Secret::new("hunter2"),
            ca_location: Some("/ca.pem".into()),
            ..config("kafka://host:9092")
        };
        let client = producer(&config).unwrap();
        assert_eq!(client.get("sasl.password"), Some("hunter2"));
        assert_eq!(client.get("ssl.ca.location"), Some("/ca.pem"));
        assert_eq!(client.get("security.protocol"), Some("sasl_ssl"));
        assert!(!format!("{config:?}").contains("hunter2"));
        let config = Config {
            sasl_mechanism: "OAUTHBEARER".into(),
            ..config
        };
        let error = producer(&config).unwrap_err();
        assert!(error.to_string().contains("SCRAM-SHA-512"), "{error}");
    }

    #[test]
    fn a_property_has_the_last_word() {
        let mut config = config("kafka://host:9092");
        config.properties.insert("linger.ms".into(), "7".into());
        assert_eq!(producer(&config).unwrap().get("linger.ms"), Some("7"));
    }
}
