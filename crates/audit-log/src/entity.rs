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
