//! Starting a run once, whatever happens on the way.
//!
//! A start without a key is given one before its first try, so that it can be tried again while a
//! service is away without starting a second run.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::HeaderMap;
use contracts::pipeline::{Owner, PipelineRef, StartRunRequest, StartRunResponse};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

/// The longest idempotency key, in bytes.
const MAX_KEY_BYTES: usize = 255;
/// The pause before the second try; each further one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is to be started, and under which key.
#[derive(Debug, Default)]
pub(crate) struct Start {
    pub(crate) pipeline: String,
    pub(crate) parameters: HashMap<String, String>,
    /// The caller's, if there is one.
    pub(crate) key: Option<String>,
    /// Refuse it while a run of the pipeline waits for people.
    pub(crate) unless_paused: bool,
    /// Go on where this run ended, the latest for 0.
    pub(crate) resume: Option<i64>,
    pub(crate) wishes: Wishes,
}

/// What is special about a run.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Whose it is, where it is not the caller's.
    pub(crate) owner: Option<Owner>,
    /// Keep what its steps leave in the workspace.
    pub(crate) debugging: bool,
    /// Accept it though no step is enabled.
    pub(crate) allow_empty: bool,
    /// What one of its gates asks instead of what the definition says; nothing to a resumed one.
    pub(crate) ask: Ask,
}

/// What a gate of a run asks people.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    /// Which gate, the first one if it is empty.
    pub(crate) gate: String,
    /// Empty for what the definition says.
    pub(crate) message: String,
}

/// Starts a run, trying again with the same key while the service is away.
pub(crate) async fn run(
    gateway: &Gateway,
    who: &Who,
    start: Start,
) -> Result<StartRunResponse, Problem> {
    let request = start.request(who);
    let deadline = Instant::now() + Duration::from_millis(gateway.config.start_patience_ms);
    let mut pause = FIRST_PAUSE;
    loop {
        let answer = gateway.peers.pipelines().start_run(request.clone()).await;
        let problem = match answer {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) => Problem::from(status),
        };
        if !problem.is_passing() || Instant::now() + pause >= deadline {
            return Err(problem);
        }
        metrics::counter!("penstock_start_retries_total").increment(1);
        // Half of it is chance, so that many starts don't come back at the same moment.
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Start {
    fn request(self, who: &Who) -> StartRunRequest {
        let fingerprint = self.fingerprint();
        let owner = self.wishes.owner;
        let on_behalf_of = owner.as_ref().map(|it| it.actor.clone());
        let key_given = self.key.is_some();
        StartRunRequest {
            caller: Some(who.caller()),
            pipeline: Some(PipelineRef {
                text: self.pipeline,
            }),
            parameters: self.parameters,
            idempotency_key: self
                .key
                .unwrap_or_else(|| hex::encode(rand::random::<[u8; 16]>())),
            fingerprint,
            key_given,
            unless_paused: self.unless_paused,
            resume: self.resume,
            on_behalf_of: on_behalf_of.unwrap_or_default(),
            owner,
            debugging: self.wishes.debugging,
            allow_empty: self.wishes.allow_empty,
            gate_message: self.wishes.ask.message,
            gate: self.wishes.ask.gate,
        }
    }

    /// 24 hex digits that differ when what is asked for differs.
    fn fingerprint(&self) -> String {
        let mut pairs: Vec<_> = self.parameters.iter().collect();
        pairs.sort_unstable();
        let mut digest = Sha256::new();
        for text in [&self.pipeline]
            .into_iter()
            .chain(pairs.into_iter().flat_map(|(k, v)| [k, v]))
        {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text.as_bytes());
        }
        let ask = &self.wishes.ask;
        if !ask.message.is_empty() {
            digest.update(format!("{}\0{}", ask.gate, ask.message));
        }
        if let Some(run_count) = self.resume {
            digest.update(run_count.to_le_bytes());
        }
        hex::encode(&digest.finalize()[..12])
    }
}

/// The key that a request gives its start.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(said) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = said.to_str().unwrap_or_default();
    let is_key = (1..=MAX_KEY_BYTES).contains(&text.len());
    if !is_key {
        return Err(Problem::invalid(format!(
            "the header Idempotency-Key has 1 to {MAX_KEY_BYTES} visible ASCII characters"
        )));
    }
    Ok(Some(text.to_owned()))
}

/// A parameter's value as text: strings as they are, all else as its JSON.
pub(crate) fn parameters(
    given: serde_json::Map<String, Value>,
) -> Result<HashMap<String, String>, Problem> {
    let texts = given.into_iter().map(|(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Null => Err(Problem::invalid(format!(
            "parameters.{name}: null is no value; leave the parameter out for its default"
        ))),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Ok((name, other.to_string()))
        }
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(pipeline: &str, pairs: &[(&str, &str)]) -> Start {
        let parameters = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Start {
            pipeline: pipeline.into(),
            parameters,
            key: None,
            unless_paused: false,
            resume: None,
            ..Default::default()
        }
    }

    #[test]
    fn a_fingerprint_tells_requests_apart_and_nothing_else() {
        let fingerprint = start("p", &[("a", "1"), ("b", "2")]).fingerprint();
        assert_eq!(fingerprint.len(), 24);
        assert_eq!(
            start("p", &[("b", "2"), ("a", "1")]).fingerprint(),
            fingerprint
        );
        for other in [
            start("q", &[("a", "1"), ("b", "2")]),
            start("p", &[("a", "2"), ("b", "1")]),
            start("p", &[("a", "1b"), ("", "2")]),
            start("p", &[]),
        ] {
            assert_ne!(other.fingerprint(), fingerprint);
        }
    }

    #[test]
    fn parameters_become_text() {
        let given = serde_json::json!({"s": "x", "n": 3, "b": true, "l": [1]});
        let Value::Object(given) = given else {
            unreachable!()
        };
        let texts = parameters(given).unwrap();
        let expected = [("s", "x"), ("n", "3"), ("b", "true"), ("l", "[1]")];
        assert_eq!(
            texts,
            expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        );
    }
}
