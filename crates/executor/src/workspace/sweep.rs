//! Finds workspaces whose run has ended while nobody here saw it.

use std::io;
use std::time::UNIX_EPOCH;

use contracts::id::is_object_id;
use contracts::pipeline::attempts_client::AttemptsClient;
use contracts::pipeline::{Attempt, CheckAttemptsRequest};
use runtime::{Route, clock};
use tonic::Status;

use super::{KEPT, Workspaces};

/// Runs that are asked about at once.
const AT_ONCE: usize = 500;

/// Removes the workspaces of runs that have ended. `is_held` says which are worked on here.
pub(crate) async fn sweep(
    workspaces: &Workspaces,
    pipeline: &mut AttemptsClient<Route>,
    is_held: impl Fn(&str) -> bool,
) -> Result<(), Status> {
    workspaces.release(clock::now_ms());
    let mut runs = workspaces.runs().await;
    runs.retain(|run_id| is_object_id(run_id) && !is_held(run_id) && !workspaces.is_kept(run_id));
    let has_room = workspaces.has_room();
    for runs in runs.chunks(AT_ONCE) {
        let attempts = runs
            .iter()
            .map(|run_id| Attempt {
                run_id: run_id.clone(),
                attempt: 0,
            })
            .collect();
        let truths = pipeline
            .check_attempts(CheckAttemptsRequest { attempts })
            .await?;
        for truth in truths
            .into_inner()
            .attempts
            .into_iter()
            .filter(|truth| truth.run_ended && !(truth.workspace_kept && has_room))
        {
            let Some(Attempt { run_id, .. }) = truth.attempt else {
                continue;
            };
            if let Err(error) = workspaces.remove(&run_id).await {
                tracing::warn!(run.id = run_id, "{error}");
            }
        }
    }
    Ok(())
}

impl Workspaces {
    /// Keeps workspaces of debugging runs no longer whose last step began long ago.
    fn release(&self, now_ms: i64) {
        let before_ms = now_ms - clock::millis(self.kept_for);
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        for entry in entries.flatten() {
            let path = entry.path();
            let is_mark = path.extension().is_some_and(|it| it == KEPT);
            if is_mark && marked_ms(&entry).is_some_and(|at_ms| at_ms < before_ms) {
                match std::fs::remove_file(&path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => tracing::warn!("{}: {error}", path.display()),
                }
            }
        }
    }

    /// The runs that may have something here.
    async fn runs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let mut runs: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        if let Some(snapshots) = &self.snapshots {
            match snapshots.runs().await {
                Ok(saved) => runs.extend(saved),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        runs.sort_unstable();
        runs.dedup();
        runs
    }
}

/// When a mark was last set.
fn marked_ms(entry: &std::fs::DirEntry) -> Option<i64> {
    let set = entry.metadata().ok()?.modified().ok()?;
    Some(clock::millis(set.duration_since(UNIX_EPOCH).ok()?))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Sharing};
    use crate::workspace::Workspaces;

    #[tokio::test]
    async fn the_workspace_of_a_debugging_run_is_kept_for_some_days() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            work_dir: folder.path().into(),
            workspace: Sharing::Shared,
            debugging_days: 2,
            ..Config::default()
        };
        let workspaces = Workspaces::open(&config).unwrap();
        let run = "5f5e1000aaaaaaaaaa000001";
        workspaces.of(run, 1).unwrap().keep().unwrap();
        let now_ms = runtime::clock::now_ms();
        let day_ms = 24 * 60 * 60 * 1000;
        workspaces.release(now_ms + day_ms);
        assert!(workspaces.is_kept(run));
        workspaces.release(now_ms + 3 * day_ms);
        assert!(!workspaces.is_kept(run));
    }
}
