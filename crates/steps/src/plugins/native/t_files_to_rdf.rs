//! `uv-t-filesToRdf`: graphs of what files hold in any format of RDF.

use std::io::BufReader;

use oxigraph::io::{RdfFormat, RdfParseError, RdfParser};
use oxigraph::model::NamedNode;

use super::work::{Bounded, Item, base};
use super::{Failure, Work, rdf};

/// What is said of a file's faults at most.
const MOST_WARNINGS: usize = 10;

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let wanted = Wanted::of(work)?;
    let items = work.input("filesInput")?;
    let mut output = work.output("rdfOutput")?;
    if let Some(name) = &wanted.one {
        let entry = rdf::entry(name, &wanted.graph(name));
        output.write(entry, |file| {
            items
                .iter()
                .try_for_each(|item| wanted.read(work, item, file))
        })?;
    } else {
        for item in &items {
            let name = &item.entry.name;
            output.write(rdf::entry(name, &wanted.graph(name)), |file| {
                wanted.read(work, item, file)
            })?;
        }
    }
    output.finish()
}

/// What a fault means for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnFault {
    Stop,
    NextFile,
    ThisFile,
}

/// What is to be read, and how.
struct Wanted {
    formats: Vec<(String, RdfFormat)>,
    bases: Vec<(String, String)>,
    /// The one format of all files, if it is said.
    format: Option<RdfFormat>,
    on_fault: OnFault,
    /// What the one graph for all files is called, if there is to be one.
    one: Option<String>,
    names_are_graphs: bool,
}

impl Wanted {
    fn of(work: &Work) -> Result<Self, Failure> {
        let config = &work.config;
        let mut formats = Vec::new();
        for (name, format) in config.map("symbolicNameToFormatMap") {
            formats.push((name.to_owned(), rdf::format(format.trim())?));
        }
        let own = |(name, base): (&str, &str)| (name.to_owned(), base.trim().to_owned());
        let bases = config.map("symbolicNameToBaseURIMap").into_iter().map(own);
        let output_type = config.said("outputType").filter(|it| it.trim() != "AUTO");
        let one = match config
            .said("outputNaming")
            .unwrap_or("USE_SINGLE_SYMBOLIC_NAME")
            .trim()
        {
            "USE_SINGLE_SYMBOLIC_NAME" => Some(
                config
                    .said("outputSymbolicName")
                    .unwrap_or("default")
                    .to_owned(),
            ),
            "USE_INPUT_GRAPH_NAME" => None,
            other => {
                return Err(Failure::Config(format!(
                    "outputNaming {other} is not known"
                )));
            }
        };
        Ok(Self {
            formats,
            bases: bases.collect(),
            format: output_type.map(|it| rdf::format(it.trim())).transpose()?,
            on_fault: on_fault(config.said("errorHandling").unwrap_or("STOP_EXTRACTION"))?,
            one,
            names_are_graphs: config.flag("useEntryNameAsVirtualGraph", false),
        })
    }

    fn graph(&self, name: &str) -> NamedNode {
        let own = self
            .names_are_graphs
            .then(|| NamedNode::new(name).ok())
            .flatten();
        own.unwrap_or_else(|| rdf::own_graph(name))
    }

    fn format(&self, item: &Item) -> Result<RdfFormat, Failure> {
        let said = self
            .formats
            .iter()
            .find(|(name, _)| *name == item.entry.name);
        let extension = item.base().rsplit_once('.').map(|(_, extension)| extension);
        let known = said.map(|(_, format)| *format).or(self.format);
        let known = known.or_else(|| rdf::format(extension?).ok());
        known.ok_or_else(|| {
            let name = item.outside();
            Failure::Data(format!("{name}: its name doesn't end as files of RDF do; say what it is in symbolicNameToFormatMap"))
        })
    }

    fn read(&self, work: &Work, item: &Item, file: &mut Bounded) -> Result<(), Failure> {
        let said = self.bases.iter().find(|(name, _)| *name == item.entry.name);
        let base = said.map_or_else(
            || format!("urn:penstock:file:{}", rdf::encoded(base(item.outside()))),
            |(_, base)| base.clone(),
        );
        let parser = RdfParser::from_format(self.format(item)?)
            .rename_blank_nodes()
            .with_base_iri(base.as_str())
            .map_err(|error| Failure::Config(format!("the base {base:?} is no IRI: {error}")))?;
        let mut triples = rdf::Triples::new(file);
        let mut faults = 0;
        for quad in parser.for_reader(BufReader::new(item.open()?)) {
            match quad {
                Ok(quad) => triples.put_quad(quad)?,
                Err(RdfParseError::Io(error)) => return Err(Failure::at(item.outside())(error)),
                Err(RdfParseError::Syntax(error)) => {
                    let what = format!("{}: {error}", item.outside());
                    if self.on_fault == OnFault::Stop {
                        return Err(Failure::Data(what));
                    }
                    faults += 1;
                    if faults <= MOST_WARNINGS {
                        work.warn(&what);
                    }
                    if self.on_fault == OnFault::NextFile {
                        break;
                    }
                }
            }
        }
        triples.finish()
    }
}

fn on_fault(name: &str) -> Result<OnFault, Failure> {
    match name.trim() {
        "STOP_EXTRACTION" => Ok(OnFault::Stop),
        "SKIP_CONTINUE_NEXT_FILE" => Ok(OnFault::NextFile),
        "SKIP_CONTINUE_THIS_FILE" => Ok(OnFault::ThisFile),
        other => Err(Failure::Config(format!(
            "errorHandling {other} is not known"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    fn bench(fields: &str) -> Bench {
        Bench::new("uv-t-filesToRdf", fields)
    }

    #[test]
    fn files_become_one_graph_or_one_each() {
        for (naming, expected) in [
            (
                "USE_SINGLE_SYMBOLIC_NAME",
                &[("urn:penstock:graph:all", 2)][..],
            ),
            (
                "USE_INPUT_GRAPH_NAME",
                &[("urn:penstock:graph:a.ttl", 1), ("http://x/b.nt", 1)],
            ),
        ] {
            let bench = bench(&format!(
                "<outputNaming>{naming}</outputNaming><outputSymbolicName>all</outputSymbolicName>\
                 <useEntryNameAsVirtualGraph>true</useEntryNameAsVirtualGraph>"
            ));
            bench.give(
                "filesInput",
                &[
                    ("a.ttl", b"@prefix x: <http://x/> . x:a x:p 1 ."),
                    ("http://x/b.nt", b"<http://x/b> <http://x/p> \"2\" ."),
                ],
            );
            bench.run().unwrap();
            let found: Vec<_> = bench
                .graphs("rdfOutput")
                .into_iter()
                .map(|(name, lines)| (name, lines.len()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn formats_and_bases_are_said_by_name() {
        let entry =
            |value: &str| format!("<entry><string>data</string><string>{value}</string></entry>");
        let bench = bench(&format!(
            "<symbolicNameToFormatMap class='linked-hash-map'>{}</symbolicNameToFormatMap>\
             <symbolicNameToBaseURIMap>{}</symbolicNameToBaseURIMap>",
            entry("text/turtle"),
            entry("http://base/")
        ));
        bench.give("filesInput", &[("data", b"<a> <p> <o> .")]);
        bench.run().unwrap();
        assert_eq!(
            bench.graphs("rdfOutput")[0].1,
            ["<http://base/a> <http://base/p> <http://base/o> ."]
        );
    }

    #[test]
    fn a_fault_stops_all_or_the_file_or_one_triple() {
        let broken = b"<http://a> <http://p> \"1\" .\nnonsense\n<http://a> <http://p> \"2\" .\n";
        for (handling, count) in [
            ("STOP_EXTRACTION", None),
            ("SKIP_CONTINUE_NEXT_FILE", Some(2)),
            ("SKIP_CONTINUE_THIS_FILE", Some(3)),
        ] {
            let bench = bench(&format!("<errorHandling>{handling}</errorHandling>"));
            bench.give(
                "filesInput",
                &[("a.nt", broken), ("b.nt", b"<http://b> <http://p> \"3\" .")],
            );
            let outcome = bench.run();
            assert_eq!(outcome.is_ok(), count.is_some(), "{handling}: {outcome:?}");
            if let Some(count) = count {
                assert_eq!(bench.graphs("rdfOutput")[0].1.len(), count, "{handling}");
            }
        }
    }

    #[test]
    fn what_nobody_knows_the_format_of_is_said() {
        let bench = bench("");
        bench.give("filesInput", &[("data.bin", b"x")]);
        assert!(
            bench
                .run()
                .unwrap_err()
                .to_string()
                .contains("symbolicNameToFormatMap")
        );
        assert!(super::on_fault("PANIC").is_err());
    }
}
