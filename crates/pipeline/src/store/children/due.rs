//! What is due about child runs: started, stopped and ended, each in a transaction of its own.
//!
//! No transaction here holds two runs, or a run and a pipeline that another might hold the other way
//! round. A child that can't be seen to waits for the next round and leaves the others alone.

use std::collections::{BTreeMap, HashMap};

use contracts::access::Right;
use contracts::message::Caller as CallerMessage;
use runtime::{Fault as _, Kind, clock};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, JoinType, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::{DUE, OPEN, OVER, is_child};
use crate::Error;
use crate::caller::Caller;
use crate::entity::{child, run};
use crate::record::from_json;
use crate::reference::Reference;
use crate::run::{ChildEnd, EndCause, Run, StopMode};
use crate::state::State;
use crate::store::starts::{Origin, Parent, Start, Wishes};
use crate::store::{StopAll, Store, leave_others_alone};

/// Rows that are read at once.
const PAGE: u64 = 50;

/// What may be due about a child run.
#[derive(Debug, Clone, Copy)]
enum Due {
    Start,
    Stop,
    End,
}

impl Store {
    /// Does what is due about child runs.
    pub(crate) async fn see_to_children(&self) -> Result<(), Error> {
        for due in [Due::Start, Due::Stop, Due::End] {
            let mut after = (String::new(), 0);
            loop {
                let rows = self.children_due(due, &after).await?;
                let Some(last) = rows.last() else { break };
                after = (last.parent_id.clone(), last.position);
                for row in &rows {
                    leave_others_alone(&row.parent_id, self.see_to(due, row).await)?;
                }
            }
        }
        Ok(())
    }

    /// A page of the children of which this is due, in one order.
    async fn children_due(
        &self,
        due: Due,
        (parent_id, position): &(String, i32),
    ) -> Result<Vec<child::Model>, Error> {
        use child::Column;
        let further = Condition::all()
            .add(Column::ParentId.eq(parent_id))
            .add(Column::Position.gt(*position));
        let after = Condition::any()
            .add(Column::ParentId.gt(parent_id))
            .add(further);
        let rows = child::Entity::find().filter(after);
        let rows = match due {
            Due::Start => rows.filter(Column::Stage.eq(DUE)),
            Due::Stop => rows.filter(Column::Stage.eq(OPEN)).filter(
                Expr::col((child::Entity, Column::StopWanted))
                    .gt(Expr::col((child::Entity, Column::StopTold))),
            ),
            Due::End => {
                let its_run = child::Entity::belongs_to(run::Entity)
                    .from(Column::RunId)
                    .to(run::Column::Id)
                    .into();
                rows.join(JoinType::InnerJoin, its_run)
                    .filter(Column::Stage.eq(OPEN))
                    .filter(run::Column::EndedAtMs.is_not_null())
            }
        };
        let rows = rows
            .order_by_asc(Column::ParentId)
            .order_by_asc(Column::Position)
            .limit(PAGE);
        Ok(rows.all(self.database.reader()).await?)
    }

    async fn see_to(&self, due: Due, row: &child::Model) -> Result<(), Error> {
        match due {
            Due::Start => self.start_child(row).await,
            Due::Stop => self.stop_child(row).await,
            Due::End => self.end_of_child(row).await,
        }
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
            on_behalf_of: String::new(),
            parent: Some(Parent {
                slot: slot_of(&parent),
                run_id: parent.id,
                position,
            }),
            wishes: Wishes::default(),
        };
        self.start_run(start).await?;
        Ok(())
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

    async fn end_of_child(&self, row: &child::Model) -> Result<(), Error> {
        let run_id = row.run_id.as_deref().unwrap_or_default();
        let child = self.run_row(run_id).await?;
        let state: State = child.state.parse().map_err(Error::Row)?;
        let name = self.name_of(&child).await?;
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
}

/// What a child is given: its step's templates with the parent's values.
fn values(
    child: &steps::kinds::Child,
    parent: &run::Model,
    run: &Run,
) -> Result<BTreeMap<String, String>, Error> {
    let parameters: HashMap<String, String> = from_json(&parent.parameters)?;
    let outputs = run.outputs();
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

fn mode_of(hardness: i32) -> StopMode {
    match hardness {
        i32::MIN..=1 => StopMode::Graceful,
        2 => StopMode::Cancel,
        3.. => StopMode::Kill,
    }
}

/// The slot of a schedule that led to a run.
fn slot_of(row: &run::Model) -> Option<(String, i64, String)> {
    let number = row.schedule_number?;
    Some((row.schedule_id.clone()?, number, row.slot.clone()?))
}
