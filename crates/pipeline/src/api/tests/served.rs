//! Steps that outside consumers carry out, as executors and those consumers meet them.

use contracts::message::{
    Message, StepAccepted, StepEnded, StepOutcome, StepProgressed, StepRequested, StepSaid,
    StepState, StepStopRequested, Topic,
};
use outbox::testing::{tell, until, within};
use outbox::{Reader, Tuning};

use super::*;

const FAR: &str = "{name: far, parameters: {day: {default: today}}, \
    steps: [{id: one, tool: {tool: farm, operation: grow, with: {day: '${{ parameters.day }}'}}}, \
    {id: two, run: 'echo ${X}', env: {X: '${{ steps.one.outputs.url }}'}}]}";

impl Service {
    async fn listen(&self, topic: Topic) -> Ears {
        // Of a group one reads at a time.
        let group = format!("a-test-of-{}", topic.name());
        let reader = self.bus.read(&group, &[topic], Tuning::Prompt).await;
        Ears(reader.unwrap(), Vec::new())
    }

    /// A run whose first step was requested, and the request.
    async fn requested(&mut self) -> (Pipeline, Run, StepRequested, Ears) {
        let mut steps = self.listen(Topic::Steps).await;
        let pipeline = self.define(FAR).await;
        let run = self.start(&pipeline, "a").await.unwrap();
        let begun = self.begin(&run, 1, "x").await;
        assert_eq!(begun.verdict(), Verdict::Over, "no executor is wanted");
        let request = steps.next::<StepRequested>().await;
        (pipeline, run, request, steps)
    }

    /// The pipeline's run once it is as it should be.
    async fn once(&mut self, pipeline: &Pipeline, is: impl Fn(&Run) -> bool) -> Run {
        let mut found = None;
        until("the run is as it should be", async || {
            let run = self.run(pipeline, 1).await;
            found = Some(run).filter(&is);
            found.is_some()
        })
        .await;
        found.unwrap()
    }
}

struct Ears(Reader, Vec<outbox::Heard>);

impl Ears {
    /// The next message of a type.
    async fn next<M: Message>(&mut self) -> M {
        within(M::TYPE, async {
            loop {
                while !self.1.is_empty() {
                    let message = self.1.remove(0);
                    if message.is::<M>() {
                        return message.decode().unwrap();
                    }
                }
                self.1 = self.0.next(100).await.unwrap();
            }
        })
        .await
    }
}

fn ended(request: &StepRequested, outcome: StepOutcome) -> StepEnded {
    StepEnded {
        request_id: request.request_id.clone(),
        run_id: request.run_id.clone(),
        outcome: outcome.into(),
        message: "grown".into(),
        outputs: HashMap::from([("url".to_owned(), "https://farm".to_owned())]),
    }
}

#[tokio::test]
async fn a_step_is_requested_of_whoever_serves_its_tool_and_ends_with_their_reply() {
    for service in stores::services().await {
        from_request_to_reply(service).await;
    }
}

async fn from_request_to_reply(mut service: Service) {
    let (pipeline, run, request, _) = service.requested().await;
    assert_eq!(request.request_id, format!("{}/one/1", run.id));
    assert_eq!((request.run_count, request.operation.as_str()), (1, "grow"));
    assert_eq!(request.parameters_json, r#"{"day":"today"}"#);
    let tool = request.tool.clone().unwrap();
    assert_eq!(tool.name, "farm");
    assert!(tool.configuration_json.contains("vaultKey"));
    assert!(request.until_ms > request.at_ms, "a step has its time");
    let waiting = service.run(&pipeline, 1).await;
    assert_eq!(waiting.state(), RunState::Waiting);
    assert_eq!(waiting.steps[0].state(), StepState::Waiting);

    let mut events = service.listen(Topic::Events).await;
    let accepted = StepAccepted {
        request_id: request.request_id.clone(),
        run_id: request.run_id.clone(),
        by: "w1".into(),
    };
    let progressed = |sequence| StepProgressed {
        request_id: request.request_id.clone(),
        run_id: request.run_id.clone(),
        sequence,
        lines: vec!["sown".into(), "watered\nweeded".into()],
    };
    tell(&service.bus, &accepted, "1").await;
    for (sequence, id) in [(1, "2"), (1, "2"), (1, "3")] {
        tell(&service.bus, &progressed(sequence), id).await;
    }
    let said = events.next::<StepSaid>().await;
    assert_eq!(said.lines, ["sown", "watered", "weeded"]);
    let accepted = service
        .once(&pipeline, |run| run.steps[0].message == "accepted by w1")
        .await;
    assert_eq!(accepted.state(), RunState::Waiting);

    for id in ["4", "4", "5"] {
        let ended = ended(&request, StepOutcome::Succeeded);
        tell(&service.bus, &ended, id).await;
    }
    tell(&service.bus, &ended(&request, StepOutcome::Failed), "6").await;
    tell(&service.bus, &progressed(2), "7").await;
    let queued = service
        .once(&pipeline, |run| run.state() == RunState::Queued)
        .await;
    assert_eq!(queued.steps[0].message, "grown");
    let begun = service.begin(&run, 2, "y").await;
    assert_eq!(begun.outputs["one.url"], "https://farm");
    assert_eq!(begun.grants[0].step_id, "two");
}

#[tokio::test]
async fn a_reply_at_fault_is_a_dead_letter_and_one_about_what_is_gone_is_none() {
    let mut service = service().await;
    let (pipeline, _, request, _) = service.requested().await;
    let mut dead = service.listen(Topic::DeadLetters).await;
    let gone = StepEnded {
        request_id: "0123456789abcdef01234567/one/1".into(),
        run_id: String::new(),
        ..ended(&request, StepOutcome::Failed)
    };
    let no_request = StepEnded {
        request_id: "what?".into(),
        ..ended(&request, StepOutcome::Failed)
    };
    let other_run = StepEnded {
        run_id: "0123456789abcdef01234567".into(),
        ..ended(&request, StepOutcome::Failed)
    };
    let no_outcome = ended(&request, StepOutcome::Unspecified);
    for (message, id) in [
        (&gone, "1"),
        (&no_request, "2"),
        (&other_run, "3"),
        (&no_outcome, "4"),
    ] {
        tell(&service.bus, message, id).await;
    }
    tell(&service.bus, &ended(&request, StepOutcome::Succeeded), "5").await;
    service
        .once(&pipeline, |run| run.state() == RunState::Queued)
        .await;
    let mut ids = Vec::new();
    within("the dead letters", async {
        while ids.len() < 3 {
            let letters = dead.0.next(10).await.unwrap();
            ids.extend(letters.into_iter().map(|it| it.id));
        }
    })
    .await;
    assert_eq!(ids, ["2", "3", "4"]);
}

#[tokio::test]
async fn a_stop_reaches_whoever_serves_the_step() {
    let mut service = service().await;
    let (pipeline, _, request, mut steps) = service.requested().await;
    service.stop(&pipeline).await;
    let stop = steps.next::<StepStopRequested>().await;
    assert_eq!(stop.request_id, request.request_id);
    assert_eq!((stop.mode(), stop.over), (StopMode::Graceful, false));
    assert_eq!(
        service.run(&pipeline, 1).await.state(),
        RunState::Cancelling
    );
    let request_kill = StopRunsRequest {
        caller: Some(caller()),
        pipeline: Some(PipelineRef {
            text: pipeline.id.clone(),
        }),
        mode: StopMode::Kill.into(),
        ..Default::default()
    };
    service.pipelines.stop_runs(request_kill).await.unwrap();
    let stop = steps.next::<StepStopRequested>().await;
    assert_eq!((stop.mode(), stop.over), (StopMode::Kill, true));
    let killed = service.run(&pipeline, 1).await;
    assert_eq!(killed.state(), RunState::Cancelled);
    let mut dead = service.listen(Topic::DeadLetters).await;
    tell(
        &service.bus,
        &ended(&request, StepOutcome::Succeeded),
        "late",
    )
    .await;
    let at_fault = ended(&request, StepOutcome::Unspecified);
    tell(&service.bus, &at_fault, "at fault").await;
    let letter = dead.next::<StepEnded>().await;
    assert_eq!(letter.outcome(), StepOutcome::Unspecified, "the first one");
    assert_eq!(service.run(&pipeline, 1).await.state(), RunState::Cancelled);
}

#[tokio::test]
async fn a_bus_that_nobody_outside_reaches_fails_the_step_and_says_so() {
    let mut service = service_with(crate::Outside::Alone).await;
    let pipeline = service.define(FAR).await;
    let run = service.start(&pipeline, "a").await.unwrap();
    assert_eq!(service.begin(&run, 1, "x").await.grants, []);
    let run = service.run(&pipeline, 1).await;
    assert_eq!(run.state(), RunState::Failed);
    assert!(run.steps[0].message.contains("kafka://"), "{run:?}");
}

#[tokio::test]
async fn a_request_that_can_not_be_made_fails_the_step() {
    let mut service = service().await;
    let missing = "{name: m, steps: [{id: zero, run: 'true', enabled: false}, \
        {id: one, tool: {tool: farm, with: {a: '${{ steps.zero.outputs.b }}'}}}]}";
    let large = "{name: l, parameters: {p: {default: ''}}, \
        steps: [{id: one, tool: {tool: farm, with: {a: '${{ parameters.p }}', b: '${{ parameters.p }}', \
        c: '${{ parameters.p }}', d: '${{ parameters.p }}', e: '${{ parameters.p }}'}}}]}";
    for (definition, why) in [(missing, "no output"), (large, "more than")] {
        let pipeline = service.define(definition).await;
        let request = StartRunRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef {
                text: pipeline.id.clone(),
            }),
            idempotency_key: "a".into(),
            fingerprint: "f".into(),
            parameters: if why == "more than" {
                HashMap::from([("p".to_owned(), "x".repeat(60_000))])
            } else {
                HashMap::new()
            },
            ..Default::default()
        };
        let answer = service.pipelines.start_run(request).await.unwrap();
        let run = answer.into_inner().run.unwrap();
        service.begin(&run, 1, "x").await;
        let run = service.run(&pipeline, 1).await;
        assert_eq!(run.state(), RunState::Failed, "{why}");
        let message = &run.steps.last().unwrap().message;
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn a_retry_of_a_served_step_takes_no_executor_before_it_is_due() {
    const AGAIN: &str = "{name: again, steps: [{id: one, tool: {tool: farm, operation: grow}, \
        retry: {attempts: 2, delay: 1s, jitter: 0}}]}";
    for mut service in stores::services().await {
        let mut steps = service.listen(Topic::Steps).await;
        let pipeline = service.define(AGAIN).await;
        let run = service.start(&pipeline, "a").await.unwrap();
        service.begin(&run, 1, "x").await;
        let first = steps.next::<StepRequested>().await;
        tell(&service.bus, &ended(&first, StepOutcome::Failed), "1").await;
        let is_retrying = |run: &Run| run.steps[0].state() == StepState::Retrying;
        let retrying = service.once(&pipeline, is_retrying).await;
        assert_eq!(retrying.state(), RunState::Waiting, "no slot is held");
        let is_queued = |run: &Run| run.state() == RunState::Queued;
        service.once(&pipeline, is_queued).await;
        service.begin(&run, 2, "x").await;
        let second = steps.next::<StepRequested>().await;
        assert_eq!(second.request_id, format!("{}/one/2", run.id));
        tell(&service.bus, &ended(&second, StepOutcome::Succeeded), "2").await;
        let is_done = |run: &Run| run.state() == RunState::Succeeded;
        service.once(&pipeline, is_done).await;
    }
}
