//! Plug-ins: the DPUs of UnifiedViews, by the names of their jars, and what they have in common with any program that
//! a step of kind `plugin` starts: named ports, a configuration, data units on disk.
//!
//! Which there are and which ports they have is known everywhere. What the native ones do is in `native`,
//! which only the program that is started for them has (feature `native`).

pub mod catalog;
pub mod config;
#[cfg(feature = "native")]
pub mod native;
pub mod unit;
pub mod xml;

/// The file in which a plug-in says why it fails, in the directory that it works in.
pub const FAILURE: &str = "failure";

/// A plug-in that Penstock knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plugin {
    /// The name of its jar without a version, which is also that of its directory.
    pub name: &'static str,
    /// What it is in a pipeline.
    pub kind: Kind,
    /// Inputs and outputs, in the order of its documentation. An input and an output may share a name.
    pub ports: &'static [Port],
    /// Whether this program carries it out itself. For any other an executable must be supplied.
    pub is_native: bool,
    /// What it does, in a few words.
    pub about: &'static str,
}

/// What a plug-in is in a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Brings data in.
    Extractor,
    /// Makes other data of it.
    Transformer,
    /// Takes data out.
    Loader,
    /// Judges data.
    Quality,
}

impl Kind {
    /// Its name in capitals, as exports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Extractor => "EXTRACTOR",
            Self::Transformer => "TRANSFORMER",
            Self::Loader => "LOADER",
            Self::Quality => "QUALITY",
        }
    }
}

/// Where a plug-in takes or leaves data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// Unique among the ports of its direction.
    pub name: &'static str,
    /// Which way the data goes.
    pub direction: Direction,
    /// What kind of data it is.
    pub data: Data,
    /// Whether it may be left unconnected. Of an output this says only that it may stay empty.
    pub is_optional: bool,
}

/// Which way data goes through a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the plug-in.
    Input,
    /// Out of it.
    Output,
}

/// What a data unit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Files.
    Files,
    /// Named graphs.
    Rdf,
    /// Tables.
    Relational,
}

impl Data {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Rdf => "RDF",
            Self::Relational => "tables",
        }
    }
}

impl Plugin {
    /// The ports of a direction.
    pub fn of(&self, direction: Direction) -> impl Iterator<Item = &'static Port> + use<> {
        let ports = self.ports.iter();
        ports.filter(move |port| port.direction == direction)
    }

    /// A port by its name, in which case makes no difference.
    pub fn port(&self, direction: Direction, name: &str) -> Option<&'static Port> {
        self.of(direction)
            .find(|port| port.name.eq_ignore_ascii_case(name))
    }
}

/// The native plug-in of that name, in which case makes no difference.
pub fn find(name: &str) -> Option<&'static Plugin> {
    known(name).filter(|plugin| plugin.is_native)
}

/// The plug-in of that name whose ports are known, native or not.
pub fn known(name: &str) -> Option<&'static Plugin> {
    let mut all = catalog::ALL.iter();
    all.find(|plugin| plugin.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case_and_only_native_ones_are_carried_out() {
        assert_eq!(find("uv-t-ZIPPER").map(|it| it.name), Some("uv-t-zipper"));
        assert_eq!(find("uv-t-xslt"), None);
        assert!(known("uv-t-xslt").is_some());
        assert_eq!(known("uv-t-unheard-of"), None);
    }

    #[test]
    fn no_name_comes_twice() {
        for (index, plugin) in catalog::ALL.iter().enumerate() {
            let others = &catalog::ALL[index + 1..];
            assert!(
                others.iter().all(|it| it.name != plugin.name),
                "{}",
                plugin.name
            );
            for direction in [Direction::Input, Direction::Output] {
                let names: Vec<_> = plugin.of(direction).map(|port| port.name).collect();
                let mut unique = names.clone();
                unique.sort_unstable();
                unique.dedup();
                assert_eq!(unique.len(), names.len(), "{}", plugin.name);
            }
        }
    }
}
