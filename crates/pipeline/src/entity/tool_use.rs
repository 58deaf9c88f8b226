//! A tool that the current definition of a pipeline names.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tool_use")]
pub(crate) struct Model {
    /// As the definition names it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) reference: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) pipeline_id: String,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
