//! The real registry behind the gateway, and the users, groups, tokens and tools that are asked about.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::Request;
use contracts::message::{Actor, Caller};
use contracts::registry::people_client::PeopleClient;
use contracts::registry::registry_client::RegistryClient;
use contracts::registry::registry_server::RegistryServer;
use contracts::registry::tokens_client::TokensClient;
use contracts::registry::tools_client::ToolsClient;
use contracts::registry::{
    CreateTokenRequest, CreateToolRequest, CreateUserRequest, PutGroupRequest, PutSecretRequest,
    Users,
};
use outbox::Bus;
use runtime::{Database, Readiness, Route, Tasks, route};
use serde_json::{Value, json};
use tonic::service::Routes;
use tower::ServiceExt as _;

use super::people::PEOPLE;
use super::services::Others;
use super::world::{ACCOUNT, OTHER, Place, owner, rules};

/// Users who only are asked about: one of the account, one of the other.
const ASKED_ABOUT: [(&str, &str); 2] = [("carl", ACCOUNT), ("xavier", OTHER)];
const SERVICE: &str = "/penstock.registry.v1.Registry/";

/// The registry, and what there is in it.
pub(crate) struct Registered {
    route: Route,
    users: Arc<BTreeMap<String, String>>,
    tools: BTreeMap<&'static str, String>,
    groups: BTreeMap<&'static str, String>,
    tokens: BTreeMap<String, String>,
    count: AtomicU32,
}

impl Registered {
    pub(crate) async fn start(folder: &Path, bus: &Bus, tasks: &Tasks) -> Self {
        let url = format!("sqlite://{}", folder.display());
        let ready = Readiness::new();
        let database = Database::open::<registry::Migrator>(&url, "registry", &ready);
        let database = Box::pin(database).await.unwrap();
        let config = registry::Config {
            admin_token_file: folder.join("admin-token"),
            key_file: folder.join("secrets-key"),
            plugin_store: folder.join("plugins"),
            ..registry::Config::default()
        };
        let routes = registry::start(config, database, bus.clone(), tasks).await;
        let mut this = Self {
            route: route::local(routes.unwrap(), route::LIMIT),
            users: Arc::default(),
            tools: BTreeMap::new(),
            groups: BTreeMap::new(),
            tokens: BTreeMap::new(),
            count: AtomicU32::new(0),
        };
        this.fill().await;
        this
    }

    async fn fill(&mut self) {
        let mut users = BTreeMap::new();
        let people = PEOPLE.iter().map(|it| (it.id, ACCOUNT, it.site_role));
        let others = ASKED_ABOUT.map(|(id, account)| (id, account, "site_user"));
        for (id, account, role) in people.chain(others) {
            users.insert(id.to_owned(), self.user(id, account, role).await);
        }
        self.users = Arc::new(users);
        for id in self.users.keys().cloned().collect::<Vec<_>>() {
            let token = self.token(&id).await;
            self.tokens.insert(id, token);
        }
        for place in [Place::Rules, Place::NoRules, Place::OtherAccount] {
            let tool = self.tool(place, place.name()).await;
            self.tools.insert(place.name(), tool);
        }
        for place in [Place::NoRules, Place::OtherAccount] {
            let group = self.group(place, "staff").await;
            self.groups.insert(place.name(), group);
        }
    }

    /// The id of a user, by what stands before the `@`.
    pub(crate) fn user_id(&self, id: &str) -> String {
        self.users[id].clone()
    }

    /// The way of the gateway to it, where who shows a token is made up.
    pub(crate) fn upstream(&self) -> (Route, Others) {
        let others = Others {
            registry: RegistryClient::new(self.route.clone()),
            users: self.users.clone(),
        };
        let made_up = Routes::new(RegistryServer::new(others.clone()));
        let made_up = route::local(made_up, route::LIMIT);
        let real = self.route.clone();
        let either = tower::service_fn(move |request: Request<tonic::body::Body>| {
            let is_made_up = request.uri().path().starts_with(SERVICE);
            let route = if is_made_up { &made_up } else { &real };
            route.clone().oneshot(request)
        });
        (Route::new(either), others)
    }

    /// Puts what is asked about into a path. What a route uses up is made for it, if it `is_open`.
    pub(crate) async fn path(&self, path: &str, who: &str, place: Place, uses_up: bool) -> String {
        let mut path = path.to_owned();
        let whom = match place {
            Place::Own => who,
            Place::OtherAccount => "xavier",
            Place::Rules | Place::NoRules | Place::Colleague => "carl",
        };
        if path.contains("{t}") {
            let id = if uses_up {
                self.tool(place, &self.new_name("tool")).await
            } else {
                self.tools[place.name()].clone()
            };
            path = path.replace("{t}", &id);
        }
        if path.contains("{group}") {
            let id = if uses_up {
                self.group(place, &self.new_name("group")).await
            } else {
                self.groups[place.name()].clone()
            };
            path = path.replace("{group}", &id);
        }
        if path.contains("{token}") {
            let id = if uses_up {
                self.token(whom).await
            } else {
                self.tokens[whom].clone()
            };
            path = path.replace("{token}", &id);
        }
        if uses_up && path.contains("/secrets/") {
            let name = self.new_name("secret");
            self.secret(&name).await;
            path = path.replace("{name}", &name);
        }
        let user = if place == Place::Own {
            "me"
        } else {
            &self.users[whom]
        };
        path.replace("{user}", user)
    }

    /// What a request to a route of the registry says.
    pub(crate) fn body(&self, method: &str, path: &str, place: Place) -> Option<Value> {
        let name = self.new_name("new");
        let whose = match place {
            Place::Own => String::new(),
            Place::OtherAccount => self.user_id("xavier"),
            Place::Rules | Place::NoRules | Place::Colleague => self.user_id("carl"),
        };
        let tool = || {
            json!({"name": place.name(), "toolIdentifier": "jenkins",
            "roles": rules(place), "description": name})
        };
        Some(match (method, path) {
            ("post", "/api/v1/registry/summary") => json!({"toolId": self.tools[place.name()]}),
            ("post", "/api/v1/registry/update") => {
                json!({"toolId": self.tools[place.name()], "tool": {"description": name}})
            }
            ("post", "/api/v2/tools") => json!({"name": name, "toolIdentifier": "jenkins"}),
            ("put", "/api/v2/tools/{t}") => tool(),
            ("patch", "/api/v2/tools/{t}") => json!({"description": name}),
            ("post", "/api/v2/users") => {
                json!({"name": name, "email": format!("{name}@example.org")})
            }
            ("patch", "/api/v2/users/{user}") => json!({"name": name}),
            ("put", "/api/v2/groups/{group}") => json!({"members": []}),
            ("post", "/api/v2/tokens") => json!({"name": name, "user": whose}),
            _ => return None,
        })
    }

    /// The query that names whose tokens are meant.
    pub(crate) fn query(&self, method: &str, path: &str, place: Place) -> String {
        match (method, path, place) {
            ("get", "/api/v2/tokens", Place::Colleague) => {
                format!("?user={}", self.user_id("carl"))
            }
            ("get", "/api/v2/tokens", Place::OtherAccount) => {
                format!("?user={}", self.user_id("xavier"))
            }
            _ => String::new(),
        }
    }

    fn new_name(&self, stem: &str) -> String {
        format!("{stem}-{}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    async fn secret(&self, name: &str) {
        let secret = PutSecretRequest {
            account: ACCOUNT.into(),
            name: name.into(),
            value: b"x".to_vec(),
            caller: Some(administrator(ACCOUNT)),
            ..Default::default()
        };
        let mut registry = RegistryClient::new(self.route.clone());
        registry.put_secret(secret).await.unwrap();
    }

    async fn user(&self, id: &str, account: &str, role: &str) -> String {
        let roles = Some(role).filter(|it| !it.is_empty());
        let request = CreateUserRequest {
            caller: Some(administrator("default")),
            name: id.into(),
            email: format!("{id}@example.org"),
            roles: roles.map(str::to_owned).into_iter().collect(),
            account: account.into(),
            ..Default::default()
        };
        let made = PeopleClient::new(self.route.clone())
            .create_user(request)
            .await;
        made.unwrap().into_inner().user.unwrap().id
    }

    async fn token(&self, id: &str) -> String {
        let xavier = ASKED_ABOUT[1];
        let account = if id == xavier.0 { xavier.1 } else { ACCOUNT };
        let request = CreateTokenRequest {
            caller: Some(administrator(account)),
            user: self.user_id(id),
            name: self.new_name("token"),
            ..Default::default()
        };
        let made = TokensClient::new(self.route.clone())
            .create_token(request)
            .await;
        made.unwrap().into_inner().token.unwrap().id
    }

    async fn group(&self, place: Place, name: &str) -> String {
        let member = if place == Place::OtherAccount {
            "xavier"
        } else {
            "carl"
        };
        let users = Users {
            users: vec![self.user_id(member)],
        };
        let request = PutGroupRequest {
            caller: Some(administrator(place.account())),
            group: name.into(),
            members: Some(users),
            ..Default::default()
        };
        let made = PeopleClient::new(self.route.clone())
            .put_group(request)
            .await;
        made.unwrap().into_inner().group.unwrap().id
    }

    async fn tool(&self, place: Place, name: &str) -> String {
        let tool = json!({"name": name, "tool_identifier": "jenkins", "roles": rules(place)});
        let request = CreateToolRequest {
            caller: Some(owner(place, self.user_id("olga"))),
            document_json: tool.to_string(),
        };
        let made = ToolsClient::new(self.route.clone())
            .create_tool(request)
            .await;
        made.unwrap().into_inner().id
    }
}

/// Somebody who may do everything in an account, and begin others.
fn administrator(account: &str) -> Caller {
    let actor = Actor {
        user_id: "000000000000000000000001".into(),
        ..Actor::default()
    };
    Caller {
        actor: Some(actor),
        account: account.into(),
        roles: vec!["opsera_administrator".into(), "site_administrator".into()],
        ..Caller::default()
    }
}
