//! Who an executor is: a name, and a number for each of its starts.
//!
//! Both lie in the work directory, which one process holds at a time.
//!
//! **Invariant:** boot numbers of a work directory ascend; a number is on disk before it is used.
//! They are at least the wall clock's milliseconds, so that an executor that lost its directory,
//! and keeps its configured name, still comes back with a greater one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use runtime::lock::{self, DirectoryLock};
use serde::{Deserialize, Serialize};

use crate::Error;

const FILE: &str = "executor.json";

/// An executor's name and boot number. Holds the work directory.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) boot: u64,
    _lock: DirectoryLock,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    boot: u64,
}

impl Identity {
    /// Takes the directory and the next boot number. `name` is empty to keep or make one.
    pub(crate) fn take(work_dir: &Path, name: &str, now_ms: i64) -> Result<Self, Error> {
        let lock = lock::directory(work_dir)?;
        let path = work_dir.join(FILE);
        let kept = match fs::read(&path) {
            Ok(text) => Some(parse(&path, &text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::unusable(path)(error)),
        };
        let last_boot = kept.as_ref().map_or(0, |kept| kept.boot);
        let boot = u64::try_from(now_ms).unwrap_or_default().max(last_boot + 1);
        let name = match (name, kept) {
            ("", Some(kept)) => kept.name,
            ("", None) => own_name(),
            (name, _) => name.to_owned(),
        };
        check(&name)?;
        let next = Kept { name, boot };
        keep(work_dir, &next).map_err(Error::unusable(path))?;
        Ok(Self {
            name: next.name,
            boot: next.boot,
            _lock: lock,
        })
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<Kept, Error> {
    serde_json::from_slice(text).map_err(|error| Error::Identity {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

fn check(name: &str) -> Result<(), Error> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if (1..=128).contains(&name.len()) && name.bytes().all(is_fine) {
        Ok(())
    } else {
        Err(Error::Name(name.to_owned()))
    }
}

/// The host's name, with digits that keep two executors of one host apart.
fn own_name() -> String {
    let host = rustix::system::uname();
    let host: String = host
        .nodename()
        .to_string_lossy()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || ".-_".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(100)
        .collect();
    let host = if host.is_empty() { "executor" } else { &host };
    format!("{host}-{:04x}", rand::random::<u16>())
}

fn keep(work_dir: &Path, next: &Kept) -> std::io::Result<()> {
    let written = work_dir.join("executor.json.new");
    let mut file = File::create(&written)?;
    file.write_all(&serde_json::to_vec(next)?)?;
    file.sync_all()?;
    fs::rename(&written, work_dir.join(FILE))?;
    File::open(work_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_number_is_greater_than_all_before_even_if_the_clock_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let boot = |now_ms| Identity::take(folder.path(), "", now_ms).unwrap().boot;
        let boots = [boot(5000), boot(5000), boot(10), boot(9000)];
        assert_eq!(boots, [5000, 5001, 5002, 9000]);
    }

    #[test]
    fn a_name_is_kept_until_another_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let name = |name| Identity::take(folder.path(), name, 1).unwrap().name;
        let made = name("");
        assert_eq!(name(""), made);
        assert_eq!(name("worker-1"), "worker-1");
        assert_eq!(name(""), "worker-1");
        let refused = Identity::take(folder.path(), "a b", 1).unwrap_err();
        assert!(
            refused.to_string().contains("executor.name \"a b\""),
            "{refused}"
        );
    }

    #[test]
    fn one_process_holds_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let _held = Identity::take(folder.path(), "", 1).unwrap();
        assert!(matches!(
            Identity::take(folder.path(), "", 1),
            Err(Error::Directory(_))
        ));
    }
}
