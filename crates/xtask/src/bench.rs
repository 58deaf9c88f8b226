//! `cargo xtask bench`: measures the release build on the embedded defaults, and on a real
//! PostgreSQL and a real Apache Kafka.
//!
//! The figures are made in `tests/bench`; this builds, brings the services up, and passes the
//! table through. Nothing else should run on the machine meanwhile.

use crate::services::Services;
use crate::step::Steps;

/// Measures, `only` what is named if anything is; answers whether every figure could be taken.
pub fn run(only: &[String]) -> anyhow::Result<bool> {
    let mut steps = Steps::default();
    let mut program = crate::cargo("build");
    program.args(["--release", "--package", "penstock"]);
    if steps.command("build", &mut program) {
        measure(&mut steps, only);
    }
    Ok(steps.summary())
}

fn measure(steps: &mut Steps, only: &[String]) {
    let services = Services::of_the_tests();
    let mut urls = None;
    steps.deed("services up", || {
        services.up().map(|answered| urls = Some(answered))
    });
    let mut bench = crate::cargo("bench");
    bench.args(["--package", "tests", "--bench", "bench"]).env(
        "TEST_PROGRAM",
        crate::root().join("target/release/penstock"),
    );
    if let Some(urls) = urls {
        bench
            .env("TEST_POSTGRES", urls.postgres)
            .env("TEST_KAFKA", urls.kafka);
    }
    bench.arg("--").args(only);
    steps.command("bench", &mut bench);
    steps.deed("services down", || services.down());
}
