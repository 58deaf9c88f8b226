//! How runs go, and what they come to.

use harness::api::{assert_end, states, step_of};
use harness::{Story, World, shared};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_run_succeeds,
        a_run_fails_and_later_steps_are_skipped,
        a_step_that_takes_too_long_is_ended,
        a_step_is_tried_again_until_it_succeeds,
        a_step_is_tried_as_often_as_it_says,
        a_warning_line_makes_a_warned_run,
        branches_run_side_by_side,
        a_branch_that_fails_lets_the_other_finish,
        parameters_reach_a_step_as_they_are,
        outputs_reach_later_steps,
        a_finalizer_runs_however_the_run_ends,
        a_disabled_step_is_skipped,
        steps_share_a_workspace_that_goes_with_the_run,
        a_step_knows_who_it_is,
        a_run_of_forty_steps_keeps_their_order,
        a_step_calls_a_server,
        output_of_any_kind_does_no_harm,
    ]
}

async fn a_run_succeeds(world: &World) {
    let api = world.api();
    let steps = "- {id: one, run: echo first}\n- {id: two, command: [echo, second]}";
    let pipeline = api.define_steps("success", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(states(&run), ["succeeded", "succeeded"]);
    assert_eq!(step_of(&run, "one")["exitCode"], 0);
    assert_eq!((&run["attempt"], &run["runCount"]), (&json!(1), &json!(1)));
    assert!(time(&run, "startedAt") <= time(&run, "endedAt"), "{run:#}");
    assert_eq!(api.output(&pipeline, 1).await, ["first", "second"]);
}

async fn a_run_fails_and_later_steps_are_skipped(world: &World) {
    let api = world.api();
    let steps = "- {id: bad, run: exit 7}\n- {id: after, run: echo never}";
    let pipeline = api.define_steps("failure", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepFailed");
    assert_eq!(states(&run), ["failed", "skipped"]);
    assert_eq!(step_of(&run, "bad")["exitCode"], 7);
    assert!(api.output(&pipeline, 1).await.is_empty());
}

async fn a_step_that_takes_too_long_is_ended(world: &World) {
    let api = world.api();
    let steps = "- {id: slow, timeout: 1s, run: sleep 600}\n- {id: after, run: echo never}";
    let pipeline = api.define_steps("timeout", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepTimedOut");
    assert_eq!(states(&run), ["failed", "skipped"]);
    let took = time(&run, "endedAt").duration_since(time(&run, "startedAt"));
    assert!(took.as_millis() >= 1000, "{run:#}");
}

async fn a_step_is_tried_again_until_it_succeeds(world: &World) {
    let api = world.api();
    let steps = "- id: flaky\n  retry: {attempts: 3, delay: 100ms}\n  \
                 run: 'echo try $PENSTOCK_TRY; test $PENSTOCK_TRY = 3'";
    let pipeline = api.define_steps("retry", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(step_of(&run, "flaky")["tries"], 3);
    assert_eq!(api.output(&pipeline, 1).await, ["try 1", "try 2", "try 3"]);
}

async fn a_step_is_tried_as_often_as_it_says(world: &World) {
    let api = world.api();
    let steps = "- id: bad\n  retry: {attempts: 3, delay: 50ms}\n  run: echo again; exit 1";
    let pipeline = api.define_steps("retries", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepFailed");
    assert_eq!(step_of(&run, "bad")["tries"], 3);
    assert_eq!(api.output(&pipeline, 1).await.len(), 3);
}

async fn a_warning_line_makes_a_warned_run(world: &World) {
    let api = world.api();
    let steps = "- {id: warn, run: 'echo ::warning::nearly full'}\n- {id: after, run: echo on}";
    let pipeline = api.define_steps("warning", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "warned", "completed");
    assert_eq!(states(&run), ["warned", "succeeded"]);
    assert!(
        step_of(&run, "warn")["message"]
            .to_string()
            .contains("nearly full"),
        "{run:#}"
    );
}

async fn branches_run_side_by_side(world: &World) {
    let api = world.api();
    // Each waits for the other: one after the other they would never end.
    let steps = "- {id: first, run: echo go}\n\
        - id: left\n  needs: [first]\n  run: 'touch left; until test -e right; do sleep 0.05; done'\n\
        - id: right\n  needs: [first]\n  run: 'touch right; until test -e left; do sleep 0.05; done'\n\
        - {id: last, needs: [left, right], run: echo together}";
    let pipeline = api.define_steps("parallel", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "succeeded", "completed");
    assert!(time(step_of(&run, "last"), "startedAt") >= time(step_of(&run, "left"), "endedAt"));
}

async fn a_branch_that_fails_lets_the_other_finish(world: &World) {
    let api = world.api();
    let steps = "- {id: bad, needs: [], run: 'exit 1'}\n\
        - {id: good, needs: [], run: 'sleep 0.5; echo finished'}\n\
        - {id: after-bad, needs: [bad], run: echo never}\n\
        - {id: after-good, needs: [good], run: echo never}";
    let pipeline = api.define_steps("branches", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepFailed");
    assert_eq!(states(&run), ["failed", "succeeded", "skipped", "skipped"]);
    assert_eq!(api.output(&pipeline, 1).await, ["finished"]);
}

async fn parameters_reach_a_step_as_they_are(world: &World) {
    let api = world.api();
    let name = world.name("parameters");
    let yaml = format!(
        "name: {name}\nparameters:\n  who: {{type: string, default: world}}\n  \
         times: {{type: number, default: 1}}\nsteps:\n  - id: greet\n    \
         env: {{WHO: '${{{{ parameters.who }}}}', TIMES: '${{{{ parameters.times }}}}'}}\n    \
         run: echo \"$TIMES:$WHO\"\n  - {{id: argument, command: [echo, '${{{{ parameters.who }}}}']}}\n"
    );
    let pipeline = api.define(&yaml).await;
    api.through(&pipeline).await;
    assert_eq!(api.output(&pipeline, 1).await, ["1:world", "world"]);
    let nasty = "$(touch /tmp/x); `id` \"'\\ ${{ parameters.times }} \u{1f6b0}";
    let run_count = api
        .start_with(&pipeline, &json!({"who": nasty, "times": 3}))
        .await;
    let run = api.ended(&pipeline, run_count).await;
    assert_eq!(run["parameters"]["who"], nasty);
    assert_eq!(
        api.output(&pipeline, 2).await,
        [format!("3:{nasty}"), nasty.to_owned()]
    );
    for wrong in [json!({"whom": "x"}), json!({"times": "many"})] {
        let path = format!("/api/v2/pipelines/{pipeline}/runs");
        let answer = api.post(&path, &json!({"parameters": wrong})).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
}

async fn outputs_reach_later_steps(world: &World) {
    let api = world.api();
    let steps = "- id: make\n  run: 'echo answer=42 >> \"$PENSTOCK_OUTPUT\"'\n\
        - id: between\n  run: 'true'\n\
        - id: use\n  env: {ANSWER: '${{ steps.make.outputs.answer }}'}\n  run: echo \"it is $ANSWER\"";
    let pipeline = api.define_steps("outputs", steps).await;
    assert_end(&api.through(&pipeline).await, "succeeded", "completed");
    assert_eq!(api.output(&pipeline, 1).await, ["it is 42"]);
}

async fn a_finalizer_runs_however_the_run_ends(world: &World) {
    let api = world.api();
    for (script, state) in [("true", "succeeded"), ("false", "failed")] {
        let steps = format!(
            "- {{id: work, run: '{script}'}}\n- {{id: tidy, always: true, run: echo tidy}}"
        );
        let pipeline = api.define_steps("finalizer", &steps).await;
        let run = api.through(&pipeline).await;
        assert_eq!(run["state"], state, "{run:#}");
        assert_eq!(step_of(&run, "tidy")["state"], "succeeded");
        assert_eq!(api.output(&pipeline, 1).await, ["tidy"]);
    }
}

async fn a_disabled_step_is_skipped(world: &World) {
    let api = world.api();
    let steps = "- {id: off, enabled: false, run: echo never}\n- {id: on, run: echo on}";
    let pipeline = api.define_steps("disabled", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(states(&run), ["skipped", "succeeded"]);
}

async fn steps_share_a_workspace_that_goes_with_the_run(world: &World) {
    let api = world.api();
    let steps = "- {id: write, run: 'echo kept > file; pwd'}\n- {id: read, run: cat file}";
    let pipeline = api.define_steps("workspace", steps).await;
    api.through(&pipeline).await;
    let output = api.output(&pipeline, 1).await;
    assert_eq!(output[1], "kept");
    let folder = std::path::PathBuf::from(&output[0]);
    harness::eventually("the workspace is removed", async || {
        (!folder.exists()).then_some(())
    })
    .await;
}

async fn a_step_knows_who_it_is(world: &World) {
    let api = world.api();
    let names = ["RUN", "PIPELINE", "STEP", "ATTEMPT", "TRY", "RUN_COUNT"];
    let script: String = names.map(|it| format!("echo $PENSTOCK_{it};")).concat();
    let steps = format!("- {{id: who, run: '{script} test -n \"$TRACEPARENT\" -o 1 = 1'}}");
    let pipeline = api.define_steps("identity", &steps).await;
    let run = api.through(&pipeline).await;
    let id = run["id"].as_str().unwrap_or_default();
    assert_eq!(
        api.output(&pipeline, 1).await,
        [id, &pipeline, "who", "1", "1", "1"]
    );
    assert!(
        !api.output(&pipeline, 1)
            .await
            .iter()
            .any(|it| it.contains(harness::world::TOKEN))
    );
}

async fn a_run_of_forty_steps_keeps_their_order(world: &World) {
    let api = world.api();
    let steps: String = (1..=40)
        .map(|it| format!("- {{id: s{it}, run: echo {it}}}\n"))
        .collect();
    let pipeline = api.define_steps("forty", &steps).await;
    assert_end(&api.through(&pipeline).await, "succeeded", "completed");
    let expected: Vec<String> = (1..=40).map(|it| it.to_string()).collect();
    assert_eq!(api.output(&pipeline, 1).await, expected);
}

async fn a_step_calls_a_server(world: &World) {
    let api = world.api();
    let url = world.url();
    let steps = format!(
        "- {{id: call, http: {{method: GET, url: '{url}/livez'}}}}\n\
         - {{id: refused, http: {{method: GET, url: '{url}/api/v2/pipelines'}}}}"
    );
    let pipeline = api.define_steps("http", &steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepFailed");
    assert_eq!(states(&run), ["succeeded", "failed"]);
    assert!(
        step_of(&run, "refused")["message"]
            .to_string()
            .contains("401"),
        "{run:#}"
    );
}

async fn output_of_any_kind_does_no_harm(world: &World) {
    let api = world.api();
    let steps = "- id: odd\n  run: |\n    printf 'a\\000b\\n'\n    printf '\\377\\376 bad\\n'\n    \
        printf '\\033[31mred\\033[0m\\n'\n    printf 'no end'\n    head -c 200000 /dev/zero | tr '\\0' x\n    \
        echo; echo last >&2";
    let pipeline = api.define_steps("odd", steps).await;
    assert_end(&api.through(&pipeline).await, "succeeded", "completed");
    let log = api.log(&pipeline, 1).await;
    let long: Vec<&Value> = log.iter().filter(|it| it["truncated"] == true).collect();
    assert!(!long.is_empty(), "a line over 64 KiB is cut and says so");
    let longest = log
        .iter()
        .filter_map(|it| it["message"].as_str())
        .map(str::len)
        .max();
    assert!(longest <= Some(64 * 1024), "{longest:?}");
    let has = |text: &str| {
        log.iter()
            .any(|it| it["message"].as_str().is_some_and(|it| it.contains(text)))
    };
    assert!(has("bad") && has("red") && has("last") && has("no end"));
}

fn time(of: &Value, name: &str) -> Timestamp {
    of[name]
        .as_str()
        .and_then(|it| it.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {of:#}"))
}

/// A step that runs until it is ended; it says when it has started.
pub(crate) const ENDLESS: &str = "- {id: endless, run: 'echo on; sleep 600'}";
