//! A run.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "run")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    pub(crate) id: String,
    pub(crate) pipeline_id: String,
    pub(crate) run_count: i64,
    pub(crate) version: i32,
    pub(crate) state: String,
    pub(crate) attempt: i32,
    pub(crate) executor: Option<String>,
    pub(crate) boot: Option<i64>,
    pub(crate) lost_in_a_row: i32,
    pub(crate) stop: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) reason: String,
    pub(crate) ended_by: Option<String>,
    pub(crate) resumed_from: Option<i64>,
    /// Another run's, whose workspace it goes on in.
    pub(crate) workspace_id: Option<String>,
    /// Attempts that had the workspace before this run's.
    pub(crate) workspace_base: i32,
    /// The run whose step it is.
    pub(crate) parent_id: Option<String>,
    /// Who started it, with what they were then; kept where it may start others.
    pub(crate) caller: Option<String>,
    pub(crate) started_by: String,
    /// Whose it is, where that is not who started it.
    pub(crate) owner: Option<String>,
    /// Its workspace is kept after its end.
    pub(crate) debugging: bool,
    pub(crate) parameters: String,
    pub(crate) last_seq: i64,
    pub(crate) requested_at_ms: i64,
    pub(crate) queued_at_ms: i64,
    pub(crate) started_at_ms: Option<i64>,
    pub(crate) ended_at_ms: Option<i64>,
    /// Its order in the queue, before the time at which it was accepted.
    pub(crate) order_number: i64,
    /// No schedule started it.
    pub(crate) silent: bool,
    /// The schedule that did, and for which of its slots.
    pub(crate) schedule_id: Option<String>,
    pub(crate) schedule_number: Option<i64>,
    pub(crate) slot: Option<String>,
    /// As its start said.
    pub(crate) on_behalf_of: String,
    /// What its start lets a gate ask, as JSON.
    pub(crate) asked: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
