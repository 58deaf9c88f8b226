//! What is hidden, what is refused, and what lists and documents show to whom.

use contracts::pipeline::{
    DeletePipelineRequest, GetPipelineRequest, ListPipelinesResponse, ListRunsRequest, ResetRequest,
};
use runtime::fault;

use super::*;

/// Owned by "u"; ann is its guest, bob its user, cleo its manager, dora its administrator.
const RULED: &str = "{name: ruled, roles: [
    {role: guest, user: ann@example.org}, {role: user, user: Bob@Example.org},
    {role: manager, user: cleo@example.org}, {role: administrator, group: chiefs}],
    steps: [{id: one, run: echo hidden}]}";

fn dora() -> Caller {
    Caller {
        groups: vec!["chiefs".into()],
        ..user("dora", &["site_user"])
    }
}

fn refers(text: &str) -> PipelineRef {
    PipelineRef { text: text.into() }
}

impl Service {
    async fn define_as(&mut self, caller: Caller, source: &str) -> Result<Pipeline, tonic::Status> {
        let request = DefineRequest {
            caller: Some(caller),
            source: source.into(),
            upsert: true,
            ..Default::default()
        };
        Ok(self.pipelines.define(request).await?.into_inner())
    }

    /// Every way to ask about a pipeline or its runs, by what it is called.
    async fn every_call(&self, caller: &Caller, text: &str) -> Vec<(&str, Option<tonic::Status>)> {
        let (caller, pipeline) = (Some(caller.clone()), Some(refers(text)));
        let mut it = self.pipelines.clone();
        let get = GetPipelineRequest {
            caller: caller.clone(),
            pipeline: pipeline.clone(),
            ..Default::default()
        };
        let run = GetRunRequest {
            caller: caller.clone(),
            pipeline: pipeline.clone(),
            run_count: 1,
            ..Default::default()
        };
        let runs = ListRunsRequest {
            caller: caller.clone(),
            pipeline: pipeline.clone(),
            limit: 1,
            ..Default::default()
        };
        let start = StartRunRequest {
            caller: caller.clone(),
            pipeline: pipeline.clone(),
            idempotency_key: "a".into(),
            ..Default::default()
        };
        let stop = StopRunsRequest {
            caller: caller.clone(),
            pipeline: pipeline.clone(),
            ..Default::default()
        };
        let reset = ResetRequest {
            caller: caller.clone(),
            pipeline: pipeline.clone(),
            force: true,
        };
        let define = DefineRequest {
            caller: caller.clone(),
            pipeline: pipeline.clone(),
            source: RULED.replace("echo", "printf"),
            upsert: false,
            ..Default::default()
        };
        let delete = DeletePipelineRequest { caller, pipeline };
        vec![
            ("view", it.get_pipeline(get).await.err()),
            ("start", it.start_run(start).await.err()),
            ("run", it.get_run(run).await.err()),
            ("runs", it.list_runs(runs).await.err()),
            ("stop", it.stop_runs(stop).await.err()),
            ("reset", it.reset(reset).await.err()),
            ("edit", it.define(define).await.err()),
            ("delete", it.delete_pipeline(delete).await.err()),
        ]
    }

    async fn list_as(
        &self,
        caller: &Caller,
        limit: u32,
        cursor: String,
        latest_first: bool,
    ) -> ListPipelinesResponse {
        let request = ListPipelinesRequest {
            caller: Some(caller.clone()),
            limit,
            cursor,
            latest_first,
            brief: !latest_first,
            ..Default::default()
        };
        let answer = self.pipelines.clone().list_pipelines(request).await;
        answer.unwrap().into_inner()
    }
}

#[tokio::test]
async fn what_is_hidden_is_told_like_what_is_not_there() {
    let mut service = service().await;
    let pipeline = service.define(RULED).await;
    service.start(&pipeline, "first").await.unwrap();
    let stranger = user("zoe", &["site_user"]);
    let foreigner = Caller {
        account: "other".into(),
        ..user("u", &["site_administrator"])
    };
    let told = |refusals: Vec<(&str, Option<tonic::Status>)>, named: &str| -> Vec<String> {
        let of = |(call, status): (&str, Option<tonic::Status>)| {
            let status = status.unwrap_or_else(|| panic!("{call} was allowed"));
            let message = status.message().replace(named, "it");
            format!(
                "{call}: {:?} {:?} {message}",
                status.code(),
                fault::reason(&status)
            )
        };
        refusals.into_iter().map(of).collect()
    };
    let nothing = "5f5e1000aaaaaaaaaa000001";
    let expected = told(service.every_call(&stranger, nothing).await, nothing);
    assert!(
        expected
            .iter()
            .all(|it| it.contains("NotFound Some(\"NO_PIPELINE\")")),
        "{expected:?}"
    );
    for who in [&stranger, &foreigner] {
        for name in [
            &pipeline.id,
            &pipeline.number.to_string(),
            "ruled",
            "name:ruled",
        ] {
            assert_eq!(
                told(service.every_call(who, name).await, name),
                expected,
                "{name}"
            );
        }
    }
    assert_eq!(
        service.run(&pipeline, 0).await.run_count,
        1,
        "nobody's start took a number"
    );
}

#[tokio::test]
async fn who_may_see_and_not_do_is_told_whom_it_takes() {
    let mut service = service().await;
    let pipeline = service.define(RULED).await;
    service.start(&pipeline, "first").await.unwrap();
    let allowed = |refusals: Vec<(&str, Option<tonic::Status>)>| -> String {
        let allowed = refusals.iter().filter(|(_, status)| match status {
            Some(status) if status.code() == Code::PermissionDenied => false,
            Some(status) => panic!("{status}"),
            None => true,
        });
        allowed.map(|(call, _)| *call).collect::<Vec<_>>().join(" ")
    };
    for (who, expected) in [
        (user("ann", &["site_user"]), "view run runs"),
        (user("aud", &["auditor"]), "view run runs"),
        (user("bob", &[]), "view start run runs stop reset"),
        (
            user("cleo", &["site_user"]),
            "view start run runs stop reset edit",
        ),
        (
            user("pow", &["site_power_user"]),
            "view start run runs stop reset edit",
        ),
        (dora(), "view start run runs stop reset edit delete"),
    ] {
        assert_eq!(allowed(service.every_call(&who, "ruled").await), expected);
        if expected.ends_with("delete") {
            service.define(RULED).await;
        } else {
            service.define_as(caller(), RULED).await.unwrap();
        }
    }
    let refused = service.every_call(&user("ann", &[]), "ruled").await;
    let start = refused
        .into_iter()
        .find(|(call, _)| *call == "start")
        .unwrap()
        .1
        .unwrap();
    assert_eq!(
        start.message(),
        "to run pipeline \"ruled\" you must be its user, manager, secops, administrator or owner"
    );
}

#[tokio::test]
async fn a_change_takes_the_right_for_what_it_changes() {
    let mut service = service().await;
    service.define(RULED).await;
    let cleo = user("cleo", &["site_user"]);
    let (rules, steps, detail) = (
        RULED.replace("group: chiefs", "group: bosses"),
        RULED.replace("steps: [", "steps: [{id: zero, run: 'true'}, "),
        RULED.replace("echo", "printf"),
    );
    service.define_as(cleo.clone(), &detail).await.unwrap();
    service.define_as(cleo.clone(), &rules).await.unwrap();
    let refused = service.define_as(cleo, &steps).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    assert!(
        refused.message().starts_with("to edit the workflow of"),
        "{refused}"
    );
    let refused = service
        .define_as(user("ann", &[]), &rules)
        .await
        .unwrap_err();
    assert_eq!(
        refused.code(),
        Code::PermissionDenied,
        "the same again is an edit, too"
    );
    // Its administrators by the old rules are not any longer.
    let refused = service.define_as(dora(), &rules).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
}

#[tokio::test]
async fn guests_of_the_account_make_nothing() {
    let mut service = service().await;
    for (roles, may) in [
        (&[][..], false),
        (&["auditor"], false),
        (&["security_manager"], false),
        (&["site_user"], true),
        (&["site_power_user"], true),
        (&["site_administrator"], true),
    ] {
        let name = roles.join("");
        let source = format!("{{name: 'by {name}', steps: []}}");
        let made = service.define_as(user("ann", roles), &source).await;
        match made {
            Ok(made) => assert_eq!((may, made.role.as_str()), (true, role_of_owner(roles))),
            Err(status) => assert_eq!((may, status.code()), (false, Code::PermissionDenied)),
        }
    }
}

fn role_of_owner(roles: &[&str]) -> &'static str {
    if roles == ["site_administrator"] {
        "administrator"
    } else {
        "owner"
    }
}

#[tokio::test]
async fn a_list_shows_what_one_may_see_in_full_pages() {
    let mut service = service().await;
    for number in 0..230 {
        let roles = match number % 10 {
            0 => "roles: [{role: guest, user: ann@example.org}], ",
            1 => "visibility: public_ro, ",
            _ => "visibility: private, ",
        };
        let source = format!("{{name: 'p{number:03}', {roles}steps: []}}");
        service.define(&source).await;
    }
    let names = |page: &ListPipelinesResponse| -> Vec<String> {
        page.pipelines.iter().map(|it| it.name.clone()).collect()
    };
    for (who, count) in [
        (user("ann", &["site_user"]), 46),
        (user("zoe", &["site_user"]), 23),
        (user("zoe", &["auditor"]), 230),
        (caller(), 230),
    ] {
        for latest_first in [false, true] {
            let (mut all, mut cursor, mut sizes) = (Vec::new(), String::new(), Vec::new());
            loop {
                let page = service.list_as(&who, 20, cursor, latest_first).await;
                sizes.push(page.pipelines.len());
                all.extend(names(&page));
                cursor = page.next_cursor;
                if cursor.is_empty() {
                    break;
                }
            }
            assert!(
                sizes[..sizes.len() - 1].iter().all(|it| *it == 20),
                "{sizes:?}"
            );
            let different: BTreeSet<_> = all.iter().collect();
            assert_eq!((all.len(), different.len()), (count, count));
        }
    }
}

#[tokio::test]
async fn a_brief_list_has_the_latest_runs_and_nothing_that_is_long() {
    let mut service = service().await;
    let idle = service
        .define("name: idle\nsteps: [{id: a, run: 'true'}]\n")
        .await;
    let busy = service
        .define("name: busy\nsteps: [{id: a, run: 'true'}]\n")
        .await;
    for key in ["one", "two"] {
        service.start(&busy, key).await.unwrap();
    }
    let page = service.list_as(&caller(), 10, String::new(), false).await;
    assert_eq!(page.pipelines.len(), 2);
    for pipeline in &page.pipelines {
        assert!(pipeline.definition_json.is_empty() && pipeline.steps.is_empty());
        assert_eq!(pipeline.role, "owner");
        let latest = pipeline.latest_run.as_ref();
        let run_count = latest.map_or(0, |run| run.run_count);
        assert_eq!(run_count, if pipeline.id == busy.id { 2 } else { 0 });
        assert!(pipeline.id == busy.id || pipeline.id == idle.id);
    }
    let whole = service.list_as(&caller(), 10, String::new(), true).await;
    assert!(
        whole
            .pipelines
            .iter()
            .all(|it| !it.definition_json.is_empty())
    );
}

#[tokio::test]
async fn who_may_not_see_what_steps_do_sees_which_there_are() {
    let mut service = service().await;
    let pipeline = service.define(RULED).await;
    for (who, role, sees) in [
        (caller(), "owner", true),
        (user("ann", &["site_user"]), "guest", false),
        (user("bob", &["site_user"]), "user", false),
        (user("cleo", &["site_user"]), "manager", true),
        (user("pow", &["site_power_user"]), "manager", true),
        (user("aud", &["auditor"]), "guest", true),
    ] {
        let request = GetPipelineRequest {
            caller: Some(who),
            pipeline: Some(refers(&pipeline.id)),
            ..Default::default()
        };
        let shown = service
            .pipelines
            .get_pipeline(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(shown.role, role);
        assert_eq!(
            shown.definition_json.contains("echo hidden"),
            sees,
            "{role}"
        );
        assert_eq!(shown.steps.len(), 1);
    }
}

#[tokio::test]
async fn a_name_that_several_share_means_the_one_that_is_seen() {
    let mut service = service().await;
    let one = service
        .define("{name: same, visibility: private, steps: []}")
        .await;
    let zoe = user("zoe", &["site_user"]);
    let other = service
        .define_as(zoe.clone(), "{name: other, visibility: private, steps: []}")
        .await
        .unwrap();
    let rename = DefineRequest {
        caller: Some(zoe.clone()),
        pipeline: Some(refers(&other.id)),
        source: "{name: same, visibility: private, steps: []}".into(),
        upsert: false,
        ..Default::default()
    };
    service.pipelines.define(rename).await.unwrap();
    for (who, expected) in [
        (zoe, Ok(&other.id)),
        (caller(), Ok(&one.id)),
        (
            user("adm", &["site_administrator"]),
            Err(Code::FailedPrecondition),
        ),
    ] {
        let request = GetPipelineRequest {
            caller: Some(who),
            pipeline: Some(refers("same")),
            ..Default::default()
        };
        let found = service.pipelines.get_pipeline(request).await;
        let found = found
            .map(|it| it.into_inner().id)
            .map_err(|status| status.code());
        assert_eq!(found.as_ref().map_err(|it| *it), expected);
    }
}
