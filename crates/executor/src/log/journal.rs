//! Numbers the entries of one attempt, and holds them until they are shipped.
//!
//! **Invariant:** a number is given once, under the lock under which the entry is put behind those
//! with lower numbers; so the order of numbers is the order of shipping.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::message::{ActivityBatch, ActivityEntry, Message as _, Stream, Topic};
use outbox::Post;
use runtime::clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{ENTRY_BYTES, Limits, Line, Logs, Mask};

/// How long entries of an attempt are gathered once one was shipped.
const GATHERING: Duration = Duration::from_millis(20);
/// The text of a message, in bytes: what is shipped at once.
const BATCH_BYTES: usize = 64 * 1024;

/// Whose entries they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) run_id: String,
    pub(crate) pipeline_id: String,
    pub(crate) attempt: u32,
    pub(crate) traceparent: Option<String>,
}

/// The entries of an attempt.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) origin: Origin,
    /// What the attempt's entries may weigh until they are shipped.
    pub(super) memory: Arc<Semaphore>,
    pub(super) logs: Arc<Logs>,
    pub(super) quota: Arc<super::quota::Quota>,
    mask: Mutex<(Vec<Vec<u8>>, Arc<Mask>)>,
    pending: Mutex<Pending>,
}

/// Memory that entries take until they are shipped or dropped.
#[derive(Debug, Default)]
pub(crate) struct Hold(Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>);

impl Hold {
    pub(super) fn of(attempt: OwnedSemaphorePermit, executor: OwnedSemaphorePermit) -> Self {
        Self(Some((attempt, executor)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn add(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some((attempt, executor)), Some((more, most))) => {
                attempt.merge(more);
                executor.merge(most);
            }
            (None, other) => self.0 = other,
            (Some(_), None) => {}
        }
    }
}

#[derive(Debug)]
struct Pending {
    last_seq: u64,
    entries: Vec<ActivityEntry>,
    weight: usize,
    hold: Hold,
    /// When they are to be shipped.
    due: Instant,
    /// Whether the shipper has been told.
    is_listed: bool,
}

impl Journal {
    /// The journal of an attempt that has logged nothing yet.
    pub(crate) fn open(logs: &Arc<Logs>, origin: Origin) -> Arc<Self> {
        let Limits { attempt, .. } = logs.limits;
        Arc::new(Self {
            quota: logs.quota(&origin.run_id),
            origin,
            memory: Arc::new(Semaphore::new(attempt)),
            logs: logs.clone(),
            mask: Mutex::default(),
            pending: Mutex::new(Pending {
                last_seq: 0,
                entries: Vec::new(),
                weight: 0,
                hold: Hold::default(),
                due: Instant::now(),
                is_listed: false,
            }),
        })
    }

    /// The number of the last entry; 0 before the first.
    pub(crate) fn last_seq(&self) -> u64 {
        self.lock().last_seq
    }

    /// Hides these values from now on, in what any step of the attempt writes.
    pub(crate) fn hide<'a>(&self, secrets: impl Iterator<Item = &'a Vec<u8>>) {
        let mut mask = self.mask.lock().unwrap_or_else(PoisonError::into_inner);
        let known = mask.0.len();
        for secret in secrets {
            if !mask.0.contains(secret) {
                mask.0.push(secret.clone());
            }
        }
        if mask.0.len() > known {
            mask.1 = Arc::new(Mask::of(mask.0.iter().map(Vec::as_slice)));
        }
    }

    /// Hides what is to be hidden.
    pub(crate) fn mask(&self) -> Arc<Mask> {
        self.mask
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .clone()
    }

    /// Numbers lines of a step and puts them behind all others.
    pub(super) fn push(self: &Arc<Self>, step: &str, of_try: u32, lines: Vec<Line>, hold: Hold) {
        if lines.is_empty() {
            return;
        }
        metrics::counter!("penstock_log_lines_total").increment(lines.len() as u64);
        let time_ms = clock::now_ms();
        let mut pending = self.lock();
        pending.hold.add(hold);
        for line in lines {
            pending.last_seq += 1;
            pending.weight += line.weight();
            let seq = pending.last_seq;
            pending.entries.push(ActivityEntry {
                seq,
                time_ms,
                step_id: step.to_owned(),
                r#try: of_try,
                stream: line.stream.into(),
                message: line.text,
                truncated: line.is_cut,
            });
        }
        let is_full = pending.weight >= BATCH_BYTES;
        if is_full {
            pending.due = Instant::now();
        }
        let is_listed = std::mem::replace(&mut pending.is_listed, true);
        drop(pending);
        self.tell(is_listed, is_full);
    }

    /// Has everything shipped now.
    pub(super) fn hurry(self: &Arc<Self>) {
        let mut pending = self.lock();
        pending.due = Instant::now();
        let is_listed = pending.is_listed;
        drop(pending);
        self.tell(is_listed, is_listed);
    }

    /// Waits until the entries so far are on the bus or on disk, so that they are not lost with this
    /// process.
    pub(crate) async fn secure(&self) {
        self.lock().due = Instant::now();
        self.logs.secure().await;
    }

    fn tell(self: &Arc<Self>, is_listed: bool, is_urgent: bool) {
        if !is_listed {
            self.logs.list(self.clone());
        }
        if !is_listed || is_urgent {
            self.logs.ring();
        }
    }

    /// When its entries are due.
    pub(super) fn due(&self) -> Instant {
        self.lock().due
    }

    /// Takes all entries, as messages in their order; the last one holds their memory.
    pub(super) fn take(&self) -> (Vec<Post>, Hold) {
        let mut pending = self.lock();
        let entries = std::mem::take(&mut pending.entries);
        let hold = std::mem::take(&mut pending.hold);
        pending.weight = 0;
        pending.is_listed = false;
        pending.due = Instant::now() + GATHERING;
        drop(pending);
        (self.posts(entries), hold)
    }

    fn posts(&self, entries: Vec<ActivityEntry>) -> Vec<Post> {
        let mut posts = Vec::new();
        let mut batch = Vec::new();
        let mut weight = 0;
        for entry in entries {
            let more = entry.message.len() + ENTRY_BYTES;
            if weight + more > BATCH_BYTES + ENTRY_BYTES && !batch.is_empty() {
                posts.extend(self.post(std::mem::take(&mut batch)));
                weight = 0;
            }
            weight += more;
            batch.push(entry);
        }
        posts.extend(self.post(batch));
        posts
    }

    fn post(&self, entries: Vec<ActivityEntry>) -> Option<Post> {
        let first = entries.first()?;
        let (seq, time_ms) = (first.seq, first.time_ms);
        let Origin {
            run_id,
            pipeline_id,
            attempt,
            traceparent,
        } = &self.origin;
        let batch = ActivityBatch {
            run_id: run_id.clone(),
            pipeline_id: pipeline_id.clone(),
            attempt: *attempt,
            entries,
        };
        let payload = serde_json::to_vec(&batch)
            .inspect_err(|error| tracing::error!("log entries can't be written: {error}"))
            .ok()?;
        Some(Post {
            topic: Topic::Activity,
            key: batch.key().to_owned(),
            id: format!("{run_id}/{attempt}/{seq}"),
            kind: <ActivityBatch as contracts::message::Message>::TYPE.to_owned(),
            time_ms,
            traceparent: traceparent.clone(),
            payload: payload.into(),
            headers: Vec::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line that Penstock itself says.
pub(super) fn said(text: String, is_cut: bool) -> Line {
    Line {
        stream: Stream::System,
        text,
        is_cut,
    }
}
