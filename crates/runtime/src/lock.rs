//! An exclusive lock on a directory of embedded stores.
//!
//! The lock is the kernel's, on an open file: it goes with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

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
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::Held(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(unusable)?;
    Ok(DirectoryLock { _file: file })
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
}
