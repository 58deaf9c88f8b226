//! A data unit on disk: what goes through one port of a plug-in.
//!
//! A unit is a directory. `entries.jsonl` has an entry a line, and `data/` has the content of each in a file of its own.
//! An entry of files has a symbolic name and a path that its file is known by outside; one of RDF has the IRI of
//! a named graph, and its content is N-Triples. Without `entries.jsonl` every file in `data/` is an entry that is
//! called as the file is.
//!
//! **Invariant:** names, paths and graphs are data. The only name that is ever one on disk is `file`, which is no more
//! than a name in `data/`, and what lies there under it is a regular file and no link.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The list of a unit's entries.
pub const ENTRIES: &str = "entries.jsonl";
/// The directory of their content.
pub const DATA: &str = "data";
/// The most entries of a unit.
pub const MAX_ENTRIES: usize = 100_000;
/// The longest line of the list, in bytes.
pub const MAX_LINE: usize = 64 * 1024;

/// Something in a data unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The symbolic name.
    pub name: String,
    /// Of a file: what it is called outside, perhaps with directories; `name` where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of RDF: the IRI of the named graph; `name` serves where it is absent and an IRI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<String>,
    /// The name of its content in `data/`.
    pub file: String,
    /// What else is known of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Entry {
    /// What a file is called outside. It may hold anything, `..` included: it is no path on disk.
    pub fn outside(&self) -> &str {
        self.path.as_deref().unwrap_or(&self.name)
    }
}

/// Why a unit can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    System {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A line of the list is none.
    #[error("line {line} of {ENTRIES}: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// More than [`MAX_ENTRIES`].
    #[error("the data unit has more than {MAX_ENTRIES} entries")]
    TooMany,
}

impl Error {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::System {
            path: path.to_owned(),
            source,
        }
    }
}

/// The entries of a unit. One that isn't there has none.
pub fn read(unit: &Path) -> Result<Vec<Entry>, Error> {
    let list = unit.join(ENTRIES);
    let entries = match fs::symlink_metadata(&list) {
        Ok(meta) if meta.is_file() => listed(&list)?,
        Ok(_) => return Err(Error::at(&list)(io::Error::other("is no regular file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => found(&unit.join(DATA))?,
        Err(error) => return Err(Error::at(&list)(error)),
    };
    for (index, entry) in entries.iter().enumerate() {
        let content = unit.join(DATA).join(&entry.file);
        let is_content = fs::symlink_metadata(&content).is_ok_and(|meta| meta.is_file());
        if !is_content {
            let why = format!("there is no regular file {:?} in {DATA}/", entry.file);
            return Err(Error::Line {
                line: index + 1,
                why,
            });
        }
    }
    Ok(entries)
}

fn listed(list: &Path) -> Result<Vec<Entry>, Error> {
    let mut lines = BufReader::new(File::open(list).map_err(Error::at(list))?);
    let mut entries = Vec::new();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let most = MAX_LINE as u64 + 1;
        let length = (&mut lines).take(most).read_until(b'\n', &mut text);
        if length.map_err(Error::at(list))? == 0 {
            break;
        }
        if text.len() > MAX_LINE {
            let why = format!("has more than {MAX_LINE} bytes");
            return Err(Error::Line { line, why });
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        if entries.len() == MAX_ENTRIES {
            return Err(Error::TooMany);
        }
        entries.push(entry(&text).map_err(|why| Error::Line { line, why })?);
    }
    Ok(entries)
}

fn entry(text: &[u8]) -> Result<Entry, String> {
    let entry: Entry = serde_json::from_slice(text)
        .map_err(|error| format!("is no entry, as {{\"name\": …, \"file\": …}}: {error}"))?;
    if entry.name.is_empty() {
        return Err("`name` must not be empty".to_owned());
    }
    if !is_file_name(&entry.file) {
        return Err(format!(
            "`file` must be the name of a file in {DATA}/, without a slash: {:?}",
            entry.file
        ));
    }
    Ok(entry)
}

/// Whether it can only be a name in a directory.
fn is_file_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(['/', '\\', '\0'])
}

/// The files of a directory, by name.
fn found(data: &Path) -> Result<Vec<Entry>, Error> {
    let files = match fs::read_dir(data) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::at(data)(error)),
    };
    let mut entries = Vec::new();
    for file in files {
        let file = file.map_err(Error::at(data))?;
        let is_file = file.file_type().map_err(Error::at(&file.path()))?.is_file();
        let Ok(name) = file.file_name().into_string() else {
            let why = "its name is not in UTF-8; name it in entries.jsonl";
            return Err(Error::at(&file.path())(io::Error::other(why)));
        };
        if !is_file {
            continue;
        }
        if entries.len() == MAX_ENTRIES {
            return Err(Error::TooMany);
        }
        entries.push(Entry {
            file: name.clone(),
            name,
            ..Entry::default()
        });
    }
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// Writes a unit, entry by entry.
#[derive(Debug)]
pub struct Writer {
    unit: PathBuf,
    list: BufWriter<File>,
    count: usize,
}

impl Writer {
    /// Makes a unit without entries. Its directory may exist and must be empty but for an empty `data/`.
    pub fn create(unit: &Path) -> Result<Self, Error> {
        let data = unit.join(DATA);
        fs::create_dir_all(&data).map_err(Error::at(&data))?;
        let list = unit.join(ENTRIES);
        let file = File::options().write(true).create_new(true).open(&list);
        Ok(Self {
            unit: unit.to_owned(),
            list: BufWriter::new(file.map_err(Error::at(&list))?),
            count: 0,
        })
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Where the content of the next entry goes: nothing is there yet.
    pub fn next(&self) -> PathBuf {
        self.unit.join(DATA).join(self.count.to_string())
    }

    /// Adds an entry whose content has been written to [`next`](Self::next).
    pub fn add(&mut self, entry: Entry) -> Result<(), Error> {
        if self.count == MAX_ENTRIES {
            return Err(Error::TooMany);
        }
        let entry = Entry {
            file: self.count.to_string(),
            ..entry
        };
        let list = self.unit.join(ENTRIES);
        let mut line = serde_json::to_vec(&entry)
            .map_err(|error| Error::at(&list)(io::Error::other(error)))?;
        if line.len() >= MAX_LINE {
            let why = "the names of an entry are too long".to_owned();
            return Err(Error::Line {
                line: self.count + 1,
                why,
            });
        }
        line.push(b'\n');
        self.list.write_all(&line).map_err(Error::at(&list))?;
        self.count += 1;
        Ok(())
    }

    /// Ends the list.
    pub fn finish(mut self) -> Result<(), Error> {
        self.list
            .flush()
            .map_err(Error::at(&self.unit.join(ENTRIES)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str, path: Option<&str>) -> Entry {
        Entry {
            name: name.to_owned(),
            path: path.map(str::to_owned),
            ..Entry::default()
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let unit = folder.path().join("output");
        let mut writer = Writer::create(&unit).unwrap();
        for (name, path) in [("a", None), ("../../b", Some("../x/ü.csv"))] {
            fs::write(writer.next(), name).unwrap();
            let mut entry = entry(name, path);
            entry.more.insert("type".into(), "text/csv".into());
            writer.add(entry).unwrap();
        }
        writer.finish().unwrap();
        let entries = read(&unit).unwrap();
        assert_eq!(entries[0].outside(), "a");
        assert_eq!(entries[1].outside(), "../x/ü.csv");
        assert_eq!(entries[1].file, "1");
        assert_eq!(entries[1].more["type"], "text/csv");
        assert_eq!(read(&folder.path().join("nothing")).unwrap(), []);
    }

    #[test]
    fn without_a_list_every_file_is_an_entry() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(DATA);
        fs::create_dir_all(data.join("folder")).unwrap();
        for name in ["b.csv", "a.csv"] {
            fs::write(data.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("a.csv", data.join("link")).unwrap();
        let names: Vec<_> = read(folder.path())
            .unwrap()
            .into_iter()
            .map(|it| it.name)
            .collect();
        assert_eq!(names, ["a.csv", "b.csv"]);
    }

    #[test]
    fn what_leads_elsewhere_or_is_no_entry_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(DATA);
        fs::create_dir(&data).unwrap();
        fs::write(folder.path().join("outside"), "").unwrap();
        std::os::unix::fs::symlink("../outside", data.join("link")).unwrap();
        for (line, why) in [
            (r#"{"name": "a", "file": "../outside"}"#, "without a slash"),
            (r#"{"name": "a", "file": ".."}"#, "without a slash"),
            (r#"{"name": "a", "file": "link"}"#, "no regular file"),
            (r#"{"name": "a", "file": "absent"}"#, "no regular file"),
            (r#"{"name": "", "file": "a"}"#, "must not be empty"),
            (r#"{"file": "a"}"#, "missing field `name`"),
            ("nonsense", "is no entry"),
        ] {
            fs::write(folder.path().join(ENTRIES), line).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(
                error.starts_with("line 1 of entries.jsonl") && error.contains(why),
                "{error}"
            );
        }
        let long = format!(r#"{{"name": "{}", "file": "a"}}"#, "x".repeat(MAX_LINE));
        fs::write(folder.path().join(ENTRIES), long).unwrap();
        assert!(read(folder.path()).is_err());
    }

    proptest! {
        #[test]
        fn no_list_makes_it_panic_or_names_what_is_elsewhere(list in "([{}\":,a-f./ \\n]|name|file){0,60}") {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join(DATA)).unwrap();
            fs::write(folder.path().join(DATA).join("a"), "").unwrap();
            fs::write(folder.path().join(ENTRIES), list).unwrap();
            for entry in read(folder.path()).unwrap_or_default() {
                prop_assert_eq!(entry.file, "a");
            }
        }
    }
}
