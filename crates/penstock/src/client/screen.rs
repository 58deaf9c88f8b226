//! Where answers are printed: tables with colours on a terminal, JSON for programs.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

use serde_json::Value;

use super::args::Output;
use super::table::{Paint, Table};

/// Standard output.
pub(crate) struct Screen {
    out: BufWriter<StdoutLock<'static>>,
    format: Output,
    is_terminal: bool,
    colours: bool,
}

impl Screen {
    /// Opens it.
    pub(crate) fn open(format: Output) -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let colours = is_terminal && runtime::config::variable("NO_COLOR").is_none();
        Self {
            out: BufWriter::new(stdout.lock()),
            format,
            is_terminal,
            colours,
        }
    }

    /// Whether a program reads it.
    pub(crate) fn is_for_programs(&self) -> bool {
        self.format == Output::Json
    }

    /// Whether a person reads it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Prints an answer of the API as it is.
    pub(crate) fn json(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// Prints an answer on one line.
    pub(crate) fn json_line(&mut self, value: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }

    /// Prints what came as it is.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Prints a table.
    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        for line in table.lines(self.colours) {
            self.line(&line)?;
        }
        self.flush()
    }

    /// Shows what was printed.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A text in its paint, where there are colours.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        if self.colours {
            paint.on(text)
        } else {
            text.to_owned()
        }
    }

    /// What a step said, harmless on a terminal; unchanged elsewhere.
    pub(crate) fn foreign(&self, text: &str) -> String {
        if self.is_terminal {
            harmless(text, self.colours)
        } else {
            text.to_owned()
        }
    }
}

/// The text without control characters, but for tabs and, with `colours`, codes that paint.
fn harmless(text: &str, colours: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    let mut painted = false;
    while let Some(at) = rest.find(|it: char| it.is_control() && it != '\t') {
        safe.push_str(&rest[..at]);
        rest = &rest[at..];
        let code = paint_code(rest);
        if colours && let Some(code) = code {
            safe.push_str(code);
            painted = true;
        }
        let control = rest.chars().next().map_or(0, char::len_utf8);
        rest = &rest[code.map_or(control, str::len)..];
    }
    safe.push_str(rest);
    if painted {
        safe.push_str("\x1b[0m");
    }
    safe
}

/// The code for a colour (`ESC [ numbers m`) that the text begins with.
fn paint_code(text: &str) -> Option<&str> {
    let numbers = text.strip_prefix("\x1b[")?;
    let end = numbers.find(|it: char| !it.is_ascii_digit() && it != ';')?;
    numbers[end..].starts_with('m').then(|| &text[..end + 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steps_say_can_paint_and_nothing_else() {
        for (said, shown) in [
            ("plain\tüñí", "plain\tüñí"),
            ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
            ("\x1b[2Jcleared", "[2Jcleared"),
            ("\x1b]0;title\x07", "]0;title"),
            ("50%\r100%", "50%100%"),
            ("\x1b", ""),
        ] {
            assert_eq!(harmless(said, true), shown, "{said:?}");
        }
        assert_eq!(harmless("\x1b[31mred", false), "red");
    }
}
