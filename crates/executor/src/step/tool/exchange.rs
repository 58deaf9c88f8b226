//! One request to a tool, and its answer.
//!
//! **Invariants:** what proves who sends a request goes to the tool's own origin only. A redirect is
//! followed for reading alone, elsewhere without anything of the request's, and never from HTTPS to
//! plain HTTP, nor to an address that is denied. Of an answer a bounded part is read, within a bounded time.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use runtime::clock;
use steps::connector::{Answer, Ask, Heard};

use crate::step::StepTry;
use crate::step::deny::Denied;
use crate::step::http::TRACEPARENT;

/// How long a request and its answer may take.
const LIMIT: Duration = Duration::from_mins(1);
const REDIRECTS: usize = 5;

/// Why there is no answer.
enum Fault {
    /// It would have gone where none may.
    Denied(Denied),
    /// It failed on the way.
    Lost(reqwest::Error),
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        match Denied::cause_of(&error) {
            Some(denied) => Self::Denied(denied),
            None => Self::Lost(error),
        }
    }
}

/// Sends a request. One that is denied is not worth sending again.
pub(super) async fn ask(step: &StepTry, ask: Ask) -> Result<Heard, Denied> {
    match tokio::time::timeout(LIMIT, exchange(step, &ask)).await {
        Ok(Ok(answer)) => Ok(Heard::Answered(answer)),
        Ok(Err(Fault::Denied(denied))) => Err(denied),
        Ok(Err(Fault::Lost(error))) => Ok(Heard::Unanswered {
            is_sent: !error.is_connect() && !error.is_builder(),
            // The address is known, and may be long.
            why: runtime::fault::chain(&error.without_url()),
        }),
        Err(_) => Ok(Heard::Unanswered {
            is_sent: true,
            why: "no answer within a minute".to_owned(),
        }),
    }
}

async fn exchange(step: &StepTry, ask: &Ask) -> Result<Answer, Fault> {
    let (client, deny) = (&step.kit.http.bare, &step.kit.http.deny);
    let method = match ask.method {
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        _ => Method::GET,
    };
    if let Ok(url) = Url::parse(&ask.url) {
        deny.check(&url).map_err(Fault::Denied)?;
    }
    let mut request = proven(client.request(method.clone(), &ask.url), ask);
    if let Some(body) = &ask.body {
        request = request.body(body.clone());
    }
    if let Some(traceparent) = step.traceparent() {
        request = request.header(TRACEPARENT, traceparent);
    }
    let mut response = request.send().await?;
    let own = response.url().origin();
    let mut hops = 0;
    while method == Method::GET
        && hops < REDIRECTS
        && let Some(next) = redirected(&response)
    {
        hops += 1;
        deny.check(&next).map_err(Fault::Denied)?;
        let is_own = next.origin() == own;
        let request = client.get(next);
        response = if is_own {
            proven(request, ask).send().await?
        } else {
            request.send().await?
        };
    }
    Ok(taken_in(response, ask.most).await?)
}

/// With what proves who sends it, and whatever else the connector says. What can be no header is left
/// out, which the tool will say.
fn proven(mut request: RequestBuilder, ask: &Ask) -> RequestBuilder {
    for (name, value) in &ask.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.trim().as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            request = request.header(name, value);
        }
    }
    request
}

/// Where an answer sends a reader, if that may be followed.
fn redirected(response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let from = response.url();
    let to = from
        .join(response.headers().get(LOCATION)?.to_str().ok()?)
        .ok()?;
    let is_downgrade = from.scheme() == "https" && to.scheme() != "https";
    (matches!(to.scheme(), "http" | "https") && !is_downgrade).then_some(to)
}

async fn taken_in(mut response: Response, most: usize) -> Result<Answer, reqwest::Error> {
    let headers = response.headers();
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: headers
            .get(RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, clock::now_ms())),
        headers: headers.iter().filter_map(text).collect(),
        ..Answer::default()
    };
    while let Some(chunk) = response.chunk().await? {
        let room = most - answer.body.len();
        answer
            .body
            .extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            answer.is_cut = true;
            break;
        }
    }
    Ok(answer)
}

/// How long to wait: seconds, or until a date of HTTP.
fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    let ms = date.timestamp().as_millisecond().saturating_sub(now_ms);
    Some(Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_says_when_to_ask_again() {
        let now_ms = 784_111_777_000;
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("soon", None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(text, now_ms), expected, "{text}");
        }
    }
}
