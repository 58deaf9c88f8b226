//! Commands about groups.

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Desk, with};
use crate::client::api;
use crate::client::args::Nothing;
use crate::client::args::people::{Group as Deed, Members, OneGroup, SomeMembers};
use crate::client::error::Error;
use crate::client::http::Body;
use crate::client::path::path;
use crate::client::table::Table;
use crate::client::time;

const GROUPS: &str = "/api/v2/groups";
/// How many groups are listed.
const MOST: usize = 100_000;

/// A group.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Group {
    name: String,
    member_count: u32,
    members: Vec<Member>,
    updated_at: Option<Timestamp>,
}

/// Who is in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Member {
    id: String,
    name: String,
    email: Option<String>,
}

/// Does what is said.
pub(super) async fn obey(deed: Deed) -> Result<(), Error> {
    match deed {
        Deed::Set(said) => with(said, set).await,
        Deed::List(said) => with(said, list).await,
        Deed::Show(said) => with(said, show).await,
        Deed::Add(said) => with(said, add).await,
        Deed::Remove(said) => with(said, remove).await,
        Deed::Delete(said) => with(said, delete).await,
    }
}

async fn set(desk: &mut Desk, said: Members) -> Result<(), Error> {
    let body = Body::json(&json!({"members": said.users}))?;
    let answer = desk.http.ask(Method::PUT, &of(&said.group), &body).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let group: Group = api::parse(&answer)?;
    let members = match group.member_count {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    line(desk, &format!("group {} has {members}", group.name))
}

async fn list(desk: &mut Desk, _: Nothing) -> Result<(), Error> {
    let items = api::list(&desk.http, GROUPS, "groups", MOST).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    if items.is_empty() {
        return line(
            desk,
            "no groups yet: make one with `penstock group set NAME USER…`",
        );
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["NAME", "MEMBERS", "CHANGED"]);
    for item in &items {
        let group: Group = api::parse(item)?;
        table.row([
            group.name.into(),
            group.member_count.into(),
            time::ago(group.updated_at, now).into(),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}

async fn show(desk: &mut Desk, said: OneGroup) -> Result<(), Error> {
    let answer = desk.http.get(&of(&said.group)).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let group: Group = api::parse(&answer)?;
    let mut table = Table::new(&["MEMBER", "EMAIL", "ID"]);
    for member in group.members {
        let email = member.email.unwrap_or_default();
        table.row([member.name.into(), email.into(), member.id.into()]);
    }
    Ok(desk.screen.table(&table)?)
}

async fn add(desk: &mut Desk, said: SomeMembers) -> Result<(), Error> {
    each(desk, said, Method::PUT, "added to").await
}

async fn remove(desk: &mut Desk, said: SomeMembers) -> Result<(), Error> {
    each(desk, said, Method::DELETE, "removed from").await
}

async fn each(desk: &mut Desk, said: SomeMembers, method: Method, done: &str) -> Result<(), Error> {
    for user in &said.users {
        let path = path(&["api", "v2", "groups", &said.group, "members", user]);
        let body = Body::default();
        desk.http.ask(method.clone(), &path, &body).await?;
        if !desk.screen.is_for_programs() {
            line(desk, &format!("{user} {done} group {}", said.group))?;
        }
    }
    if desk.screen.is_for_programs() {
        let answer = desk.http.get(&of(&said.group)).await?;
        desk.screen.json(&answer)?;
    }
    Ok(())
}

async fn delete(desk: &mut Desk, said: OneGroup) -> Result<(), Error> {
    let body = Body::default();
    let answer = desk
        .http
        .ask(Method::DELETE, &of(&said.group), &body)
        .await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    line(desk, &format!("group {} deleted", said.group))
}

fn of(group: &str) -> String {
    path(&["api", "v2", "groups", group])
}

fn line(desk: &mut Desk, text: &str) -> Result<(), Error> {
    desk.screen.line(text)?;
    Ok(desk.screen.flush()?)
}
