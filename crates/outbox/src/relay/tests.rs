use contracts::message::RunRequested;
use runtime::database::MigratorTrait;
use runtime::{Readiness, Tasks};
use sea_orm_migration::MigrationTrait;

use super::*;
use crate::{Tables, announce};

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Tables)]
    }
}

async fn relay(folder: &std::path::Path, tasks: &Tasks) -> Relay {
    let (url, ready) = (format!("sqlite://{}", folder.display()), Readiness::new());
    let config = bus::Config {
        url: format!("embedded:{}", folder.join("bus").display()),
        ..bus::Config::default()
    };
    Relay {
        database: Database::open::<Migrator>(&url, "tests", &ready)
            .await
            .unwrap(),
        bus: Bus::open(&config, &ready, tasks).await.unwrap(),
        service: "tests",
    }
}

async fn announced(relay: &Relay, run: &str) -> Vec<Row> {
    let message = RunRequested {
        run_id: run.to_owned(),
        ..RunRequested::default()
    };
    let tx = relay.database.begin().await.unwrap();
    announce(&tx, &message, clock::now_ms()).await.unwrap();
    tx.commit().await.unwrap();
    relay.batch(relay.database.reader()).await.unwrap()
}

async fn settle(relay: &Relay, batch: &[Row], outcome: Result<(), Refused>) {
    let tx = relay.database.begin().await.unwrap();
    relay.settle(tx, batch, vec![outcome]).await.unwrap();
}

#[tokio::test]
async fn an_id_that_is_given_again_costs_no_message() {
    let (folder, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let relay = relay(folder.path(), &tasks).await;
    let first = announced(&relay, "first").await;
    settle(&relay, &first, Ok(())).await;
    let second = announced(&relay, "second").await;
    assert_eq!(first[0].id, second[0].id, "SQLite gives it again");
    // Somebody else published the first one, too, and is late to say so.
    settle(&relay, &first, Ok(())).await;
    settle(&relay, &first, Err(Refused("too large".into()))).await;
    let left = relay.batch(relay.database.reader()).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].message_id, second[0].message_id);
    tasks.drain();
}
