//! The small outputs of a step: the file that `PENSTOCK_OUTPUT` names, one `key=value` a line.
//!
//! Everything after the first `=` is the value; a key that comes again replaces what it had.

use std::collections::BTreeMap;

use crate::expression::is_name;

/// How long the file may be, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// How many keys it may have.
pub const MAX_KEYS: usize = 100;

/// Why the outputs of a step can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than [`MAX_BYTES`].
    #[error("the output file has {0} bytes; it may have 65536 at most")]
    TooLong(usize),
    /// More than [`MAX_KEYS`].
    #[error("the output file has more than 100 keys")]
    TooManyKeys,
    /// Not UTF-8, or a NUL.
    #[error("line {0} of the output file is not text in UTF-8")]
    NotText(usize),
    /// No `=`.
    #[error("line {0} of the output file is not key=value")]
    NoValue(usize),
    /// Not a name.
    #[error(
        "line {0} of the output file has a bad key; write a letter or _, then letters, digits, _ and -, 128 at most"
    )]
    BadKey(usize),
}

/// Reads the content of an output file.
pub fn parse(file: &[u8]) -> Result<BTreeMap<String, String>, Error> {
    if file.len() > MAX_BYTES {
        return Err(Error::TooLong(file.len()));
    }
    let mut outputs = BTreeMap::new();
    for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let line = std::str::from_utf8(line).map_err(|_| Error::NotText(number))?;
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(Error::NoValue(number))?;
        if value.contains('\0') {
            return Err(Error::NotText(number));
        }
        if !is_name(key) {
            return Err(Error::BadKey(number));
        }
        outputs.insert(key.to_owned(), value.to_owned());
        if outputs.len() > MAX_KEYS {
            return Err(Error::TooManyKeys);
        }
    }
    Ok(outputs)
}

/// Sees that outputs that came otherwise than by a file are what a file could say.
pub fn check(outputs: &BTreeMap<String, String>) -> Result<(), Error> {
    // Each with its `=` and its line's end.
    let bytes = |(key, value): (&String, &String)| key.len() + value.len() + 2;
    let length = outputs.iter().map(bytes).sum();
    if length > MAX_BYTES {
        return Err(Error::TooLong(length));
    }
    if outputs.len() > MAX_KEYS {
        return Err(Error::TooManyKeys);
    }
    for (index, (key, value)) in outputs.iter().enumerate() {
        if !is_name(key) {
            return Err(Error::BadKey(index + 1));
        }
        if value.contains('\0') {
            return Err(Error::NotText(index + 1));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_line_is_a_key_and_its_value() {
        let outputs = parse(b"rows=12\r\n\nurl=https://x/?a=b\nempty=\nrows=13").unwrap();
        let pairs: Vec<_> = outputs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [("empty", ""), ("rows", "13"), ("url", "https://x/?a=b")]
        );
        assert!(parse(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_output_is_named_by_its_line() {
        for (file, error) in [
            (&b"a=1\nrows"[..], Error::NoValue(2)),
            (b"=1", Error::BadKey(1)),
            (b"a b=1", Error::BadKey(1)),
            (b"\na=\xff", Error::NotText(2)),
            (b"a=\0", Error::NotText(1)),
        ] {
            assert_eq!(parse(file), Err(error));
        }
        assert_eq!(
            parse(&vec![b'a'; MAX_BYTES + 1]),
            Err(Error::TooLong(MAX_BYTES + 1))
        );
        let many = (0..=MAX_KEYS)
            .map(|key| format!("k{key}=v"))
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(parse(many.as_bytes()), Err(Error::TooManyKeys));
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&file);
        }
    }
}
