//! The environment of a step's process: little of ours, what the step says, and who it is.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use runtime::config;

use super::StepTry;

/// Where programs are if this process doesn't know.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every process finds there. Nothing else of this process's own gets through: it may hold
/// keys.
pub(crate) fn common() -> BTreeMap<String, String> {
    let own = |name: &str| config::variable(name).map(|value| (name.to_owned(), value));
    let mut common: BTreeMap<_, _> = ["HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ"]
        .into_iter()
        .filter_map(own)
        .collect();
    common
        .entry("PATH".to_owned())
        .or_insert_with(|| PATH.to_owned());
    common
        .entry("LANG".to_owned())
        .or_insert_with(|| "C.UTF-8".to_owned());
    common
}

/// The environment for a try, or what is wrong with a secret.
pub(super) fn of(
    step: &StepTry,
    own: BTreeMap<String, String>,
    output: &Path,
) -> Result<BTreeMap<String, String>, String> {
    let mut environment = step.kit.environment.clone();
    environment.extend(own);
    environment.extend(secrets(&step.secrets)?);
    environment.extend(identity(step, output));
    Ok(environment)
}

fn secrets(secrets: &HashMap<String, Vec<u8>>) -> Result<Vec<(String, String)>, String> {
    let text = |(name, value): (&String, &Vec<u8>)| match std::str::from_utf8(value) {
        Ok(value) if !value.contains('\0') => Ok((name.clone(), value.to_owned())),
        _ => Err(format!(
            "the secret {name} is not text, so no variable can hold it"
        )),
    };
    secrets.iter().map(text).collect()
}

/// Who it is. These also mark its processes, should their keeper be lost.
fn identity(step: &StepTry, output: &Path) -> Vec<(String, String)> {
    let facts = &step.facts;
    let mut identity = vec![
        ("PENSTOCK_ATTEMPT", facts.attempt.to_string()),
        ("PENSTOCK_EXECUTOR", step.kit.name.clone()),
        ("PENSTOCK_OUTPUT", output.display().to_string()),
        ("PENSTOCK_PIPELINE", facts.pipeline_id.clone()),
        ("PENSTOCK_PIPELINE_NAME", facts.pipeline_name.clone()),
        ("PENSTOCK_RUN", facts.run_id.clone()),
        ("PENSTOCK_RUN_COUNT", facts.run_count.to_string()),
        ("PENSTOCK_STEP", step.of.step.clone()),
        ("PENSTOCK_TRY", step.of.number.to_string()),
        (
            "PENSTOCK_WORKSPACE",
            step.workspace.path().display().to_string(),
        ),
    ];
    identity.extend(step.traceparent().map(|it| ("TRACEPARENT", it)));
    identity
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
