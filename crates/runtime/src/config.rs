//! Layers of configuration: defaults ← file ← environment ← flags.
//!
//! A section is a struct beside the code that it configures; the program composes them. The
//! environment is read here and nowhere else: `PENSTOCK_GATEWAY__LISTEN` is `gateway.listen`.

use std::fmt;
use std::path::Path;

use figment::providers::{Env, Format as _, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Names after `PENSTOCK_` that belong to clients and to steps, not to the configuration.
const NOT_CONFIGURATION: &[&str] = &[
    "attempt",
    "config",
    "executor",
    "fault_point",
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
    let defaults = Figment::from(Serialized::defaults(C::default()));
    let mut layers = defaults.clone();
    if let Some(path) = file {
        std::fs::File::open(path)
            .map_err(|error| Error::File(path.display().to_string(), error))?;
        layers = layers.merge(Toml::file_exact(path));
    }
    let environment = Env::prefixed("PENSTOCK_")
        .filter(|key| !NOT_CONFIGURATION.iter().any(|name| key == name))
        .split("__");
    for (key, text) in environment.iter() {
        layers = layers.merge(Variable::new(key.as_str(), text, &defaults));
    }
    layers
        .merge(Serialized::globals(flags))
        .extract()
        .map_err(|errors| Error::Wrong(sentences(errors)))
}

/// One variable of the environment, as a layer. Where the default is text it stays text, whatever
/// it looks like: a key of 32 digits is no number.
struct Variable {
    key: String,
    value: Value,
}

impl Variable {
    fn new(key: &str, text: String, defaults: &Figment) -> Self {
        let is_text = matches!(defaults.find_value(key), Ok(Value::String(..)));
        let value = if is_text {
            Value::from(text)
        } else {
            text.parse().unwrap_or_else(|never| match never {})
        };
        Self {
            key: key.to_owned(),
            value,
        }
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment").interpolater(|_, keys| {
            let name = keys.join("__").to_uppercase();
            format!("PENSTOCK_{name}")
        })
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(&self.key, self.value.clone());
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

fn sentences(errors: figment::Error) -> String {
    let each: Vec<String> = errors.into_iter().map(|error| sentence(&error)).collect();
    each.join("; ")
}

/// The key as its layer writes it, the layer if that is a file, and what is wrong.
fn sentence(error: &figment::Error) -> String {
    let layer = error.metadata.as_ref();
    let profile = error.profile.clone().unwrap_or_default();
    let key = layer.map_or_else(
        || error.path.join("."),
        |it| it.interpolate(&profile, &error.path),
    );
    let key = ["default.", "global."]
        .iter()
        .find_map(|it| key.strip_prefix(it))
        .unwrap_or(&key);
    let file = layer
        .and_then(|it| it.source.as_ref()?.file_path())
        .map_or_else(String::new, |it| format!(" in {}", it.display()));
    if let figment::error::Kind::UnknownField(_, known) = &error.kind {
        let known = known.join(", ");
        return format!("{key}{file} is no key of the configuration; there are {known}");
    }
    format!("{key}{file}: {}", error.kind)
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
    fn a_variable_is_text_where_text_is_due() {
        let defaults = Figment::from(Serialized::defaults(Whole::default()));
        let variables = [("executor.key", "0123456789"), ("executor.slots", "7")];
        let layers = variables.iter().fold(defaults.clone(), |layers, it| {
            layers.merge(Variable::new(it.0, it.1.to_owned(), &defaults))
        });
        let whole: Whole = layers.extract().unwrap();
        assert_eq!(
            (whole.executor.key.expose(), whole.executor.slots),
            ("0123456789", 7)
        );
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let defaults = Figment::from(Serialized::defaults(Whole::default()));
        for (key, named) in [
            ("executor.slots", "PENSTOCK_EXECUTOR__SLOTS"),
            ("executor.slotz", "PENSTOCK_EXECUTOR__SLOTZ"),
        ] {
            let layers = defaults.clone();
            let wrong = layers
                .merge(Variable::new(key, "many".to_owned(), &defaults))
                .extract::<Whole>()
                .unwrap_err();
            let said = sentences(wrong);
            assert!(said.contains(named), "{said}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        let shown = format!("{secret:?} {}", serde_json::to_string(&secret).unwrap());
        assert!(!shown.contains("hunter2"));
    }
}
