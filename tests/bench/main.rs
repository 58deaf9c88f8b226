//! Measures Penstock as its users would meet it, and prints a table. `cargo xtask bench` runs it.
//!
//! Every figure but one is taken from outside: over HTTP, from the first instruction of a step's own
//! process (`stamper`), or from the process table. Nothing is asserted.
//! Arguments choose figures: latency, steps, stop, token, lines, logs, sustained, drain, schedules,
//! beside, pipelines, and waiting, which takes minutes to set up and is taken only if it is named; and
//! shapes: embedded, spread. What a token's check costs is taken inside, between
//! two requests through the gateway's own router.

#![allow(clippy::print_stdout, reason = "the table is the result")]

mod costs;
mod load;
mod measure;
mod schedules;
mod stamp;
mod table;
mod token;

use harness::{Settings, Shape, World};
use table::Table;

const SHAPES: [Shape; 2] = [Shape::Embedded, Shape::Spread];

#[allow(clippy::disallowed_methods, reason = "a program of the tests' own")]
fn main() {
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with('-'))
        .collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        for shape in SHAPES {
            let is_named = only.iter().any(|it| it == shape.name());
            let any_is_named = only.iter().any(|it| SHAPES.iter().any(|s| s.name() == it));
            if shape.is_possible() && (is_named || !any_is_named) {
                bench(shape, &only).await;
            }
        }
    });
}

/// Takes the figures of a shape; only those that are named, if any are.
async fn bench(shape: Shape, only: &[String]) {
    let mut table = Table::new(shape.name());
    let started = std::time::Instant::now();
    let world = World::start(Settings::of(shape).lease("30s").slots(16)).await;
    table.row("start until ready", measure::millis(started.elapsed()));
    measure::memory(&world, &mut table);
    let stamps = stamp::Stamps::listen().await;
    let figures: Vec<&String> = only
        .iter()
        .filter(|it| SHAPES.iter().all(|shape| shape.name() != it.as_str()))
        .collect();
    let wants = |figure: &str| figures.is_empty() || figures.iter().any(|it| *it == figure);
    if wants("latency") {
        measure::latency(&world, &stamps, &mut table).await;
    }
    if wants("steps") {
        measure::step_to_step(&world, &stamps, &mut table).await;
        measure::forty_steps(&world, &mut table).await;
    }
    if wants("stop") {
        measure::stop(&world, &stamps, &mut table).await;
    }
    if wants("token") {
        token::check(&mut table).await;
    }
    if wants("lines") {
        load::log_lines(&world, &mut table).await;
    }
    if wants("logs") {
        costs::logs(&world, &mut table).await;
    }
    if wants("sustained") {
        load::sustained(&world, &mut table).await;
    }
    if wants("drain") {
        load::drain(&world, &mut table).await;
    }
    if wants("schedules") {
        schedules::due(&world, &mut table).await;
    }
    if figures.iter().any(|it| *it == "waiting") {
        schedules::waiting(&world, &mut table).await;
    }
    if wants("beside") {
        costs::stops_beside_lists(&world, &mut table).await;
    }
    if wants("pipelines") {
        costs::pipelines(&world, &mut table).await;
    }
    table.print();
    world.end().await;
}
