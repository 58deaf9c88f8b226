//! A keeper with a step under it, and an executor's end of its socket.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use keeper::{Answer, Order, Spec, monotonic_ns};
use tempfile::TempDir;

use crate::cgroup::Cgroup;

/// Far longer than anything here takes on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The variable that marks a test's processes.
pub(crate) const MARK: &str = "KEEPER_TEST";

/// A step to keep: a script, and what the keeper is told about it.
pub(crate) struct Step {
    pub(crate) spec: Spec,
    pub(crate) workspace: TempDir,
    is_read: bool,
}

impl Step {
    /// A step whose processes may take a minute, and half a minute to end.
    pub(crate) fn script(script: &str) -> Self {
        Self::command(&["sh", "-c", script])
    }

    pub(crate) fn command(argv: &[&str]) -> Self {
        let workspace = tempfile::tempdir().unwrap();
        let env = BTreeMap::from([
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            (MARK.to_owned(), new_mark()),
        ]);
        let spec = Spec {
            argv: argv.iter().map(ToString::to_string).collect(),
            env,
            cwd: workspace.path().to_owned(),
            grace_ms: 30_000,
            deadline_ns: in_ns(Duration::from_mins(1)),
        };
        Self {
            spec,
            workspace,
            is_read: true,
        }
    }

    pub(crate) fn grace(mut self, grace: Duration) -> Self {
        self.spec.grace_ms = u64::try_from(grace.as_millis()).unwrap();
        self
    }

    pub(crate) fn deadline(mut self, left: Duration) -> Self {
        self.spec.deadline_ns = in_ns(left);
        self
    }

    /// Leaves the step's output unread.
    pub(crate) fn unread(mut self) -> Self {
        self.is_read = false;
        self
    }

    pub(crate) fn start(self) -> Kept {
        self.start_under(Command::new(own_executable()).arg("keeper"))
    }

    /// Starts it with a control group of its own.
    pub(crate) fn start_in(self, home: &Cgroup) -> Kept {
        let mut program = Command::new(own_executable());
        self.start_under(program.arg("keeper").arg(home.path()))
    }

    pub(crate) fn start_under(self, program: &mut Command) -> Kept {
        let (channel, keeper) = start_keeper(program);
        let (reader, writer) = std::io::pipe().unwrap();
        let (output, unread) = if self.is_read {
            (Some(lines(reader)), None)
        } else {
            (None, Some(reader))
        };
        let kept = Kept {
            mark: self.spec.env[MARK].clone(),
            answers: BufReader::new(channel.try_clone().unwrap()),
            channel,
            output,
            _unread: unread,
            keeper,
            workspace: self.workspace,
            gone_ns: None,
        };
        give(&kept.channel, &self.spec.to_line().unwrap(), writer.as_fd());
        kept
    }
}

/// A step under its keeper.
pub(crate) struct Kept {
    pub(crate) mark: String,
    pub(crate) keeper: Child,
    pub(crate) workspace: TempDir,
    /// When it was heard that nothing is left.
    pub(crate) gone_ns: Option<u64>,
    channel: UnixStream,
    answers: BufReader<UnixStream>,
    output: Option<Receiver<String>>,
    _unread: Option<PipeReader>,
}

impl Kept {
    pub(crate) fn send(&mut self, line: &[u8]) {
        self.channel.write_all(line).unwrap();
    }

    pub(crate) fn order(&mut self, order: Order) {
        self.send(format!("{order}\n").as_bytes());
    }

    /// The next answer; `None` when the keeper has closed the socket.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().parse().unwrap()),
            // It ended with an order unheard.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Waits for the keeper's start of the main process and answers its id.
    pub(crate) fn started(&mut self) -> u32 {
        match self.answer() {
            Some(Answer::Started(pid)) => pid,
            other => panic!("not started but {other:?}"),
        }
    }

    /// How the main process ended, once nothing of the step is left; checked in all respects.
    pub(crate) fn end(&mut self) -> Answer {
        let ending = self.answer().expect("how the main process ended");
        assert_eq!(self.answer(), Some(Answer::Gone));
        self.gone_ns = Some(monotonic_ns());
        assert_eq!(survivors(&self.mark), Vec::<i32>::new(), "survived `gone`");
        ending
    }

    /// Has the same keeper run another step; its answers are [`Kept::started`] and so on.
    pub(crate) fn again(&mut self, step: Step) {
        let (reader, writer) = std::io::pipe().unwrap();
        self.output = Some(lines(reader));
        self.mark.clone_from(&step.spec.env[MARK]);
        give(&self.channel, &step.spec.to_line().unwrap(), writer.as_fd());
        self.workspace = step.workspace;
    }

    /// Waits for the keeper itself to end.
    pub(crate) fn keeper_ends(&mut self) {
        let keeper = &mut self.keeper;
        eventually("the keeper ends", || keeper.try_wait().unwrap().is_some());
    }

    /// The next line of output; `None` when no process holds the pipe any more.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.output.as_ref().unwrap().recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the step says nothing"),
        }
    }

    pub(crate) fn hears(&mut self, line: &str) {
        assert_eq!(self.line().as_deref(), Some(line));
    }

    /// Lets a script go on that waits for the file `go`.
    pub(crate) fn go(&self) {
        std::fs::write(self.workspace.path().join("go"), "").unwrap();
    }

    /// Closes the socket, as the kernel does for an executor that died.
    pub(crate) fn hang_up(&self) {
        self.channel.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // A failed test leaves nothing behind, even if it is the keeper that failed.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        let _ = keeper::kill_marked(|environ| environ.value(MARK) == Some(&self.mark));
    }
}

/// Hands a specification to a keeper, with the step's standard output; its errors go nowhere.
pub(crate) fn give(mut channel: &UnixStream, line: &[u8], output: BorrowedFd<'_>) {
    let null = std::fs::File::options()
        .write(true)
        .open("/dev/null")
        .unwrap();
    let went = keeper::hand_over(channel, line, [output, null.as_fd()]).unwrap();
    channel.write_all(&line[went..]).unwrap();
}

/// Starts a keeper whose socket is answered.
pub(crate) fn start_keeper(program: &mut Command) -> (UnixStream, Child) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    let keeper = program
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env_clear()
        .env("KEEPER_ONLY", "not for the step")
        .spawn()
        .unwrap();
    // The command would hold the keeper's end of the socket open.
    program.stdin(Stdio::null());
    (ours, keeper)
}

/// Is an executor with one step, whose specification it reads from its standard input, and which
/// it leaves to itself.
pub(crate) fn be_an_executor() -> ExitCode {
    let mut spec = String::new();
    std::io::stdin().read_to_string(&mut spec).unwrap();
    let (channel, mut keeper) = start_keeper(Command::new(own_executable()).arg("keeper"));
    give(&channel, spec.as_bytes(), std::io::stdout().as_fd());
    keeper.wait().unwrap();
    ExitCode::SUCCESS
}

pub(crate) fn own_executable() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

/// The living processes of a test, found by their mark.
pub(crate) fn survivors(mark: &str) -> Vec<i32> {
    let entry = format!("{MARK}={mark}");
    let carries = |pid: i32| {
        std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).is_ok_and(
            |environ| {
                environ
                    .split(|&byte| byte == 0)
                    .any(|e| e == entry.as_bytes())
            },
        )
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| carries(pid)).collect()
}

/// The state of a process: R, S, T, Z, … or nothing if there is none.
pub(crate) fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[allow(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a condition"
)]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn in_ns(left: Duration) -> u64 {
    monotonic_ns() + u64::try_from(left.as_nanos()).unwrap()
}

fn new_mark() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

pub(crate) fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}
