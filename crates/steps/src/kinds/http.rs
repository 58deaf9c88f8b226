//! `http`: one HTTP request, whose answer's status decides the step.
//!
//! A value that expressions put into the path or query of the address is percent-encoded, so a parameter can't change
//! where a request goes unless the definition says so by naming it in the host.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::{Error, Kind};
use crate::cursor::Cursor;
use crate::expression::{self, Context};
use crate::reader::{Reading, Scope};

mod expect;
pub use expect::{Expect, StatusRange};

pub(super) const KEY: &str = "http";
pub(crate) const KEYS: [&str; 7] = [
    "method", "url", "headers", "body", "bodyFile", "expect", "saveTo",
];

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const MAX_URL: usize = 8 * 1024;
const MAX_HEADERS: usize = 100;
const MAX_HEADER: usize = 8 * 1024;
const MAX_BODY: usize = 1024 * 1024;
const MAX_PATH: usize = 1024;

/// A request as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// In capitals.
    pub method: String,
    /// A template; `http` or `https`.
    pub url: String,
    /// Templates by the header's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A file of the workspace that is sent as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_file: Option<String>,
    /// Which answers are a success.
    #[serde(default, skip_serializing_if = "Expect::is_default")]
    pub expect: Expect,
    /// A file of the workspace that takes the answer's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_to: Option<String>,
}

/// A request to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// A valid `http` or `https` address.
    pub url: String,
    /// Names and values; a value may be a secret.
    pub headers: Vec<(String, String)>,
    /// What to send; it may hold a secret.
    pub body: Body,
    /// Which answers are a success.
    pub expect: Expect,
    /// A path below the workspace that takes the answer's body.
    pub save_to: Option<String>,
}

/// The body of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing is sent.
    None,
    /// The text, in UTF-8.
    Text(String),
    /// The content of the file at this path below the workspace.
    File(String),
}

/// Headers and body may hold secrets: they are told by name and size only.
impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        out.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &headers)
            .field("body", &self.body)
            .field("expect", &self.expect)
            .field("save_to", &self.save_to)
            .finish()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("None"),
            Self::Text(text) => write!(out, "Text({} bytes)", text.len()),
            Self::File(path) => write!(out, "File({path:?})"),
        }
    }
}

impl Http {
    pub(super) fn request(&self, context: &Context<'_>) -> Result<Request, Error> {
        let url = expression::render_with(&self.url, context, encoded_past_the_host)
            .map_err(Error::in_place("http.url"))?;
        check_url(&url).map_err(Error::Url)?;
        let body = match (&self.body, &self.body_file) {
            (Some(body), _) => {
                Body::Text(expression::render(body, context).map_err(Error::in_place("http.body"))?)
            }
            (None, Some(path)) => Body::File(path.clone()),
            (None, None) => Body::None,
        };
        Ok(Request {
            method: self.method.clone(),
            url,
            headers: self.rendered_headers(context)?,
            body,
            expect: self.expect.clone(),
            save_to: self.save_to.clone(),
        })
    }

    fn rendered_headers(&self, context: &Context<'_>) -> Result<Vec<(String, String)>, Error> {
        let render = |(name, template): (&String, &String)| {
            let value = expression::render(template, context)
                .map_err(Error::in_place(format!("http.headers.{name}")))?;
            if is_header_value(&value) {
                Ok((name.clone(), value))
            } else {
                Err(Error::Header(name.clone()))
            }
        };
        self.headers.iter().map(render).collect()
    }
}

/// Percent-encodes a value unless it stands in the address before the end of the host.
fn encoded_past_the_host<'v>(before: &str, value: Cow<'v, str>) -> Cow<'v, str> {
    let is_past_host = before
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains(['/', '?', '#']));
    if !is_past_host {
        return value;
    }
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

fn check_url(text: &str) -> Result<(), String> {
    if text.len() > MAX_URL {
        return Err(format!("the address is longer than {MAX_URL} bytes"));
    }
    let url =
        Url::parse(text).map_err(|error| format!("this is no address of a web server: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the address must begin with http:// or https://".to_owned());
    }
    Ok(())
}

fn is_header_value(value: &str) -> bool {
    value.len() <= expression::MAX_RENDERED && !value.chars().any(|c| c.is_control() && c != '\t')
}

pub(super) fn read(
    reading: &mut Reading,
    at: &Cursor<'_>,
    secrets: &BTreeMap<String, String>,
) -> Option<Kind> {
    if !reading.fields(at, &KEYS) {
        return None;
    }
    let methods = METHODS.map(|method| (method, method));
    let method = reading
        .word(&at.key("method"), &methods)
        .unwrap_or("GET")
        .to_owned();
    let url = read_url(reading, &at.key("url"));
    let scope = Scope::WithSecrets(secrets);
    let headers = read_headers(reading, &at.key("headers"), &scope);
    let body = reading.template(&at.key("body"), MAX_BODY, &scope);
    let body_file = read_path(reading, &at.key("bodyFile"));
    if body.is_some() && body_file.is_some() {
        reading.fault(
            at.key("bodyFile")
                .fault("`body` is there already; remove one of them"),
        );
    }
    let expect = expect::read(reading, &at.key("expect"));
    let save_to = read_path(reading, &at.key("saveTo"));
    Some(Kind::Http(Http {
        method,
        url,
        headers,
        body,
        body_file,
        expect,
        save_to,
    }))
}

fn read_url(reading: &mut Reading, at: &Cursor<'_>) -> String {
    reading.require(at);
    let url = reading
        .template(at, MAX_URL, &Scope::Plain)
        .unwrap_or_default();
    if at.is_present()
        && !url.contains("${{")
        && let Err(message) = check_url(&url)
    {
        reading.fault(at.fault(message));
    }
    url
}

fn read_headers(
    reading: &mut Reading,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in reading.entries(at, MAX_HEADERS).unwrap_or_default() {
        if !is_header_name(name) {
            reading.fault(value.fault("this is no name of a header"));
        }
        if ["content-length", "transfer-encoding", "connection"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
        {
            reading.fault(value.fault("this header is set by Penstock; remove it"));
        }
        let text = reading
            .template(&value, MAX_HEADER, scope)
            .unwrap_or_default();
        if !is_header_value(&text) {
            reading
                .fault(value.fault("a header can't hold line breaks or other control characters"));
        }
        headers.insert(name.to_owned(), text);
    }
    headers
}

/// A name by RFC 9110, 1 to 256 bytes.
fn is_header_name(name: &str) -> bool {
    (1..=256).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A path that can't leave the workspace.
fn read_path(reading: &mut Reading, at: &Cursor<'_>) -> Option<String> {
    let path = reading.string(at, MAX_PATH)?;
    let stays_inside =
        !path.is_empty() && !path.starts_with('/') && path.split('/').all(|part| part != "..");
    if !stays_inside {
        reading.fault(
            at.fault("must be a path below the workspace, without a leading / and without .."),
        );
    }
    if expression::is_in(&path) {
        reading.fault(at.fault("expressions are not put into file names"));
    }
    Some(path)
}

pub(super) fn schema() -> Value {
    let path = |description: &str| json!({"type": "string", "description": description, "minLength": 1, "maxLength": MAX_PATH});
    json!({
        "description": "An HTTP request. Expressions may stand in `url`, `headers` and `body`; in the path and \
                        query of the address their values are percent-encoded.",
        "type": "object",
        "additionalProperties": false,
        "required": ["url"],
        "not": {"required": ["body", "bodyFile"]},
        "properties": {
            "method": {"enum": METHODS, "default": "GET"},
            "url": {"type": "string", "description": "http or https", "maxLength": MAX_URL},
            "headers": {
                "type": "object",
                "maxProperties": MAX_HEADERS,
                "additionalProperties": {"$ref": "#/$defs/text", "maxLength": MAX_HEADER},
            },
            "body": {"$ref": "#/$defs/text", "description": "What to send.", "maxLength": MAX_BODY},
            "bodyFile": path("A file of the workspace to send."),
            "expect": expect::schema(),
            "saveTo": path("A file of the workspace that takes the answer's body."),
        },
    })
}
