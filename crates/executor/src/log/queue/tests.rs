//! What is queued comes out in order and isn't lost, whatever bus, disk and process do.

use std::path::Path;

use contracts::message::{ActivityBatch, Message as _, Topic};
use proptest::prelude::*;

use super::*;

/// What happens to a queue.
#[derive(Debug, Clone, Copy)]
enum Event {
    Push(usize),
    Launch,
    Arrive,
    /// All of it is refused, but for what stands for something refused.
    Refuse,
    Fail,
    GiveWay,
    Secure,
    Crash,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..5_usize).prop_map(Event::Push),
        4 => Just(Event::Launch),
        4 => Just(Event::Arrive),
        1 => Just(Event::Refuse),
        2 => Just(Event::Fail),
        1 => Just(Event::GiveWay),
        3 => Just(Event::Secure),
        1 => Just(Event::Crash),
    ]
}

fn post(number: u64) -> Post {
    let batch =
        serde_json::json!({"runId": "r", "attempt": 1, "entries": [{"seq": number.to_string()}]});
    Post {
        topic: Topic::Activity,
        key: "r".into(),
        id: number.to_string(),
        kind: ActivityBatch::TYPE.into(),
        time_ms: 7,
        traceparent: None,
        payload: serde_json::to_vec(&batch).unwrap().into(),
        headers: Vec::new(),
    }
}

fn open(folder: &Path, limit: u64) -> Queue {
    Queue::of(Spool::open(folder, limit).unwrap())
}

/// A queue, and what is to be true of it.
struct Story<'a> {
    folder: &'a Path,
    limit: u64,
    queue: Queue,
    flight: Option<(Vec<Post>, Cargo)>,
    pushed: u64,
    /// Up to here a crash loses nothing.
    secured: u64,
    /// The next that the bus hasn't seen.
    due: u64,
}

impl Story<'_> {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Push(count) => {
                let first = self.pushed + 1;
                self.pushed += count as u64;
                let posts = (first..=self.pushed).map(post).collect();
                self.queue.push(posts, Hold::default());
            }
            Event::Launch if self.flight.is_none() => self.flight = self.queue.next().unwrap(),
            Event::Arrive => self.lands(|_| None),
            Event::Refuse => self.lands(|post| {
                let text = String::from_utf8_lossy(&post.payload);
                (!text.contains("refused")).then(|| "too large".to_owned())
            }),
            Event::Fail if self.flight.take().is_some() => self.queue.failed(),
            Event::GiveWay => self.queue.give_way(),
            Event::Secure => {
                assert!(self.queue.secure());
                self.secured = self.pushed;
            }
            Event::Crash => {
                self.flight = None;
                self.queue = open(self.folder, self.limit);
                // Numbers go on after those that are known to have been used.
                let kept = last_on_disk(self.folder);
                self.pushed = kept.max(self.secured).max(self.due - 1);
            }
            Event::Launch | Event::Fail => {}
        }
    }

    fn lands(&mut self, outcome: impl Fn(&Post) -> Option<String>) {
        let Some((posts, cargo)) = self.flight.take() else {
            return;
        };
        let refused: Vec<_> = posts.iter().map(outcome).collect();
        for (post, _) in posts.iter().zip(&refused).filter(|it| it.1.is_none()) {
            let number: u64 = post.id.parse().unwrap();
            assert!(number <= self.due, "{number} overtakes {}", self.due);
            self.due = self.due.max(number + 1);
        }
        self.queue.arrived(cargo, refused);
    }

    /// The bus takes everything from now on.
    fn ends(mut self) {
        self.happens(Event::Arrive);
        while !self.queue.is_empty() {
            self.happens(Event::Launch);
            assert!(self.flight.is_some(), "something waits for ever");
            self.happens(Event::Arrive);
        }
        assert_eq!(self.due, self.pushed + 1);
        assert_eq!((self.queue.bytes(), self.queue.copied), (0, 0));
        assert!(!self.queue.is_full());
    }
}

fn last_on_disk(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let last = |text: String| {
        let record: serde_json::Value = serde_json::from_str(text.lines().last()?).unwrap();
        record["id"].as_str()?.parse().ok()
    };
    texts.filter_map(last).max().unwrap_or(0)
}

fn story(folder: &Path, limit: u64) -> Story<'_> {
    Story {
        folder,
        limit,
        queue: open(folder, limit),
        flight: None,
        pushed: 0,
        secured: 0,
        due: 1,
    }
}

proptest! {
    /// Until a crash all that was pushed arrives in order, and after it what was secured.
    #[test]
    fn nothing_is_overtaken_or_lost(
        limit in prop_oneof![Just(0_u64), Just(700), Just(1 << 20)],
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut story = story(folder.path(), limit);
        let mut was_refused = false;
        for event in events {
            // What was refused before a crash is refused again, or gone: not the subject here.
            was_refused |= matches!(event, Event::Refuse);
            if was_refused && matches!(event, Event::Crash) {
                continue;
            }
            story.happens(event);
        }
        story.ends();
    }
}

#[test]
fn copies_go_with_what_they_are_copies_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut story = story(folder.path(), 1 << 20);
    for _ in 0..3 {
        story.happens(Event::Push(2));
        story.happens(Event::Launch);
        story.happens(Event::Secure);
        assert!(story.queue.bytes() > 0);
        story.happens(Event::Arrive);
        story.happens(Event::Secure);
        assert_eq!(story.queue.bytes(), 0, "what has arrived isn't written");
    }
    story.ends();
}
