//! What a request to an outside consumer is called: which try of which step of which run.
//!
//! **Invariant:** a name says all that is needed to find what it names, so there is no table of them.

use std::fmt;
use std::str::FromStr;

use contracts::id::is_object_id;

/// The name of a request: `<run id>/<step id>/<try>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId {
    /// 24 hex digits.
    pub(crate) run_id: String,
    /// The step's slug.
    pub(crate) step_id: String,
    /// From 1.
    pub(crate) of_try: u32,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            run_id,
            step_id,
            of_try,
        } = self;
        write!(f, "{run_id}/{step_id}/{of_try}")
    }
}

/// A text that names no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("requestId is none of a request: send that of the request back as it was")]
pub(crate) struct NoRequest;

impl FromStr for RequestId {
    type Err = NoRequest;

    fn from_str(text: &str) -> Result<Self, NoRequest> {
        let mut parts = text.split('/');
        let (Some(run_id), Some(step_id), Some(of_try), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoRequest);
        };
        let of_try = of_try.parse().ok().filter(|it| *it > 0);
        let is_step = (1..=steps::definition::MAX_ID).contains(&step_id.len())
            && step_id
                .bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        if !is_object_id(run_id) || !is_step {
            return Err(NoRequest);
        }
        Ok(Self {
            run_id: run_id.to_owned(),
            step_id: step_id.to_owned(),
            of_try: of_try.ok_or(NoRequest)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_other_texts_name_nothing() {
        let text = "5fd56d90979ee048ee660aaa/deploy-2/13";
        assert_eq!(text.parse::<RequestId>().unwrap().to_string(), text);
        for text in [
            "",
            "5fd56d90979ee048ee660aaa/deploy",
            "5fd56d90979ee048ee660aaa/deploy/0",
            "5fd56d90979ee048ee660aaa/deploy/-1",
            "5fd56d90979ee048ee660aaa/deploy/1/1",
            "5fd56d90979ee048ee660aaa//1",
            "5fd56d90979ee048ee660aaa/De ploy/1",
            "x/deploy/1",
        ] {
            assert_eq!(text.parse::<RequestId>(), Err(NoRequest), "{text}");
        }
    }
}
