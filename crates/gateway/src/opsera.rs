//! `/api/v1`: the Opsera Customer API, whose clients compare texts.
//!
//! Everything they can compare is in [`messages`] and in the order of the fields here. Input is
//! taken liberally ([`input`]); a domain's refusal is a 200 whose body says `failed`; all else is
//! an [`envelope`]. Who may not see a thing is told 403, whether it exists or not.

pub(crate) mod activity;
mod asking;
pub(crate) mod create;
mod document;
pub(crate) mod envelope;
mod filter;
pub(crate) mod gates;
mod input;
pub(crate) mod listing;
mod messages;
pub(crate) mod pipeline;
mod record;
pub(crate) mod registry;
mod settings;
pub(crate) mod user_logs;

use runtime::Kind;

use crate::auth::Who;
use crate::problem::Problem;

/// What a caller may know of a failure: "not found" only if nothing is hidden from them.
fn hidden(who: &Who, problem: Problem) -> Problem {
    if problem.is_not_found() && !who.sees_everything() {
        return Problem::new(Kind::Denied, "DENIED", messages::FORBIDDEN);
    }
    problem
}
