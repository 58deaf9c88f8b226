//! Why a schedule is due when it is, or isn't, in words.
//!
//! Kept true: it says nothing that the schedule doesn't show, so it hides what that hides.

use contracts::scheduler::{Schedule, ScheduleKind, ScheduleSpec, Slot, SlotState};

use crate::time::Time;

/// When it fires next or why it doesn't, and why it did not fire last if it didn't.
pub(super) fn explanation(told: &Schedule) -> String {
    let mut text = now(told, told.spec.as_ref().unwrap_or(&ScheduleSpec::default()));
    if let Some(slot) = told.latest_slot.as_ref().and_then(of_slot) {
        text.push_str("; ");
        text.push_str(&slot);
    }
    text
}

fn now(told: &Schedule, spec: &ScheduleSpec) -> String {
    if told.paused_at_ms != 0 {
        return paused(told);
    }
    if !spec.enabled {
        let has_fired = spec.just_once && spec.last_ms.is_some();
        return if has_fired {
            "it was to fire once, and has".into()
        } else {
            "it is disabled".into()
        };
    }
    if told.waits {
        return "it fires as soon as the pipeline has no unfinished run".into();
    }
    match (spec.kind(), told.next_ms) {
        (ScheduleKind::After, _) => after(told, spec),
        (_, Some(next_ms)) => format!("it is due at {}", Time::at(next_ms)),
        (ScheduleKind::Periodic, None) if spec.first_ms.is_none() => {
            "it is never due: it has no first time".into()
        }
        (ScheduleKind::Periodic, None) if spec.last_ms.is_some() => {
            "it is not due again: it has fired and has no period".into()
        }
        (_, None) => "it is not due again".into(),
    }
}

fn paused(told: &Schedule) -> String {
    let by = told.paused_by.as_ref().map(|it| format!(" by {}", it.name));
    let at = Time::at(told.paused_at_ms);
    let note = if told.pause_note.is_empty() {
        String::new()
    } else {
        format!(": {}", told.pause_note)
    };
    format!("it is paused{} since {at}{note}", by.unwrap_or_default())
}

fn after(told: &Schedule, spec: &ScheduleSpec) -> String {
    if told.predecessors.is_empty() {
        return "it is never due: it follows no pipeline".into();
    }
    let names = told.predecessors.iter().map(|it| match it.name.as_str() {
        "" => it.id.as_str(),
        name => name,
    });
    let names: Vec<_> = names.collect();
    let whose = if spec.after_any_start {
        ""
    } else {
        " that a schedule started"
    };
    format!(
        "it is due when a run of {}{whose} has succeeded or warned",
        names.join(" or ")
    )
}

/// What is to be said of the latest slot, if it didn't simply fire.
fn of_slot(slot: &Slot) -> Option<String> {
    let at = Time::at(slot.slot_ms);
    match slot.state() {
        SlotState::Skipped => Some(format!("its slot of {at} was skipped: {}", slot.message)),
        SlotState::Firing => Some(format!("the run of its slot of {at} is being asked for")),
        SlotState::Late => {
            let late = jiff::SignedDuration::from_millis(slot.late_ms);
            Some(format!("its slot of {at} fired {late:#} late"))
        }
        SlotState::Unspecified | SlotState::Waiting | SlotState::Fired => None,
    }
}

#[cfg(test)]
mod tests {
    use contracts::message::Actor;
    use contracts::scheduler::Predecessor;

    use super::*;

    fn cron() -> Schedule {
        Schedule {
            next_ms: Some(1_600_000_000_000),
            spec: Some(ScheduleSpec {
                kind: ScheduleKind::Cron.into(),
                enabled: true,
                ..ScheduleSpec::default()
            }),
            ..Schedule::default()
        }
    }

    fn with(change: fn(&mut ScheduleSpec)) -> Schedule {
        let mut told = cron();
        told.next_ms = None;
        change(told.spec.as_mut().unwrap());
        told
    }

    #[test]
    fn a_schedule_says_when_it_is_due_or_why_it_is_not() {
        let paused = Schedule {
            paused_at_ms: 1_600_000_000_000,
            pause_note: "holidays".into(),
            paused_by: Some(Actor {
                name: "Una".into(),
                ..Actor::default()
            }),
            ..with(|it| it.enabled = false)
        };
        let follows = |after_any_start| Schedule {
            predecessors: vec![Predecessor {
                id: "1".into(),
                name: "nightly".into(),
                ..Predecessor::default()
            }],
            spec: Some(ScheduleSpec {
                kind: ScheduleKind::After.into(),
                enabled: true,
                after_any_start,
                ..ScheduleSpec::default()
            }),
            ..Schedule::default()
        };
        for (told, expected) in [
            (cron(), "it is due at 2020-09-13T12:26:40.000Z"),
            (
                paused,
                "it is paused by Una since 2020-09-13T12:26:40.000Z: holidays",
            ),
            (with(|it| it.enabled = false), "it is disabled"),
            (
                with(|it| (it.enabled, it.just_once, it.last_ms) = (false, true, Some(1))),
                "it was to fire once, and has",
            ),
            (
                with(|it| it.kind = ScheduleKind::Periodic.into()),
                "it is never due: it has no first time",
            ),
            (
                with(|it| it.kind = ScheduleKind::After.into()),
                "it is never due: it follows no pipeline",
            ),
            (
                follows(false),
                "it is due when a run of nightly that a schedule started has succeeded or warned",
            ),
            (
                follows(true),
                "it is due when a run of nightly has succeeded or warned",
            ),
        ] {
            assert_eq!(explanation(&told), expected);
        }
    }

    #[test]
    fn a_slot_that_waits_says_for_what() {
        let waits = Schedule {
            waits: true,
            ..cron()
        };
        let expected = "it fires as soon as the pipeline has no unfinished run";
        assert_eq!(explanation(&waits), expected);
    }

    #[test]
    fn it_says_why_the_latest_slot_did_not_fire() {
        let slot = |state: SlotState| Slot {
            state: state.into(),
            message: "a run had not ended".into(),
            late_ms: 90_000,
            ..Slot::default()
        };
        for (state, expected) in [
            (SlotState::Fired, ""),
            (
                SlotState::Skipped,
                "; its slot of 1970-01-01T00:00:00.000Z was skipped: a run had not ended",
            ),
            (
                SlotState::Late,
                "; its slot of 1970-01-01T00:00:00.000Z fired 1m 30s late",
            ),
        ] {
            let told = Schedule {
                latest_slot: Some(slot(state)),
                ..cron()
            };
            let due = "it is due at 2020-09-13T12:26:40.000Z";
            assert_eq!(explanation(&told), format!("{due}{expected}"));
        }
    }
}
