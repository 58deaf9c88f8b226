//! Snapshots of workspaces: compressed archives in a store, one an attempt.
//!
//! **Invariant:** an attempt saves under its own number and is given the latest of lower numbers,
//! so one that is over and doesn't know it can't replace what a later one has saved.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::buffered::BufWriter;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tar::{Archive, Builder, Header};
use tokio::io::AsyncWriteExt as _;

use super::exact::Exact;
use super::walk::{self, Found};
use super::{Fault, LARGEST, blocking};

/// A level that is faster than most disks.
const LEVEL: i32 = 1;
/// The most files that are unpacked.
const MOST_FILES: usize = 1_000_000;

/// Where snapshots are.
#[derive(Debug, Clone)]
pub(super) struct Store {
    store: Arc<dyn ObjectStore>,
    /// Where archives are made before they are sent, and unpacked from.
    bench: PathBuf,
}

impl Store {
    pub(super) fn new(store: Arc<dyn ObjectStore>, bench: PathBuf) -> Self {
        Self { store, bench }
    }

    /// Saves a workspace as that of an attempt.
    pub(super) async fn save(&self, run_id: &str, attempt: u32, path: &Path) -> Result<(), Fault> {
        let packed = self.bench.join(format!("{run_id}-{attempt}.save"));
        let (from, to) = (path.to_owned(), packed.clone());
        blocking(move || pack(&from, &to))
            .await
            .map_err(Fault::at(path))?;
        let sent = self.send(&packed, &key(run_id, attempt)).await;
        let _ = fs::remove_file(&packed);
        sent
    }

    async fn send(&self, packed: &Path, to: &Key) -> Result<(), Fault> {
        let mut file = tokio::fs::File::open(packed)
            .await
            .map_err(Fault::at(packed))?;
        let mut writer = BufWriter::new(self.store.clone(), to.clone());
        tokio::io::copy(&mut file, &mut writer)
            .await
            .map_err(Fault::at(packed))?;
        writer.shutdown().await.map_err(Fault::at(packed))
    }

    /// Makes a workspace what the latest attempt before this one has saved; empty if none has.
    pub(super) async fn restore(
        &self,
        run_id: &str,
        attempt: u32,
        path: &Path,
    ) -> Result<(), Fault> {
        let to = path.to_owned();
        blocking(move || walk::remove(&to).and_then(|()| fs::create_dir_all(&to)))
            .await
            .map_err(Fault::at(path))?;
        let Some(latest) = self.latest_before(run_id, attempt).await? else {
            return Ok(());
        };
        let packed = self.bench.join(format!("{run_id}-{attempt}.restore"));
        self.fetch(&latest, &packed).await?;
        let (from, to) = (packed.clone(), path.to_owned());
        let unpacked = blocking(move || unpack(&from, &to))
            .await
            .map_err(Fault::at(path));
        let _ = fs::remove_file(&packed);
        unpacked
    }

    async fn latest_before(&self, run_id: &str, attempt: u32) -> Result<Option<Key>, Fault> {
        let before = key(run_id, attempt);
        let saved: Vec<_> = self
            .store
            .list(Some(&Key::from(run_id)))
            .try_collect()
            .await?;
        Ok(saved
            .into_iter()
            .map(|saved| saved.location)
            .filter(|saved| *saved < before)
            .max())
    }

    async fn fetch(&self, from: &Key, to: &Path) -> Result<(), Fault> {
        let mut chunks = self.store.get(from).await?.into_stream();
        let mut file = tokio::fs::File::create(to).await.map_err(Fault::at(to))?;
        while let Some(chunk) = chunks.next().await {
            file.write_all(&chunk?).await.map_err(Fault::at(to))?;
        }
        file.flush().await.map_err(Fault::at(to))
    }

    /// Removes all snapshots of a run.
    pub(super) async fn remove(&self, run_id: &str) -> Result<(), Fault> {
        let mut saved = self.store.list(Some(&Key::from(run_id)));
        while let Some(saved) = saved.next().await {
            self.store.delete(&saved?.location).await?;
        }
        Ok(())
    }

    /// The runs that have snapshots.
    pub(super) async fn runs(&self) -> Result<Vec<String>, Fault> {
        let listed = self.store.list_with_delimiter(None).await?;
        let name = |folder: Key| folder.filename().map(str::to_owned);
        Ok(listed
            .common_prefixes
            .into_iter()
            .filter_map(name)
            .collect())
    }
}

fn key(run_id: &str, attempt: u32) -> Key {
    Key::from(format!("{run_id}/{attempt:010}.tar.zst"))
}

/// Writes everything below `root` that is a file, directory or link.
fn pack(root: &Path, to: &Path) -> io::Result<()> {
    let writer = zstd::Encoder::new(File::create(to)?, LEVEL)?;
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
fn unpack(from: &Path, root: &Path) -> io::Result<()> {
    let mut archive = Archive::new(zstd::Decoder::new(File::open(from)?)?);
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
            let _ = unpack(&packed(folder.path(), entries), &root);
            assert!(!folder.path().join("escaped").exists(), "{entries:?}");
            assert!(!Path::new("/tmp/penstock-escaped").exists());
        }
    }
}
