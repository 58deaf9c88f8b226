//! What can be said about schedules.

use clap::{Args, Subcommand, ValueEnum};

use super::runs::key_value;
use super::{List, NAME, With};
use crate::client::help::schedules as help;

/// Commands about schedules.
#[derive(Debug, Subcommand)]
pub enum Schedule {
    /// Let a pipeline run by itself
    #[command(after_help = help::ADD)]
    Add(With<Add>),
    /// List schedules, of all pipelines or of one
    #[command(after_help = help::LIST)]
    List(With<ListOf>),
    /// Show a schedule
    #[command(after_help = help::SHOW)]
    Show(With<One>),
    /// Pause a schedule: it isn't due until it is resumed
    #[command(after_help = help::PAUSE)]
    Pause(With<Pause>),
    /// Resume a paused schedule: it is due again from now on
    #[command(after_help = help::RESUME)]
    Resume(With<One>),
    /// Say when a schedule, or a cron pattern, is due next
    #[command(after_help = help::PREVIEW)]
    Preview(With<Preview>),
    /// List what became of a schedule's slots: fired, late, or skipped and why
    #[command(after_help = help::SLOTS)]
    Slots(With<Slots>),
    /// Delete a schedule; the runs that it started stay
    #[command(after_help = help::DELETE)]
    Delete(With<One>),
}

/// Arguments of `schedule add`.
#[derive(Debug, Args)]
pub struct Add {
    #[arg(value_name = "PIPELINE", help = NAME)]
    pub name: String,
    /// When it is due.
    #[command(flatten)]
    pub when: When,
    /// Also after runs that no schedule started (with --after)
    #[arg(long, requires = "after")]
    pub any_start: bool,
    /// What happens in a slot while a run of the pipeline has not ended
    #[arg(long, value_enum)]
    pub overlap: Option<Overlap>,
    /// How late a slot may fire that nothing could fire in its time: 30m, 2h, 7d [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = length_ms)]
    pub catch_up: Option<i64>,
    /// Fire every slot that was missed within that time instead of the latest
    #[arg(long)]
    pub catch_up_all: bool,
    /// Slots are due up to so much later, always by the same part of it: 30s, 5m
    #[arg(long, value_name = "TIME", value_parser = length_ms)]
    pub jitter: Option<i64>,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true)]
    pub description: String,
    /// A parameter of its runs. May be said several times
    #[arg(long = "parameter", short, value_name = "KEY=VALUE", value_parser = key_value)]
    pub parameters: Vec<(String, String)>,
    /// Add it, but don't let it be due yet
    #[arg(long)]
    pub paused: bool,
}

/// When a schedule is due.
#[derive(Debug, Args)]
pub struct When {
    /// A cron pattern: minute, hour, day of month, month, day of week; perhaps seconds before them
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["every", "at", "after"])]
    pub cron: Option<String>,
    /// A period: "15 minutes", "1 day", "3 months"; needs --first
    #[arg(long, value_name = "N UNIT", value_parser = period, requires = "first",
        conflicts_with_all = ["at", "after"])]
    pub every: Option<(i64, String)>,
    /// When the first period begins; with --cron: not before. Like 2030-01-31T06:00:00+01:00
    #[arg(long, value_name = "TIME")]
    pub first: Option<String>,
    /// Once, at this time
    #[arg(long, value_name = "TIME", conflicts_with = "after")]
    pub at: Option<String>,
    /// Whenever a run of this pipeline succeeded or warned. May be said several times
    #[arg(long, value_name = "PIPELINE")]
    pub after: Vec<String>,
    /// The time zone whose clock counts [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// What becomes of cron slots that the clock leaves out [default: shift]
    #[arg(long, value_enum)]
    pub gap: Option<Gap>,
    /// Which of two counts where the clock shows a cron slot's time twice [default: first for single
    /// times of a day, both for intervals]
    #[arg(long, value_enum)]
    pub fold: Option<Fold>,
}

/// What happens in a slot while a run of the pipeline has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Overlap {
    /// The slot is skipped (unless said, but for --after)
    Skip,
    /// Its run is accepted and waits
    Queue,
    /// The others are cancelled
    CancelOther,
    /// The slot waits, and fires once as soon as none is left
    Wait,
}

/// What becomes of what the clock leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gap {
    /// It comes as much later
    Shift,
    /// There is no slot
    Skip,
}

/// Which of two times that look alike counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fold {
    /// The first
    First,
    /// The last
    Last,
    /// Both
    Both,
}

/// Arguments of `schedule list`.
#[derive(Debug, Args)]
pub struct ListOf {
    /// Only those of this pipeline
    #[arg(value_name = "PIPELINE")]
    pub name: Option<String>,
    /// How many.
    #[command(flatten)]
    pub list: List,
}

/// A schedule.
#[derive(Debug, Args)]
pub struct One {
    /// Number or 24-hex id of the schedule
    #[arg(value_name = "SCHEDULE")]
    pub name: String,
}

/// Arguments of `schedule pause`.
#[derive(Debug, Args)]
pub struct Pause {
    /// Which.
    #[command(flatten)]
    pub schedule: One,
    /// Why, for those who wonder
    #[arg(long, short, default_value = "", hide_default_value = true)]
    pub message: String,
}

/// Arguments of `schedule preview`.
#[derive(Debug, Args)]
pub struct Preview {
    /// Number or 24-hex id of the schedule
    #[arg(value_name = "SCHEDULE", required_unless_present_any = ["cron", "every", "at"])]
    pub name: Option<String>,
    /// Of a schedule that is not there yet.
    #[command(flatten)]
    pub when: When,
    /// At most so many
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub count: u32,
}

/// Arguments of `schedule slots`.
#[derive(Debug, Args)]
pub struct Slots {
    /// Which.
    #[command(flatten)]
    pub schedule: One,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: usize,
}

impl Overlap {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::CancelOther => "cancelOther",
            Self::Wait => "wait",
        }
    }
}

impl Gap {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shift => "shift",
            Self::Skip => "skip",
        }
    }
}

impl Fold {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
            Self::Both => "both",
        }
    }
}

const UNITS: [&str; 6] = ["minute", "hour", "day", "week", "month", "year"];

/// `15 minutes` as a number and a unit on the wire.
fn period(text: &str) -> Result<(i64, String), String> {
    let wrong = || "write a number and a unit, as in \"15 minutes\" or \"1 day\"".to_owned();
    let text = text.trim();
    let digits = text
        .find(|it: char| !it.is_ascii_digit())
        .ok_or_else(wrong)?;
    let number = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('s').unwrap_or(&unit);
    let known = UNITS.into_iter().find(|it| *it == unit);
    Ok((number, known.ok_or_else(wrong)?.to_owned()))
}

/// `90s`, `30m`, `2h`, `7d` in milliseconds.
fn length_ms(text: &str) -> Result<i64, String> {
    let wrong = || "write a number and a unit, as in 90s, 30m, 2h or 7d".to_owned();
    let digits = text
        .find(|it: char| !it.is_ascii_digit())
        .ok_or_else(wrong)?;
    let number: i64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit_ms = match &text[digits..] {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_and_lengths_are_read_as_people_write_them() {
        assert_eq!(period("15 minutes"), Ok((15, "minute".into())));
        assert_eq!(period("1day"), Ok((1, "day".into())));
        assert!(period("fortnight").is_err() && period("5").is_err() && period("").is_err());
        assert_eq!(length_ms("2h"), Ok(7_200_000));
        assert!(length_ms("2").is_err() && length_ms("h").is_err());
    }
}
