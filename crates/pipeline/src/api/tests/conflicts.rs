//! Pipelines that must not run at the same time.

use contracts::pipeline::DeletePipelineRequest;
use futures::future::join_all;

use super::stores::services;
use super::*;

impl Service {
    /// A pipeline without a limit of its own.
    async fn free(&mut self, name: &str, conflicts: &str) -> Pipeline {
        let source = format!(
            "{{name: {name}, concurrency: 0, conflicts: [{conflicts}], steps: [{{id: one, run: 'true'}}]}}"
        );
        self.redefine(None, &source).await.unwrap()
    }

    async fn redefine(
        &mut self,
        pipeline: Option<&Pipeline>,
        source: &str,
    ) -> Result<Pipeline, tonic::Status> {
        let pipeline = pipeline.map(|it| PipelineRef {
            text: it.id.clone(),
        });
        let request = DefineRequest {
            caller: Some(caller()),
            pipeline,
            source: source.into(),
            upsert: false,
            ..Default::default()
        };
        Ok(self.pipelines.clone().define(request).await?.into_inner())
    }

    async fn start_each(&mut self, pipelines: &[&Pipeline]) -> Vec<Run> {
        let mut runs = Vec::new();
        for (number, pipeline) in pipelines.iter().enumerate() {
            let key = format!("key {number}");
            runs.push(self.start(pipeline, &key).await.unwrap());
        }
        runs
    }

    /// Whether the first attempt begins, or whose run it waits for.
    async fn begins(&mut self, run: &Run) -> Result<(), String> {
        let answer = self.begin(run, 1, "x").await;
        match answer.verdict() {
            Verdict::Begun => Ok(()),
            Verdict::Busy => Err(answer.waits_for),
            Verdict::Over | Verdict::Unspecified => panic!("{answer:?}"),
        }
    }
}

#[tokio::test]
async fn pipelines_in_conflict_run_one_after_the_other_in_the_order_of_their_runs() {
    for mut service in services().await {
        let a = service.free("a", "").await;
        let b = service.free("b", "a").await;
        let runs = service.start_each(&[&a, &a, &b, &a]).await;
        let [a1, a2, b1, a3] = &runs[..] else {
            panic!("four")
        };
        assert_eq!(service.begins(b1).await, Err(a.id.clone()), "first come");
        assert_eq!(service.begins(a2).await, Ok(()), "a may run beside itself");
        assert_eq!(service.begins(a1).await, Ok(()));
        assert_eq!(service.begins(a3).await, Err(b.id.clone()), "b is next");
        assert_eq!(service.begins(b1).await, Err(a.id.clone()));
        for run in [a1, a2] {
            assert!(service.report(run, 1, Outcome::Succeeded).await.over);
        }
        assert_eq!(service.begins(a3).await, Err(b.id.clone()));
        assert_eq!(service.begins(b1).await, Ok(()));
        assert_eq!(service.begins(a3).await, Err(b.id.clone()));
        assert!(service.report(b1, 1, Outcome::Succeeded).await.over);
        assert_eq!(service.begins(a3).await, Ok(()));
    }
}

#[tokio::test]
async fn a_run_that_waits_for_another_pipeline_s_run_says_which() {
    for mut service in services().await {
        let a = service.free("a", "").await;
        let b = service.free("b", "a").await;
        let runs = service.start_each(&[&a, &b]).await;
        for has_begun in [false, true] {
            let blocker = service.run(&b, 1).await.blocked_by.unwrap();
            assert_eq!((blocker.pipeline_id, blocker.run_count), (a.id.clone(), 1));
            assert_eq!(
                (blocker.pipeline_name.as_str(), blocker.has_begun),
                ("a", has_begun)
            );
            assert_eq!(service.run(&a, 1).await.blocked_by, None);
            service.begin(&runs[0], 1, "x").await;
        }
    }
}

#[tokio::test]
async fn a_run_that_is_queued_again_keeps_its_conflicts_away() {
    for mut service in services().await {
        let a = service.free("a", "").await;
        let b = service.free("b", "a").await;
        let runs = service.start_each(&[&a, &b]).await;
        assert_eq!(service.begins(&runs[0]).await, Ok(()));
        assert_eq!(service.end(&runs[0], 1, AttemptEnd::Lost).await, 2);
        assert_eq!(service.begins(&runs[1]).await, Err(a.id));
        let again = service.begin(&runs[0], 2, "x").await;
        assert_eq!(again.verdict(), Verdict::Begun);
    }
}

#[tokio::test]
async fn of_many_that_come_together_only_those_of_one_pipeline_begin() {
    for mut service in services().await {
        let a = service.free("a", "").await;
        let b = service.free("b", "a").await;
        let c = service.free("c", "b, a").await;
        let apart = service.free("apart", "").await;
        let mut waiting = Vec::new();
        for round in 0..12 {
            for pipeline in [&c, &a, &apart, &b] {
                let key = format!("{round}");
                waiting.push(service.start(pipeline, &key).await.unwrap());
            }
        }
        while !waiting.is_empty() {
            let begun = begun_together(&mut service, &waiting).await;
            assert!(!begun.is_empty(), "nobody can begin");
            let of: BTreeSet<&str> = begun.iter().map(|run| run.pipeline_id.as_str()).collect();
            assert!(
                of.iter().filter(|it| **it != apart.id).count() <= 1,
                "{of:?}"
            );
            waiting.retain(|run| !begun.iter().any(|it| it.id == run.id));
            for run in begun {
                service.report(&run, 1, Outcome::Succeeded).await;
            }
        }
    }
}

/// Lets all begin at once, while a definition changes who is concerned. Answers those that began.
async fn begun_together(service: &mut Service, runs: &[Run]) -> Vec<Run> {
    let begins = runs.iter().map(|run| {
        let mut attempts = service.attempts.clone();
        async move {
            let request = BeginAttemptRequest {
                run_id: run.id.clone(),
                attempt: 1,
                executor: "x".into(),
                boot: 1,
            };
            let answer = attempts.begin_attempt(request).await.unwrap();
            (answer.into_inner().verdict() == Verdict::Begun).then(|| run.clone())
        }
    });
    let defines = ["c, a", "b", "a, c, b"].map(|named| {
        let mut pipelines = service.pipelines.clone();
        let source = format!("{{name: apart too, conflicts: [{named}], steps: []}}");
        let request = DefineRequest {
            caller: Some(caller()),
            source,
            upsert: true,
            ..Default::default()
        };
        async move { pipelines.define(request).await.map(drop).unwrap() }
    });
    let (begun, _) = tokio::join!(join_all(begins), join_all(defines));
    begun.into_iter().flatten().collect()
}

#[tokio::test]
async fn what_a_conflict_names_is_kept_by_its_id() {
    for mut service in services().await {
        let a = service.free("a", "").await;
        let b = service.free("b", "a").await;
        let named = format!("\"conflicts\":[\"{}\"]", a.id);
        assert!(b.definition_json.contains(&named), "{}", b.definition_json);
        let renamed = "{name: z, concurrency: 0, steps: [{id: one, run: 'true'}]}";
        service.redefine(Some(&a), renamed).await.unwrap();
        service.free("a", "").await;
        let runs = service.start_each(&[&a, &b]).await;
        assert_eq!(service.begins(&runs[0]).await, Ok(()));
        assert_eq!(service.begins(&runs[1]).await, Err(a.id));
        let without = "{name: b, concurrency: 0, steps: [{id: one, run: 'true'}]}";
        service.redefine(Some(&b), without).await.unwrap();
        assert_eq!(service.begins(&runs[1]).await, Ok(()));
        assert_eq!(service.conflicts_noted().await, (0, 0));
    }
}

#[tokio::test]
async fn a_conflict_that_names_no_other_pipeline_is_refused_with_its_place() {
    let mut service = service().await;
    let a = service.free("a", "").await;
    let twin = service.free("twin", "").await;
    service
        .redefine(Some(&a), "{name: twin, steps: []}")
        .await
        .unwrap();
    for (pipeline, name, named, place) in [
        (
            None,
            "b",
            "nobody".to_owned(),
            "conflicts[0]: there is no pipeline \"nobody\"",
        ),
        (
            None,
            "b",
            format!("{}, nobody", a.id),
            "conflicts[1]: there is no",
        ),
        (
            None,
            "b",
            "twin".to_owned(),
            "conflicts[0]: several pipelines are called",
        ),
        (
            None,
            "b",
            "b".to_owned(),
            "conflicts[0]: is the pipeline itself",
        ),
        (
            Some(&a),
            "a",
            twin.id.clone() + ", " + &a.id,
            "conflicts[1]: is the pipeline itself",
        ),
    ] {
        let source = format!("{{name: {name}, conflicts: [{named}], steps: []}}");
        let refused = service.redefine(pipeline, &source).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(place), "{named}: {refused}");
    }
}

#[tokio::test]
async fn a_pipeline_that_is_deleted_is_in_conflict_with_none() {
    for mut service in services().await {
        let a = service.free("a", "").await;
        service.free("b", "a").await;
        service.free("c", "b").await;
        assert_eq!(service.conflicts_noted().await, (2, 3));
        for (gone, left) in [("b", (0, 0)), ("a", (0, 0))] {
            let request = DeletePipelineRequest {
                caller: Some(caller()),
                pipeline: Some(PipelineRef { text: gone.into() }),
            };
            service.pipelines.delete_pipeline(request).await.unwrap();
            assert_eq!(service.conflicts_noted().await, left);
        }
        assert_eq!(a.name, "a");
    }
}

impl Service {
    /// Conflicts that are kept, and pipelines that say that they have some.
    async fn conflicts_noted(&self) -> (i64, i64) {
        let kept = "SELECT count(*) AS count FROM pipeline_conflict";
        let said = "SELECT count(*) AS count FROM pipeline \
                    WHERE has_conflicts AND deleted_at_ms IS NULL";
        (self.count(kept).await, self.count(said).await)
    }
}
