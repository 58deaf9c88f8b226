//! Gates: steps that wait until people have decided.
//!
//! **Invariants:** a gate is decided once, by as many different people as it asks for or by one who
//! rejects it. What was decided before is the caller's to know, who holds the run's row meanwhile.

use steps::flow::StepState;
use steps::kinds::Gate;

use super::{Actor, EndCause, News, Run};

/// What somebody decided at a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The gate's position in the plan.
    pub position: usize,
    /// Whether it may go on.
    pub approved: bool,
    /// Who decided.
    pub actor: Actor,
    /// What they said about it.
    pub message: String,
}

/// What a gate of a run asks, whatever the definition says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// The gate, as the definition calls it.
    pub step: String,
    /// For people.
    pub message: String,
}

/// Why a decision doesn't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The step doesn't wait for anybody's decision, or not any more.
    NotOpen,
    /// Who started the run may not approve here.
    OwnRun,
}

impl Run {
    /// The gates that are open, by position, with what they ask.
    pub fn gates(&self) -> impl Iterator<Item = (usize, Gate<'_>)> + '_ {
        let steps = self.steps.iter().zip(&self.plan.steps).enumerate();
        steps.filter_map(|(position, (step, planned))| {
            let is_open = matches!(step.progress.state, StepState::Waiting { .. });
            Some((position, planned.kind.gate()?)).filter(|_| is_open)
        })
    }

    /// What a gate asks people; nothing of a step that is none.
    pub fn asks(&self, position: usize) -> &str {
        let planned = &self.plan.steps[position];
        match &self.asked {
            Some(asked) if asked.step == planned.id => &asked.message,
            Some(_) | None => planned.kind.gate().map_or("", |gate| gate.message),
        }
    }

    /// Whether it waits for people and for nothing else.
    pub fn is_at_gate(&self) -> bool {
        self.state == crate::state::State::Waiting && self.gates().next().is_some()
    }

    /// Somebody decides at a gate that `approvals` others have approved. `is_starter` says whether
    /// they started the run.
    pub fn decide(
        &mut self,
        decision: &Decision,
        approvals: u32,
        is_starter: bool,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        let position = decision.position;
        let open = self.gates().find(|(open, _)| *open == position);
        let (_, gate) = open.ok_or(Refusal::NotOpen)?;
        if decision.approved && is_starter && !gate.self_approval {
            return Err(Refusal::OwnRun);
        }
        let is_through = approvals + 1 >= gate.approvers;
        self.news.push(News::Decided(decision.clone()));
        if !decision.approved {
            self.reject(decision, now_ms);
        } else if is_through {
            self.steps[position].message = told("approved by", decision);
            self.end_step(position, StepState::Succeeded, now_ms);
        }
        self.settle(now_ms);
        Ok(())
    }

    fn reject(&mut self, decision: &Decision, now_ms: i64) {
        let position = decision.position;
        self.steps[position].message = told("rejected by", decision);
        self.end_step(position, StepState::Failed, now_ms);
        if self.cause.is_none() {
            let said = told("by", decision);
            self.cause = Some(EndCause::Rejected);
            self.reason = format!("step {} was rejected {said}", self.plan.steps[position].id);
            self.ended_by = Some(decision.actor.clone());
        }
        self.fail(EndCause::Rejected, position);
    }

    /// Fails the outside steps whose time is over, and asks for an executor where a retry is due.
    pub fn end_overdue(&mut self, now_ms: i64) {
        for position in 0..self.steps.len() {
            let StepState::Waiting { until_ms } = self.steps[position].progress.state else {
                continue;
            };
            if until_ms.is_none_or(|until_ms| until_ms > now_ms) {
                continue;
            }
            if self.is_served(position) {
                self.served_overdue(position, now_ms);
                continue;
            }
            let limit = std::time::Duration::from_millis(self.plan.steps[position].timeout_ms);
            let limit = steps::duration::format(limit);
            self.steps[position].message = format!("it was open for {limit}, which is its time");
            self.end_step(position, StepState::Failed, now_ms);
            self.fail(EndCause::StepTimedOut, position);
        }
        self.settle(now_ms);
    }

    /// An outside step's turn has come.
    pub(super) fn open(&mut self, position: usize, now_ms: i64) {
        let planned = &self.plan.steps[position];
        let limit = i64::try_from(planned.timeout_ms).ok().filter(|it| *it > 0);
        let message = self.asks(position).to_owned();
        let step = &mut self.steps[position];
        step.progress.state = StepState::Waiting {
            until_ms: limit.map(|limit| now_ms.saturating_add(limit)),
        };
        step.progress.tries += 1;
        step.started_at_ms = Some(now_ms);
        (step.exit_code, step.ended_at_ms, step.changed) = (None, None, true);
        step.message = message;
        self.news.push(News::Step(position));
    }
}

/// Who decided, and what they said.
fn told(how: &str, decision: &Decision) -> String {
    let actor = &decision.actor;
    let name = if actor.name.is_empty() {
        &actor.user_id
    } else {
        &actor.name
    };
    match decision.message.as_str() {
        "" => format!("{how} {name}"),
        said => format!("{how} {name}: {said}"),
    }
}
