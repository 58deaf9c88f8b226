use std::time::Duration;

use tokio::time::timeout;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus as Said;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A port for peers, and a connection to it.
async fn open(routes: Routes, ready: &Readiness, tasks: &Tasks) -> Channel {
    let listener = listen("127.0.0.1:0".parse().unwrap(), "--grpc");
    let listener = listener.await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    grpc(listener, routes, Secret::default(), ready, tasks).await;
    Channel::from_shared(url).unwrap().connect().await.unwrap()
}

/// The next word of a stream that watches health.
async fn next(watched: &mut tonic::Streaming<HealthCheckResponse>) -> Said {
    let next = timeout(PATIENCE, watched.message()).await;
    next.expect("it says so").unwrap().unwrap().status()
}

#[tokio::test]
async fn health_follows_what_the_process_misses() {
    let (tasks, ready) = (Tasks::new(), Readiness::new());
    ready.missing("bus", "no broker");
    let mut health = HealthClient::new(open(Routes::default(), &ready, &tasks).await);
    let process = HealthCheckRequest::default();
    let said = health.check(process.clone()).await.unwrap();
    assert_eq!(said.into_inner().status(), Said::NotServing);
    let mut watched = health.watch(process.clone()).await.unwrap().into_inner();
    assert_eq!(next(&mut watched).await, Said::NotServing);
    for _ in 0..2 {
        ready.present("bus");
        assert_eq!(next(&mut watched).await, Said::Serving);
        let said = health.check(process.clone()).await.unwrap();
        assert_eq!(said.into_inner().status(), Said::Serving);
        ready.missing("bus", "it is gone");
        assert_eq!(next(&mut watched).await, Said::NotServing);
    }
    drop(watched);
    tasks.drain();
}

#[tokio::test]
async fn reflection_lists_what_was_described() {
    let described = tonic_health::pb::FILE_DESCRIPTOR_SET;
    let (tasks, ready) = (Tasks::new(), Readiness::new());
    let channel = open(
        with_reflection(Routes::default(), described),
        &ready,
        &tasks,
    )
    .await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let asked = futures::stream::iter([request]);
    let mut answers = client
        .server_reflection_info(asked)
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(listed)) = answer.message_response else {
        panic!("{answer:?}")
    };
    let names: Vec<&str> = listed.service.iter().map(|it| it.name.as_str()).collect();
    assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");
    tasks.drain();
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let (tasks, ready) = (Tasks::new(), Readiness::new());
    let mut health = HealthClient::new(open(Routes::default(), &ready, &tasks).await);
    let asks_for = |service: String| HealthCheckRequest { service };
    let long = asks_for("x".repeat(4 * 1024 * 1024));
    let refused = timeout(PATIENCE, health.check(long)).await.unwrap();
    assert_eq!(refused.unwrap_err().code(), Code::OutOfRange);
    let known = health.check(asks_for(String::new())).await.unwrap();
    assert_eq!(known.into_inner().status(), Said::Serving);
    tasks.drain();
}

#[tokio::test]
async fn a_port_whose_holder_is_just_going_is_waited_for() {
    let holder = listen("127.0.0.1:0".parse().unwrap(), "--here")
        .await
        .unwrap();
    let address = holder.local_addr().unwrap();
    let next = listen(address, "--here");
    // Polled after the first try, which finds the port taken.
    let (next, ()) = tokio::join!(next, async { drop(holder) });
    assert_eq!(next.unwrap().local_addr().unwrap(), address);
}

#[tokio::test]
async fn a_port_that_stays_taken_is_named_with_its_option() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let refused = listen(address, "--here").await.unwrap_err();
    let said = refused.to_string();
    assert!(
        said.contains(&address.to_string()) && said.contains("--here"),
        "{said}"
    );
    assert!(matches!(refused, Error::Listen { .. }));
}
