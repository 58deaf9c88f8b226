//! API8, security misconfiguration: headers, methods, errors, and what is on unless told otherwise.

use harness::api::http;
use harness::{Story, World, shared};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Person, anonymous, assert_discreet};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        every_answer_forbids_guessing_and_keeping_it,
        no_other_site_is_let_in,
        a_method_that_a_path_has_not_is_refused_with_those_it_has,
        no_error_about_a_path_tells_of_the_inside,
        no_error_about_a_body_tells_of_the_inside,
        an_answer_is_never_a_page_for_browsers,
        what_operators_ask_tells_no_secret,
        data_and_logs_are_their_owners_alone,
    ]
}

async fn every_answer_forbids_guessing_and_keeping_it(world: &World) {
    let id = world
        .api()
        .define_steps("headed", "- {id: a, run: 'true'}")
        .await;
    for path in [
        "/api/v2/openapi.json".to_owned(),
        "/api/v2/users/me".into(),
        format!("/api/v2/pipelines/{id}"),
        "/api/v2/pipelines/none-such".into(),
        "/api/v2/none-such".into(),
        "/api/v1/pipeline/pipelines".into(),
        "/api/v1/none-such".into(),
    ] {
        for request in [
            world.api().request(Method::GET, &path),
            http().get(format!("{}{path}", world.url())),
        ] {
            let answer = request.send().await.unwrap();
            let header = |name: &str| {
                let value = answer.headers().get(name);
                value
                    .map(|it| it.to_str().unwrap().to_owned())
                    .unwrap_or_default()
            };
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("cache-control"), "no-store", "{path}");
            assert!(!header("x-request-id").is_empty(), "{path}");
            for absent in ["server", "x-powered-by", "set-cookie", "via"] {
                assert_eq!(header(absent), "", "{path}: {absent}");
            }
        }
    }
}

async fn no_other_site_is_let_in(world: &World) {
    let origin = "https://evil.example";
    for path in [
        "/api/v2/pipelines",
        "/api/v1/pipeline/run",
        "/api/v2/openapi.json",
        "/",
    ] {
        for method in [Method::OPTIONS, Method::GET, Method::POST] {
            let url = format!("{}{path}", world.url());
            let request = http().request(method.clone(), url).header("origin", origin);
            let request = request.header("access-control-request-method", "POST");
            let request = request.header("access-control-request-headers", "authorization");
            let answer = request.send().await.unwrap();
            let names = answer.headers().keys().map(|it| it.as_str().to_owned());
            let allows: Vec<_> = names
                .filter(|it| it.starts_with("access-control-"))
                .collect();
            assert!(allows.is_empty(), "{method} {path}: {allows:?}");
            let is_preflight = method == Method::OPTIONS;
            assert!(
                !is_preflight || !answer.status().is_success(),
                "{path}: {}",
                answer.status()
            );
        }
    }
}

async fn a_method_that_a_path_has_not_is_refused_with_those_it_has(world: &World) {
    let api = world.api();
    for method in ["TRACE", "CONNECT", "PROPFIND", "PATCH", "DEBUG", "get"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        if method == Method::CONNECT {
            continue;
        }
        for path in ["/api/v2/pipelines", "/api/v1/pipeline/run"] {
            let answer = api
                .request(method.clone(), path)
                .body("canary-of-trace")
                .send()
                .await;
            let answer = answer.unwrap();
            assert_eq!(
                answer.status(),
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            let allow = answer.headers()["allow"].to_str().unwrap().to_owned();
            assert!(
                allow.contains("POST") && !allow.contains("TRACE"),
                "{path}: {allow}"
            );
            assert!(!answer.text().await.unwrap().contains("canary-of-trace"));
        }
    }
}

async fn no_error_about_a_path_tells_of_the_inside(world: &World) {
    let api = world.api();
    let odd = [
        "'",
        "\"",
        "' OR 1=1 --",
        "1; DROP TABLE pipeline",
        "%ff%fe",
        "%f0%9f%92%a9",
        "-1",
        "1e999",
        "9223372036854775808",
        "0x1",
        "{}",
        "[]",
        "null",
        "${7*7}",
        "{{7*7}}",
        "..%2f..%2fetc%2fpasswd",
        "a%0d%0ax-injected:%20yes",
        "%3Cscript%3E",
        "%e2%80%ae",
        "a%5c",
        "%25%30%30",
    ];
    for text in odd {
        let text = text
            .replace(' ', "%20")
            .replace('"', "%22")
            .replace(['{', '}'], "%7B");
        for path in [
            format!("/api/v2/pipelines/{text}"),
            format!("/api/v2/pipelines/{text}/runs/{text}"),
            format!("/api/v2/pipelines?cursor={text}&limit=10"),
            format!("/api/v2/tools/{text}"),
            format!("/api/v2/tools?cursor={text}"),
            format!("/api/v2/users/{text}"),
            format!("/api/v2/users?cursor={text}"),
            format!("/api/v2/groups/{text}"),
            format!("/api/v2/tokens/{text}"),
            format!("/api/v2/tokens?cursor={text}&user={text}"),
            format!("/api/v2/secrets?cursor={text}"),
            format!("/api/v2/audit/actions?cursor={text}&since={text}&type={text}"),
            format!("/api/v2/audit/export?kind={text}&from={text}"),
            format!("/api/v1/pipeline/pipelines?cursor={text}&size={text}&search={text}"),
            format!("/api/v1/logs/user/actions?date={text}&type={text}&count={text}"),
        ] {
            let answer = api.get(&path).await;
            assert_discreet(&path, &answer);
            assert!(!answer.kind.contains("html"), "{path}: {}", answer.kind);
        }
    }
}

async fn no_error_about_a_body_tells_of_the_inside(world: &World) {
    let api = world.api();
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"x\"",
        "{\"name\": 1}",
        "\u{0}",
        "--- !!python/object:os.system {}",
    ] {
        for (method, path) in [
            (Method::POST, "/api/v2/pipelines"),
            (Method::POST, "/api/v2/tools"),
            (Method::POST, "/api/v2/users"),
            (Method::POST, "/api/v2/tokens"),
            (Method::PATCH, "/api/v2/users/me"),
            (Method::PUT, "/api/v2/groups/odd"),
            (Method::POST, "/api/v1/pipeline/run"),
            (Method::POST, "/api/v1/pipeline/create"),
            (Method::POST, "/api/v1/registry/update"),
        ] {
            for kind in [
                "application/json",
                "application/yaml",
                "application/xml",
                "text/html",
            ] {
                let request = api
                    .request(method.clone(), path)
                    .header("content-type", kind);
                let answer = api.send(request.body(body)).await;
                assert_discreet(&format!("{method} {path} {body:?}"), &answer);
            }
        }
    }
    let _ = api
        .send(api.request(Method::DELETE, "/api/v2/groups/odd"))
        .await;
}

async fn an_answer_is_never_a_page_for_browsers(world: &World) {
    let markup = "<img src=x onerror=alert(1)>";
    let attacker = Person::member(world, &["site_user"]).await;
    let definition = json!({"name": format!("{markup} {}", world.name("markup")), "description": markup,
        "steps": [{"id": "a", "run": format!("echo '{markup}'")}]});
    let id = attacker.defines(&definition).await;
    world.api().through(&id).await;
    world.api().log(&id, 1).await;
    let headers = [("accept", "text/html")];
    for path in [
        format!("/api/v2/pipelines/{id}"),
        format!("/api/v2/pipelines/{id}/runs/1"),
        format!("/api/v2/pipelines/{id}/runs/1/logs"),
        format!("/api/v2/pipelines/{id}/runs/1/explain"),
        format!("/api/v2/pipelines/{markup}")
            .replace(' ', "%20")
            .replace(['<', '>'], "%3C"),
        "/".into(),
    ] {
        let answer = world.api().get(&path).await;
        assert!(!answer.kind.contains("html"), "{path}: {}", answer.kind);
        let nobody = anonymous(world, Method::GET, &path, &headers).await;
        assert!(!nobody.kind.contains("html"), "{path}: {}", nobody.kind);
    }
    let status = attacker
        .post("/api/v1/pipeline/status", &json!({"pipelineId": id}))
        .await;
    assert!(
        status.kind.starts_with("application/json"),
        "{}",
        status.kind
    );
}

async fn what_operators_ask_tells_no_secret(world: &World) {
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = anonymous(world, Method::GET, path, &[]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        for secret in [harness::world::TOKEN, "postgres://", "kafka://", "password"] {
            assert!(!answer.text.contains(secret), "{path} tells {secret}");
        }
    }
}

async fn data_and_logs_are_their_owners_alone(world: &World) {
    use std::os::unix::fs::PermissionsExt as _;
    // Whatever else a machine's users may read, stores and keys aren't among it.
    let mut folders = vec![world.data_dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, Ok(about)) = (entry.path(), entry.metadata()) else {
                continue;
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_private = ["key", "token", ".db"].iter().any(|it| name.contains(it));
            if about.is_file() && is_private && !path.to_string_lossy().contains("workspaces") {
                let mode = about.permissions().mode();
                assert!(
                    is_its_owners_alone(mode) || is_closed_above(world, &path),
                    "{} {mode:o}",
                    path.display()
                );
            } else if about.is_dir() && name != "workspaces" {
                folders.push(path);
            }
        }
    }
}

/// Whether a folder on the way below the world's keeps others out.
fn is_closed_above(world: &World, path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let above = path.ancestors().skip(1).take_while(|it| *it != world.dir());
    let mut modes = above.filter_map(|it| Some(std::fs::metadata(it).ok()?.permissions().mode()));
    modes.any(is_its_owners_alone)
}

/// Whether nobody else may do anything with it.
fn is_its_owners_alone(mode: u32) -> bool {
    // The group's three bits and everybody's are the lowest.
    mode.trailing_zeros() >= 6
}
