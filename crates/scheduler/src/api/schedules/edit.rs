//! What a change does to a schedule's row. Pure: the caller supplies the row, locked, and the time.

use contracts::message::Actor;
use contracts::scheduler::UpdateScheduleRequest;

use super::parse;
use crate::Error;
use crate::entity::schedule;
use crate::record::{self, to_json};
use crate::schedule::{Kind, Overlap, Reason};
use crate::store::{Edited, due_ms, new_slot, passed_over, skipped_slot};

/// Changes what is said, and makes the next slot anew where that concerns it.
pub(super) fn update(
    row: &mut schedule::Model,
    said: UpdateScheduleRequest,
    now_ms: i64,
) -> Result<Edited, Error> {
    let before = row.clone();
    take_over(row, said)?;
    parse::check(row, now_ms)?;
    let enabled = row.enabled && !before.enabled;
    if row.enabled {
        (row.pause_note, row.paused_by, row.paused_at_ms) = (None, None, None);
    }
    if enabled {
        row.follows_since_ms = now_ms;
    }
    let is_other = other_slots(&before, row) || (enabled && row.just_once);
    if is_other {
        row.revision = row.revision.wrapping_add(1);
    }
    let moved = is_other || before.last_at_ms != row.last_at_ms;
    let moved = moved || before.catch_up_ms != row.catch_up_ms;
    let mut edited = Edited::default();
    if before.enabled && !row.enabled {
        (row.next_at_ms, row.due_at_ms) = (None, None);
        edited.gives_up_waiting = Some("the schedule was disabled");
    } else if enabled || (row.enabled && moved) {
        row.next_at_ms = record::times(row)?.next(now_ms)?;
        row.due_at_ms = due_ms(row, row.next_at_ms);
        edited.gives_up_waiting = Some("the schedule was changed");
    } else if row.due_at_ms.is_some() && before.jitter_ms != row.jitter_ms {
        row.due_at_ms = due_ms(row, row.next_at_ms);
    }
    Ok(edited)
}

/// Whether the slots that a schedule has from its first time on are others.
fn other_slots(before: &schedule::Model, row: &schedule::Model) -> bool {
    let of = |it: &schedule::Model| {
        let clock = (it.zone.clone(), it.gap.clone(), it.fold.clone());
        let period = (it.period, it.period_unit.clone(), it.cron.clone());
        (it.first_at_ms, it.just_once, period, clock)
    };
    of(before) != of(row)
}

fn take_over(row: &mut schedule::Model, said: UpdateScheduleRequest) -> Result<(), Error> {
    if let Some(text) = said.description {
        row.description = parse::description(text)?;
    }
    row.enabled = said.enabled.unwrap_or(row.enabled);
    row.first_at_ms = said.first_ms.or(row.first_at_ms);
    row.last_at_ms = said.last_ms.or(row.last_at_ms);
    row.just_once = said.just_once.unwrap_or(row.just_once);
    if said.period.is_some() != said.period_unit.is_some() {
        let text = "a period needs its unit, and the other way round";
        return Err(Error::Invalid(text.into()));
    }
    if let (Some(period), Some(unit)) = (said.period, said.period_unit) {
        row.period = Some(period);
        row.period_unit = parse::unit(unit)?;
    }
    row.cron = said.cron.or_else(|| row.cron.take());
    if let Some(zone) = said.zone {
        row.zone = zone;
    }
    if let Some(number) = said.gap {
        row.gap = parse::gap(number)?;
    }
    if let Some(number) = said.fold {
        row.fold = parse::fold(number)?;
    }
    row.after_any_start = said.after_any_start.unwrap_or(row.after_any_start);
    if let Some(overlap) = parse::overlap(said.overlap.unwrap_or_default())? {
        overlap.name().clone_into(&mut row.overlap);
    }
    if let Some(window_ms) = said.catch_up_ms {
        row.catch_up_ms = Some(window_ms).filter(|it| *it >= 0);
    }
    row.catch_up_all = said.catch_up_all.unwrap_or(row.catch_up_all);
    row.jitter_ms = said.jitter_ms.unwrap_or(row.jitter_ms);
    if said.priority.is_some() {
        row.priority = parse::priority(said.priority)?;
    }
    if let Some(values) = said.parameters {
        row.parameters = parse::parameters(values.values)?;
    }
    Ok(())
}

/// It isn't due until it is resumed.
pub(super) fn pause(
    row: &mut schedule::Model,
    note: String,
    by: Option<&Actor>,
    now_ms: i64,
) -> Result<Edited, Error> {
    let mut edited = Edited::default();
    if row.enabled {
        let waits = row.due_at_ms.is_none() && record::overlap(row)? == Overlap::Wait;
        if let Some(slot_ms) = row.next_at_ms.filter(|_| waits) {
            // That slot has its row.
            row.next_at_ms = record::times(row)?.calendar()?.after(slot_ms);
            edited.gives_up_waiting = Some("the schedule was paused");
        }
    } else if row.pause_note.as_ref() == Some(&note) {
        return Ok(edited);
    }
    row.enabled = false;
    row.due_at_ms = None;
    row.pause_note = Some(note);
    row.paused_by = by.map(to_json);
    row.paused_at_ms = Some(now_ms);
    Ok(edited)
}

/// It is due again from now on.
pub(super) fn resume(row: &mut schedule::Model, now_ms: i64) -> Result<Edited, Error> {
    let mut edited = Edited::default();
    if row.enabled {
        return Ok(edited);
    }
    let times = record::times(row)?;
    let calendar = times.calendar()?;
    if let Some(first_ms) = row.next_at_ms.filter(|&it| it <= now_ms) {
        let passed = passed_over(&calendar, first_ms, now_ms);
        let note = row.pause_note.clone().unwrap_or_default();
        let why = if note.is_empty() {
            "the schedule was paused".to_owned()
        } else {
            format!("the schedule was paused: {note}")
        };
        let why = (Reason::Paused, why.as_str());
        edited.skipped = Some(new_slot(skipped_slot(row, passed, why, now_ms)));
    }
    row.next_at_ms = times.next_from_now(now_ms)?;
    row.due_at_ms = due_ms(row, row.next_at_ms);
    row.enabled = true;
    row.follows_since_ms = now_ms;
    (row.pause_note, row.paused_by, row.paused_at_ms) = (None, None, None);
    Ok(edited)
}

/// The next slots of a schedule, as if it were enabled.
pub(super) fn preview(
    row: &schedule::Model,
    after_ms: Option<i64>,
    now_ms: i64,
    count: usize,
) -> Result<Vec<i64>, Error> {
    let times = record::times(row)?;
    let calendar = times.calendar()?;
    let first = match (after_ms, row.next_at_ms) {
        (Some(after_ms), _) => calendar.after(after_ms),
        (None, Some(next_ms)) if row.enabled => Some(next_ms),
        (None, _) if times.kind == Kind::After => None,
        (None, _) => times.next_from_now(now_ms)?,
    };
    let all = std::iter::successors(first, |it| calendar.after(*it));
    Ok(all.take(count).collect())
}
