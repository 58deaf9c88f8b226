//! What holds for an attempt: a level that only rises, so that nothing is lost while it is busy.

use tokio::sync::watch;

use crate::attempt::state::{Fate, Stop};

/// What holds for an attempt, as far as others have said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) stop: Stop,
    pub(crate) fate: Fate,
}

impl Orders {
    /// Notes a stop and a fate for who follows `orders`.
    pub(super) fn harden(orders: &watch::Sender<Self>, stop: Stop, fate: Fate) {
        orders.send_if_modified(|held| {
            let next = Self {
                stop: held.stop.max(stop),
                fate: held.fate.max(fate),
            };
            std::mem::replace(held, next) != next
        });
    }
}
