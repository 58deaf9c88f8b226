//! The audit log through its generated client and the bus, on every kind of store.

use std::time::Duration;

use contracts::audit::LatestActivityRequest;
use contracts::message::{
    Actor, AttemptEnd, RunChanged, RunState, SecretChanged, StepChanged, StepState, Topic,
};
use outbox::{Post, Tuning};
use runtime::clock;
use sea_orm::ConnectionTrait as _;
use tonic::Code;

use crate::store::Store;
use crate::testing::{PIPELINE, RUN, World, ask, batch, began, changed, ended, names};

mod chains;
mod following;
mod pages;
mod records;
mod roles;
mod storing;

fn requested() -> RunChanged {
    let actor = Some(Actor {
        name: "admin".into(),
        ..Actor::default()
    });
    RunChanged {
        actor,
        ..changed(RunState::Unspecified, RunState::Queued, 0, 0)
    }
}

fn succeeded(last_seq: u64) -> RunChanged {
    changed(RunState::Running, RunState::Succeeded, 1, last_seq)
}

fn latest(limit: u32, console_only: bool) -> LatestActivityRequest {
    let (pipeline_id, run_id) = (PIPELINE.into(), String::new());
    LatestActivityRequest {
        pipeline_id,
        run_id,
        console_only,
        limit,
        before: String::new(),
    }
}
