//! Attempts that come to nothing by a fault that is no step's: a run ends all the same.

use super::stores::services;
use super::*;

impl Service {
    /// Hands an attempt back because of a fault. Answers whether its run has ended.
    async fn hands_back(&mut self, run: &Run, attempt: u32) -> Result<bool, tonic::Status> {
        let request = EndAttemptRequest {
            run_id: run.id.clone(),
            attempt,
            how: AttemptEnd::HandedBack.into(),
            executor: "x".into(),
            fault: "no\0 luck".into(),
        };
        let answer = self.attempts.end_attempt(request).await?.into_inner();
        let due = if answer.run_ended { 0 } else { attempt };
        assert!([due, due + 1].contains(&answer.next_attempt), "{answer:?}");
        Ok(answer.run_ended)
    }
}

#[tokio::test]
async fn a_run_that_can_not_begin_fails_after_the_third_time_and_says_why() {
    for mut service in services().await {
        let pipeline = service.define(ONE).await;
        let run = service.start(&pipeline, "a").await.unwrap();
        for ends in [false, false, true] {
            assert_eq!(service.run(&pipeline, 1).await.state(), RunState::Queued);
            assert_eq!(service.hands_back(&run, 1).await.unwrap(), ends);
        }
        let run = service.run(&pipeline, 1).await;
        assert_eq!((run.state(), run.attempt), (RunState::Failed, 0));
        assert_eq!(run.end_cause(), EndCause::ExecutorLost);
        assert!(run.reason.ends_with("no luck"), "{}", run.reason);
    }
}

#[tokio::test]
async fn attempts_that_come_to_nothing_count_until_a_step_is_through() {
    for mut service in services().await {
        let pipeline = service
            .define("{name: two, steps: [{id: one, run: 'true'}, {id: two, run: 'true'}]}")
            .await;
        let run = service.start(&pipeline, "a").await.unwrap();
        service.begin(&run, 1, "x").await;
        assert!(!service.hands_back(&run, 1).await.unwrap());
        for attempt in 2..=5 {
            let begun = service.begin(&run, attempt, "x").await;
            if attempt == 2 {
                service.report_try(&run, 2, begun.grants[0].r#try).await;
            }
            assert_eq!(
                service.hands_back(&run, attempt).await.unwrap(),
                attempt == 4
            );
            if attempt == 4 {
                break;
            }
        }
        assert_eq!(service.run(&pipeline, 1).await.state(), RunState::Failed);
    }
}

#[tokio::test]
async fn a_run_whose_rows_can_not_be_read_ends_too() {
    for mut service in services().await {
        let pipeline = service.define(ONE).await;
        for (key, begins) in [("waits", false), ("runs", true)] {
            let run = service.start(&pipeline, key).await.unwrap();
            if begins {
                service.begin(&run, 1, "x").await;
            }
            let of_run = format!("WHERE id = '{}'", run.id);
            service
                .tamper(&format!(
                    "UPDATE run SET cause = 'of a later time' {of_run}"
                ))
                .await;
            for _ in 0..2 {
                let refused = service.hands_back(&run, 1).await.unwrap_err();
                assert_eq!(refused.code(), Code::Internal);
            }
            assert!(service.hands_back(&run, 1).await.unwrap());
            assert!(service.hands_back(&run, 1).await.unwrap(), "a repeat");
            let run = service.run(&pipeline, run.run_count).await;
            assert_eq!(run.state(), RunState::Failed);
            assert!(run.reason.contains("of a later time"), "{}", run.reason);
        }
    }
}

impl Service {
    async fn report_try(&mut self, run: &Run, attempt: u32, number: u32) {
        let step = StepReport {
            step_id: "one".into(),
            r#try: number,
            outcome: Outcome::Succeeded.into(),
            ..Default::default()
        };
        let request = ReportRequest {
            run_id: run.id.clone(),
            attempt,
            steps: vec![step],
            last_seq: 1,
        };
        assert!(
            !self
                .attempts
                .report(request)
                .await
                .unwrap()
                .into_inner()
                .over
        );
    }
}
