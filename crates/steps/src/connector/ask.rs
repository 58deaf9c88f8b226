//! A request to a tool, put together.
//!
//! **Invariants:** it goes to a path below the tool's address, as that was registered; what proves who sends it stands
//! in its headers, or in the body of a sign-in, and in nothing that is shown.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::Url;

use super::language::{Alternatives, Auth, Connector, Request};
use super::template::{self, Encode, Scope, as_text, encoded, text};

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// How long an address may be, in bytes.
const MAX_URL: usize = 8 * 1024;

/// A request to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// In capitals.
    pub method: &'static str,
    /// Below the tool's address.
    pub url: String,
    /// Names and values; a value may be a secret.
    pub headers: Vec<(String, String)>,
    /// It may hold a secret.
    pub body: Option<Vec<u8>>,
    /// How much of the answer is wanted, in bytes.
    pub most: usize,
    /// It may be carried out twice without harm; otherwise who sends it waits for its answer.
    pub is_repeatable: bool,
}

/// Headers and body may hold secrets.
impl fmt::Debug for Ask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ask")
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A tool as requests to it need it.
#[derive(Clone)]
pub(super) struct Access {
    base: String,
    /// What templates can name as `tool`.
    pub(super) settings: Value,
    /// What only `auth` can name.
    secrets: BTreeMap<String, String>,
    auth: Option<Auth>,
    /// What a sign-in brought.
    pub(super) token: Option<String>,
}

impl fmt::Debug for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Access")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// What a tool's configuration says, in the connector's words. `hidden` are the values that are secret.
    pub(super) fn of(
        connector: &Connector,
        configuration: &Value,
        hidden: &[String],
    ) -> Result<Self, String> {
        let (mut settings, mut secrets) = (Map::new(), BTreeMap::new());
        for (name, setting) in &connector.tool {
            let found = setting.from.iter().find_map(|key| configuration.get(key));
            let found = found
                .filter(|value| !value.is_null() && value.as_str() != Some(""))
                .cloned()
                .or_else(|| setting.default.clone().map(Value::from));
            let Some(value) = found else {
                if setting.required {
                    let known = setting.from.join(" or ");
                    return Err(format!("the tool's configuration has no {known}"));
                }
                continue;
            };
            let is_hidden = value
                .as_str()
                .is_some_and(|text| hidden.iter().any(|it| it == text));
            if setting.secret || is_hidden && name != "url" {
                secrets.insert(name.clone(), as_text(&value));
            } else {
                settings.insert(name.clone(), value);
            }
        }
        let base = settings.get("url").map(as_text).unwrap_or_default();
        let mut access = Self {
            base: address(&base)?,
            settings: Value::Object(settings),
            secrets,
            auth: None,
            token: None,
        };
        access.auth = connector
            .auth
            .iter()
            .find(|auth| access.has_all(auth))
            .cloned();
        Ok(access)
    }

    fn has_all(&self, auth: &Auth) -> bool {
        match auth {
            Auth::Basic(settings) => settings.iter().all(|name| self.setting(name).is_some()),
            Auth::Bearer(setting) | Auth::Header { setting, .. } => self.setting(setting).is_some(),
            Auth::Login { settings, .. } => {
                settings.iter().all(|name| self.setting(name).is_some())
            }
        }
    }

    fn setting(&self, name: &str) -> Option<String> {
        let secret = self.secrets.get(name).cloned();
        secret.or_else(|| self.settings.get(name).map(as_text))
    }

    /// The sign-in that is still due.
    pub(super) fn login(&self) -> Option<&Auth> {
        self.auth
            .as_ref()
            .filter(|auth| matches!(auth, Auth::Login { .. }) && self.token.is_none())
    }

    /// Whether a token can be got anew.
    pub(super) fn expire(&mut self) -> bool {
        self.token.take().is_some()
    }

    /// Every secret that this sends: for whoever has to mask them.
    pub(super) fn hidden(&self) -> impl Iterator<Item = &String> {
        self.secrets.values().chain(&self.token)
    }

    /// A sign-in.
    pub(super) fn sign_in(&self, request: &Request, run: &Value) -> Result<Ask, template::Error> {
        let mut named = Map::new();
        for (name, value) in &self.secrets {
            named.insert(name.clone(), Value::from(value.clone()));
        }
        if let Value::Object(settings) = &self.settings {
            named.extend(settings.clone());
        }
        let secret = Value::Object(named);
        let scope = Scope::default()
            .with("tool", &self.settings)
            .with("run", run)
            .with("secret", &secret);
        self.request(request, &scope, &BTreeMap::new())
    }

    /// The first of several requests whose values are all there; or why the last isn't.
    pub(super) fn first_of(
        &self,
        requests: &Alternatives,
        scope: &Scope<'_>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Ask, template::Error> {
        let mut why = template::Error::Missing("request".to_owned());
        for request in &requests.0 {
            match self.request(request, scope, headers) {
                Ok(ask) => return Ok(ask),
                Err(error @ template::Error::Missing(_)) => why = error,
                Err(error) => return Err(error),
            }
        }
        Err(why)
    }

    fn request(
        &self,
        request: &Request,
        scope: &Scope<'_>,
        common: &BTreeMap<String, String>,
    ) -> Result<Ask, template::Error> {
        let mut headers = Vec::new();
        for (name, value) in common.iter().chain(&request.headers) {
            let name = text(name, scope, Encode::No)?;
            if let (Some(name), Some(value)) = (name, text(value, scope, Encode::No)?) {
                headers.push((name, value));
            }
        }
        headers.extend(self.proof());
        let (body, content_type) = body(request, scope)?;
        let says_its_own = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let Some(content_type) = content_type.filter(|_| !says_its_own) {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        Ok(Ask {
            method: request.method.name(),
            url: self.url(request, scope)?,
            headers,
            body,
            most: MAX_ANSWER,
            is_repeatable: true,
        })
    }

    fn url(&self, request: &Request, scope: &Scope<'_>) -> Result<String, template::Error> {
        let path = text(&request.path, scope, Encode::Path)?.unwrap_or_default();
        let mut url = format!("{}{path}", self.base);
        let mut mark = '?';
        for (name, value) in &request.query {
            if let Some(value) = text(value, scope, Encode::No)? {
                url.push(mark);
                url.push_str(&encoded(name));
                url.push('=');
                url.push_str(&encoded(&value));
                mark = '&';
            }
        }
        if url.len() > MAX_URL {
            return Err(template::Error::TooLong);
        }
        Ok(url)
    }

    fn proof(&self) -> Option<(String, String)> {
        let authorization = |value| Some(("authorization".to_owned(), value));
        match self.auth.as_ref()? {
            Auth::Basic([user, password]) => {
                let (user, password) = (self.setting(user)?, self.setting(password)?);
                authorization(format!(
                    "Basic {}",
                    STANDARD.encode(format!("{user}:{password}"))
                ))
            }
            Auth::Bearer(setting) => authorization(format!("Bearer {}", self.setting(setting)?)),
            Auth::Header { name, setting } => Some((name.clone(), self.setting(setting)?)),
            Auth::Login { .. } => authorization(format!("Bearer {}", self.token.as_ref()?)),
        }
    }
}

fn body(
    request: &Request,
    scope: &Scope<'_>,
) -> Result<(Option<Vec<u8>>, Option<&'static str>), template::Error> {
    if let Some(template) = &request.json {
        let value = template::value(template, scope)?.unwrap_or(Value::Null);
        return Ok((
            Some(value.to_string().into_bytes()),
            Some("application/json"),
        ));
    }
    if let Some(template) = &request.form {
        let value = template::value(template, scope)?;
        let Some(Value::Object(fields)) = value else {
            return Err(template::Error::Shape {
                place: template.to_string(),
                what: "a map",
            });
        };
        let pairs = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(&as_text(value))));
        let form = pairs.collect::<Vec<_>>().join("&");
        return Ok((
            Some(form.into_bytes()),
            Some("application/x-www-form-urlencoded"),
        ));
    }
    let Some(template) = &request.text else {
        return Ok((None, None));
    };
    let text = text(template, scope, Encode::No)?.unwrap_or_default();
    Ok((Some(text.into_bytes()), None))
}

/// The tool's address without a slash at its end, if it is one of a web server.
fn address(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    let url = Url::parse(text)
        .map_err(|error| format!("the tool's url is no address of a web server: {error}"))?;
    let is_bare = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if matches!(url.scheme(), "http" | "https") && is_bare {
        Ok(text.to_owned())
    } else {
        Err("the tool's url must be http:// or https://, a host and perhaps a path, and nothing else".to_owned())
    }
}
