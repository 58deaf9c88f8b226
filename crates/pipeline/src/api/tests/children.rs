//! Runs of other pipelines, as steps.

use std::time::Duration;

use contracts::message::StepState;
use contracts::pipeline::DecideRequest;

use super::*;

const KID: &str = "{name: kid, concurrency: 0, steps: [{id: one, run: 'true'}]}";
const PARENT: &str = "{name: parent, steps: [{id: kid, pipeline: {pipeline: kid}}]}";
const PATIENCE: Duration = Duration::from_secs(30);

impl Service {
    /// The run of a pipeline once it is as it should be.
    async fn when(
        &mut self,
        pipeline: &Pipeline,
        run_count: i64,
        is: impl Fn(&Run) -> bool,
    ) -> Run {
        let wait = async {
            loop {
                let request = GetRunRequest {
                    caller: Some(caller()),
                    pipeline: Some(PipelineRef {
                        text: pipeline.id.clone(),
                    }),
                    run_count,
                    ..Default::default()
                };
                if let Ok(run) = self.pipelines.get_run(request).await
                    && is(run.get_ref())
                {
                    return run.into_inner();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap()
    }

    /// A parent that waits for its child, and the child's run.
    async fn family(&mut self, kid: &str) -> (Pipeline, Pipeline, Run) {
        let kid = self.define(kid).await;
        let parent = self.define(PARENT).await;
        let run = self.start(&parent, "a").await.unwrap();
        let begun = self.begin(&run, 1, "x").await;
        assert_eq!(begun.verdict(), Verdict::Over, "no executor is wanted");
        let child = self.when(&kid, 1, |_| true).await;
        assert_eq!(child.parent_id, run.id);
        (parent, kid, child)
    }
}

#[tokio::test]
async fn the_end_of_a_child_is_the_end_of_its_step() {
    let mut service = service().await;
    let (parent, _, child) = service.family(KID).await;
    let waiting = service.run(&parent, 1).await;
    assert_eq!(waiting.state(), RunState::Waiting);
    let shown = waiting.steps[0].child.clone().unwrap();
    assert_eq!((shown.run_id, shown.run_count), (child.id.clone(), 1));
    service.begin(&child, 1, "x").await;
    service.report(&child, 1, Outcome::Succeeded).await;
    let is_ended = |run: &Run| run.state().is_final();
    let ended = service.when(&parent, 1, is_ended).await;
    assert_eq!(
        (ended.state(), ended.end_cause()),
        (RunState::Succeeded, EndCause::Completed)
    );
    assert_eq!(ended.steps[0].message, "run 1 of kid succeeded");
}

#[tokio::test]
async fn a_stop_reaches_the_child_and_the_parent_waits_for_it() {
    let mut service = service().await;
    let (parent, kid, child) = service.family(KID).await;
    service.begin(&child, 1, "x").await;
    service.stop(&parent).await;
    let is_stopped = |run: &Run| run.state() == RunState::Cancelling;
    let child = service.when(&kid, 1, is_stopped).await;
    assert_eq!(service.run(&parent, 1).await.state(), RunState::Cancelling);
    service.report(&child, 1, Outcome::Succeeded).await;
    let is_ended = |run: &Run| run.state().is_final();
    let ended = service.when(&parent, 1, is_ended).await;
    assert_eq!(ended.state(), RunState::Cancelled);
    assert_eq!(ended.steps[0].state(), StepState::Cancelled);
}

#[tokio::test]
async fn a_childs_gate_is_decided_on_its_parent() {
    let mut service = service().await;
    let gated = "{name: kid, steps: [{id: go, approval: {message: Now?}}]}";
    let (parent, _, child) = service.family(gated).await;
    assert_eq!(service.begin(&child, 1, "x").await.verdict(), Verdict::Over);
    let waiting = service.run(&parent, 1).await;
    assert_eq!(waiting.steps[0].gate.as_ref().unwrap().message, "Now?");
    for (step, repeated) in [("go", None), ("", Some(false)), ("kid", Some(true))] {
        let request = DecideRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef {
                text: parent.id.clone(),
            }),
            run_count: 1,
            step: step.into(),
            approve: true,
            ..Default::default()
        };
        let decided = service.pipelines.decide(request).await;
        // The parent has no step of the child's.
        assert_eq!(decided.ok().map(|it| it.into_inner().repeated), repeated);
    }
    let is_ended = |run: &Run| run.state().is_final();
    let ended = service.when(&parent, 1, is_ended).await;
    assert_eq!(ended.state(), RunState::Succeeded);
}

#[tokio::test]
async fn a_child_that_can_not_start_fails_its_step_and_a_circle_is_refused() {
    let mut service = service().await;
    let parent = service.define(PARENT).await;
    let run = service.start(&parent, "a").await.unwrap();
    service.begin(&run, 1, "x").await;
    let is_ended = |run: &Run| run.state().is_final();
    let ended = service.when(&parent, 1, is_ended).await;
    assert_eq!(
        (ended.state(), ended.end_cause()),
        (RunState::Failed, EndCause::StepFailed)
    );
    assert!(ended.steps[0].message.contains("no pipeline \"kid\""));
    let request = DefineRequest {
        caller: Some(caller()),
        source: "{name: kid, steps: [{id: back, pipeline: {pipeline: parent}}]}".into(),
        ..Default::default()
    };
    let refused = service.pipelines.define(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().contains("leads back"), "{refused}");
}
