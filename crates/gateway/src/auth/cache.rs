//! What is remembered of tokens: bounded, and good and refused ones apart, so that a flood of wrong
//! tokens can't push out the good ones.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::Identity;

/// The most good tokens, and the most refused ones, that are remembered.
const MOST: usize = 10_000;

type Digest = [u8; 32];

/// What is known of a token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Known {
    /// Its owner.
    Good(Arc<Identity>),
    /// The registry refused it.
    Refused,
}

/// Which answers are still worth remembering: those that were asked for since the last forgetting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Round(u64);

#[derive(Debug, Default)]
pub(super) struct Cache {
    good: HashMap<Digest, (Arc<Identity>, Instant)>,
    refused: HashMap<Digest, Instant>,
    round: Round,
}

impl Cache {
    /// What is known, or the round in which the registry is asked.
    pub(super) fn known(
        &mut self,
        digest: &Digest,
        now: Instant,
        now_ms: i64,
    ) -> Result<Known, Round> {
        if let Some((identity, until)) = self.good.get(digest)
            && *until > now
            && !identity.has_expired(now_ms)
        {
            return Ok(Known::Good(identity.clone()));
        }
        match self.refused.get(digest) {
            Some(until) if *until > now => Ok(Known::Refused),
            _ => Err(self.round),
        }
    }

    /// Whether the token was good when it was last asked about, however long ago.
    pub(super) fn was_good(&self, digest: &Digest) -> bool {
        self.good.contains_key(digest)
    }

    /// Remembers an answer, unless something was forgotten while it was on its way.
    pub(super) fn remember(&mut self, round: Round, digest: Digest, known: Known, until: Instant) {
        if round != self.round {
            return;
        }
        match known {
            Known::Good(identity) => {
                make_room(&mut self.good, |(_, until)| *until);
                self.good.insert(digest, (identity, until));
            }
            Known::Refused => {
                self.good.remove(&digest);
                make_room(&mut self.refused, |until| *until);
                self.refused.insert(digest, until);
            }
        }
    }

    /// Forgets those that `is_changed` says, and all refused ones.
    pub(super) fn forget(&mut self, is_changed: impl Fn(&Identity) -> bool) {
        self.round.0 += 1;
        self.good.retain(|_, (identity, _)| !is_changed(identity));
        self.refused.clear();
    }
}

/// Drops what is out of date, and everything when that is not half of it: what is dropped is asked
/// for again, and the work stays small however fast new ones come.
fn make_room<T>(map: &mut HashMap<Digest, T>, until: impl Fn(&T) -> Instant) {
    if map.len() < MOST {
        return;
    }
    let now = Instant::now();
    map.retain(|_, entry| until(entry) > now);
    if map.len() > MOST / 2 {
        map.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contracts::registry::AuthenticateResponse;

    use super::*;

    fn good(token_id: &str, expires_at_ms: i64) -> Known {
        let answer = AuthenticateResponse {
            token_id: token_id.into(),
            expires_at_ms,
            ..Default::default()
        };
        Known::Good(Arc::new(Identity::of(answer)))
    }

    fn digest(number: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    }

    #[test]
    fn an_answer_is_known_until_its_time_or_its_tokens() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let later = now + Duration::from_secs(5);
        cache.remember(Round(0), digest(1), good("a", 1000), later);
        assert_eq!(cache.known(&digest(1), now, 999), Ok(good("a", 1000)));
        assert_eq!(cache.known(&digest(1), now, 1000), Err(Round(0)));
        assert_eq!(cache.known(&digest(1), later, 999), Err(Round(0)));
    }

    #[test]
    fn a_changed_token_is_forgotten_and_late_answers_are_not_remembered() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let later = now + Duration::from_secs(5);
        cache.remember(Round(0), digest(1), good("a", 0), later);
        cache.remember(Round(0), digest(2), good("b", 0), later);
        cache.forget(|it| it.token_id() == "a");
        assert_eq!(cache.known(&digest(1), now, 0), Err(Round(1)));
        assert_eq!(cache.known(&digest(2), now, 0), Ok(good("b", 0)));
        cache.remember(Round(0), digest(1), good("a", 0), later);
        assert_eq!(cache.known(&digest(1), now, 0), Err(Round(1)));
    }

    #[test]
    fn a_flood_of_wrong_tokens_is_bounded_and_leaves_the_good_ones() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let later = now + Duration::from_mins(1);
        cache.remember(Round(0), digest(0), good("a", 0), later);
        for number in 1..3 * MOST {
            cache.remember(Round(0), digest(number), Known::Refused, later);
            assert!(cache.refused.len() <= MOST);
        }
        assert_eq!(cache.known(&digest(0), now, 0), Ok(good("a", 0)));
    }
}
