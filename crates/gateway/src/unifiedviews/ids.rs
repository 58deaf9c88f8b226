//! Integer ids in paths, and what is told of those that are none or lead nowhere.

use super::fault::Fault;
use super::messages::Message;

/// The id of a pipeline in a path. What no pipeline can have is nobody's.
pub(super) fn pipeline(text: &str) -> Result<i64, Fault> {
    if !is_number(text) {
        let technical = format!("ID={text} is not valid pipeline ID");
        return Err(Fault::bad(Message::PipelineId(text.to_owned()), technical));
    }
    text.parse().map_err(|_| no_pipeline(text))
}

/// The id of an execution in a path.
pub(super) fn execution(text: &str) -> Result<i64, Fault> {
    if !is_number(text) {
        let technical = format!("ID={text} is not valid pipeline execution ID");
        return Err(Fault::bad(Message::ExecutionId(text.to_owned()), technical));
    }
    text.parse().map_err(|_| no_execution(text))
}

/// The id of a schedule in a path.
pub(super) fn schedule(text: &str) -> Result<i64, Fault> {
    if !is_number(text) {
        let technical = format!("ID={text} is not valid pipeline schedule ID");
        return Err(Fault::bad(Message::ScheduleId(text.to_owned()), technical));
    }
    text.parse().map_err(|_| no_schedule(text))
}

/// The same, of one that is to be deleted: it is worded otherwise.
pub(super) fn schedule_to_delete(text: &str) -> Result<i64, Fault> {
    if !is_number(text) {
        let technical = format!("ID={text} is not valid schedule ID");
        let message = Message::ScheduleIdToDelete(text.to_owned());
        return Err(Fault::bad(message, technical));
    }
    text.parse().map_err(|_| no_schedule(text))
}

/// There is no schedule with this id.
pub(super) fn no_schedule(id: &str) -> Fault {
    let technical = format!("Pipeline schedule with id={id} doesn't exist!");
    Fault::missing(Message::NoSchedule(id.to_owned()), technical)
}

/// There is no pipeline with this id.
pub(super) fn no_pipeline(id: &str) -> Fault {
    let technical = format!("Pipeline with id={id} doesn't exist!");
    Fault::missing(Message::NoPipeline(id.to_owned()), technical)
}

/// There is no execution with this id.
pub(super) fn no_execution(id: &str) -> Fault {
    let technical = format!("Pipeline execution with id={id} doesn't exist!");
    Fault::missing(Message::NoExecution(id.to_owned()), technical)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn an_id_is_digits_and_nothing_else() {
        assert_eq!(pipeline("33"), Ok(33));
        assert_eq!(pipeline("007"), Ok(7));
        for text in ["", "-1", "+1", "1.0", "abc", " 1", "1e3", "0x1"] {
            let refused = pipeline(text).unwrap_err();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{text}");
            assert_eq!(
                execution(text).unwrap_err().status(),
                StatusCode::BAD_REQUEST
            );
        }
        let beyond = "9".repeat(30);
        assert_eq!(
            pipeline(&beyond).unwrap_err().status(),
            StatusCode::NOT_FOUND
        );
    }
}
