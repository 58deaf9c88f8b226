//! Who did what: user actions, uses of tokens, and the record chains for who verifies them.

mod views;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use contracts::audit::{
    ExportAuditRequest, ListActionsRequest, ListAuditKeysRequest, ListTokenUsesRequest,
    RecordFilter,
};
use futures::StreamExt as _;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use runtime::Kind;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{limit, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body;
use crate::problem::Problem;
use views::{ActionView, Actions, KeyView, Keys, UseView, Uses};

/// Which user actions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ActionQuery {
    /// Not before this time (RFC 3339), or this day (its beginning, UTC).
    from: String,
    /// Before this time, or this day.
    to: String,
    /// A user's id or e-mail address.
    user: String,
    /// The kind of object, for instance `pipeline`.
    r#type: String,
    /// The verb, for instance `run`.
    action: String,
    /// The object's id.
    target: String,
    /// How many at most, 1 to 1000; 100 unless said. A page may have fewer and still not be the last.
    limit: Option<u32>,
    /// Goes on where an earlier page ended: its `next`.
    cursor: String,
}

/// Which uses of tokens.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UseQuery {
    /// Not before this time (RFC 3339), or this day (its beginning, UTC).
    from: String,
    /// Before this time, or this day.
    to: String,
    /// A user's id.
    user: String,
    /// A token's id.
    token: String,
    /// The scope that opened the route.
    scope: String,
    /// The path, with or without `/api`.
    target: String,
    /// An outcome as records have it, or an HTTP status.
    outcome: String,
    /// How many at most, 1 to 1000; 100 unless said.
    limit: Option<u32>,
    /// Goes on where an earlier page ended: its `next`.
    cursor: String,
}

/// Which part of the record chains.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// Whose: one's own, unless this is to be refused.
    account: Option<String>,
    /// What was kept from this time (RFC 3339) or day on, widened to a checkpoint.
    from: String,
    /// What was kept before this time or day, widened to a checkpoint.
    to: String,
}

/// Lists what users did, the newest first.
#[utoipa::path(get, path = "/api/v2/audit/actions", operation_id = "listUserActions", tag = "audit",
    params(ActionQuery), responses((status = 200, body = Actions)))]
pub(crate) async fn actions(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<Actions>, Problem> {
    let query: ActionQuery = body::query(&uri)?;
    let filter = RecordFilter {
        account: who.account(),
        from_ms: time("from", &query.from)?,
        to_ms: time("to", &query.to)?,
        user: query.user,
        r#type: query.r#type,
        action: query.action,
        target: query.target,
        limit: limit(query.limit)?,
        cursor: query.cursor,
        ..RecordFilter::default()
    };
    let request = ListActionsRequest {
        filter: Some(filter),
        with_changes: true,
    };
    let answer = gateway.peers.audit_log().list_actions(request).await?;
    let answer = answer.into_inner();
    Ok(Json(Actions {
        actions: answer.actions.into_iter().map(ActionView::of).collect(),
        next: some(answer.next),
    }))
}

/// Lists uses of tokens, refused ones included, the newest first.
///
/// A use is told of after its answer: a call is in the answers of later calls.
#[utoipa::path(get, path = "/api/v2/audit/tokens", operation_id = "listTokenUses", tag = "audit",
    params(UseQuery), responses((status = 200, body = Uses)))]
pub(crate) async fn tokens(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<Uses>, Problem> {
    let query: UseQuery = body::query(&uri)?;
    let filter = RecordFilter {
        account: who.account(),
        from_ms: time("from", &query.from)?,
        to_ms: time("to", &query.to)?,
        user: query.user,
        token: query.token,
        scope: query.scope,
        target: query.target,
        outcome: query.outcome,
        limit: limit(query.limit)?,
        cursor: query.cursor,
        ..RecordFilter::default()
    };
    let request = ListTokenUsesRequest {
        filter: Some(filter),
    };
    let answer = gateway.peers.audit_log().list_token_uses(request).await?;
    let answer = answer.into_inner();
    Ok(Json(Uses {
        uses: answer.uses.into_iter().map(UseView::of).collect(),
        next: some(answer.next),
    }))
}

/// Exports the record chains of the account, for `penstock audit verify` or a verifier of one's own.
///
/// Each line is JSON. The last one is of kind `end`: without it the export was cut off.
#[utoipa::path(get, path = "/api/v2/audit/export", operation_id = "exportAudit", tag = "audit",
    params(ExportQuery), responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(crate) async fn export(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Response, Problem> {
    let query: ExportQuery = body::query(&uri)?;
    let permit = gateway.followers.clone().try_acquire_owned().map_err(|_| {
        let detail = "too many logs are being followed or exported: try later";
        Problem::new(Kind::Unavailable, "OVERLOADED", detail)
    })?;
    let request = ExportAuditRequest {
        account: account(&who, query.account)?,
        from_ms: time("from", &query.from)?,
        to_ms: time("to", &query.to)?,
    };
    let answer = gateway.peers.audit_log().export_audit(request).await?;
    let over = gateway.tasks.draining().clone().cancelled_owned();
    let lines = answer.into_inner().take_until(over).map(move |answer| {
        // It is one of those that are followed as long as there is something to tell.
        let _permit = &permit;
        answer.map(|it| it.lines)
    });
    let kind = HeaderValue::from_static("application/x-ndjson");
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(lines)).into_response())
}

/// Lists the public keys that sign record chains.
#[utoipa::path(get, path = "/api/v2/audit/keys", operation_id = "listAuditKeys", tag = "audit",
    responses((status = 200, body = Keys)))]
pub(crate) async fn keys(State(gateway): State<Arc<Gateway>>) -> Result<Json<Keys>, Problem> {
    let request = ListAuditKeysRequest {};
    let answer = gateway.peers.audit_log().list_audit_keys(request).await?;
    let keys = answer.into_inner().keys.into_iter().map(KeyView::of);
    Ok(Json(Keys {
        keys: keys.collect(),
    }))
}

/// Whose chains: nothing crosses an account.
fn account(who: &Who, asked: Option<String>) -> Result<String, Problem> {
    let own = who.account();
    if asked.is_none_or(|asked| asked == own) {
        return Ok(own);
    }
    let detail = format!("the records of other accounts than {own} are not yours to see");
    Err(Problem::new(Kind::Denied, "ACCOUNT", detail))
}

/// A time or the beginning of a day, in milliseconds; 0 if there is none.
fn time(name: &str, text: &str) -> Result<i64, Problem> {
    if text.is_empty() {
        return Ok(0);
    }
    let of_day = || {
        let day: Date = text.parse().ok()?;
        let day = day.to_zoned(TimeZone::UTC).ok()?;
        (text.len() == "YYYY-MM-DD".len()).then(|| day.timestamp())
    };
    let time = of_day().or_else(|| text.parse::<Timestamp>().ok());
    let ms = time.map(Timestamp::as_millisecond).filter(|it| *it >= 0);
    ms.ok_or_else(|| {
        let write = "write 2030-01-31T12:00:00Z, or a day as 2030-01-31";
        Problem::invalid(format!("{name}: \"{text}\" is no time after 1970: {write}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_the_beginning_of_a_day() {
        for (text, ms) in [
            ("", 0),
            ("1970-01-02", 86_400_000),
            ("1970-01-02T00:00:00.5Z", 86_400_500),
            ("1970-01-02T02:00:00+02:00", 86_400_000),
        ] {
            assert_eq!(time("from", text).unwrap(), ms, "{text}");
        }
        for text in ["x", "1969-12-31", "1970-01-02T00:00:00", "1970-13-01"] {
            assert!(time("from", text).is_err(), "{text}");
        }
    }
}
