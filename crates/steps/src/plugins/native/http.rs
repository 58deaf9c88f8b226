//! Requests, one after the other.
//!
//! **Invariants:** what comes back is streamed to where it is bounded. A name and a password go to the host that they
//! are for and nowhere else, and messages have neither them nor a query.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::CONTENT_LENGTH;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use tokio::runtime::Runtime;
use url::Url;

use super::Failure;

const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 10;

/// How requests are sent.
#[derive(Debug)]
pub(super) struct Web {
    client: Client,
    runtime: Runtime,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: &'a str,
    /// Name and password.
    pub(super) user: Option<(&'a str, &'a str)>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Body {
    Nothing,
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl<'a> Ask<'a> {
    /// A plain GET.
    pub(super) fn get(url: &'a str) -> Self {
        Self {
            method: Method::GET,
            url,
            user: None,
            headers: Vec::new(),
            body: Body::Nothing,
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer<'w> {
    web: &'w Web,
    what: String,
    response: Response,
}

impl Web {
    /// Requests that wait at most so long for a server to say something more.
    pub(super) fn new(patience: Duration, ignores_certificates: bool) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Ok(Self {
            client: client(patience, ignores_certificates)?,
            runtime: runtime.map_err(Failure::at("the HTTP client"))?,
        })
    }

    /// Asks, and answers once the server has begun to, whatever its status.
    pub(super) fn ask(&self, ask: Ask<'_>) -> Result<Answer<'_>, Failure> {
        let url = Url::parse(ask.url)
            .map_err(|error| Failure::Config(format!("{:?} is no address: {error}", ask.url)))?;
        let what = format!("{} {}", ask.method, shown(&url));
        let mut request = self.client.request(ask.method, url);
        if let Some((name, password)) = ask.user {
            request = request.basic_auth(name, Some(password));
        }
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let response = self.runtime.block_on(async {
            let request = match ask.body {
                Body::Nothing => request,
                Body::Bytes(bytes) => request.body(bytes),
                Body::File(path) => {
                    let file = tokio::fs::File::open(&path).await;
                    let file = file.map_err(Failure::at(what.as_str()))?;
                    let length = file
                        .metadata()
                        .await
                        .map_err(Failure::at(what.as_str()))?
                        .len();
                    request.header(CONTENT_LENGTH, length).body(file)
                }
            };
            request.send().await.map_err(|error| failed(&what, error))
        })?;
        Ok(Answer {
            web: self,
            what,
            response,
        })
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this process has no other client, and sees to the one TLS provider here"
)]
fn client(patience: Duration, ignores_certificates: bool) -> Result<Client, Failure> {
    // It fails only where one was provided before, and there is no other.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("penstock/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT.min(patience))
        .read_timeout(patience)
        .redirect(Policy::limited(REDIRECTS))
        .danger_accept_invalid_certs(ignores_certificates)
        .build()
        .map_err(|error| failed("the HTTP client", error))
}

fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Neither can fail on an address that has a host, and another has no such parts.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn failed(what: &str, error: reqwest::Error) -> Failure {
    let may_pass = !error.is_builder() && !error.is_redirect();
    let error = error.without_url();
    let mut text = format!("{what}: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    Failure::Remote {
        what: text,
        may_pass,
    }
}

impl Answer<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The same answer if it is a success.
    pub(super) fn success(self) -> Result<Self, Failure> {
        let status = self.response.status();
        if status.is_success() {
            return Ok(self);
        }
        let may_pass = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
            );
        Err(Failure::Remote {
            what: format!("{}: the answer is {status}", self.what),
            may_pass,
        })
    }

    /// Writes all that it holds.
    pub(super) fn copy_to(mut self, file: &mut impl Write) -> Result<(), Failure> {
        loop {
            let chunk = self.web.runtime.block_on(self.response.chunk());
            let Some(chunk) = chunk.map_err(|error| failed(&self.what, error))? else {
                return Ok(());
            };
            file.write_all(&chunk)
                .map_err(Failure::at(self.what.as_str()))?;
        }
    }
}
