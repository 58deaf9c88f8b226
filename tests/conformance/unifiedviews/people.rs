//! Who signs in, for whom they act, and what they may do.

use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

use crate::uv::{MASTER, PASSWORD, Uv};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        the_scheme_word_may_be_missing,
        a_user_signs_in_with_its_own_password,
        readiness_is_asked_by_head_without_a_user,
        what_is_private_is_told_to_be_denied_and_not_missing,
        what_is_shared_to_read_can_not_be_run,
        another_system_makes_users_and_changes_their_roles,
        an_actor_that_is_known_is_shown,
        every_change_is_recorded_with_who_signed_in,
    ]
}

async fn the_scheme_word_may_be_missing(world: &World) {
    let uv = Uv::of(world);
    for said in [
        "bWFzdGVyOmNvbW1hbmRlcg==",
        "Basic bWFzdGVyOmNvbW1hbmRlcg==",
        "basic bWFzdGVyOmNvbW1hbmRlcg==",
    ] {
        let request = uv
            .bare(Method::GET, "/pipelines")
            .header("authorization", said);
        assert_eq!(uv.send(request).await.status, 200, "{said}");
    }
}

async fn a_user_signs_in_with_its_own_password(world: &World) {
    let uv = Uv::of(world);
    let name = uv.user("signs-in", &["site_user"]).await;
    let by = (name.as_str(), PASSWORD);
    let body = json!({"name": world.name("of-user")});
    let made = uv
        .send(uv.request_by(by, Method::POST, "/pipelines").json(&body))
        .await;
    assert_eq!(
        (made.status, &made.json["userExternalId"]),
        (200, &json!(name)),
        "{}",
        made.text
    );
    let listed = uv.send(uv.request_by(by, Method::GET, "/pipelines")).await;
    assert_eq!(listed.json.as_array().unwrap().len(), 1);
    let wrong = uv.request_by((&name, "another password"), Method::GET, "/pipelines");
    assert_eq!(uv.send(wrong).await.status, 401);
}

async fn readiness_is_asked_by_head_without_a_user(world: &World) {
    let uv = Uv::of(world);
    for path in ["/pipelines", "/pipelines/", "/pipelines/visible"] {
        let answer = uv.send(uv.request(Method::HEAD, path)).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
        assert_eq!(answer.kind, "application/json");
    }
    let missing = uv
        .send(uv.request(Method::HEAD, "/pipelines/987654321"))
        .await;
    assert_eq!((missing.status, missing.text.as_str()), (404, ""));
}

async fn what_is_private_is_told_to_be_denied_and_not_missing(world: &World) {
    let uv = Uv::of(world);
    let name = uv.user("outsider", &["site_user"]).await;
    let by = (name.as_str(), PASSWORD);
    let pipeline = uv.pipeline("private").await;
    let execution = uv.execution(pipeline, &json!({})).await;
    for (method, path, message) in [
        (
            "GET",
            format!("/pipelines/{pipeline}"),
            "Pipelines cannot be retrieved.",
        ),
        (
            "GET",
            format!("/pipelines/{pipeline}/executions"),
            "Pipeline execution cannot be retrieved.",
        ),
        (
            "GET",
            format!("/pipelines/{pipeline}/executions/{execution}"),
            "Pipeline execution cannot be retrieved.",
        ),
        (
            "GET",
            format!("/pipelines/{pipeline}/executions/{execution}/events"),
            "Pipeline execution events cannot be retrieved.",
        ),
        (
            "POST",
            format!("/pipelines/{pipeline}/executions"),
            "Pipeline execution cannot be created.",
        ),
        (
            "POST",
            format!("/pipelines/{pipeline}/clones"),
            "Pipeline cannot be created.",
        ),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = uv.request_by(by, method, &path).json(&json!({"name": "x"}));
        let answer = uv.send(request).await;
        let expected = json!({"errorMessage": message, "technicalMessage": "Access is denied"});
        assert_eq!((answer.status, answer.json), (500, expected), "{path}");
    }
    // Lists leave it out.
    let visible = uv.request_by(by, Method::GET, "/pipelines/visible?userExternalId=master");
    let visible = uv.send(visible).await;
    let ids = visible.json.as_array().unwrap();
    assert!(
        ids.iter().all(|it| it["id"] != pipeline),
        "{}",
        visible.text
    );
}

async fn what_is_shared_to_read_can_not_be_run(world: &World) {
    let uv = Uv::of(world);
    let name = uv.user("reader", &["site_user"]).await;
    let by = (name.as_str(), PASSWORD);
    for (visibility, runs) in [("public_ro", 500), ("public_rw", 200)] {
        let definition = json!({
            "name": world.name(visibility), "visibility": visibility, "concurrency": 0,
            "steps": [{"id": "a", "run": "true"}],
        });
        let id = world.api().define(&definition.to_string()).await;
        let own = world
            .api()
            .get(&format!("/api/v2/pipelines/{id}"))
            .await
            .json;
        let number = own["number"].as_i64().unwrap();
        let read = uv
            .send(uv.request_by(by, Method::GET, &format!("/pipelines/{number}")))
            .await;
        assert_eq!(
            (read.status, &read.json["userExternalId"]),
            (200, &json!("admin"))
        );
        let visible = uv
            .send(uv.request_by(by, Method::GET, "/pipelines/visible"))
            .await;
        let ids = visible.json.as_array().unwrap();
        assert!(ids.iter().any(|it| it["id"] == number), "{}", visible.text);
        let path = format!("/pipelines/{number}/executions");
        let run = uv
            .send(uv.request_by(by, Method::POST, &path).json(&json!({})))
            .await;
        assert_eq!(run.status, runs, "{visibility}: {}", run.text);
    }
}

fn provisioned(user: &str, roles: &Value) -> Value {
    json!({
        "Subject.UPVSIdentityID": user,
        "Subject.FormattedName": "NASES",
        "Actor.UPVSIdentityID": format!("{user}-actor"),
        "Actor.FormattedName": "Andrej SprávcaTransformáciíMOD",
        "SPR.Roles": roles,
    })
}

async fn another_system_makes_users_and_changes_their_roles(world: &World) {
    let uv = Uv::of(world);
    let user = world.name("1AE84104-6E73");
    let roles_of = async || {
        let users = world.api().get("/api/v2/users?limit=1000").await.json;
        let users = users["users"].as_array().unwrap().clone();
        let found = users
            .iter()
            .find(|it| it["email"] == format!("{user}@nomail.com"));
        found.unwrap_or_else(|| panic!("{users:?}"))["roles"].clone()
    };
    for (roles, expected) in [
        (json!("User"), json!(["site_user"])),
        (
            json!(["Administrator", "MOD-R-TRANSA"]),
            json!(["site_administrator"]),
        ),
        (json!(["MOD-R-TRANSA"]), json!([])),
    ] {
        let done = uv.post("/users/create", &provisioned(&user, &roles)).await;
        assert_eq!(
            (done.status, done.text.as_str()),
            (200, r#"{"success":true}"#)
        );
        assert_eq!(roles_of().await, expected);
    }
    let name = uv.user("no-manager", &["site_user"]).await;
    let by = (name.as_str(), PASSWORD);
    let refused = uv.request_by(by, Method::POST, "/users/create");
    let refused = uv
        .send(refused.json(&provisioned("x", &json!("User"))))
        .await;
    assert_eq!(refused.status, 500, "{}", refused.text);
    assert_eq!(refused.json["technicalMessage"], "Access is denied");
}

async fn an_actor_that_is_known_is_shown(world: &World) {
    let uv = Uv::of(world);
    let user = world.name("acting");
    uv.post("/users/create", &provisioned(&user, &json!("User")))
        .await;
    let actor = format!("{user}-actor");
    let body = json!({
        "name": world.name("acted"), "userExternalId": user, "userActorExternalId": actor,
    });
    let made = uv.post("/pipelines", &body).await;
    assert_eq!(
        made.json["userActorExternalId"],
        actor.as_str(),
        "{}",
        made.text
    );
    let read = uv.get(&format!("/pipelines/{}", made.json["id"])).await;
    assert_eq!(read.json, made.json);
    let path = format!("/pipelines/{}/executions", made.json["id"]);
    let run = uv.post(&path, &body).await;
    assert_eq!(
        (
            &run.json["userExternalId"],
            &run.json["userActorExternalId"]
        ),
        (&json!(user), &json!(actor))
    );
}

async fn every_change_is_recorded_with_who_signed_in(world: &World) {
    let uv = Uv::of(world);
    let name = world.name("recorded");
    let body = json!({"name": name, "userExternalId": "user"});
    assert_eq!(uv.post("/pipelines", &body).await.status, 200);
    harness::eventually("the record of a new pipeline", async || {
        let path = "/api/v2/audit/actions?type=pipeline&action=create&limit=1000";
        let records = world.api().get(path).await.json;
        let records = records["actions"].as_array().cloned().unwrap_or_default();
        let record = records
            .into_iter()
            .find(|it| it["target"]["name"] == name.as_str())?;
        assert_eq!(record["user"]["name"], MASTER.0, "{record:#}");
        Some(())
    })
    .await;
}
