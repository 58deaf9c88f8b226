//! A change and its announcement: announce, relay, inbox and the bus.
//!
//! A service that changes something [`fn@announce`]s it in the change's own transaction; the [`fn@relay`]
//! publishes what was announced to the [`bus`] and deletes it. Who [`fn@consume`]s notes each message
//! in its inbox in the transaction of the message's effect. So a change and its news, and a message
//! and its effect, are each true together or not at all, on a bus that delivers at least once.
//!
//! **Invariants:** what a rolled-back transaction announced is never told. Messages of one key are
//! published in the order of their announcement. A message has its effect once per consumer,
//! however often it is delivered. Only a message that is itself at fault is set aside; while a
//! store, a peer or the broker is away everything waits.

mod announce;
pub mod bus;
mod consume;
mod dead;
mod error;
mod inbox;
mod relay;
mod sql;
mod tables;
#[cfg(feature = "testing")]
pub mod testing;

pub use announce::{Announcement, LARGEST_ANNOUNCEMENT, announce, announce_all};
pub use bus::{Broadcast, Bus, Heard, Post, Reader, Tuning};
pub use consume::{Consumer, Deaf, Hear, consume};
pub use error::Error;
pub use relay::relay;
pub use tables::Tables;
