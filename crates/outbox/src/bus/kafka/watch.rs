//! Whether the brokers are still there: what `/readyz` says about the bus after the start.
//!
//! Without brokers a process goes on: what is announced waits in its outbox, what is logged in the
//! executor's spool. So it stays ready, and only tells that its bus is impaired. The client says when
//! it has lost all brokers, so nobody is asked while all is well; then they are, until one answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contracts::message::Topic;
use runtime::{Bell, Progress, Readiness, Tasks};

use super::publish::Producer;
use super::{Broker, Error, SEAM, blocking};

/// How often the client is heard, and brokers are asked that are away.
const PERIOD: Duration = Duration::from_secs(2);
/// How long a broker may take to answer.
const LIMIT: Duration = Duration::from_secs(3);

/// Says in `ready` whether the brokers are there, as long as the process lives.
pub(super) fn start(broker: &Broker, ready: &Readiness, tasks: &Tasks) {
    let watch = Arc::new(Watch {
        broker: broker.clone(),
        ready: ready.clone(),
        is_away: AtomicBool::new(false),
    });
    tasks.answer("bus-watch", &Bell::new(), PERIOD, move || {
        let watch = watch.clone();
        async move {
            watch.look().await;
            Ok::<_, Infallible>(Progress::Idle)
        }
    });
}

struct Watch {
    broker: Broker,
    ready: Readiness,
    is_away: AtomicBool,
}

impl Watch {
    async fn look(&self) {
        let producer = self.broker.producer();
        let was_away = self.is_away.load(Ordering::Relaxed);
        if !producer.take_lost_all() && !was_away {
            return;
        }
        let topic = self.broker.0.config.name_of(Topic::Events);
        let asked = blocking(move || ask(&producer, &topic)).await;
        self.is_away.store(asked.is_err(), Ordering::Relaxed);
        match asked {
            Ok(()) if was_away => {
                tracing::info!("the bus is back");
                self.ready.present(SEAM);
            }
            Ok(()) => {}
            Err(error) => {
                if !was_away {
                    tracing::warn!("{error}");
                }
                self.ready.impaired(SEAM, error.to_string());
            }
        }
    }
}

/// Asks a broker for something small.
fn ask(producer: &Producer, topic: &str) -> Result<(), Error> {
    let client = producer
        .client()
        .ok_or_else(|| Error::away("the process is ending"))?;
    let answer = client.fetch_metadata(Some(topic), LIMIT);
    answer.map(drop).map_err(|error| producer.away(&error))
}
