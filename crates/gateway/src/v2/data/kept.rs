//! Plain files below a directory that others have written: found and opened without following links.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};

/// Files that are listed, at most.
const MOST: usize = 10_000;
/// Directories within each other that are looked into.
const DEEPEST: usize = 64;

/// A file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Below the directory, with slashes.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) modified_ms: i64,
}

/// The plain files below a directory by path, and whether there are more. What has no name in UTF-8
/// is left out.
pub(super) fn files(root: &Path) -> io::Result<(Vec<Found>, bool)> {
    let mut waiting = vec![(String::new(), open_directory(CWD, root)?)];
    let (mut found, mut more) = (Vec::new(), false);
    while let Some((prefix, folder)) = waiting.pop() {
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(name, "." | "..") {
                continue;
            }
            let stat = match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            let path = format!("{prefix}{name}");
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind == FileType::RegularFile && found.len() < MOST {
                found.push(Found {
                    path,
                    bytes: u64::try_from(stat.st_size).unwrap_or_default(),
                    modified_ms: stat.st_mtime.saturating_mul(1000),
                });
            } else if kind == FileType::Directory && path.split('/').count() < DEEPEST {
                // One that nobody may read is as good as empty.
                if let Ok(inner) = open_directory(folder.as_fd(), name) {
                    waiting.push((format!("{path}/"), inner));
                }
            } else if matches!(kind, FileType::RegularFile | FileType::Directory) {
                more = true;
            }
        }
        if more || waiting.len() > MOST {
            more = true;
            break;
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok((found, more))
}

/// A plain file below a directory, and how long it is.
pub(super) fn open(root: &Path, path: &str) -> io::Result<(File, u64)> {
    let no_path = || io::Error::from(io::ErrorKind::InvalidInput);
    let mut folder = open_directory(CWD, root)?;
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    for segment in folders.split('/').filter(|_| !folders.is_empty()) {
        if !is_name(segment) {
            return Err(no_path());
        }
        folder = open_directory(folder.as_fd(), segment)?;
    }
    if !is_name(name) {
        return Err(no_path());
    }
    // Without blocking: it may be a pipe that nobody writes into.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&folder, name, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(no_path());
    }
    let bytes = u64::try_from(stat.st_size).unwrap_or_default();
    Ok((File::from(file), bytes))
}

fn is_name(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && !segment.contains('\0')
}

fn open_directory(at: impl AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, path, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn workspace() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("run");
        fs::create_dir_all(root.join("d/e")).unwrap();
        fs::write(root.join("a.txt"), "a").unwrap();
        fs::write(root.join("d/e/b.txt"), "bb").unwrap();
        fs::write(folder.path().join("secret"), "s").unwrap();
        symlink("../secret", root.join("link")).unwrap();
        symlink("..", root.join("d/up")).unwrap();
        folder
    }

    #[test]
    fn plain_files_are_listed_and_links_are_not() {
        let folder = workspace();
        let (found, more) = files(&folder.path().join("run")).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.path.as_str(), it.bytes))
            .collect();
        assert_eq!(found, [("a.txt", 1), ("d/e/b.txt", 2)]);
        assert!(!more);
        assert!(files(&folder.path().join("nothing")).is_err());
    }

    #[test]
    fn no_path_leads_out() {
        let folder = workspace();
        let root = folder.path().join("run");
        let (mut file, bytes) = open(&root, "d/e/b.txt").unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), bytes), ("bb", 2));
        for path in [
            "../secret",
            "link",
            "d/up/secret",
            "d",
            "",
            "/etc/passwd",
            "d//e/b.txt",
            "./a.txt",
            "d/../a.txt",
            "nothing",
            "a\0",
        ] {
            assert!(open(&root, path).is_err(), "{path}");
        }
    }
}
