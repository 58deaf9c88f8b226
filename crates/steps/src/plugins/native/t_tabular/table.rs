//! The rows of a CSV file or of a workbook's sheets, as text.

use std::io::Cursor;

use calamine::{Data, Range, Reader as _};
use encoding_rs::Encoding;

use super::Failure;
use crate::plugins::config::Config;
use crate::plugins::native::bounds::TEXT;
use crate::plugins::native::sheets;
use crate::plugins::native::work::Item;

/// The most columns of a table.
const MOST_COLUMNS: usize = 10_000;

/// A table that is being read.
pub(super) struct Table {
    rows: Rows,
    has_header: bool,
    strips_header: bool,
    what: String,
    /// Read ahead, to know how wide a table without header is.
    ahead: Option<Vec<String>>,
}

enum Rows {
    Csv(Box<csv::StringRecordsIntoIter<Cursor<Vec<u8>>>>),
    Sheet(std::vec::IntoIter<Vec<String>>),
}

impl Table {
    pub(super) fn open(config: &Config, item: &Item) -> Result<Self, Failure> {
        let skipped = config.number("linesToIgnore").unwrap_or_default();
        let skipped = usize::try_from(skipped).unwrap_or_default();
        let rows = match config.said("tableType").unwrap_or("CSV").trim() {
            "CSV" => Rows::Csv(Box::new(csv(config, item, skipped)?)),
            "XLS" => Rows::Sheet(sheet(config, item, skipped)?.into_iter()),
            other => {
                let why = format!("tableType {other} is not read natively; CSV and XLS are");
                return Err(Failure::Config(why));
            }
        };
        Ok(Self {
            rows,
            has_header: config.flag("hasHeader", true),
            strips_header: config.flag("stripHeader", false),
            what: item.outside().to_owned(),
            ahead: None,
        })
    }

    /// The names of its columns: those that it has, or `col1` and so on.
    pub(super) fn header(&mut self) -> Result<Vec<String>, Failure> {
        let first = self.next()?.unwrap_or_default();
        if first.len() > MOST_COLUMNS {
            return Err(Failure::TooMuch(format!(
                "{}: has {} columns",
                self.what,
                first.len()
            )));
        }
        if !self.has_header {
            let names = (1..=first.len())
                .map(|number| format!("col{number}"))
                .collect();
            self.ahead = Some(first);
            return Ok(names);
        }
        if self.strips_header {
            return Ok(first.iter().map(|it| it.trim().to_owned()).collect());
        }
        Ok(first)
    }

    /// The next row; those that are empty are left out.
    pub(super) fn next(&mut self) -> Result<Option<Vec<String>>, Failure> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        loop {
            let row = match &mut self.rows {
                Rows::Sheet(rows) => rows.next(),
                Rows::Csv(records) => {
                    let record = records.next().transpose();
                    let record = record.map_err(|error| {
                        Failure::Data(format!("{}: is no CSV: {error}", self.what))
                    })?;
                    record.map(|it| it.iter().map(str::to_owned).collect())
                }
            };
            match row {
                Some(row) if row.iter().all(String::is_empty) => {}
                row => return Ok(row),
            }
        }
    }
}

fn csv(
    config: &Config,
    item: &Item,
    skipped: usize,
) -> Result<csv::StringRecordsIntoIter<Cursor<Vec<u8>>>, Failure> {
    let name = config.said("encoding").unwrap_or("UTF-8").trim();
    let encoding = Encoding::for_label(name.as_bytes())
        .ok_or_else(|| Failure::Config(format!("the encoding {name:?} is not known")))?;
    let bytes = item.bytes(TEXT)?;
    let (text, _, is_broken) = encoding.decode(&bytes);
    if is_broken {
        return Err(Failure::Data(format!(
            "{}: is no text in {name}",
            item.outside()
        )));
    }
    let mut rest = &text[..];
    for _ in 0..skipped {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    let quote = character(config, "quoteChar", b'"')?;
    Ok(csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(character(config, "delimiterChar", b',')?)
        .quote(quote)
        .from_reader(Cursor::new(rest.as_bytes().to_vec()))
        .into_records())
}

fn character(config: &Config, name: &str, usual: u8) -> Result<u8, Failure> {
    let written = config.text(name).unwrap_or_default();
    match written.as_bytes() {
        [] => Ok(usual),
        [one] => Ok(*one),
        _ if written == "\\t" => Ok(b'\t'),
        _ => Err(Failure::Config(format!(
            "{name} {written:?} must be one ASCII character"
        ))),
    }
}

fn sheet(config: &Config, item: &Item, skipped: usize) -> Result<Vec<Vec<String>>, Failure> {
    let mut book = sheets::open(item)?;
    let names = book.sheet_names();
    let wanted = config.said("xlsSheetName").map(str::trim);
    let name = match wanted {
        Some(wanted) => names.iter().find(|it| it.as_str() == wanted),
        None => names.first(),
    };
    let name = name.cloned().ok_or_else(|| {
        let wanted = wanted.unwrap_or("at all");
        Failure::Data(format!(
            "{}: has no sheet {wanted}; it has {}",
            item.outside(),
            names.join(", ")
        ))
    })?;
    let range: Range<Data> = sheets::range(&mut book, item, &name)?;
    let rows = range.rows().skip(skipped);
    Ok(rows
        .map(|row| row.iter().map(sheets::text).collect())
        .collect())
}
