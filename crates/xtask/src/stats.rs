//! How long files and functions are, a line a crate. Tests and generated code don't count.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, File, ImplItemFn, Item, ItemFn, ItemMod, Signature, TraitItemFn};

use crate::manifest;

/// Longer functions are named.
const LONG: usize = 60;

/// What is known of one crate.
#[derive(Default)]
struct Sizes {
    /// Lines of each file.
    files: Vec<usize>,
    /// Lines of each function.
    functions: Vec<usize>,
    /// Files that open with module documentation.
    documented: usize,
    /// Functions longer than [`LONG`], with where they are.
    long: Vec<String>,
}

/// Prints the table, and below it each function that is too long.
pub(crate) fn print(root: &Path) -> anyhow::Result<()> {
    println!(
        "\n{:<18} {:>5}  {:>16}  {:>19}  {:>4}  {:>4}",
        "crate", "files", "lines 50/90/max", "functions 50/90/max", ">60", "docs"
    );
    let mut all = Sizes::default();
    for name in manifest::crates(root)? {
        let mut sizes = Sizes::default();
        for path in sources(&root.join(&name))? {
            sizes.add(&path)?;
        }
        sizes.print_line(&name);
        if name != "tests" {
            all.join(sizes);
        }
    }
    all.print_line("all crates");
    all.long.iter().for_each(|long| println!("{long}"));
    Ok(())
}

impl Sizes {
    fn add(&mut self, path: &Path) -> anyhow::Result<()> {
        let text = fs::read_to_string(path)?;
        let at = || format!("{} does not parse", path.display());
        let file = syn::parse_file(&text).with_context(at)?;
        let tests: usize = file.items.iter().map(test_lines).sum();
        self.files.push(text.lines().count().saturating_sub(tests));
        self.documented += usize::from(file.attrs.iter().any(|attr| attr.path().is_ident("doc")));
        self.count(path, &file);
        Ok(())
    }

    fn count(&mut self, path: &Path, file: &File) {
        let mut functions = Functions::default();
        functions.visit_file(file);
        for (name, lines) in functions.found {
            self.functions.push(lines);
            if lines > LONG {
                self.long
                    .push(format!("{} {name}: {lines} lines", path.display()));
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.files.extend(other.files);
        self.functions.extend(other.functions);
        self.documented += other.documented;
        self.long.extend(other.long);
    }

    fn print_line(&mut self, name: &str) {
        let count = self.files.len();
        let documented = self.documented * 100 / count.max(1);
        let (files, functions) = (spread(&mut self.files), spread(&mut self.functions));
        let long = self.long.len();
        println!(
            "{name:<18} {count:>5}  {files:>16}  {functions:>19}  {long:>4}  {documented:>3}%"
        );
    }
}

/// Every function outside tests, with its length from `fn` to the closing brace.
#[derive(Default)]
struct Functions {
    found: Vec<(String, usize)>,
}

impl Functions {
    fn note(&mut self, signature: &Signature, body: &Block) {
        let first = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().end().line;
        self.found
            .push((signature.ident.to_string(), last - first + 1));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_test(&item.attrs) {
            self.note(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.note(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.note(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// Lines of a test module, its attribute included.
fn test_lines(item: &Item) -> usize {
    let Item::Mod(module) = item else { return 0 };
    let Some((brace, _)) = module.content.as_ref().filter(|_| is_test(&module.attrs)) else {
        return 0;
    };
    brace.span.close().end().line - module.mod_token.span.start().line + 2
}

/// Says whether an item is compiled for tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let cfg_test = attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|ident| ident == "test");
        let last = attribute.path().segments.last();
        cfg_test || last.is_some_and(|segment| segment.ident == "test" || segment.ident == "rstest")
    })
}

/// The Rust files of a crate, its tests left out.
fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The median, the ninth decile and the greatest.
fn spread(values: &mut [usize]) -> String {
    values.sort_unstable();
    let at = |percent: usize| {
        values
            .get((values.len().max(1) - 1) * percent / 100)
            .unwrap_or(&0)
    };
    format!("{} / {} / {}", at(50), at(90), at(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_and_tests_are_not() {
        let text = "//! A file.\nfn one() {}\nimpl X {\n    fn two() {\n    }\n}\n\
                    #[cfg(test)]\nmod tests {\n    fn three() {}\n}\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.rs");
        fs::write(&path, text).unwrap();
        let mut sizes = Sizes::default();
        sizes.add(&path).unwrap();
        assert_eq!(
            (sizes.functions, sizes.files, sizes.documented),
            (vec![1, 2], vec![6], 1)
        );
    }

    #[test]
    fn a_spread_is_the_median_the_ninth_decile_and_the_greatest() {
        assert_eq!(
            spread(&mut (1..=101).rev().collect::<Vec<_>>()),
            "51 / 91 / 101"
        );
        assert_eq!(spread(&mut []), "0 / 0 / 0");
    }
}
