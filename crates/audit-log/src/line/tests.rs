//! Lines, by table.

use super::*;

fn run(from: RunState, to: RunState, cause: EndCause, reason: &str) -> String {
    let event = RunChanged {
        run_count: 3,
        from: from.into(),
        to: to.into(),
        cause: cause.into(),
        reason: reason.into(),
        actor: Some(Actor {
            name: "admin".into(),
            ..Actor::default()
        }),
        ..RunChanged::default()
    };
    of_run(&event)
        .map(|line| format!("{}: {}", line.kind, line.text))
        .unwrap_or_default()
}

#[test]
fn a_run_s_life_is_told() {
    use EndCause as C;
    use RunState as S;
    for (from, to, cause, reason, line) in [
        (
            S::Unspecified,
            S::Queued,
            C::Unspecified,
            "",
            "run.queued: run 3 was requested by admin",
        ),
        (
            S::Running,
            S::Queued,
            C::Unspecified,
            "executor lost",
            "run.queued: run 3 is queued again: executor lost",
        ),
        (S::Queued, S::Running, C::Unspecified, "", ""),
        (
            S::Running,
            S::Cancelling,
            C::Unspecified,
            "too slow",
            "run.cancelling: stop was requested by admin: too slow",
        ),
        (
            S::Running,
            S::Failing,
            C::StepFailed,
            "",
            "run.failing: run 3 is failing: a step failed",
        ),
    ] {
        assert_eq!(run(from, to, cause, reason), line);
    }
}

#[test]
fn a_run_s_end_is_told_with_its_cause() {
    use EndCause as C;
    use RunState as S;
    for (from, to, cause, reason, line) in [
        (
            S::Running,
            S::Succeeded,
            C::Completed,
            "",
            "run.succeeded: run succeeded",
        ),
        (
            S::Running,
            S::Warned,
            C::Completed,
            "",
            "run.warned: run succeeded with warnings",
        ),
        (
            S::Failing,
            S::Failed,
            C::StepFailed,
            "build",
            "run.failed: run failed: a step failed: build",
        ),
        (
            S::Running,
            S::Failed,
            C::ExecutorLost,
            "",
            "run.failed: run failed: its executors were lost",
        ),
        (
            S::Cancelling,
            S::Cancelled,
            C::Stopped,
            "too slow",
            "run.cancelled: run was cancelled: it was stopped by admin: too slow",
        ),
    ] {
        assert_eq!(run(from, to, cause, reason), line);
    }
}

fn step(state: StepState, exit_code: Option<i32>, message: &str) -> String {
    let event = StepChanged {
        step_id: "build".into(),
        r#try: 2,
        state: state.into(),
        exit_code,
        message: message.into(),
        ..StepChanged::default()
    };
    of_step(&event)
        .map(|line| format!("{}: {}", line.kind, line.text))
        .unwrap_or_default()
}

#[test]
fn a_step_s_life_is_told() {
    use StepState as S;
    for (state, code, message, line) in [
        (S::Pending, None, "", ""),
        (
            S::Running,
            None,
            "",
            "step.started: step build started (try 2)",
        ),
        (
            S::Succeeded,
            Some(0),
            "",
            "step.succeeded: step build succeeded",
        ),
        (
            S::Warned,
            Some(0),
            "low disk",
            "step.warned: step build succeeded with warnings: low disk",
        ),
        (
            S::Failed,
            Some(2),
            "oh no",
            "step.failed: step build failed with exit code 2: oh no",
        ),
        (
            S::Failed,
            None,
            "timed out",
            "step.failed: step build failed: timed out",
        ),
        (
            S::Retrying,
            Some(1),
            "",
            "step.retrying: step build failed with exit code 1 and will be tried again",
        ),
        (
            S::Cancelled,
            None,
            "",
            "step.cancelled: step build was cancelled",
        ),
        (
            S::Skipped,
            None,
            "disabled",
            "step.skipped: step build was skipped: disabled",
        ),
    ] {
        assert_eq!(step(state, code, message), line);
    }
}

#[test]
fn an_attempt_s_life_is_told() {
    let began = AttemptBegan {
        attempt: 1,
        executor: "x".into(),
        ..AttemptBegan::default()
    };
    assert_eq!(of_beginning(&began).text, "attempt 1 began on executor x");
    let waited = AttemptBegan {
        waited: true,
        ..began
    };
    let text = "attempt 1 began on executor x, after pipelines that it is in conflict with";
    assert_eq!(of_beginning(&waited).text, text);
    let ended = |how: AttemptEnd, last_seq| {
        let how = how.into();
        of_ending(&AttemptEnded {
            attempt: 1,
            executor: "x".into(),
            how,
            last_seq,
            ..Default::default()
        })
    };
    assert_eq!(ended(AttemptEnd::Finished, 5).text, "attempt 1 finished");
    assert_eq!(
        ended(AttemptEnd::HandedBack, 5).text,
        "attempt 1 was handed back by executor x"
    );
    let lost = "attempt 1 was lost with executor x: its last lines, those after 5, may be missing";
    assert_eq!(ended(AttemptEnd::Lost, 5).text, lost);
}

#[test]
fn a_long_reason_is_cut() {
    let text = run(
        RunState::Running,
        RunState::Cancelling,
        EndCause::Unspecified,
        &"ä".repeat(9000),
    );
    assert!(text.chars().count() < LONGEST + 100 && text.ends_with('…'));
}

#[test]
fn a_decision_says_who_made_it_and_why() {
    let decided = GateDecided {
        step_id: "go".into(),
        approved: true,
        actor: Some(Actor {
            name: "Ada".into(),
            ..Actor::default()
        }),
        message: "looks good".into(),
        at_ms: 7,
        ..GateDecided::default()
    };
    let line = of_decision(&decided);
    assert_eq!((line.kind, line.time_ms), ("gate.approved", 7));
    assert_eq!(line.text, "step go was approved by Ada: looks good");
    let rejected = GateDecided {
        approved: false,
        message: String::new(),
        ..decided
    };
    let line = of_decision(&rejected);
    assert_eq!(
        (line.kind, line.text.as_str()),
        ("gate.rejected", "step go was rejected by Ada")
    );
}

#[test]
fn what_is_said_of_a_served_step_is_a_line_each() {
    let said = StepSaid {
        attempt: 2,
        step_id: "far".into(),
        r#try: 3,
        at_ms: 7,
        lines: vec!["sown".into(), "x".repeat(9000)],
        ..StepSaid::default()
    };
    let lines: Vec<Line> = of_words(&said).collect();
    assert_eq!((lines[0].kind, lines[0].tried), ("step.progress", 3));
    assert_eq!((lines[0].text.as_str(), lines.len()), ("sown", 2));
    assert!(lines[1].text.chars().count() <= LONGEST + 1);
}
