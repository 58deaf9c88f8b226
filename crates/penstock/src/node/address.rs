//! The file in the data directory that says where the server of this machine is.
//!
//! Client commands read it. It is a hint: it may be left over from a process that was killed.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const FILE: &str = "server.json";

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address of HTTP.
    pub url: String,
    /// The process.
    pub pid: u32,
    /// Its version.
    pub version: String,
}

/// Says that this process answers at `url`. The file is whole whenever it is read.
pub fn write(data_dir: &Path, url: &str) -> io::Result<()> {
    let address = Address {
        url: url.to_owned(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let text = serde_json::to_string_pretty(&address)?;
    let draft = data_dir.join(format!("{FILE}.{}", address.pid));
    std::fs::write(&draft, text + "\n")?;
    std::fs::rename(&draft, file(data_dir))
}

/// Where the server of this directory is, as far as known.
pub fn read(data_dir: &Path) -> Option<Address> {
    let text = std::fs::read(file(data_dir)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Says that this process answers no more, unless another one does by now.
pub fn remove(data_dir: &Path) {
    if read(data_dir).is_some_and(|it| it.pid == std::process::id()) {
        // Gone already is as good.
        let _ = std::fs::remove_file(file(data_dir));
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_found_until_it_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        write(folder.path(), "http://127.0.0.1:1").unwrap();
        write(folder.path(), "http://127.0.0.1:2").unwrap();
        let address = read(folder.path()).unwrap();
        assert_eq!(
            (address.url.as_str(), address.pid),
            ("http://127.0.0.1:2", std::process::id())
        );
        remove(folder.path());
        assert_eq!(read(folder.path()), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
