//! A change and its announcement; a message and its effect.

use std::sync::Arc;

use contracts::message::RunRequested;
use outbox::bus::Topic;
use outbox::{Announcement, Consumer, Deaf, Hear, Heard, Post, Tuning};
use runtime::clock;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, Statement};
use tokio::sync::Notify;

use super::place::{LIMIT, Place, Process, group, message, post, run_id, within};

/// Notes every count that it hears about its runs.
pub(crate) struct Notes {
    pub(crate) runs: Vec<String>,
    pub(crate) noted: Notify,
}

impl Notes {
    pub(crate) fn about(runs: &[&str]) -> Arc<Self> {
        let runs = runs.iter().map(|run| (*run).to_owned()).collect();
        Arc::new(Self {
            runs,
            noted: Notify::new(),
        })
    }

    pub(crate) async fn note(&self, tx: &DatabaseTransaction, heard: &Heard) -> Result<(), Deaf> {
        if !self.runs.contains(&heard.key) {
            return Ok(());
        }
        let run: RunRequested = heard.decode()?;
        let sql = "INSERT INTO note (run, count) VALUES ($1, $2)";
        let values = [run.run_id.into(), run.run_count.into()];
        tx.execute_raw(Statement::from_sql_and_values(
            tx.get_database_backend(),
            sql,
            values,
        ))
        .await?;
        Ok(())
    }
}

impl Hear for Notes {
    async fn hear(&self, tx: &DatabaseTransaction, messages: &[Heard]) -> Result<(), Deaf> {
        for message in messages {
            self.note(tx, message).await?;
        }
        Ok(())
    }

    fn heard(&self, _messages: &[Heard]) {
        self.noted.notify_one();
    }
}

pub(crate) fn consumer(group: &'static str) -> Consumer {
    Consumer {
        group,
        topics: &[Topic::Commands],
        inbox: true,
        batch: 16,
        tuning: Tuning::Prompt,
    }
}

/// Waits until so many counts are noted under `run`.
pub(crate) async fn noted(process: &Process, noted: &Notify, run: &str, count: usize) -> Vec<i64> {
    let wait = async {
        loop {
            let rung = noted.notified();
            let notes = process.notes(run).await;
            if notes.len() >= count {
                return notes;
            }
            let _ = tokio::time::timeout(LIMIT / 100, rung).await;
        }
    };
    within(wait).await
}

pub(crate) async fn a_message_has_one_effect_however_often_it_comes(place: &Place) {
    let process = place.process().await;
    let (run, last) = (run_id(), run_id());
    let notes = Notes::about(&[&run, &last]);
    outbox::consume(
        consumer(group()),
        &process.database,
        &process.bus,
        notes.clone(),
        &process.tasks,
    );
    let posts: Vec<Post> = (0..50).map(|count| post(&run, count)).collect();
    for _ in 0..3 {
        process.publish(posts.clone()).await;
    }
    process
        .publish(
            posts
                .iter()
                .flat_map(|post| vec![post.clone(); 3])
                .collect(),
        )
        .await;
    // Of the same key, so it comes after all of them.
    process.publish(vec![post(&run, 50)]).await;
    let noted = noted(&process, &notes.noted, &run, 51).await;
    assert_eq!(noted, (0..=50).collect::<Vec<i64>>());
    process.end().await;
}

pub(crate) async fn what_is_rolled_back_is_never_told(place: &Place) {
    let process = place.process().await;
    let run = run_id();
    let notes = Notes::about(&[&run]);
    outbox::consume(
        consumer(group()),
        &process.database,
        &process.bus,
        notes.clone(),
        &process.tasks,
    );
    for count in 0..20 {
        let tx = process.database.begin().await.unwrap();
        outbox::announce(&tx, &message(&run, count), clock::now_ms())
            .await
            .unwrap();
        if count % 2 == 0 {
            tx.commit().await.unwrap();
        }
        process.bell.ring();
    }
    process.announce(&message(&run, 20)).await;
    let noted = noted(&process, &notes.noted, &run, 11).await;
    assert_eq!(noted, (0..=20).step_by(2).collect::<Vec<i64>>());
    process.end().await;
}

pub(crate) async fn announcements_of_a_key_are_told_in_their_order(place: &Place) {
    let process = place.process().await;
    orderly(std::slice::from_ref(&process)).await;
    process.end().await;
}

pub(crate) async fn relays_of_one_store_take_turns(place: &Place) {
    let first = place.process().await;
    let mut processes = Vec::new();
    for _ in 0..2 {
        processes.push(
            place
                .process_on(first.bus.clone(), first.tasks.clone())
                .await,
        );
    }
    processes.push(first);
    orderly(&processes).await;
    processes.remove(0).end().await;
}

/// Announces about two runs from all sides at once, and looks that all is told in order.
async fn orderly(processes: &[Process]) {
    const ANNOUNCERS: usize = 8;
    const EACH: usize = 10;
    let (one, other) = (run_id(), run_id());
    let notes = Notes::about(&[&one, &other]);
    let last = &processes[processes.len() - 1];
    outbox::consume(
        consumer(group()),
        &last.database,
        &last.bus,
        notes.clone(),
        &last.tasks,
    );
    // What a run's announcers take turns by, as they do by the lock on its row.
    let counters = [&one, &other].map(|run| (run.clone(), tokio::sync::Mutex::new(0)));
    let announcers = (0..ANNOUNCERS).map(|announcer| {
        let (process, counters) = (&processes[announcer % processes.len()], &counters);
        async move {
            for _ in 0..EACH {
                for (run, counter) in counters {
                    let mut count = counter.lock().await;
                    let tx = process.database.begin().await.unwrap();
                    let both = [*count, *count + 1]
                        .map(|count| Announcement::of(&message(run, count)).unwrap());
                    outbox::announce_all(&tx, both, clock::now_ms())
                        .await
                        .unwrap();
                    tx.commit().await.unwrap();
                    *count += 2;
                    process.bell.ring();
                }
            }
        }
    });
    futures::future::join_all(announcers).await;
    for run in [&one, &other] {
        let noted = noted(last, &notes.noted, run, 2 * ANNOUNCERS * EACH).await;
        assert_eq!(
            noted,
            (0..).take(2 * ANNOUNCERS * EACH).collect::<Vec<i64>>()
        );
    }
}

pub(crate) async fn a_consumer_goes_on_where_it_ended(place: &Place) {
    let (group, run) = (group(), run_id());
    for lifetime in 0..3 {
        let process = place.process().await;
        let notes = Notes::about(&[&run]);
        let listener = notes.clone();
        process.announce(&message(&run, 2 * lifetime)).await;
        outbox::consume(
            consumer(group),
            &process.database,
            &process.bus,
            listener,
            &process.tasks,
        );
        process.announce(&message(&run, 2 * lifetime + 1)).await;
        let count = usize::try_from(2 * lifetime + 2).unwrap();
        let noted = noted(&process, &notes.noted, &run, count).await;
        assert_eq!(noted, (0..2 * lifetime + 2).collect::<Vec<i64>>());
        process.end().await;
    }
}
