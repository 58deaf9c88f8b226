//! What operators look at.

use contracts::message::TokenUsed;
use harness::api::http;
use harness::{Story, World, eventually, shared};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        health_and_metrics_are_there_for_everyone,
        the_api_describes_itself,
        executors_are_listed_with_their_slots,
        the_configuration_is_printed_without_secrets,
        uses_of_tokens_are_told,
    ]
}

async fn health_and_metrics_are_there_for_everyone(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("measured", "- {id: a, run: 'true'}").await;
    api.through(&pipeline).await;
    let mut all = String::new();
    for server in world.servers() {
        let url = world.url_of(server).unwrap();
        for path in ["/livez", "/readyz", "/metrics"] {
            let answer = api.send(http().get(format!("{url}{path}"))).await;
            assert_eq!(
                answer.status, 200,
                "{} {path}: {}",
                server.name, answer.text
            );
            if path == "/metrics" {
                all.push_str(&answer.text);
            }
        }
    }
    for name in [
        "penstock_queue_seconds",
        "penstock_outbox_oldest_seconds",
        "penstock_executor_slots_busy",
    ] {
        assert!(all.contains(name), "{name} is not among the metrics");
    }
}

async fn the_api_describes_itself(world: &World) {
    let answer = world.api().get("/api/v2/openapi.json").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.json["openapi"]
            .as_str()
            .is_some_and(|it| it.starts_with("3.1"))
    );
    let paths = answer.json["paths"].as_object().unwrap();
    for path in [
        "/api/v2/pipelines",
        "/api/v2/pipelines/{p}/runs/{runCount}/logs",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
}

async fn executors_are_listed_with_their_slots(world: &World) {
    let answer = world.api().get("/api/v2/executors").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let executors = answer.json["executors"].as_array().unwrap();
    assert_eq!(executors.len(), 1, "{}", answer.text);
    assert_eq!(executors[0]["slots"], 64, "{}", answer.text);
}

async fn the_configuration_is_printed_without_secrets(world: &World) {
    let said = world
        .command(&["config"])
        .without("PENSTOCK_TOKEN")
        .env("PENSTOCK_ADMIN_TOKEN", harness::world::TOKEN)
        .said()
        .await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("[scheduler]") && !said.out.contains(harness::world::TOKEN),
        "{said:?}"
    );
}

async fn uses_of_tokens_are_told(world: &World) {
    let api = world.api();
    let path = format!("/api/v2/pipelines/{}", world.name("used"));
    let url = format!("{}{path}?with=a-query", world.url());
    assert_eq!(api.get(&path).await.status, 404);
    let wrong = "a-token-that-nobody-has-ever-been-given";
    let refused = api.send(http().get(&url).bearer_auth(wrong)).await;
    assert_eq!(refused.status, 401, "{}", refused.text);
    let target = format!("GET {path}");
    let mut told = eventually("both uses are told", async || {
        let all = world.bus().all(world).await;
        let uses = all.iter().filter_map(|it| it.decode::<TokenUsed>());
        let here: Vec<TokenUsed> = uses.filter(|it| it.target == target).collect();
        (here.len() >= 2).then_some(here)
    })
    .await;
    told.sort_by(|a, b| b.outcome.cmp(&a.outcome));
    let used = &told[0];
    assert_eq!(used.outcome, "404 NO_PIPELINE", "{told:?}");
    assert_eq!(used.scope, "api", "{told:?}");
    assert!(
        !used.token_id.is_empty() && !used.user_id.is_empty(),
        "{told:?}"
    );
    let refused = &told[1];
    assert_eq!(refused.outcome, "401 TOKEN_REFUSED", "{told:?}");
    assert!(refused.token_id.is_empty(), "{told:?}");
}
