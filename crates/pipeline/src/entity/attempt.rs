//! One assignment of a run to an executor.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempt")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) run_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) attempt: i32,
    pub(crate) executor: String,
    pub(crate) boot: i64,
    pub(crate) began_at_ms: i64,
    pub(crate) ended_at_ms: Option<i64>,
    pub(crate) how: Option<String>,
    pub(crate) last_seq: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
