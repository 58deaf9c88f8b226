//! Who did what, on both faces.

use axum::http::StatusCode;
use contracts::audit::{RecordFilter, TokenUse, UserAction};
use serde_json::json;

use crate::fakes::World;

fn action() -> UserAction {
    UserAction {
        id: "61042540e1d666c9ded178c4".into(),
        account: "org-opsera-dnd-acc0".into(),
        user_id: "5e1cbf251c26d68f7ce6361e".into(),
        user_name: "Ada".into(),
        user_email: "support@opsera.io".into(),
        token_id: "61043b2bbcb6d95b55adc5fd".into(),
        r#type: "pipeline".into(),
        action: "update".into(),
        target_id: "5fbe589a0fae8b021e137534".into(),
        target_name: "hello".into(),
        before_json: r#"{"name":"hullo"}"#.into(),
        after_json: String::new(),
        at_ms: 1_627_661_632_109,
        use_id: "61057f3a1429a35336563240".into(),
    }
}

fn token_use() -> TokenUse {
    TokenUse {
        id: "61057f3a1429a35336563240".into(),
        account: "org-opsera-dnd-acc0".into(),
        token_id: "61043b2bbcb6d95b55adc5fd".into(),
        user_id: "5e1cbf251c26d68f7ce6361e".into(),
        scope: "api".into(),
        target: "GET /api/v1/logs/user/tokens".into(),
        outcome: "200".into(),
        ip: "192.0.2.7".into(),
        user_agent: "curl/8".into(),
        http_status: 200,
        at_ms: 1_627_750_202_242,
    }
}

fn world() -> World {
    let world = World::new();
    world.set(|behind| {
        behind.actions.actions = vec![action()];
        behind.uses.uses = vec![token_use()];
        behind.uses.next = "5-x".into();
    });
    world
}

/// What the audit log was asked last.
fn asked(world: &World) -> RecordFilter {
    world.behind(|it| it.records_asked.last().cloned().unwrap())
}

#[tokio::test]
async fn user_actions_begin_with_the_contracts_bytes() {
    let world = world();
    let answer = world.get("/api/v1/logs/user/actions").await;
    assert_eq!(answer.status, StatusCode::OK);
    let expected = concat!(
        r#"{"count":1,"data":[{"_id":"61042540e1d666c9ded178c4","#,
        r#""user_id":"5e1cbf251c26d68f7ce6361e","user_email":"support@opsera.io","#,
        r#""type":"pipeline","action":"update","target_id":"5fbe589a0fae8b021e137534","#,
        r#""account":"org-opsera-dnd-acc0","createdAt":"2021-07-30T16:13:52.109Z","#,
        r#""updatedAt":"2021-07-30T16:13:52.109Z","__v":0,"target_name":"hello","#,
        r#""user_name":"Ada","token_id":"61043b2bbcb6d95b55adc5fd"}]}"#
    );
    assert_eq!(answer.text, expected);
}

#[tokio::test]
async fn uses_of_tokens_begin_with_the_contracts_bytes() {
    let answer = world().get("/api/v1/logs/user/tokens").await;
    let expected = concat!(
        r#"{"count":1,"data":[{"_id":"61057f3a1429a35336563240","#,
        r#""token_id":"61043b2bbcb6d95b55adc5fd","scope":"api","target":"/v1/logs/user/tokens","#,
        r#""user_id":"5e1cbf251c26d68f7ce6361e","account":"org-opsera-dnd-acc0","#,
        r#""createdAt":"2021-07-31T16:50:02.242Z","updatedAt":"2021-07-31T16:50:02.242Z","__v":0,"#,
        r#""method":"GET","outcome":"200","ip":"192.0.2.7","userAgent":"curl/8","httpStatus":200}]}"#
    );
    assert_eq!(answer.text, expected);
}

#[tokio::test]
async fn a_day_a_type_and_a_count_are_asked_for() {
    let world = world();
    let path = "/api/v1/logs/user/actions?date=2021-07-30&type=pipeline&count=7&other=1";
    assert_eq!(world.get(path).await.status, StatusCode::OK);
    let found = asked(&world);
    assert_eq!(
        (found.from_ms, found.to_ms),
        (1_627_603_200_000, 1_627_689_600_000)
    );
    assert_eq!(
        (found.r#type.as_str(), found.limit, found.account.as_str()),
        ("pipeline", 7, "org")
    );
    world.get("/api/v1/logs/user/tokens?scope=api").await;
    let found = asked(&world);
    assert_eq!(
        (found.scope.as_str(), found.limit, found.to_ms),
        ("api", 1000, 0)
    );
    let week = runtime::clock::now_ms() - found.from_ms - 7 * 86_400_000;
    assert!((0..60_000).contains(&week), "seven days back: {week}");
    let before = world.get("/api/v1/logs/user/actions?date=1969-12-31").await;
    assert_eq!(before.text, r#"{"count":0,"data":[]}"#);
}

#[tokio::test]
async fn what_can_not_be_a_day_is_refused_in_the_faces_own_way() {
    let world = world();
    for query in ["date=2021-02-30", "date=yesterday", "count=many"] {
        let answer = world
            .get(&format!("/api/v1/logs/user/actions?{query}"))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["status"], "failed");
        assert_eq!(answer.json()["code"], "bad_request");
    }
}

#[tokio::test]
async fn only_those_who_see_everything_read_who_did_what() {
    let world = world();
    for path in [
        "/api/v1/logs/user/actions",
        "/api/v1/logs/user/tokens",
        "/api/v2/audit/actions",
        "/api/v2/audit/tokens",
        "/api/v2/audit/export",
        "/api/v2/audit/keys",
    ] {
        let request = axum::http::Request::get(path).header("authorization", "Bearer user");
        let answer = world
            .send(request.body(axum::body::Body::empty()).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(world.get(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn records_have_their_objects_before_and_after() {
    let world = world();
    let path = "/api/v2/audit/actions?from=2021-07-30&to=2021-07-31T00:00:00Z&user=a@b&limit=5";
    let answer = world.get(path).await;
    let expected = json!({"actions": [{
        "id": "61042540e1d666c9ded178c4", "at": "2021-07-30T16:13:52.109Z",
        "user": {"id": "5e1cbf251c26d68f7ce6361e", "name": "Ada"}, "email": "support@opsera.io",
        "token": "61043b2bbcb6d95b55adc5fd", "type": "pipeline", "action": "update",
        "target": {"id": "5fbe589a0fae8b021e137534", "name": "hello"},
        "before": {"name": "hullo"}, "use": "61057f3a1429a35336563240",
    }]});
    assert_eq!(answer.json(), expected);
    let found = asked(&world);
    assert_eq!(
        (found.from_ms, found.to_ms),
        (1_627_603_200_000, 1_627_689_600_000)
    );
    assert_eq!((found.user.as_str(), found.limit), ("a@b", 5));
    let answer = world
        .get("/api/v2/audit/tokens?outcome=403&target=/v1/x")
        .await;
    assert_eq!(answer.json()["next"], "5-x");
    assert_eq!(answer.json()["uses"][0]["httpStatus"], 200);
    assert_eq!(
        (
            asked(&world).outcome.as_str(),
            asked(&world).target.as_str()
        ),
        ("403", "/v1/x")
    );
    for wrong in ["from=x", "limit=0", "kind=x"] {
        let answer = world.get(&format!("/api/v2/audit/actions?{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn an_export_is_lines_as_they_come_of_ones_own_account() {
    let world = world();
    let answer = world
        .get("/api/v2/audit/export?account=org&from=1970-01-02")
        .await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines: Vec<&str> = answer.text.lines().collect();
    assert_eq!(lines[..3], ["one", "two", "three"]);
    assert!(
        lines[3].contains("86400000") && lines[3].contains("org"),
        "{lines:?}"
    );
    let other = world.get("/api/v2/audit/export?account=other").await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    let keys = world.get("/api/v2/audit/keys").await.json();
    assert_eq!(keys["keys"][0]["id"], "0011223344556677");
}
