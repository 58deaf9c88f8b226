//! `uv-t-filesMerger`: all files of its input, which brings those of several steps together.

use super::{Failure, Work};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let mut output = work.output("filesOutput")?;
    for item in work.input("filesInput")? {
        output.keep(&item, item.entry.clone())?;
    }
    output.finish()
}
