//! Reading definitions: what is taken, and within which limits.

use std::time::Duration;

use steps::definition::{OnLost, Subject, Visibility};
use steps::kinds::http::StatusRange;
use steps::{Definition, Kind};

const FULL: &str = r#"
name: nightly-report
description: Fetches the day's orders and publishes a report
visibility: private
roles: [{role: user, group: developers}, {role: manager, user: ann@example.org}]
tags: [{type: project, value: 7}]
concurrency: 2
conflicts: [other-report]
parameters:
  day: {type: string, default: today}
  rows: {type: number, default: 10, description: how many, required: true}
  dry:
steps:
  - id: fetch
    name: Fetch orders
    run: curl -fsS "$SOURCE/orders?day=$DAY" -o orders.csv
    env: {DAY: "${{ parameters.day }}", SOURCE: https://shop.example, PORT: 8080, EMPTY: }
    secrets: {TOKEN: orders-api-token}
    timeout: 5m
    retry: {attempts: 3, delay: 2s, backoff: 2.0, jitter: 0.5, maxDelay: 1m}
    onLost: fail
  - id: report
    needs: [fetch]
    command: [./make-report, orders.csv, "--rows=${{ steps.fetch.outputs.rows }}", 5, true]
  - id: publish
    needs: [report]
    secrets: {KEY: site-key}
    http:
      method: PUT
      url: "https://site.example/report?day=${{ parameters.day }}"
      headers: {Authorization: "Bearer ${{ secrets.KEY }}"}
      bodyFile: report.html
      expect: [200, 201-204]
      saveTo: out/answer.json
  - {id: off, run: "true", enabled: false, needs: []}
  - id: clean-up
    run: rm -rf scratch
    env: {ROWS: "${{ steps.fetch.outputs.rows }}"}
    always: true
"#;

#[test]
fn a_definition_says_all_that_can_be_said() {
    let definition = Definition::from_source(FULL).unwrap();
    assert_eq!(definition.visibility, Visibility::Private);
    assert_eq!(
        definition.roles[1].subject,
        Subject::User("ann@example.org".to_owned())
    );
    assert_eq!(definition.tags[0].value, "7");
    assert_eq!(definition.parameters["rows"].default, Some(10.into()));
    let [fetch, report, publish, off, clean_up] = definition.steps.as_slice() else {
        panic!("five steps")
    };
    assert_eq!(fetch.limit(), Some(Duration::from_mins(5)));
    assert_eq!(fetch.env["PORT"], "8080");
    assert_eq!(fetch.env["EMPTY"], "");
    assert_eq!(
        (fetch.on_lost, report.on_lost),
        (OnLost::Fail, OnLost::Rerun)
    );
    assert_eq!(report.limit(), Some(Duration::from_hours(24)));
    let Kind::Command(command) = &report.kind else {
        panic!("a command")
    };
    assert_eq!(command.0[3..], ["5", "true"]);
    let Kind::Http(http) = &publish.kind else {
        panic!("http")
    };
    assert_eq!(
        http.expect.0[1],
        StatusRange {
            first: 201,
            last: 204
        }
    );
    assert!(!off.enabled && off.needs.as_deref() == Some(&[]));
    assert!(clean_up.always && clean_up.needs.is_none());
}

#[test]
fn a_gate_waits_for_ever_unless_it_says_otherwise() {
    let source = "{name: x, steps: [{id: a, approval: {}}, {id: b, timeout: 24h, approval: {message: Publish?, \
                  contact: ops, approvers: 2, selfApproval: false}}, {id: c, userAction: {instructions: Plug it in}}]}";
    let definition = Definition::from_source(source).unwrap();
    let limits = definition.steps.iter().map(steps::definition::Step::limit);
    assert_eq!(
        limits.collect::<Vec<_>>(),
        [None, Some(Duration::from_hours(24)), None]
    );
    let gates: Vec<_> = definition
        .steps
        .iter()
        .map(|step| step.kind.gate().unwrap())
        .collect();
    assert_eq!((gates[0].approvers, gates[0].self_approval), (1, true));
    assert_eq!((gates[1].approvers, gates[1].self_approval), (2, false));
    assert_eq!((gates[1].message, gates[1].contact), ("Publish?", "ops"));
    assert_eq!(gates[2].message, "Plug it in");
    let json = serde_json::to_string(&definition).unwrap();
    assert_eq!(Definition::from_source(&json).unwrap(), definition);
    let plan = steps::Plan::of(&definition);
    let stored = serde_json::to_string(&plan).unwrap();
    assert!(
        stored.contains(r#""kind":{"approval":{}},"timeoutMs":0"#),
        "{stored}"
    );
    assert_eq!(serde_json::from_str::<steps::Plan>(&stored).unwrap(), plan);
}

#[test]
fn the_normalised_json_reads_as_the_same_definition() {
    for source in [FULL, "{name: x, steps: []}"] {
        let definition = Definition::from_source(source).unwrap();
        let json = serde_json::to_string(&definition).unwrap();
        assert_eq!(
            Definition::from_source(&json).unwrap(),
            definition,
            "{json}"
        );
        let pretty = serde_json::to_string_pretty(&definition).unwrap();
        assert_eq!(Definition::from_source(&pretty).unwrap(), definition);
    }
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|index| line(index) + "\n").collect()
}

#[test]
fn limits_hold() {
    let steps = |count: usize| {
        let steps = lines(count, |step| format!("- {{id: s{step}, run: x}}"));
        format!("name: x\nsteps:\n{steps}")
    };
    assert_eq!(
        Definition::from_source(&steps(1000)).unwrap().steps.len(),
        1000
    );
    let fault = |source: &str| Definition::from_source(source).unwrap_err().to_string();
    assert!(fault(&steps(1001)).contains("steps: has 1001 items; it may have 1000 at most"));
    assert!(fault(&"x".repeat(1024 * 1024 + 1)).contains("1048577 bytes"));
    let name = "x".repeat(1025);
    let long_name = fault(&format!("{{name: {name}, steps: []}}"));
    assert!(long_name.contains("name: has 1025 characters; it may have 1024 at most"));
    let script = "x".repeat(128 * 1024);
    assert!(fault(&format!("name: x\nsteps: [{{id: a, run: {script}}}]")).contains("131072 bytes"));
    let unknown = lines(5000, |key| format!("k{key}: 1"));
    let faults = Definition::from_source(&format!("name: x\nsteps: []\n{unknown}"))
        .unwrap_err()
        .0;
    assert_eq!(faults.len(), 1001);
}

/// Texts that would take long if any check were quadratic in something unbounded.
#[test]
fn hostile_texts_are_judged_in_time() {
    use std::fmt::Write as _;
    use std::time::Instant;

    let list = |count: usize, item: &dyn Fn(usize) -> String| {
        (0..count).map(item).collect::<Vec<_>>().join(", ")
    };
    let mut dense = "name: x\nsteps:\n".to_owned();
    for step in 0..550 {
        let needs = list(step, &|need| format!("s{need}"));
        let _ = writeln!(dense, "- {{id: s{step}, run: x, needs: [{needs}]}}");
    }
    let unknown_needs = format!(
        "name: x\nsteps:\n{}- {{id: z, run: x, needs: [{}]}}",
        lines(999, |step| format!("- {{id: step-{step}, run: x}}")),
        list(900, &|need| format!("stop-{need}")),
    );
    let references = format!(
        "name: x\nsteps:\n- id: a\n  run: x\n  env: {{A: \"{}\"}}",
        "${{ steps.b.outputs.c }}".repeat(5_000),
    );
    let keys = format!(
        "{{name: x, steps: [], {}}}",
        list(100_000, &|key| format!("k{key}: "))
    );
    for (text, is_valid) in [
        (dense, true),
        (unknown_needs, false),
        (references, false),
        (keys, false),
    ] {
        let started = Instant::now();
        let result = Definition::from_source(&text);
        assert_eq!(
            result.is_ok(),
            is_valid,
            "{:?}",
            result.err().map(|faults| faults.0.first().cloned())
        );
        println!("{} bytes in {:?}", text.len(), started.elapsed());
        assert!(started.elapsed().as_secs() < 10);
    }
}

#[test]
fn annotations_are_kept_as_they_are_said_and_bounded() {
    let said = r#"{name: x, annotations: {opsera: {type: [sdlc], n: 1.5, t: "true"}},
        steps: [{id: a, run: "true", annotations: {who: {}}}]}"#;
    let definition = Definition::from_source(said).unwrap();
    let written = serde_json::to_value(&definition).unwrap();
    let kept = serde_json::json!({"opsera": {"type": ["sdlc"], "n": 1.5, "t": "true"}});
    assert_eq!(written["annotations"], kept);
    assert_eq!(
        written["steps"][0]["annotations"],
        serde_json::json!({"who": {}})
    );
    let again = Definition::from_source(&written.to_string()).unwrap();
    assert_eq!(again, definition);
    for wrong in [
        "[1]".to_owned(),
        "x".to_owned(),
        format!("{{a: {}}}", "x".repeat(17_000)),
    ] {
        let source = format!("{{name: x, steps: [], annotations: {wrong}}}");
        assert!(Definition::from_source(&source).is_err(), "{wrong:.20}");
    }
}
