//! Entries that wait on disk for the bus: a queue of messages in files, oldest first.
//!
//! A message is a line of JSON. A file is removed once all of it is published; what a crash left is
//! published by the next start. What was published just before a crash may be published again, under
//! the same id.
//!
//! **Invariant:** the files hold at most the limit, and are read in the order of writing.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use contracts::message::{ActivityBatch, Message as _, Topic};
use outbox::Post;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    bytes: u64,
}

/// The oldest messages, and how far they reach.
#[derive(Debug, Default)]
pub(crate) struct Oldest {
    pub(crate) posts: Vec<Post>,
    read_to: u64,
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    run: &'a str,
    id: &'a str,
    time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    #[serde(borrow)]
    value: &'a RawValue,
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
        let segment = |(_, path): (u64, PathBuf)| {
            let bytes = fs::metadata(&path)?.len();
            Ok(Segment { path, bytes })
        };
        let files = numbered
            .into_iter()
            .map(segment)
            .collect::<io::Result<_>>()?;
        let folder = folder.to_owned();
        Ok(Self {
            folder,
            limit,
            files,
            read_to: 0,
            writer: None,
            next_number,
        })
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What the files hold, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Puts a message behind all others. Answers `false` if there is no room for it.
    pub(crate) fn append(&mut self, post: &Post) -> io::Result<bool> {
        let line = line(post)?;
        let length = line.len() as u64;
        if self.bytes() + length > self.limit {
            return Ok(false);
        }
        if self.writer.is_none()
            || self
                .files
                .back()
                .is_none_or(|file| file.bytes >= FILE_BYTES)
        {
            self.begin_file()?;
        }
        let (Some(writer), Some(file)) = (&mut self.writer, self.files.back_mut()) else {
            return Ok(false);
        };
        if let Err(error) = writer.write_all(&line) {
            // A part of a message must not be taken for one, or swallow the next.
            let _ = writer
                .set_len(file.bytes)
                .and_then(|()| writer.seek(SeekFrom::End(0)));
            return Err(error);
        }
        file.bytes += length;
        Ok(true)
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
                oldest.posts.extend(post(&text));
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

fn line(post: &Post) -> io::Result<Vec<u8>> {
    let written = Written {
        run: &post.key,
        id: &post.id,
        time: post.time_ms,
        trace: post.traceparent.as_deref(),
        value: serde_json::from_slice(&post.payload)?,
    };
    let mut line = serde_json::to_vec(&written)?;
    line.push(b'\n');
    Ok(line)
}

fn post(line: &[u8]) -> Option<Post> {
    let written: Written<'_> = serde_json::from_slice(line).ok()?;
    Some(Post {
        topic: Topic::Activity,
        key: written.run.to_owned(),
        id: written.id.to_owned(),
        kind: ActivityBatch::TYPE.to_owned(),
        time_ms: written.time,
        traceparent: written.trace.map(str::to_owned),
        payload: written.value.get().as_bytes().to_vec().into(),
        headers: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: u32) -> Post {
        let payload = format!("{{\"n\":{number},\"text\":\"a\\nb{}\"}}", "x".repeat(1000));
        Post {
            topic: Topic::Activity,
            key: "run".into(),
            id: format!("run/1/{number}"),
            kind: ActivityBatch::TYPE.into(),
            time_ms: 7,
            traceparent: None,
            payload: payload.into(),
            headers: Vec::new(),
        }
    }

    fn drained(spool: &mut Spool) -> Vec<Post> {
        let mut posts = Vec::new();
        while !spool.is_empty() {
            let oldest = spool.oldest(10_000).unwrap();
            spool.published(&oldest);
            posts.extend(oldest.posts);
        }
        posts
    }

    #[test]
    fn messages_come_back_in_order_over_files_and_starts() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        for number in 0..5000 {
            assert!(spool.append(&numbered(number)).unwrap());
        }
        let first = spool.oldest(1).unwrap();
        assert_eq!(first.posts, [numbered(0)]);
        spool.published(&first);
        drop(spool);
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        assert!(spool.append(&numbered(5000)).unwrap());
        let posts = drained(&mut spool);
        // The first one again: how far it was published isn't kept.
        assert_eq!(posts, (0..=5000).map(numbered).collect::<Vec<_>>());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(spool.append(&numbered(1)).unwrap());
        assert_eq!(drained(&mut spool), [numbered(1)]);
    }

    #[test]
    fn it_takes_no_more_than_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 5000).unwrap();
        let taken = (0..100)
            .take_while(|number| spool.append(&numbered(*number)).unwrap())
            .count();
        assert_eq!(taken, 4);
        assert!(spool.bytes() <= 5000);
        assert_eq!(drained(&mut spool).len(), 4);
        assert!(spool.append(&numbered(1)).unwrap());
    }

    #[test]
    fn half_a_message_at_the_end_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
        spool.append(&numbered(0)).unwrap();
        spool.append(&numbered(1)).unwrap();
        let path = spool.files[0].path.clone();
        let bytes = spool.bytes();
        drop(spool);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(bytes - 10)
            .unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
        spool.append(&numbered(2)).unwrap();
        assert_eq!(drained(&mut spool), [numbered(0), numbered(2)]);
    }
}
