//! `cargo xtask fuzz`: shows the readers of strangers' files what strangers might send, for long.
//!
//! The inputs are made by tests, which look at a few hundred each in every `cargo test`; here each goes on for as long as
//! it is told, in a process of its own. A reader that takes too long for one input, or too much memory, fails its test; a
//! process that goes on and on is killed.

use std::time::Duration;

use crate::step::Steps;

/// The readers, by their tests.
const READERS: [(&str, &str); 10] = [
    ("pipelines", "any_bytes::any_bytes_may_be_a_pipeline"),
    ("exports", "any_bytes::any_bytes_may_be_an_export"),
    ("what is packed", "any_bytes::any_bytes_may_be_packed"),
    (
        "schedules, templates",
        "any_bytes::any_bytes_may_be_schedules_or_templates",
    ),
    (
        "configurations",
        "any_bytes::any_text_may_be_a_configuration",
    ),
    (
        "edge scripts, names",
        "any_bytes::any_text_may_be_a_script_a_name_or_a_version",
    ),
    ("class files", "any_bytes::any_bytes_may_be_a_class"),
    ("jars", "any_bytes::any_bytes_may_be_a_jar"),
    ("forms", "any_bytes::any_bytes_may_be_a_form"),
    (
        "dates",
        "unifiedviews::dates::tests::any_text_may_be_a_date",
    ),
];
/// How long each is looked at in `cargo xtask test`, in seconds. All of them at the same time.
const BRIEFLY: u64 = 30;
/// How much longer a step may take that was told how long: it may have to be compiled.
const MORE: Duration = Duration::from_mins(15);

/// Looks at each reader for so many seconds; answers whether all stood it.
pub fn run(seconds: u64) -> anyhow::Result<bool> {
    let mut steps = Steps::default();
    for (name, test) in READERS {
        look(&mut steps, name, seconds, &[test]);
    }
    Ok(steps.summary())
}

/// Looks at all readers for a short while.
pub(crate) fn briefly(steps: &mut Steps) {
    look(
        steps,
        "readers, 30 s each",
        BRIEFLY,
        &READERS.map(|(_, test)| test),
    );
}

fn look(steps: &mut Steps, name: &'static str, seconds: u64, tests: &[&str]) {
    let mut test = crate::cargo("test");
    test.args(["--workspace", "--lib", "--", "--exact"])
        .arg(format!("--test-threads={}", tests.len()))
        .args(tests)
        .env("PENSTOCK_FUZZ_SECONDS", seconds.to_string());
    let limit = MORE + Duration::from_secs(seconds);
    steps.command_within(limit, name, &mut test);
}
