//! Tells who used which token for what, after the answer and without waiting for anyone.
//!
//! Uses wait in a bounded queue and are published in batches to `penstock.access`. The change that a
//! use brought about is told by its owner, with who made it, in the change's own transaction; what
//! is told here is the use.
//!
//! **Invariants:** no request waits for this. A use that finds the queue full, or that the end of
//! the process overtakes, is counted and said to be lost. A token's text is in none.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use contracts::id::{MessageId, UseId};
use contracts::message::{TokenUsed, Use};
use outbox::{Bus, Post};
use runtime::{Tasks, clock};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::auth::Who;
use crate::front::{self, Face};
use crate::problem::Problem;

/// Uses that wait to be told, at most.
const WAITING: usize = 8192;
/// Uses told at once, at most.
const BATCH: usize = 500;
/// How long a batch is filled: uses are no news that anyone waits for.
const FILLING: Duration = Duration::from_millis(250);
/// The pauses while the bus is away.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How long the last batch may take when the process ends.
const LAST: Duration = Duration::from_secs(1);
/// The longest path that is told, in bytes.
const MAX_PATH: usize = 1024;
/// The longest name of a client that is told, in bytes.
const MAX_USER_AGENT: usize = 256;

/// Where uses are noted. Without a bus they are not.
pub(crate) struct Access(Option<Sender<Post>>);

/// A request that shows a token, before it is known what becomes of it.
pub(crate) struct Shown {
    /// Of the use, permanent: whoever records it first names it.
    id: UseId,
    target: String,
    ip: String,
    user_agent: String,
}

impl Shown {
    /// The method and the path, no query, which may say anything; and from where.
    pub(crate) fn of(request: &Request) -> Self {
        let path = clipped(request.uri().path(), MAX_PATH);
        let user_agent = request.headers().get(header::USER_AGENT);
        let user_agent = String::from_utf8_lossy(user_agent.map_or(&[], HeaderValue::as_bytes));
        Self {
            id: UseId::made_at(clock::now_ms()),
            target: format!("{} {path}", request.method()),
            ip: front::address(request).map_or_else(String::new, |it| it.to_string()),
            user_agent: clipped(&user_agent, MAX_USER_AGENT).to_owned(),
        }
    }

    /// The use as those are told who bring about what it is for.
    pub(crate) fn for_scope(&self, scope: &str) -> Use {
        Use {
            id: self.id.to_string(),
            scope: scope.to_owned(),
            target: self.target.clone(),
            ip: self.ip.clone(),
            user_agent: self.user_agent.clone(),
        }
    }

    fn used(self, who: Option<&Who>, (face, answer): (Face, &Response)) -> TokenUsed {
        let status = front::status_told(face, answer).as_u16();
        TokenUsed {
            token_id: who.map(|it| it.token_id().to_owned()).unwrap_or_default(),
            user_id: who.map(|it| it.user_id().to_owned()).unwrap_or_default(),
            account: who.map(Who::account).unwrap_or_default(),
            scope: who.map(|it| it.scope().to_owned()).unwrap_or_default(),
            target: self.target,
            outcome: outcome(status, answer),
            at_ms: clock::now_ms(),
            use_id: self.id.into(),
            ip: self.ip,
            user_agent: self.user_agent,
            http_status: status.into(),
        }
    }
}

/// The beginning of a text, in whole characters.
fn clipped(text: &str, most_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(most_bytes)]
}

impl Access {
    /// Tells uses as long as the process lives.
    pub(crate) fn start(bus: Option<Bus>, tasks: &Tasks) -> Self {
        let sender = bus.map(|bus| {
            let (sender, waiting) = mpsc::channel(WAITING);
            let teller = Teller {
                bus,
                tasks: tasks.clone(),
            };
            tasks.spawn(teller.tell(waiting));
            sender
        });
        Self(sender)
    }

    /// Notes what became of a use; `who` is known if the token was good.
    pub(crate) fn note(&self, shown: Shown, who: Option<&Who>, (face, answer): (Face, &Response)) {
        let Some(queue) = &self.0 else { return };
        let used = shown.used(who, (face, answer));
        let now_ms = used.at_ms;
        let post = Post::of(&used, String::from(MessageId::made_at(now_ms)), now_ms);
        if post.is_ok_and(|post| queue.try_send(post).is_ok()) {
            return;
        }
        lost(1);
    }
}

/// The status, and the reason of a refusal: `200`, `403 SCOPE`.
fn outcome(status: u16, answer: &Response) -> String {
    match answer.extensions().get::<Problem>() {
        Some(problem) => format!("{status} {}", problem.reason()),
        None => status.to_string(),
    }
}

fn lost(count: usize) {
    metrics::counter!("penstock_access_lost_total").increment(count as u64);
}

struct Teller {
    bus: Bus,
    tasks: Tasks,
}

impl Teller {
    async fn tell(self, mut waiting: Receiver<Post>) {
        let draining = self.tasks.draining();
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                _ = waiting.recv_many(&mut batch, BATCH) => {}
                () = draining.cancelled() => break,
            }
            if batch.is_empty() {
                return;
            }
            let _ = tokio::time::timeout(FILLING, draining.cancelled()).await;
            fill(&mut batch, &mut waiting);
            self.publish(batch).await;
        }
        let mut rest = Vec::new();
        fill(&mut rest, &mut waiting);
        let last = tokio::time::timeout(LAST, self.bus.publish(rest.clone()));
        let told = matches!(last.await, Ok(Ok(_)));
        let left = waiting.len() + if told { 0 } else { rest.len() };
        if left > 0 {
            lost(left);
            tracing::warn!("{left} uses of tokens were not told before the end");
        }
    }

    /// Publishes a batch, waiting for the bus until the process ends.
    async fn publish(&self, batch: Vec<Post>) {
        let draining = self.tasks.draining();
        let mut pause = PAUSES.0;
        loop {
            match self.bus.publish(batch.clone()).await {
                Ok(outcomes) => return lost(outcomes.iter().filter(|it| it.is_err()).count()),
                Err(_) if draining.is_cancelled() => return lost(batch.len()),
                Err(error) => tracing::warn!("uses of tokens wait for the bus: {error}"),
            }
            let _ = tokio::time::timeout(pause, draining.cancelled()).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

fn fill(batch: &mut Vec<Post>, waiting: &mut Receiver<Post>) {
    while batch.len() < BATCH {
        match waiting.try_recv() {
            Ok(post) => batch.push(post),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use axum::response::IntoResponse as _;
    use runtime::Kind;

    use super::*;

    #[test]
    fn an_outcome_says_the_status_and_why() {
        let refused = Problem::new(Kind::Denied, "SCOPE", "no").into_response();
        assert_eq!(outcome(403, &refused), "403 SCOPE");
        assert_eq!(outcome(200, &Response::new(Body::empty())), "200");
    }

    #[test]
    fn a_target_has_no_query_and_a_bound() {
        let long = "/d".repeat(2000);
        for (uri, path) in [("/a/b?token=x", "/a/b"), (&long, &long[..MAX_PATH])] {
            let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            assert_eq!(Shown::of(&request).target, format!("GET {path}"));
        }
    }

    #[test]
    fn a_use_has_an_id_and_says_from_where_within_bounds() {
        let address = SocketAddr::from(([192, 0, 2, 7], 4711));
        let mut request = Request::builder()
            .header("user-agent", "\u{e4}".repeat(200))
            .body(Body::empty())
            .unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
        let shown = Shown::of(&request);
        let id = shown.id.to_string();
        let used = shown.used(None, (Face::Own, &Response::new(Body::empty())));
        assert_eq!((used.use_id, used.ip.as_str()), (id, "192.0.2.7"));
        assert_eq!(used.user_agent, "\u{e4}".repeat(128));
        assert_eq!(used.http_status, 200);
    }

    #[tokio::test]
    async fn a_full_queue_holds_nobody_up() {
        let (sender, mut waiting) = mpsc::channel(1);
        let access = Access(Some(sender));
        let request = Request::new(Body::empty());
        for _ in 0..3 {
            let answer = Response::new(Body::empty());
            access.note(Shown::of(&request), None, (Face::Own, &answer));
        }
        assert!(waiting.try_recv().is_ok());
        assert!(
            waiting.try_recv().is_err(),
            "the rest is lost and not waited for"
        );
    }
}
