//! Rows, as they are. Times are milliseconds since 1970-01-01 UTC.

pub(crate) mod plugin;
pub(crate) mod tool;

pub(crate) mod user {
    //! A user.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        /// Counts all users of the installation.
        pub(crate) number: i64,
        pub(crate) name: String,
        pub(crate) account: String,
        /// `person` or `service`.
        pub(crate) kind: String,
        /// As it was written.
        pub(crate) email: Option<String>,
        /// In lower case; unique in the account.
        pub(crate) email_key: Option<String>,
        /// A JSON list of names.
        pub(crate) roles: String,
        pub(crate) active: bool,
        /// Argon2id, in PHC form.
        pub(crate) password: Option<String>,
        /// What systems outside call it; unique in the account.
        pub(crate) external_id: Option<String>,
        /// Of the actor that it was last provisioned with.
        pub(crate) actor_external_id: Option<String>,
        pub(crate) created_at_ms: i64,
        pub(crate) updated_at_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod token {
    //! A token of a user. Of its value only the hash is here.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tokens")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) user_id: String,
        /// SHA-256 of the token.
        #[sea_orm(unique)]
        pub(crate) hash: Vec<u8>,
        /// A JSON list of names.
        pub(crate) scopes: String,
        /// Set at start from the configuration or the file; a user has at most one that is valid.
        pub(crate) installed: bool,
        pub(crate) created_at_ms: i64,
        pub(crate) expires_at_ms: Option<i64>,
        pub(crate) revoked_at_ms: Option<i64>,
        /// What its owner calls it.
        pub(crate) name: String,
        /// The first token that this one descends from.
        pub(crate) family: String,
        /// A JSON list of blocks of addresses; empty: from anywhere.
        pub(crate) cidrs: String,
        /// To the minute.
        pub(crate) last_used_at_ms: Option<i64>,
        /// The token that it was rotated to.
        pub(crate) replaced_by: Option<String>,
        /// How long it stays good nevertheless.
        pub(crate) replaced_until_ms: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod group {
    //! A group of users.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user_groups")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) account: String,
        pub(crate) name: String,
        pub(crate) created_at_ms: i64,
        pub(crate) updated_at_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod member {
    //! A user is in a group.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "group_members")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) group_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) user_id: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod actor {
    //! Somebody for whom users act, as a system outside has named them.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "actors")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) account: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) external_id: String,
        pub(crate) name: String,
        pub(crate) created_at_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod secret {
    //! A secret of an account.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "secrets")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) account: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        /// Nonce and ciphertext.
        pub(crate) sealed: Vec<u8>,
        /// Of the key that sealed it; empty where that isn't known.
        pub(crate) key_id: String,
        /// How often it was set.
        pub(crate) version: i64,
        pub(crate) created_at_ms: i64,
        pub(crate) updated_at_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
