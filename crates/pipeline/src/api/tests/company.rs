//! Calls of executors that come at the same time.

use futures::future::join_all;

use super::*;

const FREE: &str = "{name: free, concurrency: 0, steps: [{id: one, run: 'true'}]}";
const TWO_PLACES: &str = "{name: tight, concurrency: 2, steps: [{id: one, run: 'true'}]}";

impl Service {
    async fn started(&mut self, definition: &str, count: usize) -> (Pipeline, Vec<Run>) {
        let pipeline = self.define(definition).await;
        let mut runs = Vec::new();
        for number in 0..count {
            let key = format!("{number}");
            runs.push(self.start(&pipeline, &key).await.unwrap());
        }
        (pipeline, runs)
    }
}

fn beginning(run_id: &str) -> BeginAttemptRequest {
    BeginAttemptRequest {
        run_id: run_id.to_owned(),
        attempt: 1,
        executor: "x".into(),
        boot: 1,
    }
}

fn reporting(run: &Run, step: &str) -> ReportRequest {
    let step = StepReport {
        step_id: step.into(),
        r#try: 1,
        outcome: Outcome::Succeeded.into(),
        exit_code: Some(0),
        ..Default::default()
    };
    ReportRequest {
        run_id: run.id.clone(),
        attempt: 1,
        steps: vec![step],
        last_seq: 7,
    }
}

#[tokio::test]
async fn many_begin_at_once_and_each_gets_its_own_answer() {
    let mut service = service().await;
    let (_, free) = service.started(FREE, 40).await;
    let (_, tight) = service.started(TWO_PLACES, 6).await;
    let ids = free.iter().chain(&tight).map(|run| run.id.clone());
    let ids = ids.chain(["0".repeat(24)]);
    let begun = join_all(ids.map(|id| {
        let mut attempts = service.attempts.clone();
        async move { attempts.begin_attempt(beginning(&id)).await }
    }))
    .await;
    let verdicts: Vec<_> = begun
        .into_iter()
        .map(|it| it.map(|it| it.into_inner().verdict()))
        .collect();
    let is = |verdict: Verdict| move |it: &Result<Verdict, _>| matches!(it, Ok(v) if *v == verdict);
    assert!(verdicts[..40].iter().all(is(Verdict::Begun)));
    assert!(verdicts[40..42].iter().all(is(Verdict::Begun)));
    assert!(
        verdicts[42..46].iter().all(is(Verdict::Busy)),
        "two places are two: {verdicts:?}"
    );
    assert_eq!(
        verdicts[46].as_ref().map_err(tonic::Status::code),
        Err(Code::NotFound)
    );
}

#[tokio::test]
async fn a_report_at_fault_leaves_those_beside_it_alone() {
    let mut service = service().await;
    let (pipeline, runs) = service.started(FREE, 20).await;
    for run in &runs {
        service.begin(run, 1, "x").await;
    }
    let reports = runs.iter().enumerate().map(|(number, run)| {
        let step = if number == 7 { "unknown" } else { "one" };
        // Twice at once, as after a lost answer.
        [reporting(run, step), reporting(run, step)]
    });
    let answers = join_all(reports.flatten().map(|report| {
        let mut attempts = service.attempts.clone();
        async move { attempts.report(report).await }
    }))
    .await;
    for (number, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(answer) => {
                let answer = answer.into_inner();
                assert!(answer.run_ended && !answer.refused, "{number}: {answer:?}");
            }
            Err(status) => assert_eq!((number / 2, status.code()), (7, Code::InvalidArgument)),
        }
    }
    for run in &runs {
        let now = service.run(&pipeline, run.run_count).await;
        let expected = if run.run_count == 8 {
            RunState::Running
        } else {
            RunState::Succeeded
        };
        assert_eq!(now.state(), expected);
    }
}
