//! Hides secrets in what is logged, in the forms that programs commonly give them.
//!
//! Each value is looked for as it is, as base64 at each of three alignments and as `base64` wraps
//! it, URL-encoded, and escaped for JSON; one of several lines is looked for line by line, because
//! a log is masked by lines.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands for a secret.
const MASKED: &[u8] = b"***";
/// A piece of a secret that is shorter says nothing, and would hide half of the log.
const SHORTEST_PIECE: usize = 4;
/// Of longer values only the commonest forms are looked for.
const LONG: usize = 4096;

/// Finds secrets in lines. The default finds none.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    forms: Option<AhoCorasick>,
    longest: usize,
}

impl Mask {
    /// Finds these values. Empty ones are no secrets.
    pub(crate) fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let forms: BTreeSet<Vec<u8>> = values.into_iter().flat_map(forms).collect();
        let longest = forms.iter().map(Vec::len).max().unwrap_or_default();
        if forms.is_empty() {
            return Self::default();
        }
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(forms);
        // Only more patterns than can be counted are refused, and they would not fit into memory.
        let forms = built.inspect_err(|error| tracing::error!("secrets can't be masked: {error}"));
        Self {
            forms: forms.ok(),
            longest,
        }
    }

    /// The length of the longest form, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Hides every secret that begins in the first `limit` bytes of a line, and drops what is
    /// beyond. Answers whether there was more.
    pub(crate) fn apply<'l>(&self, line: &'l [u8], limit: usize) -> (Cow<'l, [u8]>, bool) {
        let kept = line.len().min(limit);
        let is_longer = line.len() > limit;
        let hidden = self.found(line);
        if hidden.is_empty() {
            return (Cow::Borrowed(&line[..kept]), is_longer);
        }
        let mut masked = Vec::with_capacity(kept);
        let mut from = 0;
        for (start, end) in hidden {
            if start >= kept {
                break;
            }
            masked.extend_from_slice(&line[from..start]);
            masked.extend_from_slice(MASKED);
            from = end;
        }
        masked.extend_from_slice(&line[from.min(kept)..kept]);
        (Cow::Owned(masked), is_longer)
    }

    /// Hides every secret in a text.
    pub(crate) fn apply_to(&self, text: String) -> String {
        match self.apply(text.as_bytes(), usize::MAX).0 {
            Cow::Borrowed(_) => text,
            Cow::Owned(masked) => String::from_utf8_lossy(&masked).into_owned(),
        }
    }

    /// Where secrets are, in order, those that overlap as one.
    fn found(&self, line: &[u8]) -> Vec<(usize, usize)> {
        let Some(forms) = self.forms.as_ref().filter(|forms| forms.is_match(line)) else {
            return Vec::new();
        };
        let mut spans: Vec<_> = forms
            .find_overlapping_iter(line)
            .map(|found| (found.start(), found.end()))
            .collect();
        spans.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (start, end) in spans {
            match merged.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        merged
    }
}

/// All forms of a value.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    // Programs add and drop a line's end at will.
    let trimmed = value.trim_ascii();
    let value = if trimmed.is_empty() { value } else { trimmed };
    if value.is_empty() {
        return Vec::new();
    }
    let mut forms = Vec::new();
    pieces(value, &mut forms);
    base64(value, &mut forms);
    if let Ok(text) = std::str::from_utf8(value) {
        forms.push(json(text, false));
        if value.len() <= LONG {
            forms.push(json(text, true));
        }
    }
    if value.len() <= LONG {
        urls(value, &mut forms);
    }
    forms.retain(|form| !form.is_empty() && !form.contains(&b'\n'));
    forms
}

/// The value, or its lines.
fn pieces(value: &[u8], forms: &mut Vec<Vec<u8>>) {
    if !value.contains(&b'\n') {
        forms.push(value.to_vec());
        return;
    }
    let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    forms.extend(
        lines
            .filter(|line| line.len() >= SHORTEST_PIECE)
            .map(<[u8]>::to_vec),
    );
}

/// Base64 with the value at each place of a group of three bytes, less what its neighbours decide.
fn base64(value: &[u8], forms: &mut Vec<Vec<u8>>) {
    for before in 0..3 {
        let padded = [&[0; 3][..before], value].concat();
        let own = (before * 8).div_ceil(6)..padded.len() * 8 / 6;
        for alphabet in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = alphabet.encode(&padded).into_bytes();
            let form = encoded.get(own.clone()).unwrap_or_default();
            if form.len() >= SHORTEST_PIECE {
                forms.push(form.to_vec());
            }
        }
    }
    let encoded = STANDARD_NO_PAD.encode(value).into_bytes();
    for width in [64, 76] {
        let lines = encoded
            .chunks(width)
            .filter(|line| line.len() >= 2 * SHORTEST_PIECE);
        forms.extend(
            lines
                .filter(|line| line.len() < encoded.len())
                .map(<[u8]>::to_vec),
        );
    }
}

/// As addresses and forms carry it.
fn urls(value: &[u8], forms: &mut Vec<Vec<u8>>) {
    for (kept, upper, plus) in [
        (&b"-._~"[..], true, false),
        (b"-._~", false, false),
        (b"-_.!~*'()", true, false),
        (b"-_.*", true, true),
        (b"-._~/", true, false),
    ] {
        let mut form = Vec::with_capacity(value.len() * 3);
        for &byte in value {
            if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
                form.push(byte);
            } else if plus && byte == b' ' {
                form.push(b'+');
            } else {
                let digits = if upper {
                    format!("%{byte:02X}")
                } else {
                    format!("%{byte:02x}")
                };
                form.extend_from_slice(digits.as_bytes());
            }
        }
        forms.push(form);
    }
}

/// As it stands between the quotes of JSON, with or without letters beyond ASCII.
fn json(text: &str, is_ascii: bool) -> Vec<u8> {
    let quoted = serde_json::Value::from(text).to_string();
    let inner = &quoted[1..quoted.len() - 1];
    if !is_ascii {
        return inner.as_bytes().to_vec();
    }
    let mut form = String::with_capacity(inner.len());
    let mut units = [0; 2];
    for letter in inner.chars() {
        if letter.is_ascii() {
            form.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut units) {
                let _ = write!(form, "\\u{unit:04x}");
            }
        }
    }
    form.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(secrets: &[&str], line: &str) -> String {
        Mask::of(secrets.iter().map(|secret| secret.as_bytes())).apply_to(line.to_owned())
    }

    #[test]
    fn every_form_of_a_secret_is_hidden() {
        let secret = "p@ss wörd/\"1\"";
        for form in [
            secret,
            "p%40ss%20w%C3%B6rd%2F%221%22",
            "p%40ss%20w%c3%b6rd%2f%221%22",
            "p%40ss+w%C3%B6rd%2F%221%22",
            "p@ss wörd/\\\"1\\\"",
            "p@ss w\\u00f6rd/\\\"1\\\"",
        ] {
            assert_eq!(
                masked(&[secret], &format!("a {form} b")),
                "a *** b",
                "{form}"
            );
        }
    }

    #[test]
    fn base64_is_found_at_every_alignment() {
        let secret = "correct horse battery";
        for before in ["", "u", "us", "use", "user:"] {
            for after in ["", "!", "!!"] {
                let text = format!("{before}{secret}{after}");
                for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                    let line = masked(&[secret], &encoded);
                    assert!(line.contains("***"), "{text}: {line}");
                    assert!(line.len() < 20, "{text}: {line}");
                }
            }
        }
        let long = "0123456789".repeat(30);
        let encoded = STANDARD_NO_PAD.encode(&long);
        let wrapped = encoded.as_bytes().chunks(76);
        for line in wrapped.map(|line| String::from_utf8_lossy(line).into_owned()) {
            assert_eq!(masked(&[&long], &line), "***");
        }
    }

    #[test]
    fn a_secret_of_several_lines_is_hidden_line_by_line() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nab\n-----END KEY-----\n";
        assert_eq!(masked(&[key], "x MIIEvQIBADANBg y"), "x *** y");
        assert_eq!(masked(&[key], "ab"), "ab");
        assert_eq!(masked(&["token\n"], "Bearer token"), "Bearer ***");
    }

    #[test]
    fn secrets_that_overlap_are_hidden_together() {
        assert_eq!(masked(&["abcd", "cdef", "abcdefgh"], "xabcdefy"), "x***y");
        assert_eq!(masked(&["abcd"], "abcdabcd"), "******");
        assert_eq!(masked(&[""], "abc"), "abc");
    }

    proptest! {
        #[test]
        fn no_secret_survives(secret in "[a-zA-Z0-9/+=%]{4,12}", before in ".{0,10}", after in ".{0,10}") {
            let line = masked(&[&secret], &format!("{before}{secret}{after}"));
            prop_assert!(!line.contains(&secret));
        }
    }
}
