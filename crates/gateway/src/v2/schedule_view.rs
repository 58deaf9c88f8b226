//! Schedules and their slots as `/api/v2` says them.

mod explanation;

use std::collections::BTreeMap;

use contracts::scheduler as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Person, some};
use crate::time::Time;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $wire:ident { $($word:ident),* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub(super) enum $name {
            $(#[allow(missing_docs, reason = "the wire documents it")] $word),*
        }

        impl $name {
            /// The word for a number on the wire; none for "unspecified" and for unknown ones.
            fn of(number: i32) -> Option<Self> {
                match wire::$wire::try_from(number).ok()? {
                    wire::$wire::Unspecified => None,
                    $(wire::$wire::$word => Some(Self::$word)),*
                }
            }

            /// The number on the wire.
            #[allow(dead_code, reason = "some are only told")]
            pub(super) fn on_wire(self) -> i32 {
                match self {
                    $(Self::$word => wire::$wire::$word),*
                }
                .into()
            }
        })*
    };
}

words! {
    /// How a schedule's slots are given.
    Kind = ScheduleKind { Periodic, Cron, After }

    /// What a period is counted in: minutes and hours pass, the others are the calendar's.
    Unit = PeriodUnit { Minute, Hour, Day, Week, Month, Year }

    /// What becomes of a cron slot that the clock leaves out when it is put forward.
    Gap = GapPolicy { Shift, Skip }

    /// Which of two is meant where the clock shows a cron slot's time twice.
    Fold = FoldPolicy { First, Last, Both }

    /// What happens in a slot while a run of the pipeline has not ended.
    Overlap = OverlapPolicy { Skip, Queue, CancelOther, Wait }

    /// Where a slot is; `late` is fired, more than a minute after it was due.
    SlotState = SlotState { Firing, Waiting, Fired, Late, Skipped }

    /// Why a slot was skipped.
    SkipReason = SkipReason { Missed, Overlap, Paused, Refused, Cycle, TooLong, NoStep, Removed }
}

/// A pipeline that is followed. Of one that is hidden or gone only the id is said.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Followed {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// When a pipeline runs by itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Schedule)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, as the API has them"
)]
pub(crate) struct ScheduleView {
    id: String,
    number: i64,
    pipeline_id: String,
    pipeline_name: String,
    kind: Option<Kind>,
    description: String,
    /// For whom its runs are started.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Person>,
    enabled: bool,
    /// Why it is paused, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_by: Option<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_at: Option<Time>,
    /// When it is due next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Time>,
    /// A slot waits for the pipeline to be free.
    waits: bool,
    /// In words: when it is due or why it isn't, and why its latest slot did not fire if it didn't.
    explanation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Time>,
    /// When it fired last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period_unit: Option<Unit>,
    just_once: bool,
    zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fold: Option<Fold>,
    after: Vec<Followed>,
    after_any_start: bool,
    overlap: Option<Overlap>,
    /// How late a slot may fire, in milliseconds; without it as late as can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    catch_up_ms: Option<i64>,
    catch_up_all: bool,
    jitter_ms: i64,
    /// UnifiedViews' priority, 0 (IGNORE) to 3 (HIGHEST).
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    parameters: BTreeMap<String, String>,
    created_at: Time,
    updated_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_slot: Option<SlotView>,
}

/// What became of a slot, or of several in a row that were skipped for the same reason.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Slot)]
pub(crate) struct SlotView {
    /// When it was due; after a run: when that ended.
    at: Time,
    /// The last of several.
    until: Time,
    /// How many, counted up to 10 000.
    count: u32,
    state: Option<SlotState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<SkipReason>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// How long after it was due its run was accepted, in milliseconds.
    late_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_count: Option<i64>,
    /// The run that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_run_id: Option<String>,
}

/// A slot that is to come.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ComingSlot {
    at: Time,
    /// With the schedule's jitter.
    due: Time,
}

impl ScheduleView {
    pub(crate) fn of(told: wire::Schedule) -> Self {
        let explanation = explanation::explanation(&told);
        let spec = told.spec.unwrap_or_default();
        let after = told.predecessors.into_iter().map(|it| Followed {
            id: it.id,
            name: some(it.name),
        });
        let is_paused = told.paused_at_ms != 0;
        Self {
            id: told.id,
            number: told.number,
            pipeline_id: told.pipeline_id,
            pipeline_name: told.pipeline_name,
            kind: Kind::of(spec.kind),
            description: spec.description,
            owner: told.owner.map(Person::of),
            enabled: spec.enabled,
            pause_note: is_paused.then_some(told.pause_note),
            paused_by: told.paused_by.map(Person::of),
            paused_at: Time::of(told.paused_at_ms),
            next: told.next_ms.map(Time::at),
            waits: told.waits,
            explanation,
            cron: some(spec.cron),
            first: spec.first_ms.map(Time::at),
            last: spec.last_ms.map(Time::at),
            period: spec.period,
            period_unit: Unit::of(spec.period_unit),
            just_once: spec.just_once,
            zone: spec.zone,
            gap: Gap::of(spec.gap),
            fold: Fold::of(spec.fold),
            after: after.collect(),
            after_any_start: spec.after_any_start,
            overlap: Overlap::of(spec.overlap),
            catch_up_ms: spec.catch_up_ms,
            catch_up_all: spec.catch_up_all,
            jitter_ms: spec.jitter_ms,
            priority: spec.priority.map(|it| it.value),
            parameters: spec.parameters.into_iter().collect(),
            created_at: Time::at(told.created_at_ms),
            updated_at: Time::at(told.updated_at_ms),
            latest_slot: told.latest_slot.map(SlotView::of),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl SlotView {
    pub(crate) fn of(slot: wire::Slot) -> Self {
        Self {
            at: Time::at(slot.slot_ms),
            until: Time::at(slot.until_ms),
            count: slot.count,
            state: SlotState::of(slot.state),
            reason: SkipReason::of(slot.reason),
            message: some(slot.message),
            late_ms: slot.late_ms,
            settled_at: Time::of(slot.settled_at_ms),
            run_id: some(slot.run_id),
            run_count: Some(slot.run_count).filter(|it| *it != 0),
            upstream_run_id: some(slot.upstream_run_id),
        }
    }
}

impl ComingSlot {
    pub(crate) fn of(slot: wire::PreviewSlot) -> Self {
        Self {
            at: Time::at(slot.slot_ms),
            due: Time::at(slot.due_ms),
        }
    }
}
