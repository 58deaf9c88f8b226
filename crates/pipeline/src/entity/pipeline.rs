//! A pipeline over all its versions.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pipeline")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) owner: String,
    pub(crate) owner_name: String,
    pub(crate) name: String,
    pub(crate) version: i32,
    /// Who may do what, as JSON: the current definition's visibility and roles.
    pub(crate) access: String,
    pub(crate) concurrency: i32,
    pub(crate) run_count: i64,
    pub(crate) reset_run_count: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) updated_at_ms: i64,
    pub(crate) deleted_at_ms: Option<i64>,
    /// It names pipelines that must not run at the same time, or others name it.
    pub(crate) has_conflicts: bool,
    /// What keeps it from being run, as JSON.
    pub(crate) locked: Option<String>,
    /// On whose behalf its owner acts, as another system names them.
    pub(crate) owner_actor: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
