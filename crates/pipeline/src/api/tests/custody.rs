//! Whose a pipeline is, whether it may be run, and where tools are used.

use contracts::message::StepState;
use contracts::pipeline::{
    DuplicateRequest, ListToolPipelinesRequest, ListToolRunsRequest, SetLockRequest,
    TransferRequest,
};
use tonic::Status;

use super::*;

const TOOL: &str = "0123456789abcdef01234567";

impl Service {
    async fn set_lock(&mut self, who: Caller, id: &str, locked: bool) -> Result<Pipeline, Status> {
        let request = SetLockRequest {
            caller: Some(who),
            pipeline: Some(PipelineRef { text: id.into() }),
            locked,
            reason: "freeze".into(),
        };
        let answer = self.pipelines.set_lock(request).await?;
        Ok(answer.into_inner())
    }

    async fn transfer(&mut self, who: Caller, id: &str, owner: &str) -> Result<Pipeline, Status> {
        let request = TransferRequest {
            caller: Some(who),
            pipeline: Some(PipelineRef { text: id.into() }),
            owner: owner.into(),
        };
        let answer = self.pipelines.transfer(request).await?;
        Ok(answer.into_inner())
    }
}

#[tokio::test]
async fn a_locked_pipeline_is_not_run_until_it_is_unlocked() {
    for mut service in stores::services().await {
        let pipeline = service.define(ONE).await;
        let started = service.start(&pipeline, "before").await.unwrap();
        let busy = service.set_lock(caller(), &pipeline.id, true).await;
        let busy = busy.unwrap_err();
        assert_eq!(busy.code(), Code::FailedPrecondition, "{busy}");
        service.begin(&started, 1, "x").await;
        service.report(&started, 1, Outcome::Succeeded).await;
        for _ in 0..2 {
            let locked = service
                .set_lock(caller(), &pipeline.id, true)
                .await
                .unwrap();
            assert_eq!(locked.lock.unwrap().reason, "freeze");
        }
        let refused = service.start(&pipeline, "b").await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(
            refused.message().contains("locked by user u (freeze)"),
            "{refused}"
        );
        let again = service.ask_to_start(&pipeline, "before").await.unwrap();
        assert!(again.repeated, "that run was accepted");
        let unlocked = service
            .set_lock(caller(), &pipeline.id, false)
            .await
            .unwrap();
        assert!(unlocked.lock.is_none());
        assert_eq!(service.start(&pipeline, "b").await.unwrap().run_count, 2);
        let other = user("eve", &["site_user"]);
        let denied = service
            .set_lock(other, &pipeline.id, true)
            .await
            .unwrap_err();
        assert!(
            [Code::PermissionDenied, Code::NotFound].contains(&denied.code()),
            "{denied}"
        );
    }
}

#[tokio::test]
async fn a_pipeline_is_given_to_another_owner() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let unknown = service
        .transfer(caller(), &pipeline.id, "eve@example.org")
        .await;
    assert_eq!(unknown.unwrap_err().code(), Code::InvalidArgument);
    let given = service
        .transfer(caller(), &pipeline.id, "bob@example.org")
        .await;
    let given = given.unwrap();
    assert_eq!(
        (given.owner.as_str(), given.owner_name.as_str()),
        ("bob", "user bob")
    );
    let bob = user("bob", &["site_user"]);
    let own = service
        .transfer(bob, &pipeline.id, "bob@example.org")
        .await
        .unwrap();
    assert_eq!(own.updated_at_ms, given.updated_at_ms, "it is his already");
    let gone = service
        .transfer(caller(), &pipeline.id, "bob@example.org")
        .await;
    assert!(gone.is_err(), "it is not hers any more");
}

#[tokio::test]
async fn a_copy_is_a_pipeline_of_its_own() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    service.start(&pipeline, "a").await.unwrap();
    let request = |name: &str| DuplicateRequest {
        caller: Some(caller()),
        pipeline: Some(PipelineRef {
            text: pipeline.id.clone(),
        }),
        name: name.into(),
    };
    let copy = service.pipelines.duplicate(request("copy")).await.unwrap();
    let copy = copy.into_inner();
    assert_eq!(
        (copy.name.as_str(), copy.run_count, copy.created),
        ("copy", 0, true)
    );
    assert_ne!(copy.id, pipeline.id);
    let taken = service
        .pipelines
        .duplicate(request("copy"))
        .await
        .unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists, "{taken}");
    let nameless = service.pipelines.duplicate(request("")).await.unwrap_err();
    assert_eq!(nameless.code(), Code::InvalidArgument, "{nameless}");
}

const USES: &str = "{name: uses, visibility: public_rw, \
    steps: [{id: one, tool: {tool: ci, with: {job: a}}}, {id: two, tool: {tool: other}}]}";

impl Service {
    /// The pipelines that name the tool `ci`, with the steps that do.
    async fn uses_of_ci(&mut self, who: Caller) -> Vec<(String, Vec<String>)> {
        let request = ListToolPipelinesRequest {
            caller: Some(who),
            names: vec![TOOL.into(), "ci".into()],
            limit: 10,
            cursor: String::new(),
        };
        let found = self.pipelines.list_tool_pipelines(request).await;
        let found = found.unwrap().into_inner();
        assert_eq!(found.next_cursor, "");
        let uses = found.pipelines.into_iter();
        uses.map(|it| (it.name, it.steps)).collect()
    }
}

#[tokio::test]
async fn it_is_known_which_pipelines_use_a_tool() {
    for mut service in stores::services().await {
        let hidden = "{name: hidden, visibility: private, steps: [{id: one, tool: {tool: ci, operation: scan}}]}";
        let pipeline = service.define(USES).await;
        service.define(hidden).await;
        service.define(ONE).await;
        let used = |name: &str| (name.to_owned(), vec!["one".to_owned()]);
        let found = service.uses_of_ci(caller()).await;
        assert_eq!(found, [used("uses"), used("hidden")]);
        let found = service.uses_of_ci(user("eve", &["site_user"])).await;
        assert_eq!(found, [used("uses")]);
        let request = DefineRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef { text: pipeline.id }),
            source: "{name: uses, steps: [{id: one, run: 'true'}]}".into(),
            upsert: false,
            ..Default::default()
        };
        service.pipelines.define(request).await.unwrap();
        assert_eq!(service.uses_of_ci(caller()).await, [used("hidden")]);
    }
}

#[tokio::test]
async fn it_is_known_what_steps_have_done_with_a_tool() {
    for mut service in stores::services().await {
        let pipeline = service.define(USES).await;
        let run = service.start(&pipeline, "a").await.unwrap();
        for _ in 0..2 {
            service.begin(&run, 1, "x").await;
        }
        let request = |who: Caller, before: &str| ListToolRunsRequest {
            caller: Some(who),
            tool_id: TOOL.into(),
            limit: 1,
            cursor: before.into(),
        };
        let log = service.pipelines.list_tool_runs(request(caller(), ""));
        let log = log.await.unwrap().into_inner();
        let entry = &log.runs[0];
        assert_eq!(
            (entry.step_id.as_str(), entry.operation.as_str()),
            ("one", "run")
        );
        assert_eq!((entry.state(), entry.run_count), (StepState::Running, 1));
        let rest = request(caller(), &log.next_cursor);
        let rest = service.pipelines.list_tool_runs(rest).await.unwrap();
        assert!(rest.into_inner().runs.is_empty(), "a try is noted once");
        let mut stranger = caller();
        stranger.account = "other".into();
        let none = service
            .pipelines
            .list_tool_runs(request(stranger, ""))
            .await;
        assert!(none.unwrap().into_inner().runs.is_empty());
    }
}

#[tokio::test]
async fn gates_without_rules_can_be_kept_from_all_but_the_owner() {
    use contracts::pipeline::DecideRequest;
    for (open, code) in [(true, None), (false, Some(Code::PermissionDenied))] {
        let config = crate::Config {
            open_approval: open,
            ..crate::Config::default()
        };
        let mut service = service_of(config).await;
        let gated = "{name: g, visibility: public_rw, steps: [{id: go, approval: {}}]}";
        let pipeline = service.define(gated).await;
        let run = service.start(&pipeline, "a").await.unwrap();
        service.begin(&run, 1, "x").await;
        let request = |who: Caller| DecideRequest {
            caller: Some(who),
            pipeline: Some(PipelineRef {
                text: pipeline.id.clone(),
            }),
            approve: true,
            ..Default::default()
        };
        let by_other = request(user("eve", &["site_user"]));
        let decided = service.pipelines.decide(by_other).await;
        assert_eq!(decided.err().map(|it| it.code()), code, "{open}");
        if !open {
            let by_owner = service.pipelines.decide(request(caller())).await;
            assert!(by_owner.is_ok(), "{by_owner:?}");
        }
    }
}
