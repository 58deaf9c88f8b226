//! Finds workspaces whose run has ended while nobody here saw it.

use contracts::id::is_object_id;
use contracts::pipeline::attempts_client::AttemptsClient;
use contracts::pipeline::{Attempt, CheckAttemptsRequest};
use runtime::Route;
use tonic::Status;

use super::Workspaces;

/// Runs that are asked about at once.
const AT_ONCE: usize = 500;

/// Removes the workspaces of runs that have ended. `is_held` says which are worked on here.
pub(crate) async fn sweep(
    workspaces: &Workspaces,
    pipeline: &mut AttemptsClient<Route>,
    is_held: impl Fn(&str) -> bool,
) -> Result<(), Status> {
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
