//! Child runs: started, stopped and ended after the transaction that made them due.
//!
//! A run's transaction notes what is to be done about its children; rows say it, so that a crash in
//! between costs nothing but time. No transaction here holds two runs, or a run and a pipeline that
//! another might hold the other way round.
//!
//! **Invariants:** I3 (one child a step: its row and its origin commit with it). A stop reaches the
//! children of a run as hard as it reached the run.

use std::collections::{BTreeMap, HashMap};

use contracts::access::Right;
use contracts::message::Caller as CallerMessage;
use runtime::{Fault as _, Kind, clock};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _, JoinType,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use steps::flow::StepState;

use super::locked::Locked;
use super::starts::{Origin, Parent, Start};
use super::{StopAll, Store};
use crate::Error;
use crate::caller::Caller;
use crate::entity::{child, conflict, pipeline, run};
use crate::record::from_json;
use crate::reference::Reference;
use crate::run::{ChildEnd, EndCause, News, Run, StopMode};
use crate::state::State;

/// Rows that are looked at in one round.
const AT_ONCE: u64 = 50;
/// Runs that may lie above each other.
pub(super) const DEEPEST: usize = 8;

const DUE: &str = "due";
const OPEN: &str = "open";
const OVER: &str = "over";

/// Notes what has become due about the children of runs that are being saved.
pub(super) async fn note(tx: &DatabaseTransaction, locked: &[&Locked]) -> Result<(), Error> {
    for it in locked {
        let steps = &it.run.plan.steps;
        if steps.iter().all(|step| step.kind.child().is_none()) {
            continue;
        }
        for news in it.news() {
            match news {
                News::Step(position) if steps[*position].kind.child().is_some() => {
                    note_step(tx, it, *position).await?;
                }
                News::StopRequested => {
                    let mode = it.run.stop.as_ref().map_or(0, |stop| hardness(stop.mode));
                    want_stop(tx, &it.row.id, None, mode).await?;
                }
                News::Step(_)
                | News::Changed { .. }
                | News::Requested(_)
                | News::Began(..)
                | News::Ended(..)
                | News::Decided(_) => {}
            }
        }
    }
    Ok(())
}

async fn note_step(tx: &DatabaseTransaction, it: &Locked, position: usize) -> Result<(), Error> {
    let state = it.run.steps[position].progress.state;
    if matches!(state, StepState::Waiting { .. }) {
        let row = child::ActiveModel {
            parent_id: Set(it.row.id.clone()),
            position: Set(number(position)),
            run_id: Set(None),
            stage: Set(DUE.into()),
            stop_wanted: Set(0),
            stop_told: Set(0),
        };
        let once = OnConflict::columns([child::Column::ParentId, child::Column::Position])
            .do_nothing()
            .to_owned();
        child::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(tx)
            .await?;
    } else if state.is_final() {
        // Ended by its time, say: nobody waits for the child any more.
        let mode = hardness(StopMode::Cancel);
        want_stop(tx, &it.row.id, Some(position), mode).await?;
    }
    Ok(())
}

/// The children of a run, or of one of its steps, are to be stopped, this hard at least.
async fn want_stop(
    tx: &DatabaseTransaction,
    parent_id: &str,
    position: Option<usize>,
    mode: i32,
) -> Result<(), Error> {
    let mut children = child::Entity::update_many()
        .col_expr(child::Column::StopWanted, Expr::value(mode))
        .filter(child::Column::ParentId.eq(parent_id))
        .filter(child::Column::Stage.ne(OVER))
        .filter(child::Column::StopWanted.lt(mode));
    if let Some(position) = position {
        children = children.filter(child::Column::Position.eq(number(position)));
    }
    children.exec(tx).await?;
    Ok(())
}

/// Takes a due child for a run that is being started. Fails if it isn't due any more.
pub(super) async fn take(
    tx: &DatabaseTransaction,
    parent: &Parent,
    run_id: &str,
) -> Result<(), Error> {
    let taken = child::Entity::update_many()
        .col_expr(child::Column::Stage, Expr::value(OPEN))
        .col_expr(child::Column::RunId, Expr::value(run_id))
        .filter(is_child(&parent.run_id, number(parent.position)))
        .filter(child::Column::Stage.eq(DUE))
        .filter(child::Column::StopWanted.eq(0))
        .exec(tx)
        .await?;
    if taken.rows_affected == 1 {
        Ok(())
    } else {
        Err(Error::NotDue)
    }
}

impl Store {
    /// Does what is due about child runs. Answers whether there may be more.
    pub(crate) async fn see_to_children(&self) -> Result<bool, Error> {
        let due = child::Column::Stage.eq(DUE);
        let due = self.children_where(Condition::all().add(due)).await?;
        let to_stop = Condition::all()
            .add(child::Column::Stage.eq(OPEN))
            .add(Expr::col(child::Column::StopWanted).gt(Expr::col(child::Column::StopTold)));
        let mut more = due.len() as u64 == AT_ONCE;
        for row in due {
            let seen_to = self.start_child(&row).await;
            Self::leave_others_alone(&row, seen_to)?;
        }
        for row in self.children_where(to_stop).await? {
            let seen_to = self.stop_child(&row).await;
            Self::leave_others_alone(&row, seen_to)?;
        }
        let ended = self.ended_children().await?;
        more |= ended.len() as u64 == AT_ONCE;
        for (row, child) in ended {
            let seen_to = self.end_of_child(&row, &child).await;
            Self::leave_others_alone(&row, seen_to)?;
        }
        Ok(more)
    }

    /// What can't be read concerns its own run only.
    fn leave_others_alone(row: &child::Model, seen_to: Result<(), Error>) -> Result<(), Error> {
        match seen_to {
            Err(Error::Row(why)) => {
                tracing::error!(
                    run.id = row.parent_id,
                    "a child run can't be seen to: {why}"
                );
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn children_where(&self, which: Condition) -> Result<Vec<child::Model>, Error> {
        let rows = child::Entity::find()
            .filter(child::Column::Stage.ne(OVER))
            .filter(which)
            .order_by_asc(child::Column::ParentId)
            .limit(AT_ONCE);
        Ok(rows.all(self.database.reader()).await?)
    }

    /// Open children whose runs have ended.
    async fn ended_children(&self) -> Result<Vec<(child::Model, run::Model)>, Error> {
        let its_run = child::Entity::belongs_to(run::Entity)
            .from(child::Column::RunId)
            .to(run::Column::Id)
            .into();
        let rows = child::Entity::find()
            .join(JoinType::InnerJoin, its_run)
            .select_also(run::Entity)
            .filter(child::Column::Stage.eq(OPEN))
            .filter(run::Column::EndedAtMs.is_not_null())
            .limit(AT_ONCE)
            .all(self.database.reader())
            .await?;
        let both = rows.into_iter().filter_map(|(row, run)| Some((row, run?)));
        Ok(both.collect())
    }

    /// Starts a due child, once, or ends its step with why it can't be.
    async fn start_child(&self, row: &child::Model) -> Result<(), Error> {
        if row.stop_wanted > 0 {
            return self.child_is_over(row, ChildEnd::Unwanted).await;
        }
        let refused = match self.try_to_start(row).await {
            // Where a stop came first the next round sees it.
            Ok(()) | Err(Error::NotDue) => return Ok(()),
            Err(error) => error,
        };
        match refused.kind() {
            Kind::Invalid | Kind::Denied | Kind::NotFound | Kind::Conflict | Kind::Exists => {
                let why = format!("its run can't be started: {refused}");
                self.child_is_over(row, ChildEnd::Refused(why)).await
            }
            Kind::Unauthenticated
            | Kind::Busy
            | Kind::Unavailable
            | Kind::Late
            | Kind::Internal => Err(refused),
        }
    }

    async fn try_to_start(&self, row: &child::Model) -> Result<(), Error> {
        let parent = self.run_row(&row.parent_id).await?;
        let run = self.with_steps(&parent).await?;
        let position = usize::try_from(row.position).unwrap_or(usize::MAX);
        let planned = run.plan.steps.get(position);
        let child = planned.and_then(|step| step.kind.child());
        let (Some(planned), Some(child)) = (planned, child) else {
            return Err(Error::Row(format!("step {position} starts no run")));
        };
        let by = caller_of(&parent)?;
        let reference = Reference::of(&child.pipeline)?;
        let pipeline = self.find(&by, &reference, Right::Run).await?;
        self.check_ancestors(&parent, &pipeline).await?;
        let parameters = values(child, &parent, &run)?;
        let start = Start {
            by,
            pipeline_id: pipeline.id,
            origin: Origin {
                key: planned.id.clone(),
                fingerprint: String::new(),
            },
            parameters,
            unless_paused: false,
            resume: None,
            parent: Some(Parent {
                run_id: parent.id,
                position,
            }),
        };
        self.start_run(start).await?;
        Ok(())
    }

    /// Refuses a pipeline that one of the runs above is a run of, or that must not run at the same
    /// time as one of theirs, and runs that lie too deep.
    async fn check_ancestors(
        &self,
        parent: &run::Model,
        pipeline: &pipeline::Model,
    ) -> Result<(), Error> {
        let mut above = parent.clone();
        let mut theirs = Vec::new();
        for _ in 1..DEEPEST {
            if above.pipeline_id == pipeline.id {
                return Err(Error::Cycle(pipeline.name.clone()));
            }
            theirs.push(above.pipeline_id.clone());
            match &above.parent_id {
                Some(id) => above = self.run_row(id).await?,
                None => return self.check_conflicts(theirs, pipeline).await,
            }
        }
        Err(Error::TooDeep)
    }

    /// A child that waits for its parent's end would wait for ever.
    async fn check_conflicts(
        &self,
        theirs: Vec<String>,
        pipeline: &pipeline::Model,
    ) -> Result<(), Error> {
        use conflict::Column;
        let said = Condition::all()
            .add(Column::PipelineId.eq(&pipeline.id))
            .add(Column::OtherId.is_in(theirs.clone()));
        let said_by_them = Condition::all()
            .add(Column::OtherId.eq(&pipeline.id))
            .add(Column::PipelineId.is_in(theirs));
        let found = conflict::Entity::find()
            .filter(Condition::any().add(said).add(said_by_them))
            .one(self.database.reader())
            .await?;
        match found {
            None => Ok(()),
            Some(_) => Err(Error::ConflictsAbove(pipeline.name.clone())),
        }
    }

    /// Stops a child as hard as its parent was.
    async fn stop_child(&self, row: &child::Model) -> Result<(), Error> {
        let parent = self.run_row(&row.parent_id).await?;
        let run_id = row.run_id.as_deref().unwrap_or_default();
        let child = self.run_row(run_id).await?;
        let pipeline = self.any_pipeline(&child.pipeline_id).await?;
        let why = if parent.reason.is_empty() {
            format!("run {} above it was stopped", parent.run_count)
        } else {
            format!("run {} above it: {}", parent.run_count, parent.reason)
        };
        let stop = StopAll {
            run_count: Some(child.run_count),
            mode: mode_of(row.stop_wanted),
            reason: why,
            by: Caller::system(&pipeline.account),
            cause: EndCause::Stopped,
            keep_queue: false,
        };
        self.stop_runs(&pipeline, &stop).await?;
        let tx = self.database.begin().await?;
        child::Entity::update_many()
            .col_expr(child::Column::StopTold, Expr::value(row.stop_wanted))
            .filter(is_child(&row.parent_id, row.position))
            .filter(child::Column::StopTold.lt(row.stop_wanted))
            .exec(&*tx)
            .await?;
        Ok(tx.commit().await?)
    }

    async fn end_of_child(&self, row: &child::Model, child: &run::Model) -> Result<(), Error> {
        let state: State = child.state.parse().map_err(Error::Row)?;
        let name = self.name_of(child).await?;
        let mut message = format!("run {} of {name} {state}", child.run_count);
        if !child.reason.is_empty() {
            message = format!("{message}: {}", child.reason);
        }
        let end = ChildEnd::Ended { state, message };
        self.child_is_over(row, end).await
    }

    /// The end of a child is the end of its parent's step.
    async fn child_is_over(&self, row: &child::Model, end: ChildEnd) -> Result<(), Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let mut locked = self.lock(&tx, &row.parent_id).await?;
        let position = usize::try_from(row.position).unwrap_or(usize::MAX);
        child::Entity::update_many()
            .col_expr(child::Column::Stage, Expr::value(OVER))
            .filter(is_child(&row.parent_id, row.position))
            .exec(&*tx)
            .await?;
        locked.run.child_ended(position, end, now_ms);
        if locked.has_changed() {
            Self::save(&tx, locked, now_ms).await?;
        }
        tx.commit().await?;
        runtime::fault_point::pass("child.ended");
        self.relay.ring();
        self.children.ring();
        Ok(())
    }

    /// The open children of runs, by run and position.
    pub(super) async fn open_children(
        &self,
        db: &impl ConnectionTrait,
        parents: Vec<String>,
    ) -> Result<Vec<child::Model>, Error> {
        if parents.is_empty() {
            return Ok(Vec::new());
        }
        let rows = child::Entity::find()
            .filter(child::Column::ParentId.is_in(parents))
            .filter(child::Column::Stage.eq(OPEN))
            .order_by_asc(child::Column::ParentId)
            .order_by_asc(child::Column::Position);
        Ok(rows.all(db).await?)
    }

    /// The child runs of a run's steps, by position.
    pub(crate) async fn children_of(
        &self,
        run_id: &str,
    ) -> Result<BTreeMap<usize, run::Model>, Error> {
        let rows = child::Entity::find()
            .filter(child::Column::ParentId.eq(run_id))
            .filter(child::Column::RunId.is_not_null())
            .all(self.database.reader())
            .await?;
        let mut children = BTreeMap::new();
        for row in rows {
            let id = row.run_id.unwrap_or_default();
            if let Ok(child) = self.run_row(&id).await {
                children.insert(usize::try_from(row.position).unwrap_or(usize::MAX), child);
            }
        }
        Ok(children)
    }
}

/// What a child is given: its step's templates with the parent's values.
fn values(
    child: &steps::kinds::Child,
    parent: &run::Model,
    run: &Run,
) -> Result<BTreeMap<String, String>, Error> {
    let parameters: HashMap<String, String> = from_json(&parent.parameters)?;
    let mut outputs = HashMap::new();
    for (step, planned) in run.steps.iter().zip(&run.plan.steps) {
        let named = step.outputs.iter();
        outputs.extend(named.map(|(key, it)| (format!("{}.{key}", planned.id), it.clone())));
    }
    let context = steps::Context {
        parameters: &parameters,
        outputs: &outputs,
        secrets: &HashMap::new(),
    };
    let values = child.values(&context);
    values.map_err(|error| Error::Invalid(error.to_string()))
}

/// Who started a run, with what they were then.
fn caller_of(row: &run::Model) -> Result<Caller, Error> {
    let told: Option<CallerMessage> = row.caller.as_deref().map(from_json).transpose()?;
    Caller::of(told)
}

fn is_child(parent_id: &str, position: i32) -> Condition {
    Condition::all()
        .add(child::Column::ParentId.eq(parent_id))
        .add(child::Column::Position.eq(position))
}

fn number(position: usize) -> i32 {
    i32::try_from(position).unwrap_or(i32::MAX)
}

/// The modes in the order of escalation; 0 is no stop.
fn hardness(mode: StopMode) -> i32 {
    match mode {
        StopMode::Graceful => 1,
        StopMode::Cancel => 2,
        StopMode::Kill => 3,
    }
}

fn mode_of(hardness: i32) -> StopMode {
    match hardness {
        i32::MIN..=1 => StopMode::Graceful,
        2 => StopMode::Cancel,
        3.. => StopMode::Kill,
    }
}
