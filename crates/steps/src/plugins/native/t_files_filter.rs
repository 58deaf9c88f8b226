//! `uv-t-filesFilter`: the files of which something that is known of them is as said.

use super::pattern::Pattern;
use super::work::Item;
use super::{Failure, Work};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let config = &work.config;
    let predicate = config.said("predicate").unwrap_or("virtualPath").trim();
    let object = config.text("object").unwrap_or_default();
    let pattern = config
        .flag("useRegExp", false)
        .then(|| Pattern::new(object))
        .transpose()?;
    let mut output = work.output("output")?;
    for item in work.input("input")? {
        let Some(known) = known(&item, predicate) else {
            continue;
        };
        let is_meant = match &pattern {
            Some(pattern) => pattern.is_in(&known)?,
            None => known == object,
        };
        if is_meant {
            output.keep(&item, item.entry.clone())?;
        }
    }
    output.finish()
}

/// What is known of a file under a predicate, by the end of its IRI where it is one of the usual.
fn known(item: &Item, predicate: &str) -> Option<String> {
    let last = predicate
        .rsplit(['/', '#', ':'])
        .next()
        .unwrap_or(predicate);
    match last {
        "virtualPath" => Some(item.outside().to_owned()),
        "symbolicName" => Some(item.entry.name.clone()),
        _ => {
            let value = item.entry.more.get(predicate)?;
            Some(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;
    use crate::plugins::unit::Entry;

    #[test]
    fn files_pass_by_what_is_known_of_them() {
        let path = "http://unifiedviews.eu/VirtualPathHelper/virtualPath";
        for (predicate, object, is_pattern, expected) in [
            (path, r"[.]csv$", true, &["in/a.csv"][..]),
            (path, "in/a.csv", false, &["in/a.csv"]),
            (
                "http://unifiedviews.eu/MetadataDataUnit/symbolicName",
                "^b",
                true,
                &["b.txt"],
            ),
            ("http://x/type", "text/plain", false, &["b.txt"]),
            ("http://x/other", ".*", true, &[]),
            ("", "t", true, &["b.txt"]),
        ] {
            let bench = Bench::new(
                "uv-t-filesFilter",
                &format!(
                    "<predicate>{predicate}</predicate><object>{object}</object><useRegExp>{is_pattern}</useRegExp>"
                ),
            );
            let mut a = Entry {
                name: "a".into(),
                path: Some("in/a.csv".into()),
                ..Entry::default()
            };
            let mut b = Entry {
                name: "b.txt".into(),
                ..Entry::default()
            };
            a.more.insert("http://x/type".into(), "text/csv".into());
            b.more.insert("http://x/type".into(), "text/plain".into());
            bench.give_entries("input", [(a, &b"1"[..]), (b, b"2")]);
            bench.run().unwrap();
            let names: Vec<_> = bench.taken("output").into_iter().map(|it| it.0).collect();
            assert_eq!(names, expected, "{predicate} {object}");
        }
    }
}
