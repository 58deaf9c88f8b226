//! Walks a workspace without following links, however deep and odd it is.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What changes when a workspace does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fingerprint {
    of_all: u64,
    /// What its files hold.
    pub(super) bytes: u64,
}

/// A file, link or directory below a workspace.
#[derive(Debug)]
pub(super) struct Found {
    /// Below the workspace.
    pub(super) path: PathBuf,
    pub(super) meta: fs::Metadata,
}

/// Visits everything below `root`, parents before what they hold, in a stable order. What vanishes
/// meanwhile is left out.
pub(super) fn each(root: &Path, mut visit: impl FnMut(Found) -> io::Result<()>) -> io::Result<()> {
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        let entries = match fs::read_dir(root.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        let mut names = entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        for name in names {
            let path = folder.join(name);
            let meta = match fs::symlink_metadata(root.join(&path)) {
                Ok(meta) => meta,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error),
            };
            if meta.is_dir() {
                waiting.push(path.clone());
            }
            visit(Found { path, meta })?;
        }
    }
    Ok(())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// What tells one state of a workspace from another.
pub(super) fn fingerprint(root: &Path) -> io::Result<Fingerprint> {
    let mut hasher = DefaultHasher::new();
    let mut bytes = 0_u64;
    each(root, |Found { path, meta }| {
        path.hash(&mut hasher);
        (meta.mode(), meta.ino()).hash(&mut hasher);
        if !meta.is_dir() {
            (meta.size(), meta.mtime(), meta.mtime_nsec()).hash(&mut hasher);
        }
        if meta.is_file() {
            bytes = bytes.saturating_add(meta.size());
        }
        Ok(())
    })?;
    Ok(Fingerprint {
        of_all: hasher.finish().max(1),
        bytes,
    })
}

/// Removes a workspace or a part of one, directories without permissions included.
pub(crate) fn remove(root: &Path) -> io::Result<()> {
    match fs::remove_dir_all(root) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            allow(root)?;
            fs::remove_dir_all(root)
        }
        Err(error) if is_gone(&error) => Ok(()),
        outcome => outcome,
    }
}

/// Makes every directory one that can be emptied.
fn allow(root: &Path) -> io::Result<()> {
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}
