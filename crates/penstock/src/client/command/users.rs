//! Commands about users.

use std::io::{IsTerminal as _, Read as _, Write as _};

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Desk, with};
use crate::client::api;
use crate::client::args::Nothing;
use crate::client::args::people::{NewUser, OneUser, ThatUser, User as Deed, UserChange};
use crate::client::error::Error;
use crate::client::http::Body;
use crate::client::path::path;
use crate::client::table::Table;
use crate::client::time;

const USERS: &str = "/api/v2/users";
/// How many users are listed.
const MOST: usize = 100_000;
/// The longest that is read of passwords.
const PASSWORDS_MAX_BYTES: u64 = 4096;

/// A user.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct User {
    id: String,
    number: i64,
    name: String,
    email: Option<String>,
    kind: String,
    account: String,
    roles: Vec<String>,
    active: bool,
    has_password: bool,
    groups: Vec<String>,
    created_at: Option<Timestamp>,
}

/// Does what is said.
pub(super) async fn obey(deed: Deed) -> Result<(), Error> {
    match deed {
        Deed::Add(said) => with(said, add).await,
        Deed::List(said) => with(said, list).await,
        Deed::Show(said) => with(said, show).await,
        Deed::Change(said) => with(said, change).await,
        Deed::Deactivate(said) => with(said, deactivate).await,
    }
}

async fn add(desk: &mut Desk, said: NewUser) -> Result<(), Error> {
    let mut user = json!({
        "name": said.name,
        "email": said.email.unwrap_or_default(),
        "kind": if said.service { "service" } else { "person" },
        "roles": said.roles,
        "account": said.account.unwrap_or_default(),
    });
    if said.password {
        user["password"] = passwords()?.0.into();
    }
    let body = Body::json(&user)?;
    let answer = desk.http.ask(Method::POST, USERS, &body).await?;
    told(desk, &answer, "made")
}

async fn list(desk: &mut Desk, _: Nothing) -> Result<(), Error> {
    let items = api::list(&desk.http, USERS, "users", MOST).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    let mut table = Table::new(&["NUMBER", "NAME", "EMAIL", "KIND", "ROLES", "STATE"]);
    for item in &items {
        let user: User = api::parse(item)?;
        table.row([
            user.number.into(),
            user.name.as_str().into(),
            user.email.as_deref().unwrap_or_default().into(),
            user.kind.as_str().into(),
            user.roles.join(" ").into(),
            state(&user).into(),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}

async fn show(desk: &mut Desk, said: OneUser) -> Result<(), Error> {
    let answer = desk.http.get(&of(&said.user)).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let user: User = api::parse(&answer)?;
    let password = if user.has_password { "yes" } else { "none" };
    let made = time::ago(user.created_at, Timestamp::now());
    let facts = [
        ("id", user.id.clone()),
        ("number", user.number.to_string()),
        ("name", user.name.clone()),
        ("email", user.email.clone().unwrap_or_default()),
        ("kind", user.kind.clone()),
        ("account", user.account.clone()),
        ("roles", user.roles.join(" ")),
        ("groups", user.groups.join(", ")),
        ("password", password.to_owned()),
        ("state", state(&user).to_owned()),
        ("made", made),
    ];
    super::facts(desk, &facts)
}

async fn change(desk: &mut Desk, said: UserChange) -> Result<(), Error> {
    let mut change = json!({});
    if let Some(name) = said.name {
        change["name"] = name.into();
    }
    if let Some(email) = said.email {
        change["email"] = email.into();
    }
    if !said.roles.is_empty() {
        change["roles"] = said.roles.into();
    }
    if said.activate {
        change["active"] = true.into();
    }
    if said.password {
        let (new, current) = passwords()?;
        change["password"] = new.into();
        change["currentPassword"] = current.into();
    }
    let body = Body::json(&change)?;
    let answer = desk.http.ask(Method::PATCH, &of(&said.user), &body).await?;
    told(desk, &answer, "changed")
}

async fn deactivate(desk: &mut Desk, said: ThatUser) -> Result<(), Error> {
    let body = Body::json(&json!({"active": false}))?;
    let answer = desk.http.ask(Method::PATCH, &of(&said.user), &body).await?;
    told(
        desk,
        &answer,
        "deactivated: its tokens are refused from now on",
    )
}

/// The path of a user.
pub(super) fn of(user: &str) -> String {
    path(&["api", "v2", "users", user])
}

fn told(desk: &mut Desk, answer: &Value, what: &str) -> Result<(), Error> {
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(answer)?);
    }
    let user: User = api::parse(answer)?;
    let line = format!("user {} ({}) {what}", user.name, user.id);
    desk.screen.line(&line)?;
    Ok(desk.screen.flush()?)
}

fn state(user: &User) -> &'static str {
    if user.active { "active" } else { "inactive" }
}

/// The first and the second line of standard input.
fn passwords() -> Result<(String, String), Error> {
    let input = std::io::stdin();
    if input.is_terminal() {
        let hint = "type the password (and below it the one until now, to change your own), then \
                    Ctrl-D\n";
        std::io::stderr().write_all(hint.as_bytes())?;
    }
    let mut text = String::new();
    input
        .lock()
        .take(PASSWORDS_MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Error::File("standard input".into(), error))?;
    let mut lines = text.lines().map(str::to_owned);
    let new = lines.next().filter(|it| !it.is_empty());
    let new = new.ok_or_else(|| Error::Usage("standard input holds no password".into()))?;
    Ok((new, lines.next().unwrap_or_default()))
}
