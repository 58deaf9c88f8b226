//! Runs whose steps are runs of other pipelines.

use super::*;
use StepState::{Cancelled, Failed, Pending, Skipped, Succeeded, Waiting};

const FAMILY: &str = "
name: family
steps:
  - {id: work, needs: [], run: 'true'}
  - {id: kid, needs: [], pipeline: {pipeline: kid}}
  - {id: after, needs: [work, kid], run: 'true'}
  - {id: clean, run: 'true', always: true}
";
const OPEN: StepState = Waiting { until_ms: None };

fn begun() -> Run {
    let mut run = run(FAMILY);
    run.begin(1, holder(1), 1);
    assert_eq!(run.grant(1), [0]);
    run
}

fn states(run: &Run) -> Vec<StepState> {
    run.steps.iter().map(|it| it.progress.state).collect()
}

fn ended(state: State) -> ChildEnd {
    ChildEnd::Ended {
        state,
        message: "run 1 of kid".into(),
    }
}

#[test]
fn a_run_waits_for_its_child_and_goes_on_after_it() {
    let mut run = begun();
    assert!(end_step(&mut run, 0, Outcome::Succeeded).is_empty());
    assert_eq!(run.state, State::Waiting);
    assert!(!run.is_at_gate() && run.open_children().eq([1]));
    run.child_ended(1, ended(State::Succeeded), 5);
    assert_eq!((run.state, run.is_queued()), (State::Queued, true));
    run.child_ended(1, ended(State::Failed), 6);
    assert_eq!(states(&run), [Succeeded, Succeeded, Pending, Pending]);
}

#[test]
fn a_child_that_fails_fails_its_parent() {
    let mut run = begun();
    end_step(&mut run, 0, Outcome::Succeeded);
    run.child_ended(1, ended(State::Failed), 5);
    assert_eq!(states(&run), [Succeeded, Failed, Skipped, Pending]);
    assert_eq!((run.state, run.is_queued()), (State::Failing, true));
    assert_eq!(run.steps[1].message, "run 1 of kid");
}

#[test]
fn a_stopped_run_waits_for_its_child_without_an_executor() {
    for mode in [StopMode::Graceful, StopMode::Kill] {
        let mut run = begun();
        run.stop(graceful(mode), 2);
        end_step(&mut run, 0, Outcome::Succeeded);
        assert_eq!((run.state, run.parked), (State::Cancelling, true));
        assert!(run.holder.is_none() && !run.is_queued());
        assert_eq!(states(&run)[1], OPEN);
        run.child_ended(1, ended(State::Cancelled), 5);
        assert_eq!(states(&run)[1], Cancelled);
        let is_killed = mode == StopMode::Kill;
        assert_eq!(run.state == State::Cancelled, is_killed);
        assert_eq!(run.is_queued(), !is_killed, "its finalizer is due");
    }
}

#[test]
fn a_failed_run_lets_its_child_finish() {
    let mut run = begun();
    end_step(&mut run, 0, Outcome::Failed);
    assert_eq!((run.state, run.parked), (State::Failing, true));
    run.child_ended(1, ended(State::Succeeded), 5);
    assert_eq!(states(&run), [Failed, Succeeded, Skipped, Pending]);
    assert!(run.is_queued());
}

#[test]
fn a_child_that_was_stopped_by_others_or_can_not_start_fails_its_parent() {
    let mut run = begun();
    end_step(&mut run, 0, Outcome::Succeeded);
    let mut other = run.clone();
    run.child_ended(1, ended(State::Cancelled), 5);
    assert_eq!(run.state, State::Failing);
    other.child_ended(1, ChildEnd::Refused("there is none".into()), 5);
    assert_eq!(other.steps[1].message, "there is none");
    assert_eq!(other.state, State::Failing);
}
