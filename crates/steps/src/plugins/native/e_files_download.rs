//! `uv-e-filesDownload`: files of web servers, and files and directories of this machine.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::http::{Ask, Web};
use super::work::{Output, base};
use super::{Failure, Work, rdf};
use crate::plugins::config::Config;
use crate::plugins::unit::{Entry, MAX_ENTRIES};

/// How long a server may say nothing, in milliseconds, unless the configuration says it.
const PATIENCE_MS: i64 = 20_000;
/// Where what comes over the port `config` is described.
const VOCABULARY: &str = "http://unifiedviews.eu/ontology/dpu/filesDownload/file/";

/// A file to get.
#[derive(Debug)]
struct Source {
    uri: String,
    user: Option<(String, String)>,
    /// What it is to be called; empty for the name that it has.
    name: String,
}

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let config = &work.config;
    let patience = config.number("defaultTimeout").unwrap_or(PATIENCE_MS);
    let patience = Duration::from_millis(u64::try_from(patience).unwrap_or_default().max(1));
    let is_soft = config.flag("softFail", false);
    let web = Web::new(patience, config.flag("ignoreTlsErrors", false))?;
    let mut sources = sources(work)?;
    if work.config.flag("checkForDuplicatedInputFiles", false) {
        skip_duplicates(work, &mut sources);
    }
    let mut output = work.output("output")?;
    for source in &sources {
        get(&web, source, &mut output).or_else(|failure| work.pass(is_soft, failure))?;
    }
    output.finish()
}

fn sources(work: &Work) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for file in work.config.list("vfsFiles") {
        let file = Config::below(file);
        let text = |name| file.text(name).unwrap_or_default().trim().to_owned();
        let password = file.text("password").unwrap_or_default().to_owned();
        let user = file
            .said("username")
            .map(|it| (it.trim().to_owned(), password));
        sources.push(Source {
            uri: text("uri"),
            user,
            name: text("fileName"),
        });
    }
    sources.extend(described(work)?);
    if let Some(index) = sources.iter().position(|it| it.uri.is_empty()) {
        return Err(Failure::Config(format!(
            "file {} of vfsFiles has no uri",
            index + 1
        )));
    }
    if sources.is_empty() {
        return Err(Failure::Config(
            "vfsFiles names no file to download".to_owned(),
        ));
    }
    Ok(sources)
}

/// The files that are described at the port `config`.
fn described(work: &Work) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    let query = format!(
        "SELECT ?uri ?name WHERE {{ ?file <{VOCABULARY}uri> ?uri \
         OPTIONAL {{ ?file <{VOCABULARY}fileName> ?name }} }} ORDER BY ?uri"
    );
    for row in rdf::rows(&work.input("config")?, &query)? {
        let mut values = row.into_iter();
        sources.push(Source {
            uri: values.next().unwrap_or_default(),
            user: None,
            name: values.next().unwrap_or_default(),
        });
    }
    Ok(sources)
}

/// What is to be had twice is had once.
fn skip_duplicates(work: &Work, sources: &mut Vec<Source>) {
    let mut seen = HashSet::new();
    sources.retain(|source| {
        let is_new = seen.insert(source.uri.clone());
        if !is_new {
            work.say("a file is described more than once; it is downloaded once");
        }
        is_new
    });
}

fn get(web: &Web, source: &Source, output: &mut Output) -> Result<(), Failure> {
    if source.uri.starts_with('/') {
        return take(Path::new(&source.uri), source, output);
    }
    let wrong = |why: String| Failure::Config(format!("{:?}: {why}", source.uri));
    let url = Url::parse(&source.uri).map_err(|error| wrong(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => fetch(web, &url, source, output),
        "file" => {
            let path = url
                .to_file_path()
                .map_err(|()| wrong("is no path".to_owned()))?;
            take(&path, source, output)
        }
        other => Err(wrong(format!(
            "{other} is not done natively; http, https and file are, and executor.plugins can name a directory with \
             another uv-e-filesDownload"
        ))),
    }
}

fn fetch(web: &Web, url: &Url, source: &Source, output: &mut Output) -> Result<(), Failure> {
    let user = source.user.as_ref();
    let ask = Ask {
        user: user.map(|(name, password)| (name.as_str(), password.as_str())),
        ..Ask::get(url.as_str())
    };
    let answer = web.ask(ask)?.success()?;
    let entry = entry(source, base(url.path()));
    output.write(entry, |file| answer.copy_to(file))
}

/// Under the name that is wanted, or the one that it has.
fn entry(source: &Source, own: &str) -> Entry {
    let name = if !source.name.is_empty() {
        &source.name
    } else if own.is_empty() {
        "index"
    } else {
        own
    };
    Entry {
        name: name.to_owned(),
        path: Some(name.to_owned()),
        ..Entry::default()
    }
}

/// Takes a file of this machine, or all below a directory, no links.
fn take(path: &Path, source: &Source, output: &mut Output) -> Result<(), Failure> {
    let shown = path.display().to_string();
    let meta = fs::metadata(path).map_err(Failure::at(shown.as_str()))?;
    let whole = entry(source, base(&shown));
    if meta.is_file() {
        return copy(path, whole, output);
    }
    let mut waiting = vec![(path.to_owned(), whole.name)];
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    while let Some((folder, name)) = waiting.pop() {
        for found in fs::read_dir(&folder).map_err(Failure::at(shown.as_str()))? {
            let found = found.map_err(Failure::at(shown.as_str()))?;
            let kind = found.file_type().map_err(Failure::at(shown.as_str()))?;
            let below = format!("{name}/{}", found.file_name().display());
            if kind.is_dir() {
                waiting.push((found.path(), below));
            } else if kind.is_file() {
                files.push((found.path(), below));
            }
        }
        if files.len() + waiting.len() > MAX_ENTRIES {
            return Err(Failure::TooMuch(format!(
                "{shown}: has more than {MAX_ENTRIES} files"
            )));
        }
    }
    files.sort_unstable_by(|one, other| one.1.cmp(&other.1));
    for (path, name) in files {
        copy(&path, super::work::named(name), output)?;
    }
    Ok(())
}

fn copy(path: &Path, entry: Entry, output: &mut Output) -> Result<(), Failure> {
    let shown = path.display().to_string();
    let mut file = File::open(path).map_err(Failure::at(shown.as_str()))?;
    output.write(entry, |to| {
        io::copy(&mut file, to)
            .map(drop)
            .map_err(Failure::at(shown))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::VOCABULARY;
    use crate::plugins::native::testing::{Bench, Server};

    fn bench(files: &[(&str, &str)], soft: bool) -> Bench {
        let file = |(uri, name): &(&str, &str)| {
            format!(
                "<eu.x.VfsFile><uri>{uri}</uri><username></username><password></password><fileName>{name}</fileName></eu.x.VfsFile>"
            )
        };
        let files: String = files.iter().map(file).collect();
        Bench::new(
            "uv-e-filesDownload",
            &format!(
                "<vfsFiles>{files}</vfsFiles><softFail>{soft}</softFail><defaultTimeout>20000</defaultTimeout>\
                 <ignoreTlsErrors>false</ignoreTlsErrors>"
            ),
        )
    }

    #[test]
    fn files_come_from_servers_and_from_disk() {
        let server = Server::start(&[("GET /d/a.csv", 200, "1"), ("GET /", 200, "2")]);
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        fs::write(folder.path().join("in/b"), "3").unwrap();
        fs::write(folder.path().join("a"), "4").unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        let disk = format!("file://{}", folder.path().display());
        let bench = bench(
            &[
                (&server.url("d/a.csv"), ""),
                (&server.url(""), "root.html"),
                (&disk, "all"),
                (&format!("{disk}/a"), ""),
            ],
            false,
        );
        bench.run().unwrap();
        let expected = [
            ("a.csv", "1"),
            ("root.html", "2"),
            ("all/a", "4"),
            ("all/in/b", "3"),
            ("a", "4"),
        ];
        assert_eq!(
            bench.texts("output"),
            expected.map(|(name, text)| (name.into(), text.into()))
        );
    }

    #[test]
    fn a_file_that_is_missing_fails_or_is_skipped() {
        for soft in [false, true] {
            let server = Server::start(&[("GET /a", 404, ""), ("GET /b", 200, "b")]);
            let bench = bench(&[(&server.url("a"), ""), (&server.url("b"), "")], soft);
            assert_eq!(bench.run().is_ok(), soft);
            if soft {
                assert_eq!(bench.texts("output"), [("b".into(), "b".into())]);
            }
        }
    }

    #[test]
    fn what_can_not_be_fetched_is_said() {
        for (files, why) in [
            (&[][..], "names no file"),
            (&[("", "a")], "has no uri"),
            (&[("ftp://x/y", "")], "ftp is not done natively"),
            (&[("nonsense", "")], "relative URL"),
        ] {
            let failure = bench(files, false).run().unwrap_err().to_string();
            assert!(failure.contains(why), "{failure}");
        }
    }

    #[test]
    fn what_is_named_twice_is_fetched_once_if_so_wished() {
        let server = Server::start(&[("GET /a", 200, "1")]);
        let (url, b) = (server.url("a"), "<a.VfsFile><uri>");
        let fields = format!(
            "<vfsFiles>{b}{url}</uri></a.VfsFile>{b}{url}</uri></a.VfsFile></vfsFiles>\
             <checkForDuplicatedInputFiles>true</checkForDuplicatedInputFiles>"
        );
        let bench = Bench::new("uv-e-filesDownload", &fields);
        bench.run().unwrap();
        assert_eq!(bench.texts("output"), [("a".into(), "1".into())]);
    }

    #[test]
    fn files_can_be_described_in_rdf() {
        let server = Server::start(&[("GET /x", 200, "1")]);
        let bench = bench(&[], false);
        let triples = format!(
            "<http://f> <{VOCABULARY}uri> \"{}\" .\n<http://f> <{VOCABULARY}fileName> \"y\" .\n",
            server.url("x")
        );
        bench.give_graphs("config", &[("http://g", &triples)]);
        bench.run().unwrap();
        assert_eq!(bench.texts("output"), [("y".into(), "1".into())]);
    }
}
