//! `uv-q-sparqlAsk`: lets graphs pass if a query is true of them all, or of each; else it fails, or warns or only says so
//! and lets them pass.

use super::{Failure, Work, rdf};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let config = &work.config;
    let query = config
        .said("askQuery")
        .unwrap_or("ASK { ?s ?p ?o }")
        .to_owned();
    let is_per_graph = config.flag("perGraph", true);
    let gravity = match config.said("messageType").unwrap_or("ERROR").trim() {
        "ERROR" => Gravity::Error,
        "WARNING" => Gravity::Warning,
        "INFO" | "DEBUG" => Gravity::Word,
        other => {
            return Err(Failure::Config(format!(
                "messageType {other} is none of ERROR, WARNING, INFO and DEBUG"
            )));
        }
    };
    let items = work.input("rdf")?;
    let mut output = work.output("rdf")?;
    if is_per_graph {
        for item in &items {
            let store = rdf::merged(std::slice::from_ref(item))?;
            check(work, gravity, rdf::is_so(&store, &query)?, &item.entry.name)?;
        }
    } else {
        check(
            work,
            gravity,
            rdf::is_so(&rdf::store(&items)?, &query)?,
            "the data",
        )?;
    }
    for item in &items {
        output.keep(item, item.entry.clone())?;
    }
    output.finish()
}

/// What it means that the query is not true.
#[derive(Debug, Clone, Copy)]
enum Gravity {
    Error,
    Warning,
    Word,
}

fn check(work: &Work, gravity: Gravity, is_so: bool, what: &str) -> Result<(), Failure> {
    if is_so {
        return Ok(());
    }
    let message = format!("what askQuery asks is not true of {what}");
    match gravity {
        Gravity::Error => return Err(Failure::Check(message)),
        Gravity::Warning => work.warn(&message),
        Gravity::Word => work.say(&message),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    #[test]
    fn what_is_not_true_fails_or_warns() {
        for (kind, per_graph, query, is_well) in [
            ("ERROR", true, "ASK { ?s &lt;http://p&gt; ?o }", false),
            ("ERROR", false, "ASK { ?s &lt;http://p&gt; ?o }", true),
            ("WARNING", true, "ASK { ?s &lt;http://p&gt; ?o }", true),
            ("INFO", true, "ASK { ?s &lt;http://p&gt; ?o }", true),
            ("ERROR", false, "ASK { ?s &lt;http://none&gt; ?o }", false),
            ("WARNING", false, "nonsense", false),
            ("SHOUT", false, "ASK { ?s ?p ?o }", false),
        ] {
            let config = format!(
                "<messageType>{kind}</messageType><askQuery>{query}</askQuery><perGraph>{per_graph}</perGraph>"
            );
            let bench = Bench::new("uv-q-sparqlAsk", &config);
            bench.give_graphs(
                "rdf",
                &[
                    ("http://1", "<http://a> <http://p> \"1\" ."),
                    ("http://2", "<http://a> <http://q> \"1\" ."),
                ],
            );
            let outcome = bench.run();
            assert_eq!(outcome.is_ok(), is_well, "{kind} {query}: {outcome:?}");
            if is_well {
                assert_eq!(bench.graphs("rdf").len(), 2);
            }
        }
    }
}
