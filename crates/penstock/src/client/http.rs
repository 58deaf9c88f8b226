//! Asks the server: one request, one answer, and errors that say what to change.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::args;
use super::connection::Connection;
use super::error::Error;
use super::problem::Problem;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a server that restarts is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Asks one server.
#[derive(Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    connection: Connection,
}

/// What is sent beside method and path.
#[derive(Debug, Default)]
pub(crate) struct Body {
    text: Option<(&'static str, Vec<u8>)>,
    idempotency_key: Option<String>,
}

impl Body {
    /// JSON.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, Error> {
        let text = serde_json::to_vec(value).map_err(std::io::Error::from)?;
        Ok(Self::text("application/json", text))
    }

    /// A text of this media type.
    pub(crate) fn text(media_type: &'static str, text: Vec<u8>) -> Self {
        Self {
            text: Some((media_type, text)),
            idempotency_key: None,
        }
    }

    /// The same, to be obeyed once however often it arrives.
    pub(crate) fn once(self, key: String) -> Self {
        Self {
            idempotency_key: Some(key),
            ..self
        }
    }
}

impl Http {
    /// Asks where `connection` says.
    pub(crate) fn new(connection: &args::Connection) -> Result<Self, Error> {
        let client = runtime::tls::client()
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("penstock/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Usage(runtime::fault::chain(&error)))?;
        Ok(Self {
            client,
            connection: Connection::new(connection),
        })
    }

    /// Reads what is at `path`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Error> {
        self.ask(Method::GET, path, &Body::default()).await
    }

    /// Asks, and reads the answer; null when it is empty.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Body,
    ) -> Result<Value, Error> {
        Ok(self.answer(method, path, body).await?.1)
    }

    /// The same, with which success it was.
    pub(crate) async fn answer(
        &self,
        method: Method,
        path: &str,
        body: &Body,
    ) -> Result<(StatusCode, Value), Error> {
        let request = self.request(method, path, body)?.timeout(LIMIT);
        let response = self.send(request).await?;
        let server = self.connection.server()?;
        let status = response.status();
        let bytes = read(response, &server).await?;
        if bytes.is_empty() {
            return Ok((status, Value::Null));
        }
        let value = serde_json::from_slice(&bytes).map_err(|error| Error::Nonsense {
            server,
            why: error.to_string(),
        })?;
        Ok((status, value))
    }

    /// Asks for what never ends. The answer is a success and has not been read.
    pub(crate) async fn stream(
        &self,
        path: &str,
        last_event: Option<&str>,
    ) -> Result<Response, Error> {
        let mut request = self
            .request(Method::GET, path, &Body::default())?
            .header(reqwest::header::ACCEPT, "text/event-stream");
        if let Some(id) = last_event {
            request = request.header("last-event-id", id);
        }
        self.send(request).await
    }

    /// Asks for what may be long. The answer is a success and has not been read.
    pub(crate) async fn download(&self, path: &str) -> Result<Response, Error> {
        let request = self.request(Method::GET, path, &Body::default())?;
        self.send(request).await
    }

    fn request(&self, method: Method, path: &str, body: &Body) -> Result<RequestBuilder, Error> {
        let url = format!("{}{path}", self.connection.server()?);
        let token = self.connection.token()?;
        let bearer = format!("Bearer {}", token.expose());
        let mut bearer = HeaderValue::from_str(&bearer)
            .map_err(|_| Error::Usage("the token has characters that no token has".into()))?;
        bearer.set_sensitive(true);
        let mut request = self
            .client
            .request(method, url)
            .header(reqwest::header::AUTHORIZATION, bearer);
        if let Some((media_type, text)) = &body.text {
            request = request
                .header(reqwest::header::CONTENT_TYPE, *media_type)
                .body(text.clone());
        }
        if let Some(key) = &body.idempotency_key {
            let name = HeaderName::from_static("idempotency-key");
            request = request.header(name, key);
        }
        Ok(request)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let server = self.connection.server()?;
        let response = request
            .send()
            .await
            .map_err(|error| unreachable(&server, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = read(response, &server).await?;
        let problem = Problem::read(status.as_u16(), &body);
        Err(Error::Refused(Box::new(problem)))
    }
}

async fn read(mut response: Response, server: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreachable(server, &error))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_MAX_BYTES {
            return Err(Error::Nonsense {
                server: server.to_owned(),
                why: format!("longer than {ANSWER_MAX_BYTES} bytes"),
            });
        }
    }
    Ok(bytes)
}

fn unreachable(server: &str, error: &reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::Usage(format!(
            "--server \"{server}\" is not an address: write http://host:port"
        ));
    }
    // The innermost cause says it best: "Connection refused".
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Error::Unreachable {
        server: server.to_owned(),
        why: cause.to_string(),
        sent: !error.is_connect(),
    }
}

/// Asks again, for up to [`PATIENCE`], while the server is away.
pub(crate) async fn patiently<T>(
    mut ask: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut pauses = Pauses::default();
    loop {
        match ask().await {
            Err(error) if error.is_away() && pauses.pause().await => {}
            outcome => return outcome,
        }
    }
}

/// Growing pauses between tries to reach a server that is away.
#[derive(Debug)]
pub(crate) struct Pauses {
    since: Instant,
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            next: Duration::from_millis(50),
        }
    }
}

impl Pauses {
    /// Pauses and answers true, or false at once when patience is at its end.
    pub(crate) async fn pause(&mut self) -> bool {
        if self.since.elapsed() + self.next > PATIENCE {
            return false;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(Duration::from_secs(1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_server_that_is_away_is_waited_for() {
        let mut tries = 0;
        let outcome = patiently::<()>(async || {
            tries += 1;
            match tries {
                1 => Err(Error::NoServer("x".into())),
                2 => Err(Error::Refused(Box::new(Problem::read(503, b"")))),
                _ => Err(Error::Refused(Box::new(Problem::read(404, b"")))),
            }
        });
        assert!(matches!(outcome.await, Err(Error::Refused(_))));
        assert_eq!(tries, 3);
    }
}
