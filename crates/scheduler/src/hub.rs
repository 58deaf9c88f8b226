//! The executors whose streams end in this process, and what is said to them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use contracts::scheduler::ToExecutor;
use contracts::scheduler::to_executor::Says;
use tokio::sync::mpsc;
use tonic::Status;

use crate::store::Holder;

/// Messages that may wait for a slow stream. One that is fuller than this is cut; the executor
/// comes back and is told again.
pub(crate) const WAITING: usize = 1024;

/// How messages get into a stream.
pub(crate) type Sender = mpsc::Sender<Result<ToExecutor, Status>>;

/// The streams of this process, one an executor. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hub(Arc<Mutex<HashMap<String, Stream>>>);

#[derive(Debug, Clone)]
struct Stream {
    boot: u64,
    number: u64,
    sender: Sender,
    /// It takes no more work.
    is_draining: bool,
}

impl Hub {
    /// A stream has begun; it takes the place of an earlier one. Answers its number.
    pub(crate) fn join(&self, holder: &Holder, sender: Sender) -> u64 {
        let mut streams = self.lock();
        let number = streams.get(&holder.name).map_or(0, |it| it.number) + 1;
        let stream = Stream {
            boot: holder.boot,
            number,
            sender,
            is_draining: false,
        };
        streams.insert(holder.name.clone(), stream);
        number
    }

    /// A stream has ended.
    pub(crate) fn leave(&self, holder: &Holder, number: u64) {
        let mut streams = self.lock();
        if streams
            .get(&holder.name)
            .is_some_and(|it| it.number == number)
        {
            streams.remove(&holder.name);
        }
    }

    /// Whether `number` is still the stream of this executor.
    pub(crate) fn is_current(&self, holder: &Holder, number: u64) -> bool {
        self.lock()
            .get(&holder.name)
            .is_some_and(|it| it.number == number)
    }

    /// An executor takes no more work, as long as its stream lasts.
    pub(crate) fn drains(&self, holder: &Holder) {
        if let Some(stream) = self.lock().get_mut(&holder.name) {
            stream.is_draining |= stream.boot == holder.boot;
        }
    }

    /// Who is here and takes work.
    pub(crate) fn holders(&self) -> Vec<Holder> {
        let streams = self.lock();
        let holder = |(name, stream): (&String, &Stream)| Holder {
            name: name.clone(),
            boot: stream.boot,
        };
        let working = streams.iter().filter(|(_, stream)| !stream.is_draining);
        working.map(holder).collect()
    }

    /// Says something to an executor if it is here. A stream that can't take it is cut.
    pub(crate) fn say(&self, name: &str, says: Says) {
        let mut streams = self.lock();
        let Some(stream) = streams.get(name) else {
            return;
        };
        if stream
            .sender
            .try_send(Ok(ToExecutor { says: Some(says) }))
            .is_err()
        {
            streams.remove(name);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
