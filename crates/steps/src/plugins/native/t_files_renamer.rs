//! `uv-t-filesRenamer`: files under other names. With `useAdvanceReplace` the replacement is an expression of SPARQL.

use super::pattern::Pattern;
use super::{Failure, Work, rdf};

/// The longest name, in bytes.
const LONGEST: u64 = 16 * 1024;

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let written = work.config.text("pattern").unwrap_or_default().to_owned();
    let replacement = work
        .config
        .text("replaceText")
        .unwrap_or_default()
        .to_owned();
    let is_advanced = work.config.flag("useAdvanceReplace", false);
    let pattern = Pattern::new(&written)?;
    let mut output = work.output("output")?;
    for item in work.input("input")? {
        let name = if is_advanced {
            rdf::replaced(item.outside(), &written, &replacement)?
        } else {
            pattern.replaced(item.outside(), &replacement, LONGEST)?
        };
        if name.is_empty() {
            let before = item.outside();
            return Err(Failure::Data(format!(
                "nothing would be left of the name {before:?}"
            )));
        }
        let mut entry = item.entry.clone();
        entry.path = Some(name);
        output.keep(&item, entry)?;
    }
    output.finish()
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    #[test]
    fn names_are_replaced_and_symbolic_names_stay() {
        for (pattern, by, is_advanced, expected) in [
            ("[.]txt$", ".csv", false, Some("in/a.csv")),
            ("^in/(.*)", "out/$1", false, Some("out/a.txt")),
            ("^.*$", "concat(\"n-\", \"$0\")", true, Some("n-in/a.txt")),
            (".*", "", false, None),
            ("(", "", false, None),
            ("a", "nonsense(", true, None),
        ] {
            let bench = Bench::new(
                "uv-t-filesRenamer",
                &format!(
                    "<pattern>{pattern}</pattern><replaceText>{by}</replaceText>\
                     <useAdvanceReplace>{is_advanced}</useAdvanceReplace>"
                ),
            );
            bench.give("input", &[("in/a.txt", b"1")]);
            let outcome = bench.run();
            assert_eq!(
                outcome.is_ok(),
                expected.is_some(),
                "{pattern}: {outcome:?}"
            );
            if let Some(name) = expected {
                let entries = bench.entries("output");
                assert_eq!(entries[0].0.outside(), name);
                assert_eq!(entries[0].0.name, "in/a.txt");
            }
        }
    }
}
