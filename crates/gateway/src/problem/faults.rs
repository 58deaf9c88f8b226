//! The faults of a definition or of parameters, as a peer told them.
//!
//! They come as field violations of the status, or, with the reason `FAULTS`, one a line of its
//! message: `line 4, column 9: steps[0].run: is empty`.

use std::fmt;

use serde::Serialize;
use tonic::Status;
use tonic_types::StatusExt as _;
use utoipa::ToSchema;

/// The reason of a status whose message is a list of faults.
const REASON: &str = "FAULTS";

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// The path of the value, such as `steps[2].needs[0]`; empty for the whole.
    place: String,
    /// From 1; absent when the value has no text of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// From 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    /// What is wrong and what to change.
    message: String,
}

impl Fault {
    /// Reads `line 4, column 9: place: message`, of which only the message must be there.
    fn of_line(text: &str) -> Self {
        let (position, rest) = position(text).unwrap_or((None, text));
        let (place, message) = match rest.split_once(": ") {
            Some((place, message)) if is_place(place) => (place, message),
            _ => ("", rest),
        };
        Self::new(position, place, message)
    }

    fn new(position: Option<(u32, u32)>, place: &str, message: &str) -> Self {
        Self {
            place: place.to_owned(),
            line: position.map(|it| it.0),
            column: position.map(|it| it.1),
            message: message.to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(out, "line {line}, column {column}: ")?;
        }
        if !self.place.is_empty() {
            write!(out, "{}: ", self.place)?;
        }
        out.write_str(&self.message)
    }
}

/// Every fault that a status tells.
pub(super) fn of(status: &Status, reason: Option<&str>) -> Vec<Fault> {
    if let Some(details) = status.get_details_bad_request() {
        let faults = details.field_violations.iter();
        return faults
            .map(|violation| {
                let text = violation.description.as_str();
                let (position, message) = position(text).unwrap_or((None, text));
                Fault::new(position, &violation.field, message)
            })
            .collect();
    }
    if reason == Some(REASON) {
        return status.message().lines().map(Fault::of_line).collect();
    }
    Vec::new()
}

/// The position that `text` begins with, and the rest.
fn position(text: &str) -> Option<(Option<(u32, u32)>, &str)> {
    let (line, rest) = text.strip_prefix("line ")?.split_once(", column ")?;
    let (column, rest) = rest.split_once(": ")?;
    Some((Some((line.parse().ok()?, column.parse().ok()?)), rest))
}

fn is_place(text: &str) -> bool {
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
    starts_well && !text.contains([' ', '"'])
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn faults_come_out_of_a_message() {
        let status = Status::invalid_argument(
            "line 4, column 9: steps[0].run: is empty\nname: is too long\nis no mapping: write one",
        );
        let expected = [
            Fault::new(Some((4, 9)), "steps[0].run", "is empty"),
            Fault::new(None, "name", "is too long"),
            Fault::new(None, "", "is no mapping: write one"),
        ];
        assert_eq!(of(&status, Some(REASON)), expected);
        assert!(of(&status, Some("INVALID")).is_empty());
    }

    #[test]
    fn faults_come_out_of_violations() {
        let details =
            ErrorDetails::with_bad_request_violation("steps[0].run", "line 4, column 9: is empty");
        let status = Status::with_error_details(Code::InvalidArgument, "2 faults", details);
        let expected = [Fault::new(Some((4, 9)), "steps[0].run", "is empty")];
        assert_eq!(of(&status, None), expected);
    }
}
