//! The row of a new run, and what is told of it.

use std::collections::BTreeMap;

use contracts::message::{RunChanged, RunRequested, RunState};
use outbox::Announcement;
use sea_orm::ActiveValue::{NotSet, Set};

use crate::Error;
use crate::caller::Caller;
use crate::entity::{pipeline, run};
use crate::news;
use crate::record::to_json;
use crate::run::Actor;
use crate::state::State;

/// The order in the queue of a run that no schedule gives another.
const USUAL_ORDER: i64 = 1;

/// A run that waits for its first attempt; counted by its pipeline.
pub(in crate::store) fn run_row(
    pipeline: &pipeline::Model,
    id: String,
    parameters: &BTreeMap<String, String>,
    actor: &Actor,
    now_ms: i64,
) -> run::ActiveModel {
    run::ActiveModel {
        number: NotSet,
        id: Set(id),
        pipeline_id: Set(pipeline.id.clone()),
        run_count: Set(pipeline.run_count),
        version: Set(pipeline.version),
        state: Set(State::Queued.name().to_owned()),
        attempt: Set(0),
        executor: Set(None),
        boot: Set(None),
        lost_in_a_row: Set(0),
        stop: Set(None),
        cause: Set(None),
        reason: Set(String::new()),
        ended_by: Set(None),
        resumed_from: Set(None),
        workspace_id: Set(None),
        workspace_base: Set(0),
        parent_id: Set(None),
        caller: Set(None),
        owner: Set(None),
        debugging: Set(false),
        started_by: Set(to_json(actor)),
        parameters: Set(to_json(parameters)),
        last_seq: Set(0),
        requested_at_ms: Set(now_ms),
        queued_at_ms: Set(now_ms),
        started_at_ms: Set(None),
        ended_at_ms: Set(None),
        order_number: Set(USUAL_ORDER),
        silent: Set(true),
        schedule_id: Set(None),
        schedule_number: Set(None),
        slot: Set(None),
        on_behalf_of: Set(String::new()),
        asked: Set(None),
    }
}

/// What is told of a run that was accepted.
pub(super) fn accepted(
    row: &run::Model,
    pipeline: &pipeline::Model,
    by: &Caller,
) -> Result<Vec<Announcement>, Error> {
    let requested = RunRequested {
        run_id: row.id.clone(),
        pipeline_id: row.pipeline_id.clone(),
        run_count: row.run_count,
        attempt: 1,
        concurrency: pipeline.concurrency.cast_unsigned(),
        priority: 0,
        requested_at_ms: row.requested_at_ms,
        order_number: row.order_number,
    };
    let changed = RunChanged {
        run_id: row.id.clone(),
        pipeline_id: row.pipeline_id.clone(),
        run_count: row.run_count,
        to: RunState::Queued.into(),
        at_ms: row.requested_at_ms,
        actor: Some(news::actor_message(by.actor())),
        silent: true,
        ..Default::default()
    };
    let mut news = vec![Announcement::of(&requested)?, Announcement::of(&changed)?];
    let action = if row.resumed_from.is_some() {
        "resume"
    } else {
        "run"
    };
    // What starts a child is the action that started its parent.
    let acted = by.acted(action, pipeline, row.requested_at_ms);
    if let Some(acted) = acted.filter(|_| row.parent_id.is_none()) {
        let after = format!("{{\"runCount\":{}}}", row.run_count);
        news.push(Announcement::of(&acted.with_change(String::new(), after))?);
    }
    Ok(news)
}
