//! What every bus promises.

use outbox::bus::{LARGEST_VALUE, Topic};
use outbox::{Post, Tuning};

use super::place::{Place, counts, group, post, read, run_id, within};

pub(crate) async fn messages_of_a_key_are_read_in_their_order(place: &Place) {
    let process = place.process().await;
    let runs = [run_id(), run_id(), run_id()];
    let posts: Vec<Post> = (0..60)
        .map(|count| post(&runs[usize::try_from(count).unwrap() % 3], count))
        .collect();
    for posts in posts.chunks(7) {
        process.publish(posts.to_vec()).await;
    }
    let mut reader = process
        .bus
        .read(group(), &[Topic::Commands], Tuning::Prompt)
        .await
        .unwrap();
    let keys: Vec<&str> = runs.iter().map(String::as_str).collect();
    let heard = read(&mut reader, &keys, 60).await;
    for (first, run) in (0..).zip(&runs) {
        let of_run: Vec<_> = heard.iter().filter(|it| it.key == *run).cloned().collect();
        assert_eq!(
            counts(&of_run),
            (first..60).step_by(3).collect::<Vec<i64>>()
        );
    }
    process.end().await;
}

pub(crate) async fn all_that_a_message_says_arrives(place: &Place) {
    let process = place.process().await;
    let run = run_id();
    let sent = Post {
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        headers: vec![("dead_error".into(), "it was ✗".into())],
        ..post(&run, 1)
    };
    process.publish(vec![sent.clone()]).await;
    let mut reader = process
        .bus
        .read(group(), &[Topic::Commands], Tuning::Bulk)
        .await
        .unwrap();
    let heard = read(&mut reader, &[&run], 1).await.remove(0);
    let received = Post {
        topic: heard.topic,
        key: heard.key,
        id: heard.id,
        kind: heard.kind,
        time_ms: heard.time_ms,
        traceparent: heard.traceparent,
        payload: heard.payload,
        headers: heard.headers,
    };
    assert_eq!(received, sent);
    process.end().await;
}

pub(crate) async fn a_group_goes_on_after_what_it_committed(place: &Place) {
    let (group, run) = (group(), run_id());
    let process = place.process().await;
    process
        .publish((1..=3).map(|count| post(&run, count)).collect())
        .await;
    let mut reader = process
        .bus
        .read(group, &[Topic::Commands], Tuning::Prompt)
        .await
        .unwrap();
    assert_eq!(counts(&read(&mut reader, &[&run], 3).await), [1, 2, 3]);
    drop(reader);

    let mut reader = process
        .bus
        .read(group, &[Topic::Commands], Tuning::Prompt)
        .await
        .unwrap();
    assert_eq!(counts(&read(&mut reader, &[&run], 3).await), [1, 2, 3]);
    reader.commit().unwrap();
    process.publish(vec![post(&run, 4)]).await;
    assert_eq!(counts(&read(&mut reader, &[&run], 1).await), [4]);
    drop(reader);
    process.end().await;

    let process = place.process().await;
    let mut reader = process
        .bus
        .read(group, &[Topic::Commands], Tuning::Prompt)
        .await
        .unwrap();
    assert_eq!(counts(&read(&mut reader, &[&run], 1).await), [4]);
    process.end().await;
}

pub(crate) async fn every_group_reads_everything(place: &Place) {
    let process = place.process().await;
    let run = run_id();
    process
        .publish((1..=5).map(|count| post(&run, count)).collect())
        .await;
    for _ in 0..2 {
        let topics = [Topic::Commands, Topic::Events];
        let mut reader = process
            .bus
            .read(group(), &topics, Tuning::Prompt)
            .await
            .unwrap();
        assert_eq!(
            counts(&read(&mut reader, &[&run], 5).await),
            [1, 2, 3, 4, 5]
        );
    }
    process.end().await;
}

pub(crate) async fn a_broadcast_hears_what_comes_after_it(place: &Place) {
    let process = place.process().await;
    let (before, after) = (run_id(), run_id());
    process.publish(vec![post(&before, 1)]).await;
    let mut broadcasts = Vec::new();
    for _ in 0..2 {
        broadcasts.push(
            within(process.bus.broadcast(&[Topic::Commands]))
                .await
                .unwrap(),
        );
    }
    process
        .publish((1..=3).map(|count| post(&after, count)).collect())
        .await;
    for mut broadcast in broadcasts {
        let mut heard = Vec::new();
        while heard.len() < 3 {
            let one = within(broadcast.next()).await.unwrap();
            assert_ne!(one.key, before);
            heard.extend((one.key == after).then_some(one));
        }
        assert_eq!(counts(&heard), [1, 2, 3]);
    }
    process.end().await;
}

pub(crate) async fn what_is_too_large_is_refused_alone(place: &Place) {
    let process = place.process().await;
    let run = run_id();
    let large = Post {
        payload: vec![b' '; LARGEST_VALUE + 1].into(),
        ..post(&run, 2)
    };
    let posts = vec![post(&run, 1), large, post(&run, 3)];
    let outcomes = within(process.bus.publish(posts)).await.unwrap();
    assert_eq!(
        outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true]
    );
    let mut reader = process
        .bus
        .read(group(), &[Topic::Commands], Tuning::Prompt)
        .await
        .unwrap();
    assert_eq!(counts(&read(&mut reader, &[&run], 2).await), [1, 3]);
    process.end().await;
}
