//! Pipelines and runs that somebody makes for another, and how runs are found by their numbers.

use contracts::pipeline::{DefineRequest, GetRunRequest, ListRunsRequest, Owner, RunChoice};
use contracts::pipeline::{ListPipelinesRequest, PipelineRef, StartRunRequest};

use super::{ONE, caller, service};

const BEN: &str = "5e1cbf251c26d68f7ce6361f";

fn ben() -> Owner {
    Owner {
        user_id: BEN.into(),
        name: "Ben".into(),
        actor: "clerk".into(),
    }
}

#[tokio::test]
async fn a_pipeline_made_for_another_is_theirs() {
    let mut service = service().await;
    let theirs = DefineRequest {
        caller: Some(caller()),
        source: ONE.into(),
        owner: Some(ben()),
        ..Default::default()
    };
    let made = service.pipelines.define(theirs).await.unwrap().into_inner();
    assert_eq!(
        (made.owner.as_str(), made.owner_name.as_str()),
        (BEN, "Ben")
    );
    assert_eq!(made.owner_actor, "clerk");
    service.define("{name: mine, steps: []}").await;
    let list = ListPipelinesRequest {
        caller: Some(caller()),
        limit: 10,
        owner: BEN.into(),
        definition_only: true,
        ..Default::default()
    };
    let listed = service.pipelines.list_pipelines(list).await.unwrap();
    let names: Vec<_> = listed.into_inner().pipelines;
    let names: Vec<_> = names.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["one"]);
}

#[tokio::test]
async fn a_run_may_be_somebody_elses_and_is_found_by_its_number() {
    let mut service = service().await;
    let (one, two) = (
        service.define(ONE).await,
        service.define("{name: two, steps: []}").await,
    );
    let start = StartRunRequest {
        caller: Some(caller()),
        pipeline: Some(PipelineRef {
            text: two.id.clone(),
        }),
        idempotency_key: "k".into(),
        owner: Some(ben()),
        debugging: true,
        allow_empty: true,
        ..Default::default()
    };
    let started = service.pipelines.start_run(start).await.unwrap();
    let run = started.into_inner().run.unwrap();
    assert_eq!(run.owner, BEN);
    assert!(run.debugging && run.changed_at_ms == run.requested_at_ms);
    let read = |pipeline: &str| GetRunRequest {
        caller: Some(caller()),
        pipeline: Some(PipelineRef {
            text: pipeline.into(),
        }),
        number: run.number,
        ..Default::default()
    };
    let found = service.pipelines.get_run(read(&two.id)).await.unwrap();
    assert_eq!(found.into_inner().id, run.id);
    let other = service.pipelines.get_run(read(&one.id)).await.unwrap_err();
    assert_eq!(runtime::fault::reason(&other).unwrap(), "OTHER_PIPELINE");
    let begun = service.begin(&run, 1, "x").await;
    assert!(begun.grants.is_empty());
    for (choice, expected) in [(RunChoice::LastEnded, 1), (RunChoice::Unfinished, 0)] {
        let list = ListRunsRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef {
                text: two.id.clone(),
            }),
            limit: 10,
            choice: choice.into(),
            ..Default::default()
        };
        let listed = service
            .pipelines
            .list_runs(list)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(listed.runs.len(), expected, "{choice:?}");
    }
}
