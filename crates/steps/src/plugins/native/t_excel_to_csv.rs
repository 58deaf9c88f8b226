//! `uv-t-excelToCsv`: a CSV file for each sheet of a workbook (`.xls`, `.xlsx`, `.xlsb`, `.ods`).

use calamine::{Data, Range, Reader as _};

use super::work::{Item, Output, named};
use super::{Failure, Work};

/// What a file is called unless the configuration says it.
const PATTERN: &str = "${excelFileName}_${sheetName}.csv";

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let config = &work.config;
    let pattern = config
        .said("csvFileNamePattern")
        .unwrap_or(PATTERN)
        .to_owned();
    let names = config
        .text("sheetNames")
        .unwrap_or_default()
        .split([':', '\n']);
    let wanted: Vec<_> = names
        .map(|it| it.trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect();
    let mut output = work.output("output")?;
    for item in work.input("input")? {
        each_sheet(&item, &wanted, |sheet, range| {
            let base = item.base();
            let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
            let name = pattern
                .replace("${excelFileName}", stem)
                .replace("${sheetName}", sheet);
            write(&mut output, &name, range)
        })?;
    }
    output.finish()
}

/// Shows the sheets that are wanted, or all if none is named. One that is missing is a failure.
fn each_sheet(
    item: &Item,
    wanted: &[String],
    mut show: impl FnMut(&str, &Range<Data>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut book = super::sheets::open(item)?;
    let present = book.sheet_names();
    let mut sheets = Vec::new();
    for name in wanted {
        let found = present.iter().find(|it| it.eq_ignore_ascii_case(name));
        sheets.push(found.cloned().ok_or_else(|| {
            let present = present.join(", ");
            Failure::Data(format!(
                "{}: has no sheet {name:?}; it has {present}",
                item.outside()
            ))
        })?);
    }
    if wanted.is_empty() {
        sheets = present;
    }
    for sheet in sheets {
        show(&sheet, &super::sheets::range(&mut book, item, &sheet)?)?;
    }
    Ok(())
}

fn write(output: &mut Output, name: &str, range: &Range<Data>) -> Result<(), Failure> {
    output.write(named(name), |file| {
        let mut csv = csv::Writer::from_writer(file);
        for row in range.rows() {
            let cells = row.iter().map(super::sheets::text);
            csv.write_record(cells)
                .map_err(|error| Failure::at(name)(error.into()))?;
        }
        csv.flush().map_err(Failure::at(name))
    })
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::sheets::testing::book;
    use crate::plugins::native::testing::Bench;

    #[test]
    fn each_sheet_becomes_a_file() {
        let book = book(&[("One", &[&["a", "b,c"], &["1", "2.5"]]), ("Two", &[&["x"]])]);
        for (sheets, expected) in [
            (
                "",
                &[("in_One.csv", "a,\"b,c\"\n1,2.5\n"), ("in_Two.csv", "x\n")][..],
            ),
            ("two", &[("in_Two.csv", "x\n")]),
        ] {
            let bench = Bench::new(
                "uv-t-excelToCsv",
                &format!("<sheetNames>{sheets}</sheetNames>"),
            );
            bench.give("input", &[("folder/in.xlsx", &book)]);
            bench.run().unwrap();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, text)| ((*name).into(), (*text).into()))
                .collect();
            assert_eq!(bench.texts("output"), expected);
        }
    }

    #[test]
    fn what_is_missing_or_no_workbook_is_said() {
        let book = book(&[("One", &[&["a"]])]);
        for (content, why) in [
            (&book[..], "has no sheet \"Nine\"; it has One"),
            (b"nonsense", "is no workbook"),
        ] {
            let bench = Bench::new("uv-t-excelToCsv", "<sheetNames>Nine</sheetNames>");
            bench.give("input", &[("in.xlsx", content)]);
            let failure = bench.run().unwrap_err().to_string();
            assert!(failure.contains(why), "{failure}");
        }
    }
}
