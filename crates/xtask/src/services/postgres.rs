//! The tests' own PostgreSQL cluster, made anew by `initdb` where there is none.
//!
//! It listens on the loopback interface alone, wants a password, and keeps `fsync` on: what a test
//! measures or kills is as durable as a real one. As root we run it as the system's `postgres`
//! user, because PostgreSQL refuses root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;

use super::record::Database;
use crate::{process, tools};

/// How long it may take to start, its recovery after a crash included, and to stop.
const LIMIT: Duration = Duration::from_mins(2);

const USER: &str = "postgres";

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
fsync = on
";

pub(super) struct Postgres {
    home: PathBuf,
    log: PathBuf,
    port: u16,
    password: String,
}

impl Postgres {
    pub(super) fn new(dir: &Path, database: &Database) -> Self {
        let home = dir.join("postgres");
        let log = home.join("postgres.log");
        Self {
            home,
            log,
            port: database.port,
            password: database.password.clone(),
        }
    }

    /// Starts the server where it doesn't run, and answers when it accepts connections.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        if self.pid().is_none() {
            self.make_cluster()?;
            let (log, port) = (self.log.display().to_string(), format!("-p {}", self.port));
            self.control(&["start", "-l", &log, "-o", &port])?;
        }
        process::wait_until("postgres", LIMIT, || Ok(self.answers()))
            .map_err(|error| process::with_tail(&error, &self.log))
    }

    /// Cuts all connections, writes a checkpoint and ends the server.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        for member in process::family(pid) {
            process::signal(member, Signal::CONT)?;
        }
        self.control(&["stop", "-m", "fast"])
    }

    /// Removes the cluster; its log stays.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        remove(&self.data())
    }

    /// The server's main process, if it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        let pid = file.lines().next()?.trim().parse().ok()?;
        process::runs_with(pid, &self.data()).then_some(pid)
    }

    /// Says whether the server accepts connections now.
    pub(super) fn answers(&self) -> bool {
        let Some(bin) = tools::postgres_bin() else {
            return false;
        };
        let port = self.port.to_string();
        let mut ready = Command::new(bin.join("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-t", "1", "-p", &port]);
        ready.status().is_ok_and(|status| status.success())
    }

    /// Makes the cluster beside its place and moves it there, so a half-made one is never used.
    fn make_cluster(&self) -> anyhow::Result<()> {
        if self.data().join("PG_VERSION").exists() {
            return Ok(());
        }
        fs::create_dir_all(&self.home)?;
        let (draft, secret) = (self.home.join("draft"), self.home.join("password"));
        remove(&draft)?;
        fs::write(&secret, &self.password)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        if let Some((user, group)) = owner()? {
            chown(&self.home, Some(user), Some(group))?;
            chown(&secret, Some(user), Some(group))?;
        }
        let mut initdb = self.command("initdb", &draft)?;
        initdb
            .env("PGDATA", &draft)
            .args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8"]);
        initdb.args(["--locale=C.UTF-8", "--no-sync", "--no-instructions"]);
        tools::output(initdb.arg("--pwfile").arg(&secret))?;
        fs::remove_file(&secret)?;
        let settings = draft.join("postgresql.conf");
        let standard = fs::read_to_string(&settings)?;
        fs::write(&settings, standard + SETTINGS)?;
        fs::rename(&draft, self.data()).context("the new cluster could not be moved into place")
    }

    /// Runs `pg_ctl` and waits for what it does.
    fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command("pg_ctl", &self.data())?;
        command
            .args(arguments)
            .args(["-w", "-t", &LIMIT.as_secs().to_string()]);
        tools::output(&mut command)
            .map(drop)
            .map_err(|error| process::with_tail(&error, &self.log))
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// One of PostgreSQL's programs on a cluster, as the user who owns it.
    fn command(&self, program: &str, cluster: &Path) -> anyhow::Result<Command> {
        let bin = tools::postgres_bin()
            .context("postgresql is not installed")?
            .join(program);
        let mut command = if tools::is_root() {
            as_owner(&self.home)
        } else {
            Command::new("env")
        };
        command
            .arg(bin)
            .arg("-D")
            .arg(cluster)
            .current_dir(&self.home);
        Ok(command)
    }
}

/// Begins a command that runs as the `postgres` user.
///
/// Where that user can't reach the cluster (a clone below `/root`, say), the one capability it
/// lacks goes with it.
fn as_owner(home: &Path) -> Command {
    let user = ["--reuid", USER, "--regid", USER, "--init-groups"];
    let reaches = Command::new("setpriv")
        .args(user)
        .arg("test")
        .arg("-x")
        .arg(home)
        .status();
    let mut command = Command::new("setpriv");
    command.args(user);
    if !reaches.is_ok_and(|status| status.success()) {
        command.args([
            "--inh-caps",
            "+dac_override",
            "--ambient-caps",
            "+dac_override",
        ]);
    }
    command
}

/// The user and group that must own the cluster, where that isn't us.
fn owner() -> anyhow::Result<Option<(u32, u32)>> {
    if !tools::is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&USER))
            .then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))?
    });
    ensure!(
        ids.is_some(),
        "there is no user {USER}; install the package postgresql"
    );
    Ok(ids)
}

pub(super) fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("{} could not be removed", folder.display()))?;
    }
    Ok(())
}
