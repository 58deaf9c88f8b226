//! The log of one try of a step: admits what it writes, or says what it doesn't.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::journal::{Hold, Journal, said};
use super::{Line, Lines, Mask};

/// How much is read and admitted at a time, in bytes.
const CHUNK: usize = 64 * 1024;

/// Where one try of a step logs.
#[derive(Debug)]
pub(crate) struct StepLog {
    journal: Arc<Journal>,
    step: String,
    of_try: u32,
    dropped: Mutex<Dropped>,
}

/// What was dropped since the last line that was logged.
#[derive(Debug, Default)]
struct Dropped {
    lines: usize,
    bytes: usize,
}

/// Whether lines were let in.
enum Admission {
    Granted(Hold),
    Refused,
}

impl StepLog {
    pub(crate) fn new(journal: Arc<Journal>, step: String, of_try: u32) -> Self {
        Self {
            journal,
            step,
            of_try,
            dropped: Mutex::default(),
        }
    }

    /// Hides what is to be hidden.
    pub(crate) fn mask(&self) -> Arc<Mask> {
        self.journal.mask()
    }

    /// Logs what is written until its end, no faster than it is shipped. Answers the first warning.
    pub(crate) async fn follow(
        &self,
        mut output: impl AsyncRead + Unpin,
        mut lines: Lines,
    ) -> Option<String> {
        let mut buffer = vec![0; CHUNK];
        let mut warning = None;
        loop {
            let length = output.read(&mut buffer).await.unwrap_or_default();
            let mask = self.mask();
            let mut chunk = &buffer[..length];
            if length == 0 {
                let last: Vec<_> = lines.finish(&mask).into_iter().collect();
                note_warning(&mut warning, &last);
                self.write(last).await;
                return warning;
            }
            while !chunk.is_empty() {
                let taken = lines.take(&mut chunk, &mask, CHUNK);
                note_warning(&mut warning, &taken);
                self.write(taken).await;
            }
        }
    }

    /// Logs lines, once there is room for them.
    pub(crate) async fn write(&self, lines: Vec<Line>) {
        let Some(lines) = self.within_quota(lines) else {
            return;
        };
        if lines.is_empty() {
            return;
        }
        match self.admit(lines.iter().map(Line::weight).sum()).await {
            Admission::Granted(hold) => {
                self.say_what_was_dropped();
                self.journal.push(&self.step, self.of_try, lines, hold);
            }
            Admission::Refused => self.drop_lines(&lines),
        }
    }

    /// Logs a line of our own, which always has room.
    pub(crate) fn say(&self, text: impl Into<String>) {
        let text = self.mask().apply_to(text.into());
        self.journal.push(
            &self.step,
            self.of_try,
            vec![said(text, false)],
            Hold::default(),
        );
    }

    /// Says that the output ends here although it may have gone on.
    pub(crate) fn cut_off(&self) {
        let text = "what the step wrote last is missing here: it could not be shipped in time";
        self.journal.push(
            &self.step,
            self.of_try,
            vec![said(text.into(), true)],
            Hold::default(),
        );
    }

    /// Says what is left to say, and ships it all.
    pub(crate) fn close(&self) {
        self.say_what_was_dropped();
        self.journal.hurry();
    }

    /// The lines that the run's quota takes; says so once when it takes no more.
    fn within_quota(&self, mut lines: Vec<Line>) -> Option<Vec<Line>> {
        let quota = &self.journal.quota;
        let fitting = lines
            .iter()
            .take_while(|line| quota.take(line.text.len()))
            .count();
        if fitting < lines.len() {
            metrics::counter!("penstock_log_lines_dropped_total", "why" => "quota")
                .increment((lines.len() - fitting) as u64);
            lines.truncate(fitting);
            if let Some(text) = quota.used_up() {
                lines.push(said(text, true));
            }
        }
        (!lines.is_empty()).then_some(lines)
    }

    async fn admit(&self, weight: usize) -> Admission {
        let logs = &self.journal.logs;
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        loop {
            if let Some(hold) = try_hold(&self.journal.memory, &logs.memory, weight) {
                return Admission::Granted(hold);
            }
            if logs.is_full() {
                return Admission::Refused;
            }
            tokio::select! {
                hold = hold(&self.journal.memory, &logs.memory, weight) => {
                    return hold.map_or(Admission::Refused, Admission::Granted);
                }
                () = logs.full() => {}
            }
        }
    }

    fn drop_lines(&self, lines: &[Line]) {
        metrics::counter!("penstock_log_lines_dropped_total", "why" => "spool")
            .increment(lines.len() as u64);
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.lines += lines.len();
        dropped.bytes += lines.iter().map(|line| line.text.len()).sum::<usize>();
    }

    fn say_what_was_dropped(&self) {
        let dropped =
            std::mem::take(&mut *self.dropped.lock().unwrap_or_else(PoisonError::into_inner));
        if dropped.lines > 0 {
            let text = format!(
                "{} lines ({} bytes) are missing here: the bus was away and the spool was full",
                dropped.lines, dropped.bytes
            );
            self.journal.push(
                &self.step,
                self.of_try,
                vec![said(text, true)],
                Hold::default(),
            );
        }
    }
}

/// Notes the first warning.
fn note_warning(warning: &mut Option<String>, lines: &[Line]) {
    if warning.is_none() {
        *warning = lines
            .iter()
            .find_map(|line| steps::warning::text(&line.text))
            .map(str::to_owned);
    }
}

fn try_hold(attempt: &Arc<Semaphore>, executor: &Arc<Semaphore>, weight: u32) -> Option<Hold> {
    let attempt = attempt.clone().try_acquire_many_owned(weight).ok()?;
    let executor = executor.clone().try_acquire_many_owned(weight).ok()?;
    Some(Hold::of(attempt, executor))
}

/// Waits for memory; nothing if there can never be so much.
async fn hold(attempt: &Arc<Semaphore>, executor: &Arc<Semaphore>, weight: u32) -> Option<Hold> {
    let attempt: OwnedSemaphorePermit = attempt.clone().acquire_many_owned(weight).await.ok()?;
    let executor = executor.clone().acquire_many_owned(weight).await.ok()?;
    Some(Hold::of(attempt, executor))
}
