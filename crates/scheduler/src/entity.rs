//! Rows, as they are. Times are milliseconds since 1970-01-01 UTC.

pub(crate) mod predecessor;
pub(crate) mod schedule;
pub(crate) mod slot;

/// A run that waits, or that an executor has.
pub(crate) mod queue {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "queue")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) run_id: String,
        pub(crate) pipeline_id: String,
        pub(crate) run_count: i64,
        pub(crate) attempt: i32,
        pub(crate) concurrency: i32,
        pub(crate) priority: i32,
        pub(crate) enqueued_at_ms: i64,
        pub(crate) not_before_ms: i64,
        pub(crate) traceparent: Option<String>,
        pub(crate) executor: Option<String>,
        pub(crate) boot: Option<i64>,
        pub(crate) assigned_at_ms: Option<i64>,
        /// Within a priority, before the time.
        pub(crate) order_number: i64,
        /// The pipeline whose run kept it from beginning when it last tried, until `not_before_ms`.
        pub(crate) waits_for: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An executor and its lease.
pub(crate) mod executor {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "executor")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) boot: i64,
        pub(crate) slots: i32,
        pub(crate) draining: bool,
        pub(crate) expires_at_ms: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// One row, whose lock is a turn to look at how many runs of a kind are at work.
pub(crate) mod turnstile {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "turnstile")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
