//! A step that is an HTTP request: sent, followed, and judged by the answer's status.
//!
//! **Invariants:** a request that carries secrets is not redirected to another host, and none to
//! anything but HTTP, nor from HTTPS to plain HTTP, nor to an address that is denied
//! ([`mod@deny`]). Of an answer only the beginning is logged, and a bounded part is saved.

use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contracts::message::Stream;
use contracts::pipeline::Outcome;
use reqwest::header::CONTENT_LENGTH;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use steps::kinds::{Body, Request};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

use super::deny::{self, Denied, Deny};
use super::{Ending, StepTry, Told};
use crate::Error;
use crate::log::{Lines, StepLog};

/// What is logged of an answer's body, in bytes.
const LOGGED: usize = 64 * 1024;
/// What is saved of an answer's body, in bytes; one that is longer fails the step.
const LARGEST_SAVED: u64 = 1 << 30;
const CONNECT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 10;
pub(super) const TRACEPARENT: &str = "traceparent";

/// The clients of an executor.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    /// Follows redirects wherever they lead on the web.
    open: Client,
    /// Follows them on the same host only.
    strict: Client,
    /// Follows none.
    pub(super) bare: Client,
    /// Where none of them goes.
    pub(super) deny: Deny,
}

impl Clients {
    pub(crate) fn new(deny: &[deny::Block]) -> Result<Self, Error> {
        let deny = Deny::of(deny);
        let client = |policy| {
            runtime::tls::client()
                .dns_resolver(deny.clone())
                .user_agent(concat!("penstock/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .redirect(policy)
                .build()
                .map_err(|error| Error::Http(runtime::fault::chain(&error)))
        };
        let following = |is_strict| {
            let deny = deny.clone();
            Policy::custom(move |attempt| redirected(attempt, is_strict, &deny))
        };
        Ok(Self {
            open: client(following(false))?,
            strict: client(following(true))?,
            bare: client(Policy::none())?,
            deny,
        })
    }
}

fn redirected(attempt: Attempt<'_>, is_strict: bool, deny: &Deny) -> reqwest::redirect::Action {
    let Some(from) = attempt.previous().last() else {
        return attempt.stop();
    };
    let to = attempt.url();
    let is_downgrade = from.scheme() == "https" && to.scheme() != "https";
    if attempt.previous().len() > REDIRECTS {
        attempt.error("it redirects too often")
    } else if !matches!(to.scheme(), "http" | "https") || is_downgrade {
        attempt.error("it redirects to another scheme")
    } else if is_strict && from.host() != to.host() {
        attempt.error("it redirects to another host, which must not get the secrets")
    } else if let Err(denied) = deny.check(to) {
        attempt.error(denied)
    } else {
        attempt.follow()
    }
}

/// Sends a request and takes in the answer.
pub(super) async fn carry_out(
    step: &StepTry,
    request: Request,
    timeout_ms: u64,
    log: &StepLog,
    mut told: watch::Receiver<Told>,
) -> Ending {
    let timeout_at = Instant::now() + Duration::from_millis(timeout_ms);
    step.started("http");
    tokio::select! {
        biased;
        // Nobody left who could tell is as good as a stop.
        _ = told.wait_for(|told| *told > Told::Nothing) => Ending::cancelled(),
        () = step.kit.lease.lapsed() => Ending { is_cut: true, ..Ending::cancelled() },
        () = tokio::time::sleep_until(timeout_at) => Ending::timed_out(timeout_ms),
        ending = exchange(step, request, log) => ending.unwrap_or_else(Ending::failed),
    }
}

async fn exchange(step: &StepTry, request: Request, log: &StepLog) -> Result<Ending, String> {
    let answer = sent(step, &request).await?;
    let status = answer.status();
    log.say(format!("{} {}: {status}", request.method, request.url));
    let is_expected = request.expect.accepts(status.as_u16());
    match &request.save_to {
        Some(path) if is_expected => save(answer, step.workspace.path(), path).await?,
        _ => show(answer, log).await,
    }
    if is_expected {
        Ok(Ending {
            outcome: Outcome::Succeeded,
            ..Ending::default()
        })
    } else {
        Err(format!(
            "the answer's status is {status}, which is not among the expected"
        ))
    }
}

async fn sent(step: &StepTry, request: &Request) -> Result<Response, String> {
    let clients = &step.kit.http;
    let client = if step.secrets.is_empty() {
        &clients.open
    } else {
        &clients.strict
    };
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|it| it.to_string())?;
    let url = Url::parse(&request.url).map_err(|it| it.to_string())?;
    clients.deny.check(&url).map_err(|it| it.to_string())?;
    let mut builder = client.request(method, url);
    let says_its_own = request
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(TRACEPARENT));
    let traceparent = step.traceparent().filter(|_| !says_its_own);
    if let Some(traceparent) = traceparent {
        builder = builder.header(TRACEPARENT, traceparent);
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let builder = with_body(builder, &request.body, step.workspace.path()).await?;
    builder.send().await.map_err(told)
}

/// Why a request failed, without its address: that may be long, and is known.
fn told(error: reqwest::Error) -> String {
    match Denied::cause_of(&error) {
        Some(denied) => denied.to_string(),
        None => runtime::fault::chain(&error.without_url()),
    }
}

async fn with_body(
    builder: RequestBuilder,
    body: &Body,
    workspace: &Path,
) -> Result<RequestBuilder, String> {
    match body {
        Body::None => Ok(builder),
        Body::Text(text) => Ok(builder.body(text.clone())),
        Body::File(path) => {
            let wrong = |error: io::Error| format!("bodyFile {path}: {error}");
            let file = inside(workspace, path).map_err(wrong)?;
            let file = tokio::fs::File::open(file).await.map_err(wrong)?;
            let length = file.metadata().await.map_err(wrong)?.len();
            Ok(builder.header(CONTENT_LENGTH, length).body(file))
        }
    }
}

/// Writes an answer's body to a file of the workspace.
async fn save(mut answer: Response, workspace: &Path, path: &str) -> Result<(), String> {
    let wrong = |error: io::Error| format!("saveTo {path}: {error}");
    let name = Path::new(path).file_name().ok_or("saveTo names no file")?;
    let parent = Path::new(path).parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(workspace.join(parent)).map_err(wrong)?;
    let file = inside(workspace, parent).map_err(wrong)?.join(name);
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits();
    let file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(no_follow.cast_signed())
        .open(file)
        .map_err(wrong)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut saved = 0;
    while let Some(chunk) = next(&mut answer).await? {
        saved += chunk.len() as u64;
        if saved > LARGEST_SAVED {
            return Err(format!(
                "saveTo {path}: the answer has more than {LARGEST_SAVED} bytes"
            ));
        }
        file.write_all(&chunk).await.map_err(wrong)?;
    }
    file.flush().await.map_err(wrong)
}

/// Logs the beginning of an answer's body.
async fn show(mut answer: Response, log: &StepLog) {
    let mut lines = Lines::of(Stream::Stdout);
    let mut left = LOGGED;
    while left > 0
        && let Ok(Some(chunk)) = next(&mut answer).await
    {
        let mut shown = &chunk[..chunk.len().min(left)];
        left -= shown.len();
        while !shown.is_empty() {
            log.write(lines.take(&mut shown, &log.mask(), LOGGED)).await;
        }
    }
    log.write(lines.finish(&log.mask()).into_iter().collect())
        .await;
    if left == 0 {
        log.say("the answer's body is logged up to here; saveTo saves all of it");
    }
}

async fn next(answer: &mut Response) -> Result<Option<bytes::Bytes>, String> {
    let chunk = answer.chunk().await;
    chunk.map_err(|error| runtime::fault::chain(&error.without_url()))
}

/// A path of the workspace, if no link leads out of it.
fn inside(workspace: &Path, path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let real = workspace.join(path).canonicalize()?;
    if real.starts_with(workspace.canonicalize()?) {
        Ok(real)
    } else {
        Err(io::Error::other("it leads out of the workspace"))
    }
}
