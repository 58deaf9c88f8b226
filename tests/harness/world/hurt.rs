//! What can be done to the processes of a world.

use super::{Server, World};

impl World {
    /// The processes.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The process of this name, or the one that has all services.
    pub fn server(&self, name: &str) -> &Server {
        let found = self.servers.iter().find(|it| it.name == name);
        found
            .or_else(|| self.servers.iter().find(|it| it.name == "all"))
            .unwrap_or_else(|| {
                panic!("there is no {name}");
            })
    }

    /// What the metrics of this name have counted in a process, over all their labels. 0 if it has
    /// none.
    pub async fn counted(&self, server: &Server, metric: &str) -> f64 {
        let url = self.url_of(server).expect("the process has an address");
        let answer = crate::api::http().get(format!("{url}/metrics")).send();
        let text = answer.await.expect("metrics are there").text().await;
        let text = text.expect("metrics are text");
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(metric)?;
            let (_, value) = rest.rsplit_once(' ')?;
            rest.starts_with([' ', '{'])
                .then(|| value.parse::<f64>().ok())?
        });
        values.sum()
    }

    pub(super) fn gateway(&self) -> &Server {
        self.server("gateway")
    }

    /// Kills a process as a crash would, and starts it again.
    pub async fn crash(&self, name: &str) {
        let server = self.server(name);
        server.kill();
        self.start_again(server).await;
    }

    /// Kills all processes at once, and starts them again.
    pub async fn crash_all(&self) {
        for server in &self.servers {
            server.kill();
        }
        for server in &self.servers {
            server.start(&self.undertaker);
        }
        self.ready().await;
    }

    /// Starts a process that has ended, and waits until it is ready.
    pub async fn start_again(&self, server: &Server) {
        server.start(&self.undertaker);
        self.ready_of(server).await;
    }

    /// Starts a process that has ended, and doesn't wait.
    pub fn start_only(&self, server: &Server) {
        server.start(&self.undertaker);
    }
}
