//! What a plug-in works on: its configuration, and the data units of its ports.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::bounds;
use super::failure::{Bound, Failure};
use crate::plugins::config::Config;
use crate::plugins::unit::{self, Entry, Writer};

/// The configuration's text; none is an empty one.
pub(super) fn configuration(folder: &Path) -> Result<String, Failure> {
    let file = folder.join("config.xml");
    match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(Failure::at("config.xml")),
    }
}

/// The work of one try.
#[derive(Debug)]
pub(super) struct Work {
    folder: PathBuf,
    pub(super) config: Config,
    /// Bytes that an output may have: a file of it, and all of it.
    most: (u64, u64),
}

/// Something at an input.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) entry: Entry,
    /// The file that has its content. Others may read it too: nobody writes to it.
    pub(super) content: PathBuf,
}

impl Work {
    pub(super) fn new(folder: &Path, config: Config) -> Self {
        Self {
            folder: folder.to_owned(),
            config,
            most: (bounds::FILE, bounds::OUTPUT),
        }
    }

    /// The same with outputs that may have fewer bytes.
    #[cfg(test)]
    pub(super) fn within(self, file: u64, all: u64) -> Self {
        Self {
            most: (file, all),
            ..self
        }
    }

    /// All that is at an input; nothing if it isn't connected.
    pub(super) fn input(&self, port: &str) -> Result<Vec<Item>, Failure> {
        self.items("input", port)
    }

    /// All that was left at an output.
    pub(super) fn made(&self, port: &str) -> Result<Vec<Item>, Failure> {
        self.items("output", port)
    }

    fn items(&self, direction: &str, port: &str) -> Result<Vec<Item>, Failure> {
        let unit = self.folder.join(direction).join(port);
        let entries = unit::read(&unit)?;
        let item = |entry: Entry| Item {
            content: unit.join(unit::DATA).join(&entry.file),
            entry,
        };
        Ok(entries.into_iter().map(item).collect())
    }

    /// Begins to write an output.
    pub(super) fn output(&self, port: &str) -> Result<Output, Failure> {
        let writer = Writer::create(&self.folder.join("output").join(port))?;
        Ok(Output {
            writer,
            most: self.most,
            left: Rc::new(Cell::new(self.most.1)),
        })
    }

    /// A directory for what nobody else needs. It is emptied first.
    pub(super) fn scratch(&self) -> Result<PathBuf, Failure> {
        let scratch = self.folder.join("scratch");
        let made = emptied(&scratch).and_then(|()| scratch.canonicalize());
        made.map_err(Failure::at("scratch"))
    }

    /// Removes what a try has left at its outputs.
    pub(super) fn forget(&self) -> Result<(), Failure> {
        emptied(&self.folder.join("output")).map_err(Failure::at("output"))
    }

    /// Says something in the log.
    #[allow(clippy::unused_self, reason = "who has no work has nothing to say")]
    pub(super) fn say(&self, what: &str) {
        // What can't be said is lost; the work goes on.
        let _ = writeln!(io::stdout(), "{what}");
    }

    /// Says something in the log for which the step ends as warned.
    pub(super) fn warn(&self, what: &str) {
        self.say(&format!("::warning::{}", what.replace(['\n', '\r'], " ")));
    }

    /// Warns of a failure where the configuration says that it may happen, or fails.
    pub(super) fn pass(&self, is_soft: bool, failure: Failure) -> Result<(), Failure> {
        if !is_soft {
            return Err(failure);
        }
        self.warn(&format!("{failure}; skipped"));
        Ok(())
    }
}

fn emptied(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => fs::create_dir_all(folder),
    }
}

impl Item {
    /// What it is called outside.
    pub(super) fn outside(&self) -> &str {
        self.entry.outside()
    }

    /// The last part of what it is called outside.
    pub(super) fn base(&self) -> &str {
        base(self.outside())
    }

    pub(super) fn open(&self) -> Result<File, Failure> {
        File::open(&self.content).map_err(Failure::at(self.outside()))
    }

    /// The whole content, if it is no more than `most` bytes.
    pub(super) fn bytes(&self, most: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let read = self.open()?.take(most + 1).read_to_end(&mut bytes);
        read.map_err(Failure::at(self.outside()))?;
        if bytes.len() as u64 > most {
            return Err(Failure::at(self.outside())(Bound(most).into()));
        }
        Ok(bytes)
    }
}

/// The last part of a path.
pub(super) fn base(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

/// An output that is being written.
#[derive(Debug)]
pub(super) struct Output {
    writer: Writer,
    most: (u64, u64),
    left: Rc<Cell<u64>>,
}

impl Output {
    /// Adds something that stays as it is under another name, or the same.
    pub(super) fn keep(&mut self, item: &Item, entry: Entry) -> Result<(), Failure> {
        let to = self.writer.next();
        if fs::hard_link(&item.content, &to).is_err() {
            fs::copy(&item.content, &to).map_err(Failure::at(item.outside()))?;
        }
        Ok(self.writer.add(entry)?)
    }

    /// Adds what is written. One that fails leaves nothing.
    pub(super) fn write(
        &mut self,
        entry: Entry,
        write: impl FnOnce(&mut Bounded) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let to = self.writer.next();
        let what = entry.name.clone();
        let file = File::create(&to).map_err(Failure::at(what.as_str()))?;
        let before = self.left.get();
        let mut bounded = Bounded {
            file: BufWriter::new(file),
            most: self.most,
            left: self.most.0,
            left_of_all: self.left.clone(),
        };
        let written =
            write(&mut bounded).and_then(|()| bounded.flush().map_err(Failure::at(what.as_str())));
        if let Err(failure) = written {
            self.left.set(before);
            let _ = fs::remove_file(&to);
            return Err(failure);
        }
        Ok(self.writer.add(entry)?)
    }

    /// Adds bytes.
    pub(super) fn put(&mut self, entry: Entry, bytes: &[u8]) -> Result<(), Failure> {
        let what = entry.name.clone();
        self.write(entry, |file| {
            file.write_all(bytes).map_err(Failure::at(what))
        })
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        Ok(self.writer.finish()?)
    }
}

/// A file that doesn't grow beyond what is allowed for.
#[derive(Debug)]
pub(super) struct Bounded {
    file: BufWriter<File>,
    most: (u64, u64),
    left: u64,
    left_of_all: Rc<Cell<u64>>,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        self.left = self.left.checked_sub(length).ok_or(Bound(self.most.0))?;
        let left = self.left_of_all.get().checked_sub(length);
        self.left_of_all.set(left.ok_or(Bound(self.most.1))?);
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// An entry that is called `name`, also outside.
pub(super) fn named(name: impl Into<String>) -> Entry {
    let name = name.into();
    Entry {
        path: Some(name.clone()),
        name,
        ..Entry::default()
    }
}
