//! Schedules and slots as they are answered.

use contracts::pipeline::Permitted;
use contracts::scheduler::{
    self as wire, FoldPolicy, GapPolicy, OverlapPolicy, PeriodUnit, Predecessor, Priority,
    ScheduleKind, ScheduleSpec, SkipReason,
};

use super::Visible;
use crate::Error;
use crate::calendar::{Fold, Gap, Unit};
use crate::entity::{schedule, slot};
use crate::record;
use crate::schedule::{Kind, Overlap, Reason, SlotState};

/// A schedule with its pipeline, the pipelines that it follows, and its latest slot.
pub(super) fn schedule(
    row: &schedule::Model,
    pipeline: &Permitted,
    (predecessors, visible): (Vec<String>, &Visible),
    latest: Option<slot::Model>,
) -> Result<wire::Schedule, Error> {
    let waiting = SlotState::Waiting.name();
    let waits = latest.as_ref().is_some_and(|it| it.state == waiting);
    Ok(wire::Schedule {
        id: row.id.clone(),
        number: row.number,
        pipeline_id: row.pipeline_id.clone(),
        pipeline_number: pipeline.number,
        pipeline_name: pipeline.name.clone(),
        account: row.account.clone(),
        owner: record::caller(row)?.actor,
        next_ms: row.next_at_ms.filter(|_| row.enabled),
        waits,
        pause_note: row.pause_note.clone().unwrap_or_default(),
        paused_by: record::paused_by(row)?,
        paused_at_ms: row.paused_at_ms.unwrap_or_default(),
        created_at_ms: row.created_at_ms,
        updated_at_ms: row.updated_at_ms,
        predecessors: predecessors
            .iter()
            .map(|id| predecessor(id, visible))
            .collect(),
        spec: Some(spec(row, predecessors)?),
        latest_slot: latest.map(slot),
    })
}

fn predecessor(id: &str, visible: &Visible) -> Predecessor {
    let known = visible.get(id);
    Predecessor {
        id: id.to_owned(),
        number: known.map(|it| it.number).unwrap_or_default(),
        name: known.map(|it| it.name.clone()).unwrap_or_default(),
    }
}

fn spec(row: &schedule::Model, predecessors: Vec<String>) -> Result<ScheduleSpec, Error> {
    let kind = match record::kind(row)? {
        Kind::Periodic => ScheduleKind::Periodic,
        Kind::Cron => ScheduleKind::Cron,
        Kind::After => ScheduleKind::After,
    };
    let overlap = match record::overlap(row)? {
        Overlap::Skip => OverlapPolicy::Skip,
        Overlap::Queue => OverlapPolicy::Queue,
        Overlap::Cancel => OverlapPolicy::CancelOther,
        Overlap::Wait => OverlapPolicy::Wait,
    };
    let priority = row.priority.and_then(|it| u32::try_from(it).ok());
    Ok(ScheduleSpec {
        kind: kind.into(),
        description: row.description.clone(),
        enabled: row.enabled,
        first_ms: row.first_at_ms,
        last_ms: row.last_at_ms,
        just_once: row.just_once,
        period: row.period,
        period_unit: unit(row.period_unit.as_deref()).into(),
        cron: row.cron.clone().unwrap_or_default(),
        zone: row.zone.clone(),
        gap: gap(row.gap.as_deref()).into(),
        fold: fold(row.fold.as_deref()).into(),
        after_pipelines: predecessors,
        after_any_start: row.after_any_start,
        overlap: overlap.into(),
        catch_up_ms: row.catch_up_ms,
        catch_up_all: row.catch_up_all,
        jitter_ms: row.jitter_ms,
        priority: priority.map(|value| Priority { value }),
        parameters: record::parameters(row)?,
        on_behalf_of: row.on_behalf_of.clone(),
    })
}

fn unit(name: Option<&str>) -> PeriodUnit {
    match name.and_then(|it| it.parse().ok()) {
        None => PeriodUnit::Unspecified,
        Some(Unit::Minute) => PeriodUnit::Minute,
        Some(Unit::Hour) => PeriodUnit::Hour,
        Some(Unit::Day) => PeriodUnit::Day,
        Some(Unit::Week) => PeriodUnit::Week,
        Some(Unit::Month) => PeriodUnit::Month,
        Some(Unit::Year) => PeriodUnit::Year,
    }
}

fn gap(name: Option<&str>) -> GapPolicy {
    match name.and_then(record::gap_of) {
        None => GapPolicy::Unspecified,
        Some(Gap::Shift) => GapPolicy::Shift,
        Some(Gap::Skip) => GapPolicy::Skip,
    }
}

fn fold(name: Option<&str>) -> FoldPolicy {
    match name.and_then(record::fold_of) {
        None => FoldPolicy::Unspecified,
        Some(Fold::First) => FoldPolicy::First,
        Some(Fold::Last) => FoldPolicy::Last,
        Some(Fold::Both) => FoldPolicy::Both,
    }
}

/// What became of a slot.
pub(super) fn slot(row: slot::Model) -> wire::Slot {
    let state = match SlotState::of(&row.state) {
        None => wire::SlotState::Unspecified,
        Some(SlotState::Firing) => wire::SlotState::Firing,
        Some(SlotState::Waiting) => wire::SlotState::Waiting,
        Some(SlotState::Fired) => wire::SlotState::Fired,
        Some(SlotState::Late) => wire::SlotState::Late,
        Some(SlotState::Skipped) => wire::SlotState::Skipped,
    };
    let reason = match row.reason.as_deref().and_then(Reason::of) {
        None => SkipReason::Unspecified,
        Some(Reason::Missed) => SkipReason::Missed,
        Some(Reason::Overlap) => SkipReason::Overlap,
        Some(Reason::Paused) => SkipReason::Paused,
        Some(Reason::Refused) => SkipReason::Refused,
        Some(Reason::Cycle) => SkipReason::Cycle,
        Some(Reason::TooLong) => SkipReason::TooLong,
        Some(Reason::NoStep) => SkipReason::NoStep,
        Some(Reason::Removed) => SkipReason::Removed,
    };
    wire::Slot {
        slot_ms: row.slot_ms,
        until_ms: row.until_ms,
        count: row.count.cast_unsigned(),
        state: state.into(),
        reason: reason.into(),
        message: row.message,
        late_ms: row.late_ms,
        settled_at_ms: row.settled_at_ms.unwrap_or_default(),
        run_id: row.run_id.unwrap_or_default(),
        run_count: row.run_count.unwrap_or_default(),
        upstream_run_id: row.upstream_run_id.unwrap_or_default(),
    }
}
