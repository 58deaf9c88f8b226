//! I2 (the states that were told are a path through the graph), I4 (attempts begin and end once),
//! I8 (after a stop nothing starts but finalizers) and I11 (places, conflicts), by messages.

use std::collections::{BTreeMap, HashMap, HashSet};

use contracts::message::{
    AttemptBegan, AttemptEnded, RunChanged, RunState, StepChanged, StepState,
};

use super::facts::Facts;
use crate::topics::Told;

/// A message about a run, in the order of that run.
#[derive(Debug)]
enum News {
    Changed(RunChanged),
    Step(StepChanged),
    Began(AttemptBegan),
    Ended(AttemptEnded),
}

pub(super) fn violations(facts: &Facts) -> Vec<String> {
    let mut violations = Vec::new();
    let mut by_run: BTreeMap<String, Vec<News>> = BTreeMap::new();
    for told in &facts.told {
        if let Some((run, news)) = news(told) {
            by_run.entry(run).or_default().push(news);
        }
    }
    for (run, news) in &by_run {
        violations.extend(path(facts, run, news));
        violations.extend(after_stop(facts, run, news));
        violations.extend(attempts(run, news));
    }
    if facts.is_ordered {
        violations.extend(places(facts));
        violations.extend(conflicts(facts));
    }
    violations
}

fn news(told: &Told) -> Option<(String, News)> {
    if let Some(it) = told.decode::<RunChanged>() {
        return Some((it.run_id.clone(), News::Changed(it)));
    }
    if let Some(it) = told.decode::<StepChanged>() {
        return Some((it.run_id.clone(), News::Step(it)));
    }
    if let Some(it) = told.decode::<AttemptBegan>() {
        return Some((it.run_id.clone(), News::Began(it)));
    }
    told.decode::<AttemptEnded>()
        .map(|it| (it.run_id.clone(), News::Ended(it)))
}

/// The graph of the architecture page.
fn is_legal(from: RunState, to: RunState) -> bool {
    use RunState::{
        Cancelled, Cancelling, Failed, Failing, Queued, Running, Succeeded, Unspecified, Waiting,
        Warned,
    };
    matches!(
        (from, to),
        (Unspecified | Running | Waiting, Queued)
            | (Queued, Running)
            | (Running, Waiting)
            | (Running | Waiting, Succeeded | Warned)
            | (Queued | Running | Waiting, Cancelling | Failing)
            | (Failing, Failed)
            | (Cancelling, Cancelled)
    )
}

fn path(facts: &Facts, run: &str, news: &[News]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut at = RunState::Unspecified;
    for it in news {
        let News::Changed(it) = it else { continue };
        if it.from() != at || !is_legal(it.from(), it.to()) {
            violations.push(format!(
                "I2: run {run} was {at:?} and told {:?} to {:?}",
                it.from(),
                it.to()
            ));
        }
        at = it.to();
    }
    let row = facts
        .runs
        .get(run)
        .map(|run| run.state.clone())
        .unwrap_or_default();
    let told = at
        .as_str_name()
        .trim_start_matches("RUN_STATE_")
        .to_lowercase();
    if row != told {
        violations.push(format!(
            "I2: run {run} is {row:?} and was last told to be {told:?}"
        ));
    }
    violations
}

fn after_stop(facts: &Facts, run: &str, news: &[News]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut is_stopped = false;
    let finalizers = facts
        .runs
        .get(run)
        .and_then(|run| facts.finalizers.get(&run.pipeline_id));
    for it in news {
        match it {
            News::Changed(it) => is_stopped |= it.to() == RunState::Cancelling,
            News::Step(it) if is_stopped && it.state() == StepState::Running => {
                if !finalizers.is_some_and(|all| all.contains(&it.step_id)) {
                    violations.push(format!(
                        "I8: run {run} started {} after its stop",
                        it.step_id
                    ));
                }
            }
            News::Step(_) | News::Began(_) | News::Ended(_) => {}
        }
    }
    violations
}

fn attempts(run: &str, news: &[News]) -> Vec<String> {
    let mut violations = Vec::new();
    let (mut live, mut last) = (None, 0);
    for it in news {
        match it {
            News::Began(it) => {
                if live.is_some() || it.attempt != last + 1 {
                    violations.push(format!(
                        "I4: run {run} began attempt {} after {last}, live {live:?}",
                        it.attempt
                    ));
                }
                (live, last) = (Some(it.attempt), it.attempt);
            }
            News::Ended(it) => {
                if live != Some(it.attempt) {
                    violations.push(format!(
                        "I4: run {run} ended attempt {}, live {live:?}",
                        it.attempt
                    ));
                }
                live = None;
            }
            News::Changed(_) | News::Step(_) => {}
        }
    }
    violations.extend(live.map(|live| format!("I4: attempt {live} of run {run} never ended")));
    violations
}

/// Runs that had begun and not ended, at each message.
fn places(facts: &Facts) -> Vec<String> {
    let mut violations = Vec::new();
    let mut taken: HashMap<String, HashSet<String>> = HashMap::new();
    for it in facts.told.iter().filter_map(Told::decode::<RunChanged>) {
        let runs = taken.entry(it.pipeline_id.clone()).or_default();
        if it.to() == RunState::Running {
            runs.insert(it.run_id.clone());
        } else if it.to().is_final() {
            runs.remove(&it.run_id);
        }
        let places = facts.places.get(&it.pipeline_id).copied().unwrap_or(0);
        if places > 0 && runs.len() as u64 > places {
            let pipeline = &it.pipeline_id;
            violations.push(format!(
                "I11: {} runs of {pipeline}, it has {places} places",
                runs.len()
            ));
        }
    }
    violations
}

/// Pipelines in conflict that have runs which had begun and not ended at the same message. Those
/// that began before their pipelines were in conflict don't count.
fn conflicts(facts: &Facts) -> Vec<String> {
    let changes = facts.told.iter().filter_map(Told::decode::<RunChanged>);
    let changes: Vec<RunChanged> = changes.collect();
    let mut violations = Vec::new();
    for conflict in &facts.conflicts {
        let pair = [&conflict.pipeline_id, &conflict.other_id];
        let mut begun: HashMap<&str, &str> = HashMap::new();
        for it in changes.iter().filter(|it| pair.contains(&&it.pipeline_id)) {
            if it.to().is_final() {
                begun.remove(it.run_id.as_str());
            } else if it.to() == RunState::Running && it.at_ms > conflict.created_at_ms {
                begun.insert(&it.run_id, &it.pipeline_id);
            }
            let of: HashSet<&str> = begun.values().copied().collect();
            if of.len() > 1 {
                let (one, other) = (pair[0], pair[1]);
                let run = &it.run_id;
                violations.push(format!("I11: {one} and {other} both run when {run} begins"));
            }
        }
    }
    violations
}
