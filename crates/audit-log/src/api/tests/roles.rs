use runtime::config::Secret;
use runtime::{Database, Readiness};
use sea_orm::ConnectionTrait as _;

use super::records::acted;
use super::*;
use crate::store::LEDGER_TABLES;
use crate::{Config, Error, Stores};

/// A role that may log in and nothing else, and the URL with which it does.
async fn role(owner: &str, name: &str) -> String {
    let ready = Readiness::new();
    let first = Database::open::<empty::Nothing>(owner, "testing", &ready);
    let make = format!(
        "DO $$ BEGIN CREATE ROLE {name} LOGIN PASSWORD 'a password'; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    );
    first
        .await
        .unwrap()
        .reader()
        .execute_unprepared(&make)
        .await
        .unwrap();
    let (_, rest) = owner.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let host = authority.rsplit_once('@').map_or(authority, |it| it.1);
    format!("postgres://{name}:a%20password@{host}/{path}")
}

mod empty {
    use sea_orm_migration::{MigrationTrait, MigratorTrait};

    /// Migrates nothing.
    pub(super) struct Nothing;

    #[async_trait::async_trait]
    impl MigratorTrait for Nothing {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            Vec::new()
        }
    }
}

#[tokio::test]
async fn the_role_that_runs_adds_records_and_can_not_change_them() {
    let Some(owner) = outbox::testing::postgres("audit_log").await else {
        return;
    };
    let running = role(&owner, "penstock_test_running").await;
    let config = Config {
        database_owner: Secret::new(owner.clone()),
        ..Config::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let world = World::told(folder, &running, config.clone()).await;
    world
        .tell(&acted("run", &"a".repeat(24), 5), &"b".repeat(24))
        .await;
    world.tell(&batch(1, 1, 20), "a1").await;
    world.tell(&succeeded(20), "e1").await;
    world.has_kept(1, 1).await;
    world.whole(1000).await;
    let mut tables = LEDGER_TABLES.map(|it| (it, "account = account"));
    tables[4].1 = "at_ms = at_ms";
    for (table, change) in tables {
        for sql in [
            format!("UPDATE {table} SET {change}"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
            format!("DROP TABLE {table}"),
            format!("ALTER TABLE {table} ADD COLUMN x int"),
        ] {
            let tx = world.database.begin().await.unwrap();
            let refused = tx.execute_unprepared(&sql).await.unwrap_err().to_string();
            let is_right =
                refused.contains("permission denied") || refused.contains("must be owner");
            assert!(is_right, "{sql}: {refused}");
        }
    }
    // The owner prunes what the other may not.
    let store = world.store(Duration::from_hours(1));
    let signer = crate::ledger::checkpoint::Signer::new(&[0x11; 32]);
    let now_ms = clock::now_ms();
    let due = crate::store::Due {
        records: 1,
        age_ms: 0,
    };
    store.keep_key(&signer, now_ms).await.unwrap();
    store.sign(&signer, due, now_ms).await.unwrap();
    while store.prune(now_ms + 100 * 3600 * 1000).await.unwrap() == runtime::Progress::More {}
    world.has_kept(0, 0).await;
    // Who owns the tables can't be held back.
    let swapped = Stores::open(&config, &owner, &Readiness::new()).await;
    assert!(matches!(swapped, Err(Error::Role(_))), "{swapped:?}");
}
