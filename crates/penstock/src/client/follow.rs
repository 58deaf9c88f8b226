//! Follows a run's log until it ends, over lost connections and restarts of the server.
//!
//! **Invariant:** entries come in their order, none twice: each reconnect says the last one seen.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use super::error::Error;
use super::http::{Http, Pauses};
use super::sse::{Event, Reader};

/// A stream that is silent for longer is taken for lost; servers say something more often.
const SILENCE: Duration = Duration::from_mins(1);

/// Reads the entries of one run's log.
pub(crate) struct Follower<'a> {
    http: &'a Http,
    path: String,
    stream: Option<(Response, Reader)>,
    pauses: Pauses,
    seen: Option<String>,
    events: VecDeque<Event>,
}

impl<'a> Follower<'a> {
    /// Follows the log at `path` from its beginning.
    pub(crate) fn new(http: &'a Http, path: String) -> Self {
        Self {
            http,
            path,
            stream: None,
            pauses: Pauses::default(),
            seen: None,
            events: VecDeque::new(),
        }
    }

    /// Whether an entry is there without waiting.
    pub(crate) fn is_behind(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next entry; none when the log has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, Error> {
        loop {
            while let Some(event) = self.events.pop_front() {
                self.seen = event.id.or(self.seen.take());
                match event.name.as_str() {
                    "end" => return Ok(None),
                    "" | "message" | "entry" => match serde_json::from_str(&event.data) {
                        Ok(entry) => return Ok(Some(entry)),
                        Err(error) => return Err(nonsense(error)),
                    },
                    // "moved", say: the server asks us to come back.
                    _ => self.stream = None,
                }
            }
            self.read_on().await?;
        }
    }

    /// Reads some bytes, connecting first if need be. Losing the connection is no error.
    async fn read_on(&mut self) -> Result<(), Error> {
        let Some((response, reader)) = &mut self.stream else {
            return self.connect().await;
        };
        if let Ok(Ok(Some(bytes))) = tokio::time::timeout(SILENCE, response.chunk()).await {
            self.events.extend(reader.read(&bytes).map_err(nonsense)?);
        } else {
            self.stream = None;
            self.pauses = Pauses::default();
            self.pauses.pause().await;
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let connected = self.http.stream(&self.path, self.seen.as_deref()).await;
        match connected {
            Ok(response) => {
                self.stream = Some((response, Reader::default()));
                self.pauses = Pauses::default();
                Ok(())
            }
            Err(error) if error.is_away() && self.pauses.pause().await => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn nonsense(error: impl std::fmt::Display) -> Error {
    Error::Nonsense {
        server: "the server".into(),
        why: error.to_string(),
    }
}
