//! A step's child run, and what is still to be done about it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "child")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) parent_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) position: i32,
    /// Nothing until it was started.
    pub(crate) run_id: Option<String>,
    /// `due` until it was started, `open` until its end is the step's, then `over`.
    pub(crate) stage: String,
    /// How hard it is to be stopped; 0 is not at all, then in the order of escalation.
    pub(crate) stop_wanted: i32,
    /// How hard a stop it was told.
    pub(crate) stop_told: i32,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
