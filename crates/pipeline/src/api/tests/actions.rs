//! Each accepted change of a user leaves one record of it, and nothing else does.

use contracts::message::{Topic, Use, UserActed};
use contracts::pipeline::{DeletePipelineRequest, ResetRequest};
use outbox::Broadcast;

use super::*;

/// With a use of a token, named by a number.
fn with_use(caller: Caller, number: u32) -> Caller {
    let used = Use {
        id: format!("{number:024}"),
        scope: "api".into(),
        target: "POST /somewhere".into(),
        ..Use::default()
    };
    Caller {
        r#use: Some(used),
        ..caller
    }
}

/// The next that was told; what was told before listening may still be heard.
async fn next(news: &mut Broadcast) -> UserActed {
    loop {
        let heard = news.next().await.unwrap();
        if heard.is::<UserActed>() {
            return heard.decode().unwrap();
        }
    }
}

impl Service {
    async fn hear(&mut self) -> Broadcast {
        let mut news = self.bus.broadcast(&[Topic::Events]).await.unwrap();
        self.define("{name: the beginning, steps: []}").await;
        while next(&mut news).await.target_name != "the beginning" {}
        news
    }

    /// What was told from where it was listened on.
    async fn told(&mut self, mut news: Broadcast) -> Vec<UserActed> {
        self.define("{name: the end, steps: []}").await;
        let mut told = Vec::new();
        loop {
            let acted = next(&mut news).await;
            if acted.target_name == "the end" {
                return told;
            }
            told.push(acted);
        }
    }

    async fn reset(&mut self, pipeline: &Pipeline, force: bool) {
        let request = ResetRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef {
                text: pipeline.id.clone(),
            }),
            force,
        };
        self.pipelines.reset(request).await.unwrap();
    }
}

fn actions(told: &[UserActed]) -> Vec<&str> {
    told.iter().map(|it| it.action.as_str()).collect()
}

#[tokio::test]
async fn every_change_is_told_once_with_its_use_and_what_changed() {
    let mut service = service().await;
    let news = service.hear().await;
    let define = |number, source: &str| DefineRequest {
        caller: Some(with_use(caller(), number)),
        source: source.into(),
        upsert: true,
        ..Default::default()
    };
    let longer = ONE.replace("'true'", "'false'");
    let made = service.pipelines.define(define(1, ONE)).await.unwrap();
    let pipeline = made.into_inner();
    for (number, source) in [(2, longer.as_str()), (3, longer.as_str())] {
        service
            .pipelines
            .define(define(number, source))
            .await
            .unwrap();
    }
    let delete = DeletePipelineRequest {
        caller: Some(with_use(caller(), 4)),
        pipeline: Some(PipelineRef {
            text: pipeline.id.clone(),
        }),
    };
    service.pipelines.delete_pipeline(delete).await.unwrap();
    let told = service.told(news).await;
    assert_eq!(actions(&told), ["create", "update", "delete"]);
    let uses: Vec<_> = told
        .iter()
        .map(|it| it.r#use.as_ref().unwrap().id.clone())
        .collect();
    assert_eq!(uses, ["1", "2", "4"].map(|it| format!("{it:0>24}")));
    let has = |text: &str, script: &str| text.contains(&format!("\"run\":\"{script}\""));
    assert!(told[0].before_json.is_empty() && has(&told[0].after_json, "true"));
    assert!(has(&told[1].before_json, "true") && has(&told[1].after_json, "false"));
    assert!(has(&told[2].before_json, "false") && told[2].after_json.is_empty());
    for acted in &told {
        let target = (
            acted.r#type.as_str(),
            acted.target_id.as_str(),
            acted.target_name.as_str(),
        );
        assert_eq!(target, ("pipeline", pipeline.id.as_str(), "one"));
        let actor = acted.actor.as_ref().unwrap();
        assert_eq!(
            (acted.account.as_str(), actor.user_id.as_str()),
            ("default", "u")
        );
        assert_eq!(actor.email, "u@example.org");
        assert!(acted.at_ms > 1_600_000_000_000);
    }
}

#[tokio::test]
async fn what_changes_nothing_is_not_told() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let news = service.hear().await;
    service.stop(&pipeline).await;
    service.reset(&pipeline, false).await;
    for key in ["a", "a", "b"] {
        service.start(&pipeline, key).await.unwrap();
    }
    service.stop(&pipeline).await;
    service.stop(&pipeline).await;
    service.reset(&pipeline, false).await;
    service.reset(&pipeline, true).await;
    let told = service.told(news).await;
    assert_eq!(actions(&told), ["run", "run", "stop", "reset"]);
    assert_eq!(told[1].after_json, r#"{"runCount":2}"#);
    assert_eq!(told[2].after_json, r#"{"mode":"graceful"}"#);
}

#[tokio::test]
async fn a_stop_of_many_and_a_reset_that_stops_are_one_action_each() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    for key in 0..60 {
        service.start(&pipeline, &key.to_string()).await.unwrap();
    }
    let news = service.hear().await;
    service.stop(&pipeline).await;
    service.start(&pipeline, "again").await.unwrap();
    service.reset(&pipeline, true).await;
    let told = service.told(news).await;
    assert_eq!(actions(&told), ["stop", "run", "reset"]);
}

#[tokio::test]
async fn what_is_refused_or_done_by_penstock_itself_is_not_told() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let news = service.hear().await;
    let start = |caller: Caller, key: &str| StartRunRequest {
        caller: Some(caller),
        pipeline: Some(PipelineRef {
            text: pipeline.id.clone(),
        }),
        idempotency_key: key.into(),
        ..Default::default()
    };
    let refused = start(user("guest", &[]), "a");
    service.pipelines.start_run(refused).await.unwrap_err();
    let by_itself = start(user("system", &["site_administrator"]), "b");
    service.pipelines.start_run(by_itself).await.unwrap();
    assert_eq!(service.told(news).await, []);
}
