//! The keeper at work: one loop over what the executor says, who has ended, and the time.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, getpid, getsid, wait};
use signal_hook::consts::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use crate::cgroup::Group;
use crate::channel::Channel;
use crate::course::{Course, Due};
use crate::message::{Answer, Order, Spec};
use crate::{family, monotonic_ns, spawn};

/// How many of the ended are reaped before the rest of the loop has its turn.
const REAPED_AT_ONCE: usize = 1024;

/// Attends one step after the other, until the executor is gone or wants no more of it.
pub(crate) fn keep() -> ExitCode {
    let mut channel = Channel::over_stdin();
    let signals = match stand_apart().and_then(|()| signals()) {
        Ok(signals) => signals,
        Err(error) => {
            await_spec(&mut channel);
            let reason = format!("the step's keeper could not set itself up: {error}");
            channel.say(&[Answer::Failed(reason), Answer::Gone]);
            return ExitCode::FAILURE;
        }
    };
    let mut code = ExitCode::FAILURE;
    loop {
        let group = own_group();
        let Some(line) = await_spec(&mut channel) else {
            return code;
        };
        attend(&mut channel, &signals, &line, group);
        code = ExitCode::SUCCESS;
    }
}

/// Makes a control group, if we were told where and may. Its processes are born there, so that it
/// is made while nobody waits for them.
fn own_group() -> Option<Group> {
    let parent = std::env::args_os().nth(2)?;
    Group::enter(Path::new(&parent)).ok()
}

/// Leaves everything of the executor behind but the three standard files, and adopts all orphans
/// to come.
fn stand_apart() -> io::Result<()> {
    close_inherited_files();
    let _ = rustix::thread::set_name(c"penstock-keeper");
    // A signal to the executor's group must not end the keeper. Who starts it by hand may have
    // made it a leader already, which is as good if it leads the session as well.
    if let Err(error) = rustix::process::setsid()
        && getsid(None) != Ok(getpid())
    {
        return Err(error.into());
    }
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// Closes what whoever started us had open and didn't mark as its own.
fn close_inherited_files() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<i32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for file in open.into_iter().filter(|&file| file > 2) {
        let _ = nix::unistd::close(file);
    }
}

/// A socket that becomes readable when a child has ended.
///
/// Signals that would end the keeper go there too and so do nothing: who ends a step is the
/// executor. They are caught and not ignored, because what is ignored stays so in the child.
fn signals() -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    for signal in [
        SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2,
    ] {
        signal_hook::low_level::pipe::register(signal, theirs.try_clone()?)?;
    }
    Ok(ours)
}

/// Starts a step's process and sees it through to the end.
fn attend(channel: &mut Channel, signals: &UnixStream, line: &[u8], group: Option<Group>) {
    match start(channel, line) {
        Err(reason) => channel.say(&[Answer::Failed(reason), Answer::Gone]),
        Ok((main, spec)) => {
            channel.say(&[Answer::Started(main.as_raw_pid().unsigned_abs())]);
            let group = group.and_then(|group| group.leave().ok());
            let grace = Duration::from_millis(spec.grace_ms);
            let course = Course::new(grace, spec.deadline_ns, monotonic_ns());
            Watch {
                channel,
                signals,
                course,
                main: Some(main),
                group,
            }
            .run();
        }
    }
}

fn start(channel: &mut Channel, line: &[u8]) -> Result<(Pid, Spec), String> {
    let spec = Spec::from_line(line)
        .map_err(|error| format!("the step's specification is malformed: {error}"))?;
    let output = channel.files();
    let output = output.ok_or("the step's specification came without files for its output")?;
    Ok((spawn::spawn(&spec, output)?, spec))
}

/// Waits for a specification. Orders for a step that has ended meanwhile mean nothing any more.
fn await_spec(channel: &mut Channel) -> Option<Vec<u8>> {
    loop {
        channel.hear();
        while let Some(line) = channel.line() {
            let order = std::str::from_utf8(&line).ok();
            if order.and_then(|it| it.parse::<Order>().ok()).is_none() {
                return Some(line);
            }
        }
        let socket = channel.socket()?;
        let _ = poll(&mut [PollFd::new(&socket, PollFlags::IN)], None);
    }
}

struct Watch<'a> {
    channel: &'a mut Channel,
    signals: &'a UnixStream,
    course: Course,
    /// The main process, until it is reaped.
    main: Option<Pid>,
    /// The control group in which all of the step was born, if there is one.
    group: Option<Group>,
}

impl Watch<'_> {
    fn run(&mut self) {
        while self.reap() {
            self.hear();
            match self.course.due(monotonic_ns()) {
                Due::Terminate => family::terminate(self.main),
                Due::KillGroup if !self.kill_cgroup() => family::kill_group(self.main),
                Due::KillAll if !self.kill_cgroup() => family::kill_all(self.main),
                Due::KillGroup | Due::KillAll => {}
                Due::Nothing(until) => self.rest(until),
            }
        }
    }

    /// Kills what is in the control group. False if that leaves somebody to be searched for: there
    /// is no such group, or who is left has gone into another.
    fn kill_cgroup(&self) -> bool {
        self.group.as_ref().is_some_and(Group::kill)
    }

    /// Reaps who has ended and says whether anybody is left.
    ///
    /// All descendants hang on a child of ours, dead or alive, so without children there are none.
    fn reap(&mut self) -> bool {
        let mut answers = Vec::new();
        let mut is_anybody_left = true;
        for _ in 0..REAPED_AT_ONCE {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if Some(pid) == self.main => {
                    self.main = None;
                    self.course.main_ended(monotonic_ns());
                    answers.extend(ending(status));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => {
                    is_anybody_left = false;
                    answers.push(Answer::Gone);
                    break;
                }
            }
        }
        if !answers.is_empty() {
            self.channel.say(&answers);
        }
        is_anybody_left
    }

    fn hear(&mut self) {
        self.channel.hear();
        while let Some(order) = self.channel.order() {
            self.course.obey(order, monotonic_ns());
        }
        if !self.channel.is_open() {
            self.course.executor_gone(monotonic_ns());
        }
    }

    /// Waits for something to happen, until a time of the monotonic clock at the latest.
    fn rest(&mut self, until: u64) {
        let left = Duration::from_nanos(until.saturating_sub(monotonic_ns()));
        let timeout = Timespec::try_from(left).ok();
        let socket = self.channel.socket();
        let mut files = vec![PollFd::new(self.signals, PollFlags::IN)];
        files.extend(
            socket
                .as_ref()
                .map(|socket| PollFd::new(socket, PollFlags::IN)),
        );
        let _ = poll(&mut files, timeout.as_ref());
        while { self.signals }
            .read(&mut [0; 64])
            .is_ok_and(|length| length > 0)
        {}
    }
}

fn ending(status: WaitStatus) -> Option<Answer> {
    let exited = status.exit_status().map(Answer::Exited);
    exited.or_else(|| status.terminating_signal().map(Answer::Signalled))
}
