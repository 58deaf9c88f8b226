//! `uv-t-sparqlUpdate`: graphs as an update leaves them: all as one, or each on its own.

use oxigraph::model::{GraphNameRef, NamedOrBlankNode};
use oxigraph::sparql::SparqlEvaluator;
use oxigraph::store::Store;

use super::work::Output;
use super::{Failure, Work, rdf};
use crate::plugins::unit::Entry;

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let query = work.config.said("query").unwrap_or_default().to_owned();
    let is_per_graph = work.config.flag("perGraph", true);
    let items = work.input("input")?;
    let mut output = work.output("output")?;
    if is_per_graph {
        for item in &items {
            let store = rdf::merged(std::slice::from_ref(item))?;
            update(&store, &query, item.entry.clone(), &mut output)?;
        }
    } else {
        let entry = rdf::entry("update", &rdf::own_graph("update"));
        update(&rdf::merged(&items)?, &query, entry, &mut output)?;
    }
    output.finish()
}

/// Changes the default graph, and keeps it with all others that the update has made.
fn update(store: &Store, query: &str, entry: Entry, output: &mut Output) -> Result<(), Failure> {
    let update = SparqlEvaluator::new()
        .parse_update(query)
        .map_err(|error| Failure::Config(format!("the update is no SPARQL: {error}")))?;
    let done = update.on_store(store).execute();
    done.map_err(|error| Failure::Data(format!("the update can't be done: {error}")))?;
    rdf::dump(store, GraphNameRef::DefaultGraph, (entry, output))?;
    for graph in store.named_graphs() {
        let graph = graph.map_err(|error| Failure::Data(error.to_string()))?;
        let name = match &graph {
            NamedOrBlankNode::NamedNode(node) => node.clone(),
            NamedOrBlankNode::BlankNode(node) => rdf::own_graph(node.as_str()),
        };
        let entry = rdf::entry(name.as_str(), &name);
        rdf::dump(store, graph.as_ref(), (entry, output))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    const UPDATE: &str = "DELETE { ?s &lt;http://p&gt; ?o } INSERT { ?s &lt;http://q&gt; ?o } WHERE { ?s &lt;http://p&gt; ?o }";

    #[test]
    fn graphs_are_changed_together_or_one_by_one() {
        for (per_graph, expected) in [
            (
                "true",
                &[
                    ("http://1", &["<http://a> <http://q> \"1\" ."][..]),
                    ("http://2", &["<http://b> <http://q> \"2\" ."]),
                ][..],
            ),
            (
                "false",
                &[(
                    "urn:penstock:graph:update",
                    &[
                        "<http://a> <http://q> \"1\" .",
                        "<http://b> <http://q> \"2\" .",
                    ],
                )],
            ),
        ] {
            let config = format!("<query>{UPDATE}</query><perGraph>{per_graph}</perGraph>");
            let bench = Bench::new("uv-t-sparqlUpdate", &config);
            bench.give_graphs(
                "input",
                &[
                    ("http://1", "<http://a> <http://p> \"1\" ."),
                    ("http://2", "<http://b> <http://p> \"2\" ."),
                ],
            );
            bench.run().unwrap();
            let found = bench.graphs("output");
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, lines)| {
                    (
                        (*name).to_owned(),
                        lines.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(),
                    )
                })
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn graphs_that_it_makes_are_kept() {
        let query = "INSERT { GRAPH &lt;http://new&gt; { ?s ?p ?o } } WHERE { ?s ?p ?o }";
        let bench = Bench::new(
            "uv-t-sparqlUpdate",
            &format!("<query>{query}</query><perGraph>false</perGraph>"),
        );
        bench.give_graphs("input", &[("http://1", "<http://a> <http://p> \"1\" .")]);
        bench.run().unwrap();
        assert_eq!(bench.graphs("output")[1].0, "http://new");
        let bench = Bench::new(
            "uv-t-sparqlUpdate",
            "<query>LOAD &lt;http://127.0.0.1:1/x&gt;</query><perGraph>false</perGraph>",
        );
        bench.give_graphs("input", &[]);
        assert!(bench.run().is_err());
    }
}
