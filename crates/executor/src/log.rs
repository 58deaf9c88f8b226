//! The activity log of attempts, from a step's pipes to the bus.
//!
//! ```text
//! pipe → lines (whole, cut at 64 KiB) → mask → journal (numbers) → shipper → bus
//!                                                                     └→ spool, while it is away,
//!                                                                        and before a report
//! ```
//!
//! What a step writes is read only as fast as it can be shipped: a [`StepLog`] waits for memory, and
//! so does the process that writes. Only when neither bus nor spool takes any more, or the run's
//! quota is used up, lines are dropped, and an entry says how many where they were.
//!
//! **Invariants:** entries of an attempt are numbered from 1 without gap, in the order in which
//! they are published (I9); what was numbered is not dropped, and what was reported is not lost with
//! this process either. No registered secret gets past the mask (I12). Memory is bounded, whatever a
//! step writes.

mod journal;
mod lines;
mod logs;
mod mask;
mod outlet;
mod parcel;
mod queue;
mod quota;
mod shipper;
mod spool;
mod step;
#[cfg(test)]
mod tests;

pub(crate) use journal::{Journal, Origin};
pub(crate) use lines::{Line, Lines};
pub(crate) use logs::Logs;
pub(crate) use mask::Mask;
pub(crate) use outlet::Outlet;
pub(crate) use quota::Limits;
pub(crate) use step::StepLog;

/// The longest message of an entry, in bytes.
pub(crate) const LINE_BYTES: usize = 64 * 1024;
/// What an entry costs beside its text, in bytes.
const ENTRY_BYTES: usize = 128;
