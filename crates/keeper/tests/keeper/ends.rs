//! Grace, deadlines, and executors that are stopped or killed.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use keeper::{Answer, Order, kill_marked, monotonic_ns};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::harness::{MARK, Step, eventually, in_ns, lines, own_executable, state, survivors};
use crate::trials_of;

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        a_process_that_traps_term_finishes_its_trap,
        a_program_has_its_grace_although_its_shell_dies_at_once,
        a_stopped_process_is_continued_to_hear_its_term,
        each_process_is_told_to_end_once,
        a_process_that_ignores_term_is_killed_after_its_grace,
        the_deadline_leaves_room_for_grace,
        a_renewed_deadline_lets_the_step_go_on,
        a_stopped_executor_leaves_nothing_behind_its_deadline,
        an_executor_killed_with_its_group_leaves_nothing_behind,
        what_a_killed_keeper_left_is_found_by_its_mark,
    ]
}

const TRAPPING: &str =
    "trap 'sleep 0.2; echo cleaned; exit 5' TERM; echo ready; while :; do sleep 0.02; done";

fn a_process_that_traps_term_finishes_its_trap() {
    let mut kept = Step::script(TRAPPING).start();
    kept.started();
    kept.hears("ready");
    kept.order(Order::Term);
    kept.hears("cleaned");
    assert_eq!(kept.end(), Answer::Exited(5));
}

fn a_program_has_its_grace_although_its_shell_dies_at_once() {
    let mut kept = Step::script(&format!("sh -c {} & wait", quoted(TRAPPING))).start();
    kept.started();
    kept.hears("ready");
    kept.order(Order::Term);
    kept.hears("cleaned");
    assert_eq!(kept.end(), Answer::Signalled(15));
}

fn a_stopped_process_is_continued_to_hear_its_term() {
    let script = "trap 'echo cleaned; exit 5' TERM; echo ready; kill -STOP $$; sleep 1000";
    let mut kept = Step::script(script).start();
    let main = i32::try_from(kept.started()).unwrap();
    kept.hears("ready");
    eventually("it has stopped", || state(main) == Some('T'));
    kept.order(Order::Term);
    kept.hears("cleaned");
    assert_eq!(kept.end(), Answer::Exited(5));
}

fn each_process_is_told_to_end_once() {
    let script = "n=0; trap 'n=$((n+1)); echo told $n' TERM; echo ready; \
                  while [ ! -e go ]; do sleep 0.02; done; echo $n times; exit 0";
    let mut kept = Step::script(script).start();
    kept.started();
    kept.hears("ready");
    kept.order(Order::Term);
    kept.order(Order::Term);
    kept.hears("told 1");
    kept.order(Order::Term);
    kept.go();
    kept.hears("1 times");
    assert_eq!(kept.end(), Answer::Exited(0));
}

fn a_process_that_ignores_term_is_killed_after_its_grace() {
    let grace = Duration::from_millis(300);
    let mut kept = Step::script("trap '' TERM; echo ready; while :; do sleep 1; done")
        .grace(grace)
        .start();
    kept.started();
    kept.hears("ready");
    let told = Instant::now();
    kept.order(Order::Term);
    assert_eq!(kept.end(), Answer::Signalled(9));
    assert!(
        told.elapsed() >= grace,
        "killed {:?} after it was told",
        told.elapsed()
    );
    assert!(told.elapsed() < grace * 10);
}

fn the_deadline_leaves_room_for_grace() {
    let step = Step::script(TRAPPING)
        .grace(Duration::from_secs(1))
        .deadline(Duration::from_secs(8));
    let deadline = step.spec.deadline_ns;
    let mut kept = step.start();
    kept.started();
    kept.hears("ready");
    kept.hears("cleaned");
    assert_eq!(kept.end(), Answer::Exited(5));
    assert!(monotonic_ns() < deadline, "ended after its deadline");
    assert!(
        monotonic_ns() > deadline - 1_000_000_000,
        "ended long before its deadline"
    );
}

fn a_renewed_deadline_lets_the_step_go_on() {
    let script = "echo ready; while [ ! -e go ]; do sleep 0.01; done; exit 3";
    let step = Step::script(script).deadline(Duration::from_millis(800));
    let first_deadline = step.spec.deadline_ns;
    let mut kept = step.start();
    kept.started();
    kept.hears("ready");
    kept.order(Order::Deadline(in_ns(Duration::from_mins(1))));
    eventually("the first deadline is over", || {
        monotonic_ns() > first_deadline + 200_000_000
    });
    assert!(
        !survivors(&kept.mark).is_empty(),
        "killed at a deadline that was moved"
    );
    kept.go();
    assert_eq!(kept.end(), Answer::Exited(3));
}

fn a_stopped_executor_leaves_nothing_behind_its_deadline() {
    let step = Step::script(OBSTINATE)
        .grace(Duration::from_millis(200))
        .deadline(Duration::from_secs(3));
    let (mark, deadline) = (step.spec.env[MARK].clone(), step.spec.deadline_ns);
    let (mut executor, output) = executor(&step);
    assert_eq!(output.recv().unwrap(), "ready");
    signal(&executor, Signal::STOP);
    eventually("the executor is stopped", || {
        state(pid(&executor)) == Some('T')
    });
    assert!(
        monotonic_ns() < deadline,
        "this machine is too slow to tell"
    );
    assert!(!survivors(&mark).is_empty(), "ended before its deadline");
    eventually("nothing is left", || survivors(&mark).is_empty());
    let late = Duration::from_nanos(monotonic_ns().saturating_sub(deadline));
    assert!(
        late < Duration::from_millis(500),
        "{late:?} after the deadline"
    );
    assert_eq!(state(pid(&executor)), Some('T'));
    end(&mut executor);
}

fn an_executor_killed_with_its_group_leaves_nothing_behind() {
    let step = Step::script(OBSTINATE);
    let mark = step.spec.env[MARK].clone();
    let (mut executor, output) = executor(&step);
    assert_eq!(output.recv().unwrap(), "ready");
    assert!(!survivors(&mark).is_empty());
    kill_process_group(Pid::from_raw(pid(&executor)).unwrap(), Signal::KILL).unwrap();
    eventually("nothing is left", || survivors(&mark).is_empty());
    executor.wait().unwrap();
}

fn what_a_killed_keeper_left_is_found_by_its_mark() {
    let mut kept = Step::script(OBSTINATE).start();
    let mut other =
        Step::script("echo ready; while [ ! -e go ]; do sleep 0.01; done; exit 3").start();
    kept.started();
    kept.hears("ready");
    other.started();
    other.hears("ready");
    kept.keeper.kill().unwrap();
    kept.keeper.wait().unwrap();
    assert!(survivors(&kept.mark).len() >= 2);
    let killed = kill_marked(|environ| environ.value(MARK) == Some(&kept.mark)).unwrap();
    assert!(killed >= 2);
    assert_eq!(survivors(&kept.mark), Vec::<i32>::new());
    other.go();
    assert_eq!(other.end(), Answer::Exited(3));
}

/// A main process and a child in another session, which both ignore TERM.
const OBSTINATE: &str = "trap '' TERM; setsid sh -c 'echo ready; while :; do sleep 1; done' & \
                         while :; do sleep 1; done";

fn executor(step: &Step) -> (Child, Receiver<String>) {
    let mut executor = Command::new(own_executable())
        .arg("executor")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = step.spec.to_line().unwrap();
    executor.stdin.take().unwrap().write_all(&line).unwrap();
    let output = lines(executor.stdout.take().unwrap());
    (executor, output)
}

fn end(executor: &mut Child) {
    executor.kill().unwrap();
    executor.wait().unwrap();
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(pid(child)).unwrap(), signal).unwrap();
}

fn quoted(script: &str) -> String {
    format!("'{}'", script.replace('\'', r"'\''"))
}
