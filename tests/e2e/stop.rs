//! Stops: each mode at each moment of a run.

use futures::future::join_all;
use harness::api::{assert_end, states, step_of};
use harness::invariants::processes;
use harness::{Story, World, eventually, shared};
use serde_json::{Value, json};

use crate::ends::ENDLESS;

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_stopped_queued_run_never_starts,
        a_graceful_stop_lets_the_running_step_finish,
        a_cancel_tells_the_running_step_to_end,
        a_cancel_kills_what_does_not_end,
        a_kill_ends_everything_at_once,
        a_stop_between_tries_starts_no_further_try,
        a_stop_during_the_last_step_makes_a_stopped_run,
        a_stop_after_the_end_changes_nothing,
        a_second_stop_may_only_be_harder,
        a_stop_in_a_finalizer_lets_it_finish_unless_it_is_a_kill,
        fifty_stops_at_once_stop_fifty_runs,
        fifty_stops_of_one_run_are_one,
        all_unfinished_runs_of_a_pipeline_are_stopped_at_once,
        who_stopped_and_why_is_kept,
    ]
}

const MODES: [&str; 3] = ["graceful", "cancel", "kill"];

async fn a_stopped_queued_run_never_starts(world: &World) {
    let api = world.api();
    let name = world.name("one-place");
    let pipeline = api.define(&format!("name: {name}\nconcurrency: 1\nsteps:\n  {ENDLESS}\n  - {{id: tidy, always: true, run: echo tidy}}\n")).await;
    let first = api.start(&pipeline).await;
    api.step_is(&pipeline, first, "endless", "running").await;
    for mode in MODES {
        let run_count = api.start(&pipeline).await;
        assert_eq!(api.stop(&pipeline, run_count, mode).await.status, 202);
        let run = api.ended(&pipeline, run_count).await;
        assert_end(&run, "cancelled", "stopped");
        assert_eq!(
            (states(&run), &run["attempt"]),
            (vec!["skipped", "skipped"], &json!(0)),
            "{mode}"
        );
    }
    api.stop(&pipeline, first, "kill").await;
    assert_end(&api.ended(&pipeline, first).await, "cancelled", "stopped");
}

/// Starts a run of these steps and waits until the first of them says that it is on.
pub(crate) async fn begun(world: &World, steps: &str, first: &str) -> (String, i64) {
    let api = world.api();
    let pipeline = api.define_steps("stopped", steps).await;
    let run_count = api.start(&pipeline).await;
    api.step_is(&pipeline, run_count, first, "running").await;
    eventually("the step says that it is on", async || {
        let path = format!("/api/v2/pipelines/{pipeline}/runs/{run_count}/logs?limit=1000");
        let page = api.get(&path).await.json;
        let entries = page["entries"].as_array().cloned().unwrap_or_default();
        entries.iter().any(|it| it["message"] == "on").then_some(())
    })
    .await;
    (pipeline, run_count)
}

async fn a_graceful_stop_lets_the_running_step_finish(world: &World) {
    let api = world.api();
    let gate = world.gate();
    let steps = format!(
        "- {{id: work, run: 'echo on; {}; echo done'}}\n- {{id: next, run: echo never}}\n\
         - {{id: tidy, always: true, run: echo tidy}}",
        gate.pass()
    );
    let (pipeline, run_count) = begun(world, &steps, "work").await;
    assert_eq!(api.stop(&pipeline, run_count, "graceful").await.status, 202);
    gate.open();
    let run = api.ended(&pipeline, run_count).await;
    assert_end(&run, "cancelled", "stopped");
    assert_eq!(states(&run), ["succeeded", "skipped", "succeeded"]);
    assert_eq!(
        api.output(&pipeline, run_count).await,
        ["on", "done", "tidy"]
    );
}

async fn a_cancel_tells_the_running_step_to_end(world: &World) {
    let api = world.api();
    let steps = "- id: work\n  run: \"trap 'echo told; exit 0' TERM; echo on; while true; do sleep 0.05 || true; done\"\n\
                 - {id: next, run: echo never}\n- {id: tidy, always: true, run: echo tidy}";
    let (pipeline, run_count) = begun(world, steps, "work").await;
    api.stop(&pipeline, run_count, "cancel").await;
    let run = api.ended(&pipeline, run_count).await;
    assert_end(&run, "cancelled", "stopped");
    assert_eq!(states(&run), ["cancelled", "skipped", "succeeded"]);
    let output = api.output(&pipeline, run_count).await;
    assert!(output.iter().any(|line| line == "told"), "{output:?}");
    assert_eq!(
        output.last().map(String::as_str),
        Some("tidy"),
        "{output:?}"
    );
}

async fn a_cancel_kills_what_does_not_end(world: &World) {
    let api = world.api();
    let steps = "- id: work\n  run: \"trap '' TERM; (setsid sh -c 'trap \\\"\\\" TERM; sleep 600 & sleep 600' &); \
                 echo on; while true; do sleep 1; done\"";
    let (pipeline, run_count) = begun(world, steps, "work").await;
    api.stop(&pipeline, run_count, "cancel").await;
    let run = api.ended(&pipeline, run_count).await;
    assert_end(&run, "cancelled", "stopped");
    none_is_left(world, &run).await;
}

async fn a_kill_ends_everything_at_once(world: &World) {
    let api = world.api();
    let steps = "- id: work\n  run: \"trap 'echo told' TERM; (setsid sleep 600 &); echo on; while true; do sleep 1; done\"\n\
                 - {id: next, run: echo never}\n- {id: tidy, always: true, run: echo never}";
    let (pipeline, run_count) = begun(world, steps, "work").await;
    api.stop(&pipeline, run_count, "kill").await;
    let run = api.ended(&pipeline, run_count).await;
    assert_end(&run, "cancelled", "stopped");
    assert_eq!(states(&run), ["cancelled", "skipped", "skipped"]);
    assert_eq!(api.output(&pipeline, run_count).await, ["on"]);
    none_is_left(world, &run).await;
}

/// Once a run has ended nothing of it may be left for longer than it takes to look.
async fn none_is_left(world: &World, run: &Value) {
    let of_run = || {
        processes(world)
            .into_iter()
            .filter(|it| run["id"] == it.run_id.as_str())
            .count()
    };
    eventually("nothing of the run is left", async || {
        (of_run() == 0).then_some(())
    })
    .await;
}

async fn a_stop_between_tries_starts_no_further_try(world: &World) {
    let api = world.api();
    for mode in MODES {
        let steps = "- id: flaky\n  retry: {attempts: 5, delay: 2s}\n  run: exit 1\n\
                     - {id: tidy, always: true, run: echo tidy}";
        let pipeline = api.define_steps("between", steps).await;
        let run_count = api.start(&pipeline).await;
        api.step_is(&pipeline, run_count, "flaky", "retrying").await;
        let tried = api.run(&pipeline, run_count).await;
        api.stop(&pipeline, run_count, mode).await;
        let run = api.ended(&pipeline, run_count).await;
        assert_end(&run, "cancelled", "stopped");
        assert!(
            step_of(&run, "flaky")["tries"].as_i64()
                <= step_of(&tried, "flaky")["tries"].as_i64().map(|it| it + 1)
        );
        let tidy = if mode == "kill" {
            "skipped"
        } else {
            "succeeded"
        };
        assert_eq!(step_of(&run, "tidy")["state"], tidy, "{mode}: {run:#}");
    }
}

async fn a_stop_during_the_last_step_makes_a_stopped_run(world: &World) {
    let api = world.api();
    let gate = world.gate();
    let pass = gate.pass();
    let steps = format!("- {{id: first, run: 'true'}}\n- {{id: last, run: 'echo on; {pass}'}}");
    let (pipeline, run_count) = begun(world, &steps, "last").await;
    api.stop(&pipeline, run_count, "graceful").await;
    gate.open();
    let run = api.ended(&pipeline, run_count).await;
    assert_end(&run, "cancelled", "stopped");
    assert_eq!(states(&run), ["succeeded", "succeeded"]);
}

async fn a_stop_after_the_end_changes_nothing(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("over", "- {id: quick, run: 'true'}").await;
    let before = api.through(&pipeline).await;
    for mode in MODES {
        let answer = api.stop(&pipeline, 1, mode).await;
        assert_eq!(
            (answer.status, &answer.json["state"]),
            (202, &json!("succeeded"))
        );
    }
    assert_eq!(api.run(&pipeline, 1).await, before);
}

async fn a_second_stop_may_only_be_harder(world: &World) {
    let api = world.api();
    let steps = "- id: work\n  run: \"trap '' TERM; echo on; while true; do sleep 0.1; done\"";
    let (pipeline, run_count) = begun(world, steps, "work").await;
    let mode =
        async |mode: &str| api.stop(&pipeline, run_count, mode).await.json["stopMode"].clone();
    assert_eq!(mode("graceful").await, "graceful");
    assert_eq!(mode("graceful").await, "graceful");
    assert_eq!(mode("kill").await, "kill");
    assert_eq!(mode("graceful").await, "kill");
    assert_end(
        &api.ended(&pipeline, run_count).await,
        "cancelled",
        "stopped",
    );
}

async fn a_stop_in_a_finalizer_lets_it_finish_unless_it_is_a_kill(world: &World) {
    let api = world.api();
    for mode in ["graceful", "kill"] {
        let gate = world.gate();
        let pass = gate.pass();
        let steps = format!(
            "- {{id: work, run: 'true'}}\n- {{id: tidy, always: true, run: 'echo on; {pass}'}}"
        );
        let (pipeline, run_count) = begun(world, &steps, "tidy").await;
        api.stop(&pipeline, run_count, mode).await;
        if mode == "graceful" {
            gate.open();
        }
        let run = api.ended(&pipeline, run_count).await;
        let tidy = if mode == "kill" {
            "cancelled"
        } else {
            "succeeded"
        };
        assert_eq!(step_of(&run, "tidy")["state"], tidy, "{mode}: {run:#}");
    }
}

async fn fifty_stops_at_once_stop_fifty_runs(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("many", ENDLESS).await;
    let counts = join_all((0..50).map(|_| api.start(&pipeline))).await;
    let modes = MODES.iter().cycle();
    let stops = counts.iter().zip(modes).map(|(run_count, mode)| {
        // An endless step would outlive a graceful stop.
        api.stop(
            &pipeline,
            *run_count,
            if *mode == "graceful" { "cancel" } else { mode },
        )
    });
    assert!(
        join_all(stops)
            .await
            .iter()
            .all(|answer| answer.status == 202)
    );
    for run in join_all(counts.iter().map(|it| api.ended(&pipeline, *it))).await {
        assert_end(&run, "cancelled", "stopped");
    }
}

async fn fifty_stops_of_one_run_are_one(world: &World) {
    let api = world.api();
    let (pipeline, run_count) = begun(world, ENDLESS, "endless").await;
    let answers = join_all((0..50).map(|_| api.stop(&pipeline, run_count, "cancel"))).await;
    assert!(answers.iter().all(|answer| answer.status == 202));
    assert_end(
        &api.ended(&pipeline, run_count).await,
        "cancelled",
        "stopped",
    );
}

async fn all_unfinished_runs_of_a_pipeline_are_stopped_at_once(world: &World) {
    let api = world.api();
    let name = world.name("all");
    let pipeline = api
        .define(&format!(
            "name: {name}\nconcurrency: 2\nsteps:\n  {ENDLESS}\n"
        ))
        .await;
    let counts = join_all((0..5).map(|_| api.start(&pipeline))).await;
    for run_count in 1..=2 {
        api.step_is(&pipeline, run_count, "endless", "running")
            .await;
    }
    let answer = api
        .post(
            &format!("/api/v2/pipelines/{pipeline}/stop"),
            &json!({"mode": "kill"}),
        )
        .await;
    assert_eq!(
        (answer.status, &answer.json["queuedRunsCancelled"]),
        (202, &json!(3)),
        "{}",
        answer.text
    );
    for run_count in counts {
        assert_end(
            &api.ended(&pipeline, run_count).await,
            "cancelled",
            "stopped",
        );
    }
}

async fn who_stopped_and_why_is_kept(world: &World) {
    let api = world.api();
    let (pipeline, run_count) = begun(world, ENDLESS, "endless").await;
    api.stop(&pipeline, run_count, "cancel").await;
    let run = api.ended(&pipeline, run_count).await;
    assert_eq!(run["endedBy"]["name"], run["startedBy"]["name"], "{run:#}");
    assert!(
        run["endedBy"]["name"].is_string() && run["reason"].to_string().contains("a test"),
        "{run:#}"
    );
}
