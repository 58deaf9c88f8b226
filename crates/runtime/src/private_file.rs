//! A small file that only its owner reads: a key, a token; and keys of 32 bytes that lie in one.
//!
//! **Invariant:** such a file appears whole, with mode 0600, and is replaced as a whole by its one
//! owner or never; of several who make it at once one wins, and all learn what it holds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::config::Secret;

/// Bytes that such a file may have.
const LONGEST: u64 = 4096;
/// Bytes of a key.
const KEY: usize = 32;

/// The file can't be read or made.
#[derive(Debug, thiserror::Error)]
#[error("{path} can't be {what}: {source}")]
pub struct Error {
    path: PathBuf,
    /// Read, or written.
    what: &'static str,
    source: io::Error,
}

/// The configured key or else the one in the file, which is made if need be. Nothing if what is
/// there is not 32 bytes, as 64 hex digits or as base64.
pub fn key(configured: &Secret, path: &Path) -> Result<Option<[u8; KEY]>, Error> {
    if !configured.is_empty() {
        return Ok(parsed(configured));
    }
    let key = match read(path)? {
        Some(key) => key,
        None => keep(path, &Secret::new(hex::encode(rand::random::<[u8; KEY]>())))?,
    };
    Ok(parsed(&key))
}

/// The same where there may be several: keys of one line each, or with commas between them, the
/// first being the one in use. Nothing if one of them is no key.
pub fn keys(configured: &Secret, path: &Path) -> Result<Option<Vec<[u8; KEY]>>, Error> {
    if configured.is_empty() && read(path)?.is_none() {
        return Ok(key(configured, path)?.map(|key| vec![key]));
    }
    let said = if configured.is_empty() {
        read(path)?.unwrap_or_default()
    } else {
        configured.clone()
    };
    let between = |it: char| it == ',' || it.is_whitespace();
    let texts = said.expose().split(between).filter(|it| !it.is_empty());
    let keys: Option<Vec<_>> = texts.map(|text| parsed(&Secret::new(text))).collect();
    Ok(keys.filter(|keys| !keys.is_empty()))
}

fn parsed(key: &Secret) -> Option<[u8; KEY]> {
    let text = key.expose();
    let bytes = if text.len() == 2 * KEY {
        hex::decode(text).ok()
    } else {
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|engine| engine.decode(text).ok())
    };
    bytes?.try_into().ok()
}

/// What the file holds, without white space around it; nothing if there is no file.
pub fn read(path: &Path) -> Result<Option<Secret>, Error> {
    let failed = |source| Error {
        path: path.to_owned(),
        what: "read",
        source,
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(about) if about.len() > LONGEST => {
            return Err(failed(io::Error::other(
                "it is too large for what it should hold",
            )));
        }
        Ok(_) => {}
    }
    fs::read_to_string(path)
        .map(|text| Some(Secret::new(text.trim())))
        .map_err(failed)
}

/// Makes the file, or leaves the one that is there; answers what it holds then.
pub fn keep(path: &Path, text: &Secret) -> Result<Secret, Error> {
    let failed = |source| Error {
        path: path.to_owned(),
        what: "written",
        source,
    };
    let made = write(path, text).map_err(failed)?;
    if made {
        return Ok(text.clone());
    }
    read(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

/// Puts `text` in the place of what the file holds. A crash leaves the one or the other.
pub fn replace(path: &Path, text: &Secret) -> Result<(), Error> {
    let replaced = || {
        let draft = drafted(path, text)?;
        if let Err(error) = fs::rename(&draft, path) {
            fs::remove_file(&draft)?;
            return Err(error);
        }
        File::open(folder(path))?.sync_all()
    };
    replaced().map_err(|source| Error {
        path: path.to_owned(),
        what: "written",
        source,
    })
}

/// A new file beside `path` that holds `text`.
fn drafted(path: &Path, text: &Secret) -> io::Result<PathBuf> {
    fs::create_dir_all(folder(path))?;
    let draft = draft(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let written = writeln!(file, "{}", text.expose()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        fs::remove_file(&draft)?;
        return Err(error);
    }
    Ok(draft)
}

fn write(path: &Path, text: &Secret) -> io::Result<bool> {
    let folder = folder(path);
    let draft = drafted(path, text)?;
    let outcome = publish(&draft, path);
    let removed = fs::remove_file(&draft);
    let made = outcome?;
    removed?;
    File::open(folder)?.sync_all()?;
    Ok(made)
}

/// A link appears at once or not at all, and never in the place of another file.
fn publish(draft: &Path, path: &Path) -> io::Result<bool> {
    match fs::hard_link(draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => ".".into(),
        Some(parent) => parent.to_owned(),
        None => ".".into(),
    }
}

fn draft(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}.draft", rand::random::<u64>()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_who_makes_it_wins_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/token");
        assert!(read(&path).unwrap().is_none());
        let kept: Vec<String> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|number| {
                    let path = &path;
                    scope.spawn(move || keep(path, &Secret::new(format!("value {number}"))))
                })
                .collect();
            makers
                .into_iter()
                .map(|it| it.join().unwrap().unwrap().expose().to_owned())
                .collect()
        });
        assert!(kept.iter().all(|value| *value == kept[0]), "{kept:?}");
        assert_eq!(read(&path).unwrap().unwrap().expose(), kept[0]);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "a draft was left"
        );
    }

    #[test]
    fn keys_stand_in_lines_and_are_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let none = Secret::default();
        let first = keys(&none, &path).unwrap().unwrap();
        assert_eq!(keys(&none, &path).unwrap().unwrap(), first, "it was made");
        let (old, new) = (hex::encode(first[0]), hex::encode([7; KEY]));
        replace(&path, &Secret::new(format!("{new}\n{old}"))).unwrap();
        assert_eq!(keys(&none, &path).unwrap().unwrap(), [[7; KEY], first[0]]);
        let said = Secret::new(format!("{old},{new}"));
        assert_eq!(keys(&said, &path).unwrap().unwrap(), [first[0], [7; KEY]]);
        for wrong in ["short", ",", &*format!("{old},short")] {
            assert!(
                keys(&Secret::new(wrong), &path).unwrap().is_none(),
                "{wrong}"
            );
        }
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "a draft was left"
        );
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_folder_in_its_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains(&folder.path().display().to_string()),
            "{error}"
        );
    }
}
