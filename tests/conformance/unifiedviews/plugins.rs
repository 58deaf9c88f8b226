//! Jars of plug-ins that are imported.

use ::transfer::testing::jar;
use harness::{Answer, Settings, Shape, Story, World, own, shared};
use serde_json::{Value, json};

use crate::form::Form;
use crate::uv::{PASSWORD, Uv, fields};

pub(crate) fn stories() -> Vec<Story> {
    let shared = shared![
        a_jar_is_imported_and_says_what_it_is,
        a_jar_is_imported_as_it_is_called,
        an_installer_with_two_boundaries_can_come_again,
        what_is_refused_is_told_in_old_words_and_new_ones,
        a_plugin_in_use_is_not_replaced,
        what_can_not_be_loaded_is_no_plugin,
        who_is_no_administrator_imports_no_jar,
    ];
    let own = own![a_plugin_in_use_is_replaced_where_that_is_configured];
    let own = own.into_iter().map(|it| it.only(&[Shape::Embedded]));
    shared.into_iter().chain(own).collect()
}

/// What holds under every setting.
pub(crate) async fn are_as_everywhere(world: &World) {
    an_installer_with_two_boundaries_can_come_again(world).await;
    what_is_refused_is_told_in_old_words_and_new_ones(world).await;
    a_plugin_in_use_is_not_replaced(world).await;
}

const PATH: &str = "/import/dpu/jar";

/// What a jar is called, and its key.
fn name(world: &World, stem: &str) -> (String, String) {
    let key = format!("uv-t-{}", world.name(stem));
    (format!("{key}-1.0.0.jar"), key)
}

/// A transformer's jar; each number makes another one.
fn content(number: u32) -> Vec<u8> {
    jar("AsTransformer", "1.0.0", number)
}

async fn import(uv: Uv<'_>, (file, number): (&str, u32), query: &str) -> Answer {
    let form = Form::of(file, &content(number));
    form.send(uv, &format!("{PATH}{query}")).await
}

/// What there is of a plug-in.
async fn shown(world: &World, key: &str) -> Value {
    let answer = world.api().get(&format!("/api/v2/plugins/{key}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

fn is_ok(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (200, "[OK]"));
    assert_eq!(answer.kind, "application/json");
}

fn is_refused(answer: &Answer, status: u16, [message, technical, old]: [&str; 3]) {
    let expected = json!({"errorMessage": message, "technicalMessage": technical, "error": old});
    assert_eq!((answer.status, &answer.json), (status, &expected));
    assert_eq!(
        fields(&answer.text),
        ["errorMessage", "technicalMessage", "error"]
    );
    assert_eq!(answer.kind, "application/json");
}

const EXISTS: [&str; 3] = [
    "DPU with this name already exists.",
    "DPU with this name already exists.",
    "DPU already exists!",
];
const USED: &str = "DPU is already used in pipelines!.";

async fn a_jar_is_imported_and_says_what_it_is(world: &World) {
    let uv = Uv::of(world);
    let (file, key) = name(world, "plain");
    is_ok(&import(uv, (&file, 1), "").await);
    let plugin = shown(world, &key).await;
    let told = [
        "title",
        "description",
        "jarDescription",
        "jarName",
        "version",
        "type",
    ];
    let told = told.map(|it| plugin[it].as_str().unwrap().to_owned());
    let expected = [
        "A test's plug-in",
        "",
        "Made by a test",
        &file,
        "1.0.0",
        "TRANSFORMER",
    ];
    assert_eq!(told, expected);
    assert_eq!(plugin["visibility"], "PUBLIC_RO");
    let ports = plugin["ports"].as_array().unwrap();
    let ports: Vec<_> = ports
        .iter()
        .map(|it| (&it["name"], &it["direction"]))
        .collect();
    assert_eq!(
        ports,
        [
            (&json!("input"), &json!("input")),
            (&json!("output"), &json!("output"))
        ]
    );
}

async fn a_jar_is_imported_as_it_is_called(world: &World) {
    let uv = Uv::of(world);
    let (file, key) = name(world, "called");
    let query = "/?name=A%20name&description=What+it+does&visibility=PRIVATE&force=false";
    is_ok(&import(uv, (&format!("../../{file}"), 1), query).await);
    let told = |plugin: &Value| {
        ["title", "description", "visibility", "jarName"]
            .map(|it| plugin[it].as_str().unwrap().to_owned())
    };
    let plugin = shown(world, &key).await;
    assert_eq!(told(&plugin), ["A name", "What it does", "PRIVATE", &file]);
    // What isn't said stays, under the same id.
    let file = format!("{key}-1.1.0.jar");
    is_ok(&import(uv, (&file, 2), "?force=TRUE&name=&description=&visibility=").await);
    let again = shown(world, &key).await;
    assert_eq!(told(&again), ["A name", "What it does", "PRIVATE", &file]);
    assert_eq!(
        (&again["id"], &again["number"]),
        (&plugin["id"], &plugin["number"])
    );
    is_ok(
        &import(
            uv,
            (&file, 3),
            "?force=true&name=Another&visibility=PUBLIC_RW",
        )
        .await,
    );
    let last = shown(world, &key).await;
    assert_eq!(told(&last), ["Another", "What it does", "PUBLIC_RW", &file]);
}

async fn an_installer_with_two_boundaries_can_come_again(world: &World) {
    let uv = Uv::of(world);
    let (file, key) = name(world, "installed");
    for _ in 0..2 {
        let form = Form::of(&file, &content(1)).doubled();
        is_ok(&form.send(uv, &format!("{PATH}?force=true")).await);
    }
    let definition = format!("- {{id: a, plugin: {{name: {key}, config: ''}}}}");
    uv.pipeline_of("uses-installed", &definition).await;
    let before = shown(world, &key).await;
    is_ok(&import(uv, (&file, 1), "?force=true&name=Another").await);
    assert_eq!(
        shown(world, &key).await,
        before,
        "the same file changes nothing"
    );
}

async fn what_is_refused_is_told_in_old_words_and_new_ones(world: &World) {
    let uv = Uv::of(world);
    let (file, _) = name(world, "refused");
    is_ok(&import(uv, (&file, 1), "").await);
    is_refused(&import(uv, (&file, 2), "").await, 400, EXISTS);
    is_refused(
        &import(uv, (&file, 1), "?name=x&force=false").await,
        400,
        EXISTS,
    );
    is_refused(&import(uv, (&file, 2), "?force=yes").await, 400, EXISTS);
    for visibility in ["foo", "public_ro", "0"] {
        let old = format!(
            "No enum constant cz.cuni.mff.xrg.odcs.commons.app.auth.ShareType.{visibility}"
        );
        let expected = [
            "Chosen visibility type does not exist.",
            "Failed to parse visibility value.",
            &old,
        ];
        // It is looked at before the name, and that before what is there.
        for file in [file.as_str(), "name.jar"] {
            let query = format!("?visibility={visibility}&force=true");
            is_refused(&import(uv, (file, 2), &query).await, 400, expected);
        }
    }
    for file in [
        "name.jar",
        "name-1.jar",
        "name-10.0.jar",
        "name-1.0.zip",
        "-1.0.jar",
    ] {
        let technical = format!("Cannot parse directory name from JAR file: {file}");
        let expected = [
            "DPU name cannot be read from JAR file.",
            &technical,
            "Cannot process DPU name!",
        ];
        is_refused(&import(uv, (file, 2), "?force=true").await, 400, expected);
    }
    let nothing = Form::default().text("other", "x").send(uv, PATH).await;
    assert_eq!(
        (nothing.status, &nothing.json["errorMessage"]),
        (400, &json!("DPU create failed!")),
        "{}",
        nothing.text
    );
}

async fn a_plugin_in_use_is_not_replaced(world: &World) {
    let uv = Uv::of(world);
    let (file, key) = name(world, "used");
    is_ok(&import(uv, (&file, 1), "").await);
    let definition = format!("- {{id: a, plugin: {{name: {key}, config: ''}}}}");
    // Whose it is makes no difference, nor who may see it.
    let pipeline = uv.pipeline_of("uses", &definition).await;
    let before = shown(world, &key).await;
    is_refused(&import(uv, (&file, 2), "?force=true").await, 409, [USED; 3]);
    is_refused(&import(uv, (&file, 2), "").await, 400, EXISTS);
    assert_eq!(shown(world, &key).await, before);
    let path = format!("/api/v2/pipelines/{pipeline}");
    let request = world.api().request(reqwest::Method::DELETE, &path);
    assert_eq!(world.api().send(request).await.status, 204);
    is_ok(&import(uv, (&file, 2), "?force=true").await);
    assert_ne!(shown(world, &key).await["sha256"], before["sha256"]);
}

async fn what_can_not_be_loaded_is_no_plugin(world: &World) {
    let uv = Uv::of(world);
    let (file, key) = name(world, "broken");
    let loader = jar("AsLoader", "1.0.0", 1);
    let without = jar("AsNothing", "1.0.0", 1);
    let is_failed = |answer: &Answer, message: &str| {
        assert_eq!(
            (answer.status, &answer.json["errorMessage"]),
            (500, &json!(message)),
            "{}",
            answer.text
        );
        assert!(
            answer.json["technicalMessage"].is_string(),
            "{}",
            answer.text
        );
        assert_eq!(fields(&answer.text), ["errorMessage", "technicalMessage"]);
    };
    for content in [b"not a jar".as_slice(), &without] {
        for query in ["", "?force=true"] {
            let path = format!("{PATH}{query}");
            let refused = Form::of(&file, content).send(uv, &path).await;
            is_failed(&refused, "DPU create failed!");
        }
    }
    let path = format!("/api/v2/plugins/{key}");
    assert_eq!(world.api().get(&path).await.status, 404, "nothing is left");
    is_ok(&import(uv, (&file, 1), "").await);
    for content in [b"not a jar".as_slice(), &without, &loader] {
        let path = format!("{PATH}?force=true");
        let refused = Form::of(&file, content).send(uv, &path).await;
        is_failed(&refused, "DPU replace failed!");
    }
    assert_eq!(shown(world, &key).await["type"], "TRANSFORMER");
}

async fn who_is_no_administrator_imports_no_jar(world: &World) {
    let uv = Uv::of(world);
    let user = uv.user("no-installer", &["site_user"]).await;
    let (file, key) = name(world, "denied");
    let form = Form::of(&file, &content(1));
    let refused = form.send_by((&user, PASSWORD), uv, PATH).await;
    let expected =
        json!({"errorMessage": "DPU create failed!", "technicalMessage": "Access is denied"});
    assert_eq!((refused.status, refused.json), (500, expected));
    let path = format!("/api/v2/plugins/{key}");
    assert_eq!(world.api().get(&path).await.status, 404);
}

async fn a_plugin_in_use_is_replaced_where_that_is_configured(shape: Shape) {
    let variable = "PENSTOCK_GATEWAY__UNIFIEDVIEWS__REPLACE_USED_PLUGINS";
    let settings = Settings::of(shape).with(variable, "true");
    let world = World::start(settings).await;
    {
        let uv = Uv::of(&world);
        let (file, key) = name(&world, "used");
        is_ok(&import(uv, (&file, 1), "").await);
        let definition = format!("- {{id: a, plugin: {{name: {key}, config: ''}}}}");
        uv.pipeline_of("uses", &definition).await;
        is_ok(&import(uv, (&file, 2), "?force=true").await);
    }
    world.finish().await;
}
