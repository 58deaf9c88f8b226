//! Tables for people: columns as wide as they need to be, and nothing else.

/// How a cell is painted on a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Not at all.
    #[default]
    Plain,
    /// It went well.
    Green,
    /// It goes on, or went well with a warning.
    Yellow,
    /// It went wrong.
    Red,
    /// It matters less.
    Dim,
}

impl Paint {
    /// The text with the terminal's codes around it.
    pub(crate) fn on(self, text: &str) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
            Self::Dim => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The paint of a run's or step's state.
    pub(crate) fn of_state(state: &str) -> Self {
        match state {
            "succeeded" => Self::Green,
            "warned" | "running" | "waiting" | "retrying" | "cancelling" => Self::Yellow,
            "failed" | "failing" => Self::Red,
            "cancelled" | "skipped" | "pending" | "queued" => Self::Dim,
            _ => Self::Plain,
        }
    }
}

/// A cell of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A run's or step's state in its paint.
    pub(crate) fn state(state: &str) -> Self {
        Self {
            text: state.to_owned(),
            paint: Paint::of_state(state),
        }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: one_line(&text.to_string()),
            paint: Paint::Plain,
        }
    }
}

/// Rows under headings.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// No rows yet.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// The lines, with or without colours.
    pub(crate) fn lines(&self, colours: bool) -> Vec<String> {
        let widths = self.widths();
        let headings = self.headings.iter().map(|it| Cell {
            text: (*it).to_owned(),
            paint: Paint::Dim,
        });
        let headings: Vec<Cell> = headings.collect();
        std::iter::once(&headings)
            .chain(&self.rows)
            .map(|row| line(row, &widths, colours))
            .collect()
    }

    fn widths(&self) -> Vec<usize> {
        let column = |at: usize| {
            let cells = self.rows.iter().filter_map(move |row| row.get(at));
            cells.map(|cell| cell.text.chars().count()).max()
        };
        self.headings
            .iter()
            .enumerate()
            .map(|(at, heading)| heading.len().max(column(at).unwrap_or_default()))
            .collect()
    }
}

fn line(row: &[Cell], widths: &[usize], colours: bool) -> String {
    let mut line = String::new();
    // Spaces that end a line are only written when something follows them.
    let mut owed = 0;
    for (cell, width) in row.iter().zip(widths) {
        if !cell.text.is_empty() {
            line.extend(std::iter::repeat_n(' ', owed));
            owed = 0;
            let paint = if colours { cell.paint } else { Paint::Plain };
            line.push_str(&paint.on(&cell.text));
        }
        owed += width - cell.text.chars().count() + 2;
    }
    line
}

/// What is said in a cell stays in its line.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_tails() {
        let mut table = Table::new(&["RUN", "STATE", "TOOK"]);
        table.row([1.into(), Cell::state("succeeded"), "2 s".into()]);
        table.row([12.into(), Cell::state("queued"), "".into()]);
        assert_eq!(
            table.lines(false),
            ["RUN  STATE      TOOK", "1    succeeded  2 s", "12   queued"]
        );
        assert!(table.lines(true)[1].contains("\x1b[32msucceeded\x1b[0m  2 s"));
    }

    #[test]
    fn a_cell_can_not_break_out_of_its_line() {
        let mut table = Table::new(&["A"]);
        table.row(["x\ny\x1b[31m".into()]);
        assert_eq!(table.lines(false)[1], "x y [31m");
    }
}
