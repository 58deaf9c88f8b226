//! Pipelines that come from UnifiedViews and go there, and plug-ins' jars.

use ::transfer::export::Export;
use ::transfer::testing::{jar, packed};
use ::transfer::{Edge, Node, Pipeline, Template};
use harness::{Answer, Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        an_exported_pipeline_is_imported_and_exported_again,
        a_dry_run_says_what_is_missing_and_makes_nothing,
        schedules_come_along_when_they_are_wanted,
        what_is_no_export_is_refused_and_leaves_nothing,
        a_jar_is_imported_listed_fetched_and_deleted,
        any_pipeline_is_exported_as_yaml_and_applied_again,
    ]
}

/// A node of a plug-in.
fn node(name: &str, jar: &str) -> Node {
    Node {
        name: name.into(),
        configuration: Some(format!(
            "<object-stream>\n  <a.Config__V1/><!-- {name} -->\n</object-stream>"
        )),
        template: Template {
            name: "A template".into(),
            jar: jar.into(),
            ..Template::default()
        },
        x: 20,
        y: 40,
        ..Node::default()
    }
}

/// The export of a pipeline of two plug-ins.
fn export(name: &str, loader: &str) -> Vec<u8> {
    let pipeline = Pipeline {
        name: name.into(),
        description: "from elsewhere".into(),
        nodes: vec![
            node("Get it", "uv-e-filesDownload-2.1.6.jar"),
            node("Zip it!", loader),
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

async fn import(world: &World, query: &str, zip: Vec<u8>) -> Answer {
    let api = world.api();
    let request = api.request(Method::POST, &format!("/api/v2/pipelines/import{query}"));
    api.send(request.header("content-type", "application/zip").body(zip))
        .await
}

async fn bytes(world: &World, path: &str) -> Vec<u8> {
    let answer = world.api().request(Method::GET, path).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.bytes().await.unwrap().to_vec()
}

/// Whether a pipeline of this name is there.
async fn is_there(world: &World, name: &str) -> bool {
    let answer = world
        .api()
        .get(&format!("/api/v2/pipelines/name:{name}"))
        .await;
    answer.status == 200
}

async fn an_exported_pipeline_is_imported_and_exported_again(world: &World) {
    let name = world.name("imported");
    let zip = export(&name, "uv-t-zipper-2.0.0.jar");
    let file = world.dir().join(format!("{name}.zip"));
    std::fs::write(&file, &zip).unwrap();
    let said = world.penstock(&["import", file.to_str().unwrap()]).await;
    assert!(
        said.out.contains(&format!("pipeline {name} created")),
        "{said:?}"
    );
    let api = world.api();
    let read = api
        .get(&format!("/api/v2/pipelines/name:{name}"))
        .await
        .json;
    let definition = &read["definition"];
    assert_eq!(
        (&definition["visibility"], &definition["concurrency"]),
        (&json!("private"), &json!(0))
    );
    let step = &definition["steps"][1];
    assert_eq!(
        (&step["id"], &step["name"]),
        (&json!("zip-it"), &json!("Zip it!"))
    );
    assert_eq!(step["needs"], json!(["get-it"]));
    assert_eq!(
        step["plugin"]["inputs"],
        json!({"input": ["get-it.output"]})
    );
    assert_eq!(step["plugin"]["version"], "2.0.0");

    let to = world.dir().join(format!("{name}-again.zip"));
    let to = to.to_str().unwrap();
    let said = world
        .penstock(&["export", &name, "--format", "zip", "--to", to])
        .await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let again = std::fs::read(to).unwrap();
    let (first, second) = (
        Export::read(&zip, true).unwrap(),
        Export::read(&again, true).unwrap(),
    );
    assert_eq!(second.pipeline.edges, first.pipeline.edges);
    assert_eq!(second.templates.len(), 2);
    let deleted = api.request(Method::DELETE, &format!("/api/v2/pipelines/name:{name}"));
    assert_eq!(api.send(deleted).await.status, 204);
    let made = import(world, "", again).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(
        &made.json["pipeline"]["definition"], definition,
        "it is the same"
    );
}

async fn a_dry_run_says_what_is_missing_and_makes_nothing(world: &World) {
    let name = world.name("dry");
    let plugin = format!("uv-l-{name}");
    let zip = export(&name, &format!("{plugin}-1.2.0.jar"));
    let dry = import(world, "?dryRun=true", zip.clone()).await;
    assert_eq!(dry.status, 200, "{}", dry.text);
    assert_eq!(dry.json["plugins"][0]["native"], true, "{}", dry.text);
    let expected = format!("the plug-in \"A template\" ({plugin}-1.2.0.jar) is not installed");
    assert_eq!(dry.json["problems"], json!([expected]));
    assert_eq!(dry.json["definition"], Value::Null);
    let file = world.dir().join(format!("{name}.zip"));
    std::fs::write(&file, &zip).unwrap();
    let said = world
        .penstock(&["import", file.to_str().unwrap(), "--dry-run"])
        .await;
    assert!(
        said.out.contains(&format!("missing: {expected}")),
        "{said:?}"
    );
    let refused = import(world, "", zip.clone()).await;
    assert_eq!(
        (refused.status, &refused.json["type"]),
        (409, &json!("/problems/plugins")),
        "{}",
        refused.text
    );
    assert!(!is_there(world, &name).await);

    // An older jar won't do, a newer one will.
    for (version, problem) in [
        ("1.1.9", Some("an older version is installed")),
        ("1.10.0", None),
    ] {
        let path = format!("/api/v2/plugins?force=true&fileName={plugin}-{version}.jar");
        let request = world.api().request(Method::POST, &path);
        let answer = world
            .api()
            .send(request.body(jar("AsLoader", version, 1)))
            .await;
        assert!(answer.status < 300, "{}", answer.text);
        let dry = import(world, "?dryRun=true", zip.clone()).await;
        match problem {
            Some(why) => assert!(
                dry.json["problems"][0].as_str().unwrap().contains(why),
                "{}",
                dry.text
            ),
            None => assert_eq!(dry.json["definition"]["name"], json!(name), "{}", dry.text),
        }
    }
    assert!(!is_there(world, &name).await);
    let made = import(world, "", zip).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

async fn schedules_come_along_when_they_are_wanted(world: &World) {
    let name = world.name("scheduled");
    let with = |name: &str, list: &str| {
        let zip = export(name, "uv-t-zipper-2.0.0.jar");
        let mut archive =
            ::transfer::archive::Archive::open(&zip, ::transfer::export::LIMITS).unwrap();
        let pipeline = archive.read("pipeline.xml").unwrap().unwrap();
        packed(&[
            ("pipeline.xml", pipeline.as_slice()),
            ("schedule.xml", list.as_bytes()),
        ])
    };
    let list = "<list><c.Schedule><enabled>true</enabled><type>PERIODICALLY</type><period>1</period>\
        <periodUnit>DAY</periodUnit><firstExecution>2100-01-01 00:00:00.0 UTC</firstExecution></c.Schedule>\
        <c.Schedule><enabled>true</enabled><type>AFTER_PIPELINE</type><afterPipelines><c.Pipeline>\
        <name>nowhere to be found</name></c.Pipeline></afterPipelines></c.Schedule></list>";
    let made = import(world, "?schedules=true", with(&name, list)).await;
    assert_eq!(
        (made.status, &made.json["schedules"]),
        (201, &json!(2)),
        "{}",
        made.text
    );
    let note = made.json["notes"][0].as_str().unwrap();
    assert!(note.starts_with("1 schedules are disabled"), "{note}");
    let broken = import(
        world,
        "?schedules=true",
        with(
            &name,
            "<list><c.Schedule><type>X</type></c.Schedule></list>",
        ),
    )
    .await;
    assert_eq!(broken.status, 400, "{}", broken.text);
    assert!(broken.text.contains("schedule.xml"), "{}", broken.text);
    let unwanted = import(
        world,
        "",
        with(&world.name("unscheduled"), "nothing to read"),
    )
    .await;
    assert_eq!(
        (unwanted.status, &unwanted.json["schedules"]),
        (201, &json!(0)),
        "{}",
        unwanted.text
    );
}

async fn what_is_no_export_is_refused_and_leaves_nothing(world: &World) {
    let name = world.name("broken");
    let whole = export(&name, "uv-t-zipper-2.0.0.jar");
    let xml = |inside: &str| format!("<c.Pipeline><name>{name}</name>{inside}</c.Pipeline>");
    let bomb = "<!DOCTYPE l [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>";
    let zeros = vec![b' '; 15 * 1024 * 1024];
    for (zip, said) in [
        (Vec::new(), "not a ZIP archive"),
        (b"hello".to_vec(), "not a ZIP archive"),
        (whole[..whole.len() / 2].to_vec(), "not a ZIP archive"),
        (packed(&[("other.xml", "x")]), "no pipeline.xml"),
        (
            packed(&[("../../pipeline.xml", xml("<graph/>"))]),
            "no pipeline.xml",
        ),
        (packed(&[("pipeline.xml", xml(""))]), "graph is missing"),
        (
            packed(&[("pipeline.xml", bomb)]),
            "document type or an entity",
        ),
        (packed(&[("pipeline.xml", &zeros)]), "unpacks to too much"),
        (
            packed(&[("pipeline.xml", &*xml("<graph/>")), ("dpu.xml", "<x/>")]),
            "dpu.xml",
        ),
    ] {
        let refused = import(world, "", zip).await;
        assert_eq!(refused.status, 400, "{said}: {}", refused.text);
        assert!(refused.text.contains(said), "{said}: {}", refused.text);
    }
    assert!(!is_there(world, &name).await);
    let answers = world.api().get("/api/v2/pipelines?limit=1").await;
    assert_eq!(answers.status, 200, "it serves on");
}

async fn a_jar_is_imported_listed_fetched_and_deleted(world: &World) {
    let name = format!("uv-t-{}", world.name("jar"));
    let api = world.api();
    let first = jar("AsTransformer", "1.0.0", 1);
    let send = async |query: &str, jar: &[u8]| {
        let path = format!("/api/v2/plugins?fileName={name}-1.0.0.jar{query}");
        api.send(api.request(Method::POST, &path).body(jar.to_vec()))
            .await
    };
    let made = send("", &first).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(
        (&made.json["type"], &made.json["native"]),
        (&json!("TRANSFORMER"), &json!(false))
    );
    assert_eq!(made.json["ports"][0]["direction"], "input");
    assert_eq!(send("", &first).await.status, 409, "it is there");
    let same = send("&force=true", &first).await;
    assert_eq!(
        (same.status, &same.json),
        (200, &made.json),
        "the same changes nothing"
    );
    let other = send("&force=true", &jar("AsLoader", "1.0.0", 2)).await;
    assert_eq!(other.status, 409, "{}", other.text);
    let refused = send("&visibility=foo", &first).await;
    assert_eq!(
        (refused.status, &refused.json["type"]),
        (400, &json!("/problems/plugin-visibility")),
        "{}",
        refused.text
    );
    let listed = api.get("/api/v2/plugins?limit=1000").await;
    assert!(listed.text.contains(&name), "{}", listed.text);
    assert_eq!(
        bytes(world, &format!("/api/v2/plugins/{name}/file")).await,
        first
    );
    let path = format!("/api/v2/plugins/{name}");
    assert_eq!(api.get(&path).await.json, made.json);
    assert_eq!(
        api.send(api.request(Method::DELETE, &path)).await.status,
        204
    );
    assert_eq!(api.get(&path).await.status, 404);
}

async fn any_pipeline_is_exported_as_yaml_and_applied_again(world: &World) {
    let name = world.name("yaml");
    let yaml = format!(
        "name: {name}\ndescription: |\n  two\n  lines\nsteps:\n  - id: a\n    run: |\n      echo \"a: b\" # c\n      true\n\
         \x20   env: {{X: \"yes\", Y: \" 1 \"}}\n  - id: b\n    needs: [a]\n    command: [echo, \"\", \"-\"]\n"
    );
    let id = world.api().define(&yaml).await;
    let before = world
        .api()
        .get(&format!("/api/v2/pipelines/{id}"))
        .await
        .json;
    let said = world.penstock(&["export", &name]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let file = world.dir().join(format!("{name}.yaml"));
    std::fs::write(&file, &said.out).unwrap();
    let applied = world
        .penstock(&["apply", "-f", file.to_str().unwrap()])
        .await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let after = world
        .api()
        .get(&format!("/api/v2/pipelines/{id}"))
        .await
        .json;
    assert_eq!(after["definition"], before["definition"]);
    let zip = world
        .api()
        .get(&format!("/api/v2/pipelines/{id}/export?format=zip"))
        .await;
    assert_eq!(zip.status, 409, "{}", zip.text);
    assert!(zip.text.contains("a, b"), "{}", zip.text);
}
