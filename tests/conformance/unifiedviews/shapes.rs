//! What answers look like: every field, in its order, whatever it holds.

use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

use crate::uv::{Uv, fields};

const PIPELINE: [&str; 5] = [
    "id",
    "name",
    "description",
    "userExternalId",
    "userActorExternalId",
];
const EXECUTION: [&str; 11] = [
    "id",
    "status",
    "orderNumber",
    "start",
    "end",
    "schedule",
    "stop",
    "lastChange",
    "userExternalId",
    "userActorExternalId",
    "debugging",
];
const EVENT: [&str; 6] = [
    "id",
    "time",
    "type",
    "shortMessage",
    "fullMessage",
    "dpuInstance",
];

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_pipeline_always_has_its_five_fields_in_their_order,
        an_execution_always_has_its_eleven_fields_in_their_order,
        an_event_always_has_its_six_fields_in_their_order,
        an_error_has_two_fields_and_the_bare_content_type,
        a_list_of_pipelines_holds_those_of_its_user,
        a_copy_has_the_steps_and_a_name_of_its_own,
        an_execution_goes_from_queued_to_its_end,
        a_pipeline_without_a_step_fails_and_says_why,
        what_a_debugging_execution_leaves_is_kept,
    ]
}

async fn a_pipeline_always_has_its_five_fields_in_their_order(world: &World) {
    let uv = Uv::of(world);
    let body = json!({"name": world.name("shape"), "description": null, "id": 12, "more": []});
    let made = uv.post("/pipelines", &body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(fields(&made.text), PIPELINE);
    assert_eq!(made.json["description"], "");
    assert_eq!(made.json["userExternalId"], "master");
    assert_eq!(made.json["userActorExternalId"], Value::Null);
    let id = &made.json["id"];
    for path in [
        format!("/pipelines/{id}"),
        "/pipelines".into(),
        "/pipelines/visible".into(),
    ] {
        let answer = uv.get(&path).await;
        assert_eq!(answer.kind, "application/json");
        assert_eq!(fields(&answer.text), PIPELINE, "{path}");
    }
}

async fn an_execution_always_has_its_eleven_fields_in_their_order(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv
        .pipeline_of("execution-shape", "- {id: a, run: 'true'}")
        .await;
    let path = format!("/pipelines/{pipeline}/executions");
    let started = uv.post(&path, &json!({"userExternalId": "admin"})).await;
    assert_eq!(started.status, 200, "{}", started.text);
    assert_eq!(fields(&started.text), EXECUTION);
    assert_eq!(started.json["status"], "QUEUED");
    assert_eq!(started.json["orderNumber"], 1);
    assert_eq!(started.json["userExternalId"], "admin");
    for field in ["start", "end", "schedule", "userActorExternalId"] {
        assert_eq!(started.json[field], Value::Null, "{field}");
    }
    for field in ["stop", "debugging"] {
        assert_eq!(started.json[field], false, "{field}");
    }
    let date = started.json["lastChange"].as_str().unwrap();
    assert!(date.ends_with("+0000") && date.len() == 28, "{date}");
    let id = started.json["id"].as_i64().unwrap();
    uv.ended(pipeline, id).await;
    for path in [path.clone(), format!("{path}/{id}"), format!("{path}/last")] {
        let answer = uv.get(&path).await;
        assert_eq!(
            (answer.status, fields(&answer.text)),
            (200, EXECUTION.map(str::to_owned).to_vec())
        );
    }
}

async fn an_event_always_has_its_six_fields_in_their_order(world: &World) {
    let uv = Uv::of(world);
    let steps = "- {id: a, name: First, run: 'true'}\n- {id: b, run: exit 3}";
    let pipeline = uv.pipeline_of("event-shape", steps).await;
    let execution = uv.execution(pipeline, &json!({})).await;
    assert_eq!(uv.ended(pipeline, execution).await["status"], "FAILED");
    let events = uv.events(pipeline, execution).await;
    let path = format!("/pipelines/{pipeline}/executions/{execution}/events");
    assert_eq!(fields(&uv.get(&path).await.text), EVENT);
    let told: Vec<_> = events.as_array().unwrap().iter().collect();
    let kinds: Vec<_> = told.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "PIPELINE_INFO",
            "DPU_INFO",
            "DPU_INFO",
            "DPU_INFO",
            "PIPELINE_ERROR",
            "DPU_INFO",
            "PIPELINE_INFO"
        ],
        "{events:#}"
    );
    assert_eq!(
        told[0]["shortMessage"],
        format!("Starting execution: {execution}")
    );
    assert_eq!(told[0]["dpuInstance"], Value::Null);
    let instance = &told[1]["dpuInstance"];
    assert_eq!(
        (
            &instance["name"],
            &instance["description"],
            &instance["serializedConfiguration"]
        ),
        (&json!("First"), &json!(""), &Value::Null)
    );
    let starting = format!("Starting DPU developer's code for DPU: {}", instance["id"]);
    assert_eq!(told[1]["shortMessage"], starting);
    assert_eq!(told[4]["shortMessage"], "Pipeline execution failed.");
    let ids: Vec<_> = told.iter().map(|it| it["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted() && ids[0] > 0, "{ids:?}");
}

async fn an_error_has_two_fields_and_the_bare_content_type(world: &World) {
    let uv = Uv::of(world);
    for path in [
        "/pipelines/987654321",
        "/pipelines/abc",
        "/nowhere",
        "/pipelines/1/executions/x",
    ] {
        let answer = uv.get(path).await;
        assert!(answer.status >= 400);
        assert_eq!(answer.kind, "application/json", "{path}");
        assert_eq!(fields(&answer.text), ["errorMessage", "technicalMessage"]);
    }
}

async fn a_list_of_pipelines_holds_those_of_its_user(world: &World) {
    let uv = Uv::of(world);
    let names = [world.name("mine"), world.name("theirs")];
    let mine = uv.post("/pipelines", &json!({"name": names[0]})).await;
    let theirs = json!({"name": names[1], "userExternalId": "user"});
    let theirs = uv.post("/pipelines", &theirs).await;
    assert_eq!(theirs.json["userExternalId"], "user");
    let listed = async |path: &str| {
        let answer = uv.get(path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let list = answer.json.as_array().unwrap().clone();
        [&mine, &theirs].map(|it| list.iter().any(|one| one["id"] == it.json["id"]))
    };
    assert_eq!(listed("/pipelines").await, [true, false]);
    assert_eq!(
        listed("/pipelines/?userExternalId=user").await,
        [false, true]
    );
    assert_eq!(
        listed("/pipelines?userExternalId=nobody-at-all").await,
        [false, false]
    );
    assert_eq!(
        listed("/pipelines/visible").await,
        [true, false],
        "both are private"
    );
    assert_eq!(
        listed("/pipelines/visible?userExternalId=user").await,
        [false, true]
    );
    let answer = uv
        .get("/pipelines/visible?userExternalId=organization_ext_id")
        .await;
    assert_eq!(answer.status, 200);
    let ids: Vec<_> = uv.get("/pipelines").await.json.as_array().unwrap().clone();
    assert!(ids.is_sorted_by_key(|it| it["id"].as_i64()));
}

async fn a_copy_has_the_steps_and_a_name_of_its_own(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline_of("original", "- {id: a, run: echo hi}").await;
    let name = world.name("copy");
    let path = format!("/pipelines/{pipeline}/clones/");
    let copy = uv
        .post(&path, &json!({"name": name, "userExternalId": "admin"}))
        .await;
    assert_eq!(
        (copy.status, &copy.json["name"]),
        (200, &json!(name)),
        "{}",
        copy.text
    );
    let own = world
        .api()
        .get(&format!("/api/v2/pipelines/{}", copy.json["id"]))
        .await
        .json;
    let definition = &own["definition"];
    assert_eq!(definition["steps"][0]["run"], "echo hi", "{own:#}");
    assert_eq!(
        (&definition["visibility"], &definition["concurrency"]),
        (&json!("private"), &json!(0))
    );
    let again = uv.post(&path, &json!({"name": name})).await;
    assert_eq!(again.status, 409, "{}", again.text);
}

async fn an_execution_goes_from_queued_to_its_end(world: &World) {
    let uv = Uv::of(world);
    let gate = world.gate();
    let steps = format!("- {{id: a, run: '{}'}}", gate.pass());
    let pipeline = uv.pipeline_of("stages", &steps).await;
    let path = format!("/pipelines/{pipeline}/executions");
    assert_eq!(uv.get(&format!("{path}/last")).await.status, 404);
    let execution = uv.execution(pipeline, &json!({})).await;
    harness::eventually("it runs", async || {
        let pending = uv.get(&format!("{path}/pending")).await.json;
        (pending[0]["status"] == "RUNNING").then_some(())
    })
    .await;
    let pending = uv.get(&format!("{path}/pending")).await.json;
    assert_eq!(
        (&pending[0]["id"], &pending[0]["end"]),
        (&json!(execution), &Value::Null)
    );
    assert!(pending[0]["start"].is_string());
    gate.open();
    let ended = uv.ended(pipeline, execution).await;
    assert_eq!(ended["status"], "FINISHED_SUCCESS");
    assert_eq!(ended["lastChange"], ended["end"]);
    assert_eq!(uv.get(&format!("{path}/last")).await.json, ended);
    assert_eq!(uv.get(&format!("{path}/pending")).await.text, "[]");
}

async fn a_pipeline_without_a_step_fails_and_says_why(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("empty").await;
    let execution = uv.execution(pipeline, &json!({})).await;
    assert_eq!(uv.ended(pipeline, execution).await["status"], "FAILED");
    let events = uv.events(pipeline, execution).await;
    let error = events
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["type"] == "PIPELINE_ERROR");
    let error = error.unwrap_or_else(|| panic!("{events:#}"));
    assert_eq!(
        error["shortMessage"],
        "Pipeline failed because it has no DPUs."
    );
    assert_eq!(error["fullMessage"], error["shortMessage"]);
}

async fn what_a_debugging_execution_leaves_is_kept(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv
        .pipeline_of(
            "debug",
            "- {id: a, run: mkdir -p d && echo kept > d/file.txt}",
        )
        .await;
    let execution = uv.execution(pipeline, &json!({"debugging": "true"})).await;
    let ended = uv.ended(pipeline, execution).await;
    assert_eq!(
        (&ended["debugging"], &ended["status"]),
        (&json!(true), &json!("FINISHED_SUCCESS"))
    );
    let data = format!("/api/v2/pipelines/{pipeline}/runs/1/data");
    let files = world.api().get(&data).await;
    assert_eq!(
        files.json["files"][0]["path"], "d/file.txt",
        "{}",
        files.text
    );
    let file = world.api().get(&format!("{data}?file=d/file.txt")).await;
    assert_eq!((file.status, file.text.as_str()), (200, "kept\n"));
    let out = world
        .api()
        .get(&format!("{data}?file=../{pipeline}.keep"))
        .await;
    assert_eq!(out.status, 404, "{}", out.text);
    let head = uv
        .send(uv.request(
            Method::HEAD,
            &format!("/pipelines/{pipeline}/executions/last"),
        ))
        .await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}
