//! Record chains in rows: appended, signed, pruned, exported.

use super::records::{ACCOUNT, id};
use super::*;
use crate::ledger::checkpoint::{PublicKey, Signer};
use crate::ledger::verify::{Broken, Report, Verifier};
use crate::ledger::{Action, Book};
use crate::store::{Due, Records};

const NOW: Due = Due {
    records: 1,
    age_ms: 0,
};

impl World {
    async fn export(&self, from_ms: i64, to_ms: i64) -> String {
        let account = ACCOUNT.into();
        let request = contracts::audit::ExportAuditRequest {
            account,
            from_ms,
            to_ms,
        };
        let mut stream = self
            .client
            .clone()
            .export_audit(request)
            .await
            .unwrap()
            .into_inner();
        let mut lines = Vec::new();
        while let Some(answer) = stream.message().await.unwrap() {
            lines.extend(answer.lines);
        }
        String::from_utf8(lines).unwrap()
    }

    pub(super) async fn verified(&self) -> Result<Report, Broken> {
        verified(&self.export(0, 0).await)
    }

    async fn run_sql(&self, sql: &str) {
        let tx = self.database.begin().await.unwrap();
        tx.execute_unprepared(sql).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn signer() -> Signer {
    Signer::new(&[0x11; 32])
}

fn verified(export: &str) -> Result<Report, Broken> {
    let key: PublicKey = signer().public().clone();
    let mut verifier = Verifier::new([key]);
    for line in export.lines() {
        verifier.read(line)?;
    }
    verifier.finish()
}

fn records(ids: impl IntoIterator<Item = u32>) -> Records {
    let action = |number| {
        let action = Action {
            id: id(number),
            at_ms: number.into(),
            ..Action::default()
        };
        (ACCOUNT.to_owned(), action)
    };
    Records {
        actions: ids.into_iter().map(action).collect(),
        uses: Vec::new(),
    }
}

/// The time of which the tests speak: nothing of it is too old for the audit log of the world.
fn begun() -> i64 {
    clock::now_ms()
}

/// Keeps actions, a link each.
async fn keep(world: &World, store: &Store, numbers: std::ops::Range<u32>, now_ms: i64) {
    let tx = world.database.begin().await.unwrap();
    store.append(&tx, records(numbers), now_ms).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn several_who_append_at_once_do_not_fork_a_chain() {
    for world in World::each().await {
        let store = world.store(Duration::from_hours(1));
        let writes = (0..8_u32).map(|number| {
            let (store, world) = (&store, &world);
            async move { keep(world, store, number * 2..number * 2 + 5, begun()).await }
        });
        futures::future::join_all(writes).await;
        let report = world.verified().await.unwrap();
        let chain = &report.chains[&Book::Actions];
        assert_eq!((chain.position, chain.records), (19, 19));
    }
}

#[tokio::test]
async fn a_chain_is_signed_until_somebody_changes_a_row() {
    for world in World::each().await {
        let (t, store) = (begun(), world.store(Duration::from_hours(1)));
        keep(&world, &store, 0..40, t + 1).await;
        store.keep_key(&signer(), t + 2).await.unwrap();
        store.sign(&signer(), NOW, t + 2).await.unwrap();
        keep(&world, &store, 40..45, t + 3).await;
        let chain = world.verified().await.unwrap().chains[&Book::Actions].clone();
        assert_eq!((chain.signed, chain.unsigned_records), (40, 5));
        let later = Due {
            records: 100,
            age_ms: 10,
        };
        store.sign(&signer(), later, t + 4).await.unwrap();
        let signed = async || world.verified().await.unwrap().chains[&Book::Actions].signed;
        assert_eq!(signed().await, 40, "neither enough records nor old enough");
        store.sign(&signer(), later, t + 13).await.unwrap();
        assert_eq!(signed().await, 45);
        keep(&world, &store, 45..50, t + 20).await;
        world
            .run_sql("UPDATE user_action SET action = 'nothing' WHERE position = 47")
            .await;
        store.sign(&signer(), NOW, t + 30).await.unwrap();
        let broken = world.verified().await.unwrap_err();
        assert!(broken.to_string().contains("actions 47"), "{broken}");
        world
            .run_sql("UPDATE user_action SET action = '' WHERE position = 47")
            .await;
        assert_eq!(signed().await, 45, "it was not signed as it was");
        world
            .run_sql("DELETE FROM user_action WHERE position = 3")
            .await;
        let broken = world.verified().await.unwrap_err();
        assert!(broken.to_string().contains("actions 3"), "{broken}");
    }
}

#[tokio::test]
async fn pruning_stops_at_a_checkpoint_and_what_remains_verifies() {
    for world in World::each().await {
        let (t, store) = (begun(), world.store(Duration::from_millis(100)));
        for round in 0..4_u32 {
            keep(
                &world,
                &store,
                round * 70..round * 70 + 70,
                t + i64::from(round) * 1000,
            )
            .await;
            if round < 3 {
                let now_ms = t + i64::from(round) * 1000 + 1;
                store.keep_key(&signer(), now_ms).await.unwrap();
                store.sign(&signer(), NOW, now_ms).await.unwrap();
            }
        }
        let before = world.verified().await.unwrap().chains[&Book::Actions].clone();
        assert_eq!((before.base, before.position, before.signed), (0, 280, 210));
        // The first two rounds are too old, and the second is only signed with its last link.
        while store.prune(t + 1200).await.unwrap() == runtime::Progress::More {
            world.verified().await.unwrap();
        }
        let after = world.verified().await.unwrap().chains[&Book::Actions].clone();
        assert_eq!((after.base, after.position, after.records), (140, 280, 140));
        // All are too old, and the last round is not signed.
        while store.prune(t + 1_000_000).await.unwrap() == runtime::Progress::More {}
        let last = world.verified().await.unwrap().chains[&Book::Actions].clone();
        assert_eq!((last.base, last.position, last.records), (210, 280, 70));
        store.sign(&signer(), NOW, t + 9000).await.unwrap();
        while store.prune(t + 1_000_000).await.unwrap() == runtime::Progress::More {}
        let none = world.verified().await.unwrap().chains[&Book::Actions].clone();
        assert_eq!((none.base, none.position, none.records), (280, 280, 0));
        keep(&world, &store, 900..901, t + 10_000).await;
        assert_eq!(
            world.verified().await.unwrap().chains[&Book::Actions].position,
            281
        );
    }
}

#[tokio::test]
async fn an_export_of_some_time_goes_from_checkpoint_to_checkpoint() {
    for world in World::each().await {
        let (t, store) = (begun(), world.store(Duration::from_hours(1)));
        for round in 1..=4_u32 {
            keep(
                &world,
                &store,
                round * 10..round * 10 + 10,
                t + i64::from(round) * 1000,
            )
            .await;
            let now_ms = t + i64::from(round) * 1000 + 1;
            store.keep_key(&signer(), now_ms).await.unwrap();
            store.sign(&signer(), NOW, now_ms).await.unwrap();
        }
        for (from_ms, to_ms, base, position) in [
            (0, 0, 0, 40),
            (2000, 0, 10, 40),
            (2000, 3000, 10, 20),
            (0, 1001, 0, 10),
            (2500, 3500, 20, 30),
            (9000, 0, 40, 40),
            (9000, 9001, 40, 40),
        ] {
            let at = |ms: i64| if ms == 0 { 0 } else { t + ms };
            let report = verified(&world.export(at(from_ms), at(to_ms)).await).unwrap();
            let chain = report
                .chains
                .get(&Book::Actions)
                .cloned()
                .unwrap_or_default();
            let found = (chain.base, chain.position);
            assert_eq!(found, (base, position), "{from_ms} to {to_ms}");
        }
    }
}
