//! An exclusive lock on a directory of embedded stores.
//!
//! The lock is the kernel's, on an open file: it goes with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a holder may take to go: one that was killed while it started a process has left its
/// files to that one, until it has become what it was started as.
const PATIENCE: Duration = Duration::from_millis(500);

/// Holds a directory for this process until dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Why a directory can't be locked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds it.
    #[error(
        "{} is in use by another penstock process: stop that one or choose another --data-dir; \
         to share data between processes use a postgres:// store and a kafka:// bus",
        .0.display()
    )]
    Held(PathBuf),
    /// It can't be made or opened.
    #[error("{} can't be used as a data directory", .0.display())]
    Unusable(PathBuf, #[source] io::Error),
}

/// Makes the directory if needed and locks it.
pub fn directory(path: &Path) -> Result<DirectoryLock, Error> {
    let unusable = |error| Error::Unusable(path.to_owned(), error);
    std::fs::create_dir_all(path).map_err(unusable)?;
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join("LOCK"))
        .map_err(unusable)?;
    let begun = Instant::now();
    while let Err(refused) = file.try_lock() {
        match refused {
            TryLockError::WouldBlock if begun.elapsed() < PATIENCE => pause(),
            TryLockError::WouldBlock => return Err(Error::Held(path.to_owned())),
            TryLockError::Error(error) => return Err(unusable(error)),
        }
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(unusable)?;
    Ok(DirectoryLock { _file: file })
}

#[allow(
    clippy::disallowed_methods,
    reason = "at a process's start, before there is anything else to do"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = directory(folder.path()).unwrap();
        let refused = directory(folder.path()).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("in use by another penstock process"),
            "{refused}"
        );
        drop(first);
        directory(folder.path()).unwrap();
    }

    #[test]
    fn a_holder_that_is_just_going_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let first = directory(folder.path()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| directory(folder.path()).map(drop));
            pause();
            drop(first);
            second.join().unwrap().unwrap();
        });
    }
}
