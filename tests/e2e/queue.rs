//! Runs that wait for one another, counts, keys, versions and resets.

use std::collections::BTreeSet;

use futures::future::join_all;
use harness::api::{Api, assert_end, is_ended};
use harness::eventually::LONG_PATIENCE;
use harness::{Story, World, eventually, eventually_within, shared};
use serde_json::{Value, json};

use crate::ends::ENDLESS;

pub(crate) fn stories() -> Vec<Story> {
    shared![
        runs_queue_behind_each_other,
        a_hundred_requests_at_once_are_a_hundred_runs_one_at_a_time,
        a_pipeline_runs_as_many_at_a_time_as_it_says,
        the_plan_of_a_running_run_does_not_change,
        a_reset_needs_a_pipeline_at_rest,
        a_forced_reset_stops_the_run,
        a_waiting_run_says_why,
        pipelines_in_conflict_never_run_at_the_same_time,
        a_run_that_another_pipeline_holds_back_says_which,
    ]
}

async fn runs_queue_behind_each_other(world: &World) {
    let api = world.api();
    let name = world.name("queue");
    let script = "touch go; until test -e ../go-$PENSTOCK_RUN_COUNT; do sleep 0.02; done";
    let pipeline = api.define(&format!("name: {name}\nconcurrency: 1\nsteps:\n  - {{id: wait, run: 'pwd; {script}; rm ../go-$PENSTOCK_RUN_COUNT'}}\n")).await;
    let first = api.start(&pipeline).await;
    let second = api.start(&pipeline).await;
    let third = api.start(&pipeline).await;
    api.step_is(&pipeline, first, "wait", "running").await;
    let waiting = api.run(&pipeline, third).await;
    assert_eq!(
        (&waiting["state"], &waiting["queuePosition"]),
        (&json!("queued"), &json!(2))
    );
    for (run_count, behind) in [(first, Some(second)), (second, Some(third)), (third, None)] {
        let run = api.step_is(&pipeline, run_count, "wait", "running").await;
        if let Some(behind) = behind {
            assert_eq!(api.run(&pipeline, behind).await["state"], "queued");
        }
        let folder = workspace_of(world, &run).await;
        std::fs::write(folder.join(format!("go-{run_count}")), "").unwrap();
        assert_end(
            &api.ended(&pipeline, run_count).await,
            "succeeded",
            "completed",
        );
    }
}

/// The folder of all workspaces.
async fn workspace_of(world: &World, run: &Value) -> std::path::PathBuf {
    let id = run["id"].as_str().unwrap_or_default().to_owned();
    let places = [
        world.dir().join("workspaces"),
        world.dir().join("all/executor/workspaces"),
    ];
    eventually("the run has a workspace", async || {
        places
            .iter()
            .find(|it| it.join(&id).join("go").exists())
            .cloned()
    })
    .await
}

async fn a_hundred_requests_at_once_are_a_hundred_runs_one_at_a_time(world: &World) {
    let api = world.api();
    let name = world.name("hundred");
    let pipeline = api
        .define(&format!(
            "name: {name}\nconcurrency: 1\nsteps:\n  - {{id: one, run: 'true'}}\n"
        ))
        .await;
    let counts = join_all((0..100).map(|_| api.start(&pipeline))).await;
    assert_eq!(
        counts.into_iter().collect::<BTreeSet<_>>(),
        (1..=100).collect()
    );
    let runs = eventually_all(world, &pipeline, 100).await;
    assert!(runs.iter().all(|run| run["state"] == "succeeded"));
    let mut spans: Vec<(&str, &str)> = runs
        .iter()
        .map(|run| (text(run, "startedAt"), text(run, "endedAt")))
        .collect();
    spans.sort_unstable();
    let overlaps = spans
        .windows(2)
        .filter(|pair| pair[0].1 > pair[1].0)
        .count();
    // Transactions take their time before their lock; the checker looks at their order.
    assert!(overlaps <= 5, "{overlaps} of 99 overlap");
}

pub(crate) fn text<'r>(run: &'r Value, name: &str) -> &'r str {
    run[name].as_str().unwrap_or_default()
}

/// The runs of a pipeline once so many have ended.
async fn eventually_all(world: &World, pipeline: &str, count: usize) -> Vec<Value> {
    eventually_within(LONG_PATIENCE, "all runs have ended", async || {
        let page = world
            .api()
            .get(&format!("/api/v2/pipelines/{pipeline}/runs?limit=1000"))
            .await;
        let runs = page.json["runs"].as_array().cloned().unwrap_or_default();
        (runs.len() == count && runs.iter().all(is_ended)).then_some(runs)
    })
    .await
}

async fn a_pipeline_runs_as_many_at_a_time_as_it_says(world: &World) {
    let api = world.api();
    let name = world.name("three");
    let pipeline = api
        .define(&format!(
            "name: {name}\nconcurrency: 3\nsteps:\n  {ENDLESS}\n"
        ))
        .await;
    let counts = join_all((0..5).map(|_| api.start(&pipeline))).await;
    for run_count in 1..=3 {
        api.step_is(&pipeline, run_count, "endless", "running")
            .await;
    }
    assert_eq!(api.run(&pipeline, 4).await["state"], "queued");
    api.stop(&pipeline, 2, "kill").await;
    api.step_is(&pipeline, 4, "endless", "running").await;
    assert_eq!(api.run(&pipeline, 5).await["state"], "queued");
    for run_count in counts {
        api.stop(&pipeline, run_count, "kill").await;
        api.ended(&pipeline, run_count).await;
    }
}

async fn the_plan_of_a_running_run_does_not_change(world: &World) {
    let api = world.api();
    let name = world.name("edited");
    let old = format!(
        "name: {name}\nconcurrency: 0\nsteps:\n  - {{id: first, run: 'touch go; until test -e ../edited; do sleep 0.05; done'}}\n  - {{id: second, run: echo old}}\n"
    );
    let pipeline = api.define(&old).await;
    let run_count = api.start(&pipeline).await;
    let run = api.step_is(&pipeline, run_count, "first", "running").await;
    let new = json!({"name": name, "concurrency": 0, "steps": [{"id": "only", "run": "echo new"}]});
    let answer = api
        .put(&format!("/api/v2/pipelines/{pipeline}"), &new)
        .await;
    assert_eq!(
        (answer.status, &answer.json["version"]),
        (200, &json!(2)),
        "{}",
        answer.text
    );
    let later = api.through(&pipeline).await;
    let folder = workspace_of(world, &run).await;
    std::fs::write(folder.join("edited"), "").unwrap();
    let run = api.ended(&pipeline, run_count).await;
    std::fs::remove_file(folder.join("edited")).unwrap();
    assert_eq!((&run["version"], &later["version"]), (&json!(1), &json!(2)));
    assert_eq!(api.output(&pipeline, run_count).await, ["old"]);
    assert_eq!(api.output(&pipeline, 2).await, ["new"]);
}

async fn a_reset_needs_a_pipeline_at_rest(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("reset", ENDLESS).await;
    let run_count = api.start(&pipeline).await;
    api.step_is(&pipeline, run_count, "endless", "running")
        .await;
    let path = format!("/api/v2/pipelines/{pipeline}/reset");
    assert_eq!(api.post(&path, &json!({})).await.status, 409);
    api.stop(&pipeline, run_count, "kill").await;
    api.ended(&pipeline, run_count).await;
    assert_eq!(api.post(&path, &json!({})).await.status, 204);
    assert_eq!(
        api.run(&pipeline, run_count).await["state"],
        "cancelled",
        "what was stays known"
    );
}

async fn a_forced_reset_stops_the_run(world: &World) {
    let api = world.api();
    let gate = world.gate();
    let pass = gate.pass();
    let steps = format!("- {{id: work, run: '{pass}'}}\n- {{id: next, run: echo never}}");
    let pipeline = api.define_steps("forced", &steps).await;
    let run_count = api.start(&pipeline).await;
    api.step_is(&pipeline, run_count, "work", "running").await;
    let path = format!("/api/v2/pipelines/{pipeline}/reset");
    assert_eq!(api.post(&path, &json!({"force": true})).await.status, 204);
    gate.open();
    assert_end(&api.ended(&pipeline, run_count).await, "cancelled", "reset");
    assert_eq!(api.start(&pipeline).await, run_count + 1);
    api.stop(&pipeline, run_count + 1, "kill").await;
}

async fn a_waiting_run_says_why(world: &World) {
    let api = world.api();
    let name = world.name("explained");
    let pipeline = api
        .define(&format!(
            "name: {name}\nconcurrency: 1\nsteps:\n  {ENDLESS}\n"
        ))
        .await;
    api.start(&pipeline).await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "endless", "running").await;
    for (run_count, word) in [(1, "endless"), (2, "1")] {
        explained(&api, &pipeline, run_count, word).await;
    }
    api.post(
        &format!("/api/v2/pipelines/{pipeline}/stop"),
        &json!({"mode": "kill"}),
    )
    .await;
    for run_count in 1..=2 {
        api.ended(&pipeline, run_count).await;
        explained(&api, &pipeline, run_count, "stopped").await;
    }
}

/// Waits until a run is explained with this word: its scheduler may not have heard of it yet.
async fn explained(api: &Api<'_>, pipeline: &str, run_count: i64, word: &str) {
    let path = format!("/api/v2/pipelines/{pipeline}/runs/{run_count}/explain");
    let what = format!("run {run_count} is explained with \"{word}\"");
    eventually(&what, async || {
        let answer = api.get(&path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text.contains(word).then_some(())
    })
    .await;
}

async fn pipelines_in_conflict_never_run_at_the_same_time(world: &World) {
    let api = world.api();
    let (one, other) = (world.name("left"), world.name("right"));
    let alone = |own: &str, other: &str| {
        format!(
            "touch ../{own}-$PENSTOCK_RUN_COUNT; ! ls ../{other}-* && sleep 0.02 && ! ls ../{other}-*; \
             alone=$?; rm ../{own}-$PENSTOCK_RUN_COUNT; exit $alone"
        )
    };
    let body = |name: &str, conflicts: &[&str], script: String| json!({"name": name, "concurrency": 0, "conflicts": conflicts, "steps": [{"id": "alone", "run": script}]});
    let mut pipelines = Vec::new();
    for body in [
        body(&one, &[], alone(&one, &other)),
        body(&other, &[&one], alone(&other, &one)),
    ] {
        let made = api.post("/api/v2/pipelines", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        pipelines.push(text(&made.json, "id").to_owned());
    }
    join_all((0..40).map(|number| api.start(&pipelines[number % 2]))).await;
    for pipeline in &pipelines {
        let runs = eventually_all(world, pipeline, 20).await;
        for run in runs {
            assert_eq!(run["state"], "succeeded", "{run:#}");
        }
    }
}

async fn a_run_that_another_pipeline_holds_back_says_which(world: &World) {
    let api = world.api();
    let holding = world.name("holding");
    let first = api
        .define(&format!("name: {holding}\nsteps:\n  {ENDLESS}\n"))
        .await;
    let held = api
        .define(&format!(
            "name: {}\nconflicts: [{holding}]\nsteps: [{{id: one, run: 'true'}}]\n",
            world.name("held")
        ))
        .await;
    api.start(&first).await;
    api.step_is(&first, 1, "endless", "running").await;
    api.start(&held).await;
    let answer = api
        .get(&format!("/api/v2/pipelines/{held}/runs/1/explain"))
        .await;
    let expected = format!(
        "The pipeline {holding} must not run at the same time, and its run 1 has not ended."
    );
    assert!(answer.text.contains(&expected), "{}", answer.text);
    api.stop(&first, 1, "kill").await;
    assert_end(&api.ended(&held, 1).await, "succeeded", "completed");
}
