//! Many runs at once, started and awaited whatever breaks meanwhile.

use futures::future::join_all;
use harness::World;
use harness::api::is_ended;
use serde_json::Value;

/// Runs that go on together.
pub(crate) struct Load {
    pub(crate) pipeline: String,
    name: String,
}

impl Load {
    /// Two short steps a run, and a finalizer.
    pub(crate) async fn of(world: &World) -> Self {
        let steps = "- {id: one, run: 'echo one; sleep 0.2'}\n- {id: two, run: 'sleep 0.2; echo two'}\n\
                     - {id: tidy, always: true, run: echo tidy}";
        let pipeline = world.api().define_steps("load", steps).await;
        Self {
            pipeline,
            name: world.name("key"),
        }
    }

    /// Accepts the runs `from` to `to`, counted from 1, however often it takes.
    pub(crate) async fn start(&self, world: &World, from: u32, to: u32) {
        let key = |number| format!("{}-{number}", self.name);
        let starts = (from..=to).map(|number| async move {
            world
                .api()
                .start_stubbornly(&self.pipeline, &key(number))
                .await
        });
        join_all(starts).await;
    }

    /// Waits until so many runs have ended.
    pub(crate) async fn has_ended(&self, world: &World, count: usize) -> Vec<Value> {
        let path = format!("/api/v2/pipelines/{}/runs?limit=1000", self.pipeline);
        let what = format!("{count} runs have ended");
        let patience = harness::eventually::LONG_PATIENCE;
        harness::eventually_within(patience, &what, async || {
            let api = world.api();
            let answer = api
                .try_send(api.request(reqwest::Method::GET, &path))
                .await?;
            let mut runs = answer.json["runs"].as_array().cloned().unwrap_or_default();
            runs.retain(is_ended);
            (runs.len() >= count).then_some(runs)
        })
        .await
    }

    /// Waits until so many runs have succeeded, and that none came to anything else.
    pub(crate) async fn has_succeeded(&self, world: &World, count: usize) {
        for run in self.has_ended(world, count).await {
            assert_eq!(run["state"], "succeeded", "{run:#}");
        }
    }
}
