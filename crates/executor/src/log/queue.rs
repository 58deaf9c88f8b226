//! What waits to be published: all entries of an executor, in one queue whose middle is on disk.
//!
//! The queue is *head* (memory), spool, *tail* (memory). Only what is at its front is published.
//! While the bus takes entries they go to the head, and to the spool only as copies, when they are
//! to survive this process ([`Queue::secure`]). While it is away, new entries go to the spool,
//! and stay in the tail only if there is no room.
//!
//! **Invariants:** the queue is never overtaken, so entries of an attempt are published in order. The
//! spool holds the copies of the head, in its order, before anything else. What it holds beyond its
//! limit still counts as memory, and so has that bound.

use std::collections::VecDeque;
use std::io;

use outbox::Post;

use super::journal::Hold;
use super::parcel::Parcel;
use super::spool::{Oldest, Room, Spool};

/// What is published at once.
const FLIGHT_POSTS: usize = 64;
/// The same in bytes, from the spool.
const FLIGHT_BYTES: u64 = 1 << 20;

/// All entries that wait.
#[derive(Debug)]
pub(super) struct Queue {
    head: VecDeque<Parcel>,
    /// So many of the head are under way.
    in_flight: usize,
    spool: Spool,
    /// Bytes at the front of the spool that are copies of the head.
    copied: u64,
    tail: VecDeque<Parcel>,
    /// The memory of what is in the spool beyond its limit.
    overdraft: Hold,
    is_away: bool,
}

/// What is under way.
#[derive(Debug)]
pub(super) enum Cargo {
    /// So many of the head.
    Head(usize),
    /// The oldest of the spool.
    Spool(Oldest),
}

impl Queue {
    pub(super) fn of(spool: Spool) -> Self {
        Self {
            head: VecDeque::new(),
            in_flight: 0,
            spool,
            copied: 0,
            tail: VecDeque::new(),
            overdraft: Hold::default(),
            is_away: false,
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.spool.unread() == 0 && self.tail.is_empty()
    }

    /// Whether neither bus nor spool take any more.
    pub(super) fn is_full(&self) -> bool {
        let is_uncopied = self.head.back().is_some_and(|last| last.copied.is_none());
        let is_held_up = self.head.len() > self.kept() || !self.tail.is_empty();
        self.is_away && (is_uncopied || is_held_up || !self.overdraft.is_empty())
    }

    /// What is on disk, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.spool.bytes()
    }

    /// Puts messages behind all others; the last one has their memory.
    pub(super) fn push(&mut self, posts: Vec<Post>, mut hold: Hold) {
        let is_open = !self.is_away && !self.has_more_on_disk() && self.tail.is_empty();
        let queue = if is_open {
            &mut self.head
        } else {
            &mut self.tail
        };
        let last = posts.len().saturating_sub(1);
        for (position, post) in posts.into_iter().enumerate() {
            let is_last = position == last;
            let hold = is_last.then(|| std::mem::take(&mut hold));
            queue.push_back(Parcel::of(post, hold.unwrap_or_default()));
        }
        self.settle();
    }

    /// Takes what is to be published next.
    pub(super) fn next(&mut self) -> io::Result<Option<(Vec<Post>, Cargo)>> {
        if self.head.is_empty() && !self.has_more_on_disk() {
            self.head.append(&mut self.tail);
        }
        if !self.head.is_empty() {
            let parcels = self.head.iter().take(FLIGHT_POSTS);
            let posts: Vec<_> = parcels.map(|parcel| parcel.post.clone()).collect();
            self.in_flight = posts.len();
            return Ok(Some((posts, Cargo::Head(self.in_flight))));
        }
        if self.spool.unread() == 0 {
            return Ok(None);
        }
        let oldest = self.spool.oldest(FLIGHT_BYTES)?;
        let posts = oldest.posts.clone();
        Ok((!posts.is_empty()).then_some((posts, Cargo::Spool(oldest))))
    }

    /// Notes that the bus is away, or so slow that it might be.
    pub(super) fn give_way(&mut self) {
        self.is_away = true;
        self.settle();
    }

    /// Notes that what was under way has failed.
    pub(super) fn failed(&mut self) {
        self.in_flight = 0;
        self.give_way();
    }

    /// Notes that what was under way has arrived, but for what the bus refused.
    pub(super) fn arrived(&mut self, cargo: Cargo, refused: Vec<Option<String>>) {
        (self.is_away, self.in_flight) = (false, 0);
        let parcels: Vec<Parcel> = match cargo {
            Cargo::Head(count) => self.head.drain(..count.min(self.head.len())).collect(),
            Cargo::Spool(oldest) => {
                self.spool.published(&oldest);
                oldest.posts.into_iter().map(Parcel::from_spool).collect()
            }
        };
        let mut excuses = Vec::new();
        for (parcel, why) in parcels.into_iter().zip(refused) {
            self.drop_copy(parcel.copied.unwrap_or_default());
            excuses.extend(why.and_then(|why| parcel.excuse(&why)));
        }
        for excuse in excuses.into_iter().rev() {
            self.head.push_front(excuse);
        }
        self.settle();
    }

    /// Has all that waits on disk, whatever its limit; or says that it can't be.
    pub(super) fn secure(&mut self) -> bool {
        if !self.copy_head(Room::Beyond) {
            return false;
        }
        while let Some(parcel) = self.tail.front() {
            if self.spool.append(&parcel.post, Room::Beyond).is_none() {
                return false;
            }
            let hold = self.tail.pop_front().map(|parcel| parcel.hold);
            self.overdraft.add(hold.unwrap_or_default());
        }
        true
    }

    /// Whether the spool holds more than copies of the head.
    fn has_more_on_disk(&self) -> bool {
        self.spool.unread() > self.copied
    }

    /// Puts everything where it belongs.
    fn settle(&mut self) {
        if self.is_away || self.has_more_on_disk() {
            self.spill();
        } else {
            self.head.append(&mut self.tail);
        }
        if !self.spool.is_overdrawn() {
            self.overdraft = Hold::default();
        }
    }

    /// Moves to disk what isn't under way, as far as there is room.
    fn spill(&mut self) {
        if !self.copy_head(Room::Limited) {
            return;
        }
        if self.is_away && !self.spool.is_overdrawn() {
            for parcel in &mut self.head {
                parcel.hold = Hold::default();
            }
            for parcel in self.head.drain(self.kept()..) {
                self.copied -= parcel.copied.unwrap_or_default();
            }
        }
        while let Some(parcel) = self.tail.front() {
            if self.spool.append(&parcel.post, Room::Limited).is_none() {
                return;
            }
            self.tail.pop_front();
        }
    }

    /// How many of the head stay in memory whatever the spool takes: what is under way, and what has
    /// no copy because its place on disk was given up.
    fn kept(&self) -> usize {
        let excuses = self.head.iter().take_while(|it| it.copied == Some(0));
        self.in_flight.max(excuses.count())
    }

    /// Copies to disk what of the head isn't there. Answers whether all of it is.
    fn copy_head(&mut self, room: Room) -> bool {
        for parcel in self.head.iter_mut().filter(|it| it.copied.is_none()) {
            let Some(length) = self.spool.append(&parcel.post, room) else {
                return false;
            };
            parcel.copied = Some(length);
            self.copied += length;
        }
        true
    }

    fn drop_copy(&mut self, length: u64) {
        if length > 0 {
            self.spool.skip(length);
            self.copied -= length;
        }
    }
}

#[cfg(test)]
mod tests;
