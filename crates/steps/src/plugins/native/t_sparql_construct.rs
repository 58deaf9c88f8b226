//! `uv-t-sparqlConstruct`: what a CONSTRUCT makes of all graphs, or of each on its own.

use super::{Failure, Work, rdf};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let query = work.config.said("query").unwrap_or_default().to_owned();
    let is_per_graph = work.config.flag("perGraph", true);
    let items = work.input("input")?;
    let mut output = work.output("output")?;
    if is_per_graph {
        for item in &items {
            let store = rdf::merged(std::slice::from_ref(item))?;
            rdf::construct(&store, &query, (item.entry.clone(), &mut output))?;
        }
    } else {
        let store = rdf::store(&items)?;
        let entry = rdf::entry("construct", &rdf::own_graph("construct"));
        rdf::construct(&store, &query, (entry, &mut output))?;
    }
    output.finish()
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    const JOIN: &str = "CONSTRUCT { ?s &lt;http://q&gt; ?name } WHERE { ?s &lt;http://p&gt; ?o . ?o &lt;http://n&gt; ?name }";

    #[test]
    fn graphs_are_queried_together_or_one_by_one() {
        let (one, two) = (
            "<http://a> <http://p> <http://b> .",
            "<http://b> <http://n> \"B\" .",
        );
        let made = vec!["<http://a> <http://q> \"B\" .".to_owned()];
        let own = "urn:penstock:graph:construct".to_owned();
        for (per_graph, expected) in [
            ("false", vec![(own, made)]),
            (
                "true",
                vec![
                    ("http://1".to_owned(), vec![]),
                    ("http://2".to_owned(), vec![]),
                ],
            ),
        ] {
            let config = format!("<query>{JOIN}</query><perGraph>{per_graph}</perGraph>");
            let bench = Bench::new("uv-t-sparqlConstruct", &config);
            bench.give_graphs("input", &[("http://1", one), ("http://2", two)]);
            bench.run().unwrap();
            assert_eq!(bench.graphs("output"), expected);
        }
    }

    #[test]
    fn a_query_that_is_none_or_another_kind_is_refused() {
        for query in [
            "",
            "nonsense",
            "SELECT * WHERE { ?s ?p ?o }",
            "INSERT DATA { }",
        ] {
            let config = format!("<query>{query}</query><perGraph>false</perGraph>");
            let bench = Bench::new("uv-t-sparqlConstruct", &config);
            bench.give_graphs("input", &[]);
            let failure = bench.run().unwrap_err();
            assert!(matches!(failure, super::Failure::Config(_)), "{failure}");
        }
    }

    #[test]
    fn what_it_makes_can_be_validated() {
        let escaped = |text: &str| {
            text.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        };
        let query = "<query>CONSTRUCT WHERE { ?s ?p ?o }</query><perGraph>false</perGraph>";
        let own = format!("<object-stream><x>{query}</x></object-stream>");
        for (enabled, ask, is_well) in [
            ("true", "ASK { ?s <http://p> ?o }", true),
            ("true", "ASK { ?s <http://q> ?o }", false),
            ("false", "ASK { ?s <http://q> ?o }", true),
        ] {
            let addon = format!(
                "<object-stream><y><enabled>{enabled}</enabled><askQuery>{}</askQuery>\
                 <validatedDataUnitName>output</validatedDataUnitName></y></object-stream>",
                escaped(ask)
            );
            let entry = |key: &str, value: &str| {
                format!(
                    "<entry><string>{key}</string><string>{}</string></entry>",
                    escaped(value)
                )
            };
            let bench = Bench::new("uv-t-sparqlConstruct", "");
            let entries = entry("dpu_config", &own) + &entry("addon/rdfValidationWrap", &addon);
            let config = format!(
                "<object-stream><MasterConfigObject><configurations>{entries}</configurations></MasterConfigObject></object-stream>"
            );
            std::fs::write(bench.path().join("config.xml"), config).unwrap();
            bench.give_graphs("input", &[("http://1", "<http://a> <http://p> \"1\" .")]);
            let outcome = bench.run();
            assert_eq!(outcome.is_ok(), is_well, "{ask}: {outcome:?}");
        }
    }

    #[test]
    fn no_query_reaches_out() {
        let query =
            "CONSTRUCT { ?s ?p ?o } WHERE { SERVICE &lt;http://127.0.0.1:1/&gt; { ?s ?p ?o } }";
        let bench = Bench::new(
            "uv-t-sparqlConstruct",
            &format!("<query>{query}</query><perGraph>false</perGraph>"),
        );
        bench.give_graphs("input", &[("http://1", "<http://a> <http://p> \"1\" .")]);
        assert!(bench.run().is_err());
    }
}
