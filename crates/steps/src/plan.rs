//! The plan: a definition resolved into what a run carries out, and pinned to the run.
//!
//! It is read at every report of a step, so it is compact: order is settled, needs are indexes, durations are numbers,
//! and what is as usual is left out. A plan that was stored is never rewritten; later versions only add keys.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::definition::{self, Definition, OnLost, is_true};
use crate::duration;
use crate::expression::Context;
use crate::kinds::{self, Invocation, Kind};
use crate::parameters::Parameter;
use crate::retry::Retry;

/// What a run carries out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What a run can be given, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// In the order of the definition.
    pub steps: Vec<Step>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Unique in the plan.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// Indexes of the steps that must end before it starts. Those of a finalizer are finalizers too: that it comes
    /// after all other steps goes without saying.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<usize>,
    /// Variables of its process; the values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of secrets in the registry by the name the step uses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// How long one try may take, in milliseconds; 0 if it may take for ever.
    pub timeout_ms: u64,
    /// Whether and when it is tried again after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What losing the executor means for it.
    #[serde(default, skip_serializing_if = "OnLost::is_default")]
    pub on_lost: OnLost,
    /// A finalizer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
    /// A step that is not enabled is skipped when its turn comes.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

impl Plan {
    /// Resolves a definition.
    ///
    /// Steps and finalizers (`always`) are two groups. In a group where no step says `needs`, each step needs the one
    /// before it; an empty list says it too. Of a finalizer's needs only other finalizers count here, because
    /// it comes after all steps anyway.
    pub fn of(definition: &Definition) -> Self {
        let needs = needs(&definition.steps);
        let steps = definition
            .steps
            .iter()
            .zip(needs)
            .map(|(step, needs)| Step {
                id: step.id.clone(),
                name: step.name.clone().unwrap_or_else(|| step.id.clone()),
                kind: step.kind.clone(),
                needs,
                env: step.env.clone(),
                secrets: step.secrets.clone(),
                timeout_ms: step.limit().map_or(0, duration::millis),
                retry: step.retry.clone(),
                on_lost: step.on_lost,
                always: step.always,
                enabled: step.enabled,
            });
        Self {
            parameters: definition.parameters.clone(),
            steps: steps.collect(),
        }
    }

    /// Where the step with this id is.
    pub fn index_of(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}

impl Step {
    /// What an executor is to do for one try, with the run's values in place of expressions.
    pub fn invocation(&self, context: &Context<'_>) -> Result<Invocation, kinds::Error> {
        self.kind.invocation(&self.env, context)
    }
}

/// The needs of each step as indexes. Names of steps that don't exist are left out: they are faults elsewhere.
pub(crate) fn needs(steps: &[definition::Step]) -> Vec<Vec<usize>> {
    let mut indexes = HashMap::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        indexes.entry(step.id.as_str()).or_insert(index);
    }
    let in_group = |step: &definition::Step| -> Option<Vec<usize>> {
        let named = step.needs.as_ref()?;
        let group: Vec<_> = named
            .iter()
            .filter_map(|id| indexes.get(id.as_str()).copied())
            .filter(|need| steps[*need].always == step.always)
            .collect();
        // A finalizer that names steps only says nothing of the order among finalizers.
        (!group.is_empty() || named.is_empty() || !step.always).then_some(group)
    };
    let named: Vec<_> = steps.iter().map(in_group).collect();
    let is_ordered_by_needs = |always: bool| {
        steps
            .iter()
            .zip(&named)
            .any(|(step, needs)| step.always == always && needs.is_some())
    };
    let by_needs = [is_ordered_by_needs(false), is_ordered_by_needs(true)];
    let mut last = [None; 2];
    let mut resolved = Vec::with_capacity(steps.len());
    for (index, (step, needs)) in steps.iter().zip(named).enumerate() {
        let group = usize::from(step.always);
        let previous = last[group].replace(index);
        resolved.push(if by_needs[group] {
            needs.unwrap_or_default()
        } else {
            previous.into_iter().collect()
        });
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(source: &str) -> Plan {
        Plan::of(&Definition::from_source(source).unwrap())
    }

    fn needs_of(steps: &str) -> Vec<Vec<usize>> {
        let steps = format!("{{name: x, steps: [{steps}]}}");
        plan(&steps)
            .steps
            .into_iter()
            .map(|step| step.needs)
            .collect()
    }

    #[test]
    fn steps_without_needs_come_one_after_the_other() {
        let steps = "{id: a, run: x}, {id: z, run: x, always: true}, {id: b, run: x}, {id: c, run: x}, \
                     {id: y, run: x, always: true, needs: [b]}";
        assert_eq!(needs_of(steps), [vec![], vec![], vec![0], vec![2], vec![1]]);
    }

    #[test]
    fn needs_anywhere_settle_the_order_of_their_group() {
        let steps = "{id: a, run: x, needs: [c]}, {id: b, run: x}, {id: c, run: x}, \
                     {id: y, run: x, always: true}, {id: z, run: x, always: true}";
        assert_eq!(needs_of(steps), [vec![2], vec![], vec![], vec![], vec![3]]);
        assert_eq!(
            needs_of("{id: a, run: x, needs: []}, {id: b, run: x}"),
            [[0; 0], [0; 0]]
        );
        let finalizers = "{id: a, run: x}, {id: x, run: x, always: true}, \
                          {id: y, run: x, always: true, needs: [a]}, {id: z, run: x, always: true, needs: [x]}";
        assert_eq!(needs_of(finalizers), [vec![], vec![], vec![], vec![1]]);
    }

    #[test]
    fn the_stored_form_is_stable_and_compact() {
        let plan = plan(
            "
name: x
parameters: {day: {default: today}}
steps:
  - {id: a, name: First, run: echo, env: {D: '${{ parameters.day }}'}, secrets: {T: token}, timeout: 5m}
  - id: b
    http: {url: https://x.example, expect: [200, 300-399]}
    retry: {attempts: 3}
    onLost: fail
  - {id: c, command: [ls, -l], always: true, enabled: false}
",
        );
        let stored = serde_json::to_string(&plan).unwrap();
        assert_eq!(
            stored,
            concat!(
                r#"{"parameters":{"day":{"type":"string","default":"today"}},"steps":["#,
                r#"{"id":"a","name":"First","kind":{"run":"echo"},"env":{"D":"${{ parameters.day }}"},"#,
                r#""secrets":{"T":"token"},"timeoutMs":300000},"#,
                r#"{"id":"b","name":"b","kind":{"http":{"method":"GET","url":"https://x.example","#,
                r#""expect":[200,"300-399"]}},"needs":[0],"timeoutMs":86400000,"#,
                r#""retry":{"attempts":3,"delay":"1s","backoff":2.0,"jitter":0.1,"maxDelay":"1h"},"#,
                r#""onLost":"fail"},"#,
                r#"{"id":"c","name":"c","kind":{"command":["ls","-l"]},"timeoutMs":86400000,"#,
                r#""always":true,"enabled":false}]}"#,
            )
        );
        assert_eq!(serde_json::from_str::<Plan>(&stored).unwrap(), plan);
    }
}
