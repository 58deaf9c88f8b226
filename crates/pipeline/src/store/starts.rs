//! A run is accepted: its origin, its number, its row and its announcement commit together.
//!
//! **Invariants:** I1 (accepted is durable), I3 (one run per origin), I7 (numbers without gap).

use std::collections::BTreeMap;

use contracts::access::Right;
use contracts::id::RunId;
use runtime::clock;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QuerySelect as _,
};

use super::{Ask, Owner, Store};
use crate::Error;
use crate::caller::Caller;
use crate::entity::{origin, pipeline, run};
use crate::record::to_json;

use self::row::accepted;
pub(super) use self::row::run_row;

mod row;

/// How far a queue position is counted.
pub(crate) const POSITIONS: u64 = 10_000;
/// How long a user's idempotency key is remembered.
const KEY_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// What starts a run; unique, so that repeating a start changes nothing.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// A user's key, within the account, its owner and the pipeline.
    pub(crate) key: String,
    /// Tells a repeated request from another one with the same key.
    pub(crate) fingerprint: String,
}

/// A run to be accepted.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) by: Caller,
    pub(crate) pipeline_id: String,
    pub(crate) origin: Origin,
    pub(crate) parameters: BTreeMap<String, String>,
    /// Refuse it while a run of the pipeline waits for people.
    pub(crate) unless_paused: bool,
    /// Go on where this run ended, the latest for 0.
    pub(crate) resume: Option<i64>,
    /// The step that it is a child of.
    pub(crate) parent: Option<Parent>,
    /// Kept and shown with the run.
    pub(crate) on_behalf_of: String,
    /// What is special about it.
    pub(crate) wishes: Wishes,
}

/// What is special about a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// Whose it is, where it is not who starts it.
    pub(crate) owner: Option<Owner>,
    /// Keep what its steps leave in the workspace.
    pub(crate) debugging: bool,
    /// Accept it though no step is enabled.
    pub(crate) allow_empty: bool,
    /// What one of its gates asks.
    pub(crate) ask: Option<Ask>,
}

/// A step that starts a run.
#[derive(Debug, Clone)]
pub(crate) struct Parent {
    pub(crate) run_id: String,
    pub(crate) position: usize,
    /// The slot of a schedule that led there, if one did: its schedule's id and number, and its name.
    pub(crate) slot: Option<(String, i64, String)>,
}

/// What became of a start.
pub(crate) struct Started {
    pub(crate) row: run::Model,
    pub(crate) pipeline: pipeline::Model,
    /// The origin was seen before.
    pub(crate) repeated: bool,
    /// Unfinished runs of the pipeline before it.
    pub(crate) position: u64,
}

impl Store {
    /// Accepts a run once per origin.
    pub(crate) async fn start_run(&self, start: Start) -> Result<Started, Error> {
        let now_ms = clock::now_ms();
        let origin = start.origin_key();
        let tx = self.database.begin().await?;
        let pipeline = count_run(&tx, &start).await?;
        // A refused start is undone with its number.
        let right = if start.resume.is_some() {
            Right::Approve
        } else {
            Right::Run
        };
        self.must(&start.by, right, &pipeline, &start.pipeline_id)?;
        let run_id = RunId::made_at(now_ms).to_string();
        if !claim(&tx, &origin, &run_id, &start, now_ms).await? {
            drop(tx);
            // Who took it may wait for the same group commit: then it is there to be read.
            self.database.begin().await?.commit().await?;
            return self.started_before(&origin, &start).await;
        }
        super::custody::check_unlocked(&pipeline)?;
        if start.unless_paused && self.is_paused(&tx, &pipeline.id).await? {
            return Err(Error::Paused(pipeline.name));
        }
        if let Some(parent) = &start.parent {
            super::children::take(&tx, parent, &run_id).await?;
        }
        let row = self
            .insert_run(&tx, &pipeline, &start, (run_id, now_ms))
            .await?;
        outbox::announce_all(&tx, accepted(&row, &pipeline, &start.by)?, now_ms).await?;
        tx.commit().await?;
        runtime::fault_point::pass("run.accepted");
        self.relay.ring();
        let position = self.place_in_line(&row, &pipeline).await?;
        Ok(Started {
            row,
            pipeline,
            repeated: false,
            position,
        })
    }

    async fn insert_run(
        &self,
        tx: &DatabaseTransaction,
        pipeline: &pipeline::Model,
        start: &Start,
        (run_id, now_ms): (String, i64),
    ) -> Result<run::Model, Error> {
        let Some(which) = start.resume else {
            let (given, empty) = (start.parameters.clone(), start.wishes.allow_empty);
            let parameters = self.checked_parameters(tx, pipeline, given, empty).await?;
            let mut row = run_row(pipeline, run_id, &parameters, start.by.actor(), now_ms);
            row.parent_id = Set(start.parent.as_ref().map(|it| it.run_id.clone()));
            row.caller = Set(self.kept_caller(tx, pipeline, &start.by).await?);
            row.on_behalf_of = Set(start.on_behalf_of.clone());
            if let Some((id, number, slot)) = start.parent.as_ref().and_then(|it| it.slot.clone()) {
                row.schedule_id = Set(Some(id));
                row.schedule_number = Set(Some(number));
                row.slot = Set(Some(slot));
            }
            if let Some(ask) = &start.wishes.ask {
                row.asked = Set(self.asked(tx, pipeline, ask).await?);
            }
            start.wishes.note(&mut row);
            return Ok(run::Entity::insert(row).exec_with_returning(tx).await?);
        };
        let mut earlier = self.to_resume(tx, pipeline, which, now_ms).await?;
        let nothing = BTreeMap::new();
        let mut row = run_row(pipeline, run_id, &nothing, start.by.actor(), now_ms);
        let has_children = earlier.row.caller.is_some();
        earlier.hand_on(&mut row, has_children.then(|| to_json(&start.by.kept())));
        let row = run::Entity::insert(row).exec_with_returning(tx).await?;
        earlier.save_steps(tx, &row.id).await?;
        Ok(row)
    }

    /// Who starts the run, if it may start others for them.
    pub(super) async fn kept_caller(
        &self,
        tx: &DatabaseTransaction,
        pipeline: &pipeline::Model,
        by: &Caller,
    ) -> Result<Option<String>, Error> {
        let plan = self.plan(tx, &pipeline.id, pipeline.version).await?;
        let has_children = plan.steps.iter().any(|step| step.kind.child().is_some());
        Ok(has_children.then(|| to_json(&by.kept())))
    }

    async fn started_before(&self, origin: &str, start: &Start) -> Result<Started, Error> {
        let reader = self.database.reader();
        let gone = || Error::Row(format!("the run of origin {origin} is gone"));
        let seen = origin::Entity::find_by_id(origin)
            .one(reader)
            .await?
            .ok_or_else(gone)?;
        if seen.fingerprint != start.origin.fingerprint {
            return Err(Error::KeyReused);
        }
        let row = run::Entity::find()
            .filter(run::Column::Id.eq(seen.run_id))
            .one(reader)
            .await?;
        let row = row.ok_or_else(gone)?;
        let pipeline = self.pipeline(start.by.account(), &row.pipeline_id).await?;
        let position = self.place_in_line(&row, &pipeline).await?;
        Ok(Started {
            row,
            pipeline,
            repeated: true,
            position,
        })
    }

    /// Runs that this one waits for; without a limit it waits for none.
    async fn place_in_line(
        &self,
        row: &run::Model,
        pipeline: &pipeline::Model,
    ) -> Result<u64, Error> {
        if pipeline.concurrency == 0 || row.ended_at_ms.is_some() {
            return Ok(0);
        }
        self.position(row).await
    }

    pub(super) async fn checked_parameters(
        &self,
        tx: &DatabaseTransaction,
        pipeline: &pipeline::Model,
        given: BTreeMap<String, String>,
        allow_empty: bool,
    ) -> Result<BTreeMap<String, String>, Error> {
        let plan = self.plan(tx, &pipeline.id, pipeline.version).await?;
        if !allow_empty && !plan.steps.iter().any(|step| step.enabled) {
            return Err(Error::NoStep(pipeline.name.clone()));
        }
        steps::parameters::resolve(&plan.parameters, &given).map_err(Error::Faults)
    }

    /// Unfinished runs of the same pipeline before this one.
    pub(crate) async fn position(&self, row: &run::Model) -> Result<u64, Error> {
        let before = run::Entity::find()
            .select_only()
            .column(run::Column::Number)
            .filter(run::Column::PipelineId.eq(&row.pipeline_id))
            .filter(run::Column::EndedAtMs.is_null())
            .filter(run::Column::RunCount.lt(row.run_count))
            .limit(POSITIONS);
        Ok(before.count(self.database.reader()).await?)
    }

    /// Forgets users' keys that have expired. Answers whether there may be more.
    pub(crate) async fn forget_keys(&self) -> Result<bool, Error> {
        const BATCH: u64 = 1000;
        let reader = self.database.reader();
        let expired: Vec<String> = origin::Entity::find()
            .select_only()
            .column(origin::Column::Origin)
            .filter(origin::Column::ExpiresAtMs.lt(clock::now_ms()))
            .limit(BATCH)
            .into_tuple()
            .all(reader)
            .await?;
        if expired.is_empty() {
            return Ok(false);
        }
        let more = expired.len() as u64 == BATCH;
        let tx = self.database.begin().await?;
        let these = origin::Column::Origin.is_in(expired);
        origin::Entity::delete_many()
            .filter(these)
            .exec(&*tx)
            .await?;
        tx.commit().await?;
        Ok(more)
    }
}

impl Wishes {
    fn note(&self, row: &mut run::ActiveModel) {
        row.owner = Set(self.owner.as_ref().map(|it| it.user_id.clone()));
        row.debugging = Set(self.debugging);
    }
}

impl Start {
    /// Users' keys and child steps have namespaces of their own; the parts can't run into each other.
    fn origin_key(&self) -> String {
        if let Some(parent) = &self.parent {
            return to_json(&["child", &parent.run_id, &self.origin.key, "1"]);
        }
        let owner = &self.by.actor().user_id;
        to_json(&[
            "user",
            self.by.account(),
            owner,
            &self.pipeline_id,
            &self.origin.key,
        ])
    }
}

/// Locks the pipeline's row and takes the next number. Undone with the transaction.
async fn count_run(tx: &DatabaseTransaction, start: &Start) -> Result<pipeline::Model, Error> {
    use pipeline::Column;
    let counted = pipeline::Entity::update_many()
        .col_expr(Column::RunCount, Expr::col(Column::RunCount).add(1))
        .filter(Column::Id.eq(&start.pipeline_id))
        .filter(Column::Account.eq(start.by.account()))
        .filter(Column::DeletedAtMs.is_null())
        .exec_with_returning(tx)
        .await?;
    counted
        .into_iter()
        .next()
        .ok_or_else(|| Error::NoPipeline(start.pipeline_id.clone()))
}

/// Takes the origin for this run. `false` if it was taken before.
async fn claim(
    tx: &DatabaseTransaction,
    origin: &str,
    run_id: &str,
    start: &Start,
    now_ms: i64,
) -> Result<bool, Error> {
    let row = origin::ActiveModel {
        origin: Set(origin.to_owned()),
        run_id: Set(run_id.to_owned()),
        fingerprint: Set(start.origin.fingerprint.clone()),
        expires_at_ms: Set(start.parent.is_none().then_some(now_ms + KEY_LIFE_MS)),
    };
    let taken = origin::Entity::insert(row)
        .on_conflict(
            OnConflict::column(origin::Column::Origin)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await?;
    Ok(taken == 1)
}
