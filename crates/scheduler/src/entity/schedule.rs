//! A schedule.

use sea_orm::entity::prelude::*;

#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, as the row has them"
)]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedule")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) pipeline_id: String,
    pub(crate) kind: String,
    pub(crate) description: String,
    pub(crate) enabled: bool,
    /// Of one that was paused: why, by whom (JSON) and when.
    pub(crate) pause_note: Option<String>,
    pub(crate) paused_by: Option<String>,
    pub(crate) paused_at_ms: Option<i64>,
    pub(crate) first_at_ms: Option<i64>,
    pub(crate) last_at_ms: Option<i64>,
    /// The first slot that no row speaks of.
    pub(crate) next_at_ms: Option<i64>,
    /// When it is to be looked at: the next slot with its jitter; nothing while that can't fire.
    pub(crate) due_at_ms: Option<i64>,
    pub(crate) just_once: bool,
    pub(crate) period: Option<i64>,
    pub(crate) period_unit: Option<String>,
    pub(crate) cron: Option<String>,
    pub(crate) zone: String,
    pub(crate) gap: Option<String>,
    pub(crate) fold: Option<String>,
    pub(crate) overlap: String,
    pub(crate) catch_up_ms: Option<i64>,
    pub(crate) catch_up_all: bool,
    pub(crate) jitter_ms: i64,
    pub(crate) after_any_start: bool,
    /// UnifiedViews' priority, 0 to 3.
    pub(crate) priority: Option<i32>,
    /// What its runs are given, as JSON.
    pub(crate) parameters: String,
    /// For whom its runs are started, with what judges them, as JSON.
    pub(crate) caller: String,
    pub(crate) on_behalf_of: String,
    /// Greater each time that somebody changes when it is due: slots of other times are others.
    pub(crate) revision: i32,
    /// Runs that ended before are not followed.
    pub(crate) follows_since_ms: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) updated_at_ms: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
