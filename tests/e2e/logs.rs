//! What runs say: complete, in order, followed to the end.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use harness::api::http;
use harness::{Story, World, shared};
use serde_json::Value;

pub(crate) fn stories() -> Vec<Story> {
    shared![
        ten_thousand_lines_are_complete_and_in_order,
        a_log_is_followed_to_the_end,
        a_follower_goes_on_where_it_was_cut_off,
        the_log_of_one_step_can_be_read_alone,
        entries_are_numbered_over_all_steps,
        life_cycle_lines_tell_what_happened,
        a_cursor_that_is_none_is_refused,
    ]
}

async fn ten_thousand_lines_are_complete_and_in_order(world: &World) {
    let api = world.api();
    let pipeline = api
        .define_steps("lines", "- {id: count, run: seq 1 10000}")
        .await;
    api.through(&pipeline).await;
    let output = api.output(&pipeline, 1).await;
    let expected: Vec<String> = (1..=10_000).map(|it| it.to_string()).collect();
    assert!(
        output == expected,
        "{} lines, the first {:?}",
        output.len(),
        output.first()
    );
}

/// The events of a followed log, until it ends or `most` entries were heard.
async fn follow(
    world: &World,
    pipeline: &str,
    after: Option<&str>,
    most: usize,
) -> (Vec<Value>, Option<Value>, String) {
    let url = format!("{}/api/v2/pipelines/{pipeline}/runs/1/logs", world.url());
    let mut request = http()
        .get(url)
        .bearer_auth(harness::world::TOKEN)
        .header("accept", "text/event-stream");
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    let answer = request
        .timeout(Duration::from_mins(1))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut bytes, mut text) = (answer.bytes_stream(), String::new());
    let (mut entries, mut last) = (Vec::new(), String::new());
    while let Some(Ok(piece)) = bytes.next().await {
        text.push_str(&String::from_utf8_lossy(&piece));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                event
                    .lines()
                    .find_map(|it| it.strip_prefix(name))
                    .map(str::trim)
            };
            let data: Option<Value> = field("data:").and_then(|it| serde_json::from_str(it).ok());
            let (name, id) = (
                field("event:").map(str::to_owned),
                field("id:").map(str::to_owned),
            );
            text = rest.to_owned();
            match (name.as_deref(), data) {
                (Some("end"), end) => return (entries, end, last),
                (_, Some(entry)) => entries.push(entry),
                (_, None) => {}
            }
            last = id.unwrap_or(last);
            if entries.len() >= most {
                return (entries, None, last);
            }
        }
    }
    panic!("the log broke off after {} entries", entries.len());
}

const TALKATIVE: &str =
    "- {id: talk, run: 'for i in $(seq 1 40); do echo line $i; sleep 0.02; done'}";

async fn a_log_is_followed_to_the_end(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("followed", TALKATIVE).await;
    api.start(&pipeline).await;
    let (entries, end, _) = follow(world, &pipeline, None, usize::MAX).await;
    assert_eq!(end.unwrap()["state"], "succeeded");
    assert_eq!(
        lines(&entries),
        (1..=40).map(|it| format!("line {it}")).collect::<Vec<_>>()
    );
    let paged = api.log(&pipeline, 1).await;
    // Output and life-cycle lines come over two topics, so who listens live may hear them shifted
    // against one another; each of the two is in order and whole.
    let parts = |log: &[Value]| {
        log.iter()
            .map(numbers)
            .partition::<Vec<_>, _>(|it| it.0 == Some(0))
    };
    assert_eq!(
        parts(&entries),
        parts(&paged),
        "a follower hears what a reader reads"
    );
}

async fn a_follower_goes_on_where_it_was_cut_off(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("resumed", TALKATIVE).await;
    api.start(&pipeline).await;
    let (mut entries, mut last) = (Vec::new(), None::<String>);
    loop {
        let (more, end, at) = follow(world, &pipeline, last.as_deref(), 9).await;
        entries.extend(more);
        last = Some(at);
        if end.is_some() {
            break;
        }
    }
    assert_eq!(
        lines(&entries),
        (1..=40).map(|it| format!("line {it}")).collect::<Vec<_>>()
    );
    let unique: BTreeSet<String> = cursors(&entries).into_iter().collect();
    assert_eq!(unique.len(), entries.len(), "no entry comes twice");
}

fn lines(entries: &[Value]) -> Vec<String> {
    let output = entries.iter().filter(|it| it["stream"] == "stdout");
    output
        .map(|it| it["message"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// An entry's attempt (0 for life-cycle lines) and its number there.
fn numbers(entry: &Value) -> (Option<u64>, Option<u64>) {
    (entry["attempt"].as_u64(), entry["seq"].as_u64())
}

fn cursors(entries: &[Value]) -> Vec<String> {
    entries
        .iter()
        .map(|it| it["cursor"].as_str().unwrap_or_default().to_owned())
        .collect()
}

async fn the_log_of_one_step_can_be_read_alone(world: &World) {
    let api = world.api();
    let pipeline = api
        .define_steps(
            "steps",
            "- {id: a, run: echo of a}\n- {id: b, run: echo of b}",
        )
        .await;
    api.through(&pipeline).await;
    api.log(&pipeline, 1).await;
    let page = api
        .get(&format!("/api/v2/pipelines/{pipeline}/runs/1/logs?step=b"))
        .await
        .json;
    let entries = page["entries"].as_array().unwrap();
    assert!(entries.iter().all(|it| it["step"] == "b"), "{page:#}");
    assert_eq!(lines(entries), ["of b"]);
}

async fn entries_are_numbered_over_all_steps(world: &World) {
    let api = world.api();
    let steps = "- {id: a, needs: [], run: seq 1 50}\n- {id: b, needs: [], run: 'seq 1 50 >&2'}\n- {id: c, needs: [a, b], run: seq 1 50}";
    let pipeline = api.define_steps("numbered", steps).await;
    api.through(&pipeline).await;
    let log = api.log(&pipeline, 1).await;
    let seqs: BTreeSet<i64> = log
        .iter()
        .filter(|it| it["attempt"] == 1)
        .filter_map(|it| it["seq"].as_i64())
        .collect();
    assert_eq!(seqs, (1..=150).collect());
}

async fn life_cycle_lines_tell_what_happened(world: &World) {
    let api = world.api();
    let pipeline = api
        .define_steps("life", "- {id: only, run: echo out}")
        .await;
    api.through(&pipeline).await;
    let log = api.log(&pipeline, 1).await;
    let kinds: Vec<&str> = log
        .iter()
        .map(|it| it["kind"].as_str().unwrap_or("output"))
        .collect();
    let expected = [
        "run.queued",
        "attempt.began",
        "step.started",
        "output",
        "step.succeeded",
        "attempt.finished",
        "run.succeeded",
    ];
    assert_eq!(kinds, expected);
}

async fn a_cursor_that_is_none_is_refused(world: &World) {
    let api = world.api();
    let pipeline = api
        .define_steps("cursor", "- {id: only, run: echo out}")
        .await;
    api.through(&pipeline).await;
    let answer = api
        .get(&format!(
            "/api/v2/pipelines/{pipeline}/runs/1/logs?after=nonsense"
        ))
        .await;
    assert_eq!(answer.status, 400, "{}", answer.text);
}
