//! Patterns as Java writes them, and what they are replaced by.
//!
//! **Invariant:** a pattern that would search for ever fails instead.

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::Failure;

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 64 * 1024;
/// How far a search may go astray.
const BACKTRACKS: usize = 10_000_000;

/// A pattern.
#[derive(Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::Config(format!("the pattern {pattern:?}: {why}"));
        if pattern.len() > MAX_PATTERN {
            return Err(wrong(format!("is longer than {MAX_PATTERN} bytes")));
        }
        RegexBuilder::new(pattern)
            .backtrack_limit(BACKTRACKS)
            .build()
            .map(Self)
            .map_err(|error| wrong(error.to_string()))
    }

    /// Whether it is found anywhere.
    pub(super) fn is_in(&self, text: &str) -> Result<bool, Failure> {
        self.0.is_match(text).map_err(|error| self.astray(&error))
    }

    /// The text with every place of it replaced, where `$1`, `${name}` and `\x` mean what they do in Java.
    pub(super) fn replaced(
        &self,
        text: &str,
        replacement: &str,
        most: u64,
    ) -> Result<String, Failure> {
        let mut result = String::with_capacity(text.len());
        let mut end = 0;
        for found in self.0.captures_iter(text) {
            let found = found.map_err(|error| self.astray(&error))?;
            let Some(whole) = found.get(0) else { continue };
            result.push_str(&text[end..whole.start()]);
            expand(replacement, &found, &mut result).map_err(Failure::Config)?;
            end = whole.end();
            if result.len() as u64 > most {
                return Err(Failure::TooMuch(format!(
                    "what it is replaced by has more than {most} bytes"
                )));
            }
        }
        result.push_str(&text[end..]);
        Ok(result)
    }

    fn astray(&self, error: &fancy_regex::Error) -> Failure {
        Failure::Data(format!(
            "the pattern {:?} can't be searched for: {error}",
            self.0.as_str()
        ))
    }
}

fn expand(replacement: &str, found: &Captures<'_, str>, result: &mut String) -> Result<(), String> {
    let mut rest = replacement;
    while let Some(at) = rest.find(['\\', '$']) {
        result.push_str(&rest[..at]);
        let is_escape = rest[at..].starts_with('\\');
        rest = &rest[at + 1..];
        if is_escape {
            let literal = rest
                .chars()
                .next()
                .ok_or("the replacement ends with a \\")?;
            result.push(literal);
            rest = &rest[literal.len_utf8()..];
        } else if let Some(named) = rest.strip_prefix('{') {
            let (name, after) = named
                .split_once('}')
                .ok_or("${ in the replacement has no }")?;
            let group = found.name(name).map_or("", |it| it.as_str());
            result.push_str(group);
            rest = after;
        } else {
            rest = numbered(rest, found, result)?;
        }
    }
    result.push_str(rest);
    Ok(())
}

/// A group by its number, which is as long as there are such groups.
fn numbered<'r>(
    rest: &'r str,
    found: &Captures<'_, str>,
    result: &mut String,
) -> Result<&'r str, String> {
    let mut digits = rest
        .chars()
        .take_while(char::is_ascii_digit)
        .map_while(|it| it.to_digit(10));
    let first = digits
        .next()
        .ok_or("$ in the replacement names no group; write \\$ for the character")?;
    let mut number = first as usize;
    if number >= found.len() {
        return Err(format!(
            "the replacement names the group {number}, and the pattern has {}",
            found.len() - 1
        ));
    }
    let mut length = 1;
    for digit in digits {
        let longer = number * 10 + digit as usize;
        if longer >= found.len() {
            break;
        }
        (number, length) = (longer, length + 1);
    }
    result.push_str(found.get(number).map_or("", |it| it.as_str()));
    Ok(&rest[length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_mean_what_they_do_in_java() {
        for (pattern, replacement, text, expected) in [
            ("b", "x", "abcb", "axcx"),
            ("(a)(b)", "$2$1", "ab-ab", "ba-ba"),
            ("(?<n>[0-9]+)", "<${n}>", "a12", "a<12>"),
            ("(a)", "$10", "a", "a0"),
            ("a", r"\$1\\", "a", r"$1\"),
            ("(?<=x)a", "", "xaa", "xa"),
            ("^", ">", "a", ">a"),
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            assert_eq!(pattern.replaced(text, replacement, 100).unwrap(), expected);
        }
    }

    #[test]
    fn what_can_not_be_meant_is_said() {
        assert!(Pattern::new("(").is_err());
        let pattern = Pattern::new("a").unwrap();
        for replacement in ["$1", "$", "\\", "${a"] {
            assert!(
                pattern.replaced("a", replacement, 100).is_err(),
                "{replacement}"
            );
        }
        assert!(pattern.replaced("aaaa", "xxxxxxxx", 10).is_err());
    }

    #[test]
    fn no_pattern_searches_for_ever() {
        let pattern = Pattern::new(r"(?=(a+)+$)(a+)+\1$").unwrap();
        let text = format!("{}b", "a".repeat(40));
        let _ = pattern.is_in(&text);
    }
}
