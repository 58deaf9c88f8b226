//! Follows a run's log as server-sent events.
//!
//! A follower is one task between the audit log's stream and the client's connection. A slow client
//! holds up its own task only; the audit log may drop such a stream, which is then taken up again
//! after the last entry that was sent. While the log is away the client hears heartbeats. It ends
//! with the run, with its client, or with the process, after which the client goes on elsewhere.
//!
//! **Invariant:** every entry is sent once and in order, however often the stream behind breaks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use contracts::audit::{QueryActivityRequest, QueryActivityResponse};
use contracts::pipeline::{GetRunRequest, Run};
use futures::StreamExt as _;
use runtime::Kind;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::logs::LogEntry;
use super::pipeline_ref;
use super::words::{EndCause, RunState};
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

/// Pieces that wait for a slow client.
const QUEUE: usize = 8;
/// Entries of one piece, at most.
const BATCH: u32 = 1000;
/// The pause before a broken stream is taken up again.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The client has gone.
struct Gone;

/// How a stream of the audit log ended.
enum Broken {
    /// There is nothing more to say.
    Complete,
    /// It may be taken up again.
    Off(Status),
}

/// What the event `end` says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct End {
    run_count: i64,
    state: Option<RunState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "endCause")]
    cause: Option<EndCause>,
}

struct Follower {
    gateway: Arc<Gateway>,
    who: Who,
    run: Run,
    asked: QueryActivityRequest,
    client: mpsc::Sender<Bytes>,
    _permit: OwnedSemaphorePermit,
}

/// Answers with a stream of events. Fails if the log can't be followed from where it was asked.
pub(super) async fn followed(
    gateway: Arc<Gateway>,
    who: Who,
    run: Run,
    mut asked: QueryActivityRequest,
) -> Result<Response, Problem> {
    let permit = gateway.followers.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            Kind::Unavailable,
            "OVERLOADED",
            "too many logs are being followed: try later",
        )
    })?;
    asked.limit = BATCH;
    let stream = gateway
        .peers
        .audit_log()
        .tail_activity(asked.clone())
        .await?
        .into_inner();
    let (client, pieces) = mpsc::channel(QUEUE);
    let tasks = gateway.tasks.clone();
    let follower = Follower {
        gateway,
        who,
        run,
        asked,
        client,
        _permit: permit,
    };
    tasks.spawn(follower.follow(stream));
    let pieces = ReceiverStream::new(pieces).map(Ok::<_, Infallible>);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        // Buffering proxies would hold events back.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

impl Follower {
    async fn follow(mut self, stream: Streaming<QueryActivityResponse>) {
        let (client, draining) = (self.client.clone(), self.gateway.tasks.draining().clone());
        tokio::select! {
            () = draining.cancelled() => {}
            () = client.closed() => {}
            _ = self.tell(stream) => {}
        }
    }

    async fn tell(&mut self, stream: Streaming<QueryActivityResponse>) -> Result<(), Gone> {
        self.send(Bytes::from_static(b": following\nretry: 1000\n\n"))
            .await?;
        let mut broken = self.relay(stream).await?;
        let mut pause = PAUSE;
        loop {
            let status = match broken {
                Broken::Complete => return self.end().await,
                Broken::Off(status) => status,
            };
            if !may_pass(&status) {
                tracing::warn!(run.id = self.run.id, "a log can't be followed on: {status}");
                return Ok(());
            }
            self.rest(pause).await?;
            let before = self.asked.after.clone();
            broken = match self.tail().await {
                Ok(stream) => self.relay(stream).await?,
                Err(status) => Broken::Off(status),
            };
            let has_moved = before != self.asked.after;
            pause = if has_moved {
                PAUSE
            } else {
                (pause * 2).min(LONGEST_PAUSE)
            };
        }
    }

    #[allow(clippy::result_large_err, reason = "once per broken stream")]
    async fn tail(&self) -> Result<Streaming<QueryActivityResponse>, Status> {
        let mut audit_log = self.gateway.peers.audit_log();
        audit_log
            .tail_activity(self.asked.clone())
            .await
            .map(tonic::Response::into_inner)
    }

    /// Sends what the stream says until it ends.
    async fn relay(
        &mut self,
        mut stream: Streaming<QueryActivityResponse>,
    ) -> Result<Broken, Gone> {
        loop {
            let heard = tokio::time::timeout(self.gateway.heartbeat(), stream.message()).await;
            let said = match heard {
                Err(_) => {
                    self.beat().await?;
                    continue;
                }
                Ok(Ok(Some(said))) => said,
                Ok(Ok(None)) => return Ok(Broken::Off(Status::unavailable("the stream ended"))),
                Ok(Err(status)) => return Ok(Broken::Off(status)),
            };
            let is_complete = said.complete;
            self.pass_on(said).await?;
            if is_complete {
                return Ok(Broken::Complete);
            }
        }
    }

    async fn pass_on(&mut self, said: QueryActivityResponse) -> Result<(), Gone> {
        let mut piece = BytesMut::new();
        for entry in said.entries.into_iter().filter_map(LogEntry::of) {
            piece.put_slice(b"id: ");
            piece.put_slice(entry.cursor().as_bytes());
            put_data(&mut piece, &entry);
            entry.cursor().clone_into(&mut self.asked.after);
        }
        if !said.next.is_empty() {
            self.asked.after = said.next;
        }
        if piece.is_empty() {
            Ok(())
        } else {
            self.send(piece.freeze()).await
        }
    }

    /// Tells how the run ended. If that can't be found out the stream just breaks off, and the
    /// client's next try will tell.
    async fn end(&self) -> Result<(), Gone> {
        let request = GetRunRequest {
            caller: Some(self.who.caller()),
            pipeline: Some(pipeline_ref(self.run.pipeline_id.clone())),
            run_count: self.run.run_count,
            ..Default::default()
        };
        let Ok(run) = self.gateway.peers.pipelines().get_run(request).await else {
            return Ok(());
        };
        let run = run.into_inner();
        let end = End {
            run_count: run.run_count,
            state: RunState::of(run.state),
            cause: EndCause::of(run.end_cause),
        };
        let mut piece = BytesMut::from(&b"event: end"[..]);
        put_data(&mut piece, &end);
        self.send(piece.freeze()).await
    }

    /// Waits, but not silently.
    async fn rest(&self, pause: Duration) -> Result<(), Gone> {
        self.beat().await?;
        tokio::time::sleep(pause).await;
        Ok(())
    }

    async fn beat(&self) -> Result<(), Gone> {
        self.send(Bytes::from_static(b":\n\n")).await
    }

    async fn send(&self, piece: Bytes) -> Result<(), Gone> {
        self.client.send(piece).await.map_err(|_| Gone)
    }
}

/// Ends the line before, and the event with this as its data. JSON has no line breaks of its own.
fn put_data(piece: &mut BytesMut, data: &impl Serialize) {
    piece.put_slice(b"\ndata: ");
    let written = serde_json::to_writer(piece.writer(), data);
    debug_assert!(written.is_ok(), "plain data always becomes JSON");
    piece.put_slice(b"\n\n");
}

/// Whether a stream that broke off with this may be taken up again. A follower that was too slow
/// is told to go on where it was.
fn may_pass(status: &Status) -> bool {
    let kind = Kind::of_code(status.code());
    status.code() != Code::Unimplemented
        && matches!(
            kind,
            Kind::Unavailable | Kind::Late | Kind::Busy | Kind::Internal
        )
}
