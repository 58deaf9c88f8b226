//! The one table of routes: method, path, scopes, what the token's owner needs, what answers.
//!
//! **Invariant:** a route exists only as a row, so none can be added without saying who may call
//! it; the `OpenAPI` document has the rows of `/api/v2` and no others (asserted by a test).

mod guard;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use contracts::access::{Right, SiteRole, ToolRight};
use runtime::Kind;

use crate::limits::Cost;
use crate::problem::Problem;
use crate::{Gateway, front, opsera, unifiedviews, v2};

use Access::SignIn;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone, without a token.
    Public,
    /// A token with one of these scopes, of an owner who has what is needed.
    Token(&'static [&'static str], Need),
    /// A login and a password, of somebody who has what is needed. The service asks the rules.
    SignIn(Need),
}

/// What a token's owner needs besides the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: the answer shows what they may see.
    Any,
    /// One of these site roles.
    Site(&'static [SiteRole]),
    /// This right to the pipeline that the request names. Its service asks the rules.
    Item(Right),
    /// This right to the tool that the request names, or to make one. The registry asks its rules.
    Tool(ToolRight),
    /// To make a pipeline a site role; to replace one of the same name the rights to what changes.
    /// The pipelines' service asks.
    Make,
}

/// A route.
pub(crate) struct Row {
    /// In lowercase.
    pub(crate) method: &'static str,
    /// In the router's and `OpenAPI`'s notation, which are the same.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// What a request takes from the budgets of its token.
    cost: Cost,
    handler: fn() -> MethodRouter<Arc<Gateway>>,
}

impl Row {
    /// The paths at which it is served: none if its face isn't.
    fn paths(&self, config: &unifiedviews::Config) -> Vec<String> {
        if !matches!(self.access, SignIn(_)) {
            return vec![self.path.to_owned()];
        }
        let Some(path) = config.placed(self.path) else {
            return Vec::new();
        };
        // The router compares paths as they were sent.
        let encoded = ["%7Eall", "%7eall"].map(|it| path.replace("~all", it));
        let encoded = encoded.into_iter().filter(|it| *it != path);
        encoded.chain([path.clone()]).collect()
    }
}

/// A route, for those who look at the gateway from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// In lowercase.
    pub method: &'static str,
    /// With its variable segments in braces.
    pub path: &'static str,
}

/// Every route, in the order of the table.
pub fn routes() -> impl Iterator<Item = Route> {
    ROWS.iter().map(|row| Route {
        method: row.method,
        path: row.path,
    })
}

/// A row's scopes and need.
const fn by(scopes: &'static [&'static str], need: Need) -> Access {
    Access::Token(scopes, need)
}

/// A need for a right to the pipeline that is named.
const fn item(right: Right) -> Need {
    Need::Item(right)
}

/// To act on pipelines.
const PIPELINE: &[&str] = &["api", "pipeline"];
/// To read of pipelines.
const READ: &[&str] = &["api", "pipeline", "api-readonly"];
/// To read of runs, their states and their logs alone.
const LOGS: &[&str] = &["api", "pipeline", "pipeline-readonly", "api-readonly"];
/// To act on tools.
const TOOLS: &[&str] = &["api", "registry"];
/// To read of tools.
const TOOLS_READ: &[&str] = &["api", "registry", "registry-readonly", "api-readonly"];
/// To act on all else.
const API: &[&str] = &["api"];
/// To read who did what.
const SECURITY: &[&str] = &["api", "security-logs"];
/// To read all else.
const API_READ: &[&str] = &["api", "api-readonly"];

const VIEW: Need = item(Right::View);
const VIEW_TOOL: Need = Need::Tool(ToolRight::View);
const EDIT_TOOL: Need = Need::Tool(ToolRight::Edit);
const ANY: Need = Need::Any;
const SEERS: Need = Need::Site(SiteRole::SEERS);
const ROLES: Need = Need::Site(&SiteRole::ALL);
const KEEPERS: Need = Need::Site(SiteRole::SECRET_KEEPERS);
const MAKERS: Need = Need::Site(SiteRole::USERS);
const OPERATORS: Need = Need::Site(SiteRole::ADMINISTRATORS);

const ACT: Cost = Cost::Act;
const LIST: Cost = Cost::LIST;
const LOG: Cost = Cost::LOG;

macro_rules! rows {
    ($($method:ident $path:literal, $access:expr, $cost:expr => $handler:path;)*) => {
        &[$(Row {
            method: stringify!($method),
            path: $path,
            access: $access,
            cost: $cost,
            handler: || $method($handler),
        }),*]
    };
}

/// Every route.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = rows! {
    post   "/api/v1/pipeline/run",                           by(PIPELINE, item(Right::Run)),            ACT  => opsera::pipeline::run;
    post   "/api/v1/pipeline/status",                        by(LOGS, VIEW),                            ACT  => opsera::pipeline::status;
    post   "/api/v1/pipeline/reset",                         by(PIPELINE, item(Right::Reset)),          ACT  => opsera::pipeline::reset;
    post   "/api/v1/pipeline/stop",                          by(PIPELINE, item(Right::Stop)),           ACT  => opsera::pipeline::stop;
    post   "/api/v1/pipeline/approve",                       by(PIPELINE, item(Right::Approve)),        ACT  => opsera::gates::approve;
    post   "/api/v1/pipeline/deny",                          by(PIPELINE, item(Right::Approve)),        ACT  => opsera::gates::deny;
    post   "/api/v1/pipeline/resume",                        by(PIPELINE, item(Right::Approve)),        ACT  => opsera::pipeline::resume;
    post   "/api/v1/pipeline/summary",                       by(READ, VIEW),                            ACT  => opsera::pipeline::summary;
    post   "/api/v1/pipeline/logs",                          by(LOGS, VIEW),                            LOG  => opsera::activity::logs;
    get    "/api/v1/pipeline/pipelines",                     by(READ, SEERS),                           LIST => opsera::listing::pipelines;
    post   "/api/v1/pipeline/create",                        by(PIPELINE, Need::Make),                  ACT  => opsera::create::create;
    post   "/api/v1/pipeline/demo",                          by(PIPELINE, ANY),                         ACT  => opsera::create::demo;
    get    "/api/v1/logs/user/actions",                      by(SECURITY, SEERS),                       LIST => opsera::user_logs::actions;
    get    "/api/v1/logs/user/tokens",                       by(SECURITY, SEERS),                       LIST => opsera::user_logs::tokens;

    get    "/api/v1/registry/tools",                         by(TOOLS_READ, SEERS),                     LIST => opsera::registry::tools;
    post   "/api/v1/registry/summary",                       by(TOOLS_READ, VIEW_TOOL),                 ACT  => opsera::registry::summary;
    post   "/api/v1/registry/update",                        by(TOOLS, EDIT_TOOL),                      ACT  => opsera::registry::update;

    get    "/api/v2/pipelines",                              by(READ, ANY),                             LIST => v2::pipelines::list;
    post   "/api/v2/pipelines",                              by(PIPELINE, Need::Make),                  ACT  => v2::pipelines::create;
    post   "/api/v2/pipelines/import",                       by(PIPELINE, MAKERS),                       ACT  => v2::transfer::import;
    get    "/api/v2/pipelines/{p}/export",                   by(READ, item(Right::ViewSteps)),           LIST => v2::transfer::export;
    get    "/api/v2/pipelines/{p}",                          by(READ, VIEW),                            ACT  => v2::pipelines::read;
    put    "/api/v2/pipelines/{p}",                          by(PIPELINE, item(Right::EditSteps)),      ACT  => v2::pipelines::replace;
    delete "/api/v2/pipelines/{p}",                          by(PIPELINE, item(Right::Delete)),         ACT  => v2::pipelines::delete;
    post   "/api/v2/pipelines/{p}/stop",                     by(PIPELINE, item(Right::Stop)),           ACT  => v2::pipelines::stop;
    post   "/api/v2/pipelines/{p}/reset",                    by(PIPELINE, item(Right::Reset)),          ACT  => v2::pipelines::reset;

    post   "/api/v2/pipelines/{p}/duplicate",                by(PIPELINE, item(Right::Publish)),        ACT  => v2::custody::duplicate;
    post   "/api/v2/pipelines/{p}/transfer",                 by(PIPELINE, item(Right::Transfer)),       ACT  => v2::custody::transfer;
    post   "/api/v2/pipelines/{p}/lock",                     by(PIPELINE, item(Right::Lock)),           ACT  => v2::custody::lock;
    post   "/api/v2/pipelines/{p}/unlock",                   by(PIPELINE, item(Right::Lock)),           ACT  => v2::custody::unlock;

    get    "/api/v2/pipelines/{p}/runs",                     by(READ, VIEW),                            LIST => v2::runs::list;
    post   "/api/v2/pipelines/{p}/runs",                     by(PIPELINE, item(Right::Run)),            ACT  => v2::runs::start;
    get    "/api/v2/pipelines/{p}/runs/{runCount}",          by(LOGS, VIEW),                            ACT  => v2::runs::read;
    post   "/api/v2/pipelines/{p}/runs/{runCount}/stop",     by(PIPELINE, item(Right::Stop)),           ACT  => v2::runs::stop;
    get    "/api/v2/pipelines/{p}/runs/{runCount}/logs",     by(LOGS, VIEW),                            LOG  => v2::logs::read;
    get    "/api/v2/pipelines/{p}/runs/{runCount}/explain",  by(READ, VIEW),                            ACT  => v2::explain::read;

    get    "/api/v2/pipelines/{p}/runs/{runCount}/data",     by(READ, item(Right::ViewSteps)),          LIST => v2::data::read;

    post   "/api/v2/pipelines/{p}/runs/{runCount}/resume",   by(PIPELINE, item(Right::Approve)),        ACT  => v2::runs::resume;
    post   "/api/v2/pipelines/{p}/runs/{runCount}/steps/{step}/approve", by(PIPELINE, item(Right::Approve)), ACT => v2::gates::approve;
    post   "/api/v2/pipelines/{p}/runs/{runCount}/steps/{step}/reject",  by(PIPELINE, item(Right::Approve)), ACT => v2::gates::reject;

    get    "/api/v2/schedules",                              by(READ, ANY),                             LIST => v2::schedules::list;
    post   "/api/v2/schedules",                              by(PIPELINE, item(Right::Run)),            ACT  => v2::schedules::create;
    post   "/api/v2/schedules/preview",                      by(READ, ANY),                             ACT  => v2::schedules::preview_new;
    get    "/api/v2/schedules/{s}",                          by(READ, VIEW),                            ACT  => v2::schedules::read;
    patch  "/api/v2/schedules/{s}",                          by(PIPELINE, item(Right::Run)),            ACT  => v2::schedules::update;
    delete "/api/v2/schedules/{s}",                          by(PIPELINE, item(Right::Run)),            ACT  => v2::schedules::delete;
    post   "/api/v2/schedules/{s}/pause",                    by(PIPELINE, item(Right::Run)),            ACT  => v2::schedules::pause;
    post   "/api/v2/schedules/{s}/resume",                   by(PIPELINE, item(Right::Run)),            ACT  => v2::schedules::resume;
    get    "/api/v2/schedules/{s}/preview",                  by(READ, VIEW),                            ACT  => v2::schedules::preview;
    get    "/api/v2/schedules/{s}/slots",                    by(READ, VIEW),                            LIST => v2::schedules::slots;

    get    "/api/v2/secrets",                                by(API_READ, ROLES),                       LIST => v2::secrets::list;
    put    "/api/v2/secrets/{name}",                         by(API, KEEPERS),                          ACT  => v2::secrets::set;
    delete "/api/v2/secrets/{name}",                         by(API, KEEPERS),                          ACT  => v2::secrets::delete;

    get    "/api/v2/plugins",                                by(TOOLS_READ, ANY),                        LIST => v2::plugins::list;
    post   "/api/v2/plugins",                                by(TOOLS, OPERATORS),                       ACT  => v2::plugins::import;
    get    "/api/v2/plugins/{plugin}",                       by(TOOLS_READ, ANY),                        ACT  => v2::plugins::read;
    delete "/api/v2/plugins/{plugin}",                       by(TOOLS, ANY),                             ACT  => v2::plugins::delete;
    get    "/api/v2/plugins/{plugin}/file",                  by(TOOLS_READ, ANY),                        LOG  => v2::plugins::file;

    get    "/api/v2/tools",                                  by(TOOLS_READ, ANY),                       LIST => v2::tools::list;
    post   "/api/v2/tools",                                  by(TOOLS, Need::Tool(ToolRight::Create)),  ACT  => v2::tools::create;
    get    "/api/v2/tools/{t}",                              by(TOOLS_READ, VIEW_TOOL),                 ACT  => v2::tools::read;
    put    "/api/v2/tools/{t}",                              by(TOOLS, EDIT_TOOL),                      ACT  => v2::tools::replace;
    patch  "/api/v2/tools/{t}",                              by(TOOLS, EDIT_TOOL),                      ACT  => v2::tools::update;
    delete "/api/v2/tools/{t}",                              by(TOOLS, Need::Tool(ToolRight::Delete)),  ACT  => v2::tools::delete;

    post   "/api/v2/tools/{t}/transfer",                     by(TOOLS, Need::Tool(ToolRight::Delete)),  ACT  => v2::tools::transfer;
    get    "/api/v2/tools/{t}/pipelines",                    by(TOOLS_READ, VIEW_TOOL),                 LIST => v2::tool_uses::pipelines;
    get    "/api/v2/tools/{t}/logs",                         by(TOOLS_READ, VIEW_TOOL),                 LIST => v2::tool_uses::logs;

    get    "/api/v2/vault",                                  by(API_READ, KEEPERS),                     ACT  => v2::vault::read;
    post   "/api/v2/vault/rotate-key",                       by(API, OPERATORS),                        ACT  => v2::vault::rotate_key;

    get    "/api/v2/users",                                  by(API_READ, SEERS),                        LIST => v2::users::list;
    post   "/api/v2/users",                                  by(API, OPERATORS),                         ACT  => v2::users::create;
    get    "/api/v2/users/{user}",                           by(API_READ, ANY),                          ACT  => v2::users::read;
    patch  "/api/v2/users/{user}",                           by(API, ANY),                               ACT  => v2::users::change;
    delete "/api/v2/users/{user}/tokens",                    by(API, ANY),                               ACT  => v2::users::revoke_tokens;

    get    "/api/v2/groups",                                 by(API_READ, SEERS),                        LIST => v2::groups::list;
    get    "/api/v2/groups/{group}",                         by(API_READ, SEERS),                        ACT  => v2::groups::read;
    put    "/api/v2/groups/{group}",                         by(API, OPERATORS),                         ACT  => v2::groups::put;
    delete "/api/v2/groups/{group}",                         by(API, OPERATORS),                         ACT  => v2::groups::delete;
    put    "/api/v2/groups/{group}/members/{user}",          by(API, OPERATORS),                         ACT  => v2::groups::add;
    delete "/api/v2/groups/{group}/members/{user}",          by(API, OPERATORS),                         ACT  => v2::groups::remove;

    get    "/api/v2/tokens",                                 by(API_READ, ANY),                          LIST => v2::tokens::list;
    post   "/api/v2/tokens",                                 by(API, ANY),                               ACT  => v2::tokens::create;
    get    "/api/v2/tokens/{token}",                         by(API_READ, ANY),                          ACT  => v2::tokens::read;
    delete "/api/v2/tokens/{token}",                         by(API, ANY),                               ACT  => v2::tokens::revoke;
    post   "/api/v2/tokens/{token}/rotate",                  by(API, ANY),                               ACT  => v2::tokens::rotate;

    get    "/api/v2/executors",                              by(API_READ, ANY),                         LIST => v2::executors::list;
    post   "/api/v2/executors/{name}/drain",                 by(API, OPERATORS),                        ACT  => v2::executors::drain;

    get    "/api/v2/audit/actions",                          by(SECURITY, SEERS),                       LIST => v2::audit::actions;
    get    "/api/v2/audit/tokens",                           by(SECURITY, SEERS),                       LIST => v2::audit::tokens;
    get    "/api/v2/audit/export",                           by(SECURITY, SEERS),                       LIST => v2::audit::export;
    get    "/api/v2/audit/keys",                             by(SECURITY, SEERS),                       ACT  => v2::audit::keys;

    get    "/master/api/1/pipelines",                        SignIn(ANY),                               LIST => unifiedviews::pipelines::list;
    post   "/master/api/1/pipelines",                        SignIn(Need::Make),                        ACT  => unifiedviews::pipelines::create;
    post   "/master/api/1/pipelines/import",                 SignIn(Need::Make),                        ACT  => unifiedviews::imports::pipeline;
    post   "/master/api/1/import/dpu/jar",                   SignIn(ANY),                               ACT  => unifiedviews::imports::jar;
    get    "/master/api/1/pipelines/visible",                SignIn(ANY),                               LIST => unifiedviews::pipelines::visible;
    get    "/master/api/1/pipelines/{p}",                    SignIn(VIEW),                              ACT  => unifiedviews::pipelines::read;
    post   "/master/api/1/pipelines/{p}/clones",             SignIn(Need::Make),                        ACT  => unifiedviews::pipelines::copy;
    get    "/master/api/1/pipelines/{p}/executions",         SignIn(VIEW),                              LIST => unifiedviews::executions::list;
    post   "/master/api/1/pipelines/{p}/executions",         SignIn(item(Right::Run)),                  ACT  => unifiedviews::executions::create;
    get    "/master/api/1/pipelines/{p}/executions/last",    SignIn(VIEW),                              ACT  => unifiedviews::executions::last;
    get    "/master/api/1/pipelines/{p}/executions/pending", SignIn(VIEW),                              ACT  => unifiedviews::executions::pending;
    get    "/master/api/1/pipelines/{p}/executions/{e}",     SignIn(VIEW),                              ACT  => unifiedviews::executions::read;
    get    "/master/api/1/pipelines/{p}/executions/{e}/events", SignIn(VIEW),                           LOG  => unifiedviews::events::list;
    get    "/master/api/1/pipelines/{p}/schedules",          SignIn(VIEW),                              LIST => unifiedviews::schedules::list;
    post   "/master/api/1/pipelines/{p}/schedules",          SignIn(item(Right::Run)),                  ACT  => unifiedviews::schedules::create;
    get    "/master/api/1/pipelines/{p}/schedules/~all/scheduledexecutions", SignIn(VIEW),              LIST => unifiedviews::schedules::next_of_all;
    get    "/master/api/1/pipelines/{p}/schedules/{s}",      SignIn(VIEW),                              ACT  => unifiedviews::schedules::read;
    put    "/master/api/1/pipelines/{p}/schedules/{s}",      SignIn(item(Right::Run)),                  ACT  => unifiedviews::schedules::update;
    delete "/master/api/1/pipelines/{p}/schedules/{s}/delete", SignIn(item(Right::Run)),                ACT  => unifiedviews::schedules::delete;
    get    "/master/api/1/pipelines/{p}/schedules/{s}/scheduledexecutions", SignIn(VIEW),               ACT  => unifiedviews::schedules::next_of_one;
    post   "/master/api/1/users/create",                     SignIn(ANY),                               ACT  => unifiedviews::users::create;

    get    "/api/v2/openapi.json",                           Access::Public,                            ACT  => v2::openapi::document;
    get    "/api/v2/schemas/pipeline.json",                  Access::Public,                            ACT  => v2::openapi::pipeline_schema;
};

/// The router of all rows. A path may end in a slash.
pub(crate) fn router(gateway: &Arc<Gateway>) -> Router {
    let mut router = Router::new().fallback(|| async {
        Problem::new(Kind::NotFound, "NO_ROUTE", "there is nothing at this path")
    });
    for row in ROWS {
        tracing::debug!(row.method, row.path, ?row.access, "serving a route");
        let guard = from_fn_with_state((gateway.clone(), row), guard::guarded);
        let handler = (row.handler)().route_layer(guard);
        for path in row.paths(&gateway.config.unifiedviews) {
            router = router
                .route(&format!("{path}/"), handler.clone())
                .route(&path, handler.clone());
        }
    }
    router
        .layer(from_fn_with_state(gateway.clone(), front::front))
        .with_state(gateway.clone())
}
