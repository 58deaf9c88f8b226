//! Between schedules' rows and the plain types of the rules.

use std::collections::{BTreeMap, HashMap};

use contracts::message::{Actor, Caller, SlotSkipped};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::calendar::{Fold, Gap, Period, Unit, zone};
use crate::entity::{schedule, slot};
use crate::schedule::{CatchUp, Kind, Overlap, Times};

/// When a schedule is due, as its row says.
pub(crate) fn times(row: &schedule::Model) -> Result<Times, Error> {
    let unit = row.period_unit.as_deref();
    let unit: Option<Unit> = unit.map(str::parse).transpose()?;
    let period = match (row.period, unit) {
        (Some(every), Some(unit)) => Some(Period::new(every, unit)?),
        _ => None,
    };
    Ok(Times {
        kind: kind(row)?,
        first_ms: row.first_at_ms,
        last_ms: row.last_at_ms,
        just_once: row.just_once,
        period,
        cron: row.cron.clone(),
        zone: zone(&row.zone)?,
        gap: row.gap.as_deref().and_then(gap_of),
        fold: row.fold.as_deref().and_then(fold_of),
        catch_up: CatchUp {
            window_ms: row.catch_up_ms,
            all: row.catch_up_all,
        },
    })
}

pub(crate) fn kind(row: &schedule::Model) -> Result<Kind, Error> {
    Kind::of(&row.kind).ok_or_else(|| unreadable(row, &row.kind))
}

pub(crate) fn overlap(row: &schedule::Model) -> Result<Overlap, Error> {
    Overlap::of(&row.overlap).ok_or_else(|| unreadable(row, &row.overlap))
}

fn unreadable(row: &schedule::Model, what: &str) -> Error {
    Error::Row(format!("schedule {} has \"{what}\"", row.id))
}

/// The name of a gap's policy in a row.
pub(crate) fn gap_name(gap: Gap) -> &'static str {
    match gap {
        Gap::Shift => "shift",
        Gap::Skip => "skip",
    }
}

/// The policy of a name.
pub(crate) fn gap_of(name: &str) -> Option<Gap> {
    [Gap::Shift, Gap::Skip]
        .into_iter()
        .find(|it| gap_name(*it) == name)
}

/// The name of a fold's policy in a row.
pub(crate) fn fold_name(fold: Fold) -> &'static str {
    match fold {
        Fold::First => "first",
        Fold::Last => "last",
        Fold::Both => "both",
    }
}

/// The policy of a name.
pub(crate) fn fold_of(name: &str) -> Option<Fold> {
    [Fold::First, Fold::Last, Fold::Both]
        .into_iter()
        .find(|it| fold_name(*it) == name)
}

/// For whom a schedule's runs are started, with what judges them.
pub(crate) fn caller(row: &schedule::Model) -> Result<Caller, Error> {
    from_json(&row.caller)
}

/// Who paused it.
pub(crate) fn paused_by(row: &schedule::Model) -> Result<Option<Actor>, Error> {
    row.paused_by.as_deref().map(from_json).transpose()
}

/// What its runs are given.
pub(crate) fn parameters(row: &schedule::Model) -> Result<HashMap<String, String>, Error> {
    from_json(&row.parameters)
}

/// The name of a slot in its schedule.
pub(crate) fn slot_name(slot_ms: i64, revision: i32) -> String {
    if revision == 0 {
        slot_ms.to_string()
    } else {
        format!("{slot_ms}.{revision}")
    }
}

/// What is told of a slot that was skipped.
pub(crate) fn skipped(row: &slot::Model, at_ms: i64) -> SlotSkipped {
    SlotSkipped {
        schedule_id: row.schedule_id.clone(),
        pipeline_id: row.pipeline_id.clone(),
        slot_ms: row.slot_ms,
        until_ms: row.until_ms,
        count: row.count.cast_unsigned(),
        reason: row.reason.clone().unwrap_or_default(),
        message: row.message.clone(),
        at_ms,
    }
}

/// What of a schedule a record of an edit shows.
pub(crate) fn shown(row: &schedule::Model, predecessors: &[String]) -> String {
    let mut shown: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
    shown.insert("pipelineId", row.pipeline_id.as_str().into());
    shown.insert("kind", row.kind.as_str().into());
    shown.insert("description", row.description.as_str().into());
    shown.insert("enabled", row.enabled.into());
    shown.insert("pauseNote", row.pause_note.clone().into());
    shown.insert("firstMs", row.first_at_ms.into());
    shown.insert("lastMs", row.last_at_ms.into());
    shown.insert("justOnce", row.just_once.into());
    shown.insert("period", row.period.into());
    shown.insert("periodUnit", row.period_unit.clone().into());
    shown.insert("cron", row.cron.clone().into());
    shown.insert("zone", row.zone.as_str().into());
    shown.insert("gap", row.gap.clone().into());
    shown.insert("fold", row.fold.clone().into());
    shown.insert("afterPipelines", predecessors.into());
    shown.insert("afterAnyStart", row.after_any_start.into());
    shown.insert("overlap", row.overlap.as_str().into());
    shown.insert("catchUpMs", row.catch_up_ms.into());
    shown.insert("catchUpAll", row.catch_up_all.into());
    shown.insert("jitterMs", row.jitter_ms.into());
    shown.insert("priority", row.priority.into());
    to_json(&shown)
}

/// The JSON of a value that always has one.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Row(error.to_string()))
}
