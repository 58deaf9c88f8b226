//! What a pipeline is made of.
//!
//! People write a [`Definition`] in YAML or JSON; it is read with every fault named at once. [`Plan::of`] resolves
//! it into the [`Plan`] that is pinned to a run. [`flow`] decides over a plan and the states of its steps what starts
//! next and what has become of the run. [`plan::Step::invocation`] turns a step into what an executor is to do.
//!
//! Everything here is pure (no clock, no chance, no store, no network) but for [`plugins`], which know how their data lies on
//! disk. Nothing here knows another crate of ours.

pub mod connector;
mod cursor;
pub mod definition;
pub mod duration;
pub mod expression;
pub mod fault;
pub mod flow;
pub mod kinds;
pub mod outputs;
pub mod parameters;
pub mod plan;
pub mod plugins;
mod reader;
pub mod retry;
pub mod schema;
mod source;
mod suggestion;
pub mod warning;

pub use definition::Definition;
pub use expression::Context;
pub use fault::{Fault, Faults};
pub use kinds::{Invocation, Kind};
pub use plan::Plan;
pub use source::json_of;

/// The longest text of a definition, in bytes.
pub const MAX_SOURCE_BYTES: usize = source::MAX_BYTES;
