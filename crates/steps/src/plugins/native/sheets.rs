//! Workbooks and their cells.

use std::io::Cursor;

use calamine::{Data, Range, Reader as _, Sheets, open_workbook_auto_from_rs};

use super::Failure;
use super::bounds::TEXT;
use super::work::Item;

/// A workbook that was read.
pub(super) type Book = Sheets<Cursor<Vec<u8>>>;

/// Opens a workbook of any kind.
pub(super) fn open(item: &Item) -> Result<Book, Failure> {
    let content = Cursor::new(item.bytes(TEXT)?);
    open_workbook_auto_from_rs(content).map_err(|error| {
        Failure::Data(format!(
            "{}: is no workbook that can be read: {error}",
            item.outside()
        ))
    })
}

/// The cells of a sheet.
pub(super) fn range(book: &mut Book, item: &Item, sheet: &str) -> Result<Range<Data>, Failure> {
    book.worksheet_range(sheet).map_err(|error| {
        Failure::Data(format!(
            "{}: the sheet {sheet:?} can't be read: {error}",
            item.outside()
        ))
    })
}

/// A cell as text: dates as in ISO 8601, whole numbers without a point.
pub(super) fn text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::DateTime(time) => time.as_datetime().map_or_else(
            || cell.to_string(),
            |time| {
                let text = time.to_string().replace(' ', "T");
                text.strip_suffix("T00:00:00")
                    .map(str::to_owned)
                    .unwrap_or(text)
            },
        ),
        Data::Bool(flag) => flag.to_string().to_uppercase(),
        Data::Error(error) => error.to_string(),
        Data::Int(_)
        | Data::Float(_)
        | Data::String(_)
        | Data::DateTimeIso(_)
        | Data::DurationIso(_) => cell.to_string(),
    }
}

#[cfg(test)]
pub(super) mod testing {
    use std::fmt::Write as _;
    use std::io::{Cursor, Write as _};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";

    /// The smallest workbook with these sheets; what reads as a number is one.
    pub(in super::super) fn book(sheets: &[(&str, &[&[&str]])]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let mut put = |name: &str, text: &str| {
            archive
                .start_file(name, SimpleFileOptions::default())
                .unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        };
        let (mut names, mut relations, mut types) = (String::new(), String::new(), String::new());
        for (index, (name, rows)) in sheets.iter().enumerate() {
            let id = index + 1;
            write!(names, "<sheet name='{name}' sheetId='{id}' r:id='r{id}'/>").unwrap();
            write!(relations, "<Relationship Id='r{id}' Type='{RELATIONS}/worksheet' Target='worksheets/sheet{id}.xml'/>").unwrap();
            write!(types, "<Override PartName='/xl/worksheets/sheet{id}.xml' ContentType='application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml'/>").unwrap();
            put(&format!("xl/worksheets/sheet{id}.xml"), &sheet(rows));
        }
        put(
            "[Content_Types].xml",
            &format!(
                "<Types xmlns='{PACKAGE}/content-types'><Default Extension='xml' ContentType='application/xml'/>{types}</Types>"
            ),
        );
        put(
            "_rels/.rels",
            &format!(
                "<Relationships xmlns='{PACKAGE}/relationships'><Relationship Id='r1' Type='{RELATIONS}/officeDocument' Target='xl/workbook.xml'/></Relationships>"
            ),
        );
        put(
            "xl/workbook.xml",
            &format!(
                "<workbook xmlns='{MAIN}' xmlns:r='{RELATIONS}'><sheets>{names}</sheets></workbook>"
            ),
        );
        put(
            "xl/_rels/workbook.xml.rels",
            &format!("<Relationships xmlns='{PACKAGE}/relationships'>{relations}</Relationships>"),
        );
        archive.finish().unwrap().into_inner()
    }

    fn sheet(rows: &[&[&str]]) -> String {
        let mut text = String::new();
        for (row, cells) in rows.iter().enumerate() {
            let row = row + 1;
            write!(text, "<row r='{row}'>").unwrap();
            for (column, cell) in ('A'..).zip(*cells) {
                if cell.parse::<f64>().is_ok() {
                    write!(text, "<c r='{column}{row}'><v>{cell}</v></c>").unwrap();
                } else {
                    write!(
                        text,
                        "<c r='{column}{row}' t='inlineStr'><is><t>{cell}</t></is></c>"
                    )
                    .unwrap();
                }
            }
            text.push_str("</row>");
        }
        format!("<worksheet xmlns='{MAIN}'><sheetData>{text}</sheetData></worksheet>")
    }
}
