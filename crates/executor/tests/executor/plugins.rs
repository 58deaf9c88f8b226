//! Steps that are plug-ins which executables of a directory carry out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use contracts::message::StopMode;
use contracts::pipeline::Outcome;
use executor::{Config, Sharing};
use libtest_mimic::Trial;

use crate::trials_of;
use crate::world::{World, eventually, grant, lives};

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        data_goes_from_plugin_to_plugin,
        a_plugin_that_nothing_carries_out_fails_at_once,
        an_input_that_is_not_connected_fails_at_once,
        a_try_after_a_failure_begins_without_outputs,
        a_stop_in_the_middle_of_a_plugin_leaves_no_process,
        data_survives_the_loss_of_its_executor,
        what_is_no_data_unit_fails_the_step_that_left_it,
    ]
}

const PRODUCE: &str = "#!/bin/sh -e
mkdir -p output/made/data
cp config.xml output/made/data/0
echo '{\"name\": \"../a\", \"path\": \"in/a\", \"file\": \"0\"}' > output/made/entries.jsonl
";
const CONSUME: &str = "#!/bin/sh -e
cat input/given/entries.jsonl input/given/data/* > \"$PENSTOCK_PLUGINS/consumed\"
echo changed > input/given/data/0
echo >> \"$PENSTOCK_PLUGINS/consumed\"
";

fn plugins(world: &World, scripts: &[(&str, &str)]) -> std::path::PathBuf {
    let folder = world.work_dir().with_file_name("plugins");
    fs::create_dir_all(&folder).unwrap();
    for (name, script) in scripts {
        let path = folder.join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

async fn world(definition: &str, scripts: &[(&str, &str)]) -> World {
    let mut world = World::new().await;
    world.plan(definition);
    let config = Config {
        plugins: plugins(&world, scripts),
        ..world.config()
    };
    world.start(config).await;
    world
}

fn consumed(world: &World) -> String {
    let file = world.work_dir().with_file_name("plugins").join("consumed");
    fs::read_to_string(file).unwrap()
}

fn content(world: &World, file: &str) -> String {
    let folder = world.workspace().join(".penstock/plugins");
    fs::read_to_string(folder.join(file)).unwrap_or_default()
}

async fn data_goes_from_plugin_to_plugin() {
    let steps = "  - {id: a, plugin: {name: produce, config: '<x/>'}}
  - {id: b, plugin: {name: consume, inputs: {given: [a.MADE, a.made]}}}
  - {id: c, run: 'test ! -e .penstock/plugins/b/input && test \"$(cat .penstock/plugins/a/output/made/data/0)\" = \"<x/>\"'}";
    let world = world(steps, &[("produce", PRODUCE), ("consume", CONSUME)]).await;
    let reports = world.carried_out().await;
    for step in &reports {
        assert_eq!(step.outcome(), Outcome::Succeeded, "{step:?}");
    }
    assert_eq!(reports.len(), 3);
    let consumed = consumed(&world);
    let lines: Vec<_> = consumed.lines().collect();
    assert_eq!(lines[0], r#"{"name":"../a","path":"in/a","file":"0"}"#);
    assert_eq!(lines[1], r#"{"name":"../a","path":"in/a","file":"1"}"#);
    assert_eq!(lines[2], "<x/><x/>");
}

async fn a_plugin_that_nothing_carries_out_fails_at_once() {
    let steps = "  - {id: a, plugin: {name: produce}}
  - {id: b, plugin: {name: mine, inputs: {given: [a.made]}}}
  - {id: c, plugin: {name: other, inputs: {x: [b.left]}}}";
    let world = world(steps, &[("produce", PRODUCE)]).await;
    world.script().over_after = 2;
    let reports = world.carried_out().await;
    let message = &reports[1].message;
    assert_eq!(reports[1].outcome(), Outcome::Failed);
    for word in [
        "mine",
        "given",
        "left",
        "executor.plugins",
        "docs/plugins.md",
    ] {
        assert!(message.contains(word), "{message}");
    }
}

async fn an_input_that_is_not_connected_fails_at_once() {
    let world = world("  - {id: a, plugin: {name: uv-t-zipper}}", &[]).await;
    let reports = world.carried_out().await;
    assert_eq!(reports[0].outcome(), Outcome::Failed);
    let message = &reports[0].message;
    for word in [
        "uv-t-zipper",
        "its input input",
        "inputs: {input: [STEP.PORT]}",
        "output (files)",
    ] {
        assert!(message.contains(word), "{message}");
    }
}

async fn a_try_after_a_failure_begins_without_outputs() {
    let fails_once = "#!/bin/sh -e
test ! -e output/made/data/left || exit 7
echo left > output/made/data/left
test -e \"$PENSTOCK_WORKSPACE/again\" || { touch \"$PENSTOCK_WORKSPACE/again\"; echo not yet > failure; exit 3; }
";
    let steps = "  - {id: a, plugin: {name: fails-once}}
  - {id: b, plugin: {name: consume, inputs: {given: [a.made]}}}";
    let world = world(steps, &[("fails-once", fails_once), ("consume", CONSUME)]).await;
    {
        let mut script = world.script();
        let next = script.after["a"].clone();
        script
            .after
            .insert("a".into(), [vec![grant("a", 2)], next].concat());
        script.over_after = 3;
    }
    let reports = world.carried_out().await;
    let of_a: Vec<_> = reports.iter().filter(|it| it.step_id == "a").collect();
    assert_eq!(of_a[0].exit_code, Some(3), "{reports:?}");
    assert_eq!(of_a[0].message, "not yet");
    assert_eq!(of_a[1].exit_code, Some(0), "{reports:?}");
}

async fn a_stop_in_the_middle_of_a_plugin_leaves_no_process() {
    let waits = "#!/bin/sh
sleep 600 &
echo $! > \"$PENSTOCK_WORKSPACE/pid\"
echo x > output/made/data/half
wait
";
    let steps = "  - {id: a, plugin: {name: waits}}
  - {id: b, plugin: {name: consume, inputs: {given: [a.made]}}}";
    let world = world(steps, &[("waits", waits), ("consume", CONSUME)]).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    world.stop(StopMode::Cancel).await;
    eventually("the process is gone", || !lives(&pid)).await;
    eventually("the step is reported", || {
        !world.script().steps().is_empty()
    })
    .await;
    assert_eq!(world.script().steps()[0].outcome(), Outcome::Cancelled);
    assert_eq!(content(&world, "a/output/made/data/half"), "");
}

async fn data_survives_the_loss_of_its_executor() {
    let folder = tempfile::tempdir().unwrap();
    let steps = "  - {id: a, plugin: {name: produce, config: '<x/>'}}
  - {id: b, plugin: {name: consume, inputs: {given: [a.made]}}}";
    let scripts = [("produce", PRODUCE), ("consume", CONSUME)];
    let begin = async |boot: &Path| {
        let mut world = World::at(boot).await;
        world.plan(steps);
        let config = Config {
            plugins: plugins(&world, &scripts),
            workspace: Sharing::Snapshot,
            snapshot_store: folder.path().join("store").display().to_string(),
            ..world.config()
        };
        world.start(config).await;
        world
    };
    let first = begin(&folder.path().join("one")).await;
    {
        let mut script = first.script();
        script.after.clear();
    }
    first.assign(1).await;
    eventually("a is reported", || !first.script().steps().is_empty()).await;
    assert_eq!(first.script().steps()[0].outcome(), Outcome::Succeeded);
    first.drain().await;
    let second = begin(&folder.path().join("two")).await;
    {
        let mut script = second.script();
        script.first = vec![grant("b", 1)];
        script.over_after = 1;
    }
    second.assign(2).await;
    second.ended().await;
    let reports = second.script().steps();
    assert_eq!(reports[0].outcome(), Outcome::Succeeded, "{reports:?}");
    assert!(consumed(&second).contains("<x/>"));
}

async fn what_is_no_data_unit_fails_the_step_that_left_it() {
    let evil = "#!/bin/sh -e
echo '{\"name\": \"a\", \"file\": \"../../config.xml\"}' > output/made/entries.jsonl
";
    let steps = "  - {id: a, plugin: {name: evil}}
  - {id: b, plugin: {name: consume, inputs: {given: [a.made]}}}";
    let world = world(steps, &[("evil", evil), ("consume", CONSUME)]).await;
    world.script().over_after = 1;
    let reports = world.carried_out().await;
    assert_eq!(reports[0].outcome(), Outcome::Failed);
    assert!(
        reports[0]
            .message
            .contains("step a has at its output made: line 1"),
        "{reports:?}"
    );
}
