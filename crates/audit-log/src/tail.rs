//! Follows runs' logs: pages as they come, until the log is complete.
//!
//! A follower is woken by a ring and looks every half second anyway, for other instances store too.
//!
//! **Invariant:** a follower holds a bounded number of pages. One that doesn't take them is dropped,
//! and told where to resume.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use runtime::{Tasks, clock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use crate::Error;
use crate::bells::Bells;
use crate::page::Page;
use crate::store::{Ask, Store};

/// How often it is looked without a ring.
const PERIOD: Duration = Duration::from_millis(500);
/// How long a follower may leave pages untaken.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pages that wait for a follower.
const PAGES: usize = 2;

/// What a follower gets.
pub(crate) type Pages = BoxStream<'static, Result<Page, Error>>;

/// The followers of this instance.
#[derive(Debug)]
pub(crate) struct Tails {
    store: Store,
    bells: Bells,
    tasks: Tasks,
    most: u32,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Tails {
    /// Serves up to `most` followers at a time.
    pub(crate) fn new(store: Store, bells: Bells, tasks: Tasks, most: u32) -> Self {
        let places = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self {
            store,
            bells,
            tasks,
            most,
            places,
            patience: PATIENCE,
        }
    }

    /// The run's log from a cursor on, live.
    pub(crate) fn follow(&self, ask: Ask) -> Result<Pages, Error> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Error::Followers(self.most))?;
        let (pages, taken) = mpsc::channel(PAGES);
        let (last_word, heard) = oneshot::channel();
        let tail = Tail {
            store: self.store.clone(),
            bells: self.bells.clone(),
            tasks: self.tasks.clone(),
            patience: self.patience,
            ask,
            pages,
            _place: place,
        };
        self.tasks.spawn(async move {
            if let Err(error) = tail.run().await {
                let _ = last_word.send(error);
            }
        });
        let last_word = stream::once(heard).filter_map(async |word| word.ok().map(Err));
        Ok(ReceiverStream::new(taken).map(Ok).chain(last_word).boxed())
    }
}

struct Tail {
    store: Store,
    bells: Bells,
    tasks: Tasks,
    patience: Duration,
    ask: Ask,
    pages: mpsc::Sender<Page>,
    _place: OwnedSemaphorePermit,
}

impl Tail {
    async fn run(mut self) -> Result<(), Error> {
        let bells = self.bells.clone();
        let bell = bells.of(self.ask.run_id.as_str());
        loop {
            let mut rung = std::pin::pin!(bell.notified());
            rung.as_mut().enable();
            let wait = match self.step().await? {
                Step::Ended => return Ok(()),
                Step::More => continue,
                Step::Idle(wait) => wait,
            };
            tokio::select! {
                () = rung => {}
                () = tokio::time::sleep(wait) => {}
                () = self.pages.closed() => return Ok(()),
                () = self.tasks.draining().cancelled() => return Err(self.draining()),
            }
        }
    }

    /// Sends the next page if it has anything.
    async fn step(&mut self) -> Result<Step, Error> {
        let now_ms = clock::now_ms();
        let page = match self.store.page(&self.ask, now_ms).await {
            Ok(page) => page,
            Err(error) if error.is_away() => {
                tracing::debug!(run.id = %self.ask.run_id, "a follower waits for the store: {error}");
                return Ok(Step::Idle(PERIOD));
            }
            Err(error) => return Err(error),
        };
        let (complete, more) = (page.complete, page.more);
        let due_ms = page
            .due_ms
            .map(|due_ms| u64::try_from(due_ms - now_ms).unwrap_or_default());
        let next = page.next;
        let worth_it = complete || !page.shown.is_empty();
        if worth_it && !self.send(page).await? {
            return Ok(Step::Ended);
        }
        self.ask.after = next;
        Ok(match (complete, more) {
            (true, _) => Step::Ended,
            (false, true) => Step::More,
            (false, false) => {
                Step::Idle(due_ms.map_or(PERIOD, |due| PERIOD.min(Duration::from_millis(due))))
            }
        })
    }

    /// No if the follower has gone.
    async fn send(&self, page: Page) -> Result<bool, Error> {
        let sent = tokio::select! {
            sent = self.pages.send_timeout(page, self.patience) => sent,
            () = self.tasks.draining().cancelled() => return Err(self.draining()),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Ok(false),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                metrics::counter!("penstock_followers_dropped_total").increment(1);
                Err(Error::Slow {
                    resume: self.ask.after.to_string(),
                })
            }
        }
    }

    fn draining(&self) -> Error {
        Error::Draining {
            resume: self.ask.after.to_string(),
        }
    }
}

/// What came of a look at the log.
enum Step {
    Ended,
    More,
    /// Nothing for now; look again after this time.
    Idle(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Cursor;
    use crate::testing::{RUN, World, batch};

    #[tokio::test]
    async fn a_follower_that_takes_nothing_is_dropped_and_told_where_to_resume() {
        for world in World::each().await {
            world.tell(&batch(1, 1, 20), "a1").await;
            world.entries(20).await;
            let store = world.store(Duration::from_hours(1));
            let tails = Tails::new(store, Bells::default(), world.tasks.clone(), 1);
            let tails = Tails {
                patience: Duration::from_millis(10),
                ..tails
            };
            let (run_id, after) = (RUN.parse().unwrap(), Cursor::default());
            let ask = Ask {
                run_id,
                after,
                limit: 3,
                step_id: String::new(),
                life_only: false,
            };
            let slow = tails.follow(ask.clone()).unwrap();
            let dropped = async {
                while tails.places.available_permits() == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), dropped)
                .await
                .unwrap();
            let heard: Vec<Result<Page, Error>> = slow.collect().await;
            let [Ok(_), Ok(last), Err(Error::Slow { resume })] = &heard[..] else {
                panic!("{heard:?}");
            };
            assert_eq!(*resume, last.next.to_string());
            let ask = Ask {
                after: resume.parse().unwrap(),
                ..ask
            };
            let next = tails.follow(ask).unwrap().next().await.unwrap().unwrap();
            assert_eq!(next.shown[0].entry.seq, 7, "nothing is lost or said twice");
        }
    }
}
