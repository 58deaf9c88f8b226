//! I6: every slot of a schedule ends in one row; and I3 of slots: what fired has one run, and a run
//! that a schedule started has one slot.

use std::collections::{BTreeMap, HashMap};

use sea_orm::FromQueryResult;

use super::facts::{Facts, Run};

/// The pattern that is due each second: its rows lie end to end.
const SECONDLY: &str = "* * * * * *";
const SECOND_MS: i64 = 1000;

/// A slot's row, with the pattern of its schedule unless that is gone.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Slot {
    schedule_id: String,
    slot: String,
    slot_ms: i64,
    until_ms: i64,
    state: String,
    reason: Option<String>,
    run_id: Option<String>,
    cron: Option<String>,
}

/// What reads them.
pub(super) const SLOTS: &str = "SELECT slot.schedule_id, slot.slot, slot_ms, until_ms, state, reason, run_id, schedule.cron \
     FROM slot LEFT JOIN schedule ON schedule.id = slot.schedule_id \
     ORDER BY slot.schedule_id, slot_ms, slot.number";

/// Slots whose runs are still being asked for.
pub(super) fn unfinished(facts: &Facts) -> Vec<String> {
    let firing = facts
        .schedule_slots
        .iter()
        .filter(|it| it.state == "firing");
    firing
        .map(|it| format!("I6: slot {} of {} fires for ever", it.slot, it.schedule_id))
        .collect()
}

pub(super) fn violations(facts: &Facts) -> Vec<String> {
    let mut violations = runs(facts);
    let mut by_schedule: BTreeMap<&str, Vec<&Slot>> = BTreeMap::new();
    for slot in &facts.schedule_slots {
        let its = by_schedule.entry(&slot.schedule_id).or_default();
        its.push(slot);
        let is_skipped = slot.state == "skipped";
        if is_skipped != slot.reason.is_some() || (is_skipped && slot.run_id.is_some()) {
            violations.push(format!("I6: a slot says two things: {slot:?}"));
        }
    }
    for slots in by_schedule.values() {
        if slots[0].cron.as_deref() == Some(SECONDLY) {
            violations.extend(gaps(slots));
        }
    }
    violations
}

/// Slots between two rows, or in two of them.
fn gaps(slots: &[&Slot]) -> Vec<String> {
    let odd = slots
        .windows(2)
        .filter(|it| it[1].slot_ms != it[0].until_ms + SECOND_MS);
    odd.map(|it| format!("I6: between {:?} and {:?}", it[0], it[1]))
        .collect()
}

/// Runs that schedules started against the slots that fired.
fn runs(facts: &Facts) -> Vec<String> {
    let mut started: HashMap<(&str, &str), Vec<&Run>> = HashMap::new();
    // The run of a step has the slot of the run above it.
    for run in facts.runs.values().filter(|it| it.parent_id.is_none()) {
        if let (Some(schedule), Some(slot)) = (&run.schedule_id, &run.slot) {
            started.entry((schedule, slot)).or_default().push(run);
        }
    }
    let mut violations = Vec::new();
    for slot in &facts.schedule_slots {
        let key = (slot.schedule_id.as_str(), slot.slot.as_str());
        let runs = started.remove(&key).unwrap_or_default();
        let ids: Vec<_> = runs.iter().map(|it| &it.id).collect();
        let expected: Vec<_> = slot.run_id.iter().collect();
        if ids != expected {
            violations.push(format!("I3: {slot:?} has the runs {ids:?}"));
        }
    }
    violations.extend(
        started
            .into_iter()
            .map(|(key, runs)| format!("I6: slot {key:?} has {} runs and no row", runs.len())),
    );
    violations
}
