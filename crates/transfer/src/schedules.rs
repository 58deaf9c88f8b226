//! When a pipeline ran where it comes from.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::read::{Error, Source};
use crate::xml::{Id, Tree};

/// Schedules of a pipeline, at most.
const MAX_SCHEDULES: usize = 200;
/// Predecessors of a schedule, at most.
const MAX_AFTER: usize = 100;
/// Priorities by their numbers.
const PRIORITIES: [&str; 4] = ["IGNORE", "LOWEST", "MEDIUM", "HIGHEST"];

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// For people; may be empty.
    pub description: String,
    /// Whether it is on.
    pub enabled: bool,
    /// What sets it off.
    pub trigger: Trigger,
    /// Whether it runs no more than once.
    pub just_once: bool,
    /// 0 (ignore) to 3 (highest).
    pub priority: Option<u32>,
    /// How many minutes late it may run; without it, however late.
    pub tolerance_minutes: Option<i64>,
}

/// What sets a schedule off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The clock.
    Time {
        /// The first time, in Unix milliseconds.
        first_ms: Option<i64>,
        /// How many units lie between two times.
        period: Option<i64>,
        /// `MINUTE`, `HOUR`, `DAY`, `WEEK`, `MONTH` or `YEAR`; may be empty.
        unit: String,
    },
    /// Other pipelines that have ended, by name.
    After(Vec<String>),
}

/// Reads `schedule.xml`.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Schedule>, Error> {
    let tree = Tree::of(bytes)?;
    let source = Source::new(&tree);
    let items = source.list("the list of schedules")?;
    if items.len() > MAX_SCHEDULES {
        return Err(Error::Wrong(format!(
            "there are more than {MAX_SCHEDULES} schedules"
        )));
    }
    let items = items.iter().map(|at| schedule(&source, tree.body(*at)?));
    items.collect()
}

fn schedule(source: &Source<'_>, at: Id) -> Result<Schedule, Error> {
    let kind = source.word(at, "type")?;
    let trigger = match kind {
        "AFTER_PIPELINE" => Trigger::After(after(source, at)?),
        "PERIODICALLY" | "" => Trigger::Time {
            first_ms: time(source, at, "firstExecution")?,
            period: number(source, at, "period")?,
            unit: source.word(at, "periodUnit")?.chars().take(16).collect(),
        },
        _ => {
            let kind: String = kind.chars().take(80).collect();
            return Err(Error::Wrong(format!(
                "a schedule can't be of the type \"{kind}\""
            )));
        }
    };
    let tolerance = number(source, at, "strictToleranceMinutes")?.unwrap_or_default();
    Ok(Schedule {
        description: source.text_or_empty(at, "description")?,
        enabled: source.flag(at, "enabled")?,
        trigger,
        just_once: source.flag(at, "justOnce")?,
        priority: priority(source, at)?,
        tolerance_minutes: source.flag(at, "strictlyTimed")?.then_some(tolerance),
    })
}

fn after(source: &Source<'_>, at: Id) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for pipeline in source.items(at, "afterPipelines")?.iter().take(MAX_AFTER) {
        names.extend(source.text(source.tree.body(*pipeline)?, "name")?);
    }
    Ok(names)
}

/// A priority by its number or its name.
fn priority(source: &Source<'_>, at: Id) -> Result<Option<u32>, Error> {
    let word = source.word(at, "priority")?;
    let named = PRIORITIES.iter().position(|it| *it == word);
    let priority = named.or_else(|| word.parse().ok());
    let priority = priority.filter(|it| *it < PRIORITIES.len());
    if priority.is_none() && !word.is_empty() {
        return Err(Error::Wrong("priority is none from 0 to 3".into()));
    }
    Ok(priority.and_then(|it| u32::try_from(it).ok()))
}

fn number(source: &Source<'_>, at: Id, name: &'static str) -> Result<Option<i64>, Error> {
    let word = source.word(at, name)?;
    if word.is_empty() {
        return Ok(None);
    }
    let number = word.parse();
    let number = number.map_err(|_| Error::Wrong(format!("{name} is no number")))?;
    Ok(Some(number))
}

/// A time as `2014-06-20 12:46:09.0 UTC`.
fn time(source: &Source<'_>, at: Id, name: &'static str) -> Result<Option<i64>, Error> {
    let word = source.word(at, name)?;
    if word.is_empty() {
        return Ok(None);
    }
    let time = instant(word).ok_or_else(|| Error::Wrong(format!("{name} is no time")))?;
    Ok(Some(time))
}

fn instant(text: &str) -> Option<i64> {
    let (civil, zone) = text.rsplit_once(' ')?;
    let zone = match zone {
        "UTC" | "GMT" | "Z" => TimeZone::UTC,
        _ => TimeZone::get(zone).ok()?,
    };
    let civil: DateTime = strtime::parse("%Y-%m-%d %H:%M:%S%.f", civil)
        .and_then(|it| it.to_datetime())
        .ok()?;
    let at = zone.to_ambiguous_zoned(civil).compatible().ok()?;
    Some(at.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sorts_of_schedules_are_read() {
        let list = "<list><cz.Schedule><description>d</description><enabled>true</enabled>\
            <firstExecution>2014-06-20 12:46:09.0 UTC</firstExecution><justOnce>false</justOnce><period>2</period>\
            <periodUnit>DAY</periodUnit><priority>1</priority><strictToleranceMinutes>5</strictToleranceMinutes>\
            <strictlyTimed>true</strictlyTimed><type>PERIODICALLY</type></cz.Schedule>\
            <cz.Schedule><afterPipelines class=\"x\"><cz.Pipeline><name>first</name></cz.Pipeline>\
            <cz.Pipeline reference=\"../cz.Pipeline\"/></afterPipelines><type>AFTER_PIPELINE</type></cz.Schedule></list>";
        let read = read(list.as_bytes()).unwrap();
        let time = Trigger::Time {
            first_ms: Some(1_403_268_369_000),
            period: Some(2),
            unit: "DAY".into(),
        };
        assert_eq!((&read[0].trigger, read[0].enabled), (&time, true));
        assert_eq!(
            (read[0].priority, read[0].tolerance_minutes),
            (Some(1), Some(5))
        );
        assert_eq!(
            read[1].trigger,
            Trigger::After(vec!["first".into(), "first".into()])
        );
        assert_eq!((read[1].enabled, read[1].tolerance_minutes), (false, None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (inside, expected) in [
            ("<type>HOURLY</type>", "of the type \"HOURLY\""),
            ("<period>x</period>", "period is no number"),
            ("<priority>4</priority>", "none from 0 to 3"),
            (
                "<firstExecution>tomorrow</firstExecution>",
                "firstExecution is no time",
            ),
            (
                "<firstExecution>2014-06-20 12:46:09.0 Nowhere</firstExecution>",
                "is no time",
            ),
        ] {
            let list = format!("<list><cz.Schedule>{inside}</cz.Schedule></list>");
            let error = read(list.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(read(b"<schedules/>").is_err());
    }
}
