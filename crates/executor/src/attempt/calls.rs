//! Calls to `pipeline`, made until they are answered: both are harmless to repeat.
//!
//! An outage that is shorter than the lease costs nothing but time. One that is longer ends the
//! attempt, which drops these calls.

use std::future::Future;
use std::time::Duration;

use contracts::pipeline::begin_attempt_response::Verdict;
use contracts::pipeline::{
    BeginAttemptRequest, BeginAttemptResponse, ReportRequest, ReportResponse,
};
use runtime::Kind;
use tonic::{Response, Status};

use crate::kit::Kit;
use crate::shift::Key;
use std::sync::Arc;

/// The pauses between tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Begins an attempt.
pub(super) async fn begin(kit: &Kit, key: &Key) -> BeginAttemptResponse {
    let request = BeginAttemptRequest {
        run_id: key.run_id.clone(),
        attempt: key.attempt,
        executor: kit.name.clone(),
        boot: kit.boot,
    };
    let begun = until_answered(kit, || {
        let mut pipeline = kit.pipeline.clone();
        let request = request.clone();
        async move { pipeline.begin_attempt(request).await }
    });
    begun.await.unwrap_or_else(|| {
        let verdict = Verdict::Over.into();
        BeginAttemptResponse {
            verdict,
            ..BeginAttemptResponse::default()
        }
    })
}

/// Reports what became of steps. Nothing comes of it if that can never be reported.
pub(super) async fn report(kit: Arc<Kit>, request: ReportRequest) -> Option<ReportResponse> {
    let answer = until_answered(&kit, || {
        let mut pipeline = kit.pipeline.clone();
        let request = request.clone();
        async move { pipeline.report(request).await }
    });
    answer.await
}

/// Makes a call while the lease lives, until it is answered; nothing if it is at fault itself.
async fn until_answered<T, C>(kit: &Kit, call: impl Fn() -> C) -> Option<T>
where
    C: Future<Output = Result<Response<T>, Status>>,
{
    let mut pause = PAUSES.0;
    loop {
        kit.lease.live().await;
        let status = match call().await {
            Ok(answer) => return Some(answer.into_inner()),
            Err(status) => status,
        };
        match Kind::of_code(status.code()) {
            Kind::Invalid | Kind::NotFound | Kind::Conflict | Kind::Exists => {
                tracing::error!("pipeline declines: {}", status.message());
                return None;
            }
            Kind::Unauthenticated
            | Kind::Denied
            | Kind::Busy
            | Kind::Unavailable
            | Kind::Late
            | Kind::Internal => {
                tracing::warn!(
                    "pipeline doesn't answer and is asked again: {}",
                    status.message()
                );
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
