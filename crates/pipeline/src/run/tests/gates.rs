//! Runs that wait for people.

use super::*;
use StepState::{Cancelled, Failed, Pending, Skipped, Succeeded, Waiting};

const GATED: &str = "
name: gated
steps:
  - {id: build, run: 'true'}
  - {id: go, approval: {message: Publish?, approvers: 2, selfApproval: false}, timeout: 1s}
  - {id: publish, run: 'true'}
  - {id: clean, run: 'true', always: true}
";
const OPEN: StepState = Waiting {
    until_ms: Some(1001),
};

pub(super) fn decision(position: usize, approved: bool, who: &str) -> Decision {
    Decision {
        position,
        approved,
        actor: Actor {
            user_id: who.into(),
            name: who.into(),
            ..Actor::default()
        },
        message: String::new(),
    }
}

fn waiting() -> Run {
    let mut run = run(GATED);
    run.begin(1, holder(1), 1);
    run.grant(1);
    assert!(end_step(&mut run, 0, Outcome::Succeeded).is_empty());
    run
}

fn states(run: &Run) -> Vec<StepState> {
    run.steps.iter().map(|it| it.progress.state).collect()
}

#[test]
fn a_run_at_a_gate_holds_its_place_and_no_executor() {
    let run = waiting();
    assert_eq!(run.state, State::Waiting);
    assert_eq!(states(&run), [Succeeded, OPEN, Pending, Pending]);
    assert!(run.holds_place() && run.holder.is_none() && !run.is_queued());
    assert!(run.news.contains(&News::Ended(1, AttemptEnd::Finished)));
    assert_eq!(run.steps[1].message, "Publish?");
    assert!(run.is_at_gate());
}

#[test]
fn as_many_people_as_a_gate_asks_for_let_the_run_go_on() {
    let mut run = waiting();
    run.decide(&decision(1, true, "ann"), 0, false, 5).unwrap();
    assert_eq!(run.state, State::Waiting);
    run.decide(&decision(1, true, "bob"), 1, false, 6).unwrap();
    assert_eq!((run.state, run.is_queued()), (State::Queued, true));
    assert_eq!(run.steps[1].message, "approved by bob");
    assert!(run.news.contains(&News::Requested(2)));
    assert_eq!(run.begin(2, holder(2), 7), Verdict::Begun);
    assert_eq!(run.grant(7), [2]);
    assert_eq!(end_step(&mut run, 2, Outcome::Succeeded), [3]);
    end_step(&mut run, 3, Outcome::Succeeded);
    assert_eq!(run.state, State::Succeeded);
}

#[test]
fn who_started_the_run_may_not_approve_it_where_the_gate_says_so_but_may_reject_it() {
    let mut run = waiting();
    let own = run.decide(&decision(1, true, "ann"), 1, true, 5);
    assert_eq!(own, Err(Refusal::OwnRun));
    assert_eq!(run.decide(&decision(1, false, "ann"), 1, true, 5), Ok(()));
    assert_eq!(run.state, State::Failing);
}

#[test]
fn one_who_rejects_fails_the_run_after_its_finalizers() {
    let mut run = waiting();
    run.decide(&decision(1, false, "eve"), 0, false, 5).unwrap();
    assert_eq!((run.state, run.is_queued()), (State::Failing, true));
    assert_eq!(states(&run), [Succeeded, Failed, Skipped, Pending]);
    assert_eq!(run.begin(2, holder(2), 7), Verdict::Begun);
    assert_eq!(run.grant(7), [3]);
    end_step(&mut run, 3, Outcome::Succeeded);
    assert_eq!(
        (run.state, run.cause),
        (State::Failed, Some(EndCause::Rejected))
    );
    assert_eq!(run.reason, "step go was rejected by eve");
    assert_eq!(run.ended_by.unwrap().user_id, "eve");
}

#[test]
fn a_closed_gate_takes_no_decision() {
    let mut run = waiting();
    run.stop(graceful(StopMode::Graceful), 2);
    let late = run.decide(&decision(1, true, "ann"), 1, false, 5);
    assert_eq!(late, Err(Refusal::NotOpen));
    let no_gate = run.decide(&decision(0, true, "ann"), 1, false, 5);
    assert_eq!(no_gate, Err(Refusal::NotOpen));
}

#[test]
fn a_stop_closes_the_gate_and_lets_only_the_finalizer_run() {
    let mut run = waiting();
    run.stop(graceful(StopMode::Graceful), 2);
    assert_eq!((run.state, run.is_queued()), (State::Cancelling, true));
    assert_eq!(states(&run), [Succeeded, Cancelled, Skipped, Pending]);
    let mut killed = waiting();
    killed.stop(graceful(StopMode::Kill), 2);
    assert_eq!(killed.state, State::Cancelled);
}

#[test]
fn a_gate_fails_when_its_time_is_over() {
    let mut run = waiting();
    run.end_overdue(1000);
    assert_eq!(run.state, State::Waiting);
    run.end_overdue(1001);
    assert_eq!(
        (run.state, run.cause),
        (State::Failing, Some(EndCause::StepTimedOut))
    );
    assert_eq!(
        run.steps[1].message,
        "it was open for 1s, which is its time"
    );
}

#[test]
fn a_run_that_begins_and_ends_with_a_gate_needs_no_second_attempt() {
    let mut run = run("{name: x, steps: [{id: go, approval: {}}]}");
    assert_eq!(run.begin(1, holder(1), 1), Verdict::Over);
    assert_eq!(run.state, State::Waiting);
    run.decide(&decision(0, true, "ann"), 0, true, 5).unwrap();
    assert_eq!(run.state, State::Succeeded);
}

const BESIDE: &str = "
name: beside
steps:
  - {id: work, needs: [], run: 'true'}
  - {id: go, needs: [], approval: {}}
  - {id: publish, needs: [go], run: 'true'}
";

#[test]
fn what_runs_beside_a_gate_goes_on_and_the_executor_looks_again() {
    let mut run = run(BESIDE);
    run.begin(1, holder(1), 1);
    assert_eq!(run.grant(1), [0]);
    assert_eq!(run.state, State::Running);
    assert_eq!(run.wake_ms(1), Some(2001));
    run.decide(&decision(1, true, "ann"), 0, true, 5).unwrap();
    assert_eq!(run.state, State::Running);
    assert_eq!(run.grant(6), [2], "the next report grants it");
    assert_eq!(run.wake_ms(6), None);
}

#[test]
fn a_gate_beside_a_failed_step_is_closed_without_a_decision() {
    let mut run = run(BESIDE);
    run.begin(1, holder(1), 1);
    run.grant(1);
    end_step(&mut run, 0, Outcome::Failed);
    assert_eq!(states(&run), [Failed, Cancelled, Skipped]);
    assert_eq!(
        (run.state, run.cause),
        (State::Failed, Some(EndCause::StepFailed))
    );
}
