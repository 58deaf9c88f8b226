//! How a world is made: its shape, its processes and what each is told.

use std::path::Path;

use super::TOKEN;
use super::place::Place;
use super::server::{Server, Spec};

/// The services, callees first.
const SERVICES: [&str; 6] = [
    "registry",
    "audit-log",
    "pipeline",
    "scheduler",
    "executor",
    "gateway",
];
/// Those that peers call.
const CALLED: [&str; 4] = ["registry", "audit-log", "pipeline", "scheduler"];

/// The shape of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// One process on `SQLite` and the embedded bus.
    Embedded,
    /// A process a service, on `PostgreSQL` and Kafka.
    Spread,
    /// One process on `PostgreSQL` and Kafka.
    Joined,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Embedded, Self::Spread, Self::Joined];

    /// Its name in a test's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Spread => "spread",
            Self::Joined => "joined",
        }
    }

    /// Whether what it stands on is there.
    pub fn is_possible(self) -> bool {
        self == Self::Embedded
            || ["TEST_POSTGRES", "TEST_KAFKA"]
                .iter()
                .all(|it| crate::variable(it).is_some())
    }
}

/// How a world is made.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) shape: Shape,
    lease: String,
    slots: u32,
    schedulers: u32,
    executors: u32,
    pipelines: u32,
    has_snapshots: bool,
    is_traced: bool,
    disk_mib: Option<u32>,
    more: Vec<(String, String)>,
}

impl Settings {
    /// The usual world of a shape: leases of 3 s, one process a service.
    pub fn of(shape: Shape) -> Self {
        Self {
            shape,
            lease: "3s".into(),
            slots: 16,
            schedulers: 1,
            executors: 1,
            pipelines: 1,
            has_snapshots: false,
            is_traced: false,
            disk_mib: None,
            more: Vec::new(),
        }
    }

    /// With leases of this length.
    #[must_use]
    pub fn lease(mut self, lease: &str) -> Self {
        lease.clone_into(&mut self.lease);
        self
    }

    /// With so many slots an executor.
    #[must_use]
    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    /// With so many schedulers, where each has a process.
    #[must_use]
    pub fn schedulers(mut self, schedulers: u32) -> Self {
        self.schedulers = schedulers;
        self
    }

    /// With so many executors, where each has a process.
    #[must_use]
    pub fn executors(mut self, executors: u32) -> Self {
        self.executors = executors;
        self
    }

    /// With so many pipeline services, where each has a process. The first is the one that is asked.
    #[must_use]
    pub fn pipelines(mut self, pipelines: u32) -> Self {
        self.pipelines = pipelines;
        self
    }

    /// With workspaces that are copied from one executor to the next instead of shared.
    #[must_use]
    pub fn snapshots(mut self) -> Self {
        self.has_snapshots = true;
        self
    }

    /// With processes that tell their traces, in which the canary is looked for.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.is_traced = true;
        self
    }

    /// With embedded stores on a disk of so many MiB, which [`super::SmallDisk::is_possible`] here.
    #[must_use]
    pub fn small_disk(mut self, mib: u32) -> Self {
        self.disk_mib = Some(mib);
        self
    }

    /// With a variable for all its processes.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.more.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Slots of an executor.
    pub fn slot_count(&self) -> u32 {
        self.slots
    }

    pub(super) fn is_traced(&self) -> bool {
        self.is_traced
    }

    pub(super) fn disk_mib(&self) -> Option<u32> {
        self.disk_mib
    }

    pub(super) fn servers(&self, place: &Place, dir: &Path) -> Vec<Server> {
        let specs = match self.shape {
            Shape::Embedded | Shape::Joined => vec![self.all_in_one(place, dir)],
            Shape::Spread => self.spread(place, dir),
        };
        specs
            .into_iter()
            .map(|spec| Server::new(spec, dir))
            .collect()
    }

    fn all_in_one(&self, place: &Place, dir: &Path) -> Spec {
        let name = "all";
        let data_dir = dir.join(name).display().to_string();
        let args = ["up", "--data-dir", &data_dir, "--listen", "127.0.0.1:0"];
        let mut env = self.common(place);
        env.push(("PENSTOCK_EXECUTOR__NAME".into(), place.executor(1)));
        Spec {
            name: name.into(),
            args: args.map(str::to_owned).to_vec(),
            env,
            http_port: None,
        }
    }

    fn spread(&self, place: &Place, dir: &Path) -> Vec<Spec> {
        let mut specs = Vec::new();
        let ports: Vec<(String, u16)> = SERVICES
            .iter()
            .flat_map(|service| (1..=self.count(service)).map(|it| named(service, it)))
            .map(|name| (name, place.free_port()))
            .collect();
        for service in SERVICES {
            for number in 1..=self.count(service) {
                specs.push(self.one(place, dir, (service, number), &ports));
            }
        }
        specs
    }

    fn count(&self, service: &str) -> u32 {
        match service {
            "scheduler" => self.schedulers,
            "executor" => self.executors,
            "pipeline" => self.pipelines,
            _ => 1,
        }
    }

    fn one(
        &self,
        place: &Place,
        dir: &Path,
        (service, number): (&str, u32),
        ports: &[(String, u16)],
    ) -> Spec {
        let name = named(service, number);
        let http = place.free_port();
        let data_dir = dir.join(&name).display().to_string();
        let listen = format!("127.0.0.1:{http}");
        let args = [
            "serve",
            service,
            "--data-dir",
            &data_dir,
            "--listen",
            &listen,
        ];
        let mut args: Vec<String> = args.map(str::to_owned).to_vec();
        if CALLED.contains(&service) {
            let grpc = format!("127.0.0.1:{}", port(ports, &name));
            args.extend(["--grpc-listen".to_owned(), grpc]);
        }
        let mut env = self.common(place);
        for peer in CALLED {
            let variable = format!("PENSTOCK_PEERS__{}", peer.to_uppercase().replace('-', "_"));
            // Where there are several, those of one number keep to each other.
            let its = number.min(self.count(peer));
            let port = port(ports, &named(peer, its));
            env.push((variable, format!("http://127.0.0.1:{port}")));
        }
        if service == "executor" {
            env.push(("PENSTOCK_EXECUTOR__NAME".into(), place.executor(number)));
            env.extend(self.workspaces(dir));
        }
        if service == "gateway" {
            let workspaces = dir.join("workspaces").display().to_string();
            env.push(("PENSTOCK_GATEWAY__WORKSPACE_DIR".into(), workspaces));
        }
        Spec {
            name,
            args,
            env,
            http_port: Some(http),
        }
    }

    /// Where executors that each have a process keep workspaces.
    fn workspaces(&self, dir: &Path) -> Vec<(String, String)> {
        let at = |name: &str| dir.join(name).display().to_string();
        let said = if self.has_snapshots {
            vec![
                ("WORKSPACE", "snapshot".to_owned()),
                ("SNAPSHOT_STORE", at("snapshots")),
            ]
        } else {
            vec![("WORKSPACE_DIR", at("workspaces"))]
        };
        let variable = |(name, value)| (format!("PENSTOCK_EXECUTOR__{name}"), value);
        said.into_iter().map(variable).collect()
    }

    fn common(&self, place: &Place) -> Vec<(String, String)> {
        let mut env = place.variables();
        let said = [
            ("PENSTOCK_ADMIN_TOKEN", TOKEN.to_owned()),
            (
                "PENSTOCK_GATEWAY__UNIFIEDVIEWS__PASSWORD",
                "commander".to_owned(),
            ),
            ("PENSTOCK_SCHEDULER__LEASE", self.lease.clone()),
            ("PENSTOCK_SCHEDULER__RECONCILE", "2s".to_owned()),
            ("PENSTOCK_EXECUTOR__GRACE_MS", "1000".to_owned()),
            ("PENSTOCK_EXECUTOR__SLOTS", self.slots.to_string()),
        ];
        env.extend(said.map(|(name, value)| (name.to_owned(), value)));
        env.extend(self.more.iter().cloned());
        env
    }
}

fn named(service: &str, number: u32) -> String {
    match number {
        1 => service.to_owned(),
        _ => format!("{service}-{number}"),
    }
}

fn port(ports: &[(String, u16)], name: &str) -> u16 {
    let found = ports.iter().find(|(it, _)| it == name);
    found.map(|(_, port)| *port).expect("every process has one")
}
