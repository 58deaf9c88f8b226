//! Links: records in the order in which they were kept, each hashed with what was before it.
//!
//! What is hashed is a list of texts. A text is written as its length in bytes (8 bytes, big-endian)
//! and then its UTF-8; a number is the text of its decimal digits. So two lists never look alike.
//!
//! **Invariant:** a link's hash depends on every byte of its records, on their order, on its place
//! and time, and on every link before it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Action, Book, TokenUse};

/// What the hash of the link before the first one is taken to be.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Says what is hashed, and how.
const DOMAIN: &str = "penstock-audit-link-v1";

/// A link of a chain with its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// Whose.
    pub account: String,
    /// Which records.
    pub book: Book,
    /// From 1, without gap.
    pub position: u64,
    /// When it was kept, milliseconds since 1970-01-01 UTC; never before the link before it.
    pub stored_ms: i64,
    /// 64 hex digits.
    pub hash: String,
    /// Of the book of actions: one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// Of the book of uses: some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<TokenUse>,
}

impl Link {
    /// The hash that it should have after a link of this hash.
    pub fn computed(&self, previous: &str) -> String {
        let mut texts = Texts(Sha256::new());
        texts.put(DOMAIN);
        texts.put(&self.account);
        texts.put(self.book.name());
        texts.number(&self.position);
        texts.put(previous);
        texts.number(&self.stored_ms);
        texts.number(&self.actions.len());
        self.actions.iter().for_each(|it| texts.action(it));
        texts.number(&self.uses.len());
        self.uses.iter().for_each(|it| texts.token_use(it));
        hex::encode(texts.0.finalize())
    }

    /// The same link with the hash that it should have.
    #[must_use]
    pub fn after(mut self, previous: &str) -> Self {
        self.hash = self.computed(previous);
        self
    }

    /// The ids of its records.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let actions = self.actions.iter().map(|it| it.id.as_str());
        actions.chain(self.uses.iter().map(|it| it.id.as_str()))
    }
}

struct Texts(Sha256);

impl Texts {
    fn put(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    fn number(&mut self, number: &impl ToString) {
        self.put(&number.to_string());
    }

    fn action(&mut self, action: &Action) {
        action.texts().iter().for_each(|it| self.put(it));
        self.number(&action.at_ms);
    }

    fn token_use(&mut self, token_use: &TokenUse) {
        token_use.texts().iter().for_each(|it| self.put(it));
        self.number(&token_use.http_status);
        self.number(&token_use.at_ms);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An action of which only the id matters.
    pub(crate) fn action(id: &str) -> Action {
        Action {
            id: id.into(),
            kind: "pipeline".into(),
            action: "run".into(),
            ..Action::default()
        }
    }

    /// A chain of actions that nobody changed.
    pub(crate) fn chain(ids: &[&str]) -> Vec<Link> {
        let mut previous = GENESIS.to_owned();
        let link = |(position, id): (u64, &&str)| {
            let link = Link {
                account: "org".into(),
                book: Book::Actions,
                position,
                stored_ms: 1000,
                hash: String::new(),
                actions: vec![action(id)],
                uses: Vec::new(),
            };
            let link = link.after(&previous);
            previous.clone_from(&link.hash);
            link
        };
        (1..).zip(ids).map(link).collect()
    }

    #[test]
    fn the_documented_example_has_its_hash() {
        let link = &chain(&["61042540e1d666c9ded178c4"])[0];
        assert_eq!(link.hash, EXAMPLE);
    }

    /// Of docs/audit.md; another implementation found it, too.
    const EXAMPLE: &str = "1410531b87b06f3f2b326bcb504fdaa33abbe6bb9113c1c8e695e8854e137eae";

    fn text() -> impl Strategy<Value = String> {
        "[a-c0-2\u{e9}]{0,3}"
    }

    prop_compose! {
        fn any_action()(texts in proptest::collection::vec(text(), 12), at_ms in 0_i64..5) -> Action {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().unwrap_or_default();
            Action {
                id: next(), user_id: next(), user_name: next(), user_email: next(),
                token_id: next(), kind: next(), action: next(), target_id: next(),
                target_name: next(), before_json: next(), after_json: next(), at_ms,
                use_id: next(),
            }
        }
    }

    prop_compose! {
        fn any_use()(texts in proptest::collection::vec(text(), 8), http_status in 0_u32..3, at_ms in 0_i64..5) -> TokenUse {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().unwrap_or_default();
            TokenUse {
                id: next(), token_id: next(), user_id: next(), scope: next(), target: next(),
                outcome: next(), ip: next(), user_agent: next(), http_status, at_ms,
            }
        }
    }

    prop_compose! {
        fn any_link()(
            account in text(), is_use in any::<bool>(), position in 1_u64..4, stored_ms in 0_i64..3,
            actions in proptest::collection::vec(any_action(), 0..3),
            uses in proptest::collection::vec(any_use(), 0..3),
        ) -> Link {
            let book = if is_use { Book::Uses } else { Book::Actions };
            Link { account, book, position, stored_ms, hash: String::new(), actions, uses }
        }
    }

    proptest! {
        #[test]
        fn two_links_have_one_hash_only_if_they_are_the_same(one in any_link(), other in any_link()) {
            let same = one == other;
            prop_assert_eq!(same, one.computed(GENESIS) == other.computed(GENESIS));
        }

        #[test]
        fn a_hash_depends_on_the_link_before(link in any_link(), one in text(), other in text()) {
            prop_assert_eq!(one == other, link.computed(&one) == link.computed(&other));
        }
    }
}
