//! `uv-t-tabular`: RDF of tables in CSV files and workbooks, a subject for each row and a property for each column.

mod columns;
mod table;

use oxigraph::model::{Literal, NamedNode, Term, Triple};

use self::columns::{Columns, Row};
use self::table::Table;
use super::rdf::{Triples, encoded};
use super::work::{Bounded, Item};
use super::{Failure, Work, rdf};
use crate::plugins::config::Config;

/// What the plug-in itself says of tables and rows.
const VOCABULARY: &str = "http://linked.opendata.cz/ontology/odcs/tabular/";
const TYPE: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type";
const LABEL: &str = "http://www.w3.org/2000/01/rdf-schema#label";
const INT: &str = "http://www.w3.org/2001/XMLSchema#int";
/// What every table is.
const TABLE: &str = "http://unifiedviews.eu/ontology/t-tabular/Table";

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    if !work.config.list("namedCells").is_empty() {
        work.warn("named cells are not read natively; they are left out");
    }
    let wanted = Wanted::of(&work.config)?;
    let is_counted_through = work.config.flag("staticRowCounter", false);
    let mut number = 0;
    let mut output = work.output("triplifiedTable")?;
    for item in work.input("table")? {
        if !is_counted_through {
            number = 0;
        }
        let name = item.entry.name.as_str();
        let entry = rdf::entry(name, &rdf::own_graph(name));
        let mut passed_over = 0;
        output.write(entry, |file| {
            passed_over = wanted.convert(&item, &mut number, file)?;
            Ok(())
        })?;
        if passed_over > 0 {
            work.warn(&format!(
                "{name}: {passed_over} rows without a key are left out"
            ));
        }
    }
    output.finish()
}

/// What is to become of a table.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is said on its own in the configuration"
)]
struct Wanted {
    config: Config,
    base: String,
    class: Option<NamedNode>,
    /// Every row says which it is.
    numbers_rows: bool,
    has_table_subject: bool,
    has_table_class: bool,
    has_labels: bool,
    /// Of each file.
    rows_limit: usize,
}

impl Wanted {
    fn of(config: &Config) -> Result<Self, Failure> {
        let base = config.said("baseURI").unwrap_or("http://localhost/");
        let base = base.trim().to_owned();
        let class = config.said("rowsClass").map(|it| iri(it.trim()));
        let limit = config.number("rowsLimit").filter(|it| *it > 0);
        iri(&base)?;
        Ok(Self {
            config: config.clone(),
            base,
            class: class.transpose()?,
            numbers_rows: config.flag("generateRowTriple", true),
            has_table_subject: config.flag("useTableSubject", false),
            has_table_class: config.flag("generateTableClass", false),
            has_labels: config.flag("generateLabels", false),
            rows_limit: limit
                .and_then(|it| usize::try_from(it).ok())
                .unwrap_or(usize::MAX),
        })
    }

    /// Rows are counted on from `number`. Answers how many were passed over because they have no key.
    fn convert(
        &self,
        item: &Item,
        number: &mut usize,
        file: &mut Bounded,
    ) -> Result<usize, Failure> {
        let mut triples = Triples::new(file);
        let mut table = Table::open(&self.config, item)?;
        let header = table.header()?;
        let mut next = table.next()?;
        let first = next.as_deref().unwrap_or_default();
        let columns = Columns::of(&self.config, &self.base, (&header, first))?;
        let subject = iri(&joined(&self.base, &encoded(item.base())))?;
        self.say_of_table((&subject, item), &columns, &mut triples)?;
        let (mut passed_over, mut read) = (0, 0);
        while let Some(cells) = next.take().filter(|_| read < self.rows_limit) {
            (read, *number) = (read + 1, *number + 1);
            let row = Row {
                header: &header,
                cells: &cells,
                number: *number,
            };
            if !self.say_of_row(&subject, &columns, row, &mut triples)? {
                passed_over += 1;
            }
            next = table.next()?;
        }
        triples.finish()?;
        Ok(passed_over)
    }

    fn say_of_table(
        &self,
        (table, item): (&NamedNode, &Item),
        columns: &Columns,
        triples: &mut Triples<&mut Bounded>,
    ) -> Result<(), Failure> {
        if self.has_table_subject {
            let name = Literal::new_simple_literal(&item.entry.name);
            triples.put(&Triple::new(table.clone(), own("symbolicName"), name))?;
        }
        if self.has_table_subject && self.has_table_class {
            triples.put(&Triple::new(table.clone(), iri(TYPE)?, iri(TABLE)?))?;
        }
        if self.has_labels {
            for (property, name) in columns.labels() {
                triples.put(&Triple::new(
                    property.clone(),
                    iri(LABEL)?,
                    Literal::new_simple_literal(name),
                ))?;
            }
        }
        Ok(())
    }

    /// Says nothing of a row that has no key, and answers so.
    fn say_of_row(
        &self,
        table: &NamedNode,
        columns: &Columns,
        row: Row<'_>,
        triples: &mut Triples<&mut Bounded>,
    ) -> Result<bool, Failure> {
        let Some(subject) = columns.subject(row)? else {
            return Ok(false);
        };
        for (property, value) in columns.values(row)? {
            triples.put(&Triple::new(subject.clone(), property, value))?;
        }
        if let Some(class) = &self.class {
            triples.put(&Triple::new(subject.clone(), iri(TYPE)?, class.clone()))?;
        }
        if self.numbers_rows {
            let number = Literal::new_typed_literal(row.number.to_string(), iri(INT)?);
            triples.put(&Triple::new(subject.clone(), own("row"), number))?;
        }
        if self.has_table_subject {
            triples.put(&Triple::new(
                table.clone(),
                own("hasRow"),
                Term::from(subject),
            ))?;
        }
        Ok(true)
    }
}

fn own(name: &str) -> NamedNode {
    NamedNode::new_unchecked(format!("{VOCABULARY}{name}"))
}

/// What an address says below another, unless it is a whole one.
fn joined(base: &str, said: &str) -> String {
    if said.contains("://") {
        return said.to_owned();
    }
    let base = base.strip_suffix('/').unwrap_or(base);
    let said = said.strip_prefix('/').unwrap_or(said);
    format!("{base}/{said}")
}

fn iri(text: &str) -> Result<NamedNode, Failure> {
    NamedNode::new(text).map_err(|error| Failure::Config(format!("{text:?} is no IRI: {error}")))
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::sheets::testing::book;
    use crate::plugins::native::testing::Bench;

    const CSV: &[u8] = b"id,name,price\n1,Ann,2.5\n2,\"B, C\",\n";

    fn lines(fields: &str, name: &str, content: &[u8]) -> Vec<String> {
        let fields = format!("<baseURI>http://x/</baseURI>{fields}");
        let bench = Bench::new("uv-t-tabular", &fields);
        bench.give("table", &[(name, content)]);
        bench.run().unwrap();
        bench.graphs("triplifiedTable").swap_remove(0).1
    }

    fn plain(extra: &str) -> String {
        format!(
            "<generateNew>true</generateNew><ignoreBlankCells>true</ignoreBlankCells><generateRowTriple>false</generateRowTriple>{extra}"
        )
    }

    #[test]
    fn rows_become_subjects_and_columns_properties() {
        let expected = [
            "<http://x/1> <http://x/id> \"1\"^^<http://www.w3.org/2001/XMLSchema#long> .",
            "<http://x/1> <http://x/name> \"Ann\" .",
            "<http://x/1> <http://x/price> \"2.5\"^^<http://www.w3.org/2001/XMLSchema#double> .",
            "<http://x/2> <http://x/id> \"2\"^^<http://www.w3.org/2001/XMLSchema#long> .",
            "<http://x/2> <http://x/name> \"B, C\" .",
        ];
        assert_eq!(
            lines(&plain("<keyColumn>id</keyColumn>"), "t.csv", CSV),
            expected
        );
        let book = book(&[(
            "S",
            &[
                &["id", "name", "price"],
                &["1", "Ann", "2.5"],
                &["2", "B, C"],
            ],
        )]);
        let fields = plain("<keyColumn>id</keyColumn><tableType>XLS</tableType>");
        assert_eq!(lines(&fields, "t.xlsx", &book), expected);
    }

    #[test]
    fn columns_are_as_the_configuration_says() {
        let info = |name: &str, uri: &str, kind: &str, more: &str| {
            format!(
                "<entry><string>{name}</string><a.ColumnInfo__V1><URI>{uri}</URI><type>{kind}</type>{more}</a.ColumnInfo__V1></entry>"
            )
        };
        let fields = format!(
            "<generateNew>false</generateNew><ignoreBlankCells>true</ignoreBlankCells><advancedKeyColumn>true</advancedKeyColumn>\
             <keyColumn>&lt;http://y/{{name}}-{{id}}&gt;</keyColumn><rowsClass>http://x/Row</rowsClass>\
             <columnsInfo>{}{}{}</columnsInfo><columnsInfoAdv><a.AdvanceMapping><uri>http://x/label</uri>\
             <template>\"{{name}} no {{id}}\"@en</template></a.AdvanceMapping></columnsInfoAdv><rowsLimit>1</rowsLimit>",
            info("price", "http://x/costs", "Decimal", ""),
            info("name", "", "String", "<language>de</language>"),
            info("id", "/n", "Integer", "")
        );
        assert_eq!(
            lines(&fields, "t.csv", CSV),
            [
                "<http://y/Ann-1> <http://linked.opendata.cz/ontology/odcs/tabular/row> \"1\"^^<http://www.w3.org/2001/XMLSchema#int> .",
                "<http://y/Ann-1> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://x/Row> .",
                "<http://y/Ann-1> <http://x/costs> \"2.5\"^^<http://www.w3.org/2001/XMLSchema#decimal> .",
                "<http://y/Ann-1> <http://x/label> \"Ann no 1\"@en .",
                "<http://y/Ann-1> <http://x/n> \"1\"^^<http://www.w3.org/2001/XMLSchema#int> .",
                "<http://y/Ann-1> <http://x/name> \"Ann\"@de .",
            ]
        );
    }

    #[test]
    fn files_are_read_as_they_are_written() {
        let fields = plain(
            "<quoteChar>'</quoteChar><delimiterChar>;</delimiterChar><encoding>windows-1250</encoding>\
             <linesToIgnore>1</linesToIgnore><autoAsStrings>true</autoAsStrings><stripHeader>true</stripHeader>",
        );
        let found = lines(&fields, "t.csv", b"made by hand\n a ;b\n'1;2';\x9a\n");
        assert_eq!(
            found,
            [
                "<http://x/1> <http://x/a> \"1;2\" .",
                "<http://x/1> <http://x/b> \"\u{161}\" ."
            ]
        );
        let headless = lines(&plain("<hasHeader>false</hasHeader>"), "t.csv", b"x,y\n");
        assert_eq!(
            headless,
            [
                "<http://x/1> <http://x/col1> \"x\" .",
                "<http://x/1> <http://x/col2> \"y\" ."
            ]
        );
    }

    #[test]
    fn a_table_can_have_a_subject_and_labels() {
        let fields = plain(
            "<keyColumn>a</keyColumn><useTableSubject>true</useTableSubject><generateTableClass>true</generateTableClass>\
             <generateLabels>true</generateLabels>",
        );
        let found = lines(&fields, "t.csv", b"a\nv 1\n");
        for line in [
            "<http://x/t.csv> <http://linked.opendata.cz/ontology/odcs/tabular/hasRow> <http://x/v%201> .",
            "<http://x/t.csv> <http://linked.opendata.cz/ontology/odcs/tabular/symbolicName> \"t.csv\" .",
            "<http://x/t.csv> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://unifiedviews.eu/ontology/t-tabular/Table> .",
            "<http://x/a> <http://www.w3.org/2000/01/rdf-schema#label> \"a\" .",
        ] {
            assert!(found.iter().any(|it| it == line), "{line}: {found:#?}");
        }
    }

    #[test]
    fn templates_are_filled_as_they_say() {
        let mapping = |uri: &str, template: &str| {
            let template = template.replace('<', "&lt;").replace('>', "&gt;");
            format!(
                "<a.AdvanceMapping><uri>{uri}</uri><template>{template}</template></a.AdvanceMapping>"
            )
        };
        let fields = format!(
            "<generateNew>false</generateNew><ignoreBlankCells>true</ignoreBlankCells><generateRowTriple>false</generateRowTriple>\
             <keyColumn>u</keyColumn><columnsInfoAdv>{}{}{}{}</columnsInfoAdv>",
            mapping("raw", "<{u}>"),
            mapping("part", "<http://y/{+u}>"),
            mapping("typed", "\"\\{{b}\\}\"^^http://t"),
            mapping("none", "\"{b}{none}\""),
        );
        let found = lines(&fields, "t.csv", b"u,b,none\nhttp://z/a b,1,\n,2,\n");
        assert_eq!(
            found,
            [
                "<http://z/a%20b> <http://x/part> <http://y/http%3A%2F%2Fz%2Fa%20b> .",
                "<http://z/a%20b> <http://x/raw> <http://z/a%20b> .",
                "<http://z/a%20b> <http://x/typed> \"{1}\"^^<http://t> .",
            ],
            "the row without a key is passed over"
        );
    }

    #[test]
    fn types_are_guessed_by_the_first_row() {
        let found = lines(&plain(""), "t.csv", b"a b,c\n1,\nx,2\n3,4\n");
        assert_eq!(
            found,
            [
                "<http://x/1> <http://x/a+b> \"1\"^^<http://www.w3.org/2001/XMLSchema#long> .",
                "<http://x/2> <http://x/a+b> \"x\" .",
                "<http://x/2> <http://x/c> \"2\" .",
                "<http://x/3> <http://x/a+b> \"3\"^^<http://www.w3.org/2001/XMLSchema#long> .",
                "<http://x/3> <http://x/c> \"4\" .",
            ]
        );
    }

    #[test]
    fn rows_of_all_files_can_be_counted_through() {
        for (is_static, last) in [("true", "<http://x/2>"), ("false", "<http://x/1>")] {
            let fields = plain(&format!(
                "<baseURI>http://x/</baseURI><staticRowCounter>{is_static}</staticRowCounter>"
            ));
            let bench = Bench::new("uv-t-tabular", &fields);
            bench.give("table", &[("a.csv", b"a\n1\n"), ("b.csv", b"a\n1\n")]);
            bench.run().unwrap();
            let graphs = bench.graphs("triplifiedTable");
            assert!(graphs[1].1[0].starts_with(last), "{graphs:?}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_said() {
        for (fields, why) in [
            ("<tableType>DBF</tableType>", "DBF"),
            ("<keyColumn>nine</keyColumn>", "no column \"nine\""),
            ("<baseURI>no iri</baseURI>", "no IRI"),
            ("<encoding>klingon</encoding>", "klingon"),
            ("<delimiterChar>ab</delimiterChar>", "delimiterChar"),
        ] {
            let bench = Bench::new("uv-t-tabular", fields);
            bench.give("table", &[("t.csv", CSV)]);
            let failure = bench.run().unwrap_err().to_string();
            assert!(failure.contains(why), "{failure}");
        }
    }
}
