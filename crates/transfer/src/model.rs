//! A pipeline as UnifiedViews knows it.

use serde::{Deserialize, Serialize};

/// A pipeline: plug-ins with their configurations, and what goes from which to which.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pipeline {
    /// Not necessarily unique.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Who may see it, as its file says.
    pub visibility: Option<Visibility>,
    /// The plug-ins in it.
    pub nodes: Vec<Node>,
    /// In the order in which data are merged.
    pub edges: Vec<Edge>,
}

/// A plug-in in a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// What it is called there.
    pub name: String,
    /// The same for the menu; empty in older exports.
    pub menu_name: String,
    /// May be empty.
    pub description: String,
    /// Its own configuration.
    pub configuration: Option<String>,
    /// Whether the configuration of the template counts instead.
    pub uses_template: bool,
    /// What it was made of.
    pub template: Template,
    /// Where it is drawn, in pixels from the left.
    pub x: i32,
    /// The same from above.
    pub y: i32,
}

impl Node {
    /// The configuration that counts.
    pub fn used_configuration(&self) -> Option<&str> {
        let own = self.configuration.as_deref();
        if self.uses_template {
            self.template.configuration.as_deref()
        } else {
            own
        }
    }
}

/// What goes from one plug-in to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// An index of [`Pipeline::nodes`].
    pub from: usize,
    /// The same.
    pub to: usize,
    /// See [`crate::edge_script`].
    pub script: String,
}

/// A plug-in that is installed, or was where the pipeline comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// What it is called; may be in the language of its users.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// The file name of its jar, which identifies it.
    pub jar: String,
    /// The directory of the jar, where the file says it.
    pub directory: Option<String>,
    /// What its jar says about it; may be empty.
    pub jar_description: String,
    /// The configuration that it comes with.
    pub configuration: Option<String>,
    /// Who may use it, where the file says it.
    pub visibility: Option<Visibility>,
    /// What it does with data, where the file says it.
    pub kind: Option<PluginType>,
    /// Whether it was made of another template.
    pub is_child: bool,
}

/// Who may see and change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Visibility {
    /// Its owner.
    Private,
    /// All may see it.
    PublicRo,
    /// All may change it.
    PublicRw,
}

impl Visibility {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Private, Self::PublicRo, Self::PublicRw];

    /// As UnifiedViews writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "PRIVATE",
            Self::PublicRo => "PUBLIC_RO",
            Self::PublicRw => "PUBLIC_RW",
        }
    }

    /// Reads what UnifiedViews writes.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// What a plug-in does with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PluginType {
    /// Gets them.
    Extractor,
    /// Changes them.
    Transformer,
    /// Takes them somewhere.
    Loader,
    /// Judges them.
    Quality,
}

impl PluginType {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Extractor,
        Self::Transformer,
        Self::Loader,
        Self::Quality,
    ];

    /// As UnifiedViews writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Extractor => "EXTRACTOR",
            Self::Transformer => "TRANSFORMER",
            Self::Loader => "LOADER",
            Self::Quality => "QUALITY",
        }
    }

    /// Reads what UnifiedViews writes.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// What the name of a plug-in says by custom: the part `e`, `l`, `q` or `t` between its first dashes.
    pub fn by_custom(name: &str) -> Self {
        let part = name.split('-').find(|part| part.len() == 1);
        match part {
            Some("e") => Self::Extractor,
            Some("l") => Self::Loader,
            Some("q") => Self::Quality,
            Some(_) | None => Self::Transformer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_plug_in_does_by_custom() {
        for (name, expected) in [
            ("uv-e-filesDownload", PluginType::Extractor),
            ("uv-dpu-l-attx-uploader", PluginType::Loader),
            ("uv-q-sparqlAsk", PluginType::Quality),
            ("uv-t-zipper", PluginType::Transformer),
            ("something", PluginType::Transformer),
        ] {
            assert_eq!(PluginType::by_custom(name), expected, "{name}");
        }
    }

    #[test]
    fn words_read_as_they_are_written() {
        for it in Visibility::ALL {
            assert_eq!(Visibility::of(it.name()), Some(it));
        }
        for it in PluginType::ALL {
            assert_eq!(PluginType::of(it.name()), Some(it));
        }
        assert_eq!(Visibility::of("private"), None);
    }
}
