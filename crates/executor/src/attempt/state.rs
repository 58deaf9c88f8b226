//! What an attempt does on hearing something, decided without I/O.
//!
//! Grants, ends of steps, stops and answers come in any order; [`State::hear`] takes one in and
//! says what is to be done. Whatever came before, it ends in looking at what is.
//!
//! **Invariants:** a try starts once (a grant that is repeated changes nothing). Under a stop
//! nothing starts but finalizers, under a kill nothing at all (I8). One report is under way at a
//! time, and every try that ended is in one. An attempt that isn't ours any more reports nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How hard a stop is; the order is that of escalation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// None was asked for.
    #[default]
    None,
    /// Running steps finish, finalizers run.
    Graceful,
    /// Running steps are ended, finalizers run.
    Cancel,
    /// Running steps are killed, nothing runs.
    Kill,
}

/// Whether the attempt stays with us; the order is that of finality.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// It does.
    #[default]
    Own,
    /// It is to be given back: what runs is ended first.
    HandedBack,
    /// It is not ours any more: what runs is killed, and nothing is said.
    Forgotten,
}

/// One try of one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Try {
    pub(crate) step: String,
    pub(crate) number: u32,
}

/// What an attempt hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Its own beginning, or the answer to a report.
    Answer(Answer),
    /// A try has ended, and its outcome is known.
    Finished(Try),
    /// A try was cut because the lease was about to lapse: what became of it isn't its own doing.
    Cut(Try),
    /// A try ended without an outcome, by a fault of ours. What else runs ends with the attempt.
    Broken,
    /// What others have said up to now.
    Ordered(Stop, Fate),
    /// It is time to report again.
    Due,
}

/// What `pipeline` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) granted: Vec<Try>,
    pub(crate) stop: Stop,
    pub(crate) end: Option<End>,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// There is nothing left to do for it.
    Over {
        /// Nor for its run.
        run_ended: bool,
        /// Another run may go on in its workspace.
        workspace_kept: bool,
    },
    /// It was over before: what we did since counts for nothing.
    Refused,
    /// It is given back.
    HandedBack,
    /// What became of it can't be told.
    Lost,
    /// It is not ours any more.
    Forgotten,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Start this try.
    Start(Try),
    /// Report this try as cancelled; it never started.
    Skip(Try),
    /// End this try's processes, because it goes on elsewhere.
    Leave(Try),
    /// End this try.
    Term(Try),
    /// Kill this try's processes, because it isn't ours any more.
    Drop(Try),
    /// Kill this try.
    Kill(Try),
    /// Report all tries that ended or were skipped since the last report.
    Report,
    /// Nothing runs any more.
    End(End),
}

/// How a running try was told to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    #[default]
    Nothing,
    Leave,
    Term,
    Drop,
    Kill,
}

#[derive(Debug)]
struct Running {
    /// The stop that held when it started: only a harder one touches it.
    under: Stop,
    told: Told,
}

/// An attempt as it is.
#[derive(Debug)]
pub(crate) struct State {
    finalizers: BTreeSet<String>,
    parallel: usize,
    stop: Stop,
    /// What is to become of it; decided once, and final.
    end: Option<End>,
    waiting: VecDeque<Try>,
    running: BTreeMap<Try, Running>,
    /// The latest try of each step that was granted.
    latest: BTreeMap<String, u32>,
    unreported: usize,
    is_reporting: bool,
    is_report_due: bool,
    has_ended: bool,
}

impl State {
    /// An attempt of a plan with these finalizers, that runs up to `parallel` steps at a time.
    pub(crate) fn new(finalizers: BTreeSet<String>, parallel: usize) -> Self {
        Self {
            finalizers,
            parallel: parallel.max(1),
            stop: Stop::None,
            end: None,
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            latest: BTreeMap::new(),
            unreported: 0,
            is_reporting: false,
            is_report_due: false,
            has_ended: false,
        }
    }

    /// Whether nothing runs or is under way, so that only others can make anything happen.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty() && !self.is_reporting
    }

    /// Takes in what was heard, and says what is to be done, in this order.
    pub(crate) fn hear(&mut self, heard: Heard) -> Vec<Deed> {
        match heard {
            Heard::Answer(answer) => self.answered(answer),
            Heard::Finished(ended) => {
                self.running.remove(&ended);
                // A try that ended because the attempt does has no result to tell.
                self.unreported += usize::from(self.end.is_none());
            }
            Heard::Cut(ended) => {
                self.running.remove(&ended);
                self.lose();
            }
            Heard::Broken => {
                self.running.clear();
                self.lose();
            }
            Heard::Ordered(stop, fate) => self.ordered(stop, fate),
            Heard::Due => self.is_report_due = true,
        }
        self.settle()
    }

    /// What became of it can't be told; what was decided before stays, unless it is to go on
    /// elsewhere as if nothing had happened.
    fn lose(&mut self) {
        if matches!(self.end, None | Some(End::HandedBack)) {
            self.end = Some(End::Lost);
        }
    }

    fn answered(&mut self, answer: Answer) {
        self.is_reporting = false;
        self.stop = self.stop.max(answer.stop);
        if answer.end.is_some() && self.end != Some(End::Forgotten) {
            self.end = answer.end;
        }
        for granted in answer.granted {
            let latest = self.latest.entry(granted.step.clone()).or_default();
            if granted.number > *latest {
                *latest = granted.number;
                self.waiting.push_back(granted);
            }
        }
    }

    fn ordered(&mut self, stop: Stop, fate: Fate) {
        if stop > self.stop {
            self.stop = stop;
            // Between steps nobody else would tell `pipeline` that the attempt has stopped.
            self.is_report_due |= self.is_idle();
        }
        match fate {
            Fate::Own => {}
            Fate::HandedBack => {
                self.end.get_or_insert(End::HandedBack);
            }
            Fate::Forgotten => self.end = Some(End::Forgotten),
        }
    }

    /// Looks at what is.
    fn settle(&mut self) -> Vec<Deed> {
        let mut deeds = Vec::new();
        if self.has_ended {
            return deeds;
        }
        if self.end.is_some() {
            self.waiting.clear();
        }
        self.begin(&mut deeds);
        self.cut(&mut deeds);
        match self.end {
            None => self.report(&mut deeds),
            Some(end) => self.part(end, &mut deeds),
        }
        deeds
    }

    fn begin(&mut self, deeds: &mut Vec<Deed>) {
        while self.running.len() < self.parallel
            && let Some(granted) = self.waiting.pop_front()
        {
            if self.may_start(&granted.step) {
                let running = Running {
                    under: self.stop,
                    told: Told::Nothing,
                };
                self.running.insert(granted.clone(), running);
                deeds.push(Deed::Start(granted));
            } else {
                self.unreported += 1;
                deeds.push(Deed::Skip(granted));
            }
        }
    }

    fn may_start(&self, step: &str) -> bool {
        match self.stop {
            Stop::None => true,
            Stop::Graceful | Stop::Cancel => self.finalizers.contains(step),
            Stop::Kill => false,
        }
    }

    fn cut(&mut self, deeds: &mut Vec<Deed>) {
        for (running, how) in &mut self.running {
            let wanted = wanted(self.end, self.stop, how.under);
            if wanted > how.told {
                how.told = wanted;
                deeds.push(match wanted {
                    Told::Leave => Deed::Leave(running.clone()),
                    Told::Term => Deed::Term(running.clone()),
                    Told::Drop => Deed::Drop(running.clone()),
                    Told::Kill | Told::Nothing => Deed::Kill(running.clone()),
                });
            }
        }
    }

    fn report(&mut self, deeds: &mut Vec<Deed>) {
        if !self.is_reporting && (self.unreported > 0 || self.is_report_due) {
            (self.is_reporting, self.is_report_due, self.unreported) = (true, false, 0);
            deeds.push(Deed::Report);
        }
    }

    fn part(&mut self, end: End, deeds: &mut Vec<Deed>) {
        // What is under way may still count before the attempt is given back; not otherwise.
        let waits_for_answer = end == End::HandedBack && self.is_reporting;
        if self.running.is_empty() && !waits_for_answer {
            self.has_ended = true;
            deeds.push(Deed::End(end));
        }
    }
}

/// How a try that started under one stop is to be told to end, given what holds now.
///
/// Processes end either way; what a try has started in an outside tool ends only by a stop.
fn wanted(end: Option<End>, stop: Stop, under: Stop) -> Told {
    let is_stopped = stop > under;
    match (end, stop) {
        (
            Some(End::Over { .. } | End::Refused | End::Lost | End::Forgotten),
            Stop::Cancel | Stop::Kill,
        ) if is_stopped => Told::Kill,
        (Some(End::Over { .. } | End::Refused | End::Lost | End::Forgotten), _) => Told::Drop,
        (_, Stop::Kill) if is_stopped => Told::Kill,
        (_, Stop::Cancel) if is_stopped => Told::Term,
        (Some(End::HandedBack), _) => Told::Leave,
        (None, Stop::None | Stop::Graceful | Stop::Cancel | Stop::Kill) => Told::Nothing,
    }
}

#[cfg(test)]
mod tests;
