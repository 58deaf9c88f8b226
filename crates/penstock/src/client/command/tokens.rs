//! Commands about tokens.
//!
//! **Invariant:** a new token's text goes to standard output, alone, and nowhere else.

use std::io::Write as _;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Desk, users, with};
use crate::client::api;
use crate::client::args::people::{NewToken, OneToken, Revoke, Rotate, Token as Deed, Tokens};
use crate::client::error::Error;
use crate::client::http::Body;
use crate::client::path::path;
use crate::client::table::Table;
use crate::client::time;

const TOKENS: &str = "/api/v2/tokens";
/// How many tokens are listed.
const MOST: usize = 100_000;

/// A token.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Token {
    /// When it is new.
    #[serde(rename = "token")]
    text: String,
    id: String,
    name: String,
    user: Owner,
    scope: String,
    cidrs: Vec<String>,
    live: bool,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    replaced_by: Option<String>,
    replaced_until: Option<Timestamp>,
}

/// Whose it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Owner {
    id: String,
    name: String,
}

/// Does what is said.
pub(super) async fn obey(deed: Deed) -> Result<(), Error> {
    match deed {
        Deed::Create(said) => with(said, create).await,
        Deed::List(said) => with(said, list).await,
        Deed::Show(said) => with(said, show).await,
        Deed::Revoke(said) => with(said, revoke).await,
        Deed::Rotate(said) => with(said, rotate).await,
    }
}

async fn create(desk: &mut Desk, said: NewToken) -> Result<(), Error> {
    let body = Body::json(&json!({
        "name": said.name,
        "scope": said.scopes.join(" "),
        "expiration": said.expires,
        "cidrs": said.cidrs,
        "user": said.user,
        "account": said.account,
    }))?;
    let answer = desk.http.ask(Method::POST, TOKENS, &body).await?;
    made(desk, &answer)
}

async fn rotate(desk: &mut Desk, said: Rotate) -> Result<(), Error> {
    let body = Body::json(&json!({
        "overlapSeconds": said.overlap,
        "expiration": said.expires,
    }))?;
    let path = of(&said.id) + "/rotate";
    let answer = desk.http.ask(Method::POST, &path, &body).await?;
    made(desk, &answer)
}

/// Prints a new token; what there is to say of it goes to standard error.
fn made(desk: &mut Desk, answer: &Value) -> Result<(), Error> {
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(answer)?);
    }
    let token: Token = api::parse(answer)?;
    let end = time::until(token.expires_at, Timestamp::now());
    let note = format!(
        "token {} ({}) of {} for {} ends {end}; it is shown once:\n",
        token.name, token.id, token.user.name, token.scope
    );
    std::io::stderr().write_all(note.as_bytes())?;
    desk.screen.line(&token.text)?;
    Ok(desk.screen.flush()?)
}

async fn list(desk: &mut Desk, said: Tokens) -> Result<(), Error> {
    let mut more = Vec::new();
    if !said.user.is_empty() {
        more.push(("user", said.user.as_str()));
    }
    if said.ended {
        more.push(("ended", "true"));
    }
    let items = api::list_where(&desk.http, (TOKENS, &more), "tokens", MOST).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["ID", "NAME", "SCOPE", "STATE", "ENDS", "LAST USED"]);
    for item in &items {
        let token: Token = api::parse(item)?;
        table.row([
            token.id.as_str().into(),
            token.name.as_str().into(),
            token.scope.as_str().into(),
            state(&token, now).into(),
            time::until(token.expires_at, now).into(),
            time::ago(token.last_used_at, now).into(),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}

async fn show(desk: &mut Desk, said: OneToken) -> Result<(), Error> {
    let answer = desk.http.get(&of(&said.id)).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let token: Token = api::parse(&answer)?;
    let now = Timestamp::now();
    let from = if token.cidrs.is_empty() {
        "anywhere".to_owned()
    } else {
        token.cidrs.join(", ")
    };
    let facts = [
        ("id", token.id.clone()),
        ("name", token.name.clone()),
        ("user", format!("{} ({})", token.user.name, token.user.id)),
        ("scope", token.scope.clone()),
        ("from", from),
        ("state", state(&token, now).to_owned()),
        ("made", time::ago(token.created_at, now)),
        ("ends", time::until(token.expires_at, now)),
        ("last used", time::ago(token.last_used_at, now)),
        ("replaced by", token.replaced_by.clone().unwrap_or_default()),
    ];
    super::facts(desk, &facts)
}

async fn revoke(desk: &mut Desk, said: Revoke) -> Result<(), Error> {
    let (path, of_whom) = match (&said.id, &said.all_of) {
        (Some(id), _) => (of(id), None),
        (None, Some(user)) => (users::of(user) + "/tokens", Some(user)),
        (None, None) => return Err(Error::Usage("say which token to revoke".into())),
    };
    let body = Body::default();
    let answer = desk.http.ask(Method::DELETE, &path, &body).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let line = match of_whom {
        None => format!("token {} revoked", said.id.unwrap_or_default()),
        Some(user) => format!("{} tokens of {user} revoked", answer["revoked"]),
    };
    desk.screen.line(&line)?;
    Ok(desk.screen.flush()?)
}

fn of(id: &str) -> String {
    path(&["api", "v2", "tokens", id])
}

fn state(token: &Token, now: Timestamp) -> &'static str {
    let is_over = |when: Option<Timestamp>| when.is_some_and(|it| it <= now);
    if token.revoked_at.is_some() {
        "revoked"
    } else if is_over(token.expires_at) {
        "expired"
    } else if is_over(token.replaced_until) {
        "replaced"
    } else if token.replaced_by.is_some() {
        "being replaced"
    } else if token.live {
        "good"
    } else {
        "refused"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_token_says_why_it_is_refused() {
        let now = Timestamp::from_second(1_000).unwrap();
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let good = || Token {
            live: true,
            expires_at: at(2_000),
            ..Token::default()
        };
        for (token, said) in [
            (good(), "good"),
            (
                Token {
                    live: false,
                    ..good()
                },
                "refused",
            ),
            (
                Token {
                    expires_at: at(1_000),
                    ..good()
                },
                "expired",
            ),
            (
                Token {
                    revoked_at: at(1),
                    ..good()
                },
                "revoked",
            ),
            (
                Token {
                    replaced_by: Some("x".into()),
                    replaced_until: at(1_500),
                    ..good()
                },
                "being replaced",
            ),
            (
                Token {
                    replaced_by: Some("x".into()),
                    replaced_until: at(500),
                    ..good()
                },
                "replaced",
            ),
        ] {
            assert_eq!(state(&token, now), said);
        }
    }
}
