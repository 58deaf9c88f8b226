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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::client::args;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    const AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

    /// The event that the next request of a follower says it has seen.
    async fn request(listener: &TcpListener) -> (TcpStream, Option<String>) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = None;
        let mut lines = BufReader::new(&mut stream).lines();
        while let Some(line) = lines.next_line().await.unwrap().filter(|it| !it.is_empty()) {
            let id = line.strip_prefix("last-event-id: ");
            seen = id.map(str::to_owned).or(seen);
        }
        (stream, seen)
    }

    async fn answer(listener: &TcpListener, text: &str) -> Option<String> {
        let (mut stream, seen) = request(listener).await;
        stream.write_all(text.as_bytes()).await.unwrap();
        seen
    }

    #[tokio::test]
    async fn a_follower_goes_on_after_the_last_entry_it_has_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = Http::new(&args::Connection {
            server: Some(listener.local_addr().unwrap().to_string()),
            token: Some("t".into()),
            data_dir: ".".into(),
            output: args::Output::Table,
        })
        .unwrap();
        let server = async {
            let one = format!("{HEAD}id: 1\ndata: {{\"n\":1}}\n\nid: 2\ndata: {{\"n\":");
            let rest = format!("{HEAD}id: 2\ndata: {{\"n\":2}}\n\nevent: end\ndata: {{}}\n\n");
            [
                answer(&listener, &one).await,
                answer(&listener, AWAY).await,
                answer(&listener, &rest).await,
            ]
        };
        let follow = async {
            let mut follower = Follower::new(&http, "/logs".into());
            let mut entries = Vec::new();
            while let Some(entry) = follower.next().await.unwrap() {
                entries.push(entry["n"].as_i64());
            }
            entries
        };
        let (seen, entries) = tokio::join!(server, follow);
        assert_eq!(entries, [Some(1), Some(2)]);
        assert_eq!(seen.map(Option::unwrap_or_default), ["", "1", "1"]);
    }
}
