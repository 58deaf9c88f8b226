//! `uv-t-rdfGraphMerger`: all graphs as one.

use oxigraph::model::{GraphNameRef, NamedNode};

use super::{Failure, Work, rdf};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let graph = work.config.said("virtualGraph").map(|written| {
        NamedNode::new(written.trim()).map_err(|error| {
            Failure::Config(format!("virtualGraph {written:?} is no IRI: {error}"))
        })
    });
    let graph = graph
        .transpose()?
        .unwrap_or_else(|| rdf::own_graph("merged"));
    let store = rdf::merged(&work.input("input")?)?;
    let mut output = work.output("output")?;
    let entry = rdf::entry(graph.as_str(), &graph);
    rdf::dump(&store, GraphNameRef::DefaultGraph, (entry, &mut output))?;
    output.finish()
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    #[test]
    fn graphs_become_one_and_no_triple_comes_twice() {
        let (one, two) = (
            "<http://a> <http://p> \"1\" .",
            "<http://b> <http://p> \"2\" .",
        );
        let both = format!("{one}\n{two}\n");
        for (config, graph) in [
            ("<virtualGraph>http://g</virtualGraph>", "http://g"),
            ("", "urn:penstock:graph:merged"),
        ] {
            let bench = Bench::new("uv-t-rdfGraphMerger", config);
            bench.give_graphs("input", &[("http://1", one), ("http://2", &both)]);
            bench.run().unwrap();
            assert_eq!(
                bench.graphs("output"),
                [(graph.into(), vec![one.into(), two.into()])]
            );
        }
        let bench = Bench::new("uv-t-rdfGraphMerger", "<virtualGraph>no iri</virtualGraph>");
        assert!(bench.run().is_err());
    }

    #[test]
    fn several_graphs_pass_together() {
        let bench = Bench::new("uv-t-rdfMerger", "");
        let triple = "<http://a> <http://p> \"1\" .";
        bench.give_graphs("rdfInput", &[("http://1", triple), ("http://2", triple)]);
        bench.run().unwrap();
        let names: Vec<_> = bench
            .graphs("rdfOutput")
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(names, ["http://1", "http://2"]);
    }
}
