//! Places services: one that this process has is started and called here, others over a socket.

use std::collections::BTreeSet;

use gateway::Upstreams;
use outbox::Bus;
use runtime::database::{self, MigratorTrait};
use runtime::front::Front;
use runtime::{Database, Readiness, Route, Tasks, route, serve};

use tonic::service::Routes;

use super::ground::Ground;
use super::{Error, wiring};
use crate::config::Config;
use crate::role::Role;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Anything that keeps a service from starting.
pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What every service is given.
pub(super) struct Seams {
    pub(super) config: Config,
    pub(super) bus: Bus,
    pub(super) ready: Readiness,
    pub(super) tasks: Tasks,
}

impl Seams {
    /// Opens the store of a service, waiting while it is away, and watches it from then on.
    pub(super) async fn store<M: MigratorTrait>(&self, role: Role) -> Result<Database, Fault> {
        let url = &self.config.database.url;
        let store = Database::open::<M>(url, role.name(), &self.ready).await?;
        database::watch(url, role.name(), &self.ready, &self.tasks);
        Ok(store)
    }
}

/// The services of this process.
pub(super) struct Node {
    pub(super) seams: Seams,
    pub(super) executor: Option<executor::Executor>,
    roles: BTreeSet<Role>,
    /// What peers in other processes can call.
    served: Routes,
}

impl Node {
    /// Starts the services and opens their ports.
    pub(super) async fn start(
        config: Config,
        roles: BTreeSet<Role>,
        ground: &mut Ground,
    ) -> Result<Self, Error> {
        let bus = Bus::open(&config.bus, &ground.ready, &ground.tasks).await?;
        let seams = Seams {
            config,
            bus,
            ready: ground.ready.clone(),
            tasks: ground.tasks.clone(),
        };
        let mut node = Self {
            seams,
            executor: None,
            roles,
            served: Routes::default(),
        };
        wiring::start(&mut node, &ground.front).await?;
        if let Some(socket) = ground.grpc.take() {
            let listener = socket.listen(BACKLOG)?;
            tracing::info!(grpc.address = %listener.local_addr()?, "peers are answered");
            let served = serve::with_reflection(node.served.clone(), contracts::DESCRIPTORS);
            let key = node.seams.config.peer_key.clone();
            let Seams { ready, tasks, .. } = &node.seams;
            serve::grpc(listener, served, key, ready, tasks).await;
        }
        Ok(node)
    }

    /// Whether this process has the service.
    pub(super) fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The way to a service: started here if this process has it, over a socket otherwise.
    pub(super) async fn place(
        &mut self,
        role: Role,
        start: impl AsyncFnOnce(&Seams, Config, &Tasks) -> Result<Routes, Fault>,
    ) -> Result<Route, Error> {
        if !self.has(role) {
            return self.remote(role);
        }
        let (config, tasks) = (self.seams.config.clone(), &self.seams.tasks);
        let routes = start(&self.seams, config, tasks)
            .await
            .map_err(|fault| Error::Service(role, fault))?;
        let routes = serve::in_callers_trace(routes, role.name());
        let beside = routes.clone().into_axum_router().reset_fallback();
        let served = std::mem::take(&mut self.served).into_axum_router();
        self.served = served.merge(beside).into();
        self.seams.ready.present(role.name());
        Ok(route::local(routes, route::LIMIT))
    }

    /// Starts the executor if this process has it. Nobody calls it.
    pub(super) async fn place_executor(
        &mut self,
        scheduler: Route,
        pipeline: Route,
    ) -> Result<(), Error> {
        if !self.has(Role::Executor) {
            return Ok(());
        }
        let peers = executor::Peers {
            scheduler,
            pipeline,
            bus: self.seams.bus.clone(),
        };
        let config = self.seams.config.executor.clone();
        let keeper = executor::process::OWN_PROGRAM.into();
        let executor = executor::start(config, peers, keeper, &self.seams.tasks)
            .await
            .map_err(|error| Error::Service(Role::Executor, error.into()))?;
        self.executor = Some(executor);
        self.seams.ready.present(Role::Executor.name());
        Ok(())
    }

    /// Gives the HTTP port to the gateway if this process has it.
    pub(super) fn place_gateway(&self, upstreams: Upstreams, front: &Front) {
        if !self.has(Role::Gateway) {
            return;
        }
        let Seams {
            config, bus, tasks, ..
        } = &self.seams;
        let router = gateway::start(&config.gateway, upstreams, Some(bus.clone()), tasks);
        front.take(router);
        self.seams.ready.present(Role::Gateway.name());
    }

    /// The way to a service of another process. One that nobody here calls may be nowhere.
    fn remote(&self, role: Role) -> Result<Route, Error> {
        let config = &self.seams.config;
        match config.peers.url(role) {
            Some(url) => Ok(route::remote(url, &config.peer_key, route::LIMIT)?),
            None => Ok(route::local(Routes::default(), route::LIMIT)),
        }
    }
}
