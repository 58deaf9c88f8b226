//! Exported pipelines that are imported.

use ::transfer::testing::{jar, packed};
use ::transfer::{Edge, Node, Pipeline, Template};
use harness::{Answer, Story, World, shared};
use serde_json::{Value, json};

use crate::catalogue::error;
use crate::form::Form;
use crate::uv::{PASSWORD, Uv, fields};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        an_export_becomes_a_private_pipeline_of_its_user,
        a_pipeline_is_imported_beside_another_of_its_name,
        who_imports_is_found_by_id_and_by_name,
        who_was_provisioned_with_an_actor_imports_for_it,
        schedules_are_imported_when_they_are_asked_for,
        data_of_users_are_passed_over,
        a_form_with_two_boundaries_is_read_by_the_last,
        why_nothing_was_imported_is_said_and_nothing_is_left,
        a_plugin_that_is_its_owners_alone_can_not_be_used,
        an_imported_pipeline_shows_its_configurations_in_events,
    ]
}

/// What holds under every setting.
pub(crate) async fn are_as_everywhere(world: &World) {
    a_pipeline_is_imported_beside_another_of_its_name(world).await;
    who_imports_is_found_by_id_and_by_name(world).await;
    a_form_with_two_boundaries_is_read_by_the_last(world).await;
}

const PATH: &str = "/pipelines/import";
const CONFIGURATION: &str = "<object-stream>\n  <a.Config__V1/>\n</object-stream>";

fn node(name: &str, jar: &str) -> Node {
    Node {
        name: name.into(),
        configuration: Some(CONFIGURATION.into()),
        template: Template {
            name: "A template".into(),
            jar: jar.into(),
            ..Template::default()
        },
        ..Node::default()
    }
}

/// An export of a pipeline of two plug-ins, the second of this jar.
fn export(name: &str, second: &str) -> Vec<u8> {
    let pipeline = Pipeline {
        name: name.into(),
        description: "from elsewhere".into(),
        nodes: vec![
            node("Get it", "uv-e-filesDownload-2.1.6.jar"),
            node("Zip it", second),
        ],
        edges: vec![Edge {
            from: 0,
            to: 1,
            script: "output -> input;".into(),
        }],
        ..Pipeline::default()
    };
    ::transfer::write(&pipeline, "2017-03-28 10:32:00.0 UTC").unwrap()
}

/// An export of a pipeline whose plug-ins Penstock carries out itself.
pub(crate) fn simple(name: &str) -> Vec<u8> {
    export(name, "uv-t-zipper-2.0.0.jar")
}

/// The pipeline of an export, packed with further entries.
fn with(zip: &[u8], entries: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ::transfer::archive::Archive::open(zip, ::transfer::export::LIMITS).unwrap();
    let pipeline = archive.read("pipeline.xml").unwrap().unwrap();
    let pipeline = String::from_utf8(pipeline).unwrap();
    packed(&[&[("pipeline.xml", pipeline.as_str())], entries].concat())
}

/// The ids of the pipelines of this name.
async fn of_name(uv: Uv<'_>, name: &str) -> Vec<i64> {
    let mut all = Vec::new();
    for user in ["master", "admin", "user"] {
        let list = uv.get(&format!("/pipelines?userExternalId={user}")).await;
        all.extend(list.json.as_array().unwrap().clone());
    }
    all.retain(|it| it["name"] == name);
    all.iter().map(|it| it["id"].as_i64().unwrap()).collect()
}

fn id(answer: &Answer) -> i64 {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["id"].as_i64().unwrap()
}

async fn an_export_becomes_a_private_pipeline_of_its_user(world: &World) {
    let uv = Uv::of(world);
    for (user, owner) in [
        (None, "master"),
        (Some("admin"), "admin"),
        (Some(""), "master"),
    ] {
        let name = world.name("imported");
        let mut form = Form::of("zipperPipeline.zip", &simple(&name));
        if let Some(user) = user {
            form = form.text("userExternalId", user);
        }
        let made = form.send(uv, PATH).await;
        let id = id(&made);
        let expected = format!(
            "{{\"id\":{id},\"name\":\"{name}\",\"description\":\"from elsewhere\",\
             \"userExternalId\":\"{owner}\",\"userActorExternalId\":null}}"
        );
        assert_eq!(
            (&made.text, made.kind.as_str()),
            (&expected, "application/json")
        );
        assert_eq!(uv.get(&format!("/pipelines/{id}")).await.text, expected);
        let own = world
            .api()
            .get(&format!("/api/v2/pipelines/{id}"))
            .await
            .json;
        assert_eq!(own["definition"]["visibility"], "private", "{own}");
        assert_eq!(own["definition"]["concurrency"], 0, "{own}");
        assert_eq!(of_name(uv, &name).await, [id]);
        let schedules = uv.get(&format!("/pipelines/{id}/schedules")).await;
        assert_eq!(schedules.text, "[]");
    }
}

async fn a_pipeline_is_imported_beside_another_of_its_name(world: &World) {
    let uv = Uv::of(world);
    let name = world.name("twice");
    let zip = simple(&name);
    let first = id(&Form::of("a.zip", &zip).send(uv, PATH).await);
    // Some installers say what is for plug-ins alone.
    let second = Form::of("a.zip", &zip).send(uv, "/pipelines/import/?force=true");
    let second = id(&second.await);
    assert_eq!(of_name(uv, &name).await, [first, second]);
    let body = json!({"name": name});
    assert_eq!(uv.post("/pipelines", &body).await.status, 409);
}

async fn who_imports_is_found_by_id_and_by_name(world: &World) {
    let uv = Uv::of(world);
    let (user, name) = (world.name("external"), world.name("Full name of"));
    let body = json!({
        "Subject.UPVSIdentityID": user, "Subject.FormattedName": name,
        "Actor.UPVSIdentityID": user, "Actor.FormattedName": "x", "SPR.Roles": "User",
    });
    assert_eq!(uv.post("/users/create", &body).await.status, 200);
    for called in [&user, &name] {
        let form = Form::of("a.zip", &simple(&world.name("of-external")));
        let made = form.text("userExternalId", called).send(uv, PATH).await;
        assert_eq!(made.json["userExternalId"], user.as_str(), "{}", made.text);
    }
}

async fn who_was_provisioned_with_an_actor_imports_for_it(world: &World) {
    let uv = Uv::of(world);
    let user = world.name("importer");
    let actor = format!("{user}-actor");
    let body = json!({
        "Subject.UPVSIdentityID": user, "Subject.FormattedName": "Importer",
        "Actor.UPVSIdentityID": actor, "Actor.FormattedName": "An actor", "SPR.Roles": "User",
    });
    assert_eq!(uv.post("/users/create", &body).await.status, 200);
    let form = Form::of("a.zip", &simple(&world.name("of-actor")));
    let made = form.text("userExternalId", &user).send(uv, PATH).await;
    assert_eq!(
        (
            &made.json["userExternalId"],
            &made.json["userActorExternalId"]
        ),
        (&json!(user), &json!(actor)),
        "{}",
        made.text
    );
}

async fn schedules_are_imported_when_they_are_asked_for(world: &World) {
    let uv = Uv::of(world);
    let list = "<list><c.Schedule><description>daily</description><enabled>true</enabled>\
        <type>PERIODICALLY</type><period>1</period><periodUnit>DAY</periodUnit>\
        <firstExecution>2100-01-01 00:00:00.0 UTC</firstExecution><priority>MEDIUM</priority>\
        </c.Schedule></list>";
    for (wish, count) in [
        (Some("true"), 1),
        (Some("TRUE"), 1),
        (Some("false"), 0),
        (Some("yes"), 0),
        (None, 0),
    ] {
        let zip = with(&simple(&world.name("scheduled")), &[("schedule.xml", list)]);
        let mut form = Form::of("a.zip", &zip).text("userExternalId", "admin");
        if let Some(wish) = wish {
            form = form.text("importSchedule", wish);
        }
        let made = form.send(uv, PATH).await;
        let path = format!("/pipelines/{}/schedules", id(&made));
        let schedules = uv.get(&path).await.json;
        let schedules = schedules.as_array().unwrap();
        assert_eq!(schedules.len(), count, "{wish:?}");
        for it in schedules {
            let expected = json!({
                "id": it["id"], "description": "daily", "enabled": true,
                "scheduleType": "PERIODICALLY",
                "firstExecution": "2100-01-01T00:00:00.000+0000", "lastExecution": null,
                "nextExecution": "2100-01-01T00:00:00.000+0000", "afterPipelines": null,
                "justOnce": false, "period": 1, "periodUnit": "DAY", "scheduledJobsPriority": 2,
                "userExternalId": "admin", "userActorExternalId": null,
            });
            assert_eq!(*it, expected);
        }
    }
}

async fn data_of_users_are_passed_over(world: &World) {
    let uv = Uv::of(world);
    for wish in ["true", "false"] {
        let name = world.name("with-data");
        let data = [
            ("dpu_data_user/uv-t-zipper/a.txt", "a"),
            ("dpu_jar/uv-t-zipper/uv-t-zipper-2.0.0.jar", "not a jar"),
            ("../../out.txt", "out"),
        ];
        let form = Form::of("../../a.zip", &with(&simple(&name), &data));
        let made = form.text("importUserData", wish).send(uv, PATH).await;
        assert_eq!(made.json["name"], name.as_str(), "{}", made.text);
    }
}

async fn a_form_with_two_boundaries_is_read_by_the_last(world: &World) {
    let uv = Uv::of(world);
    let name = world.name("doubled");
    let form = Form::of("a.zip", &simple(&name)).doubled();
    let form = form
        .text("importUserData", "false")
        .text("importSchedule", "false");
    let made = form.send(uv, PATH).await;
    assert_eq!(made.json["name"], name.as_str(), "{}", made.text);
}

/// Forms that are refused, and why; `known` is a plug-in that is there in version 1.1.9.
fn refused(name: &str, known: &str) -> Vec<(Form, String)> {
    let zip = simple(name);
    let wanted = |zip: &[u8]| Form::of("a.zip", zip).text("importSchedule", "true");
    let schedules = [(
        "schedule.xml",
        "<list><c.Schedule><type>X</type></c.Schedule></list>",
    )];
    let missing = "DPU template with name 'A template' uv-t-nowhere-1.0.0.jar was not found";
    let older = format!(
        "Pipeline requires to install DPU template '{known}-1.2.0.jar', older version is installed. "
    );
    let file = "Missing or wrong pipeline file";
    let user = "User with the given username does not exist";
    let forms = [
        (wanted(b"not a zip"), file),
        (wanted(&packed(&[("x.xml", "")])), file),
        (wanted(&packed(&[("pipeline.xml", "<a")])), file),
        (
            wanted(&with(&zip, &[("dpu.xml", "<list>")])),
            "Missing or wrong dpu.xml file",
        ),
        (wanted(&export(name, "uv-t-nowhere-1.0.0.jar")), missing),
        (wanted(&export(name, &format!("{known}-1.2.0.jar"))), &older),
        (
            wanted(&export(name, "noversion.jar")),
            "Failed to import DPU",
        ),
        (
            wanted(&with(&zip, &schedules)),
            "Failed to deserialize schedules.",
        ),
        (wanted(&zip).text("userExternalId", "nobody-at-all"), user),
    ];
    forms.map(|(form, why)| (form, why.to_owned())).into()
}

async fn why_nothing_was_imported_is_said_and_nothing_is_left(world: &World) {
    let uv = Uv::of(world);
    let name = world.name("never");
    let known = format!("uv-t-{}", world.name("known"));
    let installed = Form::of(
        &format!("{known}-1.1.9.jar"),
        &jar("AsTransformer", "1.1.9", 1),
    );
    assert_eq!(installed.send(uv, "/import/dpu/jar").await.status, 200);
    for (form, technical) in refused(&name, &known) {
        let refused = form.send(uv, PATH).await;
        let expected = error("Pipeline cannot be imported.", &technical);
        assert_eq!((refused.status, refused.json), (500, expected));
        assert_eq!(fields(&refused.text), ["errorMessage", "technicalMessage"]);
    }
    let without = Form::default().text("importSchedule", "true");
    let refused = without.send(uv, PATH).await;
    let general = "Error occurred during processing of a request.";
    assert_eq!(
        (refused.status, &refused.json["errorMessage"]),
        (500, &json!(general))
    );
    assert_eq!(of_name(uv, &name).await, [0_i64; 0]);
}

async fn a_plugin_that_is_its_owners_alone_can_not_be_used(world: &World) {
    let uv = Uv::of(world);
    let user = uv.user("importing", &["site_user"]).await;
    let plugin = format!("uv-t-{}", world.name("private"));
    let file = format!("{plugin}-1.0.0.jar");
    let jar = Form::of(&file, &jar("AsTransformer", "1.0.0", 1));
    let made = jar.send(uv, "/import/dpu/jar?visibility=PRIVATE").await;
    assert_eq!(made.status, 200, "{}", made.text);
    let zip = export(&world.name("not-visible"), &file);
    let refused = Form::of("a.zip", &zip).send_by((&user, PASSWORD), uv, PATH);
    let technical = "DPU template with name 'A template' exists, but it's not visible to user.";
    let expected = error("Pipeline cannot be imported.", technical);
    let refused = refused.await;
    assert_eq!((refused.status, refused.json), (500, expected));
    id(&Form::of("a.zip", &zip).send(uv, PATH).await);
}

async fn an_imported_pipeline_shows_its_configurations_in_events(world: &World) {
    let uv = Uv::of(world);
    let zip = simple(&world.name("runs"));
    let pipeline = id(&Form::of("a.zip", &zip).send(uv, PATH).await);
    let execution = uv.execution(pipeline, &json!({})).await;
    uv.ended(pipeline, execution).await;
    let events = uv.events(pipeline, execution).await;
    let events = events.as_array().unwrap();
    let instance = events.iter().find(|it| !it["dpuInstance"].is_null());
    let instance = &instance.unwrap()["dpuInstance"];
    assert_eq!(instance["name"], "Get it");
    assert_eq!(instance["description"], "");
    assert_eq!(instance["serializedConfiguration"], CONFIGURATION);
    assert!(instance["id"].is_i64() && events[0]["dpuInstance"] == Value::Null);
}
