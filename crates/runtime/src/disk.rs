//! Whether there is room for what stores are told to keep: what `/readyz` says about disks.
//!
//! A process looks at the disk under its data directory every second, and remembers when a store
//! last refused something because a disk was full. Both pass by themselves once there is room.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::{Bell, Progress, Readiness, Tasks, clock};

/// Bytes below which a disk counts as full: about what the logs of all stores may grow by at once.
pub const LOW: u64 = 4 * 1024 * 1024;
/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a refusal is remembered, in milliseconds.
const REMEMBERED_MS: i64 = 10_000;
/// The seam's name in `/readyz`.
const SEAM: &str = "disk";

/// When a store last refused something because a disk was full.
static REFUSED_MS: AtomicI64 = AtomicI64::new(0);

/// Notes that a store has just refused something because a disk was full.
pub(crate) fn refused() {
    REFUSED_MS.store(clock::now_ms(), Ordering::Relaxed);
}

/// Says in `ready` whether the disk under `directory` has room, as long as the process lives.
pub fn watch(directory: &Path, ready: &Readiness, tasks: &Tasks) {
    let (directory, ready) = (directory.to_owned(), ready.clone());
    tasks.answer("disk-room", &Bell::new(), PERIOD, move || {
        let (directory, ready) = (directory.clone(), ready.clone());
        async move {
            let room = room(directory.clone()).await;
            match trouble(&directory, room, clock::now_ms()) {
                Some(why) => ready.missing(SEAM, why),
                None => ready.present(SEAM),
            }
            Ok::<_, Infallible>(Progress::Idle)
        }
    });
}

/// Bytes that may still be written under a directory; nothing if its file system doesn't say.
async fn room(directory: PathBuf) -> Option<u64> {
    let look = move || -> io::Result<Option<u64>> {
        let found = rustix::fs::statvfs(&directory)?;
        let room = found.f_bavail.saturating_mul(found.f_frsize);
        Ok((found.f_blocks > 0).then_some(room))
    };
    // A disk behind a network may take its time.
    let looked = tokio::task::spawn_blocking(look).await;
    looked.ok()?.ok()?
}

fn trouble(directory: &Path, room: Option<u64>, now_ms: i64) -> Option<String> {
    if let Some(room) = room.filter(|it| *it < LOW) {
        let kib = room / 1024;
        return Some(format!(
            "the disk under {} is full ({kib} KiB are left): make room on it",
            directory.display()
        ));
    }
    let refused_ms = REFUSED_MS.load(Ordering::Relaxed);
    (now_ms - refused_ms < REMEMBERED_MS)
        .then(|| "a store found its disk full a moment ago: make room on it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_is_full_below_its_limit_or_after_a_refusal() {
        let here = Path::new("/data");
        // Other tests of this process may be refused something now.
        let later_ms = clock::now_ms() + 10 * REMEMBERED_MS;
        assert_eq!(trouble(here, Some(LOW), later_ms), None);
        assert_eq!(trouble(here, None, later_ms), None, "not every disk says");
        let why = trouble(here, Some(LOW - 1), later_ms).unwrap();
        assert!(why.contains("/data") && why.contains("4095 KiB"), "{why}");
        refused();
        assert!(trouble(here, None, clock::now_ms()).is_some());
    }

    #[tokio::test]
    async fn a_disk_with_room_is_no_missing_seam() {
        let folder = tempfile::tempdir().unwrap();
        assert!(room(folder.path().to_owned()).await.is_some());
        assert_eq!(room("/there/is/no/such".into()).await, None);
    }
}
