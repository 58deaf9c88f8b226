//! What is refused, and what is answered as before.

use contracts::pipeline::DeletePipelineRequest;

use super::*;

#[tokio::test]
async fn a_repeated_start_is_answered_like_the_first() {
    let mut service = service().await;
    for (definition, expected) in [
        (
            "{name: free, concurrency: 0, steps: [{id: one, run: 'true'}]}",
            0,
        ),
        (ONE, 1),
    ] {
        let pipeline = service.define(definition).await;
        service.start(&pipeline, "before").await.unwrap();
        let key = "\"\\".repeat(127);
        for repeated in [false, true] {
            let answer = service.ask_to_start(&pipeline, &key).await.unwrap();
            let told = (answer.repeated, answer.queue_position);
            assert_eq!(told, (repeated, expected), "{definition}");
        }
    }
}

#[tokio::test]
async fn what_no_store_can_keep_is_refused() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    service.start(&pipeline, "a").await.unwrap();
    let stop = |text: &str, reason: &str| StopRunsRequest {
        caller: Some(caller()),
        pipeline: Some(PipelineRef { text: text.into() }),
        reason: reason.into(),
        ..Default::default()
    };
    for request in [stop(&pipeline.id, "a\0b"), stop("a\0b", "")] {
        let refused = service.pipelines.stop_runs(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains("U+0000"), "{refused}");
    }
}

#[tokio::test]
async fn a_pipeline_is_deleted_once() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let request = || DeletePipelineRequest {
        caller: Some(caller()),
        pipeline: Some(PipelineRef {
            text: pipeline.id.clone(),
        }),
    };
    let mut another = service.pipelines.clone();
    let (one, two) = tokio::join!(
        service.pipelines.delete_pipeline(request()),
        another.delete_pipeline(request())
    );
    let refused = one.and(two).unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
}

#[tokio::test]
async fn a_step_whose_secrets_are_refused_fails_instead_of_asking_for_ever() {
    let mut service = service().await;
    let pipeline = service
        .define("{name: s, steps: [{id: one, run: 'true', secrets: {A: no such name}}]}")
        .await;
    let run = service.start(&pipeline, "a").await.unwrap();
    assert_eq!(service.begin(&run, 1, "x").await.grants, []);
    let run = service.run(&pipeline, 1).await;
    assert_eq!(
        (run.state(), run.steps[0].message.as_str()),
        (RunState::Failed, "no name of a secret")
    );
}

#[tokio::test]
async fn a_tool_step_is_granted_with_its_tool_or_fails() {
    let mut service = service().await;
    let step = |tool: &str| {
        format!("{{name: {tool}, steps: [{{id: one, tool: {{tool: {tool}, with: {{job: a}}}}}}]}}")
    };
    let pipeline = service.define(&step("ci")).await;
    let run = service.start(&pipeline, "a").await.unwrap();
    let granted = service.begin(&run, 1, "x").await.grants;
    let tool: steps::connector::Tool = serde_json::from_slice(&granted[0].tool_json).unwrap();
    assert_eq!(
        (&*tool.kind, &*tool.secrets),
        ("jenkins", &["hunter2".to_owned()][..])
    );
    assert_eq!(tool.configuration["token"], "hunter2");
    assert!(!format!("{granted:?} {tool:?}").contains("hunter2"));

    let pipeline = service.define(&step("gone")).await;
    let run = service.start(&pipeline, "a").await.unwrap();
    assert_eq!(service.begin(&run, 1, "x").await.grants, []);
    let run = service.run(&pipeline, 1).await;
    assert_eq!(
        (run.state(), run.steps[0].message.as_str()),
        (RunState::Failed, "there is no such tool")
    );
}
