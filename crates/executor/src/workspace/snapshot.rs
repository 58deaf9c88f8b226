//! Snapshots of workspaces: compressed archives in a store, one an attempt.
//!
//! **Invariant:** an attempt saves under its own number and is given the latest of lower numbers,
//! so one that is over and doesn't know it can't replace what a later one has saved.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use tar::{Archive, Builder, Header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::exact::Exact;
use super::store::{self, Opened, Scratch};
use super::walk::{self, Found};
use super::{Fault, LARGEST, blocking};

/// A level that is faster than most disks.
const LEVEL: i32 = 1;
/// What is sent at a time, in bytes. S3 takes 10 000 parts of 5 MiB and more.
const PART: usize = 8 << 20;
/// Parts that are under way at once.
const PARTS_AT_ONCE: usize = 2;
/// The most files that are unpacked.
const MOST_FILES: usize = 1_000_000;

/// Whoever holds it works on a workspace's directory.
pub(super) type Turn = Arc<Mutex<()>>;

/// Where snapshots are.
#[derive(Clone)]
pub(super) struct Store {
    objects: Arc<dyn ObjectStore>,
    /// What it is called in messages.
    name: Arc<str>,
    /// Where archives are made before they are sent, and unpacked from.
    bench: PathBuf,
}

impl std::fmt::Debug for Store {
    /// Without the store itself, which may show its credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.name).finish()
    }
}

impl Store {
    pub(super) fn new(Opened { store, name }: Opened, bench: PathBuf) -> Self {
        Self {
            objects: store,
            name: name.into(),
            bench,
        }
    }

    /// Saves a workspace as that of an attempt.
    pub(super) async fn save(&self, run_id: &str, attempt: u32, path: &Path) -> Result<(), Fault> {
        let packed = Scratch::new(self.bench.join(format!("{run_id}-{attempt}.save")));
        // Made here, so that none is left should this be given up while it is being packed.
        let file = File::create(packed.path()).map_err(Fault::at(packed.path()))?;
        let from = path.to_owned();
        blocking(move || pack(&from, file))
            .await
            .map_err(Fault::at(path))?;
        self.send(packed.path(), &key(run_id, attempt)).await
    }

    async fn send(&self, packed: &Path, to: &Key) -> Result<(), Fault> {
        let mut file = tokio::fs::File::open(packed)
            .await
            .map_err(Fault::at(packed))?;
        let first = part(&mut file).await.map_err(Fault::at(packed))?;
        if first.len() < PART {
            let sent = self.objects.put(to, first.into()).await;
            return sent.map(drop).map_err(|error| self.fault(&error));
        }
        let upload = self.objects.put_multipart(to).await;
        let mut upload = WriteMultipart::new(upload.map_err(|error| self.fault(&error))?);
        let mut next = first;
        while !next.is_empty() {
            let ready = upload.wait_for_capacity(PARTS_AT_ONCE).await;
            ready.map_err(|error| self.fault(&error))?;
            upload.put(next);
            next = part(&mut file).await.map_err(Fault::at(packed))?;
        }
        let sent = upload.finish().await;
        sent.map(drop).map_err(|error| self.fault(&error))
    }

    /// Makes a workspace what the latest attempt before this one has saved; empty if none has. It
    /// may be given up and begun again: `turn` keeps what still goes on from what follows.
    pub(super) async fn restore(
        &self,
        run_id: &str,
        attempt: u32,
        (path, turn): (&Path, &Turn),
    ) -> Result<(), Fault> {
        let (to, emptying) = (path.to_owned(), turn.clone());
        let emptied = blocking(move || {
            let _turn = emptying.lock();
            walk::remove(&to).and_then(|()| fs::create_dir_all(&to))
        });
        emptied.await.map_err(Fault::at(path))?;
        let Some(latest) = self.latest_before(run_id, attempt).await? else {
            return Ok(());
        };
        let packed = Scratch::new(self.bench.join(format!("{run_id}-{attempt}.restore")));
        self.fetch(&latest, packed.path()).await?;
        let file = File::open(packed.path()).map_err(Fault::at(packed.path()))?;
        let (to, unpacking) = (path.to_owned(), turn.clone());
        let unpacked = blocking(move || {
            let _turn = unpacking.lock();
            unpack(file, &to)
        });
        unpacked.await.map_err(Fault::at(path))
    }

    async fn latest_before(&self, run_id: &str, attempt: u32) -> Result<Option<Key>, Fault> {
        let before = key(run_id, attempt);
        let saved: Vec<_> = self
            .objects
            .list(Some(&Key::from(run_id)))
            .try_collect()
            .await
            .map_err(|error| self.fault(&error))?;
        Ok(saved
            .into_iter()
            .map(|saved| saved.location)
            .filter(|saved| *saved < before)
            .max())
    }

    async fn fetch(&self, from: &Key, to: &Path) -> Result<(), Fault> {
        let found = self.objects.get(from).await;
        let mut chunks = found.map_err(|error| self.fault(&error))?.into_stream();
        let mut file = tokio::fs::File::create(to).await.map_err(Fault::at(to))?;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| self.fault(&error))?;
            file.write_all(&chunk).await.map_err(Fault::at(to))?;
        }
        file.flush().await.map_err(Fault::at(to))
    }

    /// Removes all snapshots of a run.
    pub(super) async fn remove(&self, run_id: &str) -> Result<(), Fault> {
        let mut saved = self.objects.list(Some(&Key::from(run_id)));
        while let Some(saved) = saved.next().await {
            let saved = saved.map_err(|error| self.fault(&error))?;
            match self.objects.delete(&saved.location).await {
                // Another executor was first.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.fault(&error)),
            }
        }
        Ok(())
    }

    /// The runs that have snapshots.
    pub(super) async fn runs(&self) -> Result<Vec<String>, Fault> {
        let listed = self.objects.list_with_delimiter(None).await;
        let name = |folder: Key| folder.filename().map(str::to_owned);
        Ok(listed
            .map_err(|error| self.fault(&error))?
            .common_prefixes
            .into_iter()
            .filter_map(name)
            .collect())
    }

    fn fault(&self, error: &object_store::Error) -> Fault {
        store::fault(&self.name, error)
    }
}

/// The next part of a file; less than a whole one at its end.
async fn part(file: &mut tokio::fs::File) -> io::Result<Bytes> {
    let mut part = Vec::new();
    file.take(PART as u64).read_to_end(&mut part).await?;
    Ok(part.into())
}

fn key(run_id: &str, attempt: u32) -> Key {
    Key::from(format!("{run_id}/{attempt:010}.tar.zst"))
}

/// Writes everything below `root` that is a file, directory or link.
fn pack(root: &Path, to: File) -> io::Result<()> {
    let writer = zstd::Encoder::new(to, LEVEL)?;
    let mut archive = Builder::new(writer);
    walk::each(root, |found| append(&mut archive, root, &found))?;
    archive.into_inner()?.finish()?.sync_all()
}

fn append(archive: &mut Builder<impl io::Write>, root: &Path, found: &Found) -> io::Result<()> {
    let Found { path, meta } = found;
    let mut header = Header::new_gnu();
    header.set_metadata(meta);
    if meta.is_dir() {
        return archive.append_data(&mut header, path, io::empty());
    }
    if meta.is_symlink() {
        header.set_size(0);
        return archive.append_link(&mut header, path, fs::read_link(root.join(path))?);
    }
    if !meta.is_file() {
        return Ok(());
    }
    match File::open(root.join(path)) {
        Ok(file) => archive.append_data(
            &mut header,
            path,
            Exact {
                file,
                left: meta.len(),
            },
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Unpacks an archive into `root`. What would come to lie outside of it is left out.
fn unpack(from: File, root: &Path) -> io::Result<()> {
    let mut archive = Archive::new(zstd::Decoder::new(from)?);
    let mut left = LARGEST;
    let mut folders = Vec::new();
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        left = left
            .checked_sub(entry.size())
            .filter(|_| count < MOST_FILES)
            .ok_or_else(too_much)?;
        entry.set_preserve_permissions(true);
        entry.set_preserve_mtime(true);
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            // One that can't be written to takes its files first.
            fs::create_dir_all(inside(root, &entry.path()?)?)?;
            folders.push(entry);
        } else if kind.is_file() || kind.is_symlink() {
            entry.unpack_in(root)?;
        }
    }
    for folder in folders.iter_mut().rev() {
        folder.unpack_in(root)?;
    }
    Ok(())
}

/// A directory's path below `root`, if it goes through no link and no `..`.
fn inside(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut inside = root.to_owned();
    for part in path.components() {
        let std::path::Component::Normal(part) = part else {
            return Err(outside());
        };
        inside.push(part);
        if fs::symlink_metadata(&inside).is_ok_and(|meta| !meta.is_dir()) {
            return Err(outside());
        }
    }
    Ok(inside)
}

fn outside() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the snapshot has a path outside of the workspace",
    )
}

fn too_much() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the snapshot holds more than a workspace may",
    )
}

#[cfg(test)]
mod tests {
    use tar::EntryType;

    use super::*;

    fn packed(folder: &Path, entries: &[(&str, Option<&str>)]) -> PathBuf {
        let path = folder.join("evil.tar.zst");
        let writer = zstd::Encoder::new(File::create(&path).unwrap(), LEVEL).unwrap();
        let mut archive = Builder::new(writer);
        for (name, link) in entries {
            let mut header = Header::new_gnu();
            header.set_mode(0o644);
            let (kind, size) = if link.is_some() {
                (EntryType::Symlink, 0)
            } else {
                (EntryType::Regular, 1)
            };
            header.set_entry_type(kind);
            header.set_size(size);
            if let Some(link) = link {
                header.set_link_name(link).unwrap();
            }
            let field = &mut header.as_old_mut().name;
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            archive
                .append(&header, &b"x"[..usize::try_from(size).unwrap()])
                .unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn no_snapshot_writes_outside_of_its_workspace() {
        for entries in [
            &[("../escaped", None)][..],
            &[("/tmp/penstock-escaped", None)],
            &[("link", Some("..")), ("link/escaped", None)],
            &[("a", Some("b")), ("b", Some("..")), ("a/escaped", None)],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("root");
            fs::create_dir(&root).unwrap();
            let _ = unpack(File::open(packed(folder.path(), entries)).unwrap(), &root);
            assert!(!folder.path().join("escaped").exists(), "{entries:?}");
            assert!(!Path::new("/tmp/penstock-escaped").exists());
        }
    }
}
