//! Verifies an export, line by line and with a bounded memory.
//!
//! **Invariant:** what passes is what was kept, from the first link or checkpoint to the last
//! checkpoint of each book, as far as the keys are trusted. Links behind the last checkpoint fit
//! together, but nobody has signed them yet.

use std::collections::{BTreeMap, BTreeSet};

use super::Book;
use super::chain::{GENESIS, Link};
use super::checkpoint::{Checkpoint, PublicKey};
use super::line::{Begin, FORMAT, Line};

#[cfg(test)]
mod tests;

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{why}", named(self))]
pub struct Broken {
    /// From 1.
    pub line: u64,
    /// Of which chain, if it is a link or a checkpoint.
    pub book: Option<Book>,
    /// Where in the chain; 0 if nowhere.
    pub position: u64,
    /// The records of the link, of which any may be the one.
    pub ids: Vec<String>,
    /// What is wrong with it.
    pub why: String,
}

/// A link or a checkpoint that a line is about.
#[derive(Debug, Clone, Default)]
struct Place {
    book: Option<Book>,
    position: u64,
    ids: Vec<String>,
}

/// A link for people: with its record, or the first and last of its records.
fn named(broken: &Broken) -> String {
    let Broken {
        book: Some(book),
        position,
        ids,
        ..
    } = broken
    else {
        return String::new();
    };
    match ids.as_slice() {
        [] => format!("{book} {position}: "),
        [only] => format!("{book} {position}, record {only}: "),
        [first, .., last] => format!("{book} {position}, one of the records {first} to {last}: "),
    }
}

/// What was found to be whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Whose.
    pub account: String,
    /// By book.
    pub chains: BTreeMap<Book, Chain>,
    /// Ids of the keys that signed.
    pub keys: BTreeSet<String>,
}

/// A chain as far as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// The checkpoint that it goes on from; 0 if it begins with the first link.
    pub base: u64,
    /// The last link.
    pub position: u64,
    /// Records in its links.
    pub records: u64,
    /// The last link that is signed.
    pub signed: u64,
    /// When that was signed, milliseconds since 1970-01-01 UTC.
    pub signed_at_ms: Option<i64>,
    /// Records behind it.
    pub unsigned_records: u64,
    hash: String,
    stored_ms: i64,
}

/// Reads an export.
#[derive(Debug)]
pub struct Verifier {
    keys: BTreeMap<String, PublicKey>,
    /// The keys were given by who verifies: those of the export don't count.
    is_pinned: bool,
    account: Option<String>,
    chains: BTreeMap<Book, Chain>,
    signed_with: BTreeSet<String>,
    lines: u64,
    has_ended: bool,
}

impl Verifier {
    /// Trusts these keys; without any, the ones that the export itself has.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let keys: BTreeMap<_, _> = keys.into_iter().map(|it| (it.id(), it)).collect();
        Self {
            is_pinned: !keys.is_empty(),
            keys,
            account: None,
            chains: BTreeMap::new(),
            signed_with: BTreeSet::new(),
            lines: 0,
            has_ended: false,
        }
    }

    /// Reads the next line. After an error there is no going on.
    pub fn read(&mut self, text: &str) -> Result<(), Broken> {
        self.lines += 1;
        let line = serde_json::from_str(text).map_err(|error| {
            self.broken(
                Place::default(),
                format!("it is no line of an export: {error}"),
            )
        })?;
        if self.has_ended {
            return Err(self.broken(Place::default(), "it comes behind the end of the export"));
        }
        match (line, self.account.is_some()) {
            (Line::Begin(begin), false) => self.begin(begin),
            (Line::Begin(_), true) => Err(self.broken(Place::default(), "the export begins twice")),
            (_, false) => Err(self.broken(
                Place::default(),
                "an export begins with a line of kind \"begin\"",
            )),
            (Line::Key(key), true) => self.key(&key.public_key),
            (Line::Checkpoint(checkpoint), true) => self.checkpoint(&checkpoint),
            (Line::Link(link), true) => self.link(link),
            (Line::End(end), true) if end.lines + 1 == self.lines => {
                self.has_ended = true;
                Ok(())
            }
            (Line::End(end), true) => {
                let why = format!(
                    "{} lines were written and {} are here",
                    end.lines,
                    self.lines - 1
                );
                Err(self.broken(Place::default(), why))
            }
        }
    }

    /// What was found, if the export was read to its end.
    pub fn finish(mut self) -> Result<Report, Broken> {
        self.lines += 1;
        match self.account.take() {
            Some(account) if self.has_ended => Ok(Report {
                account,
                chains: self.chains,
                keys: self.signed_with,
            }),
            Some(_) => Err(self.broken(
                Place::default(),
                "the export is cut off: its last line is missing",
            )),
            None => Err(self.broken(Place::default(), "there is nothing to verify")),
        }
    }

    fn begin(&mut self, begin: Begin) -> Result<(), Broken> {
        if begin.format != FORMAT {
            let why = format!(
                "it has format {}: take a penstock that writes that",
                begin.format
            );
            return Err(self.broken(Place::default(), why));
        }
        self.account = Some(begin.account);
        Ok(())
    }

    fn key(&mut self, hex: &str) -> Result<(), Broken> {
        let Some(key) = PublicKey::of_hex(hex) else {
            return Err(self.broken(Place::default(), "it has no public key"));
        };
        if !self.is_pinned {
            self.keys.insert(key.id(), key);
        }
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Broken> {
        let place = || Place {
            book: Some(checkpoint.book),
            position: checkpoint.position,
            ids: Vec::new(),
        };
        self.check_account(place(), &checkpoint.account)?;
        let Some(key) = self.keys.get(&checkpoint.key_id) else {
            let why = format!(
                "the key {} that signed it is not trusted",
                checkpoint.key_id
            );
            return Err(self.broken(place(), why));
        };
        if !key.verifies(checkpoint) {
            return Err(self.broken(place(), "its checkpoint's signature is not right"));
        }
        let is_first = !self.chains.contains_key(&checkpoint.book);
        let chain = self.chains.entry(checkpoint.book).or_default();
        if is_first {
            chain.base = checkpoint.position;
            chain.position = checkpoint.position;
            chain.hash.clone_from(&checkpoint.hash);
            chain.stored_ms = checkpoint.stored_ms;
        } else if (chain.position, &chain.hash) != (checkpoint.position, &checkpoint.hash) {
            return Err(self.broken(place(), "what was signed is not the link before it"));
        }
        self.signed_with.insert(checkpoint.key_id.clone());
        chain.signed = checkpoint.position;
        chain.signed_at_ms = Some(checkpoint.at_ms);
        chain.unsigned_records = 0;
        Ok(())
    }

    fn link(&mut self, link: Link) -> Result<(), Broken> {
        let place = Place {
            book: Some(link.book),
            position: link.position,
            ids: link.ids().map(str::to_owned).collect(),
        };
        self.check_account(place.clone(), &link.account)?;
        let chain = self.chains.entry(link.book).or_default();
        if let Some(why) = fault(chain, &link) {
            return Err(self.broken(place, why));
        }
        let records = place.ids.len() as u64;
        chain.position = link.position;
        chain.stored_ms = link.stored_ms;
        chain.records += records;
        chain.unsigned_records += records;
        chain.hash = link.hash;
        Ok(())
    }

    fn check_account(&self, place: Place, account: &str) -> Result<(), Broken> {
        if self.account.as_deref() == Some(account) {
            return Ok(());
        }
        let why = format!("it is of the account \"{account}\", and the export is not");
        Err(self.broken(place, why))
    }

    fn broken(&self, place: Place, why: impl Into<String>) -> Broken {
        Broken {
            line: self.lines,
            book: place.book,
            position: place.position,
            ids: place.ids,
            why: why.into(),
        }
    }
}

/// What is wrong with the link that comes next, if something is.
fn fault(chain: &Chain, link: &Link) -> Option<String> {
    let due = chain.position + 1;
    if link.position != due {
        return Some(if chain.position == 0 {
            "the chain begins with neither its first link nor a checkpoint".into()
        } else if link.position > due {
            format!("{due} is missing before it")
        } else {
            format!("{due} is due: it is here twice, or out of its order")
        });
    }
    let is_filled = match link.book {
        Book::Actions => link.actions.len() == 1 && link.uses.is_empty(),
        Book::Uses => link.actions.is_empty() && !link.uses.is_empty(),
    };
    if !is_filled {
        return Some("its records are not what its book has".into());
    }
    if link.stored_ms < chain.stored_ms {
        return Some("it was kept before the link before it".into());
    }
    let previous = match chain.position {
        0 => GENESIS,
        _ => &chain.hash,
    };
    (link.computed(previous) != link.hash)
        .then(|| "its hash is not that of its records and the link before it".into())
}
