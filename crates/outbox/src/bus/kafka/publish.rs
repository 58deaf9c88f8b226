//! Publishing to Kafka: durable when it answers, in order, once.

use std::collections::VecDeque;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::KafkaError;
use rdkafka::producer::future_producer::{DeliveryFuture, FutureProducerContext};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::client::{self, Quiet};
use super::{drop_aside, event, fault};
use crate::bus::{Config, Error, Post, Refused};

/// How long a publication may take before it is given up, to be asked for again.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause while others fill the producer's queue.
const FULL_PAUSE: Duration = Duration::from_millis(5);

type Client = FutureProducer<Quiet>;

/// The producer of this process.
pub(super) struct Producer {
    config: Config,
    client: Option<Client>,
    /// Hears what the client has to complain about.
    said: Quiet,
}

/// A post on its way.
enum Flight {
    Refused(Refused),
    Sent(DeliveryFuture),
}

impl Producer {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let said = Quiet::default();
        let client = Client::from_config_and_context(&client::producer(config)?, said.clone())
            .map_err(|error| Error::Setting(error.to_string()))?;
        Ok(Self {
            config: config.clone(),
            client: Some(client),
            said,
        })
    }

    /// The client, for questions about the cluster.
    pub(super) fn client(&self) -> Option<&rdkafka::client::Client<FutureProducerContext<Quiet>>> {
        self.client
            .as_ref()
            .map(rdkafka::producer::Producer::client)
    }

    /// That a question about the cluster has no answer, and why.
    pub(super) fn away(&self, error: &KafkaError) -> Error {
        self.said.away(error)
    }

    /// Whether the client has said since the last time that it reaches no broker.
    pub(super) fn take_lost_all(&self) -> bool {
        self.said.take_lost_all()
    }

    pub(super) async fn publish(&self, posts: &[Post]) -> Result<Vec<Result<(), Refused>>, Error> {
        match tokio::time::timeout(PATIENCE, self.send_all(posts)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Away(format!(
                "no answer from the broker within {} s",
                PATIENCE.as_secs()
            ))),
        }
    }

    async fn send_all(&self, posts: &[Post]) -> Result<Vec<Result<(), Refused>>, Error> {
        let mut outcomes = Vec::with_capacity(posts.len());
        let mut flights = VecDeque::with_capacity(posts.len());
        for post in posts {
            let flight = loop {
                match self.send(post)? {
                    Some(flight) => break flight,
                    // The queue is full: make room by waiting for the first.
                    None => match flights.pop_front() {
                        Some(first) => outcomes.push(landed(first, &posts[outcomes.len()]).await?),
                        None => tokio::time::sleep(FULL_PAUSE).await,
                    },
                }
            };
            flights.push_back(flight);
        }
        for flight in flights {
            outcomes.push(landed(flight, &posts[outcomes.len()]).await?);
        }
        Ok(outcomes)
    }

    /// Queues a post. None if the queue is full.
    fn send(&self, post: &Post) -> Result<Option<Flight>, Error> {
        if let Err(refused) = post.check() {
            return Ok(Some(Flight::Refused(refused)));
        }
        let Some(client) = &self.client else {
            return Err(Error::away("the process is ending"));
        };
        let topic = self.config.name_of(post.topic);
        let mut record = FutureRecord::to(&topic)
            .payload(&post.payload[..])
            .timestamp(post.time_ms)
            .headers(event::headers(post));
        if !post.key.is_empty() {
            record = record.key(post.key.as_str());
        }
        match client.send_result(record) {
            Ok(delivery) => Ok(Some(Flight::Sent(delivery))),
            Err((error, _)) if error.rdkafka_error_code() == Some(Code::QueueFull) => Ok(None),
            Err((error, _)) => settled(error, post).map(|it| Some(Flight::Refused(it))),
        }
    }

    /// Drops all that is still held, so that nothing of it arrives after its repetition.
    pub(super) fn give_up(&self) {
        if let Some(client) = &self.client {
            client.purge(PurgeConfig::default().queue().inflight().non_blocking());
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        drop_aside(self.client.take());
    }
}

async fn landed(flight: Flight, post: &Post) -> Result<Result<(), Refused>, Error> {
    match flight {
        Flight::Refused(refused) => Ok(Err(refused)),
        Flight::Sent(delivery) => match delivery.await {
            Ok(Ok(_)) => Ok(Ok(())),
            Ok(Err((error, _))) => settled(error, post).map(Err),
            Err(_) => Err(Error::away("the producer was given up")),
        },
    }
}

/// Whether the broker refuses the message for itself; else nothing is known about it.
#[allow(clippy::needless_pass_by_value, reason = "the error ends here")]
fn settled(error: KafkaError, post: &Post) -> Result<Refused, Error> {
    let for_itself = matches!(
        error.rdkafka_error_code(),
        Some(
            Code::MessageSizeTooLarge
                | Code::InvalidMessageSize
                | Code::InvalidRecord
                | Code::InvalidTimestamp
        )
    );
    if for_itself {
        return Ok(Refused(error.to_string()));
    }
    Err(fault(&error, Some(post.topic)))
}
