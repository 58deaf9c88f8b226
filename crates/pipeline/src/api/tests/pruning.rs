//! Which runs, versions and pipelines are removed, and which are kept.

use contracts::pipeline::DeletePipelineRequest;
use runtime::{Bell, clock};

use super::stores::services;
use super::*;
use crate::store::Store;

#[tokio::test]
async fn old_runs_go_but_the_latest_of_a_pipeline_and_those_that_go_on_stay() {
    let mut service = service().await;
    let pipeline = service
        .define("{name: old, concurrency: 0, steps: [{id: one, run: 'true'}]}")
        .await;
    for number in 1..=110 {
        let run = service.start(&pipeline, &format!("{number}")).await;
        if number > 3 {
            let run = run.unwrap();
            service.begin(&run, 1, "x").await;
            service.report(&run, 1, Outcome::Succeeded).await;
        }
    }
    let store = Store::new(service.database.clone(), Bell::new(), true);
    let now_ms = clock::now_ms();
    for before_ms in [now_ms - 3_600_000, now_ms + 2000] {
        assert!(!store.prune_runs(before_ms).await.unwrap());
    }
    let gone = service.numbers_without_a_run(&pipeline, 110).await;
    assert_eq!(gone, (4..=10).collect::<Vec<i64>>());
    assert_eq!(
        service.start(&pipeline, "next").await.unwrap().run_count,
        111
    );
    let latest = service.run(&pipeline, 0).await;
    assert_eq!(latest.run_count, 111);
}

#[tokio::test]
async fn old_versions_go_but_the_latest_and_those_of_runs_stay() {
    for mut service in services().await {
        let source =
            |number| format!("{{name: edited, steps: [{{id: one, run: 'echo {number}'}}]}}");
        let pipeline = service.define(&source(1)).await;
        for number in 2..=106 {
            if number == 4 {
                service.start(&pipeline, "at 3").await.unwrap();
            }
            service.upsert(&source(number)).await;
        }
        let store = Store::new(service.database.clone(), Bell::new(), true);
        let now_ms = clock::now_ms();
        for (before_ms, left) in [(now_ms - 3_600_000, 106), (now_ms + 2000, 101)] {
            store.prune_versions(before_ms).await.unwrap();
            let rows = "SELECT count(*) AS count FROM version";
            assert_eq!(service.count(rows).await, left);
        }
        let kept = "SELECT CAST(min(version) AS BIGINT) AS count FROM version";
        assert_eq!(service.count(kept).await, 3, "a run points to it");
        assert_eq!(service.run(&pipeline, 1).await.version, 3);
        assert_eq!(service.upsert(&source(107)).await.version, 107);
    }
}

#[tokio::test]
async fn a_deleted_pipeline_goes_with_its_last_run_and_its_number_is_not_given_again() {
    for mut service in services().await {
        let pipeline = service.define(ONE).await;
        let run = service.start(&pipeline, "a").await.unwrap();
        service.begin(&run, 1, "x").await;
        service.report(&run, 1, Outcome::Succeeded).await;
        let request = DeletePipelineRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef {
                text: pipeline.id.clone(),
            }),
        };
        service.pipelines.delete_pipeline(request).await.unwrap();
        let store = Store::new(service.database.clone(), Bell::new(), true);
        let now_ms = clock::now_ms();
        for (before_ms, left) in [(now_ms - 3_600_000, 1), (now_ms + 2000, 0)] {
            assert!(!store.prune_pipelines(before_ms).await.unwrap());
            let rows = "SELECT count(*) AS count FROM pipeline";
            assert_eq!(service.count(rows).await, 1, "it has a run");
            assert!(!store.prune_runs(before_ms).await.unwrap());
            assert!(!store.prune_pipelines(before_ms).await.unwrap());
            for table in ["pipeline", "version", "step", "run", "run_step", "attempt"] {
                let rows = format!("SELECT count(*) AS count FROM {table}");
                assert_eq!(service.count(&rows).await, left, "{table}");
            }
        }
        assert!(service.define(ONE).await.number > pipeline.number);
    }
}

impl Service {
    async fn upsert(&mut self, source: &str) -> Pipeline {
        let request = DefineRequest {
            caller: Some(caller()),
            source: source.into(),
            upsert: true,
            ..Default::default()
        };
        self.pipelines.define(request).await.unwrap().into_inner()
    }

    async fn numbers_without_a_run(&mut self, pipeline: &Pipeline, last: i64) -> Vec<i64> {
        let mut numbers = Vec::new();
        for run_count in 1..=last {
            let request = GetRunRequest {
                caller: Some(caller()),
                pipeline: Some(PipelineRef {
                    text: pipeline.id.clone(),
                }),
                run_count,
                ..Default::default()
            };
            if self.pipelines.get_run(request).await.is_err() {
                numbers.push(run_count);
            }
        }
        numbers
    }
}
