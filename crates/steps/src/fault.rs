//! What is wrong with a definition or with given parameters, and where.
//!
//! A definition is read to its end: one answer names every fault it has.

use std::fmt;

use serde::Serialize;

/// How many faults one answer names; what is beyond is only said to exist.
pub const MAX_FAULTS: usize = 1000;

/// One thing that is wrong, and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The path of the value, such as `steps[2].needs[0]`; empty for the whole text.
    pub place: String,
    /// From 1; absent when the value has no text of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// From 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong and what to change.
    pub message: String,
}

impl Fault {
    /// A fault of a value that has a path but no text.
    pub fn at(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            line: None,
            column: None,
            message: message.into(),
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

/// Every fault that was found, in the order of the text; never empty as an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            fault.fmt(out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_listed_one_a_line() {
        let placed = Fault {
            line: Some(4),
            column: Some(9),
            ..Fault::at("steps[0].run", "is empty")
        };
        let faults = Faults(vec![placed, Fault::at("", "is too long")]);
        assert_eq!(
            faults.to_string(),
            "line 4, column 9: steps[0].run: is empty\nis too long"
        );
    }
}
