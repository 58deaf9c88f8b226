//! A plug-in; its file is in the file store.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plugins")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) number: i64,
    #[sea_orm(unique)]
    pub(crate) id: String,
    pub(crate) account: String,
    /// A user's id.
    pub(crate) owner: String,
    /// Unique in the account.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) jar_description: String,
    pub(crate) jar_name: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) visibility: String,
    pub(crate) main_class: String,
    /// A JSON list.
    pub(crate) ports: String,
    pub(crate) sha256: String,
    pub(crate) size: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) updated_at_ms: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
