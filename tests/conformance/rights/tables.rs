//! The contract's tables, written out: routes with their scopes and access, and action × role.

use super::Told;
use super::world::Place;

/// Every scope.
pub(crate) const SCOPES: [&str; 9] = [
    "api",
    "api-readonly",
    "pipeline",
    "pipeline-readonly",
    "registry",
    "registry-readonly",
    "tasks",
    "tasks-readonly",
    "security-logs",
];

/// A column of the table action × role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    SiteAdministrator,
    Owner,
    Administrator,
    Manager,
    PowerUser,
    Secops,
    User,
    Guest,
    NoRules,
    /// Of ours: reads everything, as auditors and security managers do.
    Reader,
}

const COLUMNS: [Column; 10] = [
    Column::SiteAdministrator,
    Column::Owner,
    Column::Administrator,
    Column::Manager,
    Column::PowerUser,
    Column::Secops,
    Column::User,
    Column::Guest,
    Column::NoRules,
    Column::Reader,
];

/// Action × role of a pipeline: SA, O, A, M, PU, S, U, G, ∅, and those who read everything.
const ACTIONS: [(&str, &str); 13] = [
    ("view", "✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔"),
    ("start", "✔ ✔ ✔ ✔ ✔ ✔ ✔ – ✔ –"),
    ("stop", "✔ ✔ ✔ ✔ ✔ ✔ ✔ – ✔ –"),
    ("reset", "✔ ✔ ✔ ✔ ✔ ✔ ✔ – ✔ –"),
    ("approve", "✔ ✔ ✔ ✔ – ✔ – – ✔ –"),
    ("view step configuration", "✔ ✔ ✔ ✔ ✔ ✔ – – ✔ ✔"),
    ("edit step details", "✔ ✔ ✔ ✔ ✔ ✔ – – ✔ –"),
    ("edit access rules", "✔ ✔ ✔ ✔ ✔ ✔ – – ✔ –"),
    ("edit workflow", "✔ ✔ ✔ – – ✔ – – ✔ –"),
    ("publish", "✔ ✔ ✔ ✔ – – – – ✔ –"),
    ("transfer", "✔ ✔ ✔ – – ✔ – – – –"),
    ("delete", "✔ ✔ ✔ – – – – – – –"),
    ("lock", "✔ ✔ ✔ ✔ – – – – – –"),
];

/// The same of a tool.
const TOOL_ACTIONS: [(&str, &str); 5] = [
    ("view tool", "✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔"),
    ("edit tool", "✔ ✔ ✔ ✔ ✔ ✔ – – ✔ –"),
    ("edit tool access rules", "✔ ✔ ✔ ✔ ✔ ✔ – – ✔ –"),
    ("delete tool", "✔ ✔ ✔ – – – – – – –"),
    ("create tool", "✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ –"),
];

/// Whether one of a column may do an action.
pub(crate) fn may(action: &str, column: Column) -> bool {
    let mut rows = ACTIONS.iter().chain(&TOOL_ACTIONS);
    let row = rows.find(|(name, _)| *name == action);
    let cells = row.unwrap_or_else(|| panic!("{action} is in no table")).1;
    let position = COLUMNS.iter().position(|it| *it == column);
    cells.split(' ').nth(position.unwrap()) == Some("✔")
}

/// What somebody is to a user of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    /// The same person.
    Own,
    /// A site administrator.
    Administrator,
    /// From whom nothing is hidden.
    Seer,
    /// Everyone else of the account.
    Colleague,
}

const TIES: [Tie; 4] = [Tie::Own, Tie::Administrator, Tie::Seer, Tie::Colleague];

/// Deed × tie: ✔ may, – may not, . doesn't learn that there is such a user.
const DEEDS: [(&str, &str); 3] = [
    ("read user", "✔ ✔ ✔ ."),
    ("change user", "✔ ✔ – ."),
    ("tokens of user", "✔ ✔ . ."),
];

/// What comes of a deed that somebody does to a user of the account.
pub(crate) fn told_of(deed: &str, tie: Tie) -> Told {
    let row = DEEDS.iter().find(|(name, _)| *name == deed);
    let cells = row.unwrap_or_else(|| panic!("{deed} is in no table")).1;
    let position = TIES.iter().position(|it| *it == tie);
    match cells.split(' ').nth(position.unwrap()) {
        Some("✔") => Told::Done,
        Some("–") => Told::Forbidden,
        _ => Told::Nothing,
    }
}

/// What a route takes besides its scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Not even a token.
    Public,
    /// Nothing.
    Any,
    /// One of these site roles.
    Site(&'static [&'static str]),
    /// That one may do this to the pipeline.
    Action(&'static str),
    /// That one may do this to the tool.
    Tool(&'static str),
    /// To make a tool.
    MakeTool,
    /// That one may do this to the user.
    User(&'static str),
    /// One of these site roles, and that the group is one of the account.
    Group(&'static [&'static str]),
    /// What a service says that isn't here: scopes alone are looked at.
    #[allow(
        dead_code,
        reason = "for routes that come before their service is here"
    )]
    Elsewhere,
    /// No token opens it, but a login and a password; then its service decides.
    SignIn,
    /// As `Elsewhere`, to those who have one of these site roles.
    SiteElsewhere(&'static [&'static str]),
}

/// A route, and who may call it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) scopes: &'static [&'static str],
    pub(crate) need: Need,
}

impl Route {
    pub(crate) fn is_v1(&self) -> bool {
        self.path.starts_with("/api/v1/")
    }

    /// Whether the gateway has it. Some of the contract's come with other parts of the service.
    pub(crate) fn is_built(&self) -> bool {
        let is_it = |it: gateway::ApiRoute| (it.method, it.path) == (self.method, self.path);
        gateway::routes().any(is_it)
    }

    /// Whether what it is about is another afterwards, or gone.
    pub(crate) fn uses_up(&self) -> bool {
        let is_rotation = self.path.ends_with("/rotate");
        is_rotation || self.method == "delete" || self.path.contains("/members/")
    }

    /// Where it makes a difference what is asked about.
    pub(crate) fn places(&self) -> &'static [Place] {
        match self.need {
            Need::Action(_) | Need::Tool(_) => &[Place::Rules, Place::NoRules, Place::OtherAccount],
            Need::User(_) => &[Place::Own, Place::Colleague, Place::OtherAccount],
            Need::Group(_) => &[Place::NoRules, Place::OtherAccount],
            Need::Public
            | Need::Any
            | Need::Site(_)
            | Need::MakeTool
            | Need::Elsewhere
            | Need::SignIn
            | Need::SiteElsewhere(_) => &[Place::NoRules],
        }
    }
}

/// Site roles of those who list everything: power users and higher, and who reads everything.
pub(crate) const LISTERS: &[&str] = &[
    "site_administrator",
    "site_power_user",
    "auditor",
    "security_manager",
];
/// Those who make pipelines.
const MAKERS: &[&str] = &["site_administrator", "site_power_user", "site_user"];
const EVERYONE_OF_THE_SITE: &[&str] = &[
    "site_administrator",
    "site_power_user",
    "site_user",
    "auditor",
    "security_manager",
];
const ADMINISTRATORS: &[&str] = &["site_administrator"];
const SECRET_KEEPERS: &[&str] = &["site_administrator", "security_manager"];

const PIPELINE: &[&str] = &["api", "pipeline"];
/// `api-readonly` opens every read row.
const PIPELINE_READ: &[&str] = &["api", "pipeline", "api-readonly"];
/// `pipeline-readonly` opens status and logs alone.
const STATUS_AND_LOGS: &[&str] = &["api", "pipeline", "pipeline-readonly", "api-readonly"];
const TOOLS: &[&str] = &["api", "registry"];
const TOOLS_READ: &[&str] = &["api", "registry", "api-readonly", "registry-readonly"];
const SECURITY: &[&str] = &["api", "security-logs"];
const API: &[&str] = &["api"];
const API_READ: &[&str] = &["api", "api-readonly"];

const fn row(
    method: &'static str,
    path: &'static str,
    scopes: &'static [&'static str],
    need: Need,
) -> Route {
    Route {
        method,
        path,
        scopes,
        need,
    }
}

const PUBLIC: Need = Need::Public;
const ANY: Need = Need::Any;
#[allow(
    dead_code,
    reason = "for routes that come before their service is here"
)]
const ELSEWHERE: Need = Need::Elsewhere;
const SIGN_IN: Need = Need::SignIn;

const fn site(roles: &'static [&'static str]) -> Need {
    Need::Site(roles)
}

const fn action(name: &'static str) -> Need {
    Need::Action(name)
}

const fn tool(name: &'static str) -> Need {
    Need::Tool(name)
}

const fn user(deed: &'static str) -> Need {
    Need::User(deed)
}

/// The routes of the contract in its order, then our own.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Route] = &[
    row("post", "/api/v1/pipeline/run", PIPELINE, action("start")),
    row("post", "/api/v1/pipeline/status", STATUS_AND_LOGS, action("view")),
    row("post", "/api/v1/pipeline/reset", PIPELINE, action("reset")),
    row("post", "/api/v1/pipeline/stop", PIPELINE, action("stop")),
    row("post", "/api/v1/pipeline/summary", PIPELINE_READ, action("view")),
    row("post", "/api/v1/pipeline/logs", STATUS_AND_LOGS, action("view")),
    row("get", "/api/v1/pipeline/pipelines", PIPELINE_READ, site(LISTERS)),
    row("get", "/api/v1/registry/tools", TOOLS_READ, site(LISTERS)),
    row("post", "/api/v1/registry/summary", TOOLS_READ, tool("view tool")),
    row("post", "/api/v1/registry/update", TOOLS, tool("edit tool")),
    row("get", "/api/v1/logs/user/actions", SECURITY, site(LISTERS)),
    row("get", "/api/v1/logs/user/tokens", SECURITY, site(LISTERS)),
    row("post", "/api/v1/pipeline/demo", PIPELINE, ANY),
    row("post", "/api/v1/pipeline/create", PIPELINE, site(MAKERS)),
    row("post", "/api/v1/pipeline/approve", PIPELINE, action("approve")),
    row("post", "/api/v1/pipeline/deny", PIPELINE, action("approve")),
    row("post", "/api/v1/pipeline/resume", PIPELINE, action("approve")),
    row("get", "/api/v2/pipelines", PIPELINE_READ, ANY),
    row("post", "/api/v2/pipelines", PIPELINE, site(MAKERS)),
    row("post", "/api/v2/pipelines/import", PIPELINE, site(MAKERS)),
    row("get", "/api/v2/pipelines/{p}/export", PIPELINE_READ, action("view step configuration")),
    row("get", "/api/v2/pipelines/{p}", PIPELINE_READ, action("view")),
    row("put", "/api/v2/pipelines/{p}", PIPELINE, action("edit step details")),
    row("delete", "/api/v2/pipelines/{p}", PIPELINE, action("delete")),
    row("post", "/api/v2/pipelines/{p}/stop", PIPELINE, action("stop")),
    row("post", "/api/v2/pipelines/{p}/reset", PIPELINE, action("reset")),
    row("post", "/api/v2/pipelines/{p}/duplicate", PIPELINE, action("publish")),
    row("post", "/api/v2/pipelines/{p}/transfer", PIPELINE, action("transfer")),
    row("post", "/api/v2/pipelines/{p}/lock", PIPELINE, action("lock")),
    row("post", "/api/v2/pipelines/{p}/unlock", PIPELINE, action("lock")),
    row("get", "/api/v2/pipelines/{p}/runs", PIPELINE_READ, action("view")),
    row("post", "/api/v2/pipelines/{p}/runs", PIPELINE, action("start")),
    row("get", "/api/v2/pipelines/{p}/runs/{runCount}", STATUS_AND_LOGS, action("view")),
    row("post", "/api/v2/pipelines/{p}/runs/{runCount}/stop", PIPELINE, action("stop")),
    row("get", "/api/v2/pipelines/{p}/runs/{runCount}/logs", STATUS_AND_LOGS, action("view")),
    row("get", "/api/v2/pipelines/{p}/runs/{runCount}/explain", PIPELINE_READ, action("view")),
    row("get", "/api/v2/pipelines/{p}/runs/{runCount}/data", PIPELINE_READ, action("view step configuration")),
    row("post", "/api/v2/pipelines/{p}/runs/{runCount}/resume", PIPELINE, action("approve")),
    row("post", "/api/v2/pipelines/{p}/runs/{runCount}/steps/{step}/approve", PIPELINE, action("approve")),
    row("post", "/api/v2/pipelines/{p}/runs/{runCount}/steps/{step}/reject", PIPELINE, action("approve")),
    row("get", "/api/v2/schedules", PIPELINE_READ, ANY),
    row("post", "/api/v2/schedules", PIPELINE, action("start")),
    row("post", "/api/v2/schedules/preview", PIPELINE_READ, ANY),
    row("get", "/api/v2/schedules/{s}", PIPELINE_READ, action("view")),
    row("patch", "/api/v2/schedules/{s}", PIPELINE, action("start")),
    row("delete", "/api/v2/schedules/{s}", PIPELINE, action("start")),
    row("post", "/api/v2/schedules/{s}/pause", PIPELINE, action("start")),
    row("post", "/api/v2/schedules/{s}/resume", PIPELINE, action("start")),
    row("get", "/api/v2/schedules/{s}/preview", PIPELINE_READ, action("view")),
    row("get", "/api/v2/schedules/{s}/slots", PIPELINE_READ, action("view")),
    row("get", "/api/v2/secrets", API_READ, site(EVERYONE_OF_THE_SITE)),
    row("put", "/api/v2/secrets/{name}", API, site(SECRET_KEEPERS)),
    row("delete", "/api/v2/secrets/{name}", API, site(SECRET_KEEPERS)),
    row("get", "/api/v2/tools", TOOLS_READ, ANY),
    row("post", "/api/v2/tools", TOOLS, Need::MakeTool),
    row("get", "/api/v2/tools/{t}", TOOLS_READ, tool("view tool")),
    row("put", "/api/v2/tools/{t}", TOOLS, tool("edit tool")),
    row("patch", "/api/v2/tools/{t}", TOOLS, tool("edit tool")),
    row("delete", "/api/v2/tools/{t}", TOOLS, tool("delete tool")),
    row("post", "/api/v2/tools/{t}/transfer", TOOLS, tool("delete tool")),
    row("get", "/api/v2/tools/{t}/pipelines", TOOLS_READ, tool("view tool")),
    row("get", "/api/v2/tools/{t}/logs", TOOLS_READ, tool("view tool")),
    row("get", "/api/v2/plugins", TOOLS_READ, ELSEWHERE),
    row("post", "/api/v2/plugins", TOOLS, Need::SiteElsewhere(ADMINISTRATORS)),
    row("get", "/api/v2/plugins/{plugin}", TOOLS_READ, ELSEWHERE),
    row("delete", "/api/v2/plugins/{plugin}", TOOLS, ELSEWHERE),
    row("get", "/api/v2/plugins/{plugin}/file", TOOLS_READ, ELSEWHERE),
    row("get", "/api/v2/vault", API_READ, site(SECRET_KEEPERS)),
    row("post", "/api/v2/vault/rotate-key", API, site(ADMINISTRATORS)),
    row("get", "/api/v2/users", API_READ, site(LISTERS)),
    row("post", "/api/v2/users", API, site(ADMINISTRATORS)),
    row("get", "/api/v2/users/{user}", API_READ, user("read user")),
    row("patch", "/api/v2/users/{user}", API, user("change user")),
    row("delete", "/api/v2/users/{user}/tokens", API, user("tokens of user")),
    row("get", "/api/v2/groups", API_READ, site(LISTERS)),
    row("get", "/api/v2/groups/{group}", API_READ, Need::Group(LISTERS)),
    row("put", "/api/v2/groups/{group}", API, site(ADMINISTRATORS)),
    row("delete", "/api/v2/groups/{group}", API, Need::Group(ADMINISTRATORS)),
    row("put", "/api/v2/groups/{group}/members/{user}", API, Need::Group(ADMINISTRATORS)),
    row("delete", "/api/v2/groups/{group}/members/{user}", API, Need::Group(ADMINISTRATORS)),
    row("get", "/api/v2/tokens", API_READ, user("tokens of user")),
    row("post", "/api/v2/tokens", API, user("tokens of user")),
    row("get", "/api/v2/tokens/{token}", API_READ, user("tokens of user")),
    row("delete", "/api/v2/tokens/{token}", API, user("tokens of user")),
    row("post", "/api/v2/tokens/{token}/rotate", API, user("tokens of user")),
    row("get", "/api/v2/executors", API_READ, ANY),
    row("post", "/api/v2/executors/{name}/drain", API, Need::SiteElsewhere(ADMINISTRATORS)),
    row("get", "/api/v2/audit/actions", SECURITY, site(LISTERS)),
    row("get", "/api/v2/audit/tokens", SECURITY, site(LISTERS)),
    row("get", "/api/v2/audit/export", SECURITY, site(LISTERS)),
    row("get", "/api/v2/audit/keys", SECURITY, site(LISTERS)),
    row("get", "/master/api/1/pipelines", &[], SIGN_IN),
    row("post", "/master/api/1/pipelines", &[], SIGN_IN),
    row("post", "/master/api/1/pipelines/import", &[], SIGN_IN),
    row("post", "/master/api/1/import/dpu/jar", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/visible", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}", &[], SIGN_IN),
    row("post", "/master/api/1/pipelines/{p}/clones", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}/executions", &[], SIGN_IN),
    row("post", "/master/api/1/pipelines/{p}/executions", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}/executions/last", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}/executions/pending", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}/executions/{e}", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}/executions/{e}/events", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}/schedules", &[], SIGN_IN),
    row("post", "/master/api/1/pipelines/{p}/schedules", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}/schedules/~all/scheduledexecutions", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}/schedules/{s}", &[], SIGN_IN),
    row("put", "/master/api/1/pipelines/{p}/schedules/{s}", &[], SIGN_IN),
    row("delete", "/master/api/1/pipelines/{p}/schedules/{s}/delete", &[], SIGN_IN),
    row("get", "/master/api/1/pipelines/{p}/schedules/{s}/scheduledexecutions", &[], SIGN_IN),
    row("post", "/master/api/1/users/create", &[], SIGN_IN),
    row("get", "/api/v2/openapi.json", &[], PUBLIC),
    row("get", "/api/v2/schemas/pipeline.json", &[], PUBLIC),
];
