//! Each way to get away from a keeper, against each way for a step to end: none gets away.

use std::time::Duration;

use keeper::{Answer, Order};
use libtest_mimic::Trial;

use crate::cgroup::{Cgroup, group_of};
use crate::harness::{Step, eventually, survivors};

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
    let can_be_grouped = Cgroup::can_be();
    pairs
        .flat_map(|(&(does, script), (when, end))| {
            let name = format!("a_family_that_{does}_is_gone_when_its_step_{when}");
            let grouped = format!("{name}_in_a_control_group");
            let trial = |name, home: fn() -> Option<Cgroup>| {
                Trial::test(name, move || {
                    none_gets_away((does, script), end, home());
                    Ok(())
                })
            };
            let mut trials = vec![trial(name, || None)];
            if competes(does) {
                trials.push(trial(grouped, Cgroup::new).with_ignored_flag(!can_be_grouped));
            }
            trials
        })
        .collect()
}

/// Whether a family takes all there is of the machine, of which others may want some too. Then the
/// main process, though told in time, may not have its turn within the grace to die of what it was
/// told; and those that are killed need theirs as well.
fn competes(does: &str) -> bool {
    does.ends_with("for_ever")
}

fn none_gets_away((does, script): (&str, &str), end: End, home: Option<Cgroup>) {
    let competes = competes(does);
    let of_term = |ending: &Answer| {
        let is_late = competes && *ending == Answer::Signalled(9);
        assert!(is_late || *ending == Answer::Signalled(15), "{ending:?}");
    };

    // The main process itself has the default for TERM back: only its family is obstinate.
    let script = format!(
        "(trap '' TERM HUP; {script} wait) & while [ ! -e go ]; do sleep 0.02; done; exit 3"
    );
    let mut step = Step::script(&script).grace(Duration::from_millis(200));
    if matches!(end, End::Deadline) {
        step = step.deadline(Duration::from_secs(5));
    }
    let deadline = step.spec.deadline_ns;
    let mut kept = match &home {
        Some(home) => step.start_in(home),
        None => step.start(),
    };
    let main = kept.started();
    kept.hears("ready");
    if let Some(home) = &home {
        assert_eq!(group_of(main), home.of_step(kept.keeper.id()));
        eventually("the keeper is out of it", || {
            group_of(kept.keeper.id()).ends_with("/keepers")
        });
    }
    let mark = kept.mark.clone();
    eventually("the family is there", || survivors(&mark).len() > 1);
    match end {
        End::Term => {
            kept.order(Order::Term);
            of_term(&kept.end());
        }
        End::Kill => {
            kept.order(Order::Kill);
            assert_eq!(kept.end(), Answer::Signalled(9));
        }
        End::Deadline => {
            of_term(&kept.end());
            assert!(kept.gone_ns.unwrap() >= deadline, "told before its time");
        }
        End::MainEnds => {
            kept.go();
            assert_eq!(kept.end(), Answer::Exited(3));
        }
        End::ExecutorGone => {
            kept.hang_up();
            kept.keeper_ends();
            assert_eq!(survivors(&mark), Vec::<i32>::new(), "survived the keeper");
        }
    }
    while kept.line().is_some() {}
    if let Some(home) = home {
        // While it waits for another step, the keeper has the next group ready.
        kept.hang_up();
        kept.keeper_ends();
        assert_eq!(home.groups(), ["keepers"], "a group is left");
    }
}
