//! The files of a try: its workspace, made ready before it and saved after it.
//!
//! **Invariant:** what is reported as well was saved. A stop waits for no store that is away.

use tokio::sync::watch;

use super::{Ending, StepTry, Told};

impl StepTry {
    /// Makes the workspace ready, unless the try is told to end meanwhile: the workspace may have
    /// to come from a store that is away.
    pub(super) async fn make_ready(&self, mut told: watch::Receiver<Told>) -> Result<(), Ending> {
        let ready = tokio::select! {
            ready = self.workspace.ready() => ready,
            () = harder(&mut told, Told::Nothing) => return Err(Ending::cancelled()),
        };
        let kept = ready.and_then(|()| {
            if self.facts.is_debugging {
                self.workspace.keep()
            } else {
                Ok(())
            }
        });
        kept.map_err(|fault| Ending::failed(fault.to_string()))
    }

    /// Saves the workspace for the next attempt, while it is still ours to save. A stop that comes
    /// meanwhile doesn't wait for a store that is away, and after a kill nobody needs it.
    pub(super) async fn save(&self, ending: &mut Ending, mut told: watch::Receiver<Told>) {
        if ending.is_cut || !self.kit.lease.is_live() {
            return;
        }
        let before = *told.borrow_and_update();
        if before >= Told::Drop {
            return;
        }
        let saved = tokio::select! {
            biased;
            () = harder(&mut told, before) => None,
            () = tokio::time::sleep(self.kit.grace), if before > Told::Nothing => None,
            saved = self.workspace.save() => Some(saved),
        };
        match saved {
            Some(Ok(())) => {}
            Some(Err(fault)) if ending.is_well() => {
                *ending = Ending {
                    exit_code: ending.exit_code,
                    ..Ending::failed(fault.to_string())
                };
            }
            Some(Err(fault)) => tracing::warn!("{fault}"),
            None if ending.is_well() => {
                *ending = Ending {
                    exit_code: ending.exit_code,
                    ..Ending::cancelled()
                };
            }
            None => tracing::warn!("the workspace could not be saved before its step was stopped"),
        }
    }
}

/// Waits until a try is told to end in a harder way than `before`; for ever if nobody can tell.
pub(super) async fn harder(told: &mut watch::Receiver<Told>, before: Told) {
    if told.wait_for(|told| *told > before).await.is_err() {
        std::future::pending::<()>().await;
    }
}
