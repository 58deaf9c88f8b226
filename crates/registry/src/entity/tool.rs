//! A tool, without its secrets.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tools")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    #[sea_orm(unique)]
    pub(crate) id: String,
    pub(crate) account: String,
    /// A user's id.
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) tool_identifier: String,
    pub(crate) active: bool,
    /// A JSON list of item rules.
    pub(crate) roles: String,
    /// A JSON object: all other properties.
    pub(crate) document: String,
    /// Counts its changes from 1.
    pub(crate) revision: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) updated_at_ms: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
