//! The rest of a body that nobody read: taken off its connection, or the connection is closed.
//!
//! A request may be refused without its body. What is left of that stands between this request and
//! the next one, and a client that has sent all of it takes the connection for good: it would use it
//! again just as it is closed. So a rest of known and bounded length is read after the answer and
//! thrown away; for any other the answer says that the connection closes. It is read from then too, for
//! as long, so that the client sees the answer before it sees the end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures::StreamExt as _;
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;

use crate::Tasks;

/// Bytes that are read for nobody so that their connection can be used again.
const MOST: u64 = 1024 * 1024;
/// Bytes that are read for nobody so that who sends them sees the answer before the end.
const DRAINED: u64 = 16 * MOST;
/// How long that may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Takes the rests of bodies off the connections to `router`.
pub(super) fn taken_off(router: Router, tasks: &Tasks) -> Router {
    router.layer(from_fn_with_state(tasks.clone(), without_rest))
}

async fn without_rest(State(tasks): State<Tasks>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let waits = request.headers().contains_key(header::EXPECT);
    let (giver, mut rest) = oneshot::channel();
    let request = request.map(|body| {
        let lent = Lent {
            body: Some(body),
            giver: Some(giver),
            is_begun: false,
        };
        Body::new(lent)
    });
    let mut answer = next.run(request).await;
    if let Ok(rest) = rest.try_recv() {
        // Who waits to be told to go on is not told, and knows from the answer not to send it.
        let comes = rest.is_begun || !waits;
        if !comes || rest.body.size_hint().upper().is_none_or(|it| it > MOST) {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        if comes {
            tasks.spawn(read(rest.body));
        }
    }
    answer
}

/// Reads a body for nobody, as far as is bearable.
async fn read(body: Body) {
    let mut left = DRAINED;
    let mut chunks = body.into_data_stream();
    let reads = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            match left.checked_sub(chunk.len() as u64) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(LIMIT, reads).await;
}

/// A body that comes back when it is dropped before its end.
struct Lent {
    /// Until it is dropped.
    body: Option<Body>,
    giver: Option<oneshot::Sender<Rest>>,
    is_begun: bool,
}

/// What came back.
struct Rest {
    body: Body,
    /// Some of it was read.
    is_begun: bool,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_begun = true;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) {
            // One of unknown length doesn't know by itself.
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let empty = || SizeHint::with_exact(0);
        self.body.as_ref().map_or_else(empty, Body::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let is_begun = self.is_begun;
        let rest = self.body.take().filter(|it| !it.is_end_stream());
        if let (Some(body), Some(giver)) = (rest, self.giver.take()) {
            // Nobody takes it when the connection has gone.
            let _ = giver.send(Rest { body, is_begun });
        }
    }
}

#[cfg(test)]
mod tests;
