//! The generated clients of the services behind the gateway.

use contracts::audit::audit_log_client::AuditLogClient;
use contracts::pipeline::pipelines_client::PipelinesClient;
use contracts::registry::identities_client::IdentitiesClient;
use contracts::registry::people_client::PeopleClient;
use contracts::registry::plugins_client::PluginsClient;
use contracts::registry::registry_client::RegistryClient;
use contracts::registry::tokens_client::TokensClient;
use contracts::registry::tools_client::ToolsClient;
use contracts::registry::vault_client::VaultClient;
use contracts::scheduler::scheduler_client::SchedulerClient;
use contracts::scheduler::schedules_client::SchedulesClient;
use runtime::Route;

use crate::Upstreams;

/// The longest answer of a peer: a page of 100 definitions of usual size, or 1000 log entries of
/// 64 KiB, has room.
const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;

/// Where to ask. A client is made by cloning, which is cheap, since a call wants one of its own.
pub(crate) struct Peers {
    pipelines: PipelinesClient<Route>,
    registry: RegistryClient<Route>,
    tools: ToolsClient<Route>,
    plugins: PluginsClient<Route>,
    vault: VaultClient<Route>,
    people: PeopleClient<Route>,
    identities: IdentitiesClient<Route>,
    tokens: TokensClient<Route>,
    scheduler: SchedulerClient<Route>,
    schedules: SchedulesClient<Route>,
    audit_log: AuditLogClient<Route>,
}

impl Peers {
    pub(crate) fn new(upstreams: Upstreams) -> Self {
        Self {
            pipelines: PipelinesClient::new(upstreams.pipeline)
                .max_decoding_message_size(MAX_ANSWER_BYTES),
            tools: ToolsClient::new(upstreams.registry.clone()),
            plugins: PluginsClient::new(upstreams.registry.clone())
                .max_decoding_message_size(MAX_ANSWER_BYTES),
            vault: VaultClient::new(upstreams.registry.clone()),
            people: PeopleClient::new(upstreams.registry.clone()),
            identities: IdentitiesClient::new(upstreams.registry.clone()),
            tokens: TokensClient::new(upstreams.registry.clone()),
            registry: RegistryClient::new(upstreams.registry),
            schedules: SchedulesClient::new(upstreams.scheduler.clone())
                .max_decoding_message_size(MAX_ANSWER_BYTES),
            scheduler: SchedulerClient::new(upstreams.scheduler),
            audit_log: AuditLogClient::new(upstreams.audit_log)
                .max_decoding_message_size(MAX_ANSWER_BYTES),
        }
    }

    pub(crate) fn pipelines(&self) -> PipelinesClient<Route> {
        self.pipelines.clone()
    }

    pub(crate) fn registry(&self) -> RegistryClient<Route> {
        self.registry.clone()
    }

    pub(crate) fn tools(&self) -> ToolsClient<Route> {
        self.tools.clone()
    }

    pub(crate) fn plugins(&self) -> PluginsClient<Route> {
        self.plugins.clone()
    }

    pub(crate) fn vault(&self) -> VaultClient<Route> {
        self.vault.clone()
    }

    pub(crate) fn people(&self) -> PeopleClient<Route> {
        self.people.clone()
    }

    pub(crate) fn identities(&self) -> IdentitiesClient<Route> {
        self.identities.clone()
    }

    pub(crate) fn tokens(&self) -> TokensClient<Route> {
        self.tokens.clone()
    }

    pub(crate) fn scheduler(&self) -> SchedulerClient<Route> {
        self.scheduler.clone()
    }

    pub(crate) fn schedules(&self) -> SchedulesClient<Route> {
        self.schedules.clone()
    }

    pub(crate) fn audit_log(&self) -> AuditLogClient<Route> {
        self.audit_log.clone()
    }
}
