//! Each way to get away from a keeper, against each way for a step to end: none gets away.

use std::time::Duration;

use keeper::{Answer, Order, monotonic_ns};
use libtest_mimic::Trial;

use crate::harness::{Kept, Step, eventually, survivors};

/// What a family does, and the script that does it. Each says `ready` when it is out of reach,
/// ignores TERM and HUP, and doesn't end by itself while a test waits: what forks for ever gives
/// up a little after that, so that a keeper that fails here doesn't fill the process table.
const FAMILIES: &[(&str, &str)] = &[
    (
        "ignores_term",
        "sh -c 'echo ready; sleep 1000; sleep 1000' &",
    ),
    (
        "leaves_the_session",
        "setsid sh -c 'echo ready; sleep 1000; sleep 1000' &",
    ),
    (
        "forks_twice",
        "( setsid sh -c 'echo ready; sleep 1000; sleep 1000' & ) &",
    ),
    (
        "holds_only_the_pipe",
        "( setsid sh -c 'echo ready; exec sleep 1000 0<&- 2>&-' & ) &",
    ),
    (
        "is_stopped",
        "setsid sh -c 'echo ready; kill -STOP $$; sleep 1000' &",
    ),
    (
        "is_many",
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do setsid sh -c 'sleep 1000 & sleep 1000' & done; echo ready;",
    ),
    (
        "forks_and_ends_for_ever",
        "perl -e '$| = 1; my $end = time + 40; print \"ready\\n\"; while (time < $end) { exit if fork }' &",
    ),
    (
        "forks_and_leaves_the_session_for_ever",
        "perl -e 'use POSIX; $| = 1; my $end = time + 40; print \"ready\\n\"; while (time < $end) { exit if fork; POSIX::setsid() }' &",
    ),
    (
        "is_a_swarm_that_forks_and_ends_for_ever",
        "perl -e '$| = 1; my $end = time + 40; fork for 1 .. 4; print \"ready\\n\"; while (time < $end) { exit if fork }' &",
    ),
    (
        "is_a_swarm_that_leaves_its_sessions_for_ever",
        "perl -e 'use POSIX; $| = 1; my $end = time + 40; fork for 1 .. 3; print \"ready\\n\"; while (time < $end) { exit if fork; POSIX::setsid() }' &",
    ),
];

#[derive(Debug, Clone, Copy)]
enum End {
    Term,
    Kill,
    Deadline,
    MainEnds,
    ExecutorGone,
}

pub(crate) fn trials() -> Vec<Trial> {
    let ends = [
        ("is_told_to_end", End::Term),
        ("is_killed", End::Kill),
        ("is_at_its_deadline", End::Deadline),
        ("ends_by_itself", End::MainEnds),
        ("loses_its_executor", End::ExecutorGone),
    ];
    let pairs = FAMILIES
        .iter()
        .flat_map(|family| ends.map(|end| (family, end)));
    pairs
        .map(|(&(does, script), (when, end))| {
            let name = format!("a_family_that_{does}_is_gone_when_its_step_{when}");
            Trial::test(name, move || {
                none_gets_away(script, end);
                Ok(())
            })
        })
        .collect()
}

fn none_gets_away(script: &str, end: End) {
    // The main process itself has the default for TERM back: only its family is obstinate.
    let script = format!(
        "(trap '' TERM HUP; {script} wait) & while [ ! -e go ]; do sleep 0.02; done; exit 3"
    );
    let mut step = Step::script(&script).grace(Duration::from_millis(200));
    if matches!(end, End::Deadline) {
        step = step.deadline(Duration::from_secs(5));
    }
    let deadline = step.spec.deadline_ns;
    let mut kept = step.start();
    kept.started();
    kept.hears("ready");
    let mark = kept.mark.clone();
    eventually("the family is there", || survivors(&mark).len() > 1);
    match end {
        End::Term => {
            kept.order(Order::Term);
            assert_ends(&mut kept, &Answer::Signalled(15));
        }
        End::Kill => {
            kept.order(Order::Kill);
            assert_ends(&mut kept, &Answer::Signalled(9));
        }
        End::Deadline => {
            assert_ends(&mut kept, &Answer::Signalled(15));
            let late = Duration::from_nanos(monotonic_ns().saturating_sub(deadline));
            assert!(
                late < Duration::from_secs(1),
                "gone {late:?} after the deadline"
            );
        }
        End::MainEnds => {
            kept.go();
            assert_ends(&mut kept, &Answer::Exited(3));
        }
        End::ExecutorGone => {
            kept.hang_up();
            kept.keeper_ends();
            assert_eq!(survivors(&mark), Vec::<i32>::new(), "survived the keeper");
        }
    }
}

fn assert_ends(kept: &mut Kept, ending: &Answer) {
    assert_eq!(kept.end(), *ending);
    while kept.line().is_some() {}
}
