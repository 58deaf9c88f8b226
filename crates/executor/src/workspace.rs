//! The workspaces of runs: a directory that the steps of a run share, over all its attempts.
//!
//! `shared` keeps it in one place. `snapshot` saves it to a store after each step that changed it,
//! and the next attempt, perhaps on another machine, is given the latest copy.
//!
//! **Invariants:** nothing outside a run's own directory is written or removed, whatever links a
//! step left in it. A workspace is removed when its run has ended, by the executor that saw that or
//! by the sweep of any other; one of a debugging run is kept for some days, and one that another run may
//! go on in as long as `pipeline` says so and the disk has room.

mod exact;
mod snapshot;
mod store;
mod sweep;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contracts::id::is_object_id;
use tokio::sync::Mutex;

use crate::config::Sharing;
use crate::{Config, Error};

pub(crate) use sweep::sweep;
pub(crate) use walk::remove as remove_tree;

/// What a workspace may hold to be saved, in bytes.
const LARGEST: u64 = 1 << 30;
/// Which part of the disk must be free for workspaces of ended runs to stay: a tenth.
const ROOM: u64 = 10;
/// So many bytes are room on the largest disk.
const PLENTY: u64 = 8 << 30;
/// What marks the workspace of a debugging run, behind its name.
const KEPT: &str = "keep";

/// Why a workspace isn't there or can't be saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The run's id can't be the name of a directory.
    #[error("the run has an impossible id")]
    Name,
    /// The system refused.
    #[error("the workspace {}: {source}", path.display())]
    System {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// More than a snapshot may hold.
    #[error(
        "the workspace has more than {LARGEST} bytes, which is the most that can be saved between \
         steps: remove what later steps don't need"
    )]
    TooLarge,
    /// The store of snapshots refused, or was away for too long.
    #[error("the store of snapshots {store}: {why}")]
    Store {
        /// What it is called.
        store: String,
        /// What it said, and what to do about it.
        why: String,
    },
}

impl Fault {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::System {
            path: path.to_owned(),
            source,
        }
    }
}

/// All workspaces of an executor.
#[derive(Debug, Clone)]
pub(crate) struct Workspaces {
    folder: PathBuf,
    /// How long those of debugging runs are kept.
    kept_for: Duration,
    /// Where snapshots go, and where they are made.
    snapshots: Option<snapshot::Store>,
}

/// The workspace of one attempt.
#[derive(Debug)]
pub(crate) struct Workspace {
    path: PathBuf,
    run_id: String,
    attempt: u32,
    snapshots: Option<snapshot::Store>,
    /// What was saved last; nothing before the workspace was made ready.
    saved: Mutex<Option<walk::Fingerprint>>,
    turn: snapshot::Turn,
}

impl Workspaces {
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        Self::open_with(config, store::PATIENCE)
    }

    /// Opens them with a store that may be away for so long.
    fn open_with(config: &Config, patience: Duration) -> Result<Self, Error> {
        let folder = made(&config.workspaces())?;
        let snapshots = match config.workspace {
            Sharing::Shared => None,
            Sharing::Snapshot => {
                let bench = made(&config.work_dir.join("packing"))?;
                let store = store::open(config, patience)?;
                Some(snapshot::Store::new(store, bench))
            }
        };
        Ok(Self {
            folder,
            kept_for: Duration::from_hours(24) * config.debugging_days,
            snapshots,
        })
    }

    /// Whether the disk has so much room that workspaces of ended runs may stay on it.
    pub(crate) fn has_room(&self) -> bool {
        match rustix::fs::statvfs(&self.folder) {
            Ok(found) => {
                let plenty = PLENTY / found.f_frsize.max(1);
                found.f_blocks == 0 || found.f_bavail >= plenty.min(found.f_blocks / ROOM)
            }
            Err(_) => false,
        }
    }

    /// The workspace for an attempt. Nothing is made yet.
    pub(crate) fn of(&self, run_id: &str, attempt: u32) -> Result<Workspace, Fault> {
        if !is_object_id(run_id) {
            return Err(Fault::Name);
        }
        Ok(Workspace {
            path: self.folder.join(run_id),
            run_id: run_id.to_owned(),
            attempt,
            snapshots: self.snapshots.clone(),
            saved: Mutex::new(None),
            turn: snapshot::Turn::default(),
        })
    }

    /// Removes what there is of a run that has ended.
    pub(crate) async fn remove(&self, run_id: &str) -> Result<(), Fault> {
        if !is_object_id(run_id) || self.is_kept(run_id) {
            return Ok(());
        }
        let path = self.folder.join(run_id);
        let removed = path.clone();
        blocking(move || walk::remove(&removed))
            .await
            .map_err(Fault::at(&path))?;
        match &self.snapshots {
            Some(snapshots) => snapshots.remove(run_id).await,
            None => Ok(()),
        }
    }

    fn is_kept(&self, run_id: &str) -> bool {
        self.folder.join(run_id).with_extension(KEPT).exists()
    }
}

impl Workspace {
    /// The run that it was made for.
    pub(crate) fn id(&self) -> &str {
        &self.run_id
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it ready for a step: makes it, or gives it the run's latest copy. The first call of an
    /// attempt does the work.
    pub(crate) async fn ready(&self) -> Result<(), Fault> {
        let mut saved = self.saved.lock().await;
        if saved.is_some() {
            return Ok(());
        }
        match &self.snapshots {
            Some(snapshots) if self.attempt > 1 => {
                snapshots
                    .restore(&self.run_id, self.attempt, (&self.path, &self.turn))
                    .await?;
                *saved = Some(self.fingerprint().await?);
            }
            _ => {
                std::fs::create_dir_all(&self.path).map_err(Fault::at(&self.path))?;
                *saved = Some(walk::Fingerprint::default());
            }
        }
        Ok(())
    }

    /// Saves it for the next attempt, if it has changed since.
    pub(crate) async fn save(&self) -> Result<(), Fault> {
        let Some(snapshots) = &self.snapshots else {
            return Ok(());
        };
        let mut saved = self.saved.lock().await;
        let now = self.fingerprint().await?;
        if now.bytes > LARGEST {
            return Err(Fault::TooLarge);
        }
        if *saved != Some(now) {
            snapshots
                .save(&self.run_id, self.attempt, &self.path)
                .await?;
            *saved = Some(now);
        }
        Ok(())
    }

    /// Keeps it when its run has ended.
    pub(crate) fn keep(&self) -> Result<(), Fault> {
        let mark = self.path.with_extension(KEPT);
        std::fs::write(&mark, "").map_err(Fault::at(&mark))
    }

    async fn fingerprint(&self) -> Result<walk::Fingerprint, Fault> {
        let path = self.path.clone();
        blocking(move || walk::fingerprint(&path))
            .await
            .map_err(Fault::at(&self.path))
    }
}

/// Does what takes long where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn made(folder: &Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(folder).map_err(Error::unusable(folder))?;
    // A process may change its directory, and steps have another.
    folder.canonicalize().map_err(Error::unusable(folder))
}

#[cfg(test)]
mod tests;
