//! `uv-l-filesUpload`: puts files below an address of a web server, or below a directory of this machine.
//!
//! **Invariant:** what files are called leads to nowhere but below that address or directory, also through links.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use url::Url;

use super::http::{Ask, Body, Web};
use super::work::Item;
use super::{Failure, Work};

/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_mins(5);

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let config = &work.config;
    let uri = config.said("uri").map(str::trim);
    let uri = uri.ok_or_else(|| Failure::Config("uri is missing".to_owned()))?;
    let password = config.text("password").unwrap_or_default();
    let user = config.said("username").map(|it| (it.trim(), password));
    let is_soft = config.flag("softFail", false);
    let target = Target::of(uri)?;
    let web = Web::new(PATIENCE, false)?;
    for item in work.input("input")? {
        let put = below(&item).and_then(|parts| match &target {
            Target::Web(url) => upload(&web, url, user, (&item, &parts)),
            Target::Disk(folder) => store(folder, &item, &parts),
        });
        match put {
            Ok(()) => work.say(&format!("uploaded {}", item.outside())),
            Err(failure) => work.pass(is_soft, failure)?,
        }
    }
    Ok(())
}

enum Target {
    Web(Url),
    Disk(PathBuf),
}

impl Target {
    fn of(uri: &str) -> Result<Self, Failure> {
        if uri.starts_with('/') {
            return Ok(Self::Disk(uri.into()));
        }
        let wrong = |why: String| Failure::Config(format!("uri {uri:?}: {why}"));
        let url = Url::parse(uri).map_err(|error| wrong(error.to_string()))?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Web(url)),
            "file" => url
                .to_file_path()
                .map(Self::Disk)
                .map_err(|()| wrong("is no path".to_owned())),
            other => Err(wrong(format!(
                "{other} is not done natively; http, https and file are, and executor.plugins can name a directory \
                 with another uv-l-filesUpload"
            ))),
        }
    }
}

/// The parts of what a file is called, none of which leads up.
fn below(item: &Item) -> Result<Vec<&str>, Failure> {
    let parts = item
        .outside()
        .split('/')
        .filter(|it| !matches!(*it, "" | "."));
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() || parts.iter().any(|it| *it == ".." || it.contains('\0')) {
        let name = item.outside();
        return Err(Failure::Data(format!(
            "a file that is called {name:?} can't be uploaded; rename it first"
        )));
    }
    Ok(parts)
}

fn upload(
    web: &Web,
    base: &Url,
    user: Option<(&str, &str)>,
    (item, parts): (&Item, &[&str]),
) -> Result<(), Failure> {
    let mut url = base.clone();
    let refused = |()| Failure::Config(format!("uri {base} can't have anything below it"));
    url.path_segments_mut()
        .map_err(refused)?
        .pop_if_empty()
        .extend(parts);
    let ask = Ask {
        method: Method::PUT,
        url: url.as_str(),
        user,
        headers: Vec::new(),
        body: Body::File(item.content.clone()),
    };
    web.ask(ask)?.success().map(drop)
}

/// Writes a file as a whole or not at all, in the place of what is there.
fn store(folder: &Path, item: &Item, parts: &[&str]) -> Result<(), Failure> {
    let wrong = |error| Failure::at(item.outside())(error);
    fs::create_dir_all(folder).map_err(wrong)?;
    let Some((name, above)) = parts.split_last() else {
        return Ok(());
    };
    let mut path = folder.to_owned();
    for part in above {
        path.push(part);
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(wrong(error)),
            Ok(()) | Err(_) => {}
        }
        if !fs::symlink_metadata(&path).map_err(wrong)?.is_dir() {
            return Err(wrong(io::Error::other(format!(
                "{} is no directory",
                path.display()
            ))));
        }
    }
    let new = path.join(format!(".{name}.{}", std::process::id()));
    let written = File::create_new(&new).and_then(|mut to| {
        io::copy(&mut File::open(&item.content)?, &mut to)?;
        to.sync_all()?;
        fs::rename(&new, path.join(name))
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        wrong(error)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::plugins::native::testing::{Bench, Server};

    fn bench(uri: &str, soft: bool) -> Bench {
        Bench::new(
            "uv-l-filesUpload",
            &format!(
                "<uri>{uri}</uri><username>ann</username><password>pw</password><softFail>{soft}</softFail><moveFiles>false</moveFiles>"
            ),
        )
    }

    #[test]
    fn files_go_below_an_address() {
        let server = Server::start(&[("PUT /in/a%20b.txt", 201, ""), ("PUT /in/x/c", 204, "")]);
        let bench = bench(&server.url("in/"), false);
        bench.give("input", &[("a b.txt", b"1"), ("/x/./c", b"2")]);
        bench.run().unwrap();
        let asked = server.asked();
        assert!(
            asked[0].ends_with("\r\n\r\n1") && asked[0].contains("authorization: Basic YW5uOnB3")
        );
    }

    #[test]
    fn files_go_below_a_directory() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new/place");
        let bench = bench(&format!("file://{}", target.display()), false);
        bench.give("input", &[("a", b"1"), ("in/b", b"2")]);
        bench.run().unwrap();
        bench.run().unwrap();
        assert_eq!(fs::read(target.join("a")).unwrap(), b"1");
        assert_eq!(fs::read(target.join("in/b")).unwrap(), b"2");
        assert_eq!(fs::read_dir(target).unwrap().count(), 2);
    }

    #[test]
    fn nothing_is_written_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink("..", target.join("up")).unwrap();
        for name in ["../escaped", "a/../../escaped", "up/escaped", "..", "/"] {
            let bench = bench(&format!("file://{}", target.display()), false);
            bench.give("input", &[(name, b"1")]);
            assert!(bench.run().is_err(), "{name}");
            assert!(!folder.path().join("escaped").exists(), "{name}");
        }
    }

    #[test]
    fn what_is_refused_fails_or_is_skipped() {
        for soft in [false, true] {
            let server = Server::start(&[("PUT /a", 403, "")]);
            let bench = bench(&server.url(""), soft);
            bench.give("input", &[("a", b"1")]);
            assert_eq!(bench.run().is_ok(), soft);
        }
        assert!(bench("sftp://x/y", true).run().is_err());
    }
}
