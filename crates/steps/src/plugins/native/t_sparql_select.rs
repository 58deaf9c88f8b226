//! `uv-t-sparqlSelect`: a CSV file with what a SELECT answers over all graphs.

use oxigraph::sparql::results::{QueryResultsFormat, QueryResultsSerializer};

use super::work::named;
use super::{Failure, Work, rdf};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let query = work.config.said("query").unwrap_or_default().to_owned();
    let path = work
        .config
        .said("targetPath")
        .unwrap_or("select.csv")
        .trim()
        .to_owned();
    let store = rdf::store(&work.input("input")?)?;
    let solutions = rdf::solutions(&store, &query)?;
    let mut output = work.output("output")?;
    output.write(named(path.as_str()), |file| {
        let serializer = QueryResultsSerializer::from_format(QueryResultsFormat::Csv);
        let begun = serializer.serialize_solutions_to_writer(file, solutions.variables().to_vec());
        let mut csv = begun.map_err(Failure::at(path.as_str()))?;
        for solution in solutions {
            let solution = solution.map_err(|error| rdf::unanswered(&error))?;
            csv.serialize(&solution)
                .map_err(Failure::at(path.as_str()))?;
        }
        csv.finish().map(drop).map_err(Failure::at(path.as_str()))
    })?;
    output.finish()
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    #[test]
    fn solutions_become_lines() {
        let query = "SELECT ?s ?o WHERE { ?s &lt;http://p&gt; ?o } ORDER BY ?s";
        let bench = Bench::new(
            "uv-t-sparqlSelect",
            &format!("<targetPath>out.csv</targetPath><query>{query}</query>"),
        );
        bench.give_graphs(
            "input",
            &[
                ("http://1", "<http://b> <http://p> \"2,\\\"x\\\"\" ."),
                ("http://2", "<http://a> <http://p> \"1\" ."),
            ],
        );
        bench.run().unwrap();
        let expected = "s,o\r\nhttp://a,1\r\nhttp://b,\"2,\"\"x\"\"\"\r\n";
        assert_eq!(bench.texts("output"), [("out.csv".into(), expected.into())]);
    }

    #[test]
    fn only_a_select_has_lines() {
        let bench = Bench::new("uv-t-sparqlSelect", "<query>ASK { ?s ?p ?o }</query>");
        bench.give_graphs("input", &[]);
        assert!(
            bench
                .run()
                .unwrap_err()
                .to_string()
                .contains("must be a SELECT")
        );
    }
}
