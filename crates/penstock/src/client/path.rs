//! Paths and queries of requests: whatever a name contains, it stays where it was put.

use std::fmt::Write as _;

/// A path from its segments, each of them as one segment whatever it contains.
pub(crate) fn path(segments: &[&str]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        escape(&mut path, segment);
    }
    path
}

/// A query from its pairs.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        escape(&mut query, value);
    }
    query
}

fn escape(into: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(byte));
            }
            _ => {
                // A string takes whatever is written to it.
                let _ = write!(into, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_it_contains() {
        for (name, said) in [
            ("hello", "/p/hello"),
            ("a/b?c#d", "/p/a%2Fb%3Fc%23d"),
            ("ü 1.2", "/p/%C3%BC%201.2"),
            ("name:x", "/p/name%3Ax"),
        ] {
            assert_eq!(path(&["p", name]), said);
        }
        assert_eq!(
            query(&[("step", "a&b"), ("limit", "5")]),
            "?step=a%26b&limit=5"
        );
        assert_eq!(query(&[]), "");
    }
}
