//! What is announced of a run's news, as messages.

use contracts::message::{
    self, AttemptBegan, AttemptEnded, GateDecided, RunChanged, RunRequested, StepChanged,
    StepRequested, StepSaid, StepStopRequested, StopRequested,
};
use outbox::Announcement;
use steps::flow::StepState;

use crate::Error;
use crate::entity::run;
use crate::record;
use crate::request::RequestId;
use crate::run::{Actor, AttemptEnd, Decision, EndCause, Holder, News, Run, StopMode};
use crate::state::State;

/// The messages that tell of `news`, in its order.
pub(crate) fn announcements(
    row: &run::Model,
    run: &Run,
    news: &[News],
    now_ms: i64,
) -> Result<Vec<Announcement>, Error> {
    let begun = news.iter().find_map(|item| match item {
        News::Began(_, holder) => Some(holder.executor.as_str()),
        News::Changed { .. }
        | News::Requested(_)
        | News::StopRequested
        | News::Ended(..)
        | News::Step(_)
        | News::Decided(_)
        | News::Said { .. }
        | News::Recalled(_) => None,
    });
    let executor = begun.or(row.executor.as_deref()).unwrap_or_default();
    let teller = Teller {
        row,
        run,
        executor,
        now_ms,
    };
    news.iter().map(|item| teller.tell(item)).collect()
}

struct Teller<'a> {
    row: &'a run::Model,
    run: &'a Run,
    /// Who has, or had, the attempt.
    executor: &'a str,
    now_ms: i64,
}

impl Teller<'_> {
    fn tell(&self, item: &News) -> Result<Announcement, Error> {
        Ok(match item {
            News::Changed { from, to } => Announcement::of(&self.changed(*from, *to)?)?,
            News::Requested(attempt) => Announcement::of(&self.requested(*attempt))?,
            News::StopRequested => Announcement::of(&self.stop_requested())?,
            News::Began(attempt, holder) => Announcement::of(&self.began(*attempt, holder))?,
            News::Ended(attempt, how) => Announcement::of(&self.ended(*attempt, *how))?,
            News::Step(position) => Announcement::of(&self.step(*position))?,
            News::Decided(decision) => Announcement::of(&self.decided(decision))?,
            News::Said { position, lines } => Announcement::of(&self.said(*position, lines))?,
            News::Recalled(position) => Announcement::of(&self.recalled(*position))?,
        })
    }

    fn changed(&self, from: State, to: State) -> Result<RunChanged, Error> {
        let actor = match (&self.run.stop, &self.run.ended_by) {
            (_, Some(actor)) if self.run.cause == Some(EndCause::Rejected) => actor.clone(),
            (Some(stop), _) => stop.actor.clone(),
            (None, _) => record::from_json(&self.row.started_by)?,
        };
        Ok(RunChanged {
            run_id: self.row.id.clone(),
            pipeline_id: self.row.pipeline_id.clone(),
            run_count: self.row.run_count,
            from: state(from).into(),
            to: state(to).into(),
            attempt: self.run.attempt,
            at_ms: self.now_ms,
            cause: if to.is_final() {
                self.run.cause.map_or(0, |it| cause(it).into())
            } else {
                0
            },
            actor: Some(actor_message(&actor)),
            reason: self.run.reason.clone(),
            last_seq: if to.is_final() { self.run.last_seq } else { 0 },
            schedule_id: self.row.schedule_id.clone().unwrap_or_default(),
            slot: self.row.slot.clone().unwrap_or_default(),
            silent: self.row.silent,
        })
    }

    fn requested(&self, attempt: u32) -> RunRequested {
        RunRequested {
            run_id: self.row.id.clone(),
            pipeline_id: self.row.pipeline_id.clone(),
            run_count: self.row.run_count,
            attempt,
            // It holds its place already.
            concurrency: 0,
            priority: 0,
            requested_at_ms: self.now_ms,
            order_number: self.row.order_number,
        }
    }

    fn stop_requested(&self) -> StopRequested {
        let stop = self.run.stop.as_ref();
        StopRequested {
            run_id: self.row.id.clone(),
            pipeline_id: self.row.pipeline_id.clone(),
            run_count: self.row.run_count,
            mode: stop_mode(stop.map(|it| it.mode)).into(),
            reason: stop.map(|it| it.reason.clone()).unwrap_or_default(),
            actor: stop.map(|it| actor_message(&it.actor)),
        }
    }

    fn began(&self, attempt: u32, holder: &Holder) -> AttemptBegan {
        AttemptBegan {
            run_id: self.row.id.clone(),
            pipeline_id: self.row.pipeline_id.clone(),
            attempt,
            executor: holder.executor.clone(),
            at_ms: self.now_ms,
            waited: self.run.waited && attempt == 1,
        }
    }

    fn ended(&self, attempt: u32, how: AttemptEnd) -> AttemptEnded {
        let how = match how {
            AttemptEnd::Finished => message::AttemptEnd::Finished,
            AttemptEnd::HandedBack => message::AttemptEnd::HandedBack,
            AttemptEnd::Lost => message::AttemptEnd::Lost,
        };
        AttemptEnded {
            run_id: self.row.id.clone(),
            pipeline_id: self.row.pipeline_id.clone(),
            attempt,
            executor: self.executor.to_owned(),
            how: how.into(),
            at_ms: self.now_ms,
            last_seq: self.run.last_seq,
        }
    }

    fn step(&self, position: usize) -> StepChanged {
        let step = &self.run.steps[position];
        StepChanged {
            run_id: self.row.id.clone(),
            pipeline_id: self.row.pipeline_id.clone(),
            attempt: self.run.attempt,
            step_id: self.run.plan.steps[position].id.clone(),
            r#try: step.progress.tries,
            state: step_state(step.progress.state).into(),
            at_ms: self.now_ms,
            exit_code: step.exit_code,
            message: step.message.clone(),
        }
    }
}

impl Teller<'_> {
    fn decided(&self, decision: &Decision) -> GateDecided {
        GateDecided {
            run_id: self.row.id.clone(),
            pipeline_id: self.row.pipeline_id.clone(),
            step_id: self.run.plan.steps[decision.position].id.clone(),
            approved: decision.approved,
            actor: Some(actor_message(&decision.actor)),
            message: decision.message.clone(),
            at_ms: self.now_ms,
        }
    }
}

impl Teller<'_> {
    fn said(&self, position: usize, lines: &[String]) -> StepSaid {
        StepSaid {
            run_id: self.row.id.clone(),
            pipeline_id: self.row.pipeline_id.clone(),
            attempt: self.run.attempt,
            step_id: self.run.plan.steps[position].id.clone(),
            r#try: self.run.steps[position].progress.tries,
            at_ms: self.now_ms,
            lines: lines.to_vec(),
        }
    }

    fn recalled(&self, position: usize) -> StepStopRequested {
        let step = &self.run.steps[position];
        let of_try = step.progress.tries;
        let request = request_id(self.row, self.run, position);
        let until_ms = self.run.awaited_until(position);
        let stop = self.run.stop.as_ref();
        StepStopRequested {
            request_id: request.to_string(),
            run_id: request.run_id,
            pipeline_id: self.row.pipeline_id.clone(),
            run_count: self.row.run_count,
            step_id: request.step_id,
            r#try: of_try,
            mode: stop_mode(Some(stop.map_or(StopMode::Cancel, |it| it.mode))).into(),
            reason: stop.map_or_else(|| step.message.clone(), |it| it.reason.clone()),
            actor: stop.map(|it| actor_message(&it.actor)),
            at_ms: self.now_ms,
            over: until_ms.is_none(),
            until_ms: until_ms.unwrap_or_default(),
        }
    }
}

/// What is requested of whoever serves the latest try of a step, as far as the run says it.
pub(crate) fn step_requested(row: &run::Model, run: &Run, position: usize) -> StepRequested {
    let request = request_id(row, run, position);
    StepRequested {
        request_id: request.to_string(),
        run_id: request.run_id,
        pipeline_id: row.pipeline_id.clone(),
        run_count: row.run_count,
        step_id: request.step_id,
        r#try: request.of_try,
        ..StepRequested::default()
    }
}

/// What the latest try of a step is called where it is requested outside.
fn request_id(row: &run::Model, run: &Run, position: usize) -> RequestId {
    RequestId {
        run_id: row.id.clone(),
        step_id: run.plan.steps[position].id.clone(),
        of_try: run.steps[position].progress.tries,
    }
}

/// The actor as a message holds it.
pub(crate) fn actor_message(actor: &Actor) -> message::Actor {
    message::Actor {
        user_id: actor.user_id.clone(),
        name: actor.name.clone(),
        token_id: actor.token_id.clone(),
        email: actor.email.clone(),
    }
}

/// The state as a message names it.
pub(crate) fn state(state: State) -> message::RunState {
    match state {
        State::Queued => message::RunState::Queued,
        State::Running => message::RunState::Running,
        State::Waiting => message::RunState::Waiting,
        State::Cancelling => message::RunState::Cancelling,
        State::Failing => message::RunState::Failing,
        State::Succeeded => message::RunState::Succeeded,
        State::Warned => message::RunState::Warned,
        State::Failed => message::RunState::Failed,
        State::Cancelled => message::RunState::Cancelled,
    }
}

/// The step's state as a message names it.
pub(crate) fn step_state(state: StepState) -> message::StepState {
    match state {
        StepState::Pending => message::StepState::Pending,
        StepState::Running => message::StepState::Running,
        StepState::Waiting { .. } => message::StepState::Waiting,
        StepState::Retrying { .. } => message::StepState::Retrying,
        StepState::Succeeded => message::StepState::Succeeded,
        StepState::Warned => message::StepState::Warned,
        StepState::Failed => message::StepState::Failed,
        StepState::Cancelled => message::StepState::Cancelled,
        StepState::Skipped => message::StepState::Skipped,
    }
}

/// The cause as a message names it.
pub(crate) fn cause(cause: EndCause) -> message::EndCause {
    match cause {
        EndCause::Completed => message::EndCause::Completed,
        EndCause::StepFailed => message::EndCause::StepFailed,
        EndCause::StepTimedOut => message::EndCause::StepTimedOut,
        EndCause::ExecutorLost => message::EndCause::ExecutorLost,
        EndCause::Stopped => message::EndCause::Stopped,
        EndCause::Reset => message::EndCause::Reset,
        EndCause::Rejected => message::EndCause::Rejected,
    }
}

/// The mode as a message names it; unspecified without a stop.
pub(crate) fn stop_mode(mode: Option<StopMode>) -> message::StopMode {
    match mode {
        None => message::StopMode::Unspecified,
        Some(StopMode::Graceful) => message::StopMode::Graceful,
        Some(StopMode::Cancel) => message::StopMode::Cancel,
        Some(StopMode::Kill) => message::StopMode::Kill,
    }
}
