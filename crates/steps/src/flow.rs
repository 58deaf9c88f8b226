//! Decides which steps of a run start next, and what has become of the run.
//!
//! Pure: the caller supplies the time, holds the run's row, and writes down all of one answer before it asks again.
//! What this keeps true, whatever is reported in whatever order:
//! - a step starts only after its needs have ended well, a finalizer only after all other steps have ended;
//! - a step that is done outside of executors is opened and not started, by the same rules;
//! - once a step has failed or a stop was accepted, only finalizers start; once a kill was, nothing does;
//! - asking and answering comes to an end: a run is done exactly when nothing runs, waits or can start.

use crate::plan::{Plan, Step};
use crate::retry;

/// Where a step of a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepState {
    /// It waits for its turn.
    #[default]
    Pending,
    /// A try was granted and has not been reported.
    Running,
    /// It is open: people, or others outside of executors, are awaited.
    Waiting {
        /// When that ends as a failure, in milliseconds of the caller's clock.
        until_ms: Option<i64>,
    },
    /// A try failed and the next one is due.
    Retrying {
        /// When, in milliseconds of the caller's clock.
        due_ms: i64,
    },
    /// It ended well.
    Succeeded,
    /// It ended well, and warned.
    Warned,
    /// Its last try failed or timed out.
    Failed,
    /// It was ended by a stop.
    Cancelled,
    /// It never started: not enabled, or the run ended before its turn.
    Skipped,
}

impl StepState {
    /// Whether nothing will become of it any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Running | Self::Waiting { .. } | Self::Retrying { .. } => false,
            Self::Succeeded | Self::Warned | Self::Failed | Self::Cancelled | Self::Skipped => true,
        }
    }
}

/// What is known of a step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Where it is.
    pub state: StepState,
    /// How often it was started.
    pub tries: u32,
    /// How many of these tries failed or timed out.
    pub failures: u32,
}

/// What may start in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// All steps.
    Normal,
    /// A step has failed: finalizers.
    Failing,
    /// A graceful stop or a cancel was accepted: finalizers.
    Stopping,
    /// A kill was accepted: nothing.
    Killing,
}

/// What to do next. Steps are named by their index in the plan, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Next {
    /// Steps to start a try of.
    pub start: Vec<usize>,
    /// Steps to open, which are done outside of executors.
    pub open: Vec<usize>,
    /// Steps that are [`StepState::Skipped`] now: not enabled, or their turn can't come any more.
    pub skip: Vec<usize>,
    /// Steps that were tried and will not be tried again, and gates that nobody decides on any more. They have [`StepState::Failed`] while the run is in
    /// [`Phase::Normal`] or [`Phase::Failing`], and are [`StepState::Cancelled`] otherwise.
    pub abandon: Vec<usize>,
    /// When the earliest retry is due that was not due yet.
    pub wake_ms: Option<i64>,
    /// Nothing runs, waits or starts: the run has its [`outcome`].
    pub done: bool,
}

/// What has become of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps ended well.
    Succeeded,
    /// All steps ended well, and some warned.
    Warned,
    /// A step or finalizer failed.
    Failed,
    /// A stop was accepted.
    Cancelled,
}

/// Decides what to do next in a run. `steps` is in the order of the plan; a missing one is pending.
pub fn next(plan: &Plan, steps: &[Progress], phase: Phase, now_ms: i64) -> Next {
    let mut flow = Flow::new(plan, steps, now_ms);
    match phase {
        Phase::Normal if flow.has_failed() => flow.end(false),
        Phase::Normal => flow.advance(false),
        Phase::Failing | Phase::Stopping => flow.end(false),
        Phase::Killing => {
            flow.end(false);
            flow.end(true);
        }
    }
    if flow.has_ended(false) && phase != Phase::Killing {
        flow.advance(true);
    }
    flow.next.done = flow.has_ended(false) && flow.has_ended(true);
    flow.next.skip.sort_unstable();
    flow.next.abandon.sort_unstable();
    flow.next
}

/// What has become of a run that is done. Before that it says what would become of it if all else ended well.
pub fn outcome(plan: &Plan, steps: &[Progress], phase: Phase) -> Outcome {
    if matches!(phase, Phase::Stopping | Phase::Killing) {
        return Outcome::Cancelled;
    }
    let mut outcome = if phase == Phase::Failing {
        Outcome::Failed
    } else {
        Outcome::Succeeded
    };
    for (step, progress) in plan.steps.iter().zip(steps) {
        match progress.state {
            StepState::Failed | StepState::Cancelled => return Outcome::Failed,
            StepState::Skipped if step.enabled => return Outcome::Failed,
            StepState::Warned if outcome == Outcome::Succeeded => outcome = Outcome::Warned,
            StepState::Pending
            | StepState::Running
            | StepState::Waiting { .. }
            | StepState::Retrying { .. }
            | StepState::Succeeded
            | StepState::Warned
            | StepState::Skipped => {}
        }
    }
    outcome
}

impl Step {
    /// Where the step is after a try failed or timed out. `failures` counts that try; `random` is from 0 to 1.
    pub fn after_failure(&self, failures: u32, now_ms: i64, random: f64) -> StepState {
        match self.retry.as_ref().filter(|retry| retry.allows(failures)) {
            Some(retry) => {
                let delay = retry::delay(retry, failures, random).as_millis();
                let delay = i64::try_from(delay).unwrap_or(i64::MAX);
                StepState::Retrying {
                    due_ms: now_ms.saturating_add(delay),
                }
            }
            None => StepState::Failed,
        }
    }
}

/// One decision in the making. Steps and finalizers are two groups, told apart by `always`.
struct Flow<'a> {
    plan: &'a Plan,
    /// As they were reported, and then as this decision leaves them. What starts counts as running.
    states: Vec<StepState>,
    tried: &'a [Progress],
    now_ms: i64,
    next: Next,
}

impl<'a> Flow<'a> {
    fn new(plan: &'a Plan, tried: &'a [Progress], now_ms: i64) -> Self {
        let reported = tried.iter().map(|progress| progress.state);
        let states = reported
            .chain(std::iter::repeat(StepState::Pending))
            .take(plan.steps.len());
        Self {
            plan,
            states: states.collect(),
            tried,
            now_ms,
            next: Next::default(),
        }
    }

    fn group(&self, always: bool) -> impl Iterator<Item = usize> + use<'a> {
        let steps = self.plan.steps.iter().enumerate();
        steps
            .filter(move |(_, step)| step.always == always)
            .map(|(index, _)| index)
    }

    fn has_failed(&self) -> bool {
        let has_failed =
            |index| matches!(self.states[index], StepState::Failed | StepState::Cancelled);
        self.group(false).any(has_failed)
    }

    fn has_ended(&self, always: bool) -> bool {
        self.group(always)
            .all(|index| self.states[index].is_final())
    }

    /// Ends what has not started or waits for its next try; what runs may finish.
    fn end(&mut self, always: bool) {
        for index in self.group(always) {
            match self.states[index] {
                StepState::Pending => self.give_up(index),
                StepState::Retrying { .. } => self.abandon(index),
                StepState::Waiting { .. } if self.plan.steps[index].kind.gate().is_some() => {
                    self.abandon(index);
                }
                StepState::Running
                | StepState::Waiting { .. }
                | StepState::Succeeded
                | StepState::Warned
                | StepState::Failed
                | StepState::Cancelled
                | StepState::Skipped => {}
            }
        }
    }

    /// Starts what is due, and skips what is not enabled when its turn has come.
    fn advance(&mut self, always: bool) {
        let mut turn = Turn::new(self.plan, &self.states);
        let mut is_at_rest = true;
        for index in self.group(always) {
            match self.states[index] {
                StepState::Pending if turn.has_come(index) => {
                    is_at_rest &= !self.plan.steps[index].enabled;
                    self.take_turn(index);
                }
                StepState::Retrying { due_ms } => {
                    if due_ms <= self.now_ms {
                        self.next.start.push(index);
                    } else {
                        let wake_ms = self
                            .next
                            .wake_ms
                            .map_or(due_ms, |wake_ms| wake_ms.min(due_ms));
                        self.next.wake_ms = Some(wake_ms);
                    }
                    is_at_rest = false;
                }
                StepState::Running | StepState::Waiting { .. } => is_at_rest = false,
                StepState::Pending
                | StepState::Succeeded
                | StepState::Warned
                | StepState::Failed
                | StepState::Cancelled
                | StepState::Skipped => {}
            }
        }
        for index in &self.next.start {
            self.states[*index] = StepState::Running;
        }
        for index in &self.next.open {
            self.states[*index] = StepState::Waiting { until_ms: None };
        }
        for index in &self.next.skip {
            self.states[*index] = StepState::Skipped;
        }
        // Only a need that was skipped though enabled leaves something here; it must not keep the run for ever.
        if is_at_rest {
            self.end(always);
        }
    }

    fn take_turn(&mut self, index: usize) {
        let step = &self.plan.steps[index];
        let turns = match (step.enabled, step.kind.is_outside()) {
            (false, _) => &mut self.next.skip,
            (true, false) => &mut self.next.start,
            (true, true) => &mut self.next.open,
        };
        turns.push(index);
    }

    fn give_up(&mut self, index: usize) {
        if self
            .tried
            .get(index)
            .is_some_and(|progress| progress.tries > 0)
        {
            self.abandon(index);
        } else {
            self.next.skip.push(index);
            self.states[index] = StepState::Skipped;
        }
    }

    fn abandon(&mut self, index: usize) {
        self.next.abandon.push(index);
        self.states[index] = StepState::Failed;
    }
}

/// Finds out whose turn has come, looking through steps that are not enabled. Each step is looked at once.
struct Turn<'a> {
    plan: &'a Plan,
    states: Vec<StepState>,
    known: Vec<Option<bool>>,
}

impl<'a> Turn<'a> {
    fn new(plan: &'a Plan, states: &[StepState]) -> Self {
        Self {
            plan,
            states: states.to_vec(),
            known: vec![None; states.len()],
        }
    }

    /// Whether the step's needs leave it free to start. Memory of the answer makes a plan with a cycle harmless.
    fn has_come(&mut self, index: usize) -> bool {
        if let Some(known) = self.known[index] {
            return known;
        }
        self.known[index] = Some(false);
        let step = &self.plan.steps[index];
        let has_come = step
            .needs
            .iter()
            .all(|need| self.is_over(*need, step.always));
        self.known[index] = Some(has_come);
        has_come
    }

    /// Whether a needed step is over in the way that is needed: well, or for a finalizer in any way.
    fn is_over(&mut self, need: usize, in_any_way: bool) -> bool {
        let Some(step) = self.plan.steps.get(need) else {
            return false;
        };
        match self.states[need] {
            StepState::Succeeded | StepState::Warned => true,
            StepState::Skipped => in_any_way || !step.enabled,
            StepState::Failed | StepState::Cancelled => in_any_way,
            StepState::Pending => !step.enabled && self.has_come(need),
            StepState::Running | StepState::Waiting { .. } | StepState::Retrying { .. } => false,
        }
    }
}
