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
/// How often in a row a call may fail by a fault of `pipeline`'s own, which repeats may not cure.
const FAULTS: u32 = 10;

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unanswered {
    /// What it is about isn't known.
    Unknown,
    /// It is at fault itself.
    Declined,
    /// `pipeline` is, [`FAULTS`] times in a row.
    Faulty,
}

/// Begins an attempt. Fails with what to say if `pipeline` fails at it again and again.
pub(super) async fn begin(kit: &Kit, key: &Key) -> Result<BeginAttemptResponse, String> {
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
    match begun.await {
        Ok(begun) => Ok(begun),
        Err((Unanswered::Unknown, _)) => Ok(BeginAttemptResponse {
            verdict: Verdict::Over.into(),
            ..BeginAttemptResponse::default()
        }),
        Err((Unanswered::Declined | Unanswered::Faulty, why)) => {
            Err(format!("it could not begin: {why}"))
        }
    }
}

/// Reports what became of steps. Nothing comes of it if that can never be reported.
pub(super) async fn report(kit: Arc<Kit>, request: ReportRequest) -> Option<ReportResponse> {
    let answer = until_answered(&kit, || {
        let mut pipeline = kit.pipeline.clone();
        let request = request.clone();
        async move { pipeline.report(request).await }
    });
    answer.await.ok()
}

/// Makes a call while the lease lives, until it is answered or can't be.
async fn until_answered<T, C>(kit: &Kit, call: impl Fn() -> C) -> Result<T, (Unanswered, String)>
where
    C: Future<Output = Result<Response<T>, Status>>,
{
    let mut pause = PAUSES.0;
    let mut faults = 0;
    loop {
        kit.lease.live().await;
        let status = match call().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        let why = status.message();
        if let Some(unanswered) = given_up(Kind::of_code(status.code()), &mut faults) {
            tracing::error!("pipeline can't answer: {why}");
            return Err((unanswered, why.to_owned()));
        }
        tracing::warn!("pipeline doesn't answer and is asked again: {why}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Whether a call that failed like this is not made again, after so many faults in a row.
fn given_up(kind: Kind, faults: &mut u32) -> Option<Unanswered> {
    match kind {
        Kind::NotFound => return Some(Unanswered::Unknown),
        Kind::Invalid | Kind::Conflict | Kind::Exists => return Some(Unanswered::Declined),
        Kind::Internal => *faults += 1,
        Kind::Unauthenticated | Kind::Denied | Kind::Busy | Kind::Unavailable | Kind::Late => {
            *faults = 0;
        }
    }
    (*faults >= FAULTS).then_some(Unanswered::Faulty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_stays_is_given_up_and_an_outage_is_not() {
        let after = |kinds: &[Kind]| {
            let mut faults = 0;
            let mut ends = kinds.iter().map(|kind| given_up(*kind, &mut faults));
            ends.find_map(|end| end)
        };
        assert_eq!(after(&[Kind::Internal; 10]), Some(Unanswered::Faulty));
        assert_eq!(after(&[Kind::Internal; 9]), None);
        let flickering = [[Kind::Internal; 9].as_slice(), &[Kind::Unavailable]].concat();
        assert_eq!(after(&flickering.repeat(3)), None);
        assert_eq!(after(&[Kind::Unavailable; 1000]), None);
        assert_eq!(after(&[Kind::Invalid]), Some(Unanswered::Declined));
        assert_eq!(after(&[Kind::NotFound]), Some(Unanswered::Unknown));
    }
}
