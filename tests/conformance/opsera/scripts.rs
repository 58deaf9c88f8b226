//! Scripts of customers, as they are, against a world: nothing but their address and token is new.

use std::path::Path;
use std::process::Stdio;

use harness::{PATIENCE, Story, World, shared};
use serde_json::json;
use tokio::process::Command;

use crate::ENDLESS;

pub(crate) fn stories() -> Vec<Story> {
    let stories = shared![
        a_script_triggers_a_pipeline_and_waits_for_its_end,
        a_script_says_that_a_pipeline_failed,
        a_nightly_script_resets_whatever_is_there_and_runs,
        a_script_changes_what_is_said_of_a_tool,
    ];
    let needing = |story: Story| story.needing(&["bash", "curl", "sed"]);
    stories.into_iter().map(needing).collect()
}

/// A script's exit code and what it said.
async fn script(world: &World, name: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/opsera/scripts");
    let mut command = Command::new("bash");
    command
        .arg(scripts.join(name))
        .env("API", world.url())
        .env("TOKEN", harness::world::TOKEN)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = ended.expect("the script ends").unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

async fn a_script_triggers_a_pipeline_and_waits_for_its_end(world: &World) {
    let api = world.api();
    let id = api
        .define_steps("script-trigger", "- {id: a, run: echo built}")
        .await;
    let (code, said) = script(world, "trigger-and-wait.sh", &[("PIPELINE", &id)]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Run 1 was successful."), "{said}");
    assert!(said.contains("built"), "{said}");
}

async fn a_script_says_that_a_pipeline_failed(world: &World) {
    let api = world.api();
    let id = api
        .define_steps("script-fails", "- {id: a, run: exit 3}")
        .await;
    let (code, said) = script(world, "trigger-and-wait.sh", &[("PIPELINE", &id)]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Run 1 has failed."), "{said}");
}

async fn a_nightly_script_resets_whatever_is_there_and_runs(world: &World) {
    let api = world.api();
    let steps = format!("{ENDLESS}\n- {{id: b, run: 'true'}}");
    let id = api.define_steps("script-nightly", &steps).await;
    api.start(&id).await;
    api.step_is(&id, 1, "endless", "running").await;
    let (code, said) = script(world, "nightly.sh", &[("PIPELINE", &id)]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("run 2 was submitted"), "{said}");
    api.stop(&id, 2, "kill").await;
    api.ended(&id, 2).await;
}

async fn a_script_changes_what_is_said_of_a_tool(world: &World) {
    let tool = json!({"name": world.name("script-tool"), "toolIdentifier": "jenkins"});
    let made = world.api().post("/api/v2/tools", &tool).await;
    let id = made.json["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", made.text));
    let variables = [("TOOL", id), ("TEXT", "Builds the shop")];
    let (code, said) = script(world, "describe-tool.sh", &variables).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.trim(), "\"description\":\"Builds the shop\"");
}
