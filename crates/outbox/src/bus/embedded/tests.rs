//! What the embedded bus keeps, drops and remembers.

use std::time::Duration;

use runtime::clock::millis;

use super::*;
use crate::bus::Position;

async fn open(folder: &tempfile::TempDir) -> (Log, Tasks) {
    let tasks = Tasks::new();
    let directory = folder.path().to_str().unwrap();
    let log = Log::open(directory, &Config::default(), &Readiness::new(), &tasks)
        .await
        .unwrap();
    (log, tasks)
}

async fn close(log: Log, tasks: Tasks) {
    drop(log);
    tasks.drain();
    tasks.ended().await;
}

async fn publish(log: &Log, count: usize) {
    let post = Post {
        topic: Topic::Events,
        key: "key".into(),
        id: "id".into(),
        kind: "kind".into(),
        time_ms: 0,
        traceparent: None,
        payload: vec![b'x'; 1024 * 1024 / 4].into(),
        headers: Vec::new(),
    };
    for outcome in log.publish(vec![post; count]).await.unwrap() {
        outcome.unwrap();
    }
}

/// Keeps one MiB of each topic, for an hour.
fn tight() -> Config {
    Config {
        retention_mib: 1,
        retention_hours: 1,
        ..Config::default()
    }
}

fn now_in(later: Duration) -> i64 {
    clock::now_ms() + millis(later)
}

async fn next(reader: &mut Reader, most: usize) -> usize {
    let next = reader.next(most);
    tokio::time::timeout(Duration::from_secs(10), next)
        .await
        .unwrap()
        .unwrap()
        .len()
}

#[tokio::test]
async fn a_full_topic_drops_its_oldest_and_its_readers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (log, tasks) = open(&folder).await;
    let mut reader = log.read("slow", &[Topic::Events]);
    publish(&log, 10).await;
    retention::round(&log, &tight(), now_in(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(next(&mut reader, 10).await, 3);
    reader.commit();
    publish(&log, 1).await;
    assert_eq!(next(&mut reader, 10).await, 1);
    close(log, tasks).await;
}

#[tokio::test]
async fn age_waits_for_a_group_that_has_yet_to_read_but_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (log, tasks) = open(&folder).await;
    publish(&log, 2).await;
    drop(log.read("away", &[Topic::Events]));
    let kept = async || {
        store::oldest(&log.0.database, Topic::Events, 10)
            .await
            .unwrap()
            .len()
    };
    retention::round(&log, &tight(), now_in(Duration::from_hours(2)))
        .await
        .unwrap();
    assert_eq!(kept().await, 2);
    retention::round(&log, &tight(), now_in(Duration::from_hours(8 * 24)))
        .await
        .unwrap();
    assert_eq!(kept().await, 0);
    close(log, tasks).await;
}

#[tokio::test]
async fn an_id_never_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let (log, tasks) = open(&folder).await;
    let mut reader = log.read("group", &[Topic::Events]);
    publish(&log, 3).await;
    assert_eq!(next(&mut reader, 10).await, 3);
    reader.commit();
    retention::round(&log, &tight(), now_in(Duration::from_hours(2)))
        .await
        .unwrap();
    drop(reader);
    close(log, tasks).await;

    let (log, tasks) = open(&folder).await;
    let mut reader = log.read("group", &[Topic::Events]);
    publish(&log, 1).await;
    let heard = reader.next(10).await.unwrap();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        heard[0].position,
        Position {
            partition: 0,
            offset: 4
        }
    );
    close(log, tasks).await;
}

#[tokio::test]
async fn readers_of_a_group_share_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let (log, tasks) = open(&folder).await;
    let (mut one, mut other) = (
        log.read("group", &[Topic::Events]),
        log.read("group", &[Topic::Events]),
    );
    publish(&log, 4).await;
    assert_eq!(next(&mut one, 2).await, 2);
    let waits = tokio::time::timeout(Duration::from_millis(50), other.next(2)).await;
    assert!(waits.is_err(), "the other one has the turn");
    one.commit();
    assert_eq!(next(&mut other, 10).await, 2);
    drop(other);
    assert_eq!(
        next(&mut one, 10).await,
        2,
        "what was not committed is read again"
    );
    close(log, tasks).await;
}
