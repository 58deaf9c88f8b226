//! `/api/v2/{users,groups,tokens}`: what is passed on and what is shown.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use contracts::id::TokenId;
use contracts::message::{GroupChanged, Message, UserChanged};
use gateway::Config;
use outbox::{Bus, Post};
use runtime::{Readiness, Tasks};
use serde_json::json;

use crate::fakes::World;

const ADA: &str = "/api/v2/users/ada@example.org";

#[tokio::test]
async fn a_user_is_made_and_shown() {
    let world = World::new();
    let body = json!({"name": "Ada", "email": "ada@example.org", "roles": ["auditor"]});
    let answer = world.post("/api/v2/users", &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let id = "5e1cbf251c26d68f7ce6361e";
    assert_eq!(answer.header("location"), format!("/api/v2/users/{id}"));
    let shown = json!({
        "id": id, "number": 2, "name": "Ada", "email": "ada@example.org", "kind": "person",
        "account": "org", "roles": ["site_user"], "active": true, "hasPassword": false,
        "installed": false, "groups": [], "createdAt": "2020-09-13T12:26:40.000Z",
        "updatedAt": "2020-09-13T12:26:40.000Z",
    });
    assert_eq!(answer.json(), shown);
    world.behind(|it| {
        assert_eq!(it.people.created[0].roles, ["auditor"]);
        let caller = it.people.created[0].caller.as_ref().unwrap();
        assert_eq!(caller.account, "org");
        assert_eq!(caller.r#use.as_ref().unwrap().scope, "api");
    });
    let page = world.get("/api/v2/users?limit=1").await.json();
    assert_eq!(
        (&page["next"], &page["users"][0]["groups"]),
        (&json!("2"), &json!(null))
    );
    let last = world.get("/api/v2/users?limit=1&cursor=2").await.json();
    assert_eq!(last, json!({"users": []}));
    let wrong = world.get("/api/v2/users?cursor=x").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_change_tells_what_is_kept_from_what_is_taken_away() {
    let world = World::new();
    for body in [
        json!({}),
        json!({"email": null, "password": null}),
        json!({"email": "a@b", "active": false, "roles": [], "currentPassword": "x"}),
    ] {
        let answer = world.ask("PATCH", ADA, &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    world.behind(|it| {
        let said: Vec<_> = it
            .people
            .changed
            .iter()
            .map(|it| (it.email.as_deref(), it.active))
            .collect();
        assert_eq!(
            said,
            [(None, None), (Some(""), None), (Some("a@b"), Some(false))]
        );
        assert!(
            it.people
                .changed
                .iter()
                .all(|it| it.user == "ada@example.org")
        );
        assert_eq!(it.people.changed[0].roles, None);
        assert!(
            it.people.changed[2]
                .roles
                .as_ref()
                .unwrap()
                .names
                .is_empty()
        );
        assert_eq!(it.people.changed[2].current_password, "x");
    });
}

#[tokio::test]
async fn what_a_body_may_not_say_is_refused_and_no_password_is_repeated() {
    let world = World::new();
    for (method, path, body) in [
        ("POST", "/api/v2/users", json!({"name": "Ada", "id": "x"})),
        (
            "POST",
            "/api/v2/users",
            json!({"name": "Ada", "password": {"x": "hunter2"}}),
        ),
        (
            "POST",
            "/api/v2/users",
            json!({"name": "Ada", "password": 1_357_911}),
        ),
        ("PATCH", ADA, json!({"account": "other"})),
        ("PATCH", ADA, json!({"number": 1})),
        (
            "PUT",
            "/api/v2/groups/developers",
            json!({"account": "other"}),
        ),
        (
            "POST",
            "/api/v2/tokens",
            json!({"name": "ci", "installed": true}),
        ),
        (
            "POST",
            "/api/v2/tokens",
            json!({"name": "ci", "expiresAt": null}),
        ),
        (
            "POST",
            "/api/v2/tokens/x/rotate",
            json!({"overlapSeconds": -1}),
        ),
    ] {
        let answer = world.ask(method, path, &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let repeats = answer.text.contains("hunter2") || answer.text.contains("1357911");
        assert!(!repeats, "{}", answer.text);
    }
    world.behind(|it| {
        assert!(it.people.created.is_empty() && it.people.changed.is_empty());
        assert!(it.people.made.is_empty() && it.people.rotated.is_empty());
    });
}

#[tokio::test]
async fn groups_and_their_members_are_passed_on() {
    let world = World::new();
    let body = json!({"members": ["ada@example.org"]});
    let answer = world
        .ask("PUT", "/api/v2/groups/Team%20%C3%9C", &body.to_string())
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.json()["memberCount"], 1);
    for (method, path) in [
        ("PUT", "/api/v2/groups/developers/members/ada@example.org"),
        (
            "DELETE",
            "/api/v2/groups/developers/members/ada@example.org",
        ),
        ("DELETE", "/api/v2/groups/developers"),
    ] {
        assert_eq!(
            world.ask(method, path, "").await.status,
            StatusCode::NO_CONTENT
        );
    }
    let page = world.get("/api/v2/groups?limit=1").await.json();
    assert_eq!(page["next"], "developers");
    world.behind(|it| {
        assert_eq!(it.people.groups[0].group, "Team \u{dc}");
        assert_eq!(
            it.people.groups[0].members.as_ref().unwrap().users,
            ["ada@example.org"]
        );
        let members: Vec<_> = it.people.members.iter().map(|it| it.member).collect();
        assert_eq!(members, [true, false]);
    });
}

#[tokio::test]
async fn a_token_is_shown_with_its_text_when_it_is_made_and_never_again() {
    let world = World::new();
    let body = json!({"name": "ci", "scope": " pipeline  registry", "expiration": "1w",
        "cidrs": ["10.0.0.0/8"]});
    let made = world.post("/api/v2/tokens", &body.to_string()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let shown = made.json();
    assert_eq!(
        (&shown["token"], &shown["scope"]),
        (&json!("pst_new"), &json!("pipeline registry"))
    );
    assert_eq!(shown["expiresAt"], "2020-09-13T12:26:41.000Z");
    assert_eq!(made.header("cache-control"), "no-store");
    let id = shown["id"].as_str().unwrap();
    let read = world.get(&format!("/api/v2/tokens/{id}")).await.json();
    assert_eq!(
        (&read["token"], &read["name"]),
        (&json!(null), &json!("ci"))
    );
    let rotated = format!("/api/v2/tokens/{id}/rotate");
    let rotated = world.post(&rotated, r#"{"overlapSeconds": 60}"#).await;
    assert_eq!(rotated.json()["token"], "pst_newer");
    let page = world
        .get("/api/v2/tokens?user=ada@example.org&ended=true&limit=1")
        .await;
    assert_eq!(page.json()["next"], id);
    let gone = world
        .ask("DELETE", &format!("/api/v2/tokens/{id}"), "")
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let all = world.ask("DELETE", &format!("{ADA}/tokens"), "").await;
    assert_eq!(all.json(), json!({"revoked": 3}));
    world.behind(|it| {
        assert_eq!(it.people.made[0].scopes, ["pipeline", "registry"]);
        assert_eq!(it.people.rotated[0].overlap_ms, 60_000);
        assert!(it.people.listed[0].ended && it.people.listed[0].user == "ada@example.org");
        assert_eq!(it.people.revoked, [id]);
    });
}

#[tokio::test]
async fn nobody_is_asked_about_a_token_that_does_not_add_up() {
    let world = World::new();
    let token = contracts::token::text(&TokenId::made_at(0), &"s".repeat(43));
    for (token, asked) in [(token.replace("ss_", "st_"), 0), (token, 1)] {
        let request = axum::http::Request::get("/api/v2/tokens");
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(world.fake.authentications.load(Ordering::SeqCst), asked);
    }
}

#[tokio::test]
async fn a_token_is_refused_from_where_it_may_not_be_used() {
    let world = World::new();
    for (address, path, status) in [
        ("10.1.2.3:4", "/api/v2/tokens", StatusCode::OK),
        ("[::ffff:10.1.2.3]:4", "/api/v2/tokens", StatusCode::OK),
        ("192.0.2.1:4", "/api/v2/tokens", StatusCode::FORBIDDEN),
        (
            "192.0.2.1:4",
            "/api/v1/pipeline/pipelines",
            StatusCode::FORBIDDEN,
        ),
    ] {
        let request = axum::http::Request::get(path)
            .header("authorization", "Bearer inside")
            // Anybody may say this.
            .header("x-forwarded-for", "10.1.2.3")
            .extension(ConnectInfo(address.parse::<SocketAddr>().unwrap()));
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{address}: {}", answer.text);
        if path.starts_with("/api/v1") {
            assert_eq!(answer.json()["message"], "Forbidden");
        }
    }
}

#[tokio::test]
async fn the_tokens_of_a_user_and_of_an_account_that_change_are_asked_for_again() {
    let user = UserChanged {
        user_id: "5e1cbf251c26d68f7ce6361e".into(),
        ..UserChanged::default()
    };
    let group = GroupChanged {
        account: "org".into(),
        ..GroupChanged::default()
    };
    assert!(is_asked_again(&user).await);
    assert!(is_asked_again(&group).await);
}

/// Whether a token that is known is asked for again, well before it would be forgotten, when this is
/// told.
async fn is_asked_again(change: &impl Message) -> bool {
    let (directory, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let config = outbox::bus::Config {
        url: format!("embedded:{}", directory.path().display()),
        ..Default::default()
    };
    let bus = Bus::open(&config, &Readiness::new(), &tasks).await.unwrap();
    let world = World::over(&Config::default(), Some(bus.clone()));
    world.get("/api/v2/tokens").await;
    // Broadcasts are heard from the moment of listening on, so the change is told until it is heard.
    let heard = async {
        while world.fake.authentications.load(Ordering::SeqCst) < 2 {
            let post = Post::of(change, "1", 1).unwrap();
            bus.publish(vec![post]).await.unwrap();
            world.get("/api/v2/tokens").await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), heard)
        .await
        .is_ok()
}
