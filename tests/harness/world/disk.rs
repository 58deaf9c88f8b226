//! A small disk of a world's own, to be filled: a file system in memory, which takes root to mount.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted disk; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Whether this user can mount one. Says so on standard error if not.
    pub fn is_possible() -> bool {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let is_possible = Self::mount(folder.path(), 1).is_some();
        if !is_possible {
            eprintln!("SKIPPED: no small disk can be mounted here, which takes root");
        }
        is_possible
    }

    pub(super) fn mount(path: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(path).expect("a folder can be made");
        let size = format!("size={mib}m,mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(path)
            .output();
        let is_mounted = mounted.is_ok_and(|it| it.status.success());
        is_mounted.then(|| Self {
            path: path.to_owned(),
        })
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("a file can be made");
        for size in [64 * 1024, 4096, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    /// Makes room again.
    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a reader of the stores may have a file open for a moment yet.
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}
