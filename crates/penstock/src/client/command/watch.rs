//! The command that starts a run, and watches it if told so.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::log::Followed;
use super::{Desk, log, runs};
use crate::client::api;
use crate::client::args;
use crate::client::error::Error;
use crate::client::flags::quoted;
use crate::client::http::{self, Body, Http, Pauses};
use crate::client::screen::Screen;

/// The exit code when the run failed.
const FAILED: u8 = 1;
/// The exit code when the run was stopped.
const CANCELLED: u8 = 3;
/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;
/// How often a start is sent when it is unknown whether it arrived.
const TRIES: u32 = 5;

/// Starts a run.
pub(super) async fn run(desk: &mut Desk, said: args::Run) -> Result<ExitCode, Error> {
    let Desk {
        http,
        screen,
        flags,
    } = desk;
    if !said.follow {
        let answer = start(http, &said).await?;
        accepted(screen, &said.name, &answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    // The first Ctrl-C waits for the answer, to be able to say which run goes on.
    let starting = start(http, &said);
    tokio::pin!(starting);
    let (answer, is_interrupted) = tokio::select! {
        answer = &mut starting => (answer?, false),
        () = interrupt() => tokio::select! {
            answer = starting => (answer?, true),
            () = interrupt() => return Ok(ExitCode::from(INTERRUPTED)),
        },
    };
    let started: api::Run = api::parse(&answer)?;
    if is_interrupted {
        return detach(&said.name, started.count, flags);
    }
    let followed = Followed {
        name: &said.name,
        run_count: started.count,
        flags,
    };
    tokio::select! {
        code = watch(http, screen, &followed) => code,
        () = interrupt() => detach(&said.name, started.count, flags),
    }
}

/// Goes on where a run ended.
pub(super) async fn resume(desk: &mut Desk, said: args::OneRun) -> Result<(), Error> {
    let path = api::run(&said.name, said.run) + "/resume";
    let answer = accept(&desk.http, &path, &Body::default().once(minted_key())).await?;
    accepted(&mut desk.screen, &said.name, &answer)
}

/// Starts the run once: the key makes it harmless to ask again when an answer was lost.
async fn start(http: &Http, said: &args::Run) -> Result<Value, Error> {
    let parameters: BTreeMap<_, _> = said.parameters.iter().cloned().collect();
    let key = said.idempotency_key.clone().unwrap_or_else(minted_key);
    let body = Body::json(&json!({"parameters": parameters}))?.once(key);
    accept(http, &api::runs(&said.name), &body).await
}

async fn accept(http: &Http, path: &str, body: &Body) -> Result<Value, Error> {
    let mut pauses = Pauses::default();
    let mut tries = 1;
    loop {
        match http.ask(Method::POST, path, body).await {
            Err(Error::Unreachable { sent: true, .. }) if tries < TRIES => {
                tries += 1;
                pauses.pause().await;
            }
            Err(Error::Refused(problem)) if problem.is_away() && tries < TRIES => {
                tries += 1;
                pauses.pause().await;
            }
            outcome => return outcome,
        }
    }
}

fn minted_key() -> String {
    format!("penstock-run-{:032x}", rand::random::<u128>())
}

fn accepted(screen: &mut Screen, name: &str, answer: &Value) -> Result<(), Error> {
    if screen.is_for_programs() {
        return Ok(screen.json(answer)?);
    }
    let run: api::Run = api::parse(answer)?;
    let place = match run.queue_position {
        None | Some(0) => String::new(),
        Some(position) => format!(", {}", runs::behind(position)),
    };
    let what = if run.repeated {
        "was accepted before, under this key"
    } else {
        "accepted"
    };
    screen.line(&format!("run {} of {name} {what}{place}", run.count))?;
    Ok(screen.flush()?)
}

/// Prints what the run says until it ends, and answers the code of its end.
async fn watch(
    http: &Http,
    screen: &mut Screen,
    followed: &Followed<'_>,
) -> Result<ExitCode, Error> {
    let Followed {
        name, run_count, ..
    } = *followed;
    log::follow(http, screen, followed, None).await?;
    let answer = ended(http, name, run_count).await?;
    let run: api::Run = api::parse(&answer)?;
    if screen.is_for_programs() {
        screen.json_line(&answer)?;
    } else {
        let line = runs::headline(screen, name, &run, Timestamp::now());
        screen.line(&line)?;
    }
    screen.flush()?;
    Ok(match run.state.as_str() {
        "succeeded" | "warned" => ExitCode::SUCCESS,
        "cancelled" => ExitCode::from(CANCELLED),
        _ => ExitCode::from(FAILED),
    })
}

/// The run as it ended. Its log may end a little before it does.
async fn ended(http: &Http, name: &str, run_count: i64) -> Result<Value, Error> {
    let path = api::run(name, Some(run_count));
    let mut pauses = Pauses::default();
    loop {
        let answer = http::patiently(async || http.get(&path).await).await?;
        let run: api::Run = api::parse(&answer)?;
        if run.is_ended() || !pauses.pause().await {
            return Ok(answer);
        }
    }
}

/// Waits for Ctrl-C; for ever where that can't be heard.
async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn detach(name: &str, run_count: i64, flags: &str) -> Result<ExitCode, Error> {
    std::io::stderr().write_all(hint(name, run_count, flags).as_bytes())?;
    Ok(ExitCode::from(INTERRUPTED))
}

fn hint(name: &str, run_count: i64, flags: &str) -> String {
    let pipeline = quoted(name);
    format!(
        "\nrun {run_count} of {name} goes on without you\n  \
         stop it:   penstock stop {pipeline} --run {run_count}{flags}\n  \
         watch it:  penstock logs {pipeline} --run {run_count} --follow{flags}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_reaches_the_same_server() {
        let hint = hint("my pipeline", 3, " --data-dir d");
        assert!(
            hint.contains("penstock stop 'my pipeline' --run 3 --data-dir d\n"),
            "{hint}"
        );
        assert!(hint.contains("--follow --data-dir d\n"), "{hint}");
    }
}
