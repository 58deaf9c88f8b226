//! What became of a slot, or of several in a row that were skipped.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "slot")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    pub(crate) schedule_id: String,
    /// Its name in the schedule: the time, and the revision after the first; or the run that it
    /// follows. There is one row of a name.
    pub(crate) slot: String,
    pub(crate) pipeline_id: String,
    pub(crate) slot_ms: i64,
    pub(crate) until_ms: i64,
    pub(crate) count: i32,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) message: String,
    pub(crate) late_ms: i64,
    /// When its start is tried (again); nothing once it is settled.
    pub(crate) try_at_ms: Option<i64>,
    pub(crate) settled_at_ms: Option<i64>,
    pub(crate) run_id: Option<String>,
    pub(crate) run_count: Option<i64>,
    pub(crate) upstream_run_id: Option<String>,
    /// The schedules whose slots it follows, one after the other, separated by spaces.
    pub(crate) chain: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
