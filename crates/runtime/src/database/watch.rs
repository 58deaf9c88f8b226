//! Whether a store is still there: what `/readyz` says about a database server after the start.
//!
//! A look is one small question every few seconds, over a connection that is for nothing else: that
//! all the others are busy doesn't make a store away. One look that fails says nothing yet, be it
//! refused or slow; two in a row do, and the first that succeeds takes it back.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::SqlxError;
use sea_orm::sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::connect::is_postgres;
use super::seam;
use crate::{Bell, Progress, Readiness, Tasks};

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(3);
/// How long a look may take.
const LIMIT: Duration = Duration::from_secs(5);
/// So many failed looks in a row tell that a store is away.
const FAILURES: u32 = 2;

/// Says in `ready` whether the store of `service` is there, as long as the process lives. A `SQLite`
/// file goes nowhere; its disk is watched by [`crate::disk`].
pub fn watch(url: &str, service: &'static str, ready: &Readiness, tasks: &Tasks) {
    if is_postgres(url) {
        let watch = Watch::new(url, service, ready);
        start(watch, PERIOD, tasks);
    }
}

fn start(watch: Watch, period: Duration, tasks: &Tasks) {
    let watch = Arc::new(watch);
    tasks.answer("store-watch", &Bell::new(), period, move || {
        let watch = watch.clone();
        async move {
            watch.look().await;
            Ok::<_, Infallible>(Progress::Idle)
        }
    });
}

struct Watch {
    url: String,
    service: &'static str,
    ready: Readiness,
    seen: Mutex<Seen>,
}

/// What the last looks found.
#[derive(Debug, Default)]
struct Seen {
    /// None after a failure.
    connection: Option<PgConnection>,
    failures: u32,
}

/// What a look changed.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    Gone,
    Back,
}

impl Watch {
    fn new(url: &str, service: &'static str, ready: &Readiness) -> Self {
        Self {
            url: url.to_owned(),
            service,
            ready: ready.clone(),
            seen: Mutex::default(),
        }
    }

    async fn look(&self) {
        let mut seen = self.seen.lock().await;
        let found = self.ask(&mut seen.connection).await;
        let seam = seam(self.service);
        match (seen.note(found.is_ok()), found) {
            (Change::Gone, Err(why)) => {
                tracing::warn!(store = self.service, "the {seam} is away: {why}");
                self.ready.missing(&seam, why);
            }
            (Change::Back, _) => {
                tracing::info!(store = self.service, "the {seam} is back");
                self.ready.present(&seam);
            }
            (Change::Nothing | Change::Gone, _) => {}
        }
    }

    /// Whether the store answers, or why it doesn't. A connection that failed is not kept.
    async fn ask(&self, kept: &mut Option<PgConnection>) -> Result<(), String> {
        let asks = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => PgConnection::connect(&self.url).await?,
            };
            connection.ping().await?;
            Ok::<_, SqlxError>(connection)
        };
        match timeout(LIMIT, asks).await {
            Ok(Ok(connection)) => {
                *kept = Some(connection);
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
        }
    }
}

impl Seen {
    fn note(&mut self, is_there: bool) -> Change {
        let before = self.failures;
        self.failures = if is_there {
            0
        } else {
            before.saturating_add(1)
        };
        if is_there && before >= FAILURES {
            Change::Back
        } else if self.failures == FAILURES {
            Change::Gone
        } else {
            Change::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::copy_bidirectional;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn one_slow_look_is_nothing_and_two_in_a_row_are() {
        let mut seen = Seen::default();
        let looks = [true, false, true, false, false, false, true, true, false];
        let changes = looks.map(|it| seen.note(it));
        let expected = [
            Change::Nothing,
            Change::Nothing,
            Change::Nothing,
            Change::Nothing,
            Change::Gone,
            Change::Nothing,
            Change::Back,
            Change::Nothing,
            Change::Nothing,
        ];
        assert_eq!(changes, expected);
    }

    /// Passes connections on to `server` until it is dropped; then they break.
    async fn passage(port: u16, server: &str) -> (u16, Tasks) {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tasks, server) = (Tasks::new(), server.to_owned());
        let (each, draining) = (tasks.clone(), tasks.draining().clone());
        tasks.spawn(async move {
            let pass = async {
                loop {
                    let (mut near, _) = listener.accept().await.unwrap();
                    let (server, draining) = (server.clone(), each.draining().clone());
                    each.spawn(async move {
                        let mut far = TcpStream::connect(server).await.unwrap();
                        let passed = copy_bidirectional(&mut near, &mut far);
                        let _ = draining.run_until_cancelled(passed).await;
                    });
                }
            };
            let _: Option<()> = draining.run_until_cancelled(pass).await;
        });
        (port, tasks)
    }

    #[tokio::test]
    async fn a_server_that_goes_away_is_missed_until_it_is_back() {
        let Some(url) = crate::config::variable("TEST_POSTGRES") else {
            return;
        };
        let (front, rest) = url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let (port, there) = passage(0, server).await;
        let url = format!("{front}@127.0.0.1:{port}/{database}");
        let (ready, tasks) = (Readiness::new(), Tasks::new());
        let watch = Watch::new(&url, "testing", &ready);
        watch.look().await;
        assert!(watch.seen.lock().await.connection.is_some(), "it is there");
        start(watch, Duration::from_millis(20), &tasks);
        let mut passing = there;
        for _ in 0..2 {
            passing.drain();
            passing.ended().await;
            let gone = timeout(PATIENCE, ready.incomplete()).await;
            gone.expect("it is missed");
            assert!(ready.report().contains_key("testing store"));
            passing = passage(port, server).await.1;
            let back = timeout(PATIENCE, ready.complete()).await;
            back.expect("it is back");
        }
        tasks.drain();
        passing.drain();
    }
}
