//! Gates, as the gateway and executors meet them.

use contracts::message::StepState;
use contracts::pipeline::{DecideRequest, DecideResponse, ResetRequest};
use tonic::Status;

use super::*;

const GATED: &str = "{name: gated, steps: [{id: one, run: 'true'}, \
                     {id: go, approval: {message: Publish?, approvers: 2, selfApproval: false}}, {id: two, run: 'true'}]}";
const ALONE: &str = "{name: alone, steps: [{id: go, approval: {}, timeout: 1ms}]}";

fn by(name: &str) -> Caller {
    let mut caller = caller();
    if let Some(actor) = &mut caller.actor {
        (actor.user_id, actor.name) = (name.to_owned(), name.to_owned());
    }
    caller
}

impl Service {
    async fn decide(
        &mut self,
        pipeline: &Pipeline,
        who: &str,
        approve: bool,
    ) -> Result<DecideResponse, Status> {
        let request = DecideRequest {
            caller: Some(by(who)),
            pipeline: Some(PipelineRef {
                text: pipeline.id.clone(),
            }),
            approve,
            message: "looks good".into(),
            ..Default::default()
        };
        Ok(self.pipelines.decide(request).await?.into_inner())
    }

    /// A run that waits at the gate of `GATED`.
    async fn at_gate(&mut self) -> (Pipeline, Run) {
        let pipeline = self.define(GATED).await;
        let run = self.start(&pipeline, "a").await.unwrap();
        self.begin(&run, 1, "x").await;
        let answer = self.report(&run, 1, Outcome::Succeeded).await;
        assert!(answer.over && !answer.run_ended, "the slot is free");
        let run = self.run(&pipeline, 1).await;
        assert_eq!(run.state(), RunState::Waiting);
        (pipeline, run)
    }
}

#[tokio::test]
async fn a_gate_opens_once_enough_people_have_approved_it() {
    let mut service = service().await;
    let (pipeline, run) = service.at_gate().await;
    let own = service.decide(&pipeline, "u", true).await.unwrap_err();
    assert_eq!(own.code(), Code::PermissionDenied, "{own}");
    let first = service.decide(&pipeline, "bob", true).await.unwrap();
    assert!(!first.repeated);
    assert_eq!(first.run.unwrap().state(), RunState::Waiting);
    let again = service.decide(&pipeline, "bob", true).await.unwrap();
    assert!(again.repeated);
    let other = service.decide(&pipeline, "bob", false).await.unwrap_err();
    assert_eq!(other.code(), Code::FailedPrecondition, "{other}");
    let second = service.decide(&pipeline, "eve", true).await.unwrap();
    let queued = second.run.unwrap();
    assert_eq!(queued.state(), RunState::Queued);
    let gate = queued.steps[1].gate.as_ref().unwrap();
    let who: Vec<_> = gate.decisions.iter().map(|it| it.actor.clone()).collect();
    assert_eq!(who.len(), 2);
    assert_eq!(queued.steps[1].message, "approved by eve: looks good");
    let begun = service.begin(&run, 2, "y").await;
    assert_eq!(begun.verdict(), Verdict::Begun);
    assert_eq!(begun.grants[0].step_id, "two");
}

#[tokio::test]
async fn one_who_rejects_a_gate_fails_the_run() {
    let mut service = service().await;
    let (pipeline, _) = service.at_gate().await;
    let rejected = service.decide(&pipeline, "bob", false).await.unwrap();
    let run = rejected.run.unwrap();
    assert_eq!(
        (run.state(), run.end_cause()),
        (RunState::Failed, EndCause::Rejected)
    );
    assert_eq!(run.ended_by.unwrap().user_id, "bob");
    assert_eq!(run.reason, "step go was rejected by bob: looks good");
    let late = service.decide(&pipeline, "eve", true).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition, "{late}");
}

#[tokio::test]
async fn a_start_can_be_refused_while_the_pipeline_is_paused() {
    let mut service = service().await;
    let (pipeline, _) = service.at_gate().await;
    let request = |key: &str| StartRunRequest {
        caller: Some(caller()),
        pipeline: Some(PipelineRef {
            text: pipeline.id.clone(),
        }),
        idempotency_key: key.into(),
        fingerprint: "f".into(),
        key_given: true,
        unless_paused: true,
        ..Default::default()
    };
    let refused = service.pipelines.start_run(request("b")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let repeated = service.pipelines.start_run(request("a")).await.unwrap();
    assert!(repeated.into_inner().repeated, "that run was accepted");
    assert_eq!(service.start(&pipeline, "c").await.unwrap().run_count, 2);
}

#[tokio::test]
async fn a_reset_closes_the_gate_and_leaves_what_is_queued_behind_it() {
    let mut service = service().await;
    let (pipeline, _) = service.at_gate().await;
    let second = service.start(&pipeline, "b").await.unwrap();
    let reset = ResetRequest {
        caller: Some(caller()),
        pipeline: Some(PipelineRef {
            text: pipeline.id.clone(),
        }),
        force: false,
    };
    service.pipelines.reset(reset).await.unwrap();
    let run = service.run(&pipeline, 1).await;
    assert_eq!(
        (run.state(), run.end_cause()),
        (RunState::Cancelled, EndCause::Reset)
    );
    assert_eq!(run.steps[1].state(), StepState::Cancelled);
    let begun = service.begin(&second, 1, "x").await;
    assert_eq!(begun.verdict(), Verdict::Begun, "the place is free");
}

#[tokio::test]
async fn a_gate_whose_time_is_over_fails_by_itself() {
    let mut service = service().await;
    let pipeline = service.define(ALONE).await;
    let run = service.start(&pipeline, "a").await.unwrap();
    let begun = service.begin(&run, 1, "x").await;
    assert_eq!(begun.verdict(), Verdict::Over, "no executor is wanted");
    let patience = std::time::Duration::from_secs(30);
    let ended = tokio::time::timeout(patience, async {
        loop {
            let run = service.run(&pipeline, 1).await;
            if run.state().is_final() {
                return run;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let run = ended.await.unwrap();
    assert_eq!(
        (run.state(), run.end_cause()),
        (RunState::Failed, EndCause::StepTimedOut)
    );
}

#[tokio::test]
async fn a_start_may_say_what_its_first_gate_asks() {
    const TWO: &str = "{name: two, steps: [{id: a, approval: {message: First?}}, \
                       {id: b, approval: {message: Second?}}, {id: c, run: 'true'}]}";
    for mut service in stores::services().await {
        let pipeline = service.define(TWO).await;
        let by_id = pipeline.steps[1].id.clone();
        for (run_count, (gate, expected)) in (1..).zip([
            ("", ["Ship it?", "Second?"]),
            (by_id.as_str(), ["First?", "Ship it?"]),
            ("b", ["First?", "Ship it?"]),
        ]) {
            let request = StartRunRequest {
                gate_message: "Ship it?".into(),
                gate: gate.into(),
                ..start_of(&pipeline, &format!("key {run_count}"))
            };
            service.pipelines.start_run(request).await.unwrap();
            let run = service.run(&pipeline, run_count).await;
            let asked = run.steps.iter().filter_map(|it| it.gate.as_ref());
            let asked: Vec<_> = asked.map(|gate| gate.message.as_str()).collect();
            assert_eq!(asked, expected, "{gate}");
        }
        let request = StartRunRequest {
            gate_message: "Ship it?".into(),
            gate: "c".into(),
            ..start_of(&pipeline, "another")
        };
        let refused = service.pipelines.start_run(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
}
