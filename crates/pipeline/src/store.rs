//! The pipeline service's transactions, named by what becomes true.
//!
//! Lock order: pipelines' rows before runs' rows, each kind by id. A run's row is locked by everything that
//! changes the run or its steps, so that a stop and the grant of a step exclude each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contracts::access::{Right, Standing};
use runtime::{Bell, Database, Fault as _, Kind, fault};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};
use steps::Plan;

use crate::Error;
use crate::caller::Caller;
use crate::entity::{pipeline, version};
use crate::record;

mod attempts;
mod calls;
mod children;
mod circles;
mod conflicts;
mod custody;
mod gates;
mod locked;
mod overview;
mod pipelines;
mod prune;
mod reads;
mod resumes;
mod scheduled;
mod served;
mod shown;
mod starts;
mod stops;
mod tools;
mod untold;

pub(crate) use attempts::Ending;
pub(crate) use calls::{Answer, Begun, Calls, Handover};
pub(crate) use conflicts::{Blocker, fault as conflict_fault, itself as conflict_itself};
pub(crate) use custody::{Lock, NewOwner};
pub(crate) use gates::{Ask, Decide, Decided};
pub(crate) use overview::{AT_ONCE, Overview, StepIds};
pub(crate) use pipelines::{Define, Owner};
pub(crate) use reads::Which;
pub(crate) use scheduled::{Overlap, Scheduled, Slot, Started as ScheduledStarted};
pub(crate) use served::Replied;
pub(crate) use shown::{Shown, ShownChild};
pub(crate) use starts::{Origin, Start, Wishes};
pub(crate) use stops::StopAll;
pub(crate) use tools::{ToolPipeline, ToolRun};
use untold::Untold;

/// Versions that are remembered; they never change.
const REMEMBERED: usize = 1024;

/// What a run is pinned to.
#[derive(Debug, Clone)]
struct Pinned {
    plan: Arc<Plan>,
    /// As it was when a run of this version was first seen here; a new name makes a new version.
    pipeline_name: Arc<str>,
}

/// The database of pipelines and runs.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
    /// Rung after each commit that left an announcement.
    relay: Bell,
    /// Rung when something may be due about child runs.
    children: Bell,
    /// By pipeline and version.
    pinned: Arc<Mutex<HashMap<(String, i32), Pinned>>>,
    /// Who may answer gates of pipelines without rules.
    open_approval: bool,
}

impl Store {
    pub(crate) fn new(database: Database, relay: Bell, open_approval: bool) -> Self {
        Self {
            database,
            relay,
            children: Bell::new(),
            pinned: Arc::default(),
            open_approval,
        }
    }

    /// Refuses who may not. Where gates are kept from whom no rule names, those of the account may
    /// not answer the gates of a pipeline without rules.
    fn must(
        &self,
        caller: &Caller,
        right: Right,
        row: &pipeline::Model,
        named: &str,
    ) -> Result<(), Error> {
        caller.must(right, row, named)?;
        let is_closed = right == Right::Approve && !self.open_approval;
        if is_closed && caller.standing(row)? == Standing::Open {
            let pipeline = row.name.clone();
            return Err(Error::Denied { pipeline, right });
        }
        Ok(())
    }

    /// Rung when something may be due about child runs.
    pub(crate) fn children(&self) -> &Bell {
        &self.children
    }

    /// What a run of a version is pinned to, from memory when it was asked for before.
    async fn pinned(
        &self,
        db: &impl ConnectionTrait,
        pipeline_id: &str,
        number: i32,
    ) -> Result<Pinned, Error> {
        let key = (pipeline_id.to_owned(), number);
        let known = self.remembered().get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let gone = || Error::Row(format!("version {number} of {pipeline_id} is gone"));
        let row = version::Entity::find_by_id(key.clone()).one(db).await?;
        let plan = record::from_json(&row.ok_or_else(gone)?.plan)?;
        let name: Option<String> = pipeline::Entity::find()
            .select_only()
            .column(pipeline::Column::Name)
            .filter(pipeline::Column::Id.eq(pipeline_id))
            .into_tuple()
            .one(db)
            .await?;
        let pinned = Pinned {
            plan: Arc::new(plan),
            pipeline_name: name.ok_or_else(gone)?.into(),
        };
        self.remember(key, pinned.clone());
        Ok(pinned)
    }

    fn remember(&self, key: (String, i32), pinned: Pinned) {
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, pinned);
    }

    async fn plan(
        &self,
        db: &impl ConnectionTrait,
        pipeline_id: &str,
        number: i32,
    ) -> Result<Arc<Plan>, Error> {
        Ok(self.pinned(db, pipeline_id, number).await?.plan)
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<(String, i32), Pinned>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In a round over many runs: a store that is away ends the round, what goes wrong with one run
/// concerns that run only. It is looked at again in the next round.
fn leave_others_alone(run_id: &str, seen_to: Result<(), Error>) -> Result<(), Error> {
    match seen_to {
        Err(error) if !matches!(error.kind(), Kind::Unavailable | Kind::Late) => {
            tracing::error!(
                run.id = run_id,
                "a run can't be seen to: {}",
                fault::chain(&error)
            );
            Ok(())
        }
        outcome => outcome,
    }
}
