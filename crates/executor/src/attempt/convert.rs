//! What `pipeline` and the scheduler say, in this crate's own words.

use contracts::message::StopMode;
use contracts::pipeline::ReportResponse;

use super::state::{End, Stop};

/// A stop on the wire. One that isn't known is none.
pub(crate) fn stop(mode: i32) -> Stop {
    match StopMode::try_from(mode).unwrap_or_default() {
        StopMode::Unspecified => Stop::None,
        StopMode::Graceful => Stop::Graceful,
        StopMode::Cancel => Stop::Cancel,
        StopMode::Kill => Stop::Kill,
    }
}

/// Whether an answer ends the attempt, and how.
pub(super) fn end(answer: &ReportResponse) -> Option<End> {
    if answer.refused {
        Some(End::Refused)
    } else if answer.over {
        Some(End::Over {
            run_ended: answer.run_ended,
            workspace_kept: answer.workspace_kept,
        })
    } else {
        None
    }
}
