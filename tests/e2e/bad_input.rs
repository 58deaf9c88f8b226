//! What is wrong is refused with what to change, and nothing is half done.

use harness::api::http;
use harness::{Answer, Shape, Story, World, own, shared};
use reqwest::Method;
use serde_json::json;

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        the_unknown_is_not_found,
        bodies_that_can_not_be_read_are_refused,
        definitions_say_every_fault_with_its_place,
        what_is_too_large_is_refused,
        tokens_are_looked_at,
        a_refused_start_takes_no_count,
        problems_are_documents,
    ];
    let alone = own![
        a_port_in_use_is_said,
        a_data_directory_in_use_is_said,
        a_newer_database_is_left_alone,
        wrong_configuration_is_said
    ];
    stories.extend(
        alone
            .into_iter()
            .map(|story| story.only(&[Shape::Embedded])),
    );
    stories
}

async fn the_unknown_is_not_found(world: &World) {
    let api = world.api();
    let known = api.define_steps("known", "- {id: a, run: 'true'}").await;
    for path in [
        "/api/v2/pipelines/no-such-pipeline".to_owned(),
        "/api/v2/pipelines/5fd56d90979ee048ee660624".to_owned(),
        "/api/v2/pipelines/999999".to_owned(),
        format!("/api/v2/pipelines/{known}/runs/1"),
        format!("/api/v2/pipelines/{known}/runs/latest"),
        format!("/api/v2/pipelines/{known}/runs/99/logs"),
        format!("/api/v2/pipelines/{known}/runs/99/explain"),
        "/api/v2/nothing".to_owned(),
    ] {
        let answer = api.get(&path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    for path in ["runs/0", "runs/-1", "runs/x"] {
        let answer = api.get(&format!("/api/v2/pipelines/{known}/{path}")).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
    }
    let stop = api.stop(&known, 99, "graceful").await;
    assert_eq!(stop.status, 404, "{}", stop.text);
}

async fn bodies_that_can_not_be_read_are_refused(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("body", "- {id: a, run: 'true'}").await;
    for (path, body) in [
        ("/api/v2/pipelines".to_owned(), "name: [\n"),
        ("/api/v2/pipelines".to_owned(), "{\"name\": "),
        ("/api/v2/pipelines".to_owned(), ""),
        ("/api/v2/pipelines".to_owned(), "just words"),
        (
            format!("/api/v2/pipelines/{pipeline}/runs"),
            "{\"parameters\": ",
        ),
        (format!("/api/v2/pipelines/{pipeline}/runs"), "[]"),
        (
            format!("/api/v2/pipelines/{pipeline}/runs"),
            "{\"parameter\": {}}",
        ),
        (
            format!("/api/v2/pipelines/{pipeline}/runs/1/stop"),
            "{\"mode\": \"gently\"}",
        ),
    ] {
        let request = api
            .request(Method::POST, &path)
            .header("content-type", "application/json");
        let answer = api.send(request.body(body)).await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text);
    }
}

async fn define(world: &World, body: String) -> Answer {
    let api = world.api();
    let request = api.request(Method::POST, "/api/v2/pipelines");
    api.send(
        request
            .header("content-type", "application/yaml")
            .body(body),
    )
    .await
}

async fn definitions_say_every_fault_with_its_place(world: &World) {
    let yaml = "name: faulty\ncolour: red\nsteps:\n  - {id: a, run: echo, timeout: soon}\n  - {id: a, run: echo}\n  \
                - {id: c, needs: [nobody], run: echo}\n  - {id: d, needs: [e], run: echo}\n  - {id: e, needs: [d], run: echo}\n";
    let answer = define(world, yaml.to_owned()).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let faults = answer.json["faults"].to_string();
    for word in ["colour", "steps[0].timeout", "nobody", "\"line\":7"] {
        assert!(faults.contains(word), "{word}: {}", answer.text);
    }
    assert!(
        answer.json["faults"]
            .as_array()
            .is_some_and(|it| it.len() >= 5),
        "{}",
        answer.text
    );
}

async fn what_is_too_large_is_refused(world: &World) {
    let steps = |count: usize| {
        (0..count)
            .map(|it| format!("  - {{id: s{it}, run: 'true'}}\n"))
            .collect::<String>()
    };
    let fits = define(
        world,
        format!("name: {}\nsteps:\n{}", world.name("thousand"), steps(1000)),
    )
    .await;
    assert_eq!(fits.status, 201, "{}", fits.text);
    let many = define(world, format!("name: many\nsteps:\n{}", steps(1001))).await;
    assert_eq!(many.status, 400, "{}", many.text);
    assert!(many.text.contains("1000"), "{}", many.text);
    let deep = format!("name: deep\nsteps: {}{}\n", "[".repeat(70), "]".repeat(70));
    let deep = define(world, deep).await;
    assert_eq!(deep.status, 400, "{}", deep.text);
    let long = define(
        world,
        format!(
            "name: {}\nsteps: [{{id: a, run: 'true'}}]\n",
            "n".repeat(1025)
        ),
    )
    .await;
    assert_eq!(long.status, 400, "{}", long.text);
    assert!(long.text.contains("1024"), "{}", long.text);
    let name = format!("{}{}", world.name("n"), "n".repeat(1000));
    assert_eq!(
        define(
            world,
            format!("name: {name}\nsteps: [{{id: a, run: 'true'}}]\n")
        )
        .await
        .status,
        201
    );
    let large = define(
        world,
        format!(
            "name: large\ndescription: {}\nsteps: []\n",
            "x".repeat(1024 * 1024)
        ),
    )
    .await;
    assert_eq!(large.status, 413, "{}", large.text);
}

async fn tokens_are_looked_at(world: &World) {
    let url = format!("{}/api/v2/pipelines", world.url());
    let long = "x".repeat(5000);
    for header in [
        None,
        Some("Bearer"),
        Some("Bearer wrong"),
        Some("Basic YTpi"),
        Some("nonsense"),
        Some(long.as_str()),
    ] {
        let mut request = http().get(&url);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer = world.api().send(request).await;
        assert_eq!(answer.status, 401, "{header:?}: {}", answer.text);
        assert!(
            answer.json["detail"].to_string().contains("token"),
            "{header:?}: {}",
            answer.text
        );
    }
    for path in ["/api/v2/openapi.json", "/api/v2/schemas/pipeline.json"] {
        let answer = world
            .api()
            .send(http().get(format!("{}{path}", world.url())))
            .await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

async fn a_refused_start_takes_no_count(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("refused", "- {id: a, run: 'true'}").await;
    let path = format!("/api/v2/pipelines/{pipeline}/runs");
    for _ in 0..3 {
        assert_eq!(
            api.post(&path, &json!({"parameters": {"unknown": 1}}))
                .await
                .status,
            400
        );
    }
    assert_eq!(api.start(&pipeline).await, 1);
    api.ended(&pipeline, 1).await;
}

async fn problems_are_documents(world: &World) {
    let answer = world.api().get("/api/v2/pipelines/no-such-pipeline").await;
    assert_eq!(answer.kind, "application/problem+json");
    for field in ["type", "title", "detail", "instance", "requestId"] {
        assert!(answer.json[field].is_string(), "{field}: {}", answer.text);
    }
    assert_eq!(answer.json["status"], 404);
}

async fn a_port_in_use_is_said(_: Shape) {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = up(&[
        "--data-dir",
        &folder.path().display().to_string(),
        "--listen",
        &address,
    ])
    .await;
    assert!(
        said.0 != Some(0) && said.1.contains(&address) && said.1.contains("--listen"),
        "{said:?}"
    );
}

async fn a_data_directory_in_use_is_said(shape: Shape) {
    let world = World::start(harness::Settings::of(shape)).await;
    let said = up(&[
        "--data-dir",
        &world.data_dir().display().to_string(),
        "--listen",
        "127.0.0.1:0",
    ])
    .await;
    assert!(said.0 != Some(0), "{said:?}");
    for word in ["in use", "--data-dir", "postgres://"] {
        assert!(said.1.contains(word), "{word}: {said:?}");
    }
    world.finish().await;
}

async fn a_newer_database_is_left_alone(shape: Shape) {
    let world = World::start(harness::Settings::of(shape)).await;
    let server = world.server("all");
    server.terminate();
    assert!(server.ended().await.success());
    harness::rows::pretend_newer(&world, "pipeline").await;
    let data_dir = world.data_dir().display().to_string();
    let said = up(&["--data-dir", &data_dir, "--listen", "127.0.0.1:0"]).await;
    assert!(
        said.0 != Some(0) && said.1.contains("newer version"),
        "{said:?}"
    );
    world.end().await;
}

async fn wrong_configuration_is_said(_: Shape) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "[executor]\nslotz = 3\n").unwrap();
    let file = file.display().to_string();
    for (args, word) in [
        (&["--config", file.as_str()][..], "slotz"),
        (&["--listen", "nowhere"], "--listen"),
        (&["--config", "/no/such/file.toml"], "/no/such/file.toml"),
    ] {
        let said = up(args).await;
        assert!(
            said.0 == Some(64) && said.1.contains(word),
            "{args:?}: {said:?}"
        );
    }
}

/// What `penstock up` says when it can't start.
async fn up(args: &[&str]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(harness::program());
    let command = command
        .arg("up")
        .args(args)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .kill_on_drop(true);
    let ended = tokio::time::timeout(harness::PATIENCE, command.output()).await;
    let output = ended.expect("it ends by itself").unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
