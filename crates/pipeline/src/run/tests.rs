//! Stories of runs without I/O, and every order of what can happen.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use steps::flow::Progress;
use steps::{Definition, Plan};

use super::*;

mod children;
mod gates;
mod resume;
mod served;

fn plan(source: &str) -> Arc<Plan> {
    Arc::new(Plan::of(&Definition::from_source(source).unwrap()))
}

fn run(source: &str) -> Run {
    let plan = plan(source);
    let pending = StepRun {
        progress: Progress::default(),
        exit_code: None,
        message: String::new(),
        started_at_ms: None,
        ended_at_ms: None,
        outputs: BTreeMap::new(),
        served: Served::default(),
        changed: false,
    };
    Run {
        steps: vec![pending; plan.steps.len()],
        plan,
        state: State::Queued,
        attempt: 0,
        holder: None,
        lost_in_a_row: 0,
        parked: false,
        asked: None,
        stop: None,
        cause: None,
        reason: String::new(),
        ended_by: None,
        started_at_ms: None,
        ended_at_ms: None,
        last_seq: 0,
        waited: false,
        news: Vec::new(),
    }
}

const TWO_AND_CLEANUP: &str = "
name: story
steps:
  - {id: one, run: 'true'}
  - {id: two, run: 'true'}
  - {id: clean, run: 'true', always: true}
";

fn holder(boot: u64) -> Holder {
    Holder {
        executor: "x".into(),
        boot,
    }
}

fn reported(position: usize, of_try: u32, outcome: Outcome) -> StepReport {
    StepReport {
        position,
        of_try,
        outcome,
        exit_code: Some(i32::from(outcome == Outcome::Failed)),
        message: String::new(),
        outputs: BTreeMap::new(),
        ended_at_ms: 1,
    }
}

fn end_step(run: &mut Run, position: usize, outcome: Outcome) -> Vec<usize> {
    let of_try = run.steps[position].progress.tries;
    assert!(run.report(vec![reported(position, of_try, outcome)], 1, 1, 0.5));
    run.grant(1)
}

#[test]
fn a_run_without_a_step_fails_as_soon_as_it_begins() {
    for source in [
        "{name: none, steps: []}",
        "{name: off, steps: [{id: a, run: x, enabled: false}]}",
    ] {
        let mut run = run(source);
        assert_eq!(run.begin(1, holder(1), 5), Verdict::Over);
        assert_eq!(
            (run.state, run.ended_at_ms),
            (State::Failed, Some(5)),
            "{source}"
        );
        assert_eq!(run.reason, NOTHING_TO_DO);
        let mut stopped = self::run(source);
        stopped.stop(graceful(StopMode::Graceful), 1);
        assert_eq!(stopped.state, State::Cancelled, "{source}");
    }
}

fn graceful(mode: StopMode) -> Stop {
    Stop {
        mode,
        reason: "enough".into(),
        actor: Actor::default(),
        cause: EndCause::Stopped,
        at_ms: Some(1),
    }
}

#[test]
fn a_run_goes_through_its_steps_and_its_finalizer() {
    let mut run = run(TWO_AND_CLEANUP);
    assert_eq!(run.begin(1, holder(1), 1), Verdict::Begun);
    assert_eq!(run.grant(1), [0]);
    assert_eq!(end_step(&mut run, 0, Outcome::Succeeded), [1]);
    assert_eq!(end_step(&mut run, 1, Outcome::Warned), [2]);
    assert!(end_step(&mut run, 2, Outcome::Succeeded).is_empty());
    assert_eq!(
        (run.state, run.cause),
        (State::Warned, Some(EndCause::Completed))
    );
    assert!(!run.is_live(1));
}

#[test]
fn a_failed_step_lets_only_the_finalizer_run() {
    let mut run = run(TWO_AND_CLEANUP);
    run.begin(1, holder(1), 1);
    run.grant(1);
    assert_eq!(end_step(&mut run, 0, Outcome::Failed), [2]);
    assert_eq!(run.state, State::Failing);
    end_step(&mut run, 2, Outcome::Succeeded);
    assert_eq!(
        (run.state, run.cause),
        (State::Failed, Some(EndCause::StepFailed))
    );
    assert_eq!(run.reason, "step one failed");
}

#[test]
fn a_graceful_stop_lets_the_step_finish_and_starts_only_the_finalizer() {
    let mut run = run(TWO_AND_CLEANUP);
    run.begin(1, holder(1), 1);
    run.grant(1);
    run.stop(graceful(StopMode::Graceful), 2);
    assert_eq!(run.state, State::Cancelling);
    assert!(run.grant(2).is_empty());
    assert_eq!(end_step(&mut run, 0, Outcome::Succeeded), [2]);
    end_step(&mut run, 2, Outcome::Succeeded);
    assert_eq!(
        (run.state, run.cause),
        (State::Cancelled, Some(EndCause::Stopped))
    );
}

#[test]
fn a_stop_may_only_escalate() {
    let mut run = run(TWO_AND_CLEANUP);
    run.begin(1, holder(1), 1);
    run.grant(1);
    run.stop(graceful(StopMode::Kill), 2);
    run.stop(graceful(StopMode::Graceful), 3);
    assert_eq!(run.stop.as_ref().unwrap().mode, StopMode::Kill);
    assert!(end_step(&mut run, 0, Outcome::Cancelled).is_empty());
    assert_eq!(run.state, State::Cancelled);
}

#[test]
fn a_stop_before_the_beginning_ends_the_run_at_once() {
    let mut run = run(TWO_AND_CLEANUP);
    run.stop(graceful(StopMode::Graceful), 2);
    assert_eq!(run.state, State::Cancelled);
    assert_eq!(run.begin(1, holder(1), 3), Verdict::Over);
}

#[test]
fn a_lost_attempt_is_followed_by_one_that_goes_on_after_the_finished_steps() {
    let mut run = run(TWO_AND_CLEANUP);
    run.begin(1, holder(1), 1);
    run.grant(1);
    end_step(&mut run, 0, Outcome::Succeeded);
    run.attempt_ended(1, AttemptEnd::Lost, 2);
    assert_eq!((run.state, run.is_queued()), (State::Queued, true));
    assert!(run.news.contains(&News::Requested(2)));
    assert_eq!(run.begin(2, holder(1), 3), Verdict::Begun);
    assert_eq!(run.grant(3), [1]);
    assert_eq!(run.steps[1].progress.tries, 2);
}

#[test]
fn three_lost_attempts_in_a_row_fail_the_run() {
    let mut run = run(TWO_AND_CLEANUP);
    for attempt in 1..=LOST_IN_A_ROW {
        assert_eq!(run.begin(attempt, holder(1), 1), Verdict::Begun);
        run.grant(1);
        run.attempt_ended(attempt, AttemptEnd::Lost, 2);
    }
    assert_eq!(
        (run.state, run.cause),
        (State::Failed, Some(EndCause::ExecutorLost))
    );
}

#[test]
fn three_attempts_in_a_row_that_come_to_nothing_fail_the_run_and_drains_do_not() {
    let mut run = run(TWO_AND_CLEANUP);
    for attempt in 1..=5 {
        assert_eq!(run.begin(attempt, holder(1), 1), Verdict::Begun);
        run.grant(1);
        run.attempt_ended(attempt, AttemptEnd::HandedBack, 2);
    }
    for attempt in 6..=8 {
        assert_eq!(run.begin(attempt, holder(1), 1), Verdict::Begun);
        run.grant(1);
        run.attempt_failed(attempt, "no workspace", 2);
        run.attempt_failed(attempt, "no workspace", 2);
    }
    assert_eq!(
        (run.state, run.cause),
        (State::Failed, Some(EndCause::ExecutorLost))
    );
    assert!(
        run.reason.ends_with("the last one: no workspace"),
        "{}",
        run.reason
    );
}

#[test]
fn a_run_that_can_not_begin_three_times_fails_without_an_attempt() {
    let mut run = run(TWO_AND_CLEANUP);
    for _ in 1..=LOST_IN_A_ROW {
        assert_eq!((run.state, run.has_begun()), (State::Queued, false));
        run.attempt_failed(2, "another attempt", 1);
        run.attempt_failed(1, "no answer", 1);
    }
    assert_eq!((run.state, run.attempt), (State::Failed, 0));
    assert!(run.steps.iter().all(|step| step.progress.state.is_final()));
}

#[test]
fn a_step_that_says_so_fails_with_its_executor() {
    for how in [AttemptEnd::Lost, AttemptEnd::HandedBack] {
        let mut run = run("{name: x, steps: [{id: a, run: 'true', onLost: fail}]}");
        run.begin(1, holder(1), 1);
        run.grant(1);
        run.attempt_ended(1, how, 2);
        assert_eq!(
            (run.state, run.cause),
            (State::Failed, Some(EndCause::ExecutorLost)),
            "{how:?}"
        );
    }
}

#[test]
fn a_retry_waits_for_its_time_and_a_stop_takes_it_away() {
    let source =
        "{name: x, steps: [{id: a, run: 'true', retry: {attempts: 3, delay: 1s, jitter: 0}}]}";
    let mut run = run(source);
    run.begin(1, holder(1), 0);
    run.grant(0);
    assert!(end_step(&mut run, 0, Outcome::Failed).is_empty());
    let due_ms = run.wake_ms(1).unwrap();
    assert_eq!(due_ms, 1001);
    assert_eq!(run.clone().grant(due_ms), [0]);
    run.stop(graceful(StopMode::Graceful), 2);
    assert_eq!(run.state, State::Cancelled);
}

#[test]
fn a_report_twice_is_the_same_as_once() {
    let mut run = run(TWO_AND_CLEANUP);
    run.begin(1, holder(1), 1);
    run.grant(1);
    let report = reported(0, 1, Outcome::Succeeded);
    assert!(run.report(vec![report.clone()], 1, 1, 0.5));
    assert!(!run.report(vec![report], 1, 1, 0.5));
}

/// What the world may do to a run, in any order.
#[derive(Debug, Clone)]
enum Act {
    Begin,
    Grant,
    Report(usize, Outcome),
    Stop(StopMode),
    End(AttemptEnd),
    Fault(u32),
    Decide(bool),
    Overdue,
    ChildEnds(State),
}

fn act() -> impl Strategy<Value = Act> {
    let outcome = prop::sample::select(vec![
        Outcome::Succeeded,
        Outcome::Warned,
        Outcome::Failed,
        Outcome::TimedOut,
        Outcome::Cancelled,
    ]);
    let mode = prop::sample::select(vec![StopMode::Graceful, StopMode::Cancel, StopMode::Kill]);
    let child = prop::sample::select(vec![
        State::Succeeded,
        State::Warned,
        State::Failed,
        State::Cancelled,
    ]);
    let end = prop::sample::select(vec![AttemptEnd::HandedBack, AttemptEnd::Lost]);
    prop_oneof![
        4 => Just(Act::Begin),
        4 => Just(Act::Grant),
        6 => (0_usize..8, outcome).prop_map(|(position, outcome)| Act::Report(position, outcome)),
        1 => mode.prop_map(Act::Stop),
        2 => end.prop_map(Act::End),
        1 => (0_u32..2).prop_map(Act::Fault),
        3 => any::<bool>().prop_map(Act::Decide),
        1 => Just(Act::Overdue),
        3 => child.prop_map(Act::ChildEnds),
    ]
}

const BRANCHES: &str = "
name: branches
steps:
  - {id: a, needs: [], run: 'true', retry: {attempts: 2, delay: 0s}}
  - {id: b, needs: [], run: 'true', onLost: fail}
  - {id: c, needs: [a, b], run: 'true'}
  - {id: g, needs: [a], approval: {approvers: 2}, timeout: 30ms}
  - {id: h, needs: [], approval: {}}
  - {id: k, needs: [], pipeline: {pipeline: kid}}
  - {id: d, needs: [g, h, k], run: 'true'}
  - {id: z, run: 'true', always: true}
";

fn perform(run: &mut Run, act: &Act, now_ms: i64) {
    match act {
        Act::Begin => drop(run.begin(run.attempt + 1, holder(1), now_ms)),
        Act::Grant => drop(run.grant(now_ms)),
        Act::Report(position, outcome) if run.is_live(run.attempt) => {
            let of_try = run.steps[*position].progress.tries;
            run.report(vec![reported(*position, of_try, *outcome)], 1, now_ms, 0.0);
        }
        Act::Report(..) => {}
        Act::Stop(mode) => run.stop(graceful(*mode), now_ms),
        Act::End(end) => run.attempt_ended(run.attempt, *end, now_ms),
        Act::Fault(ahead) => run.attempt_failed(run.attempt + ahead, "a fault", now_ms),
        Act::Decide(approved) => decide_all(run, *approved, now_ms),
        Act::Overdue => run.end_overdue(now_ms),
        Act::ChildEnds(state) => end_children(run, *state, now_ms),
    }
}

fn decide_all(run: &mut Run, approved: bool, now_ms: i64) {
    let open: Vec<usize> = run.gates().map(|(position, _)| position).collect();
    for position in open {
        let decision = gates::decision(position, approved, "ann");
        // The first decision may close the second gate.
        let _ = run.decide(&decision, 1, false, now_ms);
    }
}

fn end_children(run: &mut Run, state: State, now_ms: i64) {
    for position in run.open_children().collect::<Vec<_>>() {
        let message = String::new();
        run.child_ended(position, ChildEnd::Ended { state, message }, now_ms);
    }
}

/// Lets a well-behaved world finish the run.
fn finish(run: &mut Run, mut now_ms: i64) {
    for _ in 0..100 {
        now_ms += 1000;
        if run.state.is_final() {
            return;
        }
        run.begin(run.attempt + 1, holder(1), now_ms);
        run.grant(now_ms);
        for position in run.running().collect::<Vec<_>>() {
            let of_try = run.steps[position].progress.tries;
            run.report(
                vec![reported(position, of_try, Outcome::Succeeded)],
                1,
                now_ms,
                0.0,
            );
        }
        run.report(Vec::new(), 1, now_ms, 0.0);
        decide_all(run, true, now_ms);
        end_children(run, State::Succeeded, now_ms);
    }
    panic!("the run does not end: {run:?}");
}

proptest! {
    #[test]
    fn whatever_happens_a_run_ends_once_and_starts_nothing_after_a_stop(
        acts in prop::collection::vec(act(), 0..60)
    ) {
        let mut run = run(BRANCHES);
        let mut now_ms = 0;
        for act in &acts {
            now_ms += 1;
            let before = run.clone();
            run.news.clear();
            perform(&mut run, act, now_ms);
            check(&before, &run);
        }
        finish(&mut run, now_ms);
        prop_assert!(run.holder.is_none() && run.ended_at_ms.is_some() && run.cause.is_some());
        prop_assert!(run.steps.iter().all(|step| step.progress.state.is_final()));
    }
}

fn check(before: &Run, after: &Run) {
    if before.state.is_final() {
        assert_eq!((before.state, &before.steps), (after.state, &after.steps));
    }
    for (position, (old, new)) in before.steps.iter().zip(&after.steps).enumerate() {
        let has_started = new.progress.tries > old.progress.tries;
        let is_finalizer = after.plan.steps[position].always;
        assert!(
            !(has_started && before.stop.is_some() && !is_finalizer),
            "I8: {position}"
        );
    }
    let lives = after.holder.is_some();
    assert!(
        !(lives && after.state.is_final()),
        "a final run has a live attempt"
    );
    assert!(
        !(lives && matches!(after.state, State::Queued | State::Waiting)),
        "a run that rests has a live attempt"
    );
    let asks = after.is_queued() || lives || after.parked || after.state.is_final();
    assert!(asks, "nobody sees to the run");
    assert!(after.parked || after.state != State::Waiting);
    let awaits = after.gates().next().is_some() || after.open_children().next().is_some();
    // None of these steps is served outside: what is parked has no retry before it.
    assert!(
        !after.parked || !after.works() && awaits,
        "a parked run has work, or nothing to wait for"
    );
    let is_asked_for = |it: &News| matches!(it, News::Requested(_));
    let rested = lives_or_rests(before) && !lives && after.is_queued();
    assert_eq!(
        rested,
        after.news.iter().any(is_asked_for),
        "an executor is asked for whenever the run comes to want one"
    );
}

fn lives_or_rests(run: &Run) -> bool {
    run.holder.is_some() || run.parked
}
