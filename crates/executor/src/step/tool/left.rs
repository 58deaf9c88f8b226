//! What a try leaves in the workspace about what it has started in a tool, for an attempt that has
//! to go on without it.
//!
//! It is a hint that only fills templates of the same step: whoever can write to the workspace could
//! change it, and gets no further than the step's own requests.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use steps::connector::Record;

use crate::log::Mask;
use crate::step::StepTry;

/// Where in the workspace.
const FOLDER: &str = ".penstock";
/// What is read of a file, in bytes.
const LARGEST: u64 = 256 * 1024;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    attempt: u32,
    r#try: u32,
    /// Whether it ended well, once it has ended.
    ended: Option<bool>,
    record: Record,
}

/// What the try leaves.
#[derive(Debug)]
pub(super) struct Left {
    file: PathBuf,
    earlier: Option<Kept>,
    own: Kept,
}

impl Left {
    pub(super) fn of(step: &StepTry) -> Self {
        let folder = step.workspace.path().join(FOLDER);
        let file = folder.join(format!("{}.json", step.of.step));
        Self {
            earlier: read(&file),
            file,
            own: Kept {
                attempt: step.facts.attempt,
                r#try: step.of.number,
                ended: None,
                record: Record::default(),
            },
        }
    }

    /// What an attempt before this one was at and has not seen through, or has seen end well without
    /// telling anyone.
    pub(super) fn of_earlier(&self) -> Option<Record> {
        let earlier = self.earlier.as_ref()?;
        let goes_on = earlier.attempt < self.own.attempt && earlier.ended != Some(false);
        goes_on.then(|| earlier.record.clone())
    }

    /// Notes down where it is. A secret that an answer repeats is masked: it stays in memory.
    pub(super) fn keep(&mut self, mut record: Record, mask: &Mask) -> io::Result<()> {
        for value in record.vars.values_mut() {
            hide(value, mask);
        }
        self.own.record = record;
        write(&self.file, &self.own)
    }

    /// It has ended. What can't be written now costs no more than a look at what has ended.
    pub(super) fn end(&mut self, is_well: bool) {
        self.own.ended = Some(is_well);
        if self.own.record.is_sent
            && let Err(error) = write(&self.file, &self.own)
        {
            tracing::warn!("what has ended can't be noted down: {error}");
        }
    }
}

fn hide(value: &mut Value, mask: &Mask) {
    match value {
        Value::String(text) => *text = mask.apply_to(std::mem::take(text)),
        Value::Array(values) => values.iter_mut().for_each(|it| hide(it, mask)),
        Value::Object(fields) => fields.values_mut().for_each(|it| hide(it, mask)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn read(file: &Path) -> Option<Kept> {
    let mut text = Vec::new();
    let opened = std::fs::File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(file);
    opened.ok()?.take(LARGEST).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes it as a whole or not at all.
fn write(file: &Path, kept: &Kept) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)?;
    if std::fs::symlink_metadata(folder)?.is_symlink() {
        return Err(io::Error::other(format!("{FOLDER} is a link")));
    }
    let new = file.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&new)?;
    written.write_all(&serde_json::to_vec(kept)?)?;
    written.sync_all()?;
    std::fs::rename(&new, file)
}
