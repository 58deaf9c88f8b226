//! What is at fault between the ports of plug-in steps.

use std::collections::HashMap;

use super::Step;
use super::check::Before;
use crate::cursor::{Cursor, quoted};
use crate::kinds::{Kind, Plugin, plugin};
use crate::plugins::{self, Direction};
use crate::reader::Reading;
use crate::suggestion::did_you_mean;

/// The steps, and what is known of their order.
pub(super) struct Order<'a> {
    pub(super) steps: &'a [Step],
    pub(super) indexes: &'a HashMap<&'a str, usize>,
    /// Nothing if they wait for each other.
    pub(super) before: Option<&'a Before>,
}

pub(super) fn check(reading: &mut Reading, at: &Cursor<'_>, order: &Order<'_>) {
    for (index, step) in order.steps.iter().enumerate() {
        let Kind::Plugin(plugin) = &step.kind else {
            continue;
        };
        let at = at.index(index);
        let at = at.key("plugin");
        let at = at.key("inputs");
        for (port, sources) in &plugin.inputs {
            let at = at.key(port);
            if let Some(message) = unknown_port(plugin, Direction::Input, port) {
                reading.fault(at.fault(message));
            }
            for (number, source) in sources.iter().enumerate() {
                if reading.is_full() {
                    return;
                }
                let fault =
                    plugin::source(source).and_then(|it| fault(order, (index, plugin, port), it));
                if let Some(message) = fault {
                    reading.fault(at.index(number).fault(message));
                }
            }
        }
    }
}

/// What is wrong with a port that a plug-in with known ports doesn't have.
fn unknown_port(plugin: &Plugin, direction: Direction, port: &str) -> Option<String> {
    let known = plugins::find(&plugin.name)?;
    if known.port(direction, port).is_some() {
        return None;
    }
    let names: Vec<_> = known.of(direction).map(|it| it.name).collect();
    let way = match direction {
        Direction::Input => "input",
        Direction::Output => "output",
    };
    Some(if names.is_empty() {
        format!("{} has no {way}s", known.name)
    } else {
        let names = names.join(", ");
        format!(
            "{} has no {way} {}; its {way}s are {names}",
            known.name,
            quoted(port)
        )
    })
}

fn fault(
    order: &Order<'_>,
    (index, plugin, port): (usize, &Plugin, &str),
    (id, source_port): (&str, &str),
) -> Option<String> {
    let Some(source) = order.indexes.get(id) else {
        let hint = did_you_mean(id, order.indexes.keys().copied());
        return Some(format!("there is no step {}{hint}", quoted(id)));
    };
    let (from, to) = (&order.steps[*source], &order.steps[index]);
    let Kind::Plugin(source_plugin) = &from.kind else {
        return Some(format!(
            "step `{id}` is a {} step, which has no ports; only plugin steps have",
            from.kind.name()
        ));
    };
    let comes_before = to.always && !from.always
        || order
            .before
            .is_none_or(|before| before.is_before(*source, index));
    if !comes_before {
        return Some(format!(
            "step `{}` does not need step `{id}`, whose data may not be there yet; add it to `needs`",
            to.id
        ));
    }
    unknown_port(source_plugin, Direction::Output, source_port).or_else(|| {
        let data = |plugin: &Plugin, direction, port: &str| {
            Some(plugins::find(&plugin.name)?.port(direction, port)?.data)
        };
        let given = data(source_plugin, Direction::Output, source_port)?;
        let taken = data(plugin, Direction::Input, port)?;
        (given != taken)
            .then(|| format!("gives {}, and {port} takes {}", given.name(), taken.name()))
    })
}
