//! The client commands, as a user of this machine types them.

use std::process::{Output, Stdio};

use tokio::process::Command;

use super::World;

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl World {
    /// Runs `penstock <args>` in the repository, with the world's data directory.
    pub async fn penstock(&self, args: &[&str]) -> Said {
        self.command(args)
            .env("PENSTOCK_DATA_DIR", self.data_dir())
            .said()
            .await
    }

    /// A command of the program with a clean environment and nothing said about a server.
    pub fn command(&self, args: &[&str]) -> Typed {
        let mut command = Command::new(crate::program());
        command
            .args(args)
            .current_dir(xtask::root())
            .env_clear()
            .env("PATH", crate::variable("PATH").unwrap_or_default())
            .env("PENSTOCK_TOKEN", super::TOKEN)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Typed(command)
    }
}

/// A command that was typed.
#[derive(Debug)]
pub struct Typed(Command);

impl Typed {
    /// With a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Without a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Waits for its end.
    pub async fn said(mut self) -> Said {
        let output: Output = self.0.output().await.expect("the program can be started");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}
