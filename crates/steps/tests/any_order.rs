//! Any order of reports, stops and accidents on any plan ends by the scheduling rules.

use proptest::prelude::*;
use steps::Kind;
use steps::definition::OnLost;
use steps::flow::{Phase, Progress, StepState, next};
use steps::kinds::{Run, UserAction};
use steps::plan::{Plan, Step};

use StepState::{
    Cancelled, Failed, Pending, Retrying, Running, Skipped, Succeeded, Waiting, Warned,
};

const OPEN: StepState = Waiting { until_ms: None };

const NOW_MS: i64 = 1_000_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_events_ends_by_the_rules(
        plan in any_plan(),
        events in prop::collection::vec((3..40_u8, any::<u8>()), 200),
        accidents in prop::collection::vec((0..200_usize, 0..3_u8, any::<u8>()), 0..4),
    ) {
        let count = plan.steps.len();
        let mut world = World {
            plan, steps: vec![Progress::default(); count], phase: Phase::Normal, now_ms: NOW_MS, finished: vec![0; count],
        };
        let mut done = world.ask();
        for (number, (event, choice)) in events.into_iter().enumerate() {
            if done {
                break;
            }
            for (_, accident, choice) in accidents.iter().filter(|(when, ..)| when / 10 == number) {
                world.happen(*accident, *choice);
            }
            world.happen(event, choice);
            done = world.ask();
        }
        prop_assert!(done, "the run ends: {:?}", world.steps);
        for (index, step) in world.plan.steps.iter().enumerate().filter(|(_, step)| step.always && step.enabled) {
            let finished = world.finished[index];
            prop_assert!(world.phase == Phase::Killing || finished == 1, "{} ran to its end {finished} times", step.id);
            prop_assert!(finished <= 1);
        }
    }
}

/// A step as it is drawn: whether it is a finalizer, enabled, and which of the earlier ones of its group it needs.
type Drawn = (bool, bool, u64);

/// A plan without cycles whose steps lie in any order.
fn any_plan() -> impl Strategy<Value = Plan> {
    let steps = prop::collection::vec(
        (
            prop::bool::weighted(0.3),
            prop::bool::weighted(0.8),
            any::<u64>(),
        ),
        0..12,
    );
    (steps, any::<bool>()).prop_map(|(drawn, reversed)| {
        let last = drawn.len().saturating_sub(1);
        let place = |index: usize| if reversed { last - index } else { index };
        let mut steps: Vec<_> = drawn
            .iter()
            .enumerate()
            .map(|(index, step)| drawn_step(&drawn, index, *step, &place))
            .collect();
        if reversed {
            steps.reverse();
        }
        Plan {
            steps,
            ..Plan::default()
        }
    })
}

fn drawn_step(
    drawn: &[Drawn],
    index: usize,
    (always, enabled, needs): Drawn,
    place: &dyn Fn(usize) -> usize,
) -> Step {
    let needs = (0..index).filter(|need| needs & (1 << need) != 0 && drawn[*need].0 == always);
    Step {
        id: format!("s{index}"),
        name: String::new(),
        kind: if index % 3 == 2 && !always {
            Kind::UserAction(UserAction {
                instructions: "x".to_owned(),
            })
        } else {
            Kind::Run(Run("x".to_owned()))
        },
        needs: needs.map(place).collect(),
        env: [].into(),
        secrets: [].into(),
        timeout_ms: 1000,
        retry: None,
        on_lost: OnLost::Rerun,
        always,
        enabled,
    }
}

/// A run as the pipeline service would keep it, with the rules checked at each answer.
struct World {
    plan: Plan,
    steps: Vec<Progress>,
    phase: Phase,
    now_ms: i64,
    finished: Vec<u32>,
}

impl World {
    /// Asks, checks the answer and writes it down. Answers whether the run is done.
    fn ask(&mut self) -> bool {
        let answer = next(&self.plan, &self.steps, self.phase, self.now_ms);
        for index in answer.start.iter().chain(&answer.open) {
            self.check_start(*index);
            let is_outside = self.plan.steps[*index].kind.is_outside();
            assert_eq!(answer.open.contains(index), is_outside);
        }
        let cause = if matches!(self.phase, Phase::Normal | Phase::Failing) {
            Failed
        } else {
            Cancelled
        };
        for (indexes, state) in [
            (&answer.start, Running),
            (&answer.open, OPEN),
            (&answer.skip, Skipped),
            (&answer.abandon, cause),
        ] {
            for index in indexes {
                let step = &mut self.steps[*index];
                assert!(!step.state.is_final() && step.state != Running);
                let starts = matches!(state, Running | Waiting { .. });
                assert_eq!(state == Skipped, step.tries == 0 && !starts);
                step.tries += u32::from(starts);
                step.state = state;
            }
        }
        let is_open = self.steps.iter().any(|step| !step.state.is_final());
        let moves =
            self.steps.iter().any(|step| is_under_way(step.state)) || answer.wake_ms.is_some();
        assert_eq!(
            answer.done, !is_open,
            "done is reached exactly when nothing is open"
        );
        assert!(!is_open || moves, "what is open can go on");
        let again = next(&self.plan, &self.steps, self.phase, self.now_ms);
        assert!(
            again.start.is_empty()
                && again.open.is_empty()
                && again.skip.is_empty()
                && again.abandon.is_empty(),
            "asking twice is harmless"
        );
        answer.done
    }

    fn check_start(&self, index: usize) {
        let step = &self.plan.steps[index];
        assert!(self.phase != Phase::Killing, "nothing starts in a kill");
        assert!(step.enabled && matches!(self.steps[index].state, Pending | Retrying { .. }));
        let state = |need: &usize| self.steps[*need].state;
        if step.always {
            assert!(
                step.needs
                    .iter()
                    .all(|need| state(need).is_final() || !self.plan.steps[*need].enabled)
            );
        } else {
            assert_eq!(
                self.phase,
                Phase::Normal,
                "no step starts once the run ends"
            );
            let is_well = |need: &usize| {
                matches!(state(need), Succeeded | Warned) || !self.plan.steps[*need].enabled
            };
            assert!(
                step.needs.iter().all(is_well),
                "no step starts before its needs"
            );
            let failed = |(step, progress): (&Step, &Progress)| {
                !step.always && matches!(progress.state, Failed | Cancelled)
            };
            assert!(!self.plan.steps.iter().zip(&self.steps).any(failed));
        }
    }

    /// One thing happens: a report, a stop, a lost executor, or time passes.
    fn happen(&mut self, event: u8, choice: u8) {
        let running: Vec<_> = (0..self.steps.len())
            .filter(|index| is_under_way(self.steps[*index].state))
            .collect();
        match event {
            0 => self.phase = escalated(self.phase, Phase::Stopping),
            1 if choice.is_multiple_of(4) => self.phase = escalated(self.phase, Phase::Killing),
            2 => running
                .iter()
                .filter(|index| !self.plan.steps[**index].kind.is_outside())
                .for_each(|index| self.steps[*index].state = Pending),
            _ if running.is_empty() => self.now_ms += 10,
            _ => {
                let index = running[usize::from(choice) % running.len()];
                self.report(index, event, choice);
            }
        }
    }

    fn report(&mut self, index: usize, event: u8, choice: u8) {
        let is_stopping = matches!(self.phase, Phase::Stopping | Phase::Killing);
        let is_outside = self.plan.steps[index].kind.is_outside();
        let step = &mut self.steps[index];
        step.state = match event % 5 {
            0 if is_stopping => Cancelled,
            0 | 1 => Failed,
            2 if step.failures < 3 && !is_outside => {
                step.failures += 1;
                Retrying {
                    due_ms: self.now_ms + i64::from(choice % 30),
                }
            }
            3 => Warned,
            _ => Succeeded,
        };
        self.finished[index] += u32::from(step.state.is_final());
        if step.state == Failed && !self.plan.steps[index].always {
            self.phase = escalated(self.phase, Phase::Failing);
        }
    }
}

fn is_under_way(state: StepState) -> bool {
    matches!(state, Running | Waiting { .. })
}

fn escalated(now: Phase, wish: Phase) -> Phase {
    let rank = |phase| match phase {
        Phase::Normal => 0,
        Phase::Failing => 1,
        Phase::Stopping => 2,
        Phase::Killing => 3,
    };
    if rank(wish) > rank(now) { wish } else { now }
}
