//! `cargo xtask fuzz`: shows the readers of strangers' files what strangers might send, for long.
//!
//! The inputs are made by the tests `any_bytes` of `transfer`, which look at a few hundred each in
//! every `cargo test`; here each goes on for as long as it is told.

use crate::step::Steps;

/// The readers, by their tests.
const READERS: [&str; 9] = [
    "any_bytes_may_be_a_pipeline",
    "any_bytes_may_be_an_export",
    "any_bytes_may_be_packed",
    "any_bytes_may_be_schedules_or_templates",
    "any_text_may_be_a_configuration",
    "any_text_may_be_a_script_a_name_or_a_version",
    "any_bytes_may_be_a_class",
    "any_bytes_may_be_a_jar",
    "any_bytes_may_be_a_form",
];

/// Looks at each reader for so many seconds; answers whether all stood it.
pub fn run(seconds: u64) -> anyhow::Result<bool> {
    let mut steps = Steps::default();
    for reader in READERS {
        let mut test = crate::cargo("test");
        test.args(["--package", "transfer", "--lib", "--", "--exact"])
            .arg(format!("any_bytes::{reader}"))
            .env("PENSTOCK_FUZZ_SECONDS", seconds.to_string());
        steps.command(reader, &mut test);
    }
    Ok(steps.summary())
}
