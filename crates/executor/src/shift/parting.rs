//! How an executor parts with an attempt, and what it says of that.

use contracts::scheduler::{Attempt, Ended, FromExecutor, HandBack, from_executor::Said};

use super::Key;

/// How an executor parts with an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parting {
    /// It is over, and its run's owner knows.
    Over,
    /// It could not begin: there is no place, or a run of another pipeline is waited for, whose
    /// pipeline's id this is.
    Busy(Option<String>),
    /// It is given back, and its processes are gone.
    HandedBack,
    /// It can't be begun or carried out, by a fault that is no step's; nothing of it has started.
    Unable(String),
    /// It can't go on here, and what became of it can't be told.
    Lost,
    /// It is another's by now: nothing is said.
    Forgotten,
    /// The same, of one in which nothing had begun.
    Unbegun,
}

impl Parting {
    /// What is to be said should the attempt be assigned once more; nothing if it may begin then.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::HandedBack => Some(Self::HandedBack),
            Self::Lost | Self::Forgotten => Some(Self::Lost),
            Self::Over | Self::Busy(_) | Self::Unable(_) | Self::Unbegun => None,
        }
    }

    /// What the scheduler is told, if anything.
    pub(super) fn said(self, key: &Key) -> Option<FromExecutor> {
        let attempt = Some(Attempt {
            run_id: key.run_id.clone(),
            attempt: key.attempt,
        });
        let said = match self {
            Self::Over => Said::Ended(Ended {
                attempt,
                ..Ended::default()
            }),
            Self::Busy(waits_for) => Said::Ended(Ended {
                attempt,
                busy: true,
                waits_for: waits_for.unwrap_or_default(),
            }),
            Self::HandedBack => Said::HandBack(HandBack {
                attempt,
                ..HandBack::default()
            }),
            Self::Unable(fault) => Said::HandBack(HandBack {
                attempt,
                fault,
                ..HandBack::default()
            }),
            Self::Lost => Said::HandBack(HandBack {
                attempt,
                lost: true,
                ..HandBack::default()
            }),
            Self::Forgotten | Self::Unbegun => return None,
        };
        Some(FromExecutor { said: Some(said) })
    }
}
