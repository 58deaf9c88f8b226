//! Work that takes the CPU for long, done aside from the threads that answer requests.
//!
//! **Invariant:** so many pieces of work go on at a time and no more, even when those who asked for
//! them have given up; who gave up while waiting is never served.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A room for heavy work.
#[derive(Debug, Clone)]
pub struct Aside(Arc<Semaphore>);

/// The work has panicked.
#[derive(Debug, thiserror::Error)]
#[error("the work has panicked")]
pub struct Panicked;

impl Aside {
    /// A room for so many pieces of work at a time.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }

    /// A room that leaves one of the machine's cores to others, where there are several.
    pub fn sparing() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(cores.saturating_sub(1).max(1))
    }

    /// Does `work` when there is room, and answers what comes of it.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        // The room is never closed.
        let place = self.0.clone().acquire_owned().await.map_err(|_| Panicked)?;
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            // Given back by who works, not by who waits: that one may be gone.
            drop(place);
            outcome
        });
        done.await.map_err(|error| {
            tracing::error!("work aside has ended in disorder: {error}");
            Panicked
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn work_beyond_the_room_waits_and_the_caller_does_not_block() {
        let aside = Aside::new(1);
        let (go, wait) = mpsc::channel::<()>();
        let mut first = Box::pin(aside.run(move || wait.recv().is_ok()));
        let mut second = Box::pin(aside.run(|| 2));
        assert!(matches!(futures::poll!(&mut first), Poll::Pending));
        assert!(matches!(futures::poll!(&mut second), Poll::Pending));
        go.send(()).unwrap();
        assert!(first.await.unwrap());
        assert_eq!(second.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_keeps_its_place_until_it_is_done() {
        let aside = Aside::new(1);
        let (go, wait) = mpsc::channel::<()>();
        let mut given_up = Box::pin(aside.run(move || wait.recv().is_ok()));
        assert!(matches!(futures::poll!(&mut given_up), Poll::Pending));
        drop(given_up);
        let mut next = Box::pin(aside.run(|| 2));
        assert!(matches!(futures::poll!(&mut next), Poll::Pending));
        go.send(()).unwrap();
        assert_eq!(next.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_panic_fails_the_work_and_gives_the_place_back() {
        let aside = Aside::new(1);
        let outcome = aside.run(|| panic!("on purpose")).await;
        let outcome: Result<(), Panicked> = outcome;
        assert!(outcome.is_err());
        assert_eq!(aside.run(|| 1).await.unwrap(), 1);
    }
}
