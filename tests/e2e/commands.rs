//! The client commands, as a new user types them.

use harness::{Story, World, shared};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_new_user_applies_runs_and_looks,
        the_exit_code_follows_the_run,
        a_user_stops_a_run_by_its_pipeline,
        every_example_can_be_applied,
        what_a_user_gets_wrong_is_said,
        a_user_sets_a_secret,
    ]
}

async fn a_new_user_applies_runs_and_looks(world: &World) {
    let applied = world
        .penstock(&["apply", "-f", "examples/hello.yaml"])
        .await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert!(applied.out.contains("hello"), "{applied:?}");
    let run = world.penstock(&["run", "hello", "--follow"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    for text in ["Hello from run 1 of hello", "Counted to 3", "succeeded"] {
        assert!(run.out.contains(text), "{text}: {run:?}");
    }
    for (command, text) in [
        (&["status", "hello"][..], "succeeded"),
        (&["logs", "hello"], "Counted to 3"),
        (
            &["logs", "hello", "--run", "1", "--step", "greet"],
            "Hello from run 1",
        ),
        (&["runs", "hello"], "completed"),
        (&["list"], "hello"),
        (&["explain", "hello"], "have ended"),
        (&["executors"], "world-"),
    ] {
        let said = world.penstock(command).await;
        assert_eq!(said.code, Some(0), "{command:?}: {said:?}");
        assert!(said.out.contains(text), "{command:?}: {said:?}");
    }
    let json = world.penstock(&["status", "hello", "-o", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(status["state"], "succeeded");
}

async fn the_exit_code_follows_the_run(world: &World) {
    let api = world.api();
    let failing = api.define_steps("exit", "- {id: a, run: 'exit 9'}").await;
    let said = world.penstock(&["run", &failing, "--follow"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let warned = api
        .define_steps("exit", "- {id: a, run: 'echo ::warning::hm'}")
        .await;
    assert_eq!(
        world.penstock(&["run", &warned, "--follow"]).await.code,
        Some(0)
    );
    let stopped = api.define_steps("exit", crate::ends::ENDLESS).await;
    let args = ["run", &stopped, "--follow"];
    let watch = world.penstock(&args);
    let stop = async {
        api.run_when(&stopped, 1, "runs", |run| run["state"] == "running")
            .await;
        world
            .penstock(&["stop", &stopped, "--mode", "cancel", "--reason", "enough"])
            .await
    };
    let (said, stop) = tokio::join!(watch, stop);
    assert_eq!(
        (said.code, stop.code),
        (Some(3), Some(0)),
        "{said:?} {stop:?}"
    );
}

async fn a_user_stops_a_run_by_its_pipeline(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("typed", crate::ends::ENDLESS).await;
    let started = world.penstock(&["run", &pipeline]).await;
    assert_eq!(started.code, Some(0), "{started:?}");
    api.step_is(&pipeline, 1, "endless", "running").await;
    let said = world
        .penstock(&["stop", &pipeline, "--run", "1", "--mode", "kill"])
        .await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(api.ended(&pipeline, 1).await["endCause"], "stopped");
}

async fn every_example_can_be_applied(world: &World) {
    let examples = std::fs::read_dir(xtask::root().join("examples")).unwrap();
    let mut args = vec!["apply".to_owned()];
    for example in examples {
        args.extend([
            "-f".to_owned(),
            example.unwrap().path().display().to_string(),
        ]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = world.penstock(&args).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let flaky = world
        .penstock(&["run", "retry-and-finalizer", "--follow"])
        .await;
    assert_eq!(flaky.code, Some(0), "{flaky:?}");
    assert!(flaky.out.contains("cleaned up"), "{flaky:?}");
}

async fn what_a_user_gets_wrong_is_said(world: &World) {
    let no_pipeline = world.penstock(&["run", "no-such-pipeline"]).await;
    assert_eq!(no_pipeline.code, Some(1), "{no_pipeline:?}");
    assert!(
        no_pipeline.err.contains("no-such-pipeline"),
        "{no_pipeline:?}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    std::fs::write(
        &file,
        "name: bad\nsteps:\n  - {id: a, runs: echo}\n  - {id: a, needs: [b], run: echo}\n",
    )
    .unwrap();
    let bad = world
        .penstock(&["apply", "-f", &file.display().to_string()])
        .await;
    assert_eq!(bad.code, Some(1), "{bad:?}");
    for text in ["runs", "b", "3"] {
        assert!(bad.err.contains(text), "{text}: {bad:?}");
    }
    let nowhere = world
        .command(&["list"])
        .env("PENSTOCK_DATA_DIR", folder.path())
        .said()
        .await;
    assert_eq!(nowhere.code, Some(69), "{nowhere:?}");
    assert!(nowhere.err.contains("penstock up"), "{nowhere:?}");
    let args = ["list", "--token", "wrong-wrong-wrong-wrong-wrong-wrong"];
    let wrong = world.penstock(&args).await;
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.err.contains("token"), "{wrong:?}");
    let usage = world.penstock(&["run"]).await;
    assert_eq!(usage.code, Some(64), "{usage:?}");
}

async fn a_user_sets_a_secret(world: &World) {
    let name = world.name("typed-secret");
    let said = world.penstock(&["secret", "set", &name]).await;
    // Nothing came on standard input: an empty value is taken or refused, but clearly.
    assert!(said.code == Some(0) || !said.err.is_empty(), "{said:?}");
    let listed = world.penstock(&["secret", "list"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(
        listed.out.contains(harness::world::CANARY_NAME),
        "{listed:?}"
    );
}
