//! What a body says of a schedule.

use contracts::scheduler::{
    Names, Priority, ScheduleKind, ScheduleSpec, UpdateScheduleRequest, Values,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::body::Content;
use crate::problem::Problem;
use crate::start;
use crate::v2::schedule_view::{Fold, Gap, Overlap, Unit};

/// How late a slot may fire unless said: an outage of a night is not made up for in the morning.
const USUAL_CATCH_UP_MS: i64 = 60 * 60 * 1000;

/// A schedule to be made. It says one of `cron`, `period` (with its unit and its first time), `at` and `after`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Spec {
    /// 24-hex id, number or name of the pipeline that is to run.
    pub(super) pipeline: String,
    description: String,
    /// True unless said.
    enabled: Option<bool>,
    /// Five fields, or six with seconds.
    cron: Option<String>,
    /// Every so many `periodUnit`, from `first` on.
    period: Option<i64>,
    period_unit: Option<Unit>,
    /// The first slot of a period; of cron: not before. RFC 3339.
    first: Option<String>,
    /// Once, then. RFC 3339.
    at: Option<String>,
    /// Whenever a run of one of these pipelines succeeded or warned.
    after: Vec<String>,
    /// Also runs that no schedule started.
    after_any_start: bool,
    /// IANA name of the time zone; UTC unless said.
    zone: String,
    /// `shift` unless said.
    gap: Option<Gap>,
    /// `first` for a pattern with single times of a day, `both` for intervals, unless said.
    fold: Option<Fold>,
    /// `skip` unless said, `queue` after runs.
    overlap: Option<Overlap>,
    /// How late a slot may fire that nothing could fire in its time, in milliseconds; an hour unless
    /// said, below 0 as late as can be.
    catch_up_ms: Option<i64>,
    /// Fire all of them instead of the latest.
    catch_up_all: bool,
    /// Slots are due up to so much later, in milliseconds; up to a day.
    jitter_ms: i64,
    /// UnifiedViews' priority: 0 (IGNORE) to 3 (HIGHEST).
    priority: Option<u32>,
    /// What its runs are given; what is not a string is taken as its JSON text.
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
}

/// What changes of a schedule.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Changes {
    description: Option<String>,
    enabled: Option<bool>,
    cron: Option<String>,
    /// With its unit.
    period: Option<i64>,
    period_unit: Option<Unit>,
    /// RFC 3339.
    first: Option<String>,
    /// Replaces the pipelines that it follows.
    after: Option<Vec<String>>,
    after_any_start: Option<bool>,
    zone: Option<String>,
    gap: Option<Gap>,
    fold: Option<Fold>,
    overlap: Option<Overlap>,
    /// Below 0: as late as can be.
    catch_up_ms: Option<i64>,
    catch_up_all: Option<bool>,
    jitter_ms: Option<i64>,
    priority: Option<u32>,
    /// Replaces them.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Map<String, Value>>,
}

impl Spec {
    pub(super) fn on_wire(self) -> Result<ScheduleSpec, Problem> {
        let kind = self.kind()?;
        let is_once = self.at.is_some();
        let catch_up_ms = self.catch_up_ms.unwrap_or(USUAL_CATCH_UP_MS);
        let first_ms = match self.at {
            Some(_) => time("at", self.at)?,
            None => time("first", self.first)?,
        };
        Ok(ScheduleSpec {
            kind: kind.into(),
            description: self.description,
            enabled: self.enabled.unwrap_or(true),
            first_ms,
            just_once: is_once,
            period: self.period,
            period_unit: self.period_unit.map(Unit::on_wire).unwrap_or_default(),
            cron: self.cron.unwrap_or_default(),
            zone: self.zone,
            gap: self.gap.map(Gap::on_wire).unwrap_or_default(),
            fold: self.fold.map(Fold::on_wire).unwrap_or_default(),
            after_pipelines: self.after,
            after_any_start: self.after_any_start,
            overlap: self.overlap.map(Overlap::on_wire).unwrap_or_default(),
            catch_up_ms: Some(catch_up_ms).filter(|it| *it >= 0),
            catch_up_all: self.catch_up_all,
            jitter_ms: self.jitter_ms,
            priority: self.priority.map(|value| Priority { value }),
            parameters: start::parameters(self.parameters)?,
            ..ScheduleSpec::default()
        })
    }

    fn kind(&self) -> Result<ScheduleKind, Problem> {
        let said = [
            (self.cron.is_some(), ScheduleKind::Cron),
            (self.period.is_some(), ScheduleKind::Periodic),
            (self.at.is_some(), ScheduleKind::Periodic),
            (!self.after.is_empty(), ScheduleKind::After),
        ];
        let mut kinds = said.into_iter().filter(|(is_said, _)| *is_said);
        match (kinds.next(), kinds.next()) {
            (Some((_, kind)), None) => {
                if self.period.is_some() && self.first.is_none() {
                    return Err(Problem::invalid("first: say when the first period begins"));
                }
                Ok(kind)
            }
            (None, _) => Err(Problem::invalid(
                "say when it is due: one of `cron`, `period` with `first`, `at`, or `after`",
            )),
            (Some(_), Some(_)) => Err(Problem::invalid(
                "say only one of `cron`, `period`, `at` and `after`: make a schedule of each",
            )),
        }
    }
}

impl Changes {
    pub(super) fn on_wire(self) -> Result<UpdateScheduleRequest, Problem> {
        let parameters = self.parameters.map(start::parameters).transpose()?;
        Ok(UpdateScheduleRequest {
            description: self.description,
            enabled: self.enabled,
            first_ms: time("first", self.first)?,
            period: self.period,
            period_unit: self.period_unit.map(Unit::on_wire),
            cron: self.cron,
            zone: self.zone,
            gap: self.gap.map(Gap::on_wire),
            fold: self.fold.map(Fold::on_wire),
            after_pipelines: self.after.map(|names| Names { names }),
            after_any_start: self.after_any_start,
            overlap: self.overlap.map(Overlap::on_wire),
            catch_up_ms: self.catch_up_ms,
            catch_up_all: self.catch_up_all,
            jitter_ms: self.jitter_ms,
            priority: self.priority.map(|value| Priority { value }),
            parameters: parameters.map(|values| Values { values }),
            ..UpdateScheduleRequest::default()
        })
    }
}

/// Reads a body in JSON or YAML.
pub(super) fn said<T: DeserializeOwned>(content: &Content) -> Result<T, Problem> {
    if !content.media_type.ends_with("yaml") {
        return content.json();
    }
    let text = std::str::from_utf8(&content.bytes)
        .map_err(|_| Problem::invalid("the body is not UTF-8 text"))?;
    let wrong = |why: String| Problem::invalid(format!("the body can't be used: {why}"));
    let value = steps::json_of(text).map_err(|fault| wrong(fault.to_string()))?;
    T::deserialize(value).map_err(|error| wrong(error.to_string()))
}

/// The milliseconds of a time that a field says.
pub(super) fn time(field: &str, text: Option<String>) -> Result<Option<i64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let wrong = |_| {
        let text: String = text.chars().take(64).collect();
        let like = "2030-01-31T12:00:00Z";
        Problem::invalid(format!("{field}: \"{text}\" is not a time like {like}"))
    };
    let read: Timestamp = text.parse().map_err(wrong)?;
    Ok(Some(read.as_millisecond()))
}
