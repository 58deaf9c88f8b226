//! The scheduling rules: tables of situations.

use steps::Definition;
use steps::flow::{Next, Outcome, Phase, Progress, StepState, next, outcome};
use steps::plan::Plan;

use StepState::{
    Cancelled, Failed, Pending, Retrying, Running, Skipped, Succeeded, Waiting, Warned,
};

const NOW_MS: i64 = 1_000_000;
const LATER: StepState = Retrying { due_ms: NOW_MS + 1 };
const DUE: StepState = Retrying { due_ms: NOW_MS };

fn plan(steps: &str) -> Plan {
    let source = format!("{{name: x, steps: [{steps}]}}");
    Plan::of(&Definition::from_source(&source).expect("a definition without fault"))
}

fn progress(states: &[StepState]) -> Vec<Progress> {
    let tries = |state| u32::from(!matches!(state, Pending | Skipped));
    states
        .iter()
        .map(|state| Progress {
            state: *state,
            tries: tries(*state),
            failures: 0,
        })
        .collect()
}

fn answer(plan: &Plan, states: &[StepState], phase: Phase) -> Next {
    next(plan, &progress(states), phase, NOW_MS)
}

fn starts(start: &[usize]) -> Next {
    Next {
        start: start.to_vec(),
        ..Next::default()
    }
}

/// a, then b and c at the same time, then d; y and z clean up one after the other.
fn diamond() -> Plan {
    plan(
        "{id: a, run: x, needs: []}, {id: b, run: x, needs: [a]}, {id: c, run: x, needs: [a]}, \
         {id: d, run: x, needs: [b, c]}, {id: y, run: x, always: true}, {id: z, run: x, always: true}",
    )
}

#[test]
fn steps_start_once_their_needs_have_ended_well() {
    let plan = diamond();
    for (states, expected) in [
        ([Pending; 6], starts(&[0])),
        (
            [Running, Pending, Pending, Pending, Pending, Pending],
            starts(&[]),
        ),
        (
            [Warned, Pending, Pending, Pending, Pending, Pending],
            starts(&[1, 2]),
        ),
        (
            [Succeeded, Running, Succeeded, Pending, Pending, Pending],
            starts(&[]),
        ),
        (
            [Succeeded, Succeeded, Succeeded, Pending, Pending, Pending],
            starts(&[3]),
        ),
        (
            [Succeeded, Succeeded, Succeeded, Running, Pending, Pending],
            starts(&[]),
        ),
        (
            [Succeeded, Succeeded, Succeeded, Succeeded, Pending, Pending],
            starts(&[4]),
        ),
        (
            [Succeeded, Succeeded, Succeeded, Succeeded, Failed, Pending],
            starts(&[5]),
        ),
    ] {
        assert_eq!(
            answer(&plan, &states, Phase::Normal),
            expected,
            "{states:?}"
        );
    }
    let ended = answer(&plan, &[Succeeded; 6], Phase::Normal);
    assert_eq!(
        ended,
        Next {
            done: true,
            ..Next::default()
        }
    );
}

#[test]
fn after_a_failure_what_runs_may_finish_and_then_finalizers_run() {
    let plan = diamond();
    for phase in [Phase::Normal, Phase::Failing] {
        let failed = answer(
            &plan,
            &[Succeeded, Failed, Running, Pending, Pending, Pending],
            phase,
        );
        assert_eq!(
            failed,
            Next {
                skip: vec![3],
                ..Next::default()
            }
        );
        let finished = answer(
            &plan,
            &[Succeeded, Failed, Succeeded, Skipped, Pending, Pending],
            phase,
        );
        assert_eq!(finished, starts(&[4]));
        let at_once = answer(
            &plan,
            &[Succeeded, Failed, Failed, Pending, Pending, Pending],
            phase,
        );
        assert_eq!(
            at_once,
            Next {
                start: vec![4],
                skip: vec![3],
                ..Next::default()
            }
        );
    }
}

#[test]
fn a_stop_leaves_finalizers_and_a_kill_leaves_nothing() {
    let plan = diamond();
    let states = [Succeeded, Running, LATER, Pending, Pending, Pending];
    let stopping = Next {
        skip: vec![3],
        abandon: vec![2],
        ..Next::default()
    };
    assert_eq!(answer(&plan, &states, Phase::Stopping), stopping);
    let killing = Next {
        skip: vec![3, 4, 5],
        abandon: vec![2],
        ..Next::default()
    };
    assert_eq!(answer(&plan, &states, Phase::Killing), killing);

    let stopped = [Succeeded, Cancelled, Cancelled, Skipped, Pending, Pending];
    assert_eq!(answer(&plan, &stopped, Phase::Stopping), starts(&[4]));
    let killed = Next {
        skip: vec![4, 5],
        done: true,
        ..Next::default()
    };
    assert_eq!(answer(&plan, &stopped, Phase::Killing), killed);
    let cut = [Succeeded, Cancelled, Cancelled, Skipped, LATER, Pending];
    let killed = Next {
        skip: vec![5],
        abandon: vec![4],
        done: true,
        ..Next::default()
    };
    assert_eq!(answer(&plan, &cut, Phase::Killing), killed);
}

#[test]
fn a_retry_starts_when_it_is_due_and_only_while_all_is_well() {
    let plan = diamond();
    let due = answer(
        &plan,
        &[Succeeded, DUE, LATER, Pending, Pending, Pending],
        Phase::Normal,
    );
    assert_eq!(
        due,
        Next {
            start: vec![1],
            wake_ms: Some(NOW_MS + 1),
            ..Next::default()
        }
    );
    let failing = answer(
        &plan,
        &[Succeeded, DUE, Failed, Pending, Pending, Pending],
        Phase::Failing,
    );
    assert_eq!(
        failing,
        Next {
            start: vec![4],
            skip: vec![3],
            abandon: vec![1],
            ..Next::default()
        }
    );
    let finalizer = [Succeeded, Failed, Succeeded, Skipped, LATER, Pending];
    let waits = Next {
        wake_ms: Some(NOW_MS + 1),
        ..Next::default()
    };
    assert_eq!(answer(&plan, &finalizer, Phase::Failing), waits);
}

#[test]
fn a_lost_step_that_cannot_run_again_is_not_called_skipped() {
    let plan = plan("{id: a, run: x}, {id: b, run: x}");
    let lost = [
        Progress {
            tries: 1,
            ..Progress::default()
        },
        Progress::default(),
    ];
    assert_eq!(next(&plan, &lost, Phase::Normal, NOW_MS), starts(&[0]));
    let stopping = Next {
        skip: vec![1],
        abandon: vec![0],
        done: true,
        ..Next::default()
    };
    assert_eq!(next(&plan, &lost, Phase::Stopping, NOW_MS), stopping);
}

#[test]
fn steps_that_are_not_enabled_keep_their_place_in_the_order() {
    let plan = plan(
        "{id: a, run: x}, {id: b, run: x, enabled: false}, {id: c, run: x, enabled: false}, {id: d, run: x}, \
         {id: y, run: x, always: true, enabled: false}, {id: z, run: x, always: true}",
    );
    assert_eq!(answer(&plan, &[Pending; 6], Phase::Normal), starts(&[0]));
    let passed = answer(
        &plan,
        &[Succeeded, Pending, Pending, Pending, Pending, Pending],
        Phase::Normal,
    );
    assert_eq!(
        passed,
        Next {
            start: vec![3],
            skip: vec![1, 2],
            ..Next::default()
        }
    );
    let last = [Succeeded, Skipped, Skipped, Succeeded, Pending, Pending];
    assert_eq!(
        answer(&plan, &last, Phase::Normal),
        Next {
            start: vec![5],
            skip: vec![4],
            ..Next::default()
        }
    );
    let all_off = plan_off();
    let done = Next {
        skip: vec![0, 1],
        done: true,
        ..Next::default()
    };
    assert_eq!(answer(&all_off, &[Pending; 2], Phase::Normal), done);
    assert_eq!(
        outcome(&all_off, &progress(&[Skipped; 2]), Phase::Normal),
        Outcome::Succeeded
    );
}

fn plan_off() -> Plan {
    plan("{id: a, run: x, enabled: false}, {id: z, run: x, always: true, enabled: false}")
}

#[test]
fn an_empty_plan_is_done() {
    let done = Next {
        done: true,
        ..Next::default()
    };
    for phase in [
        Phase::Normal,
        Phase::Failing,
        Phase::Stopping,
        Phase::Killing,
    ] {
        assert_eq!(answer(&Plan::default(), &[], phase), done);
    }
}

#[test]
fn a_plan_with_a_cycle_ends_all_the_same() {
    let mut plan = diamond();
    plan.steps[0].needs = vec![3, 99];
    let ended = answer(&plan, &[Pending; 6], Phase::Normal);
    assert_eq!(
        ended,
        Next {
            start: vec![4],
            skip: vec![0, 1, 2, 3],
            ..Next::default()
        }
    );
    let states = [Skipped, Skipped, Skipped, Skipped, Succeeded, Succeeded];
    assert_eq!(
        outcome(&plan, &progress(&states), Phase::Normal),
        Outcome::Failed
    );
}

#[test]
fn the_outcome_is_the_worst_that_happened() {
    let plan = plan("{id: a, run: x}, {id: z, run: x, always: true}");
    for (states, phase, expected) in [
        ([Succeeded, Succeeded], Phase::Normal, Outcome::Succeeded),
        ([Warned, Succeeded], Phase::Normal, Outcome::Warned),
        ([Succeeded, Warned], Phase::Normal, Outcome::Warned),
        ([Failed, Succeeded], Phase::Failing, Outcome::Failed),
        ([Warned, Failed], Phase::Normal, Outcome::Failed),
        ([Succeeded, Succeeded], Phase::Failing, Outcome::Failed),
        ([Failed, Succeeded], Phase::Stopping, Outcome::Cancelled),
        ([Succeeded, Succeeded], Phase::Stopping, Outcome::Cancelled),
        ([Cancelled, Skipped], Phase::Killing, Outcome::Cancelled),
    ] {
        assert_eq!(
            outcome(&plan, &progress(&states), phase),
            expected,
            "{states:?} {phase:?}"
        );
    }
}

#[test]
fn a_failed_try_is_followed_by_the_next_until_there_is_none() {
    let plan = plan("{id: a, run: x, retry: {attempts: 3, delay: 2s, jitter: 0}}, {id: b, run: x}");
    let step = &plan.steps[0];
    assert_eq!(
        step.after_failure(1, NOW_MS, 0.3),
        Retrying {
            due_ms: NOW_MS + 2000
        }
    );
    assert_eq!(
        step.after_failure(2, NOW_MS, 0.3),
        Retrying {
            due_ms: NOW_MS + 4000
        }
    );
    assert_eq!(step.after_failure(3, NOW_MS, 0.3), Failed);
    assert_eq!(plan.steps[1].after_failure(1, NOW_MS, 0.3), Failed);
}

/// The hot path: a plan is read and asked at every report.
#[test]
fn a_large_plan_is_read_and_asked_in_time() {
    use std::time::Instant;

    for count in [40, 1000] {
        let steps: Vec<_> = (0..count)
            .map(|step| format!("{{id: s{step}, run: 'echo {step}'}}"))
            .collect();
        let plan = plan(&steps.join(", "));
        let stored = serde_json::to_string(&plan).unwrap();
        let started = Instant::now();
        let rounds = 50;
        for _ in 0..rounds {
            let plan: Plan = serde_json::from_str(&stored).unwrap();
            assert_eq!(
                answer(&plan, &vec![Pending; count], Phase::Normal).start,
                [0]
            );
        }
        let each = started.elapsed() / rounds;
        println!("{count} steps, {} bytes: {each:?}", stored.len());
        assert!(each.as_millis() < 500);
    }
}

/// a and the gate g at the same time, then b after both; z cleans up.
fn gated() -> Plan {
    plan(
        "{id: a, run: x, needs: []}, {id: g, approval: {}, needs: []}, {id: b, run: x, needs: [a, g]}, \
         {id: z, run: x, always: true}",
    )
}

const OPEN: StepState = Waiting { until_ms: None };

#[test]
fn a_gate_is_opened_and_not_started_and_what_needs_it_waits() {
    let plan = gated();
    let first = Next {
        start: vec![0],
        open: vec![1],
        ..Next::default()
    };
    assert_eq!(answer(&plan, &[Pending; 4], Phase::Normal), first);
    for (states, expected) in [
        ([Running, OPEN, Pending, Pending], starts(&[])),
        ([Succeeded, OPEN, Pending, Pending], starts(&[])),
        ([Running, Succeeded, Pending, Pending], starts(&[])),
        ([Succeeded, Succeeded, Pending, Pending], starts(&[2])),
    ] {
        assert_eq!(
            answer(&plan, &states, Phase::Normal),
            expected,
            "{states:?}"
        );
    }
}

#[test]
fn an_open_gate_is_closed_when_the_run_ends() {
    let plan = gated();
    for (states, phase) in [
        ([Failed, OPEN, Pending, Pending], Phase::Normal),
        ([Succeeded, OPEN, Pending, Pending], Phase::Failing),
        ([Succeeded, OPEN, Pending, Pending], Phase::Stopping),
    ] {
        let closed = Next {
            start: vec![3],
            skip: vec![2],
            abandon: vec![1],
            ..Next::default()
        };
        assert_eq!(answer(&plan, &states, phase), closed, "{states:?}");
    }
    let killed = answer(&plan, &[Succeeded, OPEN, Pending, Pending], Phase::Killing);
    assert!(killed.done && killed.start.is_empty());
    assert_eq!((killed.skip, killed.abandon), (vec![2, 3], vec![1]));
}
