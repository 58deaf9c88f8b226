//! Clients of the face, written here to send what its known clients send.

use std::path::Path;
use std::process::Stdio;

use harness::{PATIENCE, Story, World, shared};
use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use crate::form::Form;
use crate::uv::Uv;

pub(crate) fn stories() -> Vec<Story> {
    let python = shared![a_catalogue_extension_works_with_a_pipeline];
    let shell = shared![an_installer_waits_and_sends_its_files];
    let other = shared![
        a_java_test_sends_truths_as_text_and_polls,
        a_browser_asks_with_slashes_at_the_end,
    ];
    python
        .into_iter()
        .map(|it| it.needing(&["python3"]))
        .chain(shell.into_iter().map(|it| it.needing(&["bash", "curl"])))
        .chain(other)
        .collect()
}

/// What a client said, if it went well.
async fn said(world: &World, program: &str, name: &str, variables: &[(&str, &str)]) -> String {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/unifiedviews/clients");
    let mut command = Command::new(program);
    command
        .arg(clients.join(name))
        .env("API", format!("{}/master/api/1", world.url()))
        .env("no_proxy", "*")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = ended.expect("the client ends").unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

async fn a_catalogue_extension_works_with_a_pipeline(world: &World) {
    let uv = Uv::of(world);
    let template = uv.pipeline_of("template", "- {id: a, run: 'true'}").await;
    let (template, name) = (template.to_string(), world.name("extension"));
    let scheduled = uv.pipeline("extension-scheduled").await;
    let path = format!("/pipelines/{scheduled}/schedules");
    for body in [
        json!({"enabled": true, "afterPipelines": [template]}),
        json!({
            "enabled": true, "firstExecution": "2100-01-01T15:15:15.555Z", "period": 1,
            "periodUnit": "DAY",
        }),
    ] {
        assert_eq!(uv.post(&path, &body).await.status, 200);
    }
    let followed = uv.get(&format!("/pipelines/{template}")).await.json;
    let scheduled = scheduled.to_string();
    let variables = [
        ("TEMPLATE", template.as_str()),
        ("NAME", name.as_str()),
        ("SCHEDULED", scheduled.as_str()),
    ];
    let said = said(world, "python3", "extension.py", &variables).await;
    let expected = format!("followed {}", followed["name"].as_str().unwrap());
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains("ended FINISHED_SUCCESS"), "{said}");
    assert!(said.contains("error: User not found!"), "{said}");
}

async fn an_installer_waits_and_sends_its_files(world: &World) {
    let name = world.name("installed");
    let jar = world.dir().join(format!("uv-t-{name}-1.0.0.jar"));
    std::fs::write(&jar, ::transfer::testing::jar("AsTransformer", "1.0.0", 1)).unwrap();
    let zip = world.dir().join(format!("{name}.zip"));
    std::fs::write(&zip, crate::imports::simple(&name)).unwrap();
    let variables = [
        ("JAR", jar.to_str().unwrap()),
        ("ZIP", zip.to_str().unwrap()),
    ];
    let said = said(world, "bash", "installer.sh", &variables).await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..3], ["ready", "[OK]", "[OK]"], "{said}");
    assert!(lines[3].contains(&format!("\"name\":\"{name}\"")), "{said}");
}

async fn a_java_test_sends_truths_as_text_and_polls(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline_of("java", "- {id: a, run: 'true'}").await;
    let path = format!("/pipelines/{pipeline}/executions");
    let body = r#"{"debugging":"false","userExternalId":"admin"}"#;
    let request = uv.request(Method::POST, &path).body(body);
    let request = request
        .header("accept", "application/json")
        .header("content-type", "application/json; charset=UTF-8");
    let started = uv.send(request).await;
    assert_eq!(
        (started.status, &started.json["status"]),
        (200, &json!("QUEUED"))
    );
    assert_eq!(started.json["debugging"], false);
    // It says what kind a body would be that it doesn't send.
    let last = harness::eventually("the last execution is there", async || {
        let last = uv.request(Method::GET, &format!("{path}/last"));
        let answer = uv
            .send(last.header("content-type", "application/json"))
            .await;
        (answer.status == 200).then_some(answer.json)
    });
    assert_eq!(last.await["status"], "FINISHED_SUCCESS");
    let name = world.name("java-imported");
    let form = Form::of("pipeline.zip", &crate::imports::simple(&name));
    let form = form
        .text("importUserData", "true")
        .text("importSchedule", "true");
    let imported = form.send(uv, "/pipelines/import").await;
    assert!(imported.json["id"].is_i64(), "{}", imported.text);
    let jar = ::transfer::testing::jar("AsLoader", "1.0.0", 1);
    let file = format!("uv-l-{name}-1.0.0.jar");
    let path_of_jars = format!("/import/dpu/jar?name={name}&force=false");
    for expected in [200, 400] {
        let sent = Form::of(&file, &jar).send(uv, &path_of_jars).await;
        assert_eq!(sent.status, expected, "{}", sent.text);
        if expected == 400 {
            let message = "DPU with this name already exists.";
            assert_eq!(sent.json["errorMessage"], message);
        }
    }
    let list = uv.get("/pipelines?userExternalId=admin").await;
    assert!(list.json.as_array().is_some_and(|it| !it.is_empty()));
    assert_ne!(uv.get(&format!("{path}/WRONG")).await.status, 200);
}

async fn a_browser_asks_with_slashes_at_the_end(world: &World) {
    let uv = Uv::of(world);
    let name = world.name("browser");
    let body = json!({"name": name, "description": "made here", "userExternalId": "admin"});
    let made = uv.post("/pipelines/", &body).await;
    assert_eq!(
        (made.status, &made.json["description"]),
        (200, &json!("made here"))
    );
    let id = &made.json["id"];
    for path in [
        "/pipelines/?userExternalId=admin".to_owned(),
        "/pipelines/visible?userExternalId=admin".to_owned(),
    ] {
        let request = uv.request(Method::GET, &path);
        let request = request.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let list = uv.send(request).await;
        let shown = list.json.as_array().unwrap();
        assert!(
            shown.iter().any(|it| it["id"] == *id),
            "{path}: {}",
            list.text
        );
    }
    for list in ["executions", "schedules"] {
        let empty = uv.get(&format!("/pipelines/{id}/{list}/")).await;
        assert_eq!((empty.status, empty.text.as_str()), (200, "[]"), "{list}");
    }
}
