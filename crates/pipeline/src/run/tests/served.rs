//! Runs whose steps outside consumers carry out.

use super::*;
use StepState::{Cancelled, Failed, Pending, Retrying, Running, Skipped, Succeeded, Waiting};

const SERVED: &str = "
name: served
steps:
  - {id: work, needs: [], run: 'true'}
  - {id: far, needs: [], tool: {tool: farm}, timeout: 1m, retry: {attempts: 2, delay: 1s, jitter: 0}}
  - {id: after, needs: [work, far], run: 'true'}
  - {id: clean, run: 'true', always: true}
";
const OPEN: StepState = Waiting {
    until_ms: Some(60_001),
};
const FAR: (&str, u32) = ("far", 1);

/// One step is the executor's, the other was handed over.
fn begun() -> Run {
    let mut run = run(SERVED);
    run.begin(1, holder(1), 1);
    assert_eq!(run.grant(1), [0, 1]);
    assert!(run.hand_over(1, 1, "farm", 1));
    assert!(!run.hand_over(1, 1, "farm", 1), "it is requested once");
    run
}

/// Nothing but the served step is left.
fn alone() -> Run {
    let mut run = begun();
    assert!(end_step(&mut run, 0, Outcome::Succeeded).is_empty());
    assert_eq!(run.state, State::Waiting);
    run.news.clear();
    run
}

fn states(run: &Run) -> Vec<StepState> {
    run.steps.iter().map(|it| it.progress.state).collect()
}

fn ended(outcome: Outcome) -> Reply {
    Reply::Ended {
        outcome,
        message: "done there".into(),
        outputs: BTreeMap::from([("url".into(), "https://x".into())]),
    }
}

fn said(sequence: u64, count: usize) -> Reply {
    let lines = vec!["a line".to_owned(); count];
    Reply::Progressed { sequence, lines }
}

fn recalled(run: &Run) -> usize {
    let is_recall = |it: &&News| **it == News::Recalled(1);
    run.news.iter().filter(is_recall).count()
}

#[test]
fn a_run_waits_for_whoever_serves_its_step_and_goes_on_after_it() {
    let mut run = alone();
    assert!(run.holder.is_none() && !run.is_queued(), "no slot is held");
    assert_eq!(states(&run), [Succeeded, OPEN, Pending, Pending]);
    assert_eq!(
        run.hear(FAR, ended(Outcome::Succeeded), 5, 0.5),
        Hearing::Recorded
    );
    assert_eq!((run.state, run.is_queued()), (State::Queued, true));
    assert_eq!(run.outputs()["far.url"], "https://x");
    let before = (states(&run), run.news.len());
    for late in [
        ended(Outcome::Failed),
        said(9, 1),
        Reply::Accepted { by: "w".into() },
    ] {
        assert_eq!(run.hear(FAR, late, 6, 0.5), Hearing::Late);
    }
    assert_eq!((states(&run), run.news.len()), before);
    let unknown = run.hear(("nobody", 1), said(1, 1), 6, 0.5);
    assert_eq!(unknown, Hearing::Unknown);
    assert_eq!(recalled(&run), 0, "it has ended by itself");
}

#[test]
fn what_is_said_twice_counts_once() {
    let mut run = alone();
    let accepted = || Reply::Accepted { by: "w1".into() };
    assert_eq!(run.hear(FAR, accepted(), 2, 0.5), Hearing::Recorded);
    assert_eq!(run.hear(FAR, accepted(), 2, 0.5), Hearing::Repeated);
    assert_eq!(run.steps[1].message, "accepted by w1");
    for (sequence, hearing) in [
        (1, Hearing::Recorded),
        (3, Hearing::Recorded),
        (3, Hearing::Repeated),
        (2, Hearing::Repeated),
        (0, Hearing::Recorded),
        (4, Hearing::Recorded),
    ] {
        assert_eq!(
            run.hear(FAR, said(sequence, 1), 3, 0.5),
            hearing,
            "{sequence}"
        );
    }
    let of_another_try = run.hear(("far", 2), said(5, 1), 3, 0.5);
    assert_eq!(of_another_try, Hearing::Late);
    assert_eq!(run.steps[1].served, Served { heard: 4, lines: 4 });
}

#[test]
fn a_try_has_a_thousand_lines_in_the_log_and_one_that_says_so() {
    let mut run = alone();
    for (count, told) in [(600, 600), (400, 400), (1, 1), (100, 0), (1, 0)] {
        run.news.clear();
        run.hear(FAR, said(0, count), 3, 0.5);
        let lines = run.news.iter().filter_map(|it| {
            if let News::Said { lines, .. } = it {
                return Some(lines.len());
            }
            None
        });
        assert_eq!(lines.sum::<usize>(), told, "{count}");
    }
    let mut run = alone();
    run.hear(FAR, said(0, 1500), 3, 0.5);
    let News::Said { lines, .. } = &run.news[0] else {
        panic!("{:?}", run.news);
    };
    assert_eq!(lines.len(), 1001);
    assert!(lines[1000].contains("left out"), "{}", lines[1000]);
}

#[test]
fn a_failed_try_is_requested_again_as_often_as_the_step_says() {
    let mut run = alone();
    run.hear(FAR, ended(Outcome::Failed), 10, 0.5);
    assert_eq!(states(&run)[1], Retrying { due_ms: 1010 });
    run.end_overdue(1009);
    assert_eq!(
        run.state,
        State::Waiting,
        "no slot is held before it is due"
    );
    run.end_overdue(1010);
    assert!(run.is_queued(), "an executor is granted the next try");
    run.begin(2, holder(2), 1010);
    assert_eq!(run.grant(1010), [1]);
    assert!(!run.hand_over(1, 1, "farm", 1010), "that try is over");
    assert!(run.hand_over(1, 2, "farm", 1010));
    assert_eq!(
        run.hear(FAR, ended(Outcome::Succeeded), 1011, 0.5),
        Hearing::Late
    );
    run.hear(("far", 2), ended(Outcome::Cancelled), 1012, 0.5);
    assert_eq!(states(&run), [Succeeded, Failed, Skipped, Pending]);
    assert_eq!(run.reason, "step far failed");
}

#[test]
fn a_step_that_nobody_ends_in_time_fails_and_is_recalled() {
    let mut run = alone();
    run.end_overdue(60_000);
    assert_eq!(recalled(&run), 0);
    run.end_overdue(60_001);
    assert_eq!(recalled(&run), 1);
    assert_eq!(states(&run)[1], Retrying { due_ms: 61_001 });
    run.end_overdue(61_001);
    run.begin(2, holder(2), 61_001);
    run.grant(61_001);
    run.hand_over(1, 2, "farm", 61_001);
    run.end_overdue(130_000);
    assert_eq!(states(&run)[1], Failed);
    assert_eq!(run.cause, Some(EndCause::StepTimedOut));
    assert!(run.steps[1].message.contains("within 1m"));
}

#[test]
fn a_stop_takes_away_a_retry_that_is_not_due_yet() {
    let mut run = alone();
    run.hear(FAR, ended(Outcome::Failed), 10, 0.5);
    run.stop(graceful(StopMode::Graceful), 11);
    assert_eq!(states(&run), [Succeeded, Cancelled, Skipped, Pending]);
    assert!(run.is_queued(), "its finalizer is due");
}

#[test]
fn a_graceful_stop_lets_it_finish_and_a_kill_does_not_wait() {
    let mut run = alone();
    run.stop(graceful(StopMode::Graceful), 5);
    assert_eq!((run.state, recalled(&run)), (State::Cancelling, 1));
    assert_eq!(states(&run)[1], OPEN);
    let mut killed = run.clone();
    run.hear(FAR, ended(Outcome::Succeeded), 9, 0.5);
    assert_eq!(states(&run), [Succeeded, Succeeded, Skipped, Pending]);
    assert!(run.is_queued(), "its finalizer is due");

    killed.stop(graceful(StopMode::Kill), 7);
    assert_eq!(states(&killed), [Succeeded, Cancelled, Skipped, Skipped]);
    assert_eq!((killed.state, recalled(&killed)), (State::Cancelled, 2));
    let late = killed.hear(FAR, ended(Outcome::Succeeded), 9, 0.5);
    assert_eq!((late, killed.state), (Hearing::Late, State::Cancelled));
}

#[test]
fn a_cancelled_step_has_a_while_to_end() {
    let mut run = alone();
    run.stop(graceful(StopMode::Cancel), 5);
    assert_eq!(
        states(&run)[1],
        Waiting {
            until_ms: Some(30_005)
        }
    );
    let mut obeys = run.clone();
    obeys.hear(FAR, ended(Outcome::Cancelled), 9, 0.5);
    assert_eq!(states(&obeys)[1], Cancelled);
    run.end_overdue(30_005);
    assert_eq!(states(&run)[1], Cancelled);
    assert_eq!(recalled(&run), 2, "it is told that nobody waits any more");
    assert!(run.is_queued(), "its finalizer is due");
}

#[test]
fn what_was_granted_before_a_stop_is_not_requested_after_it() {
    let mut run = run(SERVED);
    run.begin(1, holder(1), 1);
    run.grant(1);
    run.stop(graceful(StopMode::Graceful), 2);
    assert!(!run.hand_over(1, 1, "farm", 3));
    assert_eq!(states(&run), [Running, Cancelled, Skipped, Pending]);
    assert_eq!(recalled(&run), 0);
}

#[test]
fn outputs_that_no_file_could_have_fail_the_try() {
    let mut run = alone();
    let outputs = BTreeMap::from([("no name".into(), "x".into())]);
    let reply = Reply::Ended {
        outcome: Outcome::Succeeded,
        message: String::new(),
        outputs,
    };
    run.hear(FAR, reply, 5, 0.5);
    assert_eq!(states(&run)[1], Retrying { due_ms: 1005 });
    assert!(
        run.steps[1].message.contains("bad key"),
        "{}",
        run.steps[1].message
    );
}
