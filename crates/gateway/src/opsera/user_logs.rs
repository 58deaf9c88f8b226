//! What users did and uses of tokens, the newest first, in the contract's envelope.
//!
//! A use is told of after its answer, so a call is in the answers of later calls.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use contracts::audit::{
    ListActionsRequest, ListTokenUsesRequest, RecordFilter, TokenUse, UserAction,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use runtime::clock;
use serde::Serialize;

use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;
use crate::time::Time;

/// The most records that an answer has.
const MAX_RECORDS: u32 = 1000;
/// How far back an answer goes that no day was asked of.
const WEEK_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// The envelope.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<T> {
    /// Of the records that are here.
    count: usize,
    data: Vec<T>,
}

/// What a user did. The contract's fields come first, in its order.
#[derive(Debug, Serialize)]
pub(crate) struct ActionRecord {
    #[serde(rename = "_id")]
    id: String,
    user_id: String,
    user_email: String,
    #[serde(rename = "type")]
    kind: String,
    action: String,
    target_id: String,
    account: String,
    #[serde(rename = "createdAt")]
    created_at: Time,
    #[serde(rename = "updatedAt")]
    updated_at: Time,
    #[serde(rename = "__v")]
    version: u32,
    target_name: String,
    user_name: String,
    token_id: String,
}

/// A use of a token. The contract's fields come first, in its order.
#[derive(Debug, Serialize)]
pub(crate) struct UseRecord {
    #[serde(rename = "_id")]
    id: String,
    token_id: String,
    scope: String,
    /// Without the prefix that all routes have.
    target: String,
    user_id: String,
    account: String,
    #[serde(rename = "createdAt")]
    created_at: Time,
    #[serde(rename = "updatedAt")]
    updated_at: Time,
    #[serde(rename = "__v")]
    version: u32,
    method: String,
    outcome: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ip: String,
    #[serde(rename = "userAgent", skip_serializing_if = "String::is_empty")]
    user_agent: String,
    /// Absent where it isn't known.
    #[serde(rename = "httpStatus", skip_serializing_if = "Option::is_none")]
    http_status: Option<u32>,
}

pub(crate) async fn actions(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<Listing<ActionRecord>>, Problem> {
    let asked = Asked::read(&uri);
    let Some(filter) = asked.filter(&who, clock::now_ms())? else {
        return Ok(Listing::none());
    };
    let request = ListActionsRequest {
        filter: Some(RecordFilter {
            r#type: asked.text("type"),
            ..filter
        }),
        with_changes: false,
    };
    let answer = gateway.peers.audit_log().list_actions(request).await?;
    Ok(Listing::of(answer.into_inner().actions))
}

pub(crate) async fn tokens(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<Listing<UseRecord>>, Problem> {
    let asked = Asked::read(&uri);
    let Some(filter) = asked.filter(&who, clock::now_ms())? else {
        return Ok(Listing::none());
    };
    let request = ListTokenUsesRequest {
        filter: Some(RecordFilter {
            scope: asked.text("scope"),
            ..filter
        }),
    };
    let answer = gateway.peers.audit_log().list_token_uses(request).await?;
    Ok(Listing::of(answer.into_inner().uses))
}

impl<T> Listing<T> {
    fn none() -> Json<Self> {
        let data = Vec::new();
        Json(Self { count: 0, data })
    }

    fn of(records: Vec<impl Into<T>>) -> Json<Self> {
        let data: Vec<T> = records.into_iter().map(Into::into).collect();
        let count = data.len();
        Json(Self { count, data })
    }
}

impl From<UserAction> for ActionRecord {
    fn from(told: UserAction) -> Self {
        let time = Time::at(told.at_ms);
        Self {
            id: told.id,
            user_id: told.user_id,
            user_email: told.user_email,
            kind: told.r#type,
            action: told.action,
            target_id: told.target_id,
            account: told.account,
            created_at: time,
            updated_at: time,
            version: 0,
            target_name: told.target_name,
            user_name: told.user_name,
            token_id: told.token_id,
        }
    }
}

impl From<TokenUse> for UseRecord {
    fn from(told: TokenUse) -> Self {
        let time = Time::at(told.at_ms);
        let (method, path) = told.target.split_once(' ').unwrap_or(("", &told.target));
        Self {
            target: path.strip_prefix("/api").unwrap_or(path).to_owned(),
            method: method.to_owned(),
            id: told.id,
            token_id: told.token_id,
            scope: told.scope,
            user_id: told.user_id,
            account: told.account,
            created_at: time,
            updated_at: time,
            version: 0,
            outcome: told.outcome,
            ip: told.ip,
            user_agent: told.user_agent,
            http_status: Some(told.http_status).filter(|it| *it > 0),
        }
    }
}

/// The query of a request; what is unknown is passed over, what comes twice counts the last time.
struct Asked(HashMap<String, String>);

impl Asked {
    fn read(uri: &Uri) -> Self {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let owned = |(name, value): (std::borrow::Cow<str>, std::borrow::Cow<str>)| {
            (name.into_owned(), value.trim().to_owned())
        };
        Self(pairs.map(owned).collect())
    }

    /// Empty if it isn't said.
    fn text(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// What both logs can be asked for; nothing if there can't be any such record.
    fn filter(&self, who: &Who, now_ms: i64) -> Result<Option<RecordFilter>, Problem> {
        let limit = self.count()?;
        let (from_ms, to_ms) = match self.day()? {
            // There are no records from before the first day of all.
            Some(day_ms) if day_ms < 0 => return Ok(None),
            Some(day_ms) => (day_ms.max(1), day_ms + DAY_MS),
            None => (now_ms - WEEK_MS, 0),
        };
        Ok(Some(RecordFilter {
            account: who.account(),
            from_ms,
            to_ms,
            limit,
            ..RecordFilter::default()
        }))
    }

    /// The first millisecond of the day that is asked for, UTC.
    fn day(&self) -> Result<Option<i64>, Problem> {
        let text = self.text("date");
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = || Problem::invalid("date is not a day: write YYYY-MM-DD");
        let is_written_so = text.len() == "YYYY-MM-DD".len();
        let day: Date = text
            .parse()
            .ok()
            .filter(|_| is_written_so)
            .ok_or_else(wrong)?;
        let day = day.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
        Ok(Some(day.timestamp().as_millisecond()))
    }

    /// How many records at most.
    fn count(&self) -> Result<u32, Problem> {
        let text = self.text("count");
        let digits = text.strip_prefix('-').unwrap_or(&text);
        match text.as_str() {
            "" => Ok(MAX_RECORDS),
            _ if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) => {
                Err(Problem::invalid("count is not a whole number"))
            }
            _ if digits.len() < text.len() => Ok(1),
            _ => Ok(digits.parse().unwrap_or(MAX_RECORDS).clamp(1, MAX_RECORDS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::read(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn a_count_clamps() {
        for (query, count) in [
            ("", 1000),
            ("count=", 1000),
            ("count=7", 7),
            ("count=0", 1),
            ("count=-3", 1),
            ("count=1001", 1000),
            ("count=99999999999999999999", 1000),
        ] {
            assert_eq!(asked(query).count().unwrap(), count, "{query}");
        }
        for query in ["count=x", "count=1.5", "count=-"] {
            assert!(asked(query).count().is_err(), "{query}");
        }
    }

    #[test]
    fn a_date_is_a_day_of_utc() {
        let day = |query: &str| asked(query).day();
        assert_eq!(day("date=2021-07-30").unwrap(), Some(1_627_603_200_000));
        assert_eq!(day("date=").unwrap(), None);
        for query in [
            "date=2021-02-30",
            "date=today",
            "date=20210730",
            "date=2021-7-30",
            "date=2021-07-30T00:00:00",
        ] {
            assert!(day(query).is_err(), "{query}");
        }
    }
}
