//! What the store keeps, on a `SQLite` file.

use std::path::Path;

use sea_orm_migration::prelude::*;

use super::*;

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("CREATE TABLE note (id INTEGER)")
            .await?;
        Ok(())
    }
}

struct Older;

#[async_trait::async_trait]
impl MigratorTrait for Older {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }
}

async fn open(folder: &Path) -> Database {
    let url = format!("sqlite://{}", folder.display());
    Database::open::<Migrator>(&url, "notes", &Readiness::new())
        .await
        .unwrap()
}

async fn note(database: &Database, id: i32) -> Result<Tx, DbErr> {
    let tx = database.begin().await?;
    tx.execute_unprepared(&format!("INSERT INTO note VALUES ({id})"))
        .await?;
    Ok(tx)
}

async fn notes(database: &Database) -> Vec<i32> {
    let all = Statement::from_string(database.backend(), "SELECT id FROM note ORDER BY id");
    let rows = database.reader().query_all_raw(all).await.unwrap();
    rows.iter()
        .map(|row| row.try_get("", "id").unwrap())
        .collect()
}

#[tokio::test]
async fn what_was_committed_is_there_and_what_was_dropped_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path()).await;
    note(&database, 1).await.unwrap().commit().await.unwrap();
    drop(note(&database, 2).await.unwrap());
    note(&database, 3).await.unwrap().commit().await.unwrap();
    assert_eq!(notes(&database).await, [1, 3]);
}

#[tokio::test]
async fn transactions_that_wait_together_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path()).await;
    let writes = (0..200).map(|id| {
        let database = database.clone();
        async move {
            let tx = note(&database, id).await?;
            if id % 10 == 0 {
                Ok(())
            } else {
                tx.commit().await
            }
        }
    });
    for outcome in futures::future::join_all(writes).await {
        outcome.unwrap();
    }
    let kept: Vec<i32> = (0..200).filter(|id| id % 10 != 0).collect();
    assert_eq!(notes(&database).await, kept);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await);
    let url = format!("sqlite://{}", folder.path().display());
    let refused = Database::open::<Older>(&url, "notes", &Readiness::new()).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("newer version of penstock"), "{message}");
}

#[tokio::test]
async fn an_unknown_scheme_says_what_to_write() {
    let opened = Database::open::<Migrator>("mysql://x", "notes", &Readiness::new()).await;
    let message = opened.unwrap_err().to_string();
    assert!(
        message.contains("sqlite://<directory> or postgres://"),
        "{message}"
    );
}

mod failures;
