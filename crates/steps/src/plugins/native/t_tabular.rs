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
const INTEGER: &str = "http://www.w3.org/2001/XMLSchema#integer";

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    if !work.config.list("namedCells").is_empty() {
        work.warn("named cells are not read natively; they are left out");
    }
    let wanted = Wanted::of(&work.config)?;
    let mut output = work.output("triplifiedTable")?;
    for item in work.input("table")? {
        let name = item.entry.name.as_str();
        let entry = rdf::entry(name, &rdf::own_graph(name));
        output.write(entry, |file| wanted.convert(&item, file))?;
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
        let base = config.said("baseURI").unwrap_or("http://localhost/").trim();
        let base = if base.ends_with(['/', '#']) {
            base.to_owned()
        } else {
            format!("{base}/")
        };
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

    fn convert(&self, item: &Item, file: &mut Bounded) -> Result<(), Failure> {
        let mut triples = Triples::new(file);
        let mut table = Table::open(&self.config, item)?;
        let header = table.header()?;
        let columns = Columns::of(&self.config, &self.base, &header)?;
        let subject = iri(&format!("{}{}", self.base, encoded(item.base())))?;
        self.say_of_table(&subject, &columns, &mut triples)?;
        let mut number = 0;
        while number < self.rows_limit {
            let Some(cells) = table.next()? else { break };
            number += 1;
            let row = Row {
                header: &header,
                cells: &cells,
                number,
            };
            self.say_of_row(&subject, &columns, row, &mut triples)?;
        }
        triples.finish()
    }

    fn say_of_table(
        &self,
        table: &NamedNode,
        columns: &Columns,
        triples: &mut Triples<&mut Bounded>,
    ) -> Result<(), Failure> {
        if self.has_table_subject && self.has_table_class {
            triples.put(&Triple::new(table.clone(), iri(TYPE)?, own("Table")))?;
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

    fn say_of_row(
        &self,
        table: &NamedNode,
        columns: &Columns,
        row: Row<'_>,
        triples: &mut Triples<&mut Bounded>,
    ) -> Result<(), Failure> {
        let subject = columns.subject(row)?;
        for (property, value) in columns.values(row)? {
            triples.put(&Triple::new(subject.clone(), property, value))?;
        }
        if let Some(class) = &self.class {
            triples.put(&Triple::new(subject.clone(), iri(TYPE)?, class.clone()))?;
        }
        if self.numbers_rows {
            let number = Literal::new_typed_literal(row.number.to_string(), iri(INTEGER)?);
            triples.put(&Triple::new(subject.clone(), own("row"), number))?;
        }
        if self.has_table_subject {
            triples.put(&Triple::new(
                table.clone(),
                own("hasRow"),
                Term::from(subject),
            ))?;
        }
        Ok(())
    }
}

fn own(name: &str) -> NamedNode {
    NamedNode::new_unchecked(format!("{VOCABULARY}{name}"))
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
            "<http://x/1> <http://x/id> \"1\"^^<http://www.w3.org/2001/XMLSchema#integer> .",
            "<http://x/1> <http://x/name> \"Ann\" .",
            "<http://x/1> <http://x/price> \"2.5\"^^<http://www.w3.org/2001/XMLSchema#double> .",
            "<http://x/2> <http://x/id> \"2\"^^<http://www.w3.org/2001/XMLSchema#integer> .",
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
             <columnsInfo>{}{}</columnsInfo><columnsInfoAdv><a.AdvanceMapping><uri>http://x/label</uri>\
             <template>\"{{name}} no {{id}}\"@en</template></a.AdvanceMapping></columnsInfoAdv><rowsLimit>1</rowsLimit>",
            info("price", "http://x/costs", "Decimal", ""),
            info("name", "", "String", "<language>de</language>")
        );
        assert_eq!(
            lines(&fields, "t.csv", CSV),
            [
                "<http://y/Ann-1> <http://linked.opendata.cz/ontology/odcs/tabular/row> \"1\"^^<http://www.w3.org/2001/XMLSchema#integer> .",
                "<http://y/Ann-1> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://x/Row> .",
                "<http://y/Ann-1> <http://x/costs> \"2.5\"^^<http://www.w3.org/2001/XMLSchema#decimal> .",
                "<http://y/Ann-1> <http://x/label> \"Ann no 1\"@en .",
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
            "<http://x/t.csv> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://linked.opendata.cz/ontology/odcs/tabular/Table> .",
            "<http://x/a> <http://www.w3.org/2000/01/rdf-schema#label> \"a\" .",
        ] {
            assert!(found.iter().any(|it| it == line), "{line}: {found:#?}");
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
