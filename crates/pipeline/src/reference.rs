//! How a pipeline is named by those who ask: a 24-hex id, then a number, then a name.

use std::fmt;

use contracts::id::PipelineId;

use crate::Error;

/// A text that names a pipeline. What it means depends on which pipelines there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    text: String,
    meanings: Vec<Meaning>,
}

/// One way to understand a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A 24-hex id.
    Id(PipelineId),
    /// An integer.
    Number(i64),
    /// A name, which several pipelines may share.
    Name(String),
}

/// The most characters a name can have.
const LONGEST: usize = 1024;

impl Reference {
    /// Reads a reference. `name:x` is the name `x` whatever it looks like.
    pub(crate) fn of(text: &str) -> Result<Self, Error> {
        let named = text.strip_prefix("name:").unwrap_or(text);
        if text.is_empty() || named.chars().count() > LONGEST {
            let message = "a pipeline is named by its id, number or name of up to 1024 characters";
            return Err(Error::Invalid(message.into()));
        }
        if text.contains('\0') {
            return Err(Error::Invalid("no pipeline's name holds U+0000".into()));
        }
        let mut meanings = Vec::new();
        if let Some(name) = text.strip_prefix("name:") {
            meanings.push(Meaning::Name(name.to_owned()));
        } else {
            meanings.extend(text.parse().ok().map(Meaning::Id));
            meanings.extend(text.parse().ok().map(Meaning::Number));
            meanings.push(Meaning::Name(text.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            meanings,
        })
    }

    /// What it can mean; the first that exists counts.
    pub(crate) fn meanings(&self) -> &[Meaning] {
        &self.meanings
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meanings(text: &str) -> Vec<Meaning> {
        Reference::of(text).unwrap().meanings().to_vec()
    }

    #[test]
    fn a_text_is_an_id_then_a_number_then_a_name() {
        let name = |text: &str| Meaning::Name(text.into());
        let id = "5f5e1000aaaaaaaaaa000001";
        assert_eq!(meanings(id), [Meaning::Id(id.parse().unwrap()), name(id)]);
        assert_eq!(meanings("17"), [Meaning::Number(17), name("17")]);
        assert_eq!(meanings("hello"), [name("hello")]);
        assert_eq!(meanings("name:17"), [name("17")]);
        assert!(Reference::of("").is_err());
        assert!(Reference::of("a\0b").is_err());
        assert!(Reference::of(&"x".repeat(1025)).is_err());
    }
}
