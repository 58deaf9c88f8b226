//! What a plug-in's jar declares: its name, what it does with data, and its ports. Nothing in it is ever run.
//!
//! The manifest names the main class. An annotation of that class says what the plug-in does, annotations of its fields
//! and those of the classes above it say what its ports are called and whether they must be connected; the type of a
//! field is that of its port.

mod manifest;
mod name;

use crate::archive::{self, Archive, Limits};
use crate::class_file::{self, Annotation, ClassFile};
use crate::model::PluginType;
use manifest::Manifest;
pub use name::JarName;

/// What a jar may cost. Most of it is libraries, which are never unpacked.
pub const LIMITS: Limits = Limits {
    bytes: 64 * 1024 * 1024,
    entries: 65_536,
    entry_bytes: 4 * 1024 * 1024,
    total_bytes: 32 * 1024 * 1024,
    ratio: 200,
};

/// Classes above the main class that are looked at, at most.
const MAX_ABOVE: usize = 8;
/// Ports of a plug-in, at most.
const MAX_PORTS: usize = 256;
/// Characters of what a jar says, at most; what is longer is cut.
const MAX_TEXT: usize = 1024;
const MANIFEST: &str = "META-INF/MANIFEST.MF";
const RESOURCES: &str = "resources.properties";
/// A name that stands in [`RESOURCES`] instead of in the manifest.
const LOCALIZED: &str = "dpu.name.localized";

/// What a jar declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jar {
    /// `Bundle-Name`, for people.
    pub name: String,
    /// `Bundle-Version`.
    pub version: String,
    /// `Bundle-Description`, [`MAX_TEXT`] characters of it; may be empty.
    pub description: String,
    /// The full name of the main class.
    pub main_class: String,
    /// What it does with data.
    pub kind: PluginType,
    /// In the order in which the classes have them.
    pub ports: Vec<Port>,
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// What edges call it.
    pub name: String,
    /// Which way data go.
    pub direction: Direction,
    /// Of what sort they are.
    pub data: Data,
    /// Whether it may be left unconnected.
    pub is_optional: bool,
    /// May be empty.
    pub description: String,
}

/// Which way data go through a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the plug-in.
    Input,
    /// Out of it.
    Output,
}

/// Of what sort the data of a port are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Named files.
    Files,
    /// Named graphs.
    Rdf,
    /// Tables.
    Relational,
    /// Something else.
    Other,
}

/// Why a file is no plug-in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No archive, or one that costs too much.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// Nothing is declared.
    #[error("the jar has no {MANIFEST}")]
    NoManifest,
    /// A header that a plug-in needs is missing.
    #[error("the jar's manifest has no header {0}")]
    NoHeader(&'static str),
    /// The main class isn't there.
    #[error("the jar has no class {0}, which its manifest names as the main class")]
    NoClass(String),
    /// A class can't be read.
    #[error("the class {class} can't be read: {why}")]
    Class {
        /// Which.
        class: String,
        /// Where it went wrong.
        why: class_file::Error,
    },
    /// The main class doesn't say what it does.
    #[error(
        "the class {0} says nowhere that it is an extractor, transformer, loader or quality check"
    )]
    NoType(String),
    /// Too many ports.
    #[error("the plug-in has more than {MAX_PORTS} ports")]
    TooManyPorts,
}

impl Jar {
    /// Reads what a jar declares.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut archive = Archive::open(bytes, LIMITS)?;
        let manifest = archive.read(MANIFEST)?.ok_or(Error::NoManifest)?;
        let manifest = Manifest::of(&manifest);
        let header = |name| manifest.header(name).ok_or(Error::NoHeader(name));
        header("Bundle-SymbolicName")?;
        let main_class = class_name(header("DPU-Package")?, header("DPU-MainClass")?);
        let declared = Declared::of(&mut archive, &main_class)?;
        let mut name = header("Bundle-Name")?.to_owned();
        if name == LOCALIZED {
            let resources = archive.read(RESOURCES)?.unwrap_or_default();
            let localized = manifest::property(&resources, "dpu.name");
            name = localized.unwrap_or_else(|| main_class.clone());
        }
        Ok(Self {
            name: cut(&name),
            version: cut(header("Bundle-Version")?),
            description: cut(manifest.header("Bundle-Description").unwrap_or_default()),
            kind: declared.kind.ok_or(Error::NoType(main_class.clone()))?,
            ports: declared.ports,
            main_class,
        })
    }
}

/// The main class is named within its package, or in full.
fn class_name(package: &str, class: &str) -> String {
    if class
        .strip_prefix(package)
        .is_some_and(|rest| rest.starts_with('.'))
    {
        return class.to_owned();
    }
    format!("{package}.{class}")
}

fn cut(text: &str) -> String {
    let plain = text.chars().filter(|it| !it.is_control());
    plain.take(MAX_TEXT).collect()
}

#[derive(Default)]
struct Declared {
    kind: Option<PluginType>,
    ports: Vec<Port>,
}

impl Declared {
    /// What the main class and those above it declare, as far as they are in the jar.
    fn of(archive: &mut Archive<'_>, main_class: &str) -> Result<Self, Error> {
        let mut declared = Self::default();
        let mut path = main_class.replace('.', "/");
        for above in 0..=MAX_ABOVE {
            let Some(bytes) = archive.read(&format!("{path}.class"))? else {
                if above == 0 {
                    return Err(Error::NoClass(cut(main_class)));
                }
                break;
            };
            let class = ClassFile::read(&bytes).map_err(|why| Error::Class {
                class: cut(&path.replace('/', ".")),
                why,
            })?;
            declared.add(&class)?;
            match class.above {
                Some(name) => path = name,
                None => break,
            }
        }
        Ok(declared)
    }

    fn add(&mut self, class: &ClassFile<'_>) -> Result<(), Error> {
        let kind = class.annotations.iter().find_map(kind);
        self.kind = self.kind.or(kind);
        for field in &class.fields {
            let mut found = field.annotations.iter();
            let found = found.find_map(|it| direction(it).map(|direction| (it, direction)));
            let Some((annotation, direction)) = found else {
                continue;
            };
            if self.ports.len() >= MAX_PORTS {
                return Err(Error::TooManyPorts);
            }
            let text = |name| annotation.text(name).map(|it| cut(&it)).unwrap_or_default();
            let name = Some(text("name")).filter(|it| !it.is_empty());
            self.ports.push(Port {
                name: name.unwrap_or_else(|| cut(&field.name)),
                direction,
                data: data(&field.descriptor),
                is_optional: annotation.flag("optional"),
                description: text("description"),
            });
        }
        Ok(())
    }
}

// Annotations moved from package to package over the years; their own names stayed, or nearly.

/// The name without its package and the class that it is in.
fn own_name(class: &str) -> &str {
    class.rsplit(['/', '$']).next().unwrap_or(class)
}

fn kind(annotation: &Annotation<'_>) -> Option<PluginType> {
    match own_name(&annotation.class) {
        "AsExtractor" => Some(PluginType::Extractor),
        "AsTransformer" => Some(PluginType::Transformer),
        "AsLoader" => Some(PluginType::Loader),
        "AsQuality" => Some(PluginType::Quality),
        _ => None,
    }
}

fn direction(annotation: &Annotation<'_>) -> Option<Direction> {
    match own_name(&annotation.class) {
        "AsInput" | "InputDataUnit" => Some(Direction::Input),
        "AsOutput" | "OutputDataUnit" => Some(Direction::Output),
        _ => None,
    }
}

fn data(descriptor: &str) -> Data {
    let class = own_name(descriptor.trim_end_matches(';'));
    let class = class.strip_prefix("Writable").unwrap_or(class);
    match class {
        "FilesDataUnit" | "FileDataUnit" => Data::Files,
        "RDFDataUnit" => Data::Rdf,
        "RelationalDataUnit" => Data::Relational,
        _ => Data::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Class, packed};

    const MAIN: &str = "a/b/Main.class";
    const HEADERS: &str = "Manifest-Version: 1.0\r\nBundle-Name: Zipper\r\nBundle-SymbolicName: z\r\n\
        Bundle-Version: 2.1.5\r\nDPU-Package: a.b\r\nDPU-MainClass: Main\r\nBundle-Description: Zips \
        f\r\n iles\r\n\r\nName: x\r\nBundle-Name: other\r\n";

    fn main_class() -> Class {
        Class::new("a/b/Base")
            .annotated("eu/unifiedviews/dpu/DPU$AsTransformer", &[])
            .field(
                "in",
                "eu/unifiedviews/dataunit/files/FilesDataUnit",
                "eu/unifiedviews/dataunit/DataUnit$AsInput",
                &[("name", "input")],
            )
            .field("other", "java/lang/String", "org/x/Inject", &[])
    }

    fn base() -> Class {
        Class::new("java/lang/Object").optional_field(
            "out",
            "eu/unifiedviews/dataunit/rdf/WritableRDFDataUnit",
            "eu/unifiedviews/dataunit/DataUnit$AsOutput",
            &[("name", "output"), ("description", "what comes out")],
        )
    }

    fn read(manifest: &str, main: &[u8]) -> Result<Jar, Error> {
        let base = base().bytes();
        Jar::read(&packed(&[
            (MANIFEST, manifest.as_bytes()),
            (MAIN, main),
            ("a/b/Base.class", &base),
        ]))
    }

    #[test]
    fn type_and_ports_are_those_of_the_annotations() {
        let jar = read(HEADERS, &main_class().bytes()).unwrap();
        assert_eq!((&*jar.name, &*jar.version), ("Zipper", "2.1.5"));
        assert_eq!(jar.description, "Zips files");
        assert_eq!(
            (&*jar.main_class, jar.kind),
            ("a.b.Main", PluginType::Transformer)
        );
        let [input, output] = jar.ports.as_slice() else {
            panic!("two ports: {:?}", jar.ports)
        };
        assert_eq!(
            (&*input.name, input.direction, input.data),
            ("input", Direction::Input, Data::Files)
        );
        assert!(!input.is_optional && output.is_optional);
        assert_eq!(
            (&*output.name, output.direction, output.data),
            ("output", Direction::Output, Data::Rdf)
        );
        assert_eq!(output.description, "what comes out");
    }

    #[test]
    fn annotations_of_old_plug_ins_are_known() {
        let main = Class::new("java/lang/Object")
            .annotated(
                "cz/cuni/mff/xrg/odcs/commons/dpu/annotation/AsExtractor",
                &[],
            )
            .field(
                "x",
                "cz/cuni/mff/xrg/odcs/rdf/RDFDataUnit",
                "cz/cuni/mff/xrg/odcs/commons/dpu/annotation/OutputDataUnit",
                &[],
            );
        let jar = read(HEADERS, &main.bytes()).unwrap();
        assert_eq!(jar.kind, PluginType::Extractor);
        assert_eq!((&*jar.ports[0].name, jar.ports[0].data), ("x", Data::Rdf));
    }

    #[test]
    fn a_localized_name_stands_in_its_file() {
        let manifest = HEADERS.replace("Name: Zipper", "Name: dpu.name.localized");
        let main = main_class().bytes();
        let jar = packed(&[
            (MANIFEST, manifest.as_bytes()),
            (MAIN, &main),
            (
                RESOURCES,
                b"# x\r\ndpu.other = y\ndpu.name = Balen\\u00ed soubor\\u016f\n",
            ),
        ]);
        assert_eq!(Jar::read(&jar).unwrap().name, "Balen\u{ed} soubor\u{16f}");
    }

    #[test]
    fn what_a_jar_lacks_is_named() {
        let main = main_class().bytes();
        let without = |header: &str| {
            let lines = HEADERS.lines().filter(|line| !line.starts_with(header));
            read(&lines.collect::<Vec<_>>().join("\n"), &main)
        };
        for header in [
            "Bundle-SymbolicName",
            "Bundle-Version",
            "DPU-Package",
            "DPU-MainClass",
            "Bundle-Name",
        ] {
            assert_eq!(without(header), Err(Error::NoHeader(header)));
        }
        assert_eq!(Jar::read(&packed(&[("x", "y")])), Err(Error::NoManifest));
        assert!(matches!(Jar::read(b"no jar"), Err(Error::Archive(_))));
        assert!(matches!(
            read(HEADERS, b"no class"),
            Err(Error::Class { .. })
        ));
        let plain = Class::new("java/lang/Object").bytes();
        assert_eq!(read(HEADERS, &plain), Err(Error::NoType("a.b.Main".into())));
        let elsewhere = HEADERS.replace("MainClass: Main", "MainClass: Elsewhere");
        assert_eq!(
            read(&elsewhere, &main),
            Err(Error::NoClass("a.b.Elsewhere".into()))
        );
    }
}
