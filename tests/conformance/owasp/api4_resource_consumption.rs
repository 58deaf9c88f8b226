//! API4, unrestricted resource consumption: what is too much is refused, soon and in little memory.

use std::time::{Duration, Instant};

use harness::api::http;
use harness::{Settings, Shape, Story, World, own, shared};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Person, assert_discreet, one_step};

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        a_body_of_any_kind_has_a_limit,
        a_document_that_grows_when_it_is_read_is_refused_soon,
        a_page_has_a_limit,
        what_names_something_has_a_limit,
        a_request_line_and_its_headers_have_a_limit,
    ];
    let alone = own![
        a_script_that_lists_without_a_pause_is_slowed_down_and_still_stops_its_run,
        a_body_that_comes_too_slowly_is_given_up,
        followers_have_a_limit,
    ];
    stories.extend(alone.into_iter().map(|it| it.only(&[Shape::Embedded])));
    stories
}

/// How soon a refusal of something too large comes, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

async fn a_body_of_any_kind_has_a_limit(world: &World) {
    let api = world.api();
    let large = "x".repeat(1024 * 1024 + 1);
    for (method, path) in [
        (Method::POST, "/api/v2/pipelines"),
        (Method::PUT, "/api/v2/pipelines/some"),
        (Method::POST, "/api/v2/pipelines/some/runs"),
        (Method::PUT, "/api/v2/secrets/large"),
        (Method::POST, "/api/v2/tools"),
        (Method::PATCH, "/api/v2/tools/some"),
        (Method::POST, "/api/v2/users"),
        (Method::PUT, "/api/v2/groups/some"),
        (Method::POST, "/api/v2/tokens"),
        (Method::POST, "/api/v1/pipeline/run"),
        (Method::POST, "/api/v1/pipeline/create"),
        (Method::POST, "/api/v1/pipeline/demo"),
        (Method::POST, "/api/v1/registry/update"),
    ] {
        let body = json!({"name": large, "value": large}).to_string();
        let answer = api.send(api.request(method.clone(), path).body(body)).await;
        assert_eq!(answer.status, 413, "{method} {path}: {}", answer.text);
        assert_discreet(path, &answer);
    }
}

async fn a_document_that_grows_when_it_is_read_is_refused_soon(world: &World) {
    let api = world.api();
    let laughs = |level: u32| {
        let of = level - 1;
        format!(
            "l{level}: &l{level} [*l{of},*l{of},*l{of},*l{of},*l{of},*l{of},*l{of},*l{of},*l{of}]\n"
        )
    };
    let laughs: String = (2..30).map(laughs).collect();
    let laughs = format!("name: bomb\nl1: &l1 [lol,lol,lol,lol]\n{laughs}steps: []\n");
    let deep = format!(
        "{{\"name\":\"deep\",\"steps\":{}{}}}",
        "[".repeat(90_000),
        "]".repeat(90_000)
    );
    let wide: Vec<String> = (0..60_000).map(|it| format!("\"k{it}\":1")).collect();
    let wide = format!("{{{}}}", wide.join(","));
    for (kind, path, body) in [
        ("application/yaml", "/api/v2/pipelines", &laughs),
        ("application/yaml", "/api/v2/tools", &laughs),
        ("application/yaml", "/api/v2/pipelines", &deep),
        ("application/json", "/api/v2/pipelines", &deep),
        ("application/json", "/api/v2/tools", &deep),
        ("application/json", "/api/v2/tokens", &deep),
        ("application/json", "/api/v1/pipeline/run", &deep),
        ("application/json", "/api/v1/pipeline/create", &deep),
        ("application/json", "/api/v1/registry/update", &deep),
        ("application/json", "/api/v2/pipelines", &wide),
        ("application/json", "/api/v2/tools", &wide),
    ] {
        let begun = Instant::now();
        let request = api.request(Method::POST, path).header("content-type", kind);
        let answer = api.send(request.body(body.clone())).await;
        assert_eq!(answer.status, 400, "{kind} {path}: {}", answer.text);
        assert!(
            begun.elapsed() < SOON,
            "{kind} {path}: {:?}",
            begun.elapsed()
        );
        assert_discreet(path, &answer);
        assert!(
            answer.text.len() < 256 * 1024,
            "{} bytes",
            answer.text.len()
        );
    }
}

async fn a_page_has_a_limit(world: &World) {
    let api = world.api();
    let id = api.define_steps("paged", "- {id: a, run: 'true'}").await;
    api.through(&id).await;
    for list in [
        "pipelines",
        "secrets",
        "tools",
        "users",
        "groups",
        "tokens",
        "audit/actions",
        "audit/tokens",
        &format!("pipelines/{id}/runs"),
        &format!("pipelines/{id}/runs/1/logs"),
    ] {
        for limit in [
            "0",
            "-1",
            "1001",
            "4294967296",
            "99999999999999999999",
            "1e3",
            "x",
        ] {
            let path = format!("/api/v2/{list}?limit={limit}");
            let answer = api.get(&path).await;
            assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        }
        let answer = api.get(&format!("/api/v2/{list}?limit=1000")).await;
        assert_eq!(answer.status, 200, "{list}: {}", answer.text);
    }
}

async fn what_names_something_has_a_limit(world: &World) {
    let api = world.api();
    let id = api.define_steps("named", "- {id: a, run: 'true'}").await;
    let path = format!("/api/v2/pipelines/{id}/runs");
    let key = api
        .request(Method::POST, &path)
        .header("idempotency-key", "k".repeat(256));
    assert_eq!(api.send(key.json(&json!({}))).await.status, 400);
    let long = "n".repeat(3000);
    for (method, path, body) in [
        (
            Method::PUT,
            format!("/api/v2/secrets/{long}"),
            json!({"value": "x"}),
        ),
        (
            Method::PUT,
            format!("/api/v2/groups/{long}"),
            json!({"members": []}),
        ),
        (Method::POST, "/api/v2/tokens".into(), json!({"name": long})),
        (
            Method::POST,
            "/api/v2/users".into(),
            json!({"name": long, "email": "x@example.org"}),
        ),
        (
            Method::POST,
            "/api/v2/tools".into(),
            json!({"name": long, "toolIdentifier": "jenkins"}),
        ),
        (
            Method::POST,
            "/api/v2/pipelines".into(),
            one_step(&long, "true"),
        ),
    ] {
        let answer = api.send(api.request(method, &path).json(&body)).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
    }
    let unknown = api.get(&format!("/api/v2/pipelines/{long}")).await;
    assert!([400, 404].contains(&unknown.status), "{}", unknown.text);
}

async fn a_request_line_and_its_headers_have_a_limit(world: &World) {
    let api = world.api();
    let mut many = api.request(Method::GET, "/api/v2/users/me");
    for number in 0..500 {
        many = many.header(format!("x-{number}"), "x");
    }
    let long = api.request(Method::GET, "/api/v2/users/me");
    let long = long.header("x-long", "x".repeat(1024 * 1024));
    let path = api.request(
        Method::GET,
        &format!("/api/v2/users/{}", "x".repeat(60_000)),
    );
    for request in [many, long, path] {
        // The server may hang up before such a request has been sent.
        if let Some(answer) = api.try_send(request).await {
            assert!(
                (400..500).contains(&answer.status),
                "{} {}",
                answer.status,
                answer.text
            );
        }
    }
    assert_eq!(api.get("/api/v2/users/me").await.status, 200);
}

async fn a_script_that_lists_without_a_pause_is_slowed_down_and_still_stops_its_run(shape: Shape) {
    let reading = "{per_minute=60,burst=50}";
    let settings = Settings::of(shape).with("PENSTOCK_GATEWAY__LIMITS__READING", reading);
    let world = World::start(settings).await;
    let person = Person::member(&world, &["site_user"]).await;
    let id = person.defines(&one_step("busy", "sleep 600")).await;
    let path = format!("/api/v2/pipelines/{id}/runs");
    world.api().accepted(&person.post(&path, &json!({})).await);
    let mut refused = 0;
    for _ in 0..20 {
        let request = http().get(format!("{}/api/v2/pipelines", world.url()));
        let answer = request.bearer_auth(&person.token).send().await.unwrap();
        if answer.status() == 429 {
            refused += 1;
            let wait = answer.headers()["retry-after"].to_str().unwrap();
            assert!(wait.parse::<u32>().unwrap() >= 1, "{wait}");
        } else {
            assert!(answer.headers().contains_key("ratelimit-remaining"));
        }
    }
    assert!(refused >= 10, "{refused} of 20 lists were refused");
    let other = Person::member(&world, &["site_user"]).await;
    assert_eq!(
        other.get("/api/v2/pipelines").await.status,
        200,
        "others aren't"
    );
    let stop = json!({"mode": "kill", "reason": "x"});
    let stopped = person.post(&format!("{path}/1/stop"), &stop).await;
    assert!(stopped.status < 300, "{}", stopped.text);
    world.api().ended(&id, 1).await;
    world.finish().await;
}

async fn a_body_that_comes_too_slowly_is_given_up(shape: Shape) {
    let settings = Settings::of(shape).with("PENSTOCK_GATEWAY__REQUEST_TIMEOUT_MS", "1500");
    let world = World::start(settings).await;
    let address = world.url().replace("http://", "");
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /api/v2/pipelines HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-length: 100000\r\n\r\n{{\"name\": ",
        harness::world::TOKEN
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64 * 1024];
    let read = tokio::time::timeout(SOON, slow.read(&mut answer)).await;
    let read = read.expect("it is given up in time").unwrap();
    let text = String::from_utf8_lossy(&answer[..read]);
    assert!(
        text.starts_with("HTTP/1.1 504") || text.starts_with("HTTP/1.1 408"),
        "{text}"
    );
    assert_eq!(world.api().get("/api/v2/users/me").await.status, 200);
    world.finish().await;
}

async fn followers_have_a_limit(shape: Shape) {
    let settings = Settings::of(shape).with("PENSTOCK_GATEWAY__MAX_FOLLOWERS", "2");
    let world = World::start(settings).await;
    let api = world.api();
    let id = api
        .define_steps("followed", "- {id: a, run: 'echo on; sleep 600'}")
        .await;
    api.start(&id).await;
    let path = format!("/api/v2/pipelines/{id}/runs/1/logs");
    let follow = || {
        let request = api.request(Method::GET, &path);
        request.header("accept", "text/event-stream").send()
    };
    let (one, two) = (follow().await.unwrap(), follow().await.unwrap());
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (200, 200));
    let third = follow().await.unwrap();
    assert_eq!(third.status(), 503);
    drop((one, two));
    let what = "there is room for a follower again";
    harness::eventually(what, async || {
        let answer = follow().await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
    api.stop(&id, 1, "kill").await;
    api.ended(&id, 1).await;
    world.finish().await;
}
