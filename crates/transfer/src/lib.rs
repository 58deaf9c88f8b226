//! Pipelines and plug-ins in the files in which UnifiedViews hands them over.
//!
//! An exported pipeline is a ZIP of XML texts that Java objects were written to ([`export`] reads one, [`write()`] makes
//! one). A plug-in is a jar, of which Penstock reads what is declared in it and runs nothing ([`jar`]). [`plan`] matches
//! what a pipeline needs with what is there, and [`definition`] turns one into the other.
//!
//! Everything here is pure: bytes in, values out; no clock, no store, no file. All of it comes from strangers, so all of
//! it is bounded: entries, sizes and ratios of archives, depth and number of elements, lengths of texts. No name
//! in an archive is ever used as a path, and no XML text can declare an entity.

#[cfg(test)]
mod any_bytes;
pub mod archive;
mod class_file;
pub mod definition;
pub mod edge_script;
pub mod export;
pub mod form;
pub mod jar;
mod model;
pub mod plan;
mod read;
pub mod schedules;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod version;
pub mod write;
mod xml;
pub mod yaml;

pub use model::{Edge, Node, Pipeline, PluginType, Template, Visibility};
pub use write::write;
pub use xml::Error as XmlError;
