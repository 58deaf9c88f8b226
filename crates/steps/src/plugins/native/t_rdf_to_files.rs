//! `uv-t-rdfToFiles`: all graphs in one file, in a format of RDF.

use oxigraph::io::{RdfFormat, RdfSerializer};
use oxigraph::model::{GraphName, NamedNode, Quad};
use oxigraph::store::Store;

use super::work::{Bounded, named};
use super::{Failure, Work, rdf};
use crate::plugins::config::Config;

/// The graph that the triples are said to be in, unless the configuration says another.
const GRAPH: &str = "http://localhost/resource/output";

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let config = &work.config;
    let format = rdf::format(config.said("rdfFileFormat").unwrap_or("TURTLE").trim())?;
    let name = format!("{}.{}", file_name(config), format.file_extension());
    let graph = config
        .said("outGraphName")
        .unwrap_or(GRAPH)
        .trim()
        .to_owned();
    // What has graphs says its graph itself.
    let has_graph_file = config.flag("genGraphFile", true) && !format.supports_datasets();
    let into = if format.supports_datasets() {
        let wrong = |error| Failure::Config(format!("outGraphName {graph:?} is no IRI: {error}"));
        NamedNode::new(&graph).map_err(wrong)?.into()
    } else {
        GraphName::DefaultGraph
    };
    // Every triple comes once, whichever graphs it is in.
    let store = rdf::merged(&work.input("input")?)?;
    let mut output = work.output("output")?;
    output.write(named(name.as_str()), |file| {
        write(&store, (format, &into), file)
    })?;
    if has_graph_file {
        output.put(named(format!("{name}.graph")), graph.as_bytes())?;
    }
    output.finish()
}

/// What the file is called before its extension; configurations before the second version keep it in a list.
fn file_name(config: &Config) -> String {
    let first = config.list("graphToFileInfo").first().map(Config::below);
    let listed = first.as_ref().and_then(|it| it.said("outFileName"));
    let name = config.said("outFileName").or(listed).unwrap_or("output");
    name.trim().to_owned()
}

/// Writes all triples, into one graph where the format has graphs.
fn write(
    store: &Store,
    (format, graph): (RdfFormat, &GraphName),
    file: &mut Bounded,
) -> Result<(), Failure> {
    let mut writer = RdfSerializer::from_format(format).for_writer(file);
    for quad in store {
        let quad = quad.map_err(|error| Failure::Data(error.to_string()))?;
        let quad = Quad::new(quad.subject, quad.predicate, quad.object, graph.clone());
        writer.serialize_quad(&quad).map_err(Failure::at("RDF"))?;
    }
    writer.finish().map(drop).map_err(Failure::at("RDF"))
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    #[test]
    fn graphs_are_written_in_any_format_and_read_again() {
        let triple = "<http://a/> <http://x/p> \"1\" .";
        for (format, name) in [
            ("Turtle", "out.ttl"),
            ("TURTLE", "out.ttl"),
            ("RDF/XML", "out.rdf"),
            ("N-Triples", "out.nt"),
            ("NQUADS", "out.nq"),
            ("TriG", "out.trig"),
            ("JSON-LD", "out.jsonld"),
        ] {
            let bench = Bench::new(
                "uv-t-rdfToFiles",
                &format!(
                    "<outFileName>out</outFileName><rdfFileFormat>{format}</rdfFileFormat><genGraphFile>false</genGraphFile>"
                ),
            );
            bench.give_graphs("input", &[("http://1", triple), ("http://2", triple)]);
            bench.run().unwrap();
            let files = bench.taken("output");
            assert_eq!((files.len(), files[0].0.as_str()), (1, name));
            let back = Bench::new(
                "uv-t-filesToRdf",
                "<outputNaming>USE_INPUT_GRAPH_NAME</outputNaming>",
            );
            back.give("filesInput", &[(name, &files[0].1)]);
            back.run().unwrap();
            let lines = &back.graphs("rdfOutput")[0].1;
            assert!(
                !lines.is_empty() && lines.iter().all(|line| line == triple),
                "{format}: {lines:?}"
            );
        }
    }

    #[test]
    fn the_name_of_a_graph_goes_beside_it() {
        let bench = Bench::new(
            "uv-t-rdfToFiles",
            "<graphToFileInfo><x><outFileName>out</outFileName></x></graphToFileInfo>\
             <genGraphFile>true</genGraphFile><outGraphName>http://g</outGraphName>",
        );
        bench.give_graphs("input", &[]);
        bench.run().unwrap();
        let files = bench.texts("output");
        assert_eq!(files[0].0, "out.ttl");
        assert_eq!(files[1], ("out.ttl.graph".into(), "http://g".into()));
        let bench = Bench::new(
            "uv-t-rdfToFiles",
            "<rdfFileFormat>N-Quads</rdfFileFormat><outGraphName>http://g</outGraphName>",
        );
        bench.give_graphs("input", &[("http://1", "<http://a> <http://p> \"1\" .")]);
        bench.run().unwrap();
        let expected = "<http://a> <http://p> \"1\" <http://g> .\n";
        assert_eq!(
            bench.texts("output"),
            [("output.nq".into(), expected.into())]
        );
        let bench = Bench::new("uv-t-rdfToFiles", "<rdfFileFormat>Klingon</rdfFileFormat>");
        assert!(bench.run().is_err());
    }
}
