//! The lease: renewed, lost, and what an outage costs.

use contracts::scheduler::from_executor::Said;
use libtest_mimic::Trial;

use crate::trials_of;
use crate::world::{RUN, World, eventually, lives};

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        a_lease_is_renewed_with_what_is_held,
        a_lease_that_lapses_ends_what_runs_and_forgets_it,
        an_attempt_that_was_cut_is_not_begun_again,
        a_report_that_is_declined_loses_the_attempt,
        a_step_that_fails_under_a_short_lease_has_failed,
        a_new_stream_goes_on_with_what_is_held,
        an_outage_shorter_than_the_lease_cuts_nothing,
        a_restart_has_a_greater_boot_and_leaves_nothing_behind,
    ]
}

const SLOW: &str = "  - {id: a, run: 'echo $$ > pid; while [ ! -e go ]; do sleep 0.01; done'}";

fn renewals(world: &World) -> Vec<contracts::scheduler::Renew> {
    let desk = world.desk();
    let renewals = desk.heard.iter().filter_map(|said| match said {
        Said::Renew(renew) => Some(renew.clone()),
        _ => None,
    });
    renewals.collect()
}

async fn a_lease_is_renewed_with_what_is_held() {
    let mut world = World::new().await;
    world.desk().lease_ms = 1500;
    world.plan(SLOW);
    world.start(world.config()).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    let before = renewals(&world).len();
    // Two leases long.
    eventually("it is renewed", || renewals(&world).len() > before + 12).await;
    assert!(lives(&pid), "a renewed lease cuts nothing");
    let last = renewals(&world).pop().unwrap();
    assert_eq!(
        (last.holding[0].run_id.as_str(), last.holding[0].attempt),
        (RUN, 1)
    );
    std::fs::write(world.workspace().join("go"), "").unwrap();
    world.ended().await;
}

async fn a_lease_that_lapses_ends_what_runs_and_forgets_it() {
    let mut world = World::new().await;
    world.desk().lease_ms = 500;
    world.plan(SLOW);
    world.start(world.config()).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    world.desk().answers_renewals = false;
    eventually("it is gone", || !lives(&pid)).await;
    eventually("it is forgotten", || {
        renewals(&world)
            .last()
            .is_some_and(|renew| renew.holding.is_empty())
    })
    .await;
    assert!(
        world.script().reports.is_empty(),
        "{:?}",
        world.script().reports
    );
    // Once it has a lease again it works again.
    world.desk().answers_renewals = true;
    let answered = world.desk().streams + 1;
    world.hang_up();
    eventually("another stream", || world.desk().streams >= answered).await;
    world.plan("  - {id: a, run: 'true'}");
    world.assign(2).await;
    world.ended().await;
}

fn given_back(world: &World) -> usize {
    let heard = &world.desk().heard;
    let back = heard.iter().filter(|it| matches!(it, Said::HandBack(_)));
    back.count()
}

/// The scheduler was away, and doesn't know that the lease lapsed.
async fn an_attempt_that_was_cut_is_not_begun_again() {
    let mut world = World::new().await;
    world.desk().lease_ms = 500;
    world.plan(SLOW);
    world.start(world.config()).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    world.desk().answers_renewals = false;
    eventually("it is gone", || !lives(&pid)).await;
    eventually("it is forgotten", || {
        renewals(&world)
            .last()
            .is_some_and(|renew| renew.holding.is_empty())
    })
    .await;
    world.desk().answers_renewals = true;
    let again = world.desk().streams + 1;
    world.hang_up();
    eventually("another stream", || world.desk().streams >= again).await;
    let before = given_back(&world);
    world.assign(1).await;
    eventually("it is given back", || given_back(&world) > before).await;
    assert_eq!(world.script().begun, 1);
    world.assign(2).await;
    eventually("the next one begins", || world.script().begun == 2).await;
}

async fn a_report_that_is_declined_loses_the_attempt() {
    let world = World::with("  - {id: a, run: 'true'}").await;
    world.script().declines = true;
    world.assign(1).await;
    world.lost().await;
}

async fn a_step_that_fails_under_a_short_lease_has_failed() {
    let mut world = World::new().await;
    world.desk().lease_ms = 1500;
    world.plan("  - {id: a, run: 'exit 4'}");
    let config = executor::Config {
        grace_ms: 10_000,
        ..world.config()
    };
    world.start(config).await;
    assert_eq!(world.carried_out().await[0].exit_code, Some(4));
}

async fn a_new_stream_goes_on_with_what_is_held() {
    let world = World::with(SLOW).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    world.hang_up();
    eventually("another stream", || world.desk().streams == 2).await;
    world.assign(1).await;
    assert!(lives(&pid));
    std::fs::write(world.workspace().join("go"), "").unwrap();
    world.ended().await;
    assert_eq!(world.script().begun, 1);
}

async fn an_outage_shorter_than_the_lease_cuts_nothing() {
    let world = World::with(&format!("{SLOW}\n  - {{id: b, run: 'true'}}")).await;
    world.assign(1).await;
    world.made("pid").await;
    world.script().outage = true;
    std::fs::write(world.workspace().join("go"), "").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(world.script().reports.is_empty());
    world.script().outage = false;
    world.ended().await;
    assert_eq!(world.script().steps().len(), 2);
}

async fn a_restart_has_a_greater_boot_and_leaves_nothing_behind() {
    let mut world = World::with(SLOW).await;
    let first = world.executor.clone().unwrap();
    world.assign(1).await;
    let pid = world.made("pid").await;
    std::fs::write(world.workspace().join("go"), "").unwrap();
    world.ended().await;
    world.drain().await;
    assert!(!lives(&pid));
    let (name, boot) = (first.name().to_owned(), first.boot());
    drop(first);
    world.executor = None;
    world.start(world.config()).await;
    let second = world.executor.clone().unwrap();
    assert_eq!(second.name(), name);
    assert!(second.boot() > boot);
}
