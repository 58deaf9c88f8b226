//! Runs that schedules ask for.

use contracts::pipeline::permit_request::Right;
use contracts::pipeline::start_outcome::What;
use contracts::pipeline::{
    ListEndedRequest, ListQueuedRequest, PermitRequest, ScheduledStart, StartOutcome,
    StartRunsRequest,
};

use super::stores::services;
use super::*;

const ONE: &str = "name: one\nsteps: [{id: a, run: 'true'}]";
const TWO: &str = "name: two\nconcurrency: 0\nsteps: [{id: a, run: 'true'}]";
const EMPTY: &str = "name: empty\nsteps: []";

fn start(pipeline: &Pipeline, slot: &str) -> ScheduledStart {
    ScheduledStart {
        caller: Some(caller()),
        pipeline_id: pipeline.id.clone(),
        schedule_id: "5".repeat(24),
        slot: slot.into(),
        schedule_number: 7,
        order_number: 566_000_000_000,
        on_behalf_of: "actor".into(),
        ..ScheduledStart::default()
    }
}

impl Service {
    async fn start_runs(&mut self, starts: Vec<ScheduledStart>) -> Vec<StartOutcome> {
        let request = StartRunsRequest { starts };
        let answer = self.scheduling.start_runs(request).await.unwrap();
        answer.into_inner().outcomes
    }

    async fn run_of(&mut self, pipeline: &Pipeline, run_count: i64) -> Run {
        let request = GetRunRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef {
                text: pipeline.id.clone(),
            }),
            run_count,
            ..Default::default()
        };
        self.pipelines.get_run(request).await.unwrap().into_inner()
    }
}

#[tokio::test]
async fn many_runs_are_accepted_together_each_once_and_each_with_its_own_outcome() {
    for mut service in services().await {
        let (one, two) = (service.define(ONE).await, service.define(TWO).await);
        let empty = service.define(EMPTY).await;
        let mut unknown = start(&one, "9");
        unknown.pipeline_id = "0".repeat(24);
        let mut stranger = start(&one, "8");
        stranger.caller = Some(user("other", &[]));
        let follows = ScheduledStart {
            upstream_run_id: "6".repeat(24),
            ..start(&one, "1")
        };
        let batch = vec![
            start(&one, "1"),
            start(&two, "1"),
            start(&one, "2"),
            start(&one, "1"),
            unknown,
            stranger,
            start(&empty, "3"),
            start(&two, "4"),
            follows,
        ];
        let outcomes = service.start_runs(batch.clone()).await;
        let whats: Vec<_> = outcomes.iter().map(StartOutcome::what).collect();
        let (accepted, refused) = (What::Accepted, What::Refused);
        assert_eq!(
            whats,
            [
                accepted,
                // Slots of one schedule have one run each, whatever their pipeline.
                What::Repeated,
                accepted,
                What::Repeated,
                refused,
                refused,
                What::NoStep,
                accepted,
                accepted
            ],
            "{outcomes:?}"
        );
        assert_eq!(outcomes[3].run_id, outcomes[0].run_id);
        assert!(
            outcomes[6].message.contains("no enabled step"),
            "{outcomes:?}"
        );
        // I7: what was refused took no number.
        let counts: Vec<_> = [0, 2, 8, 7].map(|it: usize| outcomes[it].run_count).into();
        assert_eq!(counts, [1, 2, 3, 1]);
        let again = service.start_runs(batch).await;
        assert!(
            again.iter().all(|it| it.what() != What::Accepted),
            "{again:?}"
        );
        assert_eq!(again[8].run_id, outcomes[8].run_id);
    }
}

#[tokio::test]
async fn who_only_asks_what_is_known_starts_nothing_and_needs_no_rights() {
    for mut service in services().await {
        let one = service.define(ONE).await;
        let accepted = service.start_runs(vec![start(&one, "1")]).await;
        let only_known = |slot: &str| ScheduledStart {
            caller: None,
            only_known: true,
            ..start(&one, slot)
        };
        let asked = vec![only_known("1"), only_known("77")];
        let known = service.start_runs(asked).await;
        assert_eq!(known[0].what(), What::Repeated);
        assert_eq!(known[0].run_id, accepted[0].run_id);
        assert_eq!(known[1].what(), What::Unknown);
    }
}

#[tokio::test]
async fn a_run_shows_the_slot_that_it_is_for_and_its_order() {
    for mut service in services().await {
        let one = service.define(ONE).await;
        service
            .start_runs(vec![start(&one, "1"), start(&one, "2")])
            .await;
        let run = service.run_of(&one, 2).await;
        assert_eq!((run.schedule_number, run.slot.as_str()), (7, "2"));
        assert_eq!((run.order_number, run.silent), (566_000_000_000, false));
        assert_eq!(
            (run.on_behalf_of.as_str(), run.state()),
            ("actor", RunState::Queued)
        );
        let by_hand = service.start(&one, "key").await.unwrap();
        assert_eq!((by_hand.run_count, by_hand.order_number), (3, 1));
        assert!(by_hand.silent && by_hand.schedule_id.is_empty());
        let queued = ListQueuedRequest {
            limit: 100,
            ..ListQueuedRequest::default()
        };
        let queued = service
            .attempts
            .list_queued(queued)
            .await
            .unwrap()
            .into_inner();
        let orders: BTreeSet<_> = queued.runs.iter().map(|it| it.order_number).collect();
        assert_eq!(orders, BTreeSet::from([1, 566_000_000_000]));
    }
}

#[tokio::test]
async fn a_slot_leaves_a_pipeline_alone_that_is_active_or_cancels_what_runs() {
    for mut service in services().await {
        let one = service.define(ONE).await;
        let unless = |slot: &str| ScheduledStart {
            unless_active: true,
            ..start(&one, slot)
        };
        let outcomes = service.start_runs(vec![unless("1"), unless("2")]).await;
        let whats: Vec<_> = outcomes.iter().map(StartOutcome::what).collect();
        assert_eq!(whats, [What::Accepted, What::Active]);
        let cancels = ScheduledStart {
            cancel_active: true,
            ..start(&one, "3")
        };
        let outcomes = service.start_runs(vec![cancels.clone()]).await;
        assert_eq!(outcomes[0].what(), What::Accepted);
        let first = service.run_of(&one, 1).await;
        assert_eq!(first.state(), RunState::Cancelled);
        assert!(first.reason.contains("schedule 7"), "{}", first.reason);
        // Asked again it cancels nothing, and least of all its own run.
        let outcomes = service.start_runs(vec![cancels]).await;
        assert_eq!(outcomes[0].what(), What::Repeated);
        assert_eq!(service.run_of(&one, 2).await.state(), RunState::Queued);
    }
}

#[tokio::test]
async fn runs_that_ended_well_are_listed_with_what_started_them() {
    for mut service in services().await {
        let one = service.define(ONE).await;
        let outcomes = service.start_runs(vec![start(&one, "1")]).await;
        let begin = BeginAttemptRequest {
            run_id: outcomes[0].run_id.clone(),
            attempt: 1,
            executor: "e".into(),
            boot: 1,
        };
        service.attempts.begin_attempt(begin).await.unwrap();
        let report = ReportRequest {
            run_id: outcomes[0].run_id.clone(),
            attempt: 1,
            steps: vec![StepReport {
                step_id: "a".into(),
                r#try: 1,
                outcome: Outcome::Succeeded.into(),
                ..StepReport::default()
            }],
            last_seq: 0,
        };
        service.attempts.report(report).await.unwrap();
        service.start(&one, "by hand").await.unwrap();
        let request = ListEndedRequest {
            pipeline_ids: vec![one.id.clone()],
            limit: 10,
            ..ListEndedRequest::default()
        };
        let ended = service
            .scheduling
            .list_ended(request.clone())
            .await
            .unwrap();
        let ended = ended.into_inner().runs;
        assert_eq!(ended.len(), 1);
        assert_eq!((&ended[0].slot, ended[0].silent), (&"1".to_owned(), false));
        let later = ListEndedRequest {
            after: ended[0].number,
            ..request
        };
        let later = service.scheduling.list_ended(later).await.unwrap();
        assert!(later.into_inner().runs.is_empty());
    }
}

#[tokio::test]
async fn what_a_caller_may_do_with_pipelines_is_told_or_refused() {
    let mut service = service().await;
    let one = service.define(ONE).await;
    let hidden = "name: hidden\nvisibility: private\nsteps: [{id: a, run: 'true'}]";
    let hidden = service.define(hidden).await;
    let ask = |by: Caller, leave_out: bool| PermitRequest {
        caller: Some(by),
        pipelines: [&one.id, &hidden.id]
            .map(|id| PipelineRef { text: id.clone() })
            .into(),
        right: Right::RunAndStop.into(),
        leave_out,
    };
    let other = user("other", &["site_user"]);
    let permitted = service
        .scheduling
        .permit(ask(caller(), false))
        .await
        .unwrap();
    assert_eq!(permitted.into_inner().pipelines.len(), 2);
    let refused = service.scheduling.permit(ask(other.clone(), false)).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let left = service.scheduling.permit(ask(other, true)).await.unwrap();
    let left = left.into_inner().pipelines;
    assert_eq!((left.len(), left[0].name.as_str()), (1, "one"));
}
