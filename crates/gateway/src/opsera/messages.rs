//! The exact texts of `/api/v1`. Scripts compare them: change none.

pub(super) const FORBIDDEN: &str = "Forbidden";
pub(super) const RESET: &str = "The pipeline run status has been reset.";
pub(super) const STOPPED: &str = "The pipeline has been stopped.";

pub(super) const DEMO: &str = "The token is good. Nothing was triggered.";

pub(super) fn created(pipeline: &str) -> String {
    format!("Pipeline {pipeline} has been created.")
}
pub(super) const APPROVED: &str = "The pending step has been approved.";
pub(super) const DENIED: &str = "The pending step has been denied.";

pub(super) fn submitted(pipeline_id: &str) -> String {
    format!("Run pipeline request submitted successfully for ({pipeline_id})")
}

/// With the two spaces that the contract has.
pub(super) fn paused(pipeline_id: &str) -> String {
    format!(
        "Pipeline {pipeline_id} is currently in a paused state.  Will not start another job until \
         this pending status is resolved."
    )
}

pub(super) fn locked(pipeline_id: &str) -> String {
    format!("Pipeline {pipeline_id} is locked. Unlock it before running it.")
}

pub(super) fn nothing_to_run(pipeline_id: &str) -> String {
    format!("Pipeline {pipeline_id} has no enabled step.  Enable one before running it.")
}

pub(super) fn not_resumed(pipeline_id: &str, why: &str) -> String {
    format!("Pipeline {pipeline_id} can not be resumed: {why}.")
}

pub(super) fn refused(pipeline_id: &str, why: &str) -> String {
    format!("Pipeline {pipeline_id} can not be run: {why}.")
}

pub(super) fn undecided(pipeline_id: &str, approve: bool, why: &str) -> String {
    let deed = if approve { "approved" } else { "denied" };
    format!("Pipeline {pipeline_id} can not be {deed}: {why}.")
}

pub(super) fn running(pipeline_id: &str) -> String {
    format!("Pipeline {pipeline_id} is currently running.  Stop the pipeline before resetting it.")
}

pub(super) fn unknown_run(pipeline: &str, run_count: Option<i64>) -> String {
    match run_count {
        Some(run_count) => format!("Pipeline: {pipeline}'s Run {run_count} is unknown."),
        None => format!("Pipeline: {pipeline} has no runs."),
    }
}

/// Where a run is, in the words of the status route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Queued,
    Running,
    Paused,
    Stopped,
    Failed,
    Success,
}

impl Status {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Success => "success",
        }
    }

    pub(super) fn message(self, pipeline: &str, run_count: i64) -> String {
        let end = match self {
            Self::Queued => "is queued",
            Self::Running => "is currently running",
            Self::Paused => "is paused pending user response",
            Self::Stopped => "was stopped",
            Self::Failed => "has failed",
            Self::Success => "was successful",
        };
        format!("Pipeline: {pipeline}'s Run {run_count} {end}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_contracts() {
        assert_eq!(
            paused("5fd56d90979ee048ee660624"),
            "Pipeline 5fd56d90979ee048ee660624 is currently in a paused state.  Will not start \
             another job until this pending status is resolved."
        );
        assert_eq!(
            Status::Success.message("Blank Template", 3),
            "Pipeline: Blank Template's Run 3 was successful."
        );
    }
}
