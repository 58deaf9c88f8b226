//! The native plug-ins, as a table for people.

use std::fmt::Write as _;

use steps::plugins::{Direction, Plugin, catalog};

/// A line a plug-in: its name, what it does, and its ports.
pub fn table() -> String {
    let mut table = String::new();
    for plugin in catalog::ALL.iter().filter(|plugin| plugin.is_native) {
        // Writing to a string can't fail.
        let _ = writeln!(table, "{:<25} {}", plugin.name, plugin.about);
        let _ = writeln!(
            table,
            "{:<25}   {} -> {}",
            "",
            ports(plugin, Direction::Input),
            ports(plugin, Direction::Output)
        );
    }
    table
}

/// The ports of a direction, those that may stay unconnected with a question mark.
fn ports(plugin: &Plugin, direction: Direction) -> String {
    let ports = plugin.of(direction).map(|port| {
        let optional = if port.is_optional { "?" } else { "" };
        format!("{}{optional} ({})", port.name, port.data.name())
    });
    let ports: Vec<_> = ports.collect();
    if ports.is_empty() {
        "nothing".to_owned()
    } else {
        ports.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_native_plugin_has_its_line() {
        let table = table();
        assert!(table.contains("uv-t-zipper"));
        assert!(table.contains("input (files) -> output (files)"));
        assert!(table.contains("config? (RDF) -> output (files)"));
        assert!(!table.contains("uv-t-xslt"));
    }
}
