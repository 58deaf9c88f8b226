//! Layers of configuration: defaults ← file ← environment ← flags.
//!
//! A section is a struct beside the code that it configures; the program composes them. The
//! environment is read here and nowhere else: `PENSTOCK_GATEWAY__LISTEN` is `gateway.listen`.

use std::fmt;
use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Names after `PENSTOCK_` that belong to clients and to steps, not to the configuration.
const NOT_CONFIGURATION: &[&str] = &[
    "attempt",
    "config",
    "executor",
    "output",
    "pipeline",
    "run",
    "server",
    "step",
    "token",
    "try",
    "workspace",
];

/// What is wrong with the configuration: it names the key, the layer and what is expected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that was named isn't there.
    #[error("the configuration file {0} can't be read: {1}")]
    File(String, std::io::Error),
    /// A key or value is wrong.
    #[error("configuration: {0}")]
    Wrong(String),
}

/// Reads the layers into `C`. `flags` holds only what was said on the command line.
pub fn load<C>(file: Option<&Path>, flags: impl Serialize) -> Result<C, Error>
where
    C: Default + Serialize + DeserializeOwned,
{
    let mut layers = Figment::from(Serialized::defaults(C::default()));
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::File(path.display().to_string(), error))?;
        layers = layers.merge(Toml::string(&text));
    }
    let environment = Env::prefixed("PENSTOCK_")
        .filter(|key| !NOT_CONFIGURATION.iter().any(|name| key == name))
        .split("__");
    layers
        .merge(environment)
        .merge(Serialized::globals(flags))
        .extract()
        .map_err(|errors| Error::Wrong(sentences(errors)))
}

fn sentences(errors: figment::Error) -> String {
    let each: Vec<String> = errors.into_iter().map(|error| error.to_string()).collect();
    each.join("; ")
}

/// One environment variable, for what isn't configuration (the client's token, say).
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one reader of the environment"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A value that is never printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn shown(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "(hidden)" }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Section {
        slots: u32,
        key: Secret,
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        executor: Section,
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = file("[executor]\nslots = 3\nkey = \"k\"");
        let flags = serde_json::json!({"executor": {"slots": 5}});
        let whole: Whole = load(Some(file.path()), flags).unwrap();
        assert_eq!(
            (whole.executor.slots, whole.executor.key.expose()),
            (5, "k")
        );
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        for (text, named) in [
            ("[executor]\nslotz = 3", "slotz"),
            ("[executor]\nslots = \"x\"", "executor.slots"),
        ] {
            let file = file(text);
            let wrong = load::<Whole>(Some(file.path()), serde_json::json!({})).unwrap_err();
            assert!(wrong.to_string().contains(named), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        let shown = format!("{secret:?} {}", serde_json::to_string(&secret).unwrap());
        assert!(!shown.contains("hunter2"));
    }
}
