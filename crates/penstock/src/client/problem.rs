//! Problem documents (RFC 9457), as a sentence and a list of faults with their places.

use std::fmt;

use serde::Deserialize;

/// A refusal that the server explained.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    detail: String,
    faults: Vec<Fault>,
    #[serde(rename = "requestId")]
    request_id: String,
}

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Fault {
    place: String,
    line: Option<u32>,
    column: Option<u32>,
    message: String,
}

impl Problem {
    /// Reads an answer that is no success. Anything but a problem document is quoted, shortened.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let mut problem: Self = serde_json::from_slice(body).unwrap_or_default();
        problem.status = status;
        if problem.title.is_empty() && problem.detail.is_empty() {
            let text = String::from_utf8_lossy(body);
            problem.detail = text.chars().take(500).collect();
        }
        problem
    }

    /// The command that lists what there is instead of what there is not.
    fn list(&self) -> Option<&'static str> {
        match self.kind.rsplit('/').next()? {
            "no-pipeline" => Some("list"),
            "no-executor" => Some("executors"),
            "no-user" => Some("user list"),
            "no-group" => Some("group list"),
            "unknown-token" => Some("token list"),
            _ => None,
        }
    }

    /// Whether the server, or what is behind it, is away for now.
    pub fn is_away(&self) -> bool {
        matches!(self.status, 502..=504)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match (self.detail.trim(), self.title.trim()) {
            ("", "") => "the server gave no reason",
            ("", title) => title,
            (detail, _) => detail,
        };
        write!(out, "{sentence}")?;
        if self.status == 401 {
            write!(out, " (see --token)")?;
        }
        if let Some(command) = self.list() {
            write!(out, " (`penstock {command}` shows all)")?;
        }
        for fault in &self.faults {
            let fault = fault.to_string();
            // A single fault may be the sentence itself.
            if fault != sentence {
                write!(out, "\n  {fault}")?;
            }
        }
        if self.status >= 500 && !self.request_id.is_empty() {
            write!(out, " (request {})", self.request_id)?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(out, "line {line}")?;
            if let Some(column) = self.column {
                write!(out, ", column {column}")?;
            }
            out.write_str(": ")?;
        }
        if !self.place.is_empty() {
            write!(out, "{}: ", self.place)?;
        }
        out.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_listed_with_their_places() {
        let body = r#"{"type":"x","title":"Bad Request","status":400,"detail":"the definition has faults",
            "faults":[{"place":"steps[1].needs[0]","line":7,"column":12,"message":"there is no step \"fech\""},
                      {"place":"","message":"no name"}]}"#;
        let said = Problem::read(400, body.as_bytes()).to_string();
        assert_eq!(
            said,
            "the definition has faults\n  line 7, column 12: steps[1].needs[0]: there is no step \
             \"fech\"\n  no name"
        );
    }

    #[test]
    fn what_is_unknown_comes_with_where_to_look() {
        let body = r#"{"type":"/problems/no-pipeline","detail":"there is no pipeline \"helo\""}"#;
        let said = Problem::read(404, body.as_bytes()).to_string();
        assert_eq!(
            said,
            "there is no pipeline \"helo\" (`penstock list` shows all)"
        );
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_quoted() {
        let said = Problem::read(502, b"<html>Bad Gateway</html>");
        assert!(said.is_away());
        assert_eq!(said.to_string(), "<html>Bad Gateway</html>");
        assert_eq!(
            Problem::read(500, b"").to_string(),
            "the server gave no reason"
        );
    }
}
