//! What is said of a schedule, as its row holds it.

use std::collections::HashMap;

use contracts::message::{Actor, Caller};
use contracts::pipeline::permit_request::Right;
use contracts::scheduler::{
    FoldPolicy, GapPolicy, OverlapPolicy, PeriodUnit, Priority, ScheduleKind, ScheduleSpec,
};
use sea_orm::ActiveValue::NotSet;
use sea_orm::{ActiveModelTrait as _, IntoActiveModel as _};

use crate::Error;
use crate::calendar::{Calendar, Fault, Fold, Gap, Unit};
use crate::entity::schedule;
use crate::record::{self, fold_name, gap_name, to_json};
use crate::schedule::{Kind, Overlap};

/// Characters of a description, of a note and of whom a run is started on behalf of.
const LONGEST_DESCRIPTION: usize = 10_000;
const LONGEST_NOTE: usize = 1000;
const LONGEST_NAME: usize = 256;
/// Pipelines that a schedule may follow.
const MOST_FOLLOWED: usize = 100;
/// Bytes of the parameters of a schedule's runs as JSON.
const MOST_PARAMETERS: usize = 64 * 1024;
/// The longest jitter and the longest window, in milliseconds.
const LONGEST_JITTER_MS: i64 = 24 * 60 * 60 * 1000;
const LONGEST_WINDOW_MS: i64 = 400 * LONGEST_JITTER_MS;

/// Who asks.
pub(super) fn caller(told: Option<Caller>) -> Result<Caller, Error> {
    let told = told.filter(|it| !it.account.is_empty() && it.actor.is_some());
    told.ok_or_else(|| invalid("a call must say who calls"))
}

/// For whom runs are started: the owner, judged by the caller's rights.
pub(super) fn kept_caller(caller: &Caller, owner: Option<Actor>) -> String {
    let owner = owner.filter(|it| !it.user_id.is_empty());
    to_json(&Caller {
        actor: owner.or_else(|| caller.actor.clone()),
        r#use: None,
        ..caller.clone()
    })
}

/// A schedule as it is made, but for its id, its pipeline and for whom it is.
pub(super) fn schedule(spec: ScheduleSpec, now_ms: i64) -> Result<schedule::Model, Error> {
    let kind = match spec.kind() {
        ScheduleKind::Unspecified => return Err(invalid("say the kind of the schedule")),
        ScheduleKind::Periodic => Kind::Periodic,
        ScheduleKind::Cron => Kind::Cron,
        ScheduleKind::After => Kind::After,
    };
    let usual = if kind == Kind::After {
        Overlap::Queue
    } else {
        Overlap::Skip
    };
    let overlap = overlap(spec.overlap)?.unwrap_or(usual);
    let zone = Some(spec.zone).filter(|it| !it.is_empty());
    let mut row = schedule::Model {
        kind: kind.name().to_owned(),
        description: description(spec.description)?,
        enabled: spec.enabled,
        first_at_ms: spec.first_ms,
        last_at_ms: spec.last_ms,
        just_once: spec.just_once,
        period: spec.period,
        period_unit: unit(spec.period_unit)?,
        cron: Some(spec.cron).filter(|it| !it.is_empty()),
        zone: zone.unwrap_or_else(|| "UTC".into()),
        gap: gap(spec.gap)?,
        fold: fold(spec.fold)?,
        overlap: overlap.name().to_owned(),
        catch_up_ms: spec.catch_up_ms,
        catch_up_all: spec.catch_up_all,
        jitter_ms: spec.jitter_ms,
        after_any_start: spec.after_any_start,
        priority: priority(spec.priority)?,
        parameters: parameters(spec.parameters)?,
        on_behalf_of: bounded("name", spec.on_behalf_of, LONGEST_NAME)?,
        follows_since_ms: now_ms,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        ..blank()
    };
    check(&row, now_ms)?;
    if row.enabled {
        row.next_at_ms = record::times(&row)?.next(now_ms)?;
    }
    Ok(row)
}

/// Refuses a schedule whose times can't be what they are.
pub(super) fn check(row: &schedule::Model, now_ms: i64) -> Result<(), Error> {
    if row.period.is_some() != row.period_unit.is_some() {
        return Err(invalid("a period needs its unit, and the other way round"));
    }
    within("jitter", row.jitter_ms, LONGEST_JITTER_MS)?;
    within(
        "catch-up window",
        row.catch_up_ms.unwrap_or(0),
        LONGEST_WINDOW_MS,
    )?;
    let calendar = record::times(row)?.calendar()?;
    if let Calendar::Cron(_) = calendar
        && calendar.after(now_ms).is_none()
    {
        return Err(Fault::Never(row.cron.clone().unwrap_or_default()).into());
    }
    Ok(())
}

/// What the caller must be allowed for a schedule with this policy.
pub(super) fn right(overlap: Overlap) -> Right {
    match overlap {
        Overlap::Cancel => Right::RunAndStop,
        Overlap::Skip | Overlap::Queue | Overlap::Wait => Right::Run,
    }
}

/// The policy of a number on the wire, if one is said.
pub(super) fn overlap(number: i32) -> Result<Option<Overlap>, Error> {
    Ok(match known(OverlapPolicy::try_from(number))? {
        OverlapPolicy::Unspecified => None,
        OverlapPolicy::Skip => Some(Overlap::Skip),
        OverlapPolicy::Queue => Some(Overlap::Queue),
        OverlapPolicy::CancelOther => Some(Overlap::Cancel),
        OverlapPolicy::Wait => Some(Overlap::Wait),
    })
}

pub(super) fn gap(number: i32) -> Result<Option<String>, Error> {
    let gap = match known(GapPolicy::try_from(number))? {
        GapPolicy::Unspecified => return Ok(None),
        GapPolicy::Shift => Gap::Shift,
        GapPolicy::Skip => Gap::Skip,
    };
    Ok(Some(gap_name(gap).to_owned()))
}

pub(super) fn fold(number: i32) -> Result<Option<String>, Error> {
    let fold = match known(FoldPolicy::try_from(number))? {
        FoldPolicy::Unspecified => return Ok(None),
        FoldPolicy::First => Fold::First,
        FoldPolicy::Last => Fold::Last,
        FoldPolicy::Both => Fold::Both,
    };
    Ok(Some(fold_name(fold).to_owned()))
}

pub(super) fn unit(number: i32) -> Result<Option<String>, Error> {
    let unit = match known(PeriodUnit::try_from(number))? {
        PeriodUnit::Unspecified => return Ok(None),
        PeriodUnit::Minute => Unit::Minute,
        PeriodUnit::Hour => Unit::Hour,
        PeriodUnit::Day => Unit::Day,
        PeriodUnit::Week => Unit::Week,
        PeriodUnit::Month => Unit::Month,
        PeriodUnit::Year => Unit::Year,
    };
    Ok(Some(unit.to_string()))
}

pub(super) fn priority(priority: Option<Priority>) -> Result<Option<i32>, Error> {
    let Some(Priority { value }) = priority else {
        return Ok(None);
    };
    let wrong = || invalid("a priority is 0 (IGNORE), 1 (LOWEST), 2 (MEDIUM) or 3 (HIGHEST)");
    let value = i32::try_from(value).ok().filter(|it| *it <= 3);
    value.map(Some).ok_or_else(wrong)
}

pub(super) fn parameters(given: HashMap<String, String>) -> Result<String, Error> {
    let ordered: std::collections::BTreeMap<_, _> = given.into_iter().collect();
    let text = to_json(&ordered);
    // An escaped one would be refused by a store of Postgres.
    if ordered
        .iter()
        .any(|(name, it)| name.contains('\0') || it.contains('\0'))
    {
        return Err(invalid("the parameters hold U+0000: leave it out"));
    }
    if text.len() > MOST_PARAMETERS {
        return Err(invalid("the parameters have more than 64 KiB as JSON"));
    }
    Ok(text)
}

pub(super) fn description(text: String) -> Result<String, Error> {
    bounded("description", text, LONGEST_DESCRIPTION)
}

pub(super) fn note(text: String) -> Result<String, Error> {
    bounded("note", text, LONGEST_NOTE)
}

/// Refuses more pipelines than a schedule may follow.
pub(super) fn at_most_followed(count: usize) -> Result<(), Error> {
    if count <= MOST_FOLLOWED {
        return Ok(());
    }
    let text = format!("a schedule follows up to {MOST_FOLLOWED} pipelines, not {count}");
    Err(Error::Invalid(text))
}

/// The number of a cursor.
pub(super) fn cursor(text: &str) -> Result<Option<i64>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| invalid("the cursor is not one of an earlier answer");
    text.parse().map(Some).map_err(wrong)
}

/// The row to insert for a schedule.
pub(super) fn new_row(row: schedule::Model) -> schedule::ActiveModel {
    schedule::ActiveModel {
        number: NotSet,
        ..row.into_active_model().reset_all()
    }
}

fn bounded(what: &str, text: String, most: usize) -> Result<String, Error> {
    if text.contains('\0') {
        return Err(Error::Invalid(format!(
            "the {what} holds U+0000: leave it out"
        )));
    }
    if text.chars().count() > most {
        let text = format!("the {what} is longer than {most} characters");
        return Err(Error::Invalid(text));
    }
    Ok(text)
}

fn within(what: &str, value_ms: i64, most_ms: i64) -> Result<(), Error> {
    if (0..=most_ms).contains(&value_ms) {
        return Ok(());
    }
    let text = format!("the {what} of {value_ms} ms is not between 0 and {most_ms} ms");
    Err(Error::Invalid(text))
}

fn known<T, E>(read: Result<T, E>) -> Result<T, Error> {
    read.map_err(|_| invalid("a number stands for nothing that this version knows"))
}

fn invalid(text: &str) -> Error {
    Error::Invalid(text.into())
}

fn blank() -> schedule::Model {
    schedule::Model {
        number: 0,
        id: String::new(),
        account: String::new(),
        pipeline_id: String::new(),
        kind: String::new(),
        description: String::new(),
        enabled: false,
        pause_note: None,
        paused_by: None,
        paused_at_ms: None,
        first_at_ms: None,
        last_at_ms: None,
        next_at_ms: None,
        due_at_ms: None,
        just_once: false,
        period: None,
        period_unit: None,
        cron: None,
        zone: String::new(),
        gap: None,
        fold: None,
        overlap: String::new(),
        catch_up_ms: None,
        catch_up_all: false,
        jitter_ms: 0,
        after_any_start: false,
        priority: None,
        parameters: String::new(),
        caller: String::new(),
        on_behalf_of: String::new(),
        revision: 0,
        follows_since_ms: 0,
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}
