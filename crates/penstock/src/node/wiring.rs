//! All of the wiring: who is started with whom, callees first.

use gateway::Upstreams;
use runtime::front::Front;

use super::Error;
use super::place::Node;
use crate::role::Role;

/// Starts the services of this process.
pub(super) async fn start(node: &mut Node, front: &Front) -> Result<(), Error> {
    let registry = node
        .place(Role::Registry, async |it, config, tasks| {
            let store = it.store::<registry::Migrator>(Role::Registry).await?;
            Ok(registry::start(config.registry, store, it.bus.clone(), tasks).await?)
        })
        .await?;
    let audit_log = node
        .place(Role::AuditLog, async |it, config, tasks| {
            let (config, url) = (config.audit_log, config.database.url);
            let stores = audit_log::Stores::open(&config, &url, &it.ready).await?;
            runtime::database::watch(&url, Role::AuditLog.name(), &it.ready, tasks);
            Ok(audit_log::start(config, stores, it.bus.clone(), tasks).await?)
        })
        .await?;
    let pipeline = node
        .place(Role::Pipeline, async |it, config, tasks| {
            let store = it.store::<pipeline::Migrator>(Role::Pipeline).await?;
            let registry = registry.clone();
            Ok(pipeline::start(
                config.pipeline,
                store,
                &it.bus,
                registry,
                tasks,
            ))
        })
        .await?;
    let scheduler = node
        .place(Role::Scheduler, async |it, config, tasks| {
            let store = it.store::<scheduler::Migrator>(Role::Scheduler).await?;
            let pipeline = pipeline.clone();
            Ok(scheduler::start(
                config.scheduler,
                &store,
                &it.bus,
                pipeline,
                tasks,
            ))
        })
        .await?;
    node.place_executor(scheduler.clone(), pipeline.clone())
        .await?;
    let upstreams = Upstreams {
        pipeline,
        registry,
        scheduler,
        audit_log,
    };
    node.place_gateway(upstreams, front);
    Ok(())
}
