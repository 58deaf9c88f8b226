//! What is at fault between the values of a definition: ids, needs, cycles and what expressions name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Definition, Step, ports};
use crate::cursor::{Cursor, quoted};
use crate::plan;
use crate::reader::{Named, Reading, Use};
use crate::suggestion::did_you_mean;

/// How many cycles are named.
const MAX_CYCLES: usize = 20;

pub(super) fn definition(reading: &mut Reading, root: &Cursor<'_>, definition: &Definition) {
    let steps = &definition.steps;
    let at = root.key("steps");
    let indexes = ids(reading, &at, steps);
    for (index, step) in steps.iter().enumerate() {
        let at = at.index(index);
        needs(reading, &at, index, steps, &indexes);
        names_used_twice(reading, &at, step);
    }
    let needs = plan::needs(steps);
    let order = cycles(reading, &at, steps, &needs);
    let before = order.map(|order| Before::of(&needs, &order));
    let order = ports::Order {
        steps,
        indexes: &indexes,
        before: before.as_ref(),
    };
    ports::check(reading, &at, &order);
    for reference in std::mem::take(&mut reading.uses) {
        expression(reading, definition, &indexes, before.as_ref(), reference);
    }
}

/// Where each id is, the first where it comes twice.
fn ids<'a>(reading: &mut Reading, at: &Cursor<'_>, steps: &'a [Step]) -> HashMap<&'a str, usize> {
    let mut indexes = HashMap::with_capacity(steps.len());
    for (index, step) in steps
        .iter()
        .enumerate()
        .filter(|(_, step)| !step.id.is_empty())
    {
        match indexes.entry(step.id.as_str()) {
            Entry::Vacant(free) => {
                free.insert(index);
            }
            Entry::Occupied(first) => {
                let message = format!(
                    "the id {} is taken by steps[{}]; ids are unique",
                    quoted(&step.id),
                    first.get()
                );
                reading.fault(at.index(index).key("id").fault(message));
            }
        }
    }
    indexes
}

fn needs(
    reading: &mut Reading,
    at: &Cursor<'_>,
    index: usize,
    steps: &[Step],
    indexes: &HashMap<&str, usize>,
) {
    let step = &steps[index];
    let at = at.key("needs");
    let mut seen = HashMap::new();
    for (number, id) in step
        .needs
        .iter()
        .flatten()
        .enumerate()
        .filter(|(_, id)| !id.is_empty())
    {
        if reading.is_full() {
            return;
        }
        let at = at.index(number);
        if seen.insert(id, number).is_some() {
            reading.fault(at.fault("is written twice; remove one of them"));
        }
        match indexes.get(id.as_str()) {
            None => {
                let hint = did_you_mean(id, indexes.keys().copied());
                reading.fault(at.fault(format!("there is no step {}{hint}", quoted(id))));
            }
            Some(needed) if steps[*needed].always && !step.always => {
                let message = format!(
                    "step {} runs after all others (`always`), so only another such step can need it",
                    quoted(id)
                );
                reading.fault(at.fault(message));
            }
            Some(_) => {}
        }
    }
}

fn names_used_twice(reading: &mut Reading, at: &Cursor<'_>, step: &Step) {
    for name in step
        .secrets
        .keys()
        .filter(|name| step.env.contains_key(*name))
    {
        reading.fault(
            at.key("secrets")
                .key(name)
                .fault("`env` has the same name; rename one of them"),
        );
    }
}

/// The steps in an order that fulfils their needs, or faults that name the cycles.
fn cycles(
    reading: &mut Reading,
    at: &Cursor<'_>,
    steps: &[Step],
    needs: &[Vec<usize>],
) -> Option<Vec<usize>> {
    let mut order = Vec::with_capacity(steps.len());
    let mut is_placed = vec![false; steps.len()];
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let needed_by = reversed(needs);
    let mut ready: Vec<usize> = (0..steps.len())
        .rev()
        .filter(|index| missing[*index] == 0)
        .collect();
    let mut found = 0;
    loop {
        while let Some(index) = ready.pop() {
            if std::mem::replace(&mut is_placed[index], true) {
                continue;
            }
            order.push(index);
            for dependent in &needed_by[index] {
                missing[*dependent] -= 1;
                if missing[*dependent] == 0 {
                    ready.push(*dependent);
                }
            }
        }
        let Some(start) = is_placed.iter().position(|placed| !placed) else {
            break;
        };
        found += 1;
        if found > MAX_CYCLES {
            break;
        }
        let cycle = cycle_from(start, needs, &is_placed);
        let first = cycle.iter().copied().min().unwrap_or(start);
        let names: Vec<_> = cycle
            .iter()
            .chain(cycle.first())
            .map(|index| steps[*index].id.as_str())
            .take(20)
            .collect();
        let dots = if cycle.len() > 19 { " → …" } else { "" };
        let message = format!("the steps wait for each other: {}{dots}", names.join(" → "));
        reading.fault(at.index(first).key("needs").fault(message));
        // Named once; as if it were solved, what else is in a cycle shows.
        ready.extend(cycle);
    }
    (found == 0).then_some(order)
}

fn reversed(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (index, needs) in needs.iter().enumerate() {
        for need in needs {
            needed_by[*need].push(index);
        }
    }
    needed_by
}

/// Walks needs that are not placed, of which each such step has one, until a step comes again.
fn cycle_from(start: usize, needs: &[Vec<usize>], is_placed: &[bool]) -> Vec<usize> {
    let mut path = vec![start];
    let mut position = HashMap::from([(start, 0)]);
    let mut current = start;
    while let Some(next) = needs[current]
        .iter()
        .copied()
        .find(|need| !is_placed[*need])
    {
        if let Some(from) = position.get(&next) {
            return path.split_off(*from);
        }
        position.insert(next, path.len());
        path.push(next);
        current = next;
    }
    path
}

/// Which steps surely come before which, through any number of needs: a row of bits a step.
pub(super) struct Before(Vec<Vec<u64>>);

impl Before {
    fn of(needs: &[Vec<usize>], order: &[usize]) -> Self {
        let words = needs.len().div_ceil(64);
        let mut rows = vec![vec![0_u64; words]; needs.len()];
        for index in order {
            let mut row = std::mem::take(&mut rows[*index]);
            for need in &needs[*index] {
                row[need / 64] |= 1 << (need % 64);
                for (word, bits) in row.iter_mut().zip(&rows[*need]) {
                    *word |= bits;
                }
            }
            rows[*index] = row;
        }
        Self(rows)
    }

    pub(super) fn is_before(&self, first: usize, second: usize) -> bool {
        self.0[second][first / 64] & (1 << (first % 64)) != 0
    }
}

fn expression(
    reading: &mut Reading,
    definition: &Definition,
    indexes: &HashMap<&str, usize>,
    before: Option<&Before>,
    reference: Use,
) {
    let Use {
        step,
        named,
        mut at,
    } = reference;
    let message = match named {
        _ if reading.is_full() => None,
        Named::Parameter(name) => (!definition.parameters.contains_key(&name)).then(|| {
            let hint = did_you_mean(&name, definition.parameters.keys().map(String::as_str));
            format!("there is no parameter `{name}`{hint}")
        }),
        Named::Output { step: id, key } => match indexes.get(id.as_str()) {
            None => {
                let hint = did_you_mean(&id, indexes.keys().copied());
                Some(format!("there is no step {}{hint}", quoted(&id)))
            }
            Some(named) => {
                let steps = &definition.steps;
                let comes_before = steps[step].always && !steps[*named].always
                    || before.is_none_or(|before| before.is_before(*named, step));
                (!comes_before).then(|| {
                    let own = steps.get(step).map_or("", |step| step.id.as_str());
                    format!("step `{own}` does not need step `{id}`, so its output `{key}` may not be there yet")
                })
            }
        },
    };
    if let Some(message) = message {
        at.message = message;
        reading.fault(at);
    }
}
