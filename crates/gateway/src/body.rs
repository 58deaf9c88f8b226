//! Bodies of requests, read up to the limit, and queries.

use std::sync::Arc;

use axum::extract::{FromRequest, Query, Request};
use axum::http::{StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use crate::Gateway;
use crate::problem::Problem;

/// The whole body of a request, and what it says it is.
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    /// In lowercase, without parameters; empty when the request doesn't say.
    pub(crate) media_type: String,
}

impl FromRequest<Arc<Gateway>> for Content {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let media_type = media_type(&request);
        let bytes = read(request, gateway.config.max_body_bytes).await?;
        Ok(Self { bytes, media_type })
    }
}

impl Content {
    /// Reads JSON, whatever the request calls it. An empty body is an empty object.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let bytes: &[u8] = if self.is_blank() { b"{}" } else { &self.bytes };
        // Deserialisers take a list for a struct whose fields come in their order.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(Problem::invalid("the body is a list: send an object"));
        }
        serde_json::from_slice(bytes)
            .map_err(|error| Problem::invalid(format!("the body can't be used: {error}")))
    }

    /// The same, and says nothing of what it found where something else was expected: it may be a
    /// password.
    pub(crate) fn private_json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.json().map_err(|problem| {
            let names_a_field = problem.detail().contains("unknown field")
                || problem.detail().contains("missing field");
            if names_a_field {
                return problem;
            }
            Problem::invalid("the body can't be used: a field in it is not of its kind")
        })
    }

    /// Reads text.
    pub(crate) fn text(self) -> Result<String, Problem> {
        String::from_utf8(self.bytes.into())
            .map_err(|_| Problem::invalid("the body is not UTF-8 text"))
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// A file as the body of a request, which may be longer than others. So many are held at a time;
/// further ones wait before they are read.
pub(crate) struct Upload {
    pub(crate) bytes: Bytes,
    /// As the request says it, with parameters.
    pub(crate) content_type: String,
    _place: OwnedSemaphorePermit,
}

impl FromRequest<Arc<Gateway>> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let place = gateway.uploads.clone().acquire_owned().await;
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|it| it.to_str().ok())
            .unwrap_or_default();
        Ok(Self {
            _place: place.map_err(|_| Problem::internal())?,
            content_type: content_type.to_owned(),
            bytes: read(request, gateway.config.max_upload_bytes).await?,
        })
    }
}

/// Reads the query of a request.
pub(crate) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    let read = Query::try_from_uri(uri).map(|Query(it)| it);
    read.map_err(|error| {
        Problem::invalid(format!("the query can't be used: {}", error.body_text()))
    })
}

async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let said = request.headers().get(header::CONTENT_LENGTH);
    let said = said.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    axum::body::to_bytes(request.into_body(), limit)
        .await
        .map_err(|error| {
            if is_length_limit(&error) {
                too_large(limit)
            } else {
                Problem::invalid("the body ended before its end: send it again")
            }
        })
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(it) = cause {
        if it.is::<LengthLimitError>() {
            return true;
        }
        cause = it.source();
    }
    false
}

fn too_large(limit: usize) -> Problem {
    Problem::with_status(
        StatusCode::PAYLOAD_TOO_LARGE,
        "BODY_TOO_LARGE",
        format!("the body is longer than {limit} bytes, the most that is read"),
    )
}

fn media_type(request: &Request) -> String {
    let said = request.headers().get(header::CONTENT_TYPE);
    let said = said.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}
