//! Brokers that are away, as Kafka's mock plays them.

use std::time::Duration;

use outbox::bus::{Config, Error, Topic};
use outbox::{Bus, Tuning};
use runtime::config::Secret;
use runtime::{Readiness, Tasks};

use super::place::{Place, counts, group, post, read, run_id, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_at_start_is_waited_for() {
    let place = Place::mock();
    place.mock_cluster().broker_down(1).unwrap();
    let (ready, tasks) = (Readiness::new(), Tasks::new());
    let bus = within(Bus::open(&place.config, &ready, &tasks))
        .await
        .unwrap();
    assert!(ready.report().contains_key("bus"), "{:?}", ready.report());

    place.mock_cluster().broker_up(1).unwrap();
    let run = run_id();
    within(bus.publish(vec![post(&run, 1)])).await.unwrap();
    let mut reader = bus
        .read(group(), &[Topic::Commands], Tuning::Prompt)
        .await
        .unwrap();
    assert_eq!(counts(&read(&mut reader, &[&run], 1).await), [1]);
    let present = async {
        while ready.report().contains_key("bus") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(present).await;
    tasks.drain();
    within(tasks.ended()).await;
}

/// What is said to be missing of a process with this bus.
async fn missing(config: &Config) -> String {
    let (ready, tasks) = (Readiness::new(), Tasks::new());
    within(Bus::open(config, &ready, &tasks)).await.unwrap();
    tasks.drain();
    within(tasks.ended()).await;
    ready.report().remove("bus").unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_can_not_be_reached_is_missing_with_why() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("kafka://{}", listener.local_addr().unwrap());
    drop(listener);
    let config = Config {
        url,
        ..Config::default()
    };
    let missing = missing(&config).await;
    assert!(missing.contains("Connection refused"), "{missing}");
}

/// Where `TEST_KAFKA` is a broker that wants TLS and a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_refuses_us_is_missing_with_what_to_check() {
    let Some(place) = Place::kafka() else { return };
    if !place
        .config
        .security_protocol
        .eq_ignore_ascii_case("sasl_ssl")
    {
        return;
    }
    let stranger = Config {
        password: Secret::new("wrong"),
        ..place.config.clone()
    };
    // An authority that has nothing to do with the broker.
    let distrustful = Config {
        ca_location: None,
        ..place.config.clone()
    };
    for (config, setting) in [(stranger, "bus.password"), (distrustful, "bus.ca_location")] {
        let missing = missing(&config).await;
        assert!(missing.contains(setting), "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_while_the_broker_is_away_arrives_in_order() {
    let place = Place::mock();
    let process = place.process().await;
    let run = run_id();
    let mut reader = process
        .bus
        .read(group(), &[Topic::Commands], Tuning::Prompt)
        .await
        .unwrap();
    process.publish(vec![post(&run, 0)]).await;
    place.mock_cluster().broker_down(1).unwrap();
    let publishing = process
        .bus
        .publish((1..=20).map(|count| post(&run, count)).collect());
    let back = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        place.mock_cluster().broker_up(1).unwrap();
    };
    let (published, ()) = within(async { tokio::join!(publishing, back) }).await;
    assert!(published.unwrap().iter().all(Result::is_ok));
    assert_eq!(
        counts(&read(&mut reader, &[&run], 21).await),
        (0..=20).collect::<Vec<i64>>()
    );
    process.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_away_impairs_a_process_until_it_is_back() {
    let place = Place::mock();
    let (ready, tasks) = (Readiness::new(), Tasks::new());
    let _bus = Bus::open(&place.config, &ready, &tasks).await.unwrap();
    let impaired = async |is: bool| {
        within(async {
            while ready.impairments().contains_key("bus") != is {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    };
    for _ in 0..2 {
        place.mock_cluster().broker_down(1).unwrap();
        impaired(true).await;
        assert_eq!(ready.report(), [].into(), "it does its work all the same");
        place.mock_cluster().broker_up(1).unwrap();
        impaired(false).await;
    }
    tasks.drain();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_missing_is_named_at_start() {
    let mock = rdkafka::mocking::MockCluster::new(1).unwrap();
    for topic in Topic::ALL
        .into_iter()
        .filter(|topic| *topic != Topic::Replies)
    {
        mock.create_topic(topic.name(), 1, 1).unwrap();
    }
    let url = format!("kafka://{}", mock.bootstrap_servers());
    let config = Config {
        url,
        create_topics: false,
        ..Config::default()
    };
    let opened = within(Bus::open(&config, &Readiness::new(), &Tasks::new())).await;
    let error = opened.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Topic {
                topic: "penstock.replies",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_bus_that_nobody_knows_says_what_to_write() {
    for url in ["embedded:", "kafka://", "amqp://host"] {
        let config = Config {
            url: url.into(),
            ..Config::default()
        };
        let opened = Bus::open(&config, &Readiness::new(), &Tasks::new()).await;
        let message = opened.unwrap_err().to_string();
        assert!(
            message.contains("embedded:<directory> or kafka://host:port"),
            "{message}"
        );
    }
}
