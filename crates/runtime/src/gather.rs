//! Calls that come at the same time, done together.
//!
//! A call that finds nobody at work is done at once. Those that come meanwhile wait and are then
//! done together, so work that is cheaper in company (a transaction with its round trips) is shared
//! exactly when there is much of it.
//!
//! **Invariants:** every call is answered, also when what is done for others fails or panics: what
//! fails in company is done again alone. A caller who gives up doesn't take others' work along.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::join_all;
use tokio::sync::oneshot;

use crate::Tasks;

/// What is done for one or several calls.
pub trait Act: Send + Sync + 'static {
    /// What a call asks for. Done again if the company that it was in has failed.
    type Ask: Clone + Send + 'static;
    /// What it is answered.
    type Answer: Send + 'static;
    /// Why all of them failed.
    type Error: From<Unanswered> + Send + 'static;

    /// Does all of `asks`, of which there is at least one, and answers them in their order. An
    /// error means that nothing of it was done.
    fn act(
        &self,
        asks: Vec<Self::Ask>,
    ) -> impl Future<Output = Result<Vec<Self::Answer>, Self::Error>> + Send;
}

/// The work for a call has panicked.
#[derive(Debug, thiserror::Error)]
#[error("the work for this call has panicked")]
pub struct Unanswered;

/// Gathers calls.
pub struct Gather<A: Act>(Arc<Inner<A>>);

struct Inner<A: Act> {
    act: A,
    hands: usize,
    most: usize,
    tasks: Tasks,
    hall: Mutex<Hall<A>>,
}

struct Hall<A: Act> {
    waiting: VecDeque<Waiting<A>>,
    hands_at_work: usize,
}

struct Waiting<A: Act> {
    ask: A::Ask,
    told: oneshot::Sender<Result<A::Answer, A::Error>>,
}

impl<A: Act> Clone for Gather<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Act> Debug for Gather<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gather").finish_non_exhaustive()
    }
}

impl<A: Act> Gather<A> {
    /// Does up to `most` calls together, with so many `hands` at the same time.
    pub fn new(act: A, hands: usize, most: usize, tasks: &Tasks) -> Self {
        let hall = Hall {
            waiting: VecDeque::new(),
            hands_at_work: 0,
        };
        Self(Arc::new(Inner {
            act,
            hands,
            most,
            tasks: tasks.clone(),
            hall: Mutex::new(hall),
        }))
    }

    /// Asks, and waits for the answer. As many may wait as there are callers.
    pub async fn ask(&self, ask: A::Ask) -> Result<A::Answer, A::Error> {
        let (told, answer) = oneshot::channel();
        if self.enter(Waiting { ask, told }) {
            let hand = self.clone();
            self.0.tasks.spawn(async move { hand.work().await });
        }
        answer.await.unwrap_or_else(|_| Err(Unanswered.into()))
    }

    /// Waits in the hall. Answers whether another hand is needed.
    fn enter(&self, waiting: Waiting<A>) -> bool {
        let mut hall = self.hall();
        hall.waiting.push_back(waiting);
        let is_needed = hall.hands_at_work < self.0.hands;
        hall.hands_at_work += usize::from(is_needed);
        is_needed
    }

    async fn work(&self) {
        while let Some(group) = self.next() {
            let (asks, told): (Vec<_>, Vec<_>) =
                group.into_iter().map(|it| (it.ask, it.told)).unzip();
            let company = (asks.len() > 1).then(|| asks.clone());
            match (self.attempt(asks).await, company) {
                (Ok(answers), _) => tell(told, answers.into_iter().map(Ok)),
                (Err(error), None) => tell(told, [Err(error)]),
                (Err(_), Some(asks)) => self.alone(asks, told).await,
            }
        }
    }

    /// The next group; the hand that finds none is done.
    fn next(&self) -> Option<Vec<Waiting<A>>> {
        let mut hall = self.hall();
        let size = hall.waiting.len().min(self.0.most);
        hall.hands_at_work -= usize::from(size == 0);
        (size > 0).then(|| hall.waiting.drain(..size).collect())
    }

    /// Does each alone, all at once: where a store is away they give up at the same time.
    async fn alone(
        &self,
        asks: Vec<A::Ask>,
        told: Vec<oneshot::Sender<Result<A::Answer, A::Error>>>,
    ) {
        let each = asks.into_iter().zip(told).map(|(ask, told)| async move {
            let outcome = self.attempt(vec![ask]).await;
            let answer = outcome.and_then(|it| it.into_iter().next().ok_or(Unanswered.into()));
            tell(vec![told], [answer]);
        });
        join_all(each).await;
    }

    async fn attempt(&self, asks: Vec<A::Ask>) -> Result<Vec<A::Answer>, A::Error> {
        let done = AssertUnwindSafe(async { self.0.act.act(asks).await });
        done.catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Unanswered.into()))
    }

    fn hall(&self) -> MutexGuard<'_, Hall<A>> {
        self.0.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who gave up meanwhile isn't told.
fn tell<T, E>(
    told: Vec<oneshot::Sender<Result<T, E>>>,
    answers: impl IntoIterator<Item = Result<T, E>>,
) {
    for (told, answer) in told.into_iter().zip(answers) {
        let _ = told.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles numbers; groups with a 13 fail, those with a 17 panic.
    struct Doubling {
        go: Arc<Semaphore>,
        groups: Arc<Mutex<Vec<usize>>>,
    }

    impl Act for Doubling {
        type Ask = u32;
        type Answer = u32;
        type Error = String;

        async fn act(&self, asks: Vec<u32>) -> Result<Vec<u32>, String> {
            self.go.acquire().await.unwrap().forget();
            self.groups.lock().unwrap().push(asks.len());
            assert!(!asks.contains(&17), "on purpose");
            if asks.contains(&13) {
                return Err("thirteen".into());
            }
            Ok(asks.into_iter().map(|it| it * 2).collect())
        }
    }

    impl From<Unanswered> for String {
        fn from(error: Unanswered) -> Self {
            error.to_string()
        }
    }

    #[tokio::test]
    async fn calls_that_wait_are_done_together_and_a_fault_stays_with_its_own() {
        let (go, groups) = (Arc::new(Semaphore::new(0)), Arc::default());
        let act = Doubling {
            go: go.clone(),
            groups: Arc::clone(&groups),
        };
        let gather = Gather::new(act, 1, 8, &Tasks::new());
        let mut first = Box::pin(gather.ask(1));
        assert!(futures::poll!(&mut first).is_pending());
        tokio::task::yield_now().await;
        let mut others = Box::pin(join_all([2, 13, 3, 17, 4].map(|it| gather.ask(it))));
        assert!(futures::poll!(&mut others).is_pending());
        go.add_permits(20);
        assert_eq!(first.await, Ok(2));
        let panicked = Err(Unanswered.to_string());
        let expected = [Ok(4), Err("thirteen".into()), Ok(6), panicked, Ok(8)];
        assert_eq!(others.await, expected);
        assert_eq!(*groups.lock().unwrap(), [1, 5, 1, 1, 1, 1, 1]);
    }

    #[tokio::test]
    async fn who_gives_up_takes_nobody_along() {
        let go = Arc::new(Semaphore::new(0));
        let act = Doubling {
            go: go.clone(),
            groups: Arc::default(),
        };
        let gather = Gather::new(act, 1, 8, &Tasks::new());
        let mut given_up = Box::pin(gather.ask(1));
        assert!(futures::poll!(&mut given_up).is_pending());
        let mut stays = Box::pin(gather.ask(2));
        assert!(futures::poll!(&mut stays).is_pending());
        drop(given_up);
        go.add_permits(20);
        assert_eq!(stays.await, Ok(4));
    }
}
