//! Forms as clients send them.

use harness::Answer;
use reqwest::{Method, RequestBuilder};

use crate::uv::{MASTER, Uv};

const BOUNDARY: &str = "------------------------d74496d66958873e";
/// What installers say before curl says its own.
const FAKE: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";

/// A form that is being filled in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    body: Vec<u8>,
    is_doubled: bool,
}

impl Form {
    /// A form of one file, in the part `file`.
    pub(crate) fn of(file_name: &str, content: &[u8]) -> Self {
        Self::default().part(&format!("name=\"file\"; filename=\"{file_name}\""), content)
    }

    /// The same with a text.
    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), value.as_bytes())
    }

    fn part(mut self, disposition: &str, content: &[u8]) -> Self {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        self.body.extend(head.as_bytes());
        self.body.extend(content);
        self.body.extend(b"\r\n");
        self
    }

    /// With the header of those who name a boundary before curl does.
    pub(crate) fn doubled(self) -> Self {
        Self {
            is_doubled: true,
            ..self
        }
    }

    fn on(self, request: RequestBuilder) -> RequestBuilder {
        let fake = format!("boundary={FAKE}; ");
        let fake = if self.is_doubled { &fake } else { "" };
        let kind = format!("multipart/form-data; {fake}boundary={BOUNDARY}");
        let end = format!("--{BOUNDARY}--\r\n");
        let body = [self.body.as_slice(), end.as_bytes()].concat();
        request.header("content-type", kind).body(body)
    }

    /// Sends it as the master account.
    pub(crate) async fn send(self, uv: Uv<'_>, path: &str) -> Answer {
        self.send_by(MASTER, uv, path).await
    }

    /// Sends it as somebody.
    pub(crate) async fn send_by(self, by: (&str, &str), uv: Uv<'_>, path: &str) -> Answer {
        uv.send(self.on(uv.request_by(by, Method::POST, path)))
            .await
    }
}
