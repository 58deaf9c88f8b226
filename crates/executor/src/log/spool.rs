//! Entries on disk: a queue of messages in files, oldest first.
//!
//! A message is a line of JSON, written without waiting for the disk: it survives the end of this
//! process, not that of the machine. A file is removed once all of it is published; what a crash
//! left is published by the next start. What was published just before a crash may be published
//! again, under the same id.
//!
//! **Invariant:** the files are read in the order of writing, and hold no more than the limit but for
//! what was written with [`Room::Beyond`] it.

mod record;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use outbox::Post;

/// A file is closed when it has this many bytes.
const FILE_BYTES: u64 = 4 << 20;

/// A queue of messages on disk.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    limit: u64,
    files: VecDeque<Segment>,
    /// Where the oldest file is read on.
    read_to: u64,
    /// The newest file, if it may grow.
    writer: Option<File>,
    next_number: u64,
    /// The disk took nothing when it was asked last.
    is_stuck: bool,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    bytes: u64,
}

/// How much a message may add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// What the limit leaves.
    Limited,
    /// Anything: the caller has another bound.
    Beyond,
}

/// The oldest messages, and how far they reach.
#[derive(Debug, Default)]
pub(crate) struct Oldest {
    pub(crate) posts: Vec<Post>,
    read_to: u64,
}

impl Spool {
    /// Opens the folder, with what an earlier start left in it.
    pub(crate) fn open(folder: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut numbered = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let number = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            numbered.extend(number.map(|number| (number, path)));
        }
        numbered.sort();
        let next_number = numbered.last().map_or(1, |(number, _)| number + 1);
        let mut files = VecDeque::new();
        for (_, path) in numbered {
            match fs::metadata(&path)?.len() {
                0 => fs::remove_file(&path)?,
                bytes => files.push_back(Segment { path, bytes }),
            }
        }
        let folder = folder.to_owned();
        Ok(Self {
            folder,
            limit,
            files,
            read_to: 0,
            writer: None,
            next_number,
            is_stuck: false,
        })
    }

    /// What waits to be read, in bytes.
    pub(crate) fn unread(&self) -> u64 {
        self.bytes() - self.read_to
    }

    /// What the files hold, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Whether the files hold more than the limit.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.bytes() > self.limit
    }

    /// Puts a message behind all others, and answers how many bytes it takes; nothing if there is
    /// no room for it, or the disk doesn't take it.
    pub(crate) fn append(&mut self, post: &Post, room: Room) -> Option<u64> {
        match self.try_append(post, room) {
            Ok(length) => {
                self.is_stuck &= length.is_none();
                length
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_stuck, true) {
                    let folder = self.folder.display();
                    tracing::warn!("log entries can't be kept on disk in {folder}: {error}");
                }
                None
            }
        }
    }

    fn try_append(&mut self, post: &Post, room: Room) -> io::Result<Option<u64>> {
        let line = record::line(post)?;
        let length = line.len() as u64;
        if room == Room::Limited && self.bytes() + length > self.limit {
            return Ok(None);
        }
        let is_full = |file: &Segment| file.bytes >= FILE_BYTES;
        if self.writer.is_none() || self.files.back().is_none_or(is_full) {
            self.begin_file()?;
        }
        let (Some(writer), Some(file)) = (&self.writer, self.files.back_mut()) else {
            return Ok(None);
        };
        if let Err(error) = writer.write_all_at(&line, file.bytes) {
            // A part of a message must not be taken for one. Should it stay, the next is put over it.
            let _ = writer.set_len(file.bytes);
            return Err(error);
        }
        file.bytes += length;
        Ok(Some(length))
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let path = self.folder.join(format!("{:012}.jsonl", self.next_number));
        self.writer = Some(File::options().write(true).create_new(true).open(&path)?);
        self.files.push_back(Segment { path, bytes: 0 });
        self.next_number += 1;
        Ok(())
    }

    /// The oldest messages, of `most` bytes or so; at least one, if any waits.
    pub(crate) fn oldest(&mut self, most: u64) -> io::Result<Oldest> {
        while let Some(file) = self.files.front() {
            let mut reader = File::open(&file.path)?;
            reader.seek(SeekFrom::Start(self.read_to))?;
            let unread = file.bytes.saturating_sub(self.read_to);
            let mut reader = BufReader::new(reader.take(unread));
            let mut oldest = Oldest {
                posts: Vec::new(),
                read_to: self.read_to,
            };
            let mut text = Vec::new();
            while oldest.read_to - self.read_to < most {
                text.clear();
                let length = reader.read_until(b'\n', &mut text)?;
                if length == 0 {
                    break;
                }
                oldest.read_to += length as u64;
                // Only a crash leaves a line that can't be read: it is the last one, and not whole.
                oldest.posts.extend(record::post(&text));
            }
            if !oldest.posts.is_empty() {
                return Ok(oldest);
            }
            let read_to = file.bytes;
            self.drop_to(read_to);
        }
        Ok(Oldest::default())
    }

    /// Drops the messages that [`Spool::oldest`] answered.
    pub(crate) fn published(&mut self, oldest: &Oldest) {
        self.drop_to(oldest.read_to);
    }

    /// Drops the oldest message, which takes this many bytes.
    pub(crate) fn skip(&mut self, length: u64) {
        self.drop_to(self.read_to + length);
    }

    fn drop_to(&mut self, read_to: u64) {
        self.read_to = read_to;
        if self.files.front().is_some_and(|file| read_to >= file.bytes) {
            self.read_to = 0;
            if self.files.len() == 1 {
                self.writer = None;
            }
            if let Some(Err(error)) = self
                .files
                .pop_front()
                .map(|file| fs::remove_file(file.path))
            {
                tracing::warn!("a file of the spool can't be removed: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
