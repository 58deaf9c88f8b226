//! The examples that come with Penstock are definitions without fault.

use std::fs;
use std::path::Path;

use steps::{Definition, Plan};

#[test]
fn every_example_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        let definition = Definition::from_source(&source)
            .unwrap_or_else(|faults| panic!("{}:\n{faults}", path.display()));
        assert_eq!(Plan::of(&definition).steps.len(), definition.steps.len());
        names.push(definition.name);
    }
    names.sort();
    assert_eq!(
        names,
        [
            "approval",
            "hello",
            "parallel",
            "parameters",
            "plugins",
            "retry-and-finalizer",
            "tools"
        ]
    );
}
