//! What operators look at.

use contracts::message::{TokenUsed, UserActed};
use harness::api::http;
use harness::topics::Told;
use harness::{Shape, Story, World, eventually, shared};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::ends::ENDLESS;
use crate::stop::begun;

pub(crate) fn stories() -> Vec<Story> {
    let spread = shared![peers_are_told_what_there_is_to_call_and_whether_it_serves];
    let spread = spread.into_iter().map(|it| it.only(&[Shape::Spread]));
    let all = shared![
        health_and_metrics_are_there_for_everyone,
        what_runs_and_stops_take_is_measured,
        the_api_describes_itself,
        executors_are_listed_with_their_slots,
        the_configuration_is_printed_without_secrets,
        a_configuration_that_no_server_would_have_is_not_printed,
        uses_of_tokens_are_told,
        a_change_and_the_use_that_brought_it_about_name_each_other,
    ];
    all.into_iter().chain(spread).collect()
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

async fn what_runs_and_stops_take_is_measured(world: &World) {
    let measured = [
        ("scheduler", "penstock_queue_seconds_count"),
        ("executor", "penstock_step_start_seconds_count"),
        ("executor", "penstock_stop_seconds_count"),
        ("pipeline", "penstock_run_stop_seconds_count"),
    ];
    let mut before = Vec::new();
    for (service, metric) in measured {
        before.push(world.counted(world.server(service), metric).await);
    }
    let api = world.api();
    let (pipeline, run_count) = begun(world, ENDLESS, "endless").await;
    assert_eq!(api.stop(&pipeline, run_count, "cancel").await.status, 202);
    api.ended(&pipeline, run_count).await;
    for ((service, metric), before) in measured.into_iter().zip(before) {
        // An executor counts what it did after it has reported it.
        let what = format!("{metric} of {service} is more than {before}");
        eventually(&what, async || {
            let after = world.counted(world.server(service), metric).await;
            (after > before).then_some(())
        })
        .await;
    }
}

async fn peers_are_told_what_there_is_to_call_and_whether_it_serves(world: &World) {
    for (service, own) in [
        ("registry", "penstock.registry.v1.Registry"),
        ("audit-log", "penstock.audit.v1.AuditLog"),
        ("pipeline", "penstock.pipeline.v1.Attempts"),
        ("scheduler", "penstock.scheduler.v1.Scheduler"),
    ] {
        let url = world.server(service).grpc_url().unwrap();
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        let mut health = HealthClient::new(channel.clone());
        let said = health.check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(said.into_inner().status(), ServingStatus::Serving);
        let listed = listed(channel).await;
        assert!(listed.iter().any(|it| it == own), "{service}: {listed:?}");
    }
}

/// The services that reflection lists.
async fn listed(channel: Channel) -> Vec<String> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let asked = futures::stream::iter([request]);
    let answers = client.server_reflection_info(asked).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
        panic!("{answer:?}")
    };
    listed.service.into_iter().map(|it| it.name).collect()
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
    // A process is ready before its executor has said hello.
    let executors = eventually("an executor is there", async || {
        let answer = world.api().get("/api/v2/executors").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let executors = answer.json["executors"].as_array().cloned();
        executors.filter(|it| !it.is_empty())
    })
    .await;
    assert_eq!(executors.len(), 1, "{executors:?}");
    assert_eq!(executors[0]["slots"], 64, "{executors:?}");
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

async fn a_configuration_that_no_server_would_have_is_not_printed(world: &World) {
    for (variable, value, named) in [
        ("PENSTOCK_WORKERS", "0", "workers"),
        ("PENSTOCK_DATABASE__URL", "mysql://x", "database.url"),
        ("PENSTOCK_GRPC__LISTEN", "0.0.0.0:7070", "PENSTOCK_PEER_KEY"),
    ] {
        let said = world.command(&["config"]).without("PENSTOCK_TOKEN");
        let said = said.env(variable, value).said().await;
        assert_eq!((said.code, said.out.as_str()), (Some(64), ""), "{said:?}");
        assert!(said.err.contains(named), "{said:?}");
    }
}

async fn a_change_and_the_use_that_brought_it_about_name_each_other(world: &World) {
    let api = world.api();
    let id = api.define_steps("audited", "- {id: a, run: 'true'}").await;
    api.start(&id).await;
    api.ended(&id, 1).await;
    let told = eventually("both are told", async || {
        let all = world.bus().all(world).await;
        let acts = all.iter().filter_map(Told::decode::<UserActed>);
        let acts: Vec<_> = acts.filter(|it| it.target_id == id).collect();
        let uses: Vec<_> = all.iter().filter_map(Told::decode::<TokenUsed>).collect();
        let used = |act: &UserActed| {
            let used = act.r#use.as_ref()?;
            let of_it = uses.iter().find(|it| it.use_id == used.id)?;
            Some((act.action.clone(), of_it.target.clone(), of_it.http_status))
        };
        let both: Vec<_> = acts.iter().filter_map(used).collect();
        (both.len() >= 2).then_some(both)
    })
    .await;
    let expected = [
        ("create", "POST /api/v2/pipelines".to_owned(), 201),
        ("run", format!("POST /api/v2/pipelines/{id}/runs"), 202),
    ];
    let expected = expected.map(|(action, target, status)| (action.to_owned(), target, status));
    assert_eq!(told, expected);
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
        let uses = all.iter().filter_map(Told::decode::<TokenUsed>);
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
