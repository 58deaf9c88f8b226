//! Messages at fault, stores that are away, and code that panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use contracts::message::RunRequested;
use outbox::bus::Topic;
use outbox::{Deaf, Hear, Heard, Post, Tuning};
use sea_orm::DatabaseTransaction;

use super::effects::{Notes, consumer, noted};
use super::place::{Place, group, post, read, run_id};

/// The count that breaks the rule.
const AT_FAULT: i64 = 3;

/// Notes what it hears, but for what it finds at fault.
struct Strict {
    notes: Arc<Notes>,
    fault: fn(u32) -> Result<(), Deaf>,
    tries: AtomicU32,
}

impl Strict {
    fn about(run: &str, fault: fn(u32) -> Result<(), Deaf>) -> Arc<Self> {
        Arc::new(Self {
            notes: Notes::about(&[run]),
            fault,
            tries: AtomicU32::new(0),
        })
    }

    fn is_at_fault(&self, message: &Heard) -> bool {
        self.notes.runs.contains(&message.key)
            && message
                .decode::<RunRequested>()
                .is_ok_and(|run| run.run_count == AT_FAULT)
    }
}

impl Hear for Strict {
    async fn hear(&self, tx: &DatabaseTransaction, messages: &[Heard]) -> Result<(), Deaf> {
        for message in messages {
            self.notes.note(tx, message).await?;
            if self.is_at_fault(message) {
                (self.fault)(self.tries.fetch_add(1, Ordering::SeqCst))?;
            }
        }
        Ok(())
    }

    fn heard(&self, messages: &[Heard]) {
        self.notes.heard(messages);
    }
}

pub(crate) async fn a_message_at_fault_goes_to_dead_letters_and_the_rest_goes_on(place: &Place) {
    let process = place.process().await;
    let (group, run) = (group(), run_id());
    let mut posts: Vec<Post> = (1..=6).map(|count| post(&run, count)).collect();
    posts[4].payload = "{\"runCount\": []}".into();
    posts[1].id = String::new();
    process.publish(posts.clone()).await;
    let strict = Strict::about(&run, |_| Err(Deaf::AtFault("three is one too many".into())));
    let (database, bus, tasks) = (&process.database, &process.bus, &process.tasks);
    outbox::consume(consumer(group), database, bus, strict.clone(), tasks);
    assert_eq!(
        noted(&process, &strict.notes.noted, &run, 3).await,
        [1, 4, 6]
    );

    let mut reader = process
        .bus
        .read(super::place::group(), &[Topic::DeadLetters], Tuning::Prompt)
        .await
        .unwrap();
    let letters = read(&mut reader, &[&run], 3).await;
    let header = |letter: &Heard, name: &str| {
        letter
            .headers
            .iter()
            .find(|it| it.0 == name)
            .map(|it| it.1.clone())
            .unwrap()
    };
    for (letter, (post, why)) in letters.iter().zip([
        (&posts[1], "it has no ce_id"),
        (&posts[2], "three is one too many"),
        (&posts[4], "can't be read"),
    ]) {
        let (id, kind, payload) = (&letter.id, &letter.kind, &letter.payload);
        assert_eq!((id, kind, payload), (&post.id, &post.kind, &post.payload));
        assert!(header(letter, "dead_error").contains(why), "{letter:?}");
        assert_eq!(header(letter, "dead_topic"), "penstock.commands");
        assert_eq!(header(letter, "dead_group"), group);
    }
    process.end().await;
}

pub(crate) async fn a_consumer_waits_while_its_store_is_away(place: &Place) {
    let process = place.process().await;
    let run = run_id();
    let strict = Strict::about(&run, |tried| {
        if tried < 4 {
            Err(Deaf::Away("the disk is out for lunch".into()))
        } else {
            Ok(())
        }
    });
    let (database, bus, tasks) = (&process.database, &process.bus, &process.tasks);
    outbox::consume(consumer(group()), database, bus, strict.clone(), tasks);
    process
        .publish((1..=6).map(|count| post(&run, count)).collect())
        .await;
    assert_eq!(
        noted(&process, &strict.notes.noted, &run, 6).await,
        [1, 2, 3, 4, 5, 6]
    );
    assert_eq!(strict.tries.load(Ordering::SeqCst), 5);
    process.end().await;
}

pub(crate) async fn a_panic_costs_one_message_at_most(place: &Place) {
    let process = place.process().await;
    let (once, always) = (run_id(), run_id());
    let recovers = Strict::about(
        &once,
        |tried| if tried == 0 { panic!("once") } else { Ok(()) },
    );
    let (database, bus, tasks) = (&process.database, &process.bus, &process.tasks);
    outbox::consume(consumer(group()), database, bus, recovers.clone(), tasks);
    let panics = Strict::about(&always, |_| panic!("always"));
    outbox::consume(consumer(group()), database, bus, panics.clone(), tasks);
    for run in [&once, &always] {
        process
            .publish((1..=5).map(|count| post(run, count)).collect())
            .await;
    }
    assert_eq!(
        noted(&process, &recovers.notes.noted, &once, 5).await,
        [1, 2, 3, 4, 5]
    );
    assert_eq!(
        noted(&process, &panics.notes.noted, &always, 4).await,
        [1, 2, 4, 5]
    );
    process.end().await;
}
