//! Tables of what an attempt does, and what no order of events makes it do.

use proptest::prelude::*;

use super::*;

fn a_try(step: &str, number: u32) -> Try {
    Try {
        step: step.into(),
        number,
    }
}

fn first(step: &str) -> Try {
    a_try(step, 1)
}

fn granted(steps: &[&str]) -> Heard {
    under(Stop::None, steps)
}

fn under(stop: Stop, steps: &[&str]) -> Heard {
    let granted = steps.iter().map(|step| first(step)).collect();
    Heard::Answer(Answer {
        granted,
        stop,
        end: None,
    })
}

fn ended(end: End) -> Heard {
    Heard::Answer(Answer {
        end: Some(end),
        ..Answer::default()
    })
}

fn stopped(stop: Stop) -> Heard {
    Heard::Ordered(stop, Fate::Own)
}

fn fated(fate: Fate) -> Heard {
    Heard::Ordered(Stop::None, fate)
}

fn finished(step: &str) -> Heard {
    Heard::Finished(first(step))
}

fn start(step: &str) -> Deed {
    Deed::Start(first(step))
}

fn term(step: &str) -> Deed {
    Deed::Term(first(step))
}

fn leave(step: &str) -> Deed {
    Deed::Leave(first(step))
}

fn drop(step: &str) -> Deed {
    Deed::Drop(first(step))
}

fn kill(step: &str) -> Deed {
    Deed::Kill(first(step))
}

/// What is heard, and what is to be done then.
type Story = Vec<(Heard, Vec<Deed>)>;

fn holds(story: Story) {
    let mut state = State::new(["f".to_owned()].into(), 3);
    for (position, (heard, deeds)) in story.into_iter().enumerate() {
        let told = format!("at {position}, {heard:?}");
        assert_eq!(state.hear(heard), deeds, "{told}");
    }
}

const OVER: End = End::Over {
    run_ended: true,
    workspace_kept: false,
};

#[test]
fn steps_run_one_after_the_other_until_it_is_over() {
    holds(vec![
        (granted(&["a"]), vec![start("a")]),
        (finished("a"), vec![Deed::Report]),
        (granted(&["b"]), vec![start("b")]),
        (finished("b"), vec![Deed::Report]),
        (ended(OVER), vec![Deed::End(OVER)]),
    ]);
}

#[test]
fn steps_that_end_during_a_report_share_the_next_one() {
    holds(vec![
        (
            granted(&["a", "b", "c"]),
            vec![start("a"), start("b"), start("c")],
        ),
        (finished("a"), vec![Deed::Report]),
        (finished("b"), vec![]),
        (finished("c"), vec![]),
        (granted(&[]), vec![Deed::Report]),
        (granted(&[]), vec![]),
    ]);
}

#[test]
fn a_grant_that_is_repeated_changes_nothing() {
    let again = Heard::Answer(Answer {
        granted: vec![a_try("a", 2)],
        ..Answer::default()
    });
    holds(vec![
        (granted(&["a"]), vec![start("a")]),
        (granted(&["a"]), vec![]),
        (finished("a"), vec![Deed::Report]),
        (granted(&["a"]), vec![]),
        (again.clone(), vec![Deed::Start(a_try("a", 2))]),
        (again, vec![]),
    ]);
}

#[test]
fn more_steps_than_may_run_at_a_time_wait() {
    holds(vec![
        (
            granted(&["a", "b", "c", "d"]),
            vec![start("a"), start("b"), start("c")],
        ),
        (finished("b"), vec![start("d"), Deed::Report]),
    ]);
    holds(vec![
        (
            granted(&["a", "b", "c", "d"]),
            vec![start("a"), start("b"), start("c")],
        ),
        (stopped(Stop::Graceful), vec![]),
        (finished("b"), vec![Deed::Skip(first("d")), Deed::Report]),
    ]);
}

#[test]
fn a_graceful_stop_lets_what_runs_finish_and_starts_finalizers_only() {
    holds(vec![
        (granted(&["a"]), vec![start("a")]),
        (stopped(Stop::Graceful), vec![]),
        (
            under(Stop::Graceful, &["b", "f"]),
            vec![Deed::Skip(first("b")), start("f"), Deed::Report],
        ),
        (finished("f"), vec![]),
    ]);
}

#[test]
fn a_cancel_ends_what_runs_and_spares_the_finalizers_that_follow() {
    holds(vec![
        (granted(&["a"]), vec![start("a")]),
        (stopped(Stop::Cancel), vec![term("a")]),
        (stopped(Stop::Cancel), vec![]),
        (finished("a"), vec![Deed::Report]),
        (under(Stop::Cancel, &["f"]), vec![start("f")]),
        (stopped(Stop::Cancel), vec![]),
        (stopped(Stop::Kill), vec![kill("f")]),
        (finished("f"), vec![Deed::Report]),
    ]);
}

#[test]
fn a_cancel_ends_a_finalizer_that_ran_before_it() {
    holds(vec![
        (granted(&["f"]), vec![start("f")]),
        (stopped(Stop::Cancel), vec![term("f")]),
    ]);
}

#[test]
fn a_stop_in_an_answer_is_a_stop() {
    holds(vec![
        (granted(&["a", "b"]), vec![start("a"), start("b")]),
        (finished("a"), vec![Deed::Report]),
        (
            under(Stop::Kill, &["f"]),
            vec![Deed::Skip(first("f")), kill("b"), Deed::Report],
        ),
    ]);
}

#[test]
fn a_stop_between_steps_is_reported_at_once() {
    holds(vec![
        (granted(&[]), vec![]),
        (stopped(Stop::Graceful), vec![Deed::Report]),
        (granted(&[]), vec![]),
        (Heard::Due, vec![Deed::Report]),
    ]);
}

#[test]
fn what_is_refused_or_fenced_is_killed_and_not_reported() {
    for (heard, end) in [
        (ended(End::Refused), End::Refused),
        (ended(End::Lost), End::Lost),
        (fated(Fate::Forgotten), End::Forgotten),
    ] {
        holds(vec![
            (granted(&["a", "b"]), vec![start("a"), start("b")]),
            (heard, vec![drop("a"), drop("b")]),
            (finished("a"), vec![]),
            (Heard::Due, vec![]),
            (finished("b"), vec![Deed::End(end)]),
            (finished("b"), vec![]),
        ]);
    }
}

#[test]
fn a_fence_does_not_wait_for_an_answer() {
    holds(vec![
        (granted(&["a"]), vec![start("a")]),
        (finished("a"), vec![Deed::Report]),
        (fated(Fate::Forgotten), vec![Deed::End(End::Forgotten)]),
    ]);
}

#[test]
fn what_is_given_back_is_ended_first_and_starts_nothing_more() {
    holds(vec![
        (granted(&["a", "b"]), vec![start("a"), start("b")]),
        (finished("a"), vec![Deed::Report]),
        (fated(Fate::HandedBack), vec![leave("b")]),
        (finished("b"), vec![]),
        (granted(&["c"]), vec![Deed::End(End::HandedBack)]),
    ]);
}

#[test]
fn what_is_given_back_may_be_over_or_lost_before() {
    holds(vec![
        (granted(&["a"]), vec![start("a")]),
        (fated(Fate::HandedBack), vec![leave("a")]),
        (fated(Fate::Forgotten), vec![drop("a")]),
        (finished("a"), vec![Deed::End(End::Forgotten)]),
    ]);
}

#[test]
fn a_step_that_the_lease_cut_loses_the_attempt() {
    holds(vec![
        (granted(&["a", "b"]), vec![start("a"), start("b")]),
        (Heard::Cut(first("a")), vec![drop("b")]),
        (Heard::Cut(first("b")), vec![Deed::End(End::Lost)]),
    ]);
    holds(vec![
        (granted(&["a"]), vec![start("a")]),
        (fated(Fate::HandedBack), vec![leave("a")]),
        (Heard::Cut(first("a")), vec![Deed::End(End::Lost)]),
    ]);
}

#[test]
fn a_try_without_an_outcome_loses_the_attempt_at_once() {
    holds(vec![
        (granted(&["a", "b"]), vec![start("a"), start("b")]),
        (Heard::Broken, vec![Deed::End(End::Lost)]),
    ]);
}

#[test]
fn a_kill_reaches_what_is_being_given_back() {
    holds(vec![
        (granted(&["a"]), vec![start("a")]),
        (fated(Fate::HandedBack), vec![leave("a")]),
        (stopped(Stop::Kill), vec![kill("a")]),
    ]);
}

#[test]
fn a_stop_reaches_what_its_own_end_would_leave_alone() {
    holds(vec![
        (granted(&["a"]), vec![start("a")]),
        (stopped(Stop::Cancel), vec![term("a")]),
        (ended(OVER), vec![kill("a")]),
    ]);
}

fn any_heard() -> impl Strategy<Value = Heard> {
    let a_step = prop::sample::select(vec!["a", "b", "c", "d", "f"]);
    let tries = (a_step, 1..4_u32).prop_map(|(step, number)| a_try(step, number));
    let stop = prop::sample::select(vec![Stop::None, Stop::Graceful, Stop::Cancel, Stop::Kill]);
    let fate = prop::sample::select(vec![
        Fate::Own,
        Fate::Own,
        Fate::HandedBack,
        Fate::Forgotten,
    ]);
    let end = prop::sample::select(vec![None, None, None, Some(OVER), Some(End::Refused)]);
    prop_oneof![
        (
            prop::collection::vec(tries.clone(), 0..4),
            stop.clone(),
            end
        )
            .prop_map(|(granted, stop, end)| Heard::Answer(Answer { granted, stop, end })),
        tries.clone().prop_map(Heard::Finished),
        tries.prop_map(Heard::Cut),
        (stop, fate).prop_map(|(stop, fate)| Heard::Ordered(stop, fate)),
        Just(Heard::Due),
    ]
}

proptest! {
    #[test]
    fn no_order_of_events_breaks_the_invariants(story in prop::collection::vec(any_heard(), 0..60)) {
        let mut state = State::new(["f".to_owned()].into(), 3);
        let mut started = BTreeSet::new();
        let mut running = BTreeSet::new();
        let (mut is_reporting, mut stop, mut has_ended) = (false, Stop::None, false);
        for heard in story {
            match &heard {
                // Only what runs can end, and only what was asked is answered.
                Heard::Finished(one) | Heard::Cut(one) if !running.remove(one) => continue,
                Heard::Answer(_) if !is_reporting && !started.is_empty() => continue,
                Heard::Answer(answer) => {
                    is_reporting = false;
                    stop = stop.max(answer.stop);
                }
                Heard::Ordered(mode, _) => stop = stop.max(*mode),
                Heard::Finished(_) | Heard::Cut(_) | Heard::Broken | Heard::Due => {}
            }
            for deed in state.hear(heard) {
                prop_assert!(!has_ended, "{deed:?} after the end");
                match deed {
                    Deed::Start(one) => {
                        prop_assert!(stop == Stop::None || (one.step == "f" && stop < Stop::Kill));
                        prop_assert!(started.insert(one.clone()), "started twice");
                        running.insert(one);
                    }
                    Deed::Report => {
                        prop_assert!(!is_reporting, "two reports at a time");
                        is_reporting = true;
                    }
                    Deed::Leave(one) | Deed::Term(one) | Deed::Drop(one) | Deed::Kill(one) => prop_assert!(running.contains(&one)),
                    Deed::Skip(_) => {}
                    Deed::End(_) => {
                        prop_assert!(running.is_empty(), "ended with something running");
                        has_ended = true;
                    }
                }
            }
            prop_assert!(running.len() <= 3);
        }
    }
}
