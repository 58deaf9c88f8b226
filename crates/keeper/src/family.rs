//! A step's processes: all descendants of the keeper, and the signals they get.
//!
//! The keeper is child subreaper, so whoever loses its parent becomes its child, and a walk up
//! the parents from any process of the step ends at the keeper, whatever sessions and groups it
//! made for itself.

use std::collections::{HashMap, HashSet};
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpgrp, getpid, kill_process, kill_process_group};

use crate::table::{self, Row};

/// The longest line of ancestors that is followed.
const GENERATIONS: usize = 100_000;

/// Asks each process once to end. A stopped one is continued, or it could not.
///
/// `main` must not have been reaped. It is asked first and without a search: among processes that
/// fork for ever that takes its time, and the time comes off the grace.
pub(crate) fn terminate(main: Option<Pid>) {
    if let Some(main) = main {
        let is_stopped = table::row(main).is_some_and(|row| row.is_stopped);
        ask(is_stopped, |signal| kill_process(main, signal));
    }
    let searched = each_descendant(|process| {
        if Some(process.pid) != main {
            table::while_pinned(process, |signal| ask(process.is_stopped, signal));
        }
    });
    // Without a process table, what can be named is the main process's own group.
    if let (Err(_), Some(main)) = (searched, main) {
        ask(true, |signal| kill_process_group(main, signal));
    }
}

fn ask(is_stopped: bool, signal: impl Fn(Signal) -> Result<(), Errno>) {
    let _ = signal(Signal::TERM);
    if is_stopped {
        let _ = signal(Signal::CONT);
    }
}

/// Kills the main process and its group in one call. `main` must not have been reaped: until then
/// its number, and so its group's, can't be another's.
pub(crate) fn kill_group(main: Option<Pid>) {
    if let Some(main) = main {
        let _ = kill_process_group(main, Signal::KILL);
    }
}

/// Kills all that can be found. Some may fork faster than this looks, so it is done in rounds
/// until none is left.
pub(crate) fn kill_all(main: Option<Pid>) {
    kill_group(main);
    let own_group = getpgrp().as_raw_pid();
    let mut groups_killed = HashSet::new();
    let _ = each_descendant(|process| {
        let group = Pid::from_raw(process.group)
            .filter(|_| process.group != own_group && groups_killed.insert(process.group));
        table::while_pinned(process, |signal| {
            // The keeper leads a session of its own, so a group of any of its descendants holds
            // only descendants; and killing a whole group is what no fork in it escapes. It comes
            // first, or a shell would go on with what follows the child that was killed.
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = signal(Signal::KILL);
        });
    });
}

/// Visits all descendants of this process, each as soon as it is found.
///
/// The newest are looked at first: what forks and ends to get away is among them.
fn each_descendant(mut visit: impl FnMut(&Row)) -> io::Result<()> {
    let mut known = HashMap::from([(getpid().as_raw_pid(), true), (1, false), (0, false)]);
    for pid in table::pids()? {
        if pid == getpid() {
            continue;
        }
        let Some(process) = table::row(pid) else {
            continue;
        };
        // A parent that ended meanwhile has left its children to another: look again, once.
        let descends = descends(&process, &mut known)
            .or_else(|| table::row(pid).and_then(|again| descends(&again, &mut known)));
        if descends == Some(true) {
            visit(&process);
        }
    }
    Ok(())
}

/// Whether the parents of a process lead to one `known` to be ours; nothing if one has ended
/// before it could be asked for its own.
fn descends(process: &Row, known: &mut HashMap<i32, bool>) -> Option<bool> {
    let mut line = vec![process.pid.as_raw_pid()];
    let mut ancestor = process.parent;
    while line.len() < GENERATIONS {
        if let Some(&descends) = known.get(&ancestor) {
            known.extend(line.into_iter().map(|pid| (pid, descends)));
            return Some(descends);
        }
        line.push(ancestor);
        ancestor = table::row(Pid::from_raw(ancestor)?)?.parent;
    }
    None
}
