//! A ZIP from a stranger, read in memory and within limits.
//!
//! **Invariants:** nothing is written anywhere, and the name of an entry is only ever compared. What an archive can
//! cost is bounded before it is opened (entries, places where it might begin) and while it is read (bytes of an entry, of
//! all together, and how much more they are than what they were packed into), whatever its directory claims.

use std::borrow::Cow;
use std::io::{Cursor, Read as _};

use memchr::memmem;
use zip::ZipArchive;
use zip::result::ZipError;

/// What begins an entry of the directory.
const ENTRY: &[u8] = b"PK\x01\x02";
/// What ends the directory.
const END: &[u8] = b"PK\x05\x06";
/// Looks at entries that opening may cost: each end that could be the right one leads to a reading of them all.
const MOST_LOOKS: usize = 4_000_000;
/// What an entry may have whatever it was packed into, in bytes.
const ALWAYS: u64 = 64 * 1024;

/// What an archive may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the archive.
    pub bytes: usize,
    /// Entries.
    pub entries: usize,
    /// Bytes of one entry once it is unpacked.
    pub entry_bytes: u64,
    /// Bytes of all entries that are read.
    pub total_bytes: u64,
    /// How many times as many bytes an entry may have as it was packed into.
    pub ratio: u64,
}

/// Why an archive, or an entry of it, is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no archive, or a damaged one.
    #[error("this is not a ZIP archive, or it is damaged: {0}")]
    Damaged(String),
    /// Too many bytes.
    #[error("the archive has {0} bytes; it may have {1} at most")]
    TooLong(usize, usize),
    /// Too many entries.
    #[error("the archive has more than {0} entries")]
    TooMany(usize),
    /// An entry is too long or too well packed.
    #[error("the entry \"{0}\" unpacks to too much")]
    Bomb(String),
}

/// An open archive.
#[derive(Debug)]
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    limits: Limits,
    /// Bytes that were unpacked.
    unpacked: u64,
}

impl<'a> Archive<'a> {
    /// Opens an archive and reads its directory.
    pub fn open(bytes: &'a [u8], limits: Limits) -> Result<Self, Error> {
        if bytes.len() > limits.bytes {
            return Err(Error::TooLong(bytes.len(), limits.bytes));
        }
        let entries = memmem::find_iter(bytes, ENTRY).take(limits.entries + 1);
        let entries = entries.count();
        let ends = memmem::find_iter(bytes, END).take(MOST_LOOKS).count();
        if entries > limits.entries || ends.saturating_mul(entries.max(1)) > MOST_LOOKS {
            return Err(Error::TooMany(limits.entries));
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
        Ok(Self {
            zip,
            limits,
            unpacked: 0,
        })
    }

    /// The names of its entries, as far as they are text. They are to be compared, never to be used as paths.
    pub fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.zip.file_names().filter_map(Result::ok)
    }

    /// Unpacks the entry of exactly this name, if there is one.
    pub fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let entry = match self.zip.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(damaged(&error)),
        };
        let packed = entry.compressed_size();
        let most = packed.saturating_mul(self.limits.ratio).max(ALWAYS);
        let most = most
            .min(self.limits.entry_bytes)
            .min(self.limits.total_bytes - self.unpacked);
        let mut bytes = Vec::new();
        let read = entry.take(most + 1).read_to_end(&mut bytes);
        let bomb = || Error::Bomb(name.chars().take(200).collect());
        if bytes.len() as u64 > most {
            return Err(bomb());
        }
        read.map_err(|error| Error::Damaged(error.to_string()))?;
        self.unpacked += bytes.len() as u64;
        Ok(Some(bytes))
    }
}

fn damaged(error: &ZipError) -> Error {
    Error::Damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::packed;

    const LIMITS: Limits = Limits {
        bytes: 1 << 20,
        entries: 100,
        entry_bytes: 1 << 20,
        total_bytes: 2 << 20,
        ratio: 200,
    };

    #[test]
    fn entries_are_found_by_their_exact_name() {
        let bytes = packed(&[
            ("a.xml", "one"),
            ("../../etc/passwd", "two"),
            ("/c", "three"),
        ]);
        let mut archive = Archive::open(&bytes, LIMITS).unwrap();
        assert_eq!(archive.names().count(), 3);
        assert_eq!(archive.read("a.xml").unwrap().unwrap(), b"one");
        assert_eq!(archive.read("passwd").unwrap(), None);
        assert_eq!(archive.read("A.XML").unwrap(), None);
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let zeros = vec![0; 900 * 1024];
        let bytes = packed(&[("zeros", &zeros)]);
        assert!(bytes.len() < 4096);
        let mut archive = Archive::open(&bytes, LIMITS).unwrap();
        assert!(matches!(archive.read("zeros"), Err(Error::Bomb(_))));
        let roomy = Limits {
            ratio: 2000,
            ..LIMITS
        };
        let mut archive = Archive::open(&bytes, roomy).unwrap();
        assert_eq!(archive.read("zeros").unwrap().unwrap().len(), zeros.len());
        assert_eq!(archive.read("zeros").unwrap().unwrap().len(), zeros.len());
        assert!(
            matches!(archive.read("zeros"), Err(Error::Bomb(_))),
            "all together"
        );
    }

    #[test]
    fn too_many_entries_are_not_looked_at() {
        let names: Vec<String> = (0..101).map(|it| it.to_string()).collect();
        let entries: Vec<_> = names.iter().map(|it| (it.as_str(), "")).collect();
        let bytes = packed(&entries);
        assert_eq!(
            Archive::open(&bytes, LIMITS).unwrap_err(),
            Error::TooMany(100)
        );
        let limits = Limits {
            entries: 101,
            ..LIMITS
        };
        assert!(Archive::open(&bytes, limits).is_ok());
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for bytes in [&b""[..], b"PK", b"hello", &packed(&[("a", "b")])[..40]] {
            assert!(matches!(
                Archive::open(bytes, LIMITS),
                Err(Error::Damaged(_))
            ));
        }
        let mut bytes = packed(&[("a", "hello, world")]);
        let at = memmem::find(&bytes, b"PK\x01\x02").unwrap();
        bytes[at - 3] ^= 0xff;
        let mut archive = Archive::open(&bytes, LIMITS).unwrap();
        assert!(
            matches!(archive.read("a"), Err(Error::Damaged(_))),
            "its checksum is wrong"
        );
        let long = Limits {
            bytes: 10,
            ..LIMITS
        };
        assert!(matches!(
            Archive::open(&bytes, long),
            Err(Error::TooLong(..))
        ));
    }
}
