//! `uv-t-rdfToFiles`: all graphs in one file, in a format of RDF.

use oxigraph::io::{RdfFormat, RdfSerializer};
use oxigraph::store::Store;

use super::work::{Bounded, named};
use super::{Failure, Work, rdf};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let config = &work.config;
    let format = rdf::format(config.said("rdfFileFormat").unwrap_or("TURTLE").trim())?;
    let mut name = config
        .said("outFileName")
        .unwrap_or("data")
        .trim()
        .to_owned();
    let extension = format.file_extension();
    if !name.ends_with(&format!(".{extension}")) {
        name = format!("{name}.{extension}");
    }
    let has_graph_file = config.flag("genGraphFile", false);
    let graph = config
        .text("outGraphName")
        .unwrap_or_default()
        .trim()
        .to_owned();
    let items = work.input("input")?;
    // A format without graphs gets every triple once, whichever graphs it is in.
    let store = if format.supports_datasets() {
        rdf::store(&items)?
    } else {
        rdf::merged(&items)?
    };
    let mut output = work.output("output")?;
    output.write(named(name.as_str()), |file| write(&store, format, file))?;
    if has_graph_file {
        output.put(named(format!("{name}.graph")), graph.as_bytes())?;
    }
    output.finish()
}

fn write(store: &Store, format: RdfFormat, file: &mut Bounded) -> Result<(), Failure> {
    let mut writer = RdfSerializer::from_format(format).for_writer(file);
    for quad in store {
        let quad = quad.map_err(|error| Failure::Data(error.to_string()))?;
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
            "<outFileName>out.ttl</outFileName><genGraphFile>true</genGraphFile><outGraphName>http://g</outGraphName>",
        );
        bench.give_graphs("input", &[]);
        bench.run().unwrap();
        let files = bench.texts("output");
        assert_eq!(files[0].0, "out.ttl");
        assert_eq!(files[1], ("out.ttl.graph".into(), "http://g".into()));
        let bench = Bench::new("uv-t-rdfToFiles", "<rdfFileFormat>Klingon</rdfFileFormat>");
        assert!(bench.run().is_err());
    }
}
