//! Which runs are removed, and which are kept.

use runtime::{Bell, clock};

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
    let store = Store::new(service.database.clone(), Bell::new());
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

impl Service {
    async fn numbers_without_a_run(&mut self, pipeline: &Pipeline, last: i64) -> Vec<i64> {
        let mut numbers = Vec::new();
        for run_count in 1..=last {
            let request = GetRunRequest {
                caller: Some(caller()),
                pipeline: Some(PipelineRef {
                    text: pipeline.id.clone(),
                }),
                run_count,
            };
            if self.pipelines.get_run(request).await.is_err() {
                numbers.push(run_count);
            }
        }
        numbers
    }
}
