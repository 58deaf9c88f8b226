//! Runs that go on where another ended.

use super::*;
use StepState::{Failed, Pending, Succeeded, Warned};

const STEPS: &str = "
name: steps
steps:
  - {id: one, run: 'true'}
  - {id: two, run: 'true'}
  - {id: off, run: 'true', enabled: false}
  - {id: go, approval: {}}
  - {id: three, run: 'true'}
  - {id: clean, run: 'true', always: true}
";

fn begun() -> Run {
    let mut run = run(STEPS);
    run.begin(1, holder(1), 1);
    run.grant(1);
    end_step(&mut run, 0, Outcome::Succeeded);
    run
}

fn counted(run: &Run) -> Vec<StepState> {
    let steps = run.resumed(7).unwrap();
    steps.iter().map(|it| it.progress.state).collect()
}

#[test]
fn what_ran_counts_as_finished_and_what_failed_as_a_warning() {
    let mut run = begun();
    end_step(&mut run, 1, Outcome::Failed);
    assert!(run.resumed(7).is_err(), "its finalizer runs");
    end_step(&mut run, 5, Outcome::Succeeded);
    assert_eq!(run.state, State::Failed);
    assert_eq!(
        counted(&run),
        [Succeeded, Warned, Pending, Pending, Pending, Pending]
    );
    assert_eq!(run.resumed(7).unwrap()[0].message, "finished in run 7");
}

#[test]
fn a_gate_that_was_not_approved_opens_again() {
    let mut run = begun();
    end_step(&mut run, 1, Outcome::Succeeded);
    assert_eq!(run.state, State::Waiting);
    run.stop(graceful(StopMode::Kill), 2);
    assert_eq!(
        counted(&run),
        [Succeeded, Succeeded, Pending, Pending, Pending, Pending]
    );
}

#[test]
fn there_is_nothing_to_resume_after_the_last_step_or_before_the_first() {
    let mut never = run(STEPS);
    never.stop(graceful(StopMode::Kill), 2);
    assert!(never.resumed(1).is_err());
    let mut last = run("{name: x, steps: [{id: a, run: 'true'}]}");
    last.begin(1, holder(1), 1);
    last.grant(1);
    end_step(&mut last, 0, Outcome::Failed);
    assert_eq!(last.steps[0].progress.state, Failed);
    assert!(!last.is_resumable());
}
