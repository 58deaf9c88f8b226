//! An export: the chains of an account as lines of JSON, read a few links at a time.
//!
//! **Invariant:** a key is told before what it signed, a checkpoint behind the link that it signs or
//! else before the links that go on from it, and the number of lines at the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures::stream::{self, Stream};

use crate::Error;
use crate::ledger::Book;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::line::{Begin, End, FORMAT, Key, Line};
use crate::store::{Span, Store};

/// The lines of the chains of `account`, of what was kept in this time; made at `now_ms`.
pub(crate) async fn lines(
    store: &Store,
    account: String,
    times: (Option<i64>, Option<i64>),
    now_ms: i64,
) -> Result<impl Stream<Item = Result<Vec<u8>, Error>> + Send + use<>, Error> {
    let mut parts = VecDeque::new();
    for book in Book::ALL {
        let span = store.span(&account, book, times).await?;
        let after = span.after();
        parts.push_back(Part { book, span, after });
    }
    let mut export = Export {
        store: store.clone(),
        parts,
        public_keys: BTreeMap::new(),
        told: BTreeSet::new(),
        lines: Vec::new(),
        count: 0,
        is_over: false,
        account,
    };
    export.put(&Line::Begin(Begin {
        format: FORMAT,
        account: export.account.clone(),
        at_ms: now_ms,
    }))?;
    Ok(stream::try_unfold(export, async |mut export| {
        Ok(export.next().await?.map(|lines| (lines, export)))
    }))
}

/// A chain, and how far it was told.
struct Part {
    book: Book,
    span: Span,
    after: i64,
}

struct Export {
    store: Store,
    account: String,
    parts: VecDeque<Part>,
    public_keys: BTreeMap<String, String>,
    /// Ids of keys.
    told: BTreeSet<String>,
    /// Lines that were not taken yet.
    lines: Vec<u8>,
    count: u64,
    is_over: bool,
}

impl Export {
    /// The next lines; none after the last one.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        while self.lines.is_empty() && !self.is_over {
            self.go_on().await?;
        }
        let lines = std::mem::take(&mut self.lines);
        Ok((!lines.is_empty()).then_some(lines))
    }

    async fn go_on(&mut self) -> Result<(), Error> {
        let Some(mut part) = self.parts.pop_front() else {
            self.is_over = true;
            let lines = self.count;
            return self.put(&Line::End(End { lines }));
        };
        if let Some(base) = part.span.base.take() {
            self.checkpoint(base).await?;
        }
        let account = self.account.clone();
        let chain = (account.as_str(), part.book);
        let links = self
            .store
            .links(chain, part.after, part.span.through)
            .await?;
        let positions = || {
            links
                .iter()
                .map(|it| i64::try_from(it.position).unwrap_or(i64::MAX))
        };
        let (Some(first), Some(last)) = (positions().next(), positions().next_back()) else {
            // Where links were taken away, what signed them tells.
            return self.checkpoints(part).await;
        };
        let mut checkpoints = self.store.checkpoints(chain, first, last).await?;
        for link in links {
            let checkpoint = checkpoints.remove(&link.position);
            self.put(&Line::Link(link))?;
            if let Some(checkpoint) = checkpoint {
                self.checkpoint(checkpoint).await?;
            }
        }
        part.after = last;
        self.parts.push_front(part);
        Ok(())
    }

    /// Tells the checkpoints of links that should be there.
    async fn checkpoints(&mut self, part: Part) -> Result<(), Error> {
        let (account, first) = (self.account.clone(), part.after + 1);
        let chain = (account.as_str(), part.book);
        let signed = self
            .store
            .checkpoints(chain, first, part.span.through)
            .await?;
        for checkpoint in signed.into_values() {
            self.checkpoint(checkpoint).await?;
        }
        Ok(())
    }

    /// Tells a checkpoint, and its key before it.
    async fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Error> {
        let key_id = checkpoint.key_id.clone();
        if !self.public_keys.contains_key(&key_id) {
            let keys = self.store.keys().await?;
            self.public_keys = keys
                .into_iter()
                .map(|it| (it.key_id, it.public_key))
                .collect();
        }
        let public_key = self.public_keys.get(&key_id).cloned();
        if let Some(public_key) = public_key.filter(|_| self.told.insert(key_id.clone())) {
            self.put(&Line::Key(Key { key_id, public_key }))?;
        }
        self.put(&Line::Checkpoint(checkpoint))
    }

    fn put(&mut self, line: &Line) -> Result<(), Error> {
        let text = serde_json::to_string(line);
        let text = text.map_err(|error| Error::Row(error.to_string()))?;
        self.lines.extend_from_slice(text.as_bytes());
        self.lines.push(b'\n');
        self.count += 1;
        Ok(())
    }
}
