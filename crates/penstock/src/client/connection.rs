//! Where the server is and which token it wants: as said, or as found in the data directory.

use std::path::PathBuf;

use runtime::config::{Secret, variable};
use url::{Host, Url};

use super::args;
use super::error::Error;
use crate::config::TOKEN_FILE;
use crate::node::address;

/// How to reach the server. What is found is looked up again for each request, so that a server
/// that came back on another port is found.
#[derive(Debug)]
pub(crate) struct Connection {
    server: Option<String>,
    token: Option<Secret>,
    data_dir: PathBuf,
}

impl Connection {
    /// Takes what was said; empty is the same as unsaid.
    pub(crate) fn new(said: &args::Connection) -> Self {
        let given = |text: &Option<String>| text.clone().filter(|it| !it.trim().is_empty());
        // Where the server's token was set by a variable there is no file of it.
        let token = given(&said.token).or_else(|| variable("PENSTOCK_ADMIN_TOKEN"));
        Self {
            server: given(&said.server).map(|it| with_scheme(it.trim())),
            token: token.map(|it| Secret::new(it.trim())),
            data_dir: said.data_dir.clone(),
        }
    }

    /// The server's address, without a slash at its end.
    pub(crate) fn server(&self) -> Result<String, Error> {
        match &self.server {
            Some(server) => Ok(server.clone()),
            None => address::read(&self.data_dir)
                .map(|it| it.url)
                .ok_or_else(|| Error::NoServer(self.data_dir.clone())),
        }
    }

    /// The token to show. What lies in the data directory is for the server of this machine alone.
    pub(crate) fn token(&self) -> Result<Secret, Error> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let file = self.data_dir.join(TOKEN_FILE);
        if let Some(server) = self.server.as_deref().filter(|it| !self.is_ours(it)) {
            return Err(Error::OthersServer {
                server: server.to_owned(),
                file,
            });
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(Secret::new(text.trim())),
            Err(why) => Err(Error::NoToken { file, why }),
        }
    }
}

impl Connection {
    /// Whether this is the server of the data directory, or at least one of this machine.
    fn is_ours(&self, server: &str) -> bool {
        let is_recorded = address::read(&self.data_dir).is_some_and(|it| it.url == server);
        is_recorded || Url::parse(server).is_ok_and(|url| is_loopback(&url))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn with_scheme(server: &str) -> String {
    let server = server.trim_end_matches('/');
    if server.contains("://") {
        server.to_owned()
    } else {
        format!("http://{server}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(server: Option<&str>, data_dir: PathBuf) -> Connection {
        Connection::new(&args::Connection {
            server: server.map(str::to_owned),
            token: None,
            data_dir,
            output: args::Output::Table,
        })
    }

    #[test]
    fn what_is_said_wins_over_what_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let connection = said(None, folder.path().to_owned());
        assert!(matches!(connection.server(), Err(Error::NoServer(_))));
        assert!(matches!(connection.token(), Err(Error::NoToken { .. })));
        address::write(folder.path(), "http://127.0.0.1:1234").unwrap();
        std::fs::write(folder.path().join(TOKEN_FILE), "a token\n").unwrap();
        assert_eq!(connection.server().unwrap(), "http://127.0.0.1:1234");
        assert_eq!(connection.token().unwrap().expose(), "a token");
        let connection = said(Some("example.org:80/"), folder.path().to_owned());
        assert_eq!(connection.server().unwrap(), "http://example.org:80");
    }

    #[test]
    fn the_token_of_this_machine_is_shown_to_no_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(TOKEN_FILE), "a token\n").unwrap();
        address::write(folder.path(), "http://10.1.2.3:8080").unwrap();
        let shows = |server| said(Some(server), folder.path().to_owned()).token().is_ok();
        for ours in [
            "127.0.0.1:8080",
            "localhost",
            "http://[::1]:1",
            "10.1.2.3:8080",
        ] {
            assert!(shows(ours), "{ours}");
        }
        for others in [
            "example.org",
            "127.0.0.1.example.org",
            "http://127.0.0.1@example.org",
        ] {
            assert!(!shows(others), "{others}");
        }
    }
}
