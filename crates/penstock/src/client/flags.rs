//! The flags that a hint repeats, so that the command it shows reaches the same server.
//!
//! **Invariant:** no token is ever shown.

use std::path::Path;

use runtime::config::variable;

use super::args::Connection;

/// The data directory where none is said.
pub(crate) const DATA_DIR: &str = "./penstock-data";

/// The flags to add to a command, each after a space. What a variable says it says again.
pub(crate) fn of(said: &Connection) -> String {
    repeated(said, &|name| variable(name))
}

fn repeated(said: &Connection, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut flags = String::new();
    let server = said.server.as_ref().filter(|it| !it.trim().is_empty());
    if let Some(server) = server.filter(|it| variable("PENSTOCK_SERVER").as_ref() != Some(*it)) {
        flags += " --server ";
        flags += &quoted(server);
    }
    let token = said.token.as_ref().filter(|it| !it.trim().is_empty());
    if token.is_some_and(|it| variable("PENSTOCK_TOKEN").as_ref() != Some(it)) {
        flags += " --token …";
    }
    let data_dir = said.data_dir.display().to_string();
    let is_known = variable("PENSTOCK_DATA_DIR").as_ref() == Some(&data_dir);
    if said.data_dir != Path::new(DATA_DIR) && !is_known {
        flags += " --data-dir ";
        flags += &quoted(&data_dir);
    }
    flags
}

/// A word as a shell takes it for one.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./:@%+=,".contains(it);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::args::Output;

    fn said(server: Option<&str>, token: Option<&str>, data_dir: &str) -> Connection {
        Connection {
            server: server.map(str::to_owned),
            token: token.map(str::to_owned),
            data_dir: data_dir.into(),
            output: Output::Table,
        }
    }

    #[test]
    fn a_hint_repeats_what_was_said_and_never_the_token() {
        let nothing = |_: &str| None;
        for (said, flags) in [
            (said(None, None, DATA_DIR), ""),
            (
                said(None, None, "/tmp/my data"),
                " --data-dir '/tmp/my data'",
            ),
            (
                said(Some("http://a:1"), Some("s3cret"), DATA_DIR),
                " --server http://a:1 --token …",
            ),
        ] {
            assert_eq!(repeated(&said, &nothing), flags);
        }
    }

    #[test]
    fn what_a_variable_says_is_not_repeated() {
        let all = |name: &str| Some(name.to_lowercase());
        let said = said(
            Some("penstock_server"),
            Some("penstock_token"),
            "penstock_data_dir",
        );
        assert_eq!(repeated(&said, &all), "");
    }

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        for (word, shown) in [
            ("hello", "hello"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
