//! A place to run a plug-in on, for its tests.

use std::fs;
use std::path::Path;

use super::{Failure, Work, carry_out, implementation};
use crate::plugins::config::Config;
use crate::plugins::unit::{self, Entry, Writer};

/// A plug-in with its configuration and a directory of its own.
pub(super) struct Bench {
    name: &'static str,
    folder: tempfile::TempDir,
}

impl Bench {
    /// A plug-in with these fields.
    pub(super) fn new(name: &'static str, fields: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("<object-stream><a.Config>{fields}</a.Config></object-stream>");
        fs::write(folder.path().join("config.xml"), config).unwrap();
        Self { name, folder }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Files for an input.
    pub(super) fn give(&self, port: &str, files: &[(&str, &[u8])]) {
        self.give_entries(
            port,
            files.iter().map(|(name, content)| {
                let entry = Entry {
                    name: (*name).to_owned(),
                    ..Entry::default()
                };
                (entry, *content)
            }),
        );
    }

    /// Named graphs for an input, as N-Triples.
    pub(super) fn give_graphs(&self, port: &str, graphs: &[(&str, &str)]) {
        self.give_entries(
            port,
            graphs.iter().map(|(graph, triples)| {
                let entry = Entry {
                    name: (*graph).to_owned(),
                    graph: Some((*graph).to_owned()),
                    ..Entry::default()
                };
                (entry, triples.as_bytes())
            }),
        );
    }

    pub(super) fn give_entries<'a>(
        &self,
        port: &str,
        entries: impl IntoIterator<Item = (Entry, &'a [u8])>,
    ) {
        let mut writer = Writer::create(&self.path().join("input").join(port)).unwrap();
        for (entry, content) in entries {
            fs::write(writer.next(), content).unwrap();
            writer.add(entry).unwrap();
        }
        writer.finish().unwrap();
    }

    /// Runs it to its end; what it answers says only whether it failed.
    pub(super) fn run(&self) -> Result<&'static str, Failure> {
        let implementation = implementation(self.name).unwrap();
        carry_out(self.path(), implementation).map(|()| "")
    }

    /// The same where an output may have so many bytes a file and in all.
    pub(super) fn run_within(&self, file: u64, all: u64) -> Result<(), Failure> {
        let work = Work::new(self.path(), Config::default());
        work.forget().unwrap();
        implementation(self.name).unwrap()(&mut work.within(file, all))
    }

    pub(super) fn entries(&self, port: &str) -> Vec<(Entry, Vec<u8>)> {
        let unit = self.path().join("output").join(port);
        let content = |entry: Entry| {
            let content = fs::read(unit.join(unit::DATA).join(&entry.file)).unwrap();
            (entry, content)
        };
        let entries = unit::read(&unit).unwrap();
        entries.into_iter().map(content).collect()
    }

    /// What its output has: what each is called outside, and its content.
    pub(super) fn taken(&self, port: &str) -> Vec<(String, Vec<u8>)> {
        let entries = self.entries(port).into_iter();
        entries
            .map(|(entry, content)| (entry.outside().to_owned(), content))
            .collect()
    }

    /// The same as text.
    pub(super) fn texts(&self, port: &str) -> Vec<(String, String)> {
        let taken = self.taken(port).into_iter();
        taken
            .map(|(name, content)| (name, String::from_utf8(content).unwrap()))
            .collect()
    }

    /// The graphs at an output, with the lines of each in order.
    pub(super) fn graphs(&self, port: &str) -> Vec<(String, Vec<String>)> {
        let entries = self.entries(port).into_iter();
        entries
            .map(|(entry, content)| {
                let text = String::from_utf8(content).unwrap();
                let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                lines.sort_unstable();
                (entry.graph.unwrap_or(entry.name), lines)
            })
            .collect()
    }
}

/// A server that gives some answers, one after the other, and remembers what it was asked.
pub(super) struct Server {
    address: std::net::SocketAddr,
    asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Server {
    /// Answers: how a request begins, the status, the body. Any other request is answered with 400.
    pub(super) fn start(answers: &[(&str, u16, &str)]) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let owned = |(begin, status, body): &(&str, u16, &str)| {
            ((*begin).to_owned(), *status, (*body).to_owned())
        };
        let answers: Vec<_> = answers.iter().map(owned).collect();
        let heard = asked.clone();
        std::thread::spawn(move || {
            for (begin, status, body) in answers {
                let Ok((connection, _)) = listener.accept() else {
                    return;
                };
                let request = request(&connection);
                let fits = request.starts_with(&begin);
                // Before it is answered: who was answered may look.
                heard.lock().unwrap().push(request);
                answer(connection, if fits { status } else { 400 }, &body);
            }
        });
        Self { address, asked }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Heads, in which names are in lower case, and bodies.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn request(connection: &std::net::TcpStream) -> String {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut reader = BufReader::new(connection);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some((_, value)) = line.to_lowercase().split_once("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    let mut content = vec![0; length];
    reader.read_exact(&mut content).unwrap();
    request.push_str(&String::from_utf8_lossy(&content));
    request
}

fn answer(mut connection: std::net::TcpStream, status: u16, body: &str) {
    use std::io::Write as _;
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
}
