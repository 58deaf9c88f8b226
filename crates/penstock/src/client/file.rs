//! Files whose text goes to the server.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::Error;

/// The longest text, as the server has it too.
const MAX_BYTES: u64 = 1024 * 1024;
/// The longest archive, as the server has it unless it is told otherwise.
const MAX_ARCHIVE_BYTES: u64 = 64 * 1024 * 1024;

/// The text of a file; - is standard input.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Error> {
    read_up_to(file, MAX_BYTES)
}

/// A jar, or an exported pipeline.
pub(crate) fn read_archive(file: &Path) -> Result<Vec<u8>, Error> {
    read_up_to(file, MAX_ARCHIVE_BYTES)
}

fn read_up_to(file: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let name = file.display().to_string();
    let mut text = Vec::new();
    let read = if name == "-" {
        let input = std::io::stdin().lock();
        input.take(most + 1).read_to_end(&mut text)
    } else {
        File::open(file).and_then(|input| input.take(most + 1).read_to_end(&mut text))
    };
    match read {
        Err(error) => Err(Error::File(name, error)),
        Ok(_) if text.len() as u64 > most => Err(Error::Usage(format!(
            "{name} is longer than the {most} bytes that the server takes"
        ))),
        Ok(_) => Ok(text),
    }
}
