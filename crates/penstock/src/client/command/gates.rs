//! Commands about steps that wait for people: approve, reject.

use std::io::Write as _;

use reqwest::Method;
use serde_json::json;

use super::Desk;
use crate::client::api::{self, Run};
use crate::client::args::Decide;
use crate::client::error::Error;
use crate::client::flags::quoted;
use crate::client::http::{Body, Http};

/// Decides at a gate, and says what became of its run.
pub(super) async fn decide(desk: &mut Desk, said: Decide, approve: bool) -> Result<(), Error> {
    let body = Body::json(&json!({"message": said.message}))?;
    let path = api::decision(&said.name, said.run, said.step.as_deref(), approve);
    let answer = desk.http.ask(Method::POST, &path, &body).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let run: Run = api::parse(&answer)?;
    let deed = if approve { "approved" } else { "rejected" };
    let what = match run.state.as_str() {
        "waiting" => "waits for others".to_owned(),
        "queued" => "goes on".to_owned(),
        state => format!("is {state}"),
    };
    let line = format!("{deed}: run {} of {} {what}", run.count, said.name);
    desk.screen.line(&line)?;
    Ok(desk.screen.flush()?)
}

/// Tells who follows a run, on standard error, which steps wait for people and what lets them go
/// on. That this can't be found out is no reason to follow no further.
pub(super) async fn tell_open(
    http: &Http,
    name: &str,
    run_count: i64,
    flags: &str,
) -> Result<(), Error> {
    let Ok(answer) = http.get(&api::run(name, Some(run_count))).await else {
        return Ok(());
    };
    let run: Run = api::parse(&answer)?;
    let open = run
        .steps
        .iter()
        .filter(|it| it.is_gate() && it.state == "waiting");
    for step in open {
        let hint = hint(name, run_count, &step.id, flags);
        std::io::stderr().write_all(hint.as_bytes())?;
    }
    Ok(())
}

fn hint(name: &str, run_count: i64, step: &str, flags: &str) -> String {
    let (pipeline, step) = (quoted(name), quoted(step));
    format!(
        "step {step} waits for people\n  \
         approve it:  penstock approve {pipeline} --run {run_count} --step {step}{flags}\n  \
         reject it:   penstock reject {pipeline} --run {run_count} --step {step}{flags}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_step_and_reaches_the_same_server() {
        let hint = hint("my pipeline", 3, "go", " --data-dir d");
        assert!(
            hint.contains("penstock approve 'my pipeline' --run 3 --step go --data-dir d\n"),
            "{hint}"
        );
    }
}
