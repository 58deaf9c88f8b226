//! One process of a world: started, told things by signals, killed with what it leaves.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

use super::undertaker::Undertaker;
use crate::eventually::eventually;

/// A process that can be started again as it was.
#[derive(Debug)]
pub struct Server {
    /// What tests call it: a service's name and a number.
    pub name: String,
    args: Vec<String>,
    env: Mutex<Vec<(String, String)>>,
    log: PathBuf,
    child: Mutex<Option<Child>>,
    /// The port of its HTTP, if it was told one.
    pub(super) http_port: Option<u16>,
}

/// What a process is started with.
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) http_port: Option<u16>,
}

impl Server {
    pub(super) fn new(spec: Spec, logs: &Path) -> Self {
        let log = logs.join(format!("{}.log", spec.name));
        Self {
            name: spec.name,
            args: spec.args,
            env: Mutex::new(spec.env),
            log,
            child: Mutex::new(None),
            http_port: spec.http_port,
        }
    }

    /// Starts it. Its output goes to the end of its log.
    pub(super) fn start(&self, undertaker: &Undertaker) {
        let mut child = locked(&self.child);
        assert!(child.is_none(), "{} runs already", self.name);
        let (out, err) = (self.open_log(), self.open_log());
        let started = Command::new(crate::program())
            .args(&self.args)
            .env_clear()
            .env("PATH", crate::variable("PATH").unwrap_or_default())
            .envs(locked(&self.env).iter().cloned())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn();
        let started = started.unwrap_or_else(|error| panic!("{} can't start: {error}", self.name));
        undertaker.note(started.id());
        *child = Some(started);
    }

    fn open_log(&self) -> File {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        options.open(&self.log).expect("a log can be opened")
    }

    /// Sets a variable for its next start; `None` removes it.
    pub fn set(&self, variable: &str, value: Option<&str>) {
        let mut env = locked(&self.env);
        env.retain(|(name, _)| name != variable);
        env.extend(value.map(|value| (variable.to_owned(), value.to_owned())));
    }

    /// The address of its gRPC, if peers call it.
    pub fn grpc_url(&self) -> Option<String> {
        let at = self.args.iter().position(|it| it == "--grpc-listen")?;
        self.args.get(at + 1).map(|it| format!("http://{it}"))
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        locked(&self.child).as_ref().map(Child::id)
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&self) {
        if let Some(mut child) = locked(&self.child).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Freezes it.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Tells it to end in order.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        let pid = self
            .pid()
            .unwrap_or_else(|| panic!("{} doesn't run", self.name));
        let pid = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        kill_process(pid, signal).expect("our own process can be signalled");
    }

    /// Waits for its end.
    pub async fn ended(&self) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        let status = eventually(&what, async || self.status()).await;
        locked(&self.child).take();
        status
    }

    fn status(&self) -> Option<ExitStatus> {
        let mut child = locked(&self.child);
        let child = child.as_mut().expect("it was started");
        child.try_wait().expect("a child can be asked")
    }

    /// Whether it was started and has not ended by itself.
    pub fn is_running(&self) -> bool {
        let mut child = locked(&self.child);
        child
            .as_mut()
            .is_some_and(|it| matches!(it.try_wait(), Ok(None)))
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
