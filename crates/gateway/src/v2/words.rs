//! The words of `/api/v2` for the enumerations of the wire.

use contracts::message as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($word:ident),* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub(super) enum $name {
            $(#[allow(missing_docs, reason = "the wire documents it")] $word),*
        }

        impl $name {
            /// The word for a number on the wire; none for "unspecified" and for unknown ones.
            pub(super) fn of(number: i32) -> Option<Self> {
                match wire::$name::try_from(number).ok()? {
                    wire::$name::Unspecified => None,
                    $(wire::$name::$word => Some(Self::$word)),*
                }
            }
        })*
    };
}

words! {
    /// Where a run is.
    RunState {
        Queued, Running, Waiting, Cancelling, Failing, Succeeded, Warned, Failed, Cancelled
    }

    /// Where a step of a run is.
    StepState {
        Pending, Running, Retrying, Succeeded, Warned, Failed, Cancelled, Skipped, Waiting
    }

    /// Why a run ended.
    EndCause {
        Completed, StepFailed, StepTimedOut, ExecutorLost, Stopped, Reset, Rejected
    }

    /// How hard a stop is.
    StopMode {
        Graceful, Cancel, Kill
    }

    /// Where an entry of a log comes from; `system` is Penstock itself.
    Stream {
        Stdout, Stderr, System
    }
}

impl StopMode {
    /// The number on the wire.
    pub(super) fn on_wire(self) -> i32 {
        match self {
            Self::Graceful => wire::StopMode::Graceful,
            Self::Cancel => wire::StopMode::Cancel,
            Self::Kill => wire::StopMode::Kill,
        }
        .into()
    }
}
