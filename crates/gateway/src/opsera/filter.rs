//! Which records of a log are asked for: up to where, of which step, with which status and text.
//! Pure.

use contracts::id::is_object_id;
use jiff::Timestamp;

use super::input::Input;
use super::record::Record;
use crate::problem::Problem;

/// What a record must be like. Empty texts ask for nothing.
#[derive(Debug, Default)]
pub(super) struct Filter {
    after: Option<After>,
    /// The step's id.
    step_id: String,
    status: String,
    /// In lowercase.
    search: String,
}

/// The newest record that is not asked for.
#[derive(Debug)]
enum After {
    Id(String),
    /// The one of this id, or all of this time.
    Time(i64, Option<String>),
}

impl Filter {
    pub(super) fn of(input: &Input) -> Result<Self, Problem> {
        Ok(Self {
            after: after(input.text("after"))?,
            step_id: input.text("stepId").trim().to_lowercase(),
            status: input.text("status").trim().to_lowercase(),
            search: input.text("search").to_lowercase(),
        })
    }

    /// Whether some records of the log are left out.
    pub(super) fn chooses(&self) -> bool {
        !(self.step_id.is_empty() && self.status.is_empty() && self.search.is_empty())
    }

    /// Whether this record and all older ones are not asked for.
    pub(super) fn ends_at(&self, record: &Record) -> bool {
        match &self.after {
            None => false,
            Some(After::Id(id)) => record.id() == id,
            Some(After::Time(ms, None)) => record.ms() <= *ms,
            Some(After::Time(ms, Some(id))) => (record.ms(), record.id()) <= (*ms, id),
        }
    }

    pub(super) fn takes(&self, record: &Record) -> bool {
        let is_asked = |asked: &str, is: &str| asked.is_empty() || asked == is;
        is_asked(&self.step_id, record.step_id())
            && is_asked(&self.status, record.status())
            && (self.search.is_empty() || record.says(&self.search))
    }
}

/// The cursor of the audit log for what a client says: nothing, a time, a record's id, or a cursor
/// from an earlier answer.
pub(super) fn before(said: &str) -> String {
    let said = said.trim();
    match said.parse::<Timestamp>() {
        Ok(time) => time.as_millisecond().max(0).to_string(),
        Err(_) => said.to_ascii_lowercase(),
    }
}

fn after(said: &str) -> Result<Option<After>, Problem> {
    let cursor = before(said);
    if cursor.is_empty() {
        return Ok(None);
    }
    if is_object_id(&cursor) {
        return Ok(Some(After::Id(cursor)));
    }
    let (time, id) = match cursor.split_once('-') {
        Some((time, id)) => (time, Some(id.to_owned())),
        None => (cursor.as_str(), None),
    };
    let wrong = || Problem::invalid("after must be a time, the _id of a record, or a cursor");
    let time = time.parse().map_err(|_| wrong())?;
    if id.as_ref().is_some_and(|id| !is_object_id(id)) {
        return Err(wrong());
    }
    Ok(Some(After::Time(time, id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_log_is_a_time_an_id_or_a_cursor() {
        let id = "5f5e1000660aaa0100000002";
        let cursor = format!("1600000000003-{id}");
        for (said, expected) in [
            ("", ""),
            ("2020-09-13T12:26:40.003Z", "1600000000003"),
            ("5F5E1000660AAA0100000002", id),
            (cursor.as_str(), cursor.as_str()),
        ] {
            assert_eq!(before(said), expected);
            assert!(after(said).is_ok(), "{said}");
        }
        for wrong in ["x", "5-x", "yesterday"] {
            assert!(after(wrong).is_err(), "{wrong}");
        }
    }
}
