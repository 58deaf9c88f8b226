//! Every route × scope × role × {rules, no rules, another account}: what the tables say is what the
//! gateway answers, with the real pipeline service and the real registry behind it.
//!
//! What is expected comes from the tables in [`tables`], which are the contract's, and not from the
//! product's own.

mod people;
mod registered;
mod services;
mod tables;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use people::{PEOPLE, Person};
use tables::{Column, Need, ROUTES, Route, SCOPES, may, told_of};
use world::{Place, World};

/// Requests that are asked at the same time.
const AT_ONCE: usize = 8;

/// What a caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Not that it may not be.
    Done,
    /// That it may not be.
    Forbidden,
    /// That it is not there.
    Nothing,
    /// Whatever the service says whose part it is.
    Elsewhere,
}

/// One cell: a route, asked with a scope by somebody about something somewhere.
#[derive(Debug, Clone, Copy)]
struct Case {
    route: &'static Route,
    scope: &'static str,
    who: &'static Person,
    place: Place,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        let asked = |route: &&Route| route.is_built() && route.need != Need::SignIn;
        for route in ROUTES.iter().filter(asked) {
            for scope in SCOPES {
                for who in PEOPLE {
                    for place in route.places() {
                        all.push(Self {
                            route,
                            scope,
                            who,
                            place: *place,
                        });
                    }
                }
            }
        }
        all
    }

    fn expected(&self) -> Told {
        if self.route.need == Need::Public {
            return Told::Done;
        }
        if !self.route.scopes.contains(&self.scope) {
            return Told::Forbidden;
        }
        let allowed = |it: bool| if it { Told::Done } else { Told::Forbidden };
        match self.route.need {
            Need::Site(roles) | Need::Group(roles) | Need::SiteElsewhere(roles)
                if !self.who.has_any(roles) =>
            {
                Told::Forbidden
            }
            Need::Group(_) if self.place == Place::OtherAccount => Told::Nothing,
            Need::Public | Need::Any | Need::Site(_) | Need::Group(_) => Told::Done,
            Need::Elsewhere | Need::SignIn | Need::SiteElsewhere(_) => Told::Elsewhere,
            Need::User(deed) => match self.who.tie(self.place) {
                Some(tie) => told_of(deed, tie),
                None => Told::Nothing,
            },
            Need::MakeTool => {
                let column = self.who.column(Place::NoRules);
                allowed(column.is_some_and(|it| may("create tool", it)))
            }
            Need::Action(action) | Need::Tool(action) => match self.who.column(self.place) {
                Some(column) => allowed(may(action, column)),
                // A hidden thing is like one that isn't there; on v1 both are forbidden, unless
                // nothing can be hidden from the caller.
                None if self.route.is_v1() => {
                    if self.who.sees_everything {
                        Told::Nothing
                    } else {
                        Told::Forbidden
                    }
                }
                None => Told::Nothing,
            },
        }
    }

    async fn told(&self, world: &World) -> Result<Told, String> {
        let answer = world
            .ask(self.route, self.who, self.scope, self.place)
            .await;
        let said = format!("{} {}", answer.status, answer.text);
        if self.route.is_v1() && answer.status == StatusCode::FORBIDDEN {
            let body: Value = serde_json::from_str(&answer.text).map_err(|_| said.clone())?;
            if body["message"] != "Forbidden" || body["status"] != "failed" {
                return Err(said);
            }
        }
        match answer.status.as_u16() {
            403 => Ok(Told::Forbidden),
            404 => Ok(Told::Nothing),
            401 | 405 | 500.. => Err(said),
            _ => Ok(Told::Done),
        }
    }

    async fn fault(self, world: &World) -> Option<String> {
        let expected = self.expected();
        let told = self.told(world).await;
        if expected == Told::Elsewhere || told == Ok(expected) {
            return None;
        }
        let (route, scope, who) = (self.route, self.scope, self.who.name);
        let (method, path, place) = (route.method, route.path, self.place);
        Some(format!(
            "{method} {path} by {who} with {scope}, {place:?}: {told:?} and not {expected:?}"
        ))
    }
}

#[tokio::test]
async fn every_route_answers_every_scope_and_role_as_the_tables_say() {
    let world = World::start().await;
    let cases = Case::all();
    assert!(cases.len() > 15_000, "{}", cases.len());
    let faults: Vec<String> = stream::iter(cases)
        .map(|case| case.fault(&world))
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let some: Vec<_> = faults.iter().take(20).collect();
    assert!(
        faults.is_empty(),
        "{} cells differ: {some:#?}",
        faults.len()
    );
}

#[test]
fn every_route_is_in_the_tables() {
    let known: BTreeSet<_> = ROUTES.iter().map(|it| (it.method, it.path)).collect();
    assert_eq!(known.len(), ROUTES.len(), "a route is there twice");
    for route in gateway::routes() {
        assert!(
            known.contains(&(route.method, route.path)),
            "say in tables.rs which scopes and what else {} {} takes",
            route.method,
            route.path
        );
    }
}

#[tokio::test]
async fn no_token_opens_a_route_that_wants_a_password() {
    let world = World::start().await;
    for route in ROUTES.iter().filter(|it| it.need == Need::SignIn) {
        for scope in SCOPES {
            let answer = world.ask(route, &PEOPLE[0], scope, Place::NoRules).await;
            let said = (route.method, route.path, scope);
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{said:?}");
        }
    }
}

#[tokio::test]
async fn lists_show_what_one_may_view() {
    let world = World::start().await;
    let places = [Place::Rules, Place::NoRules, Place::OtherAccount];
    for who in PEOPLE {
        let views = |place: &Place| who.column(*place).is_some_and(|it| may("view", it));
        let expected: BTreeSet<_> = places.into_iter().filter(views).map(Place::name).collect();
        let listed = world.get(who, "/api/v2/pipelines?limit=1000").await;
        let names = |list: &Value| -> BTreeSet<String> {
            let each = list.as_array().unwrap().iter();
            each.map(|it| it["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let shown = names(&listed["pipelines"]);
        assert_eq!(
            shown,
            expected.iter().map(|it| (*it).to_owned()).collect(),
            "{}",
            who.name
        );
        let tools = world.get(who, "/api/v2/tools?limit=1000").await;
        let is_listed = |name: &String| places.iter().any(|place| place.name() == name);
        let tools: BTreeSet<_> = names(&tools["tools"])
            .into_iter()
            .filter(is_listed)
            .collect();
        assert_eq!(tools, shown, "{}", who.name);
        if who.has_any(tables::LISTERS) {
            let listed = world.get(who, "/api/v1/pipeline/pipelines").await;
            assert_eq!(names(&listed), shown, "{}", who.name);
            let tools = world.get(who, "/api/v1/registry/tools").await;
            assert_eq!(names(&tools), shown, "{}", who.name);
        }
    }
}

#[tokio::test]
async fn a_document_says_what_the_caller_is_to_it() {
    let world = World::start().await;
    let expected: BTreeMap<_, _> = [
        ("site administrator", "administrator"),
        ("owner", "owner"),
        ("item administrator", "administrator"),
        ("manager", "manager"),
        ("power user", "manager"),
        ("secops", "secops"),
        ("user", "user"),
        ("guest", "guest"),
        ("auditor", "guest"),
        ("security manager", "guest"),
    ]
    .into();
    for who in PEOPLE.iter().filter(|it| it.column(Place::Rules).is_some()) {
        let body = json!({"pipelineId": world.pipeline(Place::Rules)});
        let summary = world.post(who, "/api/v1/pipeline/summary", &body).await;
        assert_eq!(
            summary["role_access_level"], expected[who.name],
            "{}",
            who.name
        );
        let column = who.column(Place::Rules).unwrap();
        let script = &summary["workflow"]["plan"][0]["tool"]["configuration"]["commands"];
        assert_eq!(
            script != "",
            may("view step configuration", column),
            "{}",
            who.name
        );
        assert!(column != Column::Guest || script == "");
    }
}
