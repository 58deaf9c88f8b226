//! What was told over a world's bus: read from the file of the embedded bus, or collected from Kafka
//! from the first message on.

use std::sync::{Arc, Mutex, PoisonError};

use contracts::message::{Message, Topic};
use outbox::Bus;
use outbox::bus::{Config, Heard, Post, Tuning};
use runtime::{Readiness, Tasks};
use sea_orm::FromQueryResult;
use tokio::task::AbortHandle;

use crate::rows::Rows;
use crate::world::World;
use crate::world::place::Place;

/// A message as it was told, in the order of its topic and key.
#[derive(Debug, Clone)]
pub struct Told {
    /// The topic's name.
    pub topic: String,
    /// What it is about.
    pub key: String,
    /// Its identity.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Its value.
    pub payload: Vec<u8>,
    /// All else that it came with.
    pub headers: String,
}

impl Told {
    /// Reads it, if it is an `M`.
    pub fn decode<M: Message>(&self) -> Option<M> {
        (self.kind == M::TYPE)
            .then(|| serde_json::from_slice(&self.payload).ok())
            .flatten()
    }
}

/// The bus of a world.
#[derive(Debug)]
pub struct Topics {
    kafka: Option<Kafka>,
}

#[derive(Debug)]
struct Kafka {
    bus: Bus,
    tasks: Tasks,
    heard: Arc<Mutex<Vec<Heard>>>,
    reading: AbortHandle,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    topic: String,
    message_key: String,
    message_id: String,
    kind: String,
    payload: Vec<u8>,
    headers: Option<String>,
}

impl Topics {
    /// Begins to collect, where that is needed.
    pub(crate) async fn open(place: &Place) -> Self {
        let Some(url) = &place.kafka else {
            return Self { kafka: None };
        };
        let config = Config {
            url: url.clone(),
            prefix: place.prefix(),
            ..Config::default()
        };
        let tasks = Tasks::new();
        let bus = Bus::open(&config, &Readiness::new(), &tasks)
            .await
            .expect("the bus opens");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let reading = tokio::spawn(collect(bus.clone(), heard.clone())).abort_handle();
        Self {
            kafka: Some(Kafka {
                bus,
                tasks,
                heard,
                reading,
            }),
        }
    }

    /// Stops collecting.
    pub(crate) fn close(&self) {
        if let Some(kafka) = &self.kafka {
            kafka.reading.abort();
            kafka.tasks.drain();
        }
    }

    /// Publishes as somebody else on the same broker would. Only where the bus is a broker.
    pub async fn publish(&self, posts: Vec<Post>) {
        let kafka = self
            .kafka
            .as_ref()
            .expect("an embedded bus belongs to its process");
        for outcome in kafka.bus.publish(posts).await.expect("the bus takes it") {
            outcome.expect("a message that the bus can take");
        }
    }

    /// A second reader of everything, for a test that says all again. Only on a broker.
    pub async fn reader(&self, group: &str, topics: &[Topic]) -> outbox::bus::Reader {
        let kafka = self
            .kafka
            .as_ref()
            .expect("an embedded bus belongs to its process");
        kafka
            .bus
            .read(group, topics, Tuning::Prompt)
            .await
            .expect("the bus can be read")
    }

    /// Everything that was told so far. Repeats are among it.
    pub async fn all(&self, world: &World) -> Vec<Told> {
        let Some(kafka) = &self.kafka else {
            return embedded(world).await;
        };
        let heard = kafka.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().map(told).collect()
    }
}

async fn embedded(world: &World) -> Vec<Told> {
    let rows = Rows::of(world, "bus").await;
    let sql = "SELECT topic, message_key, message_id, kind, payload, headers FROM log ORDER BY id";
    let found: Vec<Row> = rows.all(sql).await;
    rows.close().await;
    let told = |row: Row| Told {
        topic: row.topic,
        key: row.message_key,
        id: row.message_id,
        kind: row.kind,
        payload: row.payload,
        headers: row.headers.unwrap_or_default(),
    };
    found.into_iter().map(told).collect()
}

fn told(heard: &Heard) -> Told {
    Told {
        topic: heard.topic.name().to_owned(),
        key: heard.key.clone(),
        id: heard.id.clone(),
        kind: heard.kind.clone(),
        payload: heard.payload.to_vec(),
        headers: format!("{:?} {:?}", heard.headers, heard.traceparent),
    }
}

/// Reads all topics for ever, whatever happens to the broker.
async fn collect(bus: Bus, heard: Arc<Mutex<Vec<Heard>>>) {
    loop {
        let Ok(mut reader) = bus.read("harness", &Topic::ALL, Tuning::Prompt).await else {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            continue;
        };
        while let Ok(found) = reader.next(1000).await {
            heard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(found);
            let _ = reader.commit();
        }
    }
}
