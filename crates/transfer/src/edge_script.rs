//! The script on an edge between two plug-ins: which output goes into which input.
//!
//! Commands end in `;`. One is `out -> in`, or begins with `run_after`, which orders and hands over nothing, as a
//! script without commands does; `#` begins one that is for people.

/// The most characters of a script.
pub const MAX_CHARS: usize = 2048;
/// Characters of a port's name, at most.
const MAX_NAME: usize = 256;
const RUN_AFTER: &str = "run_after";

/// An output that goes into an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The output of the first plug-in.
    pub from: String,
    /// The input of the second.
    pub to: String,
}

/// Why a script can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too many characters.
    #[error("the script has {0} characters; it may have {MAX_CHARS} at most")]
    TooLong(usize),
    /// None of the commands that there are.
    #[error("\"{0}\" is no command of a script: write `output -> input;` or `run_after;`")]
    Command(String),
}

/// Reads the mappings of a script, in their order.
pub fn read(script: &str) -> Result<Vec<Mapping>, Error> {
    let length = script.chars().count();
    if length > MAX_CHARS {
        return Err(Error::TooLong(length));
    }
    let commands = script.split(';').map(str::trim);
    let commands = commands.filter(|it| !it.is_empty() && !it.starts_with('#'));
    commands.filter_map(|it| command(it).transpose()).collect()
}

fn command(text: &str) -> Result<Option<Mapping>, Error> {
    let tokens: Vec<_> = text.split_ascii_whitespace().take(4).collect();
    match tokens.as_slice() {
        [first, ..] if first.eq_ignore_ascii_case(RUN_AFTER) => Ok(None),
        [from, "->", to] if is_port(from) && is_port(to) => Ok(Some(Mapping {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        })),
        _ => Err(Error::Command(text.chars().take(80).collect())),
    }
}

fn is_port(name: &str) -> bool {
    name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control)
}

/// Writes mappings as a script.
pub fn write<'a>(mappings: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut script = String::new();
    for (from, to) in mappings {
        script.push_str(from);
        script.push_str(" -> ");
        script.push_str(to);
        script.push(';');
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(script: &str) -> Vec<(String, String)> {
        let mappings = read(script).unwrap().into_iter();
        mappings.map(|it| (it.from, it.to)).collect()
    }

    #[test]
    fn commands_are_mappings_orders_and_remarks() {
        for (script, expected) in [
            ("output -> ICs;", &[("output", "ICs")][..]),
            ("a -> b;c -> d", &[("a", "b"), ("c", "d")]),
            (
                " a  ->\tb ;\n# a remark -> x;\nc -> d;\n",
                &[("a", "b"), ("c", "d")],
            ),
            ("", &[]),
            (" ;; \n", &[]),
            ("run_after;", &[]),
            ("run_after x y; a -> a;", &[("a", "a")]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
                .collect();
            assert_eq!(pairs(script), expected, "{script}");
        }
    }

    #[test]
    fn what_is_no_command_is_named() {
        for script in ["a", "a b", "a -> ", "a => b", "a -> b c", "->", "a->b"] {
            assert!(matches!(read(script), Err(Error::Command(_))), "{script}");
        }
        assert_eq!(read(&"x".repeat(2049)), Err(Error::TooLong(2049)));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let script = write([("a", "b"), ("c", "d")]);
        assert_eq!(script, "a -> b;c -> d;");
        assert_eq!(pairs(&script).len(), 2);
    }
}
