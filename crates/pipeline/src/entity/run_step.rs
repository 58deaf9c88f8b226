//! A step of a run; absent until it was first started or skipped.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run_step")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) run_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) position: i32,
    pub(crate) state: String,
    pub(crate) due_ms: Option<i64>,
    pub(crate) tries: i32,
    pub(crate) failures: i32,
    pub(crate) exit_code: Option<i32>,
    pub(crate) message: String,
    pub(crate) outputs: String,
    pub(crate) started_at_ms: Option<i64>,
    pub(crate) ended_at_ms: Option<i64>,
    /// The highest number of what whoever serves it said.
    pub(crate) served_heard: i64,
    /// Lines of that in the log.
    pub(crate) served_lines: i32,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
