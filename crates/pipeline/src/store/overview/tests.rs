//! What a page of pipelines costs.

use std::sync::atomic::{AtomicUsize, Ordering};

use contracts::message::{Actor, Caller};
use runtime::{Bell, Database, Readiness};
use sea_orm::{DatabaseBackend, DatabaseConnection, DbErr, ExecResult, QueryResult, Statement};
use steps::Definition;

use super::*;
use crate::store::{Define, Origin, Start, Wishes};

/// A database that counts what it is asked.
struct Counting<'a> {
    database: &'a DatabaseConnection,
    statements: AtomicUsize,
}

impl Counting<'_> {
    fn one_more(&self) -> &DatabaseConnection {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.database
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Counting<'_> {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.database.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.one_more().execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.one_more().execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.one_more().query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.one_more().query_all_raw(statement).await
    }
}

fn caller() -> crate::caller::Caller {
    let actor = Actor {
        user_id: "u".into(),
        ..Actor::default()
    };
    let caller = Caller {
        actor: Some(actor),
        account: "default".into(),
        roles: vec!["site_administrator".into()],
        ..Caller::default()
    };
    crate::caller::Caller::of(Some(caller)).unwrap()
}

/// A store with so many pipelines, each with a gate, and two accepted runs.
async fn store_with(folder: &tempfile::TempDir, pipelines: usize) -> (Store, Database) {
    let url = format!("sqlite://{}", folder.path().display());
    let database = Database::open::<crate::Migrator>(&url, "pipeline", &Readiness::new())
        .await
        .unwrap();
    let store = Store::new(database.clone(), Bell::new(), true);
    for number in 0..pipelines {
        let source = format!(
            "{{name: p{number}, steps: [{{id: a, run: 'true'}}, {{id: b, approval: {{contact: ops}}}}]}}"
        );
        let define = Define {
            by: caller(),
            pipeline_id: None,
            definition: Definition::from_source(&source).unwrap(),
            conflicts: Vec::new(),
            upsert: false,
            copy_of: None,
            owner: None,
            same_name: false,
        };
        let stored = store.define(define).await.unwrap();
        for run in 0..2 {
            let start = Start {
                by: caller(),
                pipeline_id: stored.row.id.clone(),
                origin: Origin {
                    key: format!("given:{number}-{run}"),
                    fingerprint: String::new(),
                },
                parameters: std::collections::BTreeMap::default(),
                unless_paused: false,
                resume: None,
                parent: None,
                on_behalf_of: String::new(),
                wishes: Wishes::default(),
            };
            store.start_run(start).await.unwrap();
        }
    }
    (store, database)
}

#[tokio::test]
async fn a_page_of_many_pipelines_asks_the_database_as_often_as_a_page_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let (store, database) = store_with(&folder, 30).await;
    let rows = pipeline::Entity::find()
        .all(database.reader())
        .await
        .unwrap();
    let mut counts = Vec::new();
    for rows in [&rows[..1], &rows[1..]] {
        let counting = Counting {
            database: database.reader(),
            statements: AtomicUsize::new(0),
        };
        let overviews = store.overviews_on(&counting, rows).await.unwrap();
        assert_eq!(overviews.len(), rows.len());
        for row in rows {
            let latest = overviews[&row.id].latest.as_ref().unwrap();
            assert_eq!((latest.row.run_count, latest.position), (2, 1));
            assert_eq!(overviews[&row.id].step_ids.len(), 2);
            assert!(overviews[&row.id].ended.is_none());
        }
        counts.push(counting.statements.into_inner());
    }
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0] <= 10, "{counts:?}");
}
