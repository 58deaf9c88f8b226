//! Rows, as they are. Times are milliseconds since 1970-01-01 UTC.

pub(crate) mod attempt;
pub(crate) mod child;
pub(crate) mod conflict;
pub(crate) mod decision;
pub(crate) mod origin;
pub(crate) mod pipeline;
pub(crate) mod run;
pub(crate) mod run_step;
pub(crate) mod step;
pub(crate) mod tool_run;
pub(crate) mod tool_use;
pub(crate) mod version;
