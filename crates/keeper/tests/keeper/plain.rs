//! What a process gets from its keeper, and what is said about its end.

use std::process::Command;

use keeper::{Answer, Order};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Step, own_executable, start_keeper, survivors};
use crate::trials_of;

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        exit_codes_and_signals_are_reported_exactly,
        a_process_gets_its_arguments_environment_and_directory_and_nothing_else,
        a_process_reads_nothing_and_inherits_no_file,
        a_process_gets_signals_as_if_it_had_no_keeper,
        what_cannot_be_started_is_failed_with_what_to_change,
        a_keeper_without_a_specification_ends_with_its_executor,
        a_malformed_specification_is_failed_and_a_malformed_order_kills,
        output_that_nobody_reads_does_not_keep_orders_from_being_heard,
        signals_to_the_keeper_itself_change_nothing,
        the_pipes_end_with_the_last_process,
        a_keeper_takes_one_step_after_the_other,
        a_step_without_files_for_its_output_is_failed,
    ]
}

fn exit_codes_and_signals_are_reported_exactly() {
    for (script, ending) in [
        ("exit 0", Answer::Exited(0)),
        ("exit 7", Answer::Exited(7)),
        ("exit 255", Answer::Exited(255)),
        ("kill -KILL $$", Answer::Signalled(9)),
        ("kill -SEGV $$", Answer::Signalled(11)),
        ("kill -TERM $$", Answer::Signalled(15)),
    ] {
        let mut kept = Step::script(script).start();
        assert!(kept.started() > 0);
        assert_eq!(kept.end(), ending, "{script}");
    }
}

fn a_process_gets_its_arguments_environment_and_directory_and_nothing_else() {
    let mut step = Step::command(&[
        "env",
        "--",
        "sh",
        "-c",
        r#"echo "$1"; pwd; exec env"#,
        "-",
        "a  b",
    ]);
    step.spec
        .env
        .insert("TEXT".to_owned(), "ä=1 $HOME".to_owned());
    let expected: Vec<String> = step
        .spec
        .env
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    let mut kept = step.start();
    kept.hears("a  b");
    let folder = kept.workspace.path().display().to_string();
    kept.hears(&folder);
    let mut heard: Vec<String> = std::iter::from_fn(|| kept.line()).collect();
    heard.retain(|line| !line.starts_with("PWD="));
    heard.sort();
    assert_eq!(heard, expected);
}

fn a_process_reads_nothing_and_inherits_no_file() {
    let leaky = format!(
        "exec 9</dev/null; exec {} keeper",
        own_executable().display()
    );
    let mut kept = Step::script("cat; ls /proc/self/fd | tr '\\n' ' '; echo end")
        .start_under(Command::new("/bin/sh").args(["-c", &leaky]));
    // 3 is the folder that ls reads.
    kept.hears("0 1 2 3 end");
}

fn a_process_gets_signals_as_if_it_had_no_keeper() {
    let mut kept = Step::script("grep -E 'Sig(Blk|Ign)' /proc/self/status").start();
    let status: Vec<String> = std::iter::from_fn(|| kept.line()).collect();
    // HUP, INT, QUIT, USR1, USR2, PIPE, ALRM, TERM and CHLD, a bit each.
    let of_the_keeper = [1, 2, 3, 10, 12, 13, 14, 15, 17].map(|signal| 1u64 << (signal - 1));
    let not_by_default = status.iter().map(|line| {
        let mask = u64::from_str_radix(line.split_once('\t').unwrap().1, 16).unwrap();
        of_the_keeper
            .iter()
            .fold(0, |found, bit| found | (mask & bit))
    });
    assert_eq!(not_by_default.collect::<Vec<_>>(), [0, 0], "{status:?}");
}

fn what_cannot_be_started_is_failed_with_what_to_change() {
    let mut nowhere = Step::script("true");
    nowhere.spec.cwd = "/no/such/folder".into();
    let mut long = Step::script("true");
    long.spec.argv.push("x".repeat(300_000));
    for (step, text) in [
        (
            Step::command(&["no-such-program", "x"]),
            "there is no program `no-such-program` on the PATH",
        ),
        (
            Step::command(&["/etc/no-such-file"]),
            "could not start `/etc/no-such-file`: No such file",
        ),
        (
            Step::command(&["/etc/passwd"]),
            "could not start `/etc/passwd`: Permission denied",
        ),
        (Step::command(&["nul\0nul"]), "no program"),
        (
            nowhere,
            "the working directory /no/such/folder does not exist",
        ),
        (long, "could not start `sh`: Argument list too long"),
    ] {
        let ending = step.start().end();
        let Answer::Failed(reason) = ending else {
            panic!("{ending:?} and not: {text}")
        };
        assert!(reason.contains(text), "{reason} and not: {text}");
    }
}

fn a_keeper_without_a_specification_ends_with_its_executor() {
    let (channel, mut keeper) = start_keeper(Command::new(own_executable()).arg("keeper"));
    assert!(keeper.try_wait().unwrap().is_none());
    drop(channel);
    assert!(!keeper.wait().unwrap().success());
}

fn a_malformed_specification_is_failed_and_a_malformed_order_kills() {
    let mut step = Step::script("true");
    step.spec.argv.clear();
    assert!(
        matches!(step.start().end(), Answer::Failed(reason) if reason.contains("argv is empty"))
    );

    let mut kept = Step::script("echo ready; sleep 1000").start();
    kept.started();
    kept.hears("ready");
    kept.send(b"extend forever\n");
    assert_eq!(kept.end(), Answer::Signalled(9));
}

fn output_that_nobody_reads_does_not_keep_orders_from_being_heard() {
    let mut kept = Step::script(": > began; while :; do echo 0123456789012345; done")
        .unread()
        .start();
    kept.started();
    let began = kept.workspace.path().join("began");
    crate::harness::eventually("it writes", || began.exists());
    kept.order(Order::Term);
    assert_eq!(kept.end(), Answer::Signalled(15));
}

fn signals_to_the_keeper_itself_change_nothing() {
    let mut kept =
        Step::script("echo ready; while [ ! -e go ]; do sleep 0.01; done; exit 3").start();
    kept.started();
    kept.hears("ready");
    let keeper = Pid::from_raw(i32::try_from(kept.keeper.id()).unwrap()).unwrap();
    for signal in [
        Signal::TERM,
        Signal::INT,
        Signal::HUP,
        Signal::QUIT,
        Signal::USR1,
    ] {
        kill_process(keeper, signal).unwrap();
    }
    kept.go();
    assert_eq!(kept.end(), Answer::Exited(3));
}

fn the_pipes_end_with_the_last_process() {
    let mut kept = Step::script("echo a; (sleep 1000; echo b) & exit 0").start();
    kept.started();
    kept.hears("a");
    assert_eq!(kept.line(), None);
    assert_eq!(kept.end(), Answer::Exited(0));
}

fn a_keeper_takes_one_step_after_the_other() {
    let family = "trap '' TERM; (setsid sleep 1000 &); echo $PPID; while [ ! -e go ]; do sleep 0.01; done; exit 4";
    let mut kept = Step::script(family).start();
    kept.started();
    let keeper = kept.line();
    kept.go();
    assert_eq!(kept.end(), Answer::Exited(4));
    assert_eq!(kept.line(), None, "its output ends with it");
    // Told before it was known that the step is gone.
    kept.order(Order::Term);
    kept.order(Order::Deadline(0));
    for ending in [Answer::Exited(0), Answer::Exited(9)] {
        let Answer::Exited(code) = ending else {
            unreachable!()
        };
        kept.again(Step::script(&format!("echo $PPID; exit {code}")));
        kept.started();
        assert_eq!(kept.end(), ending);
        assert_eq!(kept.line(), keeper);
        assert_eq!(kept.line(), None);
    }
    kept.again(Step::command(&["no-such-program"]));
    assert!(matches!(kept.end(), Answer::Failed(_)));
    kept.again(Step::script("echo ready; sleep 1000"));
    kept.started();
    kept.hears("ready");
    kept.hang_up();
    kept.keeper_ends();
    assert_eq!(survivors(&kept.mark), Vec::<i32>::new());
}

fn a_step_without_files_for_its_output_is_failed() {
    let mut kept = Step::script("true").start();
    kept.started();
    kept.end();
    kept.send(&Step::script("true").spec.to_line().unwrap());
    assert!(matches!(kept.end(), Answer::Failed(reason) if reason.contains("without files")));
}
