//! RDF in memory: graphs of data units, queries over them, and what comes of those.
//!
//! **Invariant:** no query reaches out of this process.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{BufReader, Write};

use oxigraph::io::{RdfFormat, RdfParser, RdfSerializer};
use oxigraph::model::{GraphName, GraphNameRef, NamedNode, Quad, Term, Triple};
use oxigraph::sparql::{QueryResults, QuerySolutionIter, SparqlEvaluator};
use oxigraph::store::Store;

use super::work::{Item, Output};
use super::{Failure, bounds};
use crate::plugins::unit::Entry;

/// What graphs are called that nobody has given a name.
const OWN: &str = "urn:penstock:graph:";

/// The name of an entry's graph.
pub(super) fn graph_of(entry: &Entry) -> NamedNode {
    let written = entry.graph.as_deref().unwrap_or(&entry.name);
    NamedNode::new(written).unwrap_or_else(|_| own_graph(&entry.name))
}

/// The name of a graph that only has a symbolic one.
pub(super) fn own_graph(name: &str) -> NamedNode {
    NamedNode::new_unchecked(format!("{OWN}{}", encoded(name)))
}

/// A text as a part of an IRI.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_alphanumeric() || matches!(character, '-' | '.' | '_' | '~') {
            encoded.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// An entry for a graph.
pub(super) fn entry(name: &str, graph: &NamedNode) -> Entry {
    Entry {
        name: name.to_owned(),
        graph: Some(graph.as_str().to_owned()),
        ..Entry::default()
    }
}

/// An empty store.
pub(super) fn empty() -> Result<Store, Failure> {
    Store::new().map_err(|error| Failure::Data(error.to_string()))
}

/// A store with each entry in its graph.
pub(super) fn store(items: &[Item]) -> Result<Store, Failure> {
    let store = empty()?;
    fits(items)?;
    for item in items {
        load(&store, item, graph_of(&item.entry).into())?;
    }
    Ok(store)
}

/// A store with all entries in its default graph.
pub(super) fn merged(items: &[Item]) -> Result<Store, Failure> {
    let store = empty()?;
    fits(items)?;
    for item in items {
        load(&store, item, GraphName::DefaultGraph)?;
    }
    Ok(store)
}

fn fits(items: &[Item]) -> Result<(), Failure> {
    let mut bytes = 0_u64;
    for item in items {
        let meta = std::fs::metadata(&item.content).map_err(Failure::at(item.outside()))?;
        bytes = bytes.saturating_add(meta.len());
    }
    if bytes > bounds::RDF {
        let most = bounds::RDF;
        return Err(Failure::TooMuch(format!(
            "the RDF has {bytes} bytes, and {most} can be queried at once"
        )));
    }
    Ok(())
}

fn load(store: &Store, item: &Item, graph: GraphName) -> Result<(), Failure> {
    let parser = RdfParser::from_format(RdfFormat::NTriples).with_default_graph(graph);
    let read = BufReader::new(item.open()?);
    store.load_from_reader(parser, read).map_err(|error| {
        Failure::Data(format!(
            "{}: is no RDF as N-Triples: {error}",
            item.entry.name
        ))
    })
}

/// Asks a query of the default graph, which is all graphs together unless the query names its own.
pub(super) fn ask<'a>(store: &'a Store, query: &str) -> Result<QueryResults<'a>, Failure> {
    let mut prepared = SparqlEvaluator::new()
        .parse_query(query)
        .map_err(|error| Failure::Config(format!("the query is no SPARQL: {error}")))?;
    if prepared.dataset().is_default_dataset() {
        prepared.dataset_mut().set_default_graph_as_union();
    }
    let bound = prepared.on_store(store);
    bound.execute().map_err(|error| unanswered(&error))
}

/// What went wrong while a query was answered.
pub(super) fn unanswered(error: &dyn std::error::Error) -> Failure {
    Failure::Data(format!("the query can't be answered: {error}"))
}

/// What a SELECT answers.
pub(super) fn solutions<'a>(
    store: &'a Store,
    query: &str,
) -> Result<QuerySolutionIter<'a>, Failure> {
    match ask(store, query)? {
        QueryResults::Solutions(solutions) => Ok(solutions),
        QueryResults::Boolean(_) | QueryResults::Graph(_) => {
            Err(Failure::Config("the query must be a SELECT".to_owned()))
        }
    }
}

/// What an ASK answers.
pub(super) fn is_so(store: &Store, query: &str) -> Result<bool, Failure> {
    match ask(store, query)? {
        QueryResults::Boolean(answer) => Ok(answer),
        QueryResults::Solutions(_) | QueryResults::Graph(_) => {
            Err(Failure::Config("the query must be an ASK".to_owned()))
        }
    }
}

/// Writes what a CONSTRUCT answers as an entry, each triple once.
pub(super) fn construct(
    store: &Store,
    query: &str,
    (entry, output): (Entry, &mut Output),
) -> Result<(), Failure> {
    let QueryResults::Graph(triples) = ask(store, query)? else {
        return Err(Failure::Config("the query must be a CONSTRUCT".to_owned()));
    };
    let mut seen = HashSet::new();
    output.write(entry, |file| {
        let mut writer = Triples::new(file);
        for triple in triples {
            let triple = triple.map_err(|error| unanswered(&error))?;
            if !seen.contains(&triple) {
                writer.put(&triple)?;
                seen.insert(triple);
            }
        }
        writer.finish()
    })
}

/// Writes a graph of a store as an entry.
pub(super) fn dump<'g>(
    store: &Store,
    graph: impl Into<GraphNameRef<'g>>,
    (entry, output): (Entry, &mut Output),
) -> Result<(), Failure> {
    let graph = graph.into();
    output.write(entry, |file| {
        let dumped = store.dump_graph_to_writer(graph, RdfFormat::NTriples, file);
        dumped
            .map(drop)
            .map_err(|error| Failure::Data(error.to_string()))
    })
}

/// The values of each solution, in the order of the query's variables; what isn't bound is empty.
pub(super) fn rows(items: &[Item], query: &str) -> Result<Vec<Vec<String>>, Failure> {
    let store = store(items)?;
    let mut rows = Vec::new();
    for solution in solutions(&store, query)? {
        let solution = solution.map_err(|error| unanswered(&error))?;
        rows.push(
            solution
                .values()
                .iter()
                .map(|it| it.as_ref().map_or_else(String::new, plain))
                .collect(),
        );
    }
    Ok(rows)
}

/// A term without what marks it as one.
fn plain(term: &Term) -> String {
    match term {
        Term::NamedNode(node) => node.as_str().to_owned(),
        Term::BlankNode(node) => node.as_str().to_owned(),
        Term::Literal(literal) => literal.value().to_owned(),
    }
}

/// `REPLACE` of SPARQL, where what is put there is an expression that may use `?name`.
pub(super) fn replaced(name: &str, pattern: &str, expression: &str) -> Result<String, Failure> {
    let literal = |text: &str| oxigraph::model::Literal::new_simple_literal(text).to_string();
    let query = format!(
        "SELECT (REPLACE(?name, {}, {expression}) AS ?replaced) WHERE {{ BIND({} AS ?name) }}",
        literal(pattern),
        literal(name)
    );
    let replaced = rows(&[], &query)?
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_default();
    if replaced.is_empty() {
        return Err(Failure::Data(format!(
            "nothing comes of {expression} for the name {name:?}"
        )));
    }
    Ok(replaced)
}

/// N-Triples that are being written.
pub(super) struct Triples<W: Write>(oxigraph::io::WriterQuadSerializer<W>);

impl<W: Write> Triples<W> {
    pub(super) fn new(file: W) -> Self {
        Self(RdfSerializer::from_format(RdfFormat::NTriples).for_writer(file))
    }

    pub(super) fn put(&mut self, triple: &Triple) -> Result<(), Failure> {
        self.0.serialize_triple(triple).map_err(Failure::at("RDF"))
    }

    /// A quad, whatever its graph is.
    pub(super) fn put_quad(&mut self, quad: Quad) -> Result<(), Failure> {
        self.put(&Triple::new(quad.subject, quad.predicate, quad.object))
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        self.0.finish().map(drop).map_err(Failure::at("RDF"))
    }
}

/// A format by any of its names: of the libraries of Java, a media type, an extension.
pub(super) fn format(name: &str) -> Result<RdfFormat, Failure> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let known = match plain.to_ascii_uppercase().as_str() {
        "TURTLE" | "TTL" => Some(RdfFormat::Turtle),
        "RDFXML" | "XML" => Some(RdfFormat::RdfXml),
        "NTRIPLES" | "NT" => Some(RdfFormat::NTriples),
        "NQUADS" | "NQ" => Some(RdfFormat::NQuads),
        "TRIG" => Some(RdfFormat::TriG),
        "N3" => Some(RdfFormat::N3),
        "JSONLD" => RdfFormat::from_extension("jsonld"),
        _ => RdfFormat::from_media_type(name).or_else(|| RdfFormat::from_extension(name)),
    };
    known.ok_or_else(|| Failure::Config(format!("the RDF format {name:?} is not known")))
}
