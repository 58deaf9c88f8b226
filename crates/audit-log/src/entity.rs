//! Rows, as they are. Times are milliseconds since 1970-01-01 UTC.

pub(crate) mod chunk {
    //! Consecutive entries of an attempt.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "chunk")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) run_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) attempt: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) first_seq: i64,
        pub(crate) last_seq: i64,
        pub(crate) entries: i64,
        pub(crate) first_time_ms: i64,
        pub(crate) last_time_ms: i64,
        pub(crate) stored_ms: i64,
        /// Null if the entries are of several steps.
        pub(crate) step_id: Option<String>,
        pub(crate) pipeline_id: String,
        pub(crate) bytes: Vec<u8>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod life {
    //! A life-cycle line of a run.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "life")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) run_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) seq: i64,
        pub(crate) pipeline_id: String,
        pub(crate) time_ms: i64,
        pub(crate) heard_ms: i64,
        pub(crate) kind: String,
        /// 0 on lines about the run.
        pub(crate) attempt: i64,
        /// Empty on lines about the run.
        pub(crate) step_id: String,
        pub(crate) tried: i64,
        pub(crate) message: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod run {
    //! What was heard of a run.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "run")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) run_id: String,
        pub(crate) pipeline_id: String,
        pub(crate) run_count: i64,
        /// The number of `RunState` in the protocol.
        pub(crate) state: i32,
        pub(crate) ended_at_ms: Option<i64>,
        pub(crate) ended_heard_ms: Option<i64>,
        /// Life-cycle lines so far.
        pub(crate) life_seq: i64,
        pub(crate) touched_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod attempt {
    //! What was heard of an attempt of a run.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "attempt")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) run_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) attempt: i64,
        pub(crate) pipeline_id: String,
        /// The last entry that is stored.
        pub(crate) last_seq: i64,
        /// The last entry that it numbered, once its end was heard.
        pub(crate) end_seq: Option<i64>,
        pub(crate) ended_heard_ms: Option<i64>,
        pub(crate) first_heard_ms: i64,
        pub(crate) touched_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod user_action {
    //! What a user did.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user_action")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) account: String,
        #[sea_orm(primary_key, auto_increment = false)]
        /// Of its link.
        pub(crate) position: i64,
        pub(crate) id: String,
        pub(crate) user_id: String,
        pub(crate) user_name: String,
        pub(crate) user_email: String,
        pub(crate) token_id: String,
        pub(crate) kind: String,
        pub(crate) action: String,
        pub(crate) target_id: String,
        pub(crate) target_name: String,
        pub(crate) before_json: String,
        pub(crate) after_json: String,
        pub(crate) at_ms: i64,
        pub(crate) use_id: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod token_use {
    //! A use of a token.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "token_use")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) account: String,
        #[sea_orm(primary_key, auto_increment = false)]
        /// Of its link.
        pub(crate) position: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        /// Its place in the link, from 0.
        pub(crate) number: i64,
        pub(crate) id: String,
        pub(crate) token_id: String,
        pub(crate) user_id: String,
        pub(crate) scope: String,
        /// Method and path.
        pub(crate) target: String,
        /// The path alone, without the prefix that all have.
        pub(crate) path: String,
        pub(crate) outcome: String,
        pub(crate) ip: String,
        pub(crate) user_agent: String,
        /// 0 if it is not known.
        pub(crate) http_status: i64,
        pub(crate) at_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod link {
    //! A link of a chain.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_link")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) account: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) book: String,
        #[sea_orm(primary_key, auto_increment = false)]
        /// From 1.
        pub(crate) position: i64,
        pub(crate) hash: String,
        pub(crate) stored_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod checkpoint {
    //! A signed position of a chain.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_checkpoint")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) account: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) book: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) position: i64,
        /// Of the link there.
        pub(crate) hash: String,
        /// Of the link there.
        pub(crate) stored_ms: i64,
        pub(crate) at_ms: i64,
        pub(crate) key_id: String,
        pub(crate) signature: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod key {
    //! A public key that signed checkpoints.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_key")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) key_id: String,
        pub(crate) public_key: String,
        pub(crate) at_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod head {
    //! Where a chain ends: the row that is locked by who makes it longer.

    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_head")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) account: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) book: String,
        /// 0 before the first link.
        pub(crate) position: i64,
        pub(crate) hash: String,
        pub(crate) stored_ms: i64,
        /// Records behind the last checkpoint.
        pub(crate) unsigned_records: i64,
        /// When the first of them was kept.
        pub(crate) unsigned_since_ms: i64,
        pub(crate) touched_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
