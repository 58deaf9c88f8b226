//! `uv-e-sparqlEndpoint`: what a CONSTRUCT answers at an endpoint, in parts if so wished.

use std::io::Cursor;
use std::time::Duration;

use oxigraph::io::{RdfFormat, RdfParser};
use reqwest::Method;
use url::form_urlencoded::Serializer;

use super::http::{Answer, Ask, Body, Web};
use super::work::Bounded;
use super::{Failure, Work, bounds, rdf};

/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_mins(10);
/// What is asked for; the first is the one that is read fastest.
const ACCEPT: &str = "application/n-triples, text/turtle;q=0.9, application/rdf+xml;q=0.8";
/// The most parts.
const MOST_PARTS: i64 = 100_000;

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let config = &work.config;
    let needed = |name: &str| {
        let said = config.said(name).map(|it| it.trim().to_owned());
        said.ok_or_else(|| Failure::Config(format!("{name} is missing")))
    };
    let (endpoint, query) = (needed("endpoint")?, needed("query")?);
    let chunk = config.number("chunkSize").filter(|size| *size > 0);
    let web = Web::new(PATIENCE, false)?;
    let graph = rdf::own_graph("endpoint");
    let mut output = work.output("output")?;
    output.write(rdf::entry("endpoint", &graph), |file| match chunk {
        None => fetch(&web, &endpoint, &query, file).map(drop),
        Some(chunk) => each_part(chunk, |part| {
            fetch(&web, &endpoint, &format!("{query}\n{part}"), file)
        }),
    })?;
    output.finish()
}

/// Goes on until a part has nothing.
fn each_part(
    size: i64,
    mut fetch: impl FnMut(&str) -> Result<u64, Failure>,
) -> Result<(), Failure> {
    for part in 0..MOST_PARTS {
        let offset = part.saturating_mul(size);
        if fetch(&format!("LIMIT {size} OFFSET {offset}"))? == 0 {
            return Ok(());
        }
    }
    Err(Failure::TooMuch(format!(
        "the endpoint has more than {MOST_PARTS} parts of {size}"
    )))
}

/// Writes what comes back, and counts it.
fn fetch(web: &Web, endpoint: &str, query: &str, file: &mut Bounded) -> Result<u64, Failure> {
    let form = Serializer::new(String::new())
        .append_pair("query", query)
        .finish();
    let ask = Ask {
        method: Method::POST,
        headers: vec![
            ("accept", ACCEPT.to_owned()),
            (
                "content-type",
                "application/x-www-form-urlencoded".to_owned(),
            ),
        ],
        body: Body::Bytes(form.into_bytes()),
        ..Ask::get(endpoint)
    };
    let answer = web.ask(ask)?.success()?;
    let format = format(&answer)?;
    let mut content = Limited(Vec::new());
    answer.copy_to(&mut content)?;
    let mut triples = rdf::Triples::new(file);
    let mut count = 0;
    for quad in RdfParser::from_format(format)
        .rename_blank_nodes()
        .for_reader(Cursor::new(content.0))
    {
        let quad =
            quad.map_err(|error| Failure::Data(format!("the endpoint's answer: {error}")))?;
        triples.put_quad(quad)?;
        count += 1;
    }
    triples.finish()?;
    Ok(count)
}

fn format(answer: &Answer<'_>) -> Result<RdfFormat, Failure> {
    let kind = answer
        .header("content-type")
        .unwrap_or("application/n-triples");
    RdfFormat::from_media_type(kind).ok_or_else(|| {
        Failure::Data(format!(
            "the endpoint's answer is {kind}, which is no RDF; ask it with a CONSTRUCT"
        ))
    })
}

/// What fits into memory.
struct Limited(Vec<u8>);

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if (self.0.len() + bytes.len()) as u64 > bounds::RDF {
            return Err(super::failure::Bound(bounds::RDF).into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::{Bench, Server};

    const ONE: &str = "<http://a> <http://p> \"1\" .\n";
    const TWO: &str = "<http://b> <http://p> \"2\" .\n";

    fn bench(endpoint: &str, chunk: &str) -> Bench {
        Bench::new(
            "uv-e-sparqlEndpoint",
            &format!(
                "<endpoint>{endpoint}</endpoint><query>CONSTRUCT {{ ?s ?p ?o }} WHERE {{ ?s ?p ?o }}</query>\
                 <chunkSize>{chunk}</chunkSize>"
            ),
        )
    }

    #[test]
    fn an_endpoint_is_asked_once_or_in_parts() {
        for (chunk, answers, expected) in [
            ("", &[ONE][..], &[ONE][..]),
            ("1", &[ONE, TWO, ""], &[ONE, TWO]),
        ] {
            let scripted: Vec<_> = answers
                .iter()
                .map(|answer| ("POST /sparql", 200, *answer))
                .collect();
            let server = Server::start(&scripted);
            let bench = bench(&server.url("sparql"), chunk);
            bench.run().unwrap();
            let expected: Vec<_> = expected.iter().map(|line| line.trim().to_owned()).collect();
            assert_eq!(bench.graphs("output")[0].1, expected);
            let last = server.asked().pop().unwrap();
            let is_parted = last.contains("%0ALIMIT+1+OFFSET+2");
            assert_eq!(is_parted, !chunk.is_empty(), "{last}");
        }
    }

    #[test]
    fn what_is_no_rdf_fails() {
        let server = Server::start(&[("POST /", 200, "nonsense"), ("POST /", 500, "")]);
        let failure = bench(&server.url(""), "").run().unwrap_err();
        assert!(!failure.may_pass(), "{failure}");
        let failure = bench(&server.url(""), "").run().unwrap_err();
        assert!(failure.may_pass(), "{failure}");
        assert!(bench("", "").run().is_err());
    }
}
