//! I1 (accepted runs exist and end), I3 (one run per origin), I4 (one live attempt), I7 (counts
//! without gaps) and I11 (places, conflicts and slots), by rows.

use std::collections::BTreeMap;

use super::facts::{Attempt, Facts, Run};

/// Transactions take their time before their lock: by so much may two of them seem to overlap.
const SLACK_MS: i64 = 500;

pub(super) fn violations(facts: &Facts) -> Vec<String> {
    let mut violations = accepted(facts);
    violations.extend(origins(facts));
    violations.extend(attempts(facts));
    violations.extend(counts(facts));
    violations.extend(places(facts));
    violations.extend(conflicts(facts));
    violations.extend(slots(facts));
    for (service, count) in facts.refused.iter().filter(|(_, count)| *count > 0) {
        violations.push(format!("the bus refused {count} messages of {service}"));
    }
    violations
}

fn accepted(facts: &Facts) -> Vec<String> {
    let is_there = |id: &String, pipeline: &String, count: i64| {
        let run = facts.runs.get(id);
        run.is_some_and(|run| run.pipeline_id == *pipeline && run.run_count == count)
    };
    let lost = facts
        .accepted
        .iter()
        .filter(|(id, (pipeline, count))| !is_there(id, pipeline, *count));
    lost.map(|(id, (_, count))| format!("I1: run {count} was accepted as {id} and is not there"))
        .collect()
}

fn origins(facts: &Facts) -> Vec<String> {
    let mut runs: BTreeMap<&str, usize> = facts.runs.keys().map(|id| (id.as_str(), 0)).collect();
    let mut violations = Vec::new();
    for origin in &facts.origins {
        match runs.get_mut(origin.run_id.as_str()) {
            Some(count) => *count += 1,
            None => violations.push(format!("I3: an origin has no run {}", origin.run_id)),
        }
    }
    let odd = runs.into_iter().filter(|(_, count)| *count != 1);
    violations.extend(odd.map(|(id, count)| format!("I3: run {id} has {count} origins")));
    violations
}

fn attempts(facts: &Facts) -> Vec<String> {
    let mut by_run: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in &facts.attempts {
        by_run.entry(&attempt.run_id).or_default().push(attempt);
    }
    let mut violations = Vec::new();
    for run in facts.runs.values() {
        let attempts = by_run.remove(run.id.as_str()).unwrap_or_default();
        violations.extend(attempts_of(run, &attempts));
    }
    violations.extend(
        by_run
            .into_keys()
            .map(|id| format!("I4: attempts of no run: {id}")),
    );
    violations
}

fn attempts_of(run: &Run, attempts: &[&Attempt]) -> Vec<String> {
    let Run { id, state, .. } = run;
    let mut violations = Vec::new();
    let numbers: Vec<i64> = attempts.iter().map(|it| it.attempt).collect();
    if numbers != (1..=run.attempt).collect::<Vec<_>>() {
        violations.push(format!(
            "I4: run {id} is at attempt {} and has {numbers:?}",
            run.attempt
        ));
    }
    let live = attempts
        .iter()
        .filter(|it| it.ended_at_ms.is_none())
        .count();
    let may_live = usize::from(run.executor.is_some());
    if live != may_live {
        violations.push(format!(
            "I4: run {id} ({state}) has {live} live attempts, not {may_live}"
        ));
    }
    for pair in attempts.windows(2) {
        if pair[0]
            .ended_at_ms
            .is_none_or(|ended| ended > pair[1].began_at_ms + SLACK_MS)
        {
            violations.push(format!(
                "I4: attempts {} and {} of {id} overlap",
                pair[0].attempt, pair[1].attempt
            ));
        }
    }
    let unsaid = attempts
        .iter()
        .filter(|it| it.ended_at_ms.is_some() && it.how.is_none());
    violations.extend(unsaid.map(|it| format!("I4: attempt {} of {id} ended no way", it.attempt)));
    if run.ended_at_ms.is_some() && run.cause.is_none() {
        violations.push(format!("I2: run {id} ended as {state} and doesn't say why"));
    }
    violations
}

fn counts(facts: &Facts) -> Vec<String> {
    let mut by_pipeline: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for run in facts.runs.values() {
        by_pipeline
            .entry(&run.pipeline_id)
            .or_default()
            .push(run.run_count);
    }
    let mut violations = Vec::new();
    for pipeline in &facts.pipelines {
        let mut counts = by_pipeline.remove(pipeline.id.as_str()).unwrap_or_default();
        counts.sort_unstable();
        if counts != (1..=pipeline.run_count).collect::<Vec<_>>() {
            let said = pipeline.run_count;
            violations.push(format!(
                "I7: pipeline {} counts {said} and has {counts:?}",
                pipeline.id
            ));
        }
    }
    violations
}

fn places(facts: &Facts) -> Vec<String> {
    let mut by_pipeline: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for run in facts.runs.values() {
        let span = run
            .started_at_ms
            .map(|began| (began, run.ended_at_ms.unwrap_or(i64::MAX)));
        by_pipeline
            .entry(&run.pipeline_id)
            .or_default()
            .extend(span);
    }
    let mut violations = Vec::new();
    for (pipeline, spans) in by_pipeline {
        let places = facts.places.get(pipeline).copied().unwrap_or(0);
        let most = most_at_once(&spans);
        if places > 0 && most > places {
            violations.push(format!(
                "I11: {most} runs of {pipeline} at once, it has {places} places"
            ));
        }
    }
    violations
}

/// Runs that began once their pipelines were in conflict don't overlap.
fn conflicts(facts: &Facts) -> Vec<String> {
    let mut violations = Vec::new();
    for conflict in &facts.conflicts {
        let spans = |pipeline: &str| {
            let its = facts
                .runs
                .values()
                .filter(|run| run.pipeline_id == pipeline);
            let span = |run: &Run| {
                let ended = run.ended_at_ms.unwrap_or(i64::MAX);
                run.started_at_ms.map(|began| (began, ended))
            };
            let later = |(began, _): &(i64, i64)| *began > conflict.created_at_ms + SLACK_MS;
            its.filter_map(span).filter(later).collect::<Vec<_>>()
        };
        let (one, other) = (spans(&conflict.pipeline_id), spans(&conflict.other_id));
        let pairs = one
            .iter()
            .flat_map(|it| other.iter().map(move |one| (it, one)));
        let overlaps = pairs.filter(|(it, other)| overlap(**it, **other)).count();
        if overlaps > 0 {
            violations.push(format!(
                "I11: {overlaps} runs of {} and {} overlap, which are in conflict",
                conflict.pipeline_id, conflict.other_id
            ));
        }
    }
    violations
}

fn overlap(one: (i64, i64), other: (i64, i64)) -> bool {
    Ord::max(one.0, other.0) + SLACK_MS < Ord::min(one.1, other.1)
}

fn slots(facts: &Facts) -> Vec<String> {
    let mut by_executor: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for it in &facts.attempts {
        let span = (it.began_at_ms, it.ended_at_ms.unwrap_or(i64::MAX));
        by_executor.entry(&it.executor).or_default().push(span);
    }
    let mut violations = Vec::new();
    for (executor, spans) in by_executor {
        let most = most_at_once(&spans);
        if most > u64::from(facts.slots) {
            violations.push(format!("I11: {most} attempts at once on {executor}"));
        }
    }
    for row in &facts.queue {
        let run = facts.runs.get(&row.run_id);
        if run.is_none_or(|run| run.ended_at_ms.is_none()) {
            let executor = row.executor.as_deref().unwrap_or_default();
            violations.push(format!("I11: {executor} is kept busy by {}", row.run_id));
        }
    }
    violations
}

/// The most spans that hold the same moment. Overlaps shorter than the slack don't count.
fn most_at_once(spans: &[(i64, i64)]) -> u64 {
    let mut moments: Vec<(i64, i64)> = Vec::new();
    for (began, ended) in spans {
        let began = (began + SLACK_MS).min(*ended);
        moments.extend([(began, 1), (*ended, -1)]);
    }
    moments.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, change) in moments {
        now += change;
        most = most.max(now);
    }
    u64::try_from(most).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{most_at_once, overlap};

    #[test]
    fn spans_that_overlap_are_counted() {
        assert_eq!(most_at_once(&[(0, 10_000), (9_900, 20_000)]), 1);
        assert_eq!(
            most_at_once(&[(0, 10_000), (5_000, 20_000), (6_000, 7_000)]),
            3
        );
        assert_eq!(most_at_once(&[]), 0);
    }

    #[test]
    fn spans_overlap_by_more_than_the_slack() {
        assert!(overlap((0, 10_000), (5_000, 6_000)));
        assert!(!overlap((0, 10_000), (9_900, 20_000)));
        assert!(!overlap((0, 1_000), (2_000, i64::MAX)));
    }
}
