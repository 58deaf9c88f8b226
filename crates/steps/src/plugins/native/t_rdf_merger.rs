//! `uv-t-rdfMerger`: all graphs of its input, which brings those of several steps together.

use super::{Failure, Work};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let mut output = work.output("rdfOutput")?;
    for item in work.input("rdfInput")? {
        output.keep(&item, item.entry.clone())?;
    }
    output.finish()
}
