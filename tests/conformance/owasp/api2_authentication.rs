//! API2, broken authentication: tokens that were made up, changed, ended, or shown elsewhere.

use std::time::Duration;

use harness::api::http;
use harness::eventually::eventually;
use harness::world::TOKEN;
use harness::{Settings, Shape, Story, World, own, shared};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Person, anonymous};

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        no_token_that_was_changed_or_made_up_is_good,
        a_token_is_good_in_its_header_alone,
        a_token_is_told_once_and_never_again,
        an_ended_token_stays_ended,
        a_password_is_not_changed_without_the_one_before,
        a_weak_password_is_refused_and_none_is_ever_shown,
    ];
    let alone = own![guessing_is_slowed_down_and_who_has_a_token_works_on];
    stories.extend(alone.into_iter().map(|it| it.only(&[Shape::Embedded])));
    stories
}

const ME: &str = "/api/v2/users/me";

async fn status_with(world: &World, header: &str) -> u16 {
    let answer = anonymous(world, Method::GET, ME, &[("authorization", header)]).await;
    answer.status
}

async fn no_token_that_was_changed_or_made_up_is_good(world: &World) {
    let person = Person::member(world, &[]).await;
    let token = &person.token;
    assert_eq!(status_with(world, &format!("Bearer {token}")).await, 200);
    let (head, checksum) = token.rsplit_once('_').unwrap();
    let last = if token.ends_with('0') { '1' } else { '0' };
    let swapped: String = head
        .chars()
        .map(|c| if c == 'a' { 'b' } else { c })
        .collect();
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImFwaSIsInVzZXJJZCI6ImFkbWluIn0.";
    for forged in [
        format!("{}{last}", &token[..token.len() - 1]),
        format!("{swapped}x_{checksum}"),
        head.to_owned(),
        format!("{token}{token}"),
        token.to_uppercase(),
        format!("{token}\u{a0}"),
        format!("{} {}", person.token_id, checksum),
        person.token_id.clone(),
        person.id.clone(),
        person.email.clone(),
        unsigned.to_owned(),
        "null".into(),
        "undefined".into(),
        "' OR '1'='1".into(),
        "*".into(),
        "%".into(),
        format!("pst_{}__{checksum}", person.token_id),
        TOKEN[..TOKEN.len() - 1].to_owned(),
        format!("{TOKEN} "),
        "x".repeat(6000),
    ] {
        let header = format!("Bearer {forged}");
        let header = reqwest::header::HeaderValue::from_bytes(header.as_bytes()).unwrap();
        let request = http().get(format!("{}{ME}", world.url()));
        let answer = world
            .api()
            .send(request.header("authorization", header))
            .await;
        // What surrounds a token is no part of it.
        let expected = if forged.trim_end() == TOKEN { 200 } else { 401 };
        assert_eq!(answer.status, expected, "{forged}: {}", answer.text);
        assert!(
            !answer.text.contains(&forged) || forged.len() < 2,
            "{}",
            answer.text
        );
    }
}

async fn a_token_is_good_in_its_header_alone(world: &World) {
    let token = &Person::member(world, &[]).await.token;
    for (path, headers) in [
        (format!("{ME}?access_token={token}"), vec![]),
        (format!("{ME}?token={token}"), vec![]),
        (
            ME.into(),
            vec![("cookie", format!("token={token}; Authorization={token}"))],
        ),
        (ME.into(), vec![("x-api-key", token.clone())]),
        (
            ME.into(),
            vec![("x-authorization", format!("Bearer {token}"))],
        ),
        (
            ME.into(),
            vec![("proxy-authorization", format!("Bearer {token}"))],
        ),
        (ME.into(), vec![("authorization", token.clone())]),
        (ME.into(), vec![("authorization", format!("Token {token}"))]),
        (
            ME.into(),
            vec![("x-forwarded-user", "administrator".into())],
        ),
        (ME.into(), vec![("x-remote-user", "administrator".into())]),
    ] {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, it)| (*name, it.as_str()))
            .collect();
        let answer = anonymous(world, Method::GET, &path, &headers).await;
        assert_eq!(answer.status, 401, "{path} {headers:?}: {}", answer.text);
    }
}

async fn a_token_is_told_once_and_never_again(world: &World) {
    let person = Person::member(world, &["site_administrator"]).await;
    // pst_ID_SECRET_CHECKSUM, and a secret may hold underscores itself.
    let secret = person.token.splitn(3, '_').nth(2).unwrap();
    let secret = secret.rsplit_once('_').unwrap().0;
    for path in [
        "/api/v2/tokens?ended=true&limit=1000".to_owned(),
        format!("/api/v2/tokens/{}", person.token_id),
        format!("/api/v2/tokens?user={}", person.id),
        ME.to_owned(),
        "/api/v2/users?limit=1000".to_owned(),
        "/api/v2/audit/tokens?limit=1000".to_owned(),
        "/api/v2/audit/actions?limit=1000".to_owned(),
        "/api/v1/logs/user/tokens".to_owned(),
    ] {
        let answer = person.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(!answer.text.contains(secret), "{path}: {}", answer.text);
    }
    let demo = person.post("/api/v1/pipeline/demo", &json!({})).await;
    assert!(
        demo.status == 200 && !demo.text.contains(secret),
        "{}",
        demo.text
    );
}

async fn an_ended_token_stays_ended(world: &World) {
    let person = Person::member(world, &["site_administrator"]).await;
    let path = format!("/api/v2/tokens/{}", person.token_id);
    let other = json!({"name": "other"});
    let other = person.post("/api/v2/tokens", &other).await;
    let other = other.json["token"].as_str().unwrap().to_owned();
    assert_eq!(
        person.ask(Method::DELETE, &path, &Value::Null).await.status,
        204
    );
    eventually("the token is refused", async || {
        (person.get(ME).await.status == 401).then_some(())
    })
    .await;
    let second = Person {
        token: other,
        ..person
    };
    let rotated = second.post(&format!("{path}/rotate"), &json!({})).await;
    assert!((400..500).contains(&rotated.status), "{}", rotated.text);
    let again = json!({"name": "t", "expiration": "2020-01-01T00:00:00Z"});
    assert_eq!(second.post("/api/v2/tokens", &again).await.status, 400);
    let ever = json!({"name": "t", "expiration": "2099-01-01T00:00:00Z"});
    assert_eq!(second.post("/api/v2/tokens", &ever).await.status, 400);
}

async fn a_password_is_not_changed_without_the_one_before(world: &World) {
    let person = Person::member(world, &["site_user"]).await;
    let set =
        |password: &str, current: &str| json!({"password": password, "currentPassword": current});
    let path = format!("/api/v2/users/{}", person.id);
    let first = json!({"password": "a password of hers"});
    let made = world
        .api()
        .send(world.api().request(Method::PATCH, &path).json(&first))
        .await;
    assert_eq!(made.status, 200, "{}", made.text);
    for (body, expected) in [
        (json!({"password": "somebody else's one"}), 400..500),
        (set("somebody else's one", "a guess of somebody"), 400..500),
        (json!({"password": null}), 400..500),
        (set("a new one of hers", "a password of hers"), 200..300),
    ] {
        let answer = person.ask(Method::PATCH, ME, &body).await;
        assert!(expected.contains(&answer.status), "{body}: {}", answer.text);
        assert!(!answer.text.contains("hers"), "{}", answer.text);
    }
}

async fn a_weak_password_is_refused_and_none_is_ever_shown(world: &World) {
    let email = format!("{}@example.org", world.name("weak"));
    for password in ["short", "password", "12345678901", " "] {
        let body = json!({"name": "weak", "email": email, "password": password});
        let answer = world.api().post("/api/v2/users", &body).await;
        assert_eq!(answer.status, 400, "{password}: {}", answer.text);
    }
    let body = json!({"name": "weak", "email": email, "password": "long enough for them"});
    let made = world.api().post("/api/v2/users", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let listed = world.api().get("/api/v2/users?limit=1000").await;
    for answer in [made, listed] {
        for word in ["long enough", "argon2", "$v="] {
            assert!(!answer.text.contains(word), "{}", answer.text);
        }
    }
}

async fn guessing_is_slowed_down_and_who_has_a_token_works_on(shape: Shape) {
    let failures = "{per_minute=6,burst=5}";
    let settings = Settings::of(shape).with("PENSTOCK_GATEWAY__LIMITS__FAILURES", failures);
    let world = World::start(settings).await;
    let guess = |number: u32| format!("Bearer guess-number-{number}-of-an-attacker");
    let mut waits = 0;
    for number in 0..30 {
        let header = guess(number);
        let answer = anonymous(&world, Method::GET, ME, &[("authorization", &header)]).await;
        assert!([401, 429].contains(&answer.status), "{}", answer.text);
        waits += u32::from(answer.status == 429);
    }
    assert!(waits >= 20, "{waits} of 30 guesses were told to wait");
    for _ in 0..5 {
        assert_eq!(
            world.api().get(ME).await.status,
            200,
            "the administrator works on"
        );
    }
    let request = http()
        .get(format!("{}{ME}", world.url()))
        .bearer_auth("another guess");
    let answer = request
        .timeout(Duration::from_secs(10))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 429);
    assert!(answer.headers().contains_key("retry-after"));
    world.finish().await;
}
