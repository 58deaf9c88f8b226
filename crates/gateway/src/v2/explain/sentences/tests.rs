use contracts::message::{Actor, EndCause, StepState};
use contracts::pipeline::{Blocker, Gate, RunStep};

use super::*;

fn texts(run: &Run, queue: &Queue) -> Vec<String> {
    sentences(run, queue)
        .into_iter()
        .map(|sentence| sentence.text)
        .collect()
}

fn run(state: RunState) -> Run {
    Run {
        state: state.into(),
        attempt: 1,
        concurrency: 1,
        ..Default::default()
    }
}

#[test]
fn a_queued_run_says_what_it_waits_for() {
    let busy = ExplainResponse {
        queue_place: 3,
        executors: 1,
        slots: 4,
        busy: 4,
        ..Default::default()
    };
    let mut queued = run(RunState::Queued);
    assert_eq!(
        texts(&queued, &Queue::Says(busy)),
        ["The run is number 3 in the queue: all 4 slots are busy."]
    );
    let drained = ExplainResponse {
        queue_place: 3,
        draining: 2,
        ..Default::default()
    };
    assert_eq!(
        texts(&queued, &Queue::Says(drained)),
        [
            "The run is number 3 in the queue, and all 2 executors are drained: \
          `penstock executors undrain` lets one work again."
        ]
    );
    queued.queue_position = 2;
    let alone = ExplainResponse {
        queue_place: 1,
        ..Default::default()
    };
    assert_eq!(
        texts(&queued, &Queue::Says(alone)),
        [
            "The pipeline has no free place: 2 of its runs come before this one, and 1 may run at a time.",
            "The run is number 1 in the queue, and no executor is there to take it.",
        ]
    );
}

#[test]
fn a_run_that_another_pipeline_holds_back_says_which() {
    let mut queued = run(RunState::Queued);
    let ahead = ExplainResponse {
        queue_place: 1,
        executors: 1,
        slots: 4,
        ..Default::default()
    };
    for (has_begun, why) in [
        (true, "has not ended"),
        (false, "was accepted before this one"),
    ] {
        queued.blocked_by = Some(Blocker {
            pipeline_id: "p".into(),
            pipeline_name: "import".into(),
            run_count: 7,
            has_begun,
        });
        let said = texts(&queued, &Queue::Says(ahead.clone()));
        let expected =
            format!("The pipeline import must not run at the same time, and its run 7 {why}.");
        assert_eq!(said[0], expected);
        assert_eq!(said.len(), 2);
    }
}

#[test]
fn an_ended_run_says_why_and_who() {
    let mut failed = run(RunState::Failed);
    failed.end_cause = EndCause::StepFailed.into();
    failed.steps = vec![RunStep {
        slug: "build".into(),
        state: StepState::Failed.into(),
        tries: 2,
        exit_code: Some(7),
        ..Default::default()
    }];
    let said = sentences(&failed, &Queue::Silent);
    assert_eq!(said[0].text, "A step failed.");
    assert_eq!(said[1].text, "The step build failed with exit code 7.");
    assert_eq!(said[1].facts["exitCode"], 7);

    let mut stopped = run(RunState::Cancelled);
    stopped.end_cause = EndCause::Stopped.into();
    stopped.ended_by = Some(Actor {
        name: "Ada".into(),
        ..Default::default()
    });
    stopped.reason = "too slow".into();
    assert_eq!(
        texts(&stopped, &Queue::Silent),
        ["The run was stopped by Ada (too slow)."]
    );
}

#[test]
fn a_gate_says_who_has_decided_and_who_may() {
    let by = |name: &str| contracts::pipeline::GateDecision {
        approved: true,
        actor: Some(Actor {
            name: name.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut waiting = run(RunState::Waiting);
    waiting.steps = vec![RunStep {
        slug: "go".into(),
        state: StepState::Waiting.into(),
        gate: Some(Gate {
            message: "Publish?".into(),
            approvers: 2,
            decisions: vec![by("Ada")],
            ..Default::default()
        }),
        ..Default::default()
    }];
    assert_eq!(
        texts(&waiting, &Queue::Silent)[1],
        "The step go waits for people to decide: Publish? 1 of 2 have approved it: Ada. \
         Whoever may approve the pipeline may: manager, secops, administrator or owner, or \
         everyone where it has no rules; not who started the run."
    );
}

#[test]
fn every_state_has_something_to_say() {
    for state in 1..=9 {
        let run = Run {
            state,
            ..Default::default()
        };
        let says = Queue::Says(ExplainResponse {
            executor: "e".into(),
            ..Default::default()
        });
        assert!(!texts(&run, &says).is_empty(), "{state}");
    }
}
