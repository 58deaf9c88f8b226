//! A user's action that several transactions may bring about: the first that changes something tells
//! of it.

use contracts::message::UserActed;
use outbox::Announcement;

use crate::Error;

/// A user's action, until it is told.
#[derive(Debug, Clone)]
pub(crate) struct Untold {
    announcement: Option<Announcement>,
    was_told: bool,
}

impl Untold {
    /// Of Penstock itself there is nothing to tell.
    pub(crate) fn of(acted: Option<UserActed>) -> Result<Self, Error> {
        Ok(Self {
            announcement: acted.map(|it| Announcement::of(&it)).transpose()?,
            was_told: false,
        })
    }

    /// What to tell with a change, if it is the first.
    pub(super) fn take(&mut self) -> Option<Announcement> {
        self.was_told = true;
        self.announcement.take()
    }

    /// Whether something has changed.
    pub(super) fn was_told(&self) -> bool {
        self.was_told
    }

    pub(super) fn into_announcement(self) -> Option<Announcement> {
        self.announcement
    }
}
