//! `/master/api/1`: the UnifiedViews Master API, whose clients were written for another server.
//!
//! Two users are in every request: the *caller* who signed in (HTTP Basic), by whose rights all is
//! judged, and the *acting* user ([`acting`]), whose it is to be. What clients read is said in
//! [`messages`] and by the order of the fields here; input is taken liberally ([`lenient`]). A
//! failure is a [`Fault`], which [`crate::front`] writes in the server's language.
//!
//! **Invariants:** every answer is exactly `application/json`; every field is always there, and null
//! where there is nothing. There is no 403: who may not is told 500, `Access is denied`.

mod acting;
pub(crate) mod config;
mod dates;
pub(crate) mod events;
pub(crate) mod executions;
mod fault;
mod ids;
pub(crate) mod imports;
mod lenient;
pub(crate) mod media;
mod messages;
pub(crate) mod pipelines;
pub(crate) mod schedules;
pub(crate) mod users;

pub use config::{Attributes, Config, Locale};

pub(crate) use fault::{Fault, UNSUPPORTED};
