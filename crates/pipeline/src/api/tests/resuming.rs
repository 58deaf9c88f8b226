//! Runs that go on where another ended.

use contracts::pipeline::{Attempt, CheckAttemptsRequest};
use tonic::Status;

use super::*;

const TWO: &str = "{name: two, steps: [{id: one, run: 'true'}, {id: two, run: 'true'}]}";

impl Service {
    async fn resume(&mut self, pipeline: &Pipeline, key: &str) -> Result<Run, Status> {
        let request = StartRunRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef {
                text: pipeline.id.clone(),
            }),
            idempotency_key: key.into(),
            fingerprint: "f".into(),
            key_given: true,
            resume: Some(0),
            ..Default::default()
        };
        let answer = self.pipelines.start_run(request).await?;
        Ok(answer.into_inner().run.unwrap())
    }

    async fn keeps(&mut self, run: &Run) -> bool {
        let asked = Attempt {
            run_id: run.id.clone(),
            attempt: 0,
        };
        let request = CheckAttemptsRequest {
            attempts: vec![asked],
        };
        let answer = self.attempts.check_attempts(request).await.unwrap();
        answer.into_inner().attempts[0].workspace_kept
    }
}

#[tokio::test]
async fn a_failed_run_is_resumed_after_its_failed_step_in_its_workspace() {
    let mut service = service().await;
    let pipeline = service.define(TWO).await;
    let early = service.resume(&pipeline, "a").await.unwrap_err();
    assert_eq!(early.code(), Code::FailedPrecondition, "{early}");
    let first = service.start(&pipeline, "b").await.unwrap();
    service.begin(&first, 1, "x").await;
    let answer = service.report(&first, 1, Outcome::Failed).await;
    assert!(answer.run_ended && answer.workspace_kept);
    assert!(service.keeps(&first).await);
    let second = service.resume(&pipeline, "c").await.unwrap();
    assert_eq!((second.run_count, second.resumed_from), (2, 1));
    assert_eq!(service.resume(&pipeline, "c").await.unwrap().id, second.id);
    assert!(service.keeps(&first).await, "another goes on in it");
    let begun = service.begin(&second, 1, "y").await;
    assert_eq!(begun.workspace_id, first.id);
    assert_eq!((begun.workspace_base, begun.grants.len()), (1, 1));
    assert_eq!(begun.grants[0].step_id, "two");
    let seen = service.run(&pipeline, 2).await;
    assert_eq!(
        seen.steps[0].message,
        "did not succeed in run 1, and is passed over"
    );
}

#[tokio::test]
async fn a_workspace_is_not_kept_once_its_pipeline_has_another_run() {
    let mut service = service().await;
    let pipeline = service.define(TWO).await;
    let first = service.start(&pipeline, "a").await.unwrap();
    service.begin(&first, 1, "x").await;
    service.report(&first, 1, Outcome::Failed).await;
    service.start(&pipeline, "b").await.unwrap();
    assert!(!service.keeps(&first).await);
    let late = service.resume(&pipeline, "c").await.unwrap_err();
    assert!(late.message().contains("has not ended"), "{late}");
}
