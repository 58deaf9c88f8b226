//! How long a step's process takes from the executor's wish to its own first instruction, and to
//! the news that it is gone: with a keeper started for it, with one that waited, and with none.

#![allow(clippy::print_stdout, reason = "it is there to print figures")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, Stdio};

use keeper::{Answer, Spec, monotonic_ns};

const ROUNDS: usize = 500;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("keeper") => return keeper::main(),
        // The step: says when its first instruction was.
        Some("step") => println!("{}", monotonic_ns()),
        _ => {
            println!(
                "{:>24} {:>10} {:>10} {:>10} {:>10}",
                "", "first p50", "p99", "gone p50", "p99"
            );
            report("no keeper", || unkept(monotonic_ns()));
            report("cold keeper", || {
                let wish = monotonic_ns();
                kept(start_keeper(), wish)
            });
            report("warm keeper", || {
                let warm = start_keeper();
                settle(&warm);
                kept(warm, monotonic_ns())
            });
        }
    }
    ExitCode::SUCCESS
}

/// Prints microseconds from the wish to the first instruction and to the end.
fn report(name: &str, mut round: impl FnMut() -> (u64, u64)) {
    let (firsts, ends): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| round()).unzip();
    let ([f50, f99], [e50, e99]) = (percentiles(firsts), percentiles(ends));
    println!("{name:>24} {f50:>7} µs {f99:>7} µs {e50:>7} µs {e99:>7} µs");
}

fn percentiles(mut figures_ns: Vec<u64>) -> [u64; 2] {
    figures_ns.sort_unstable();
    [50, 99].map(|percent| figures_ns[figures_ns.len() * percent / 100] / 1000)
}

fn unkept(wish: u64) -> (u64, u64) {
    let output = Command::new("/proc/self/exe")
        .arg("step")
        .env_clear()
        .output()
        .expect("a step");
    (first(&output.stdout[..]) - wish, monotonic_ns() - wish)
}

fn kept((mut channel, mut keeper): (UnixStream, Child), wish: u64) -> (u64, u64) {
    channel.write_all(&spec()).expect("a keeper that listens");
    let mut answers = BufReader::new(&channel).lines().map_while(Result::ok);
    let gone = answers
        .any(|line| line.parse() == Ok(Answer::Gone))
        .then(monotonic_ns);
    let first = first(keeper.stdout.take().expect("its output"));
    keeper.wait().expect("its end");
    (first - wish, gone.expect("gone") - wish)
}

fn first(output: impl std::io::Read) -> u64 {
    let line = BufReader::new(output)
        .lines()
        .next()
        .expect("a line")
        .expect("text");
    line.parse().expect("a time")
}

fn start_keeper() -> (UnixStream, Child) {
    let (ours, theirs) = UnixStream::pair().expect("a socket");
    let keeper = Command::new("/proc/self/exe")
        .arg("keeper")
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a keeper");
    (ours, keeper)
}

/// Waits until a keeper sleeps, waiting for its specification.
fn settle((_, keeper): &(UnixStream, Child)) {
    let stat = format!("/proc/{}/stat", keeper.id());
    let comm = "(penstock-keeper) S";
    while !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(comm)) {
        std::thread::yield_now();
    }
}

fn spec() -> Vec<u8> {
    let spec = Spec {
        argv: vec![
            std::env::current_exe()
                .expect("a path")
                .display()
                .to_string(),
            "step".into(),
        ],
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        cwd: "/".into(),
        grace_ms: 1000,
        deadline_ns: u64::MAX,
    };
    spec.to_line().expect("a short line")
}
