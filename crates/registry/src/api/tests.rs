//! The registry through its generated client, on every kind of store.

use std::io;
use std::sync::{Arc, Mutex};

use contracts::message::{Actor, Caller, SecretChanged, TokenChanged, Topic, Use, UserActed};
use contracts::registry::people_client::PeopleClient;
use contracts::registry::registry_client::RegistryClient;
use contracts::registry::tokens_client::TokensClient;
use contracts::registry::{
    AuthenticateRequest, CreateTokenRequest, CreateUserRequest, DeleteSecretRequest,
    ListSecretsRequest, PutSecretRequest, RevealSecretsRequest, Token, User,
};
use outbox::Tuning;
use runtime::Route;
use runtime::config::Secret;
use tonic::Code;

use crate::testing::World;
use crate::{Config, Error, start};

mod administrator;
mod groups;
mod identities;
mod people;
mod plugins;
mod rotation;
mod secrecy;
mod secrets;
mod sign_in;
mod tokens;
mod tool_secrets;
mod tools;

type Client = RegistryClient<Route>;

fn put(account: &str, name: &str, value: &[u8]) -> PutSecretRequest {
    let actor = Some(Actor::system());
    PutSecretRequest {
        account: account.into(),
        name: name.into(),
        value: value.into(),
        actor,
        caller: None,
    }
}

fn reveal(account: &str, names: &[&str]) -> RevealSecretsRequest {
    let names = names.iter().map(|name| (*name).into()).collect();
    RevealSecretsRequest {
        account: account.into(),
        names,
        ..Default::default()
    }
}

async fn code_of(client: &mut Client, token: &str) -> Code {
    let asked = client
        .authenticate(AuthenticateRequest {
            token: token.into(),
        })
        .await;
    asked.map_or_else(|status| status.code(), |_| Code::Ok)
}

async fn heard<M: contracts::message::Message>(world: &World) -> M {
    let mut reader = world
        .bus
        .read("test", &[Topic::Events], Tuning::Prompt)
        .await
        .unwrap();
    loop {
        for message in reader.next(10).await.unwrap() {
            if message.is::<M>() {
                return message.decode().unwrap();
            }
        }
    }
}

/// All clients of one registry.
struct Clients {
    registry: Client,
    people: PeopleClient<Route>,
    tokens: TokensClient<Route>,
}

impl Clients {
    async fn of(world: &World) -> Self {
        let route = world.route().await;
        Self {
            registry: RegistryClient::new(route.clone()),
            people: PeopleClient::new(route.clone()),
            tokens: TokensClient::new(route),
        }
    }

    /// A user of the administrator's account.
    async fn user(&mut self, name: &str, roles: &[&str]) -> User {
        let request = CreateUserRequest {
            caller: Some(admin()),
            name: name.into(),
            email: format!("{}@example.org", name.to_lowercase()),
            roles: roles.iter().map(|it| (*it).to_owned()).collect(),
            ..Default::default()
        };
        let made = self.people.create_user(request).await.unwrap();
        made.into_inner().user.unwrap()
    }

    /// A token of a user, with its text.
    async fn token(&mut self, caller: Caller, name: &str) -> (Token, String) {
        let request = CreateTokenRequest {
            caller: Some(caller),
            name: name.into(),
            ..Default::default()
        };
        let made = self.tokens.create_token(request).await.unwrap();
        let made = made.into_inner();
        (made.token.unwrap(), made.text)
    }

    async fn code_of(&mut self, token: &str) -> Code {
        code_of(&mut self.registry, token).await
    }
}

/// The installed administrator, as the gateway says who calls.
fn admin() -> Caller {
    Caller {
        actor: Some(Actor {
            user_id: crate::administrator::ID.into(),
            name: "admin".into(),
            token_id: "61043b2bbcb6d95b55adc5fd".into(),
            ..Actor::default()
        }),
        account: "default".into(),
        roles: vec!["opsera_administrator".into(), "site_administrator".into()],
        groups: Vec::new(),
        r#use: Some(Use {
            id: "use".into(),
            ..Use::default()
        }),
    }
}

/// A user, as the gateway says who calls.
fn caller(user: &User) -> Caller {
    Caller {
        actor: Some(Actor {
            user_id: user.id.clone(),
            name: user.name.clone(),
            email: user.email.clone(),
            ..Actor::default()
        }),
        account: user.account.clone(),
        roles: user.roles.clone(),
        ..Caller::default()
    }
}

/// The reason of a refusal.
fn refusal<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, tonic::Status>) -> String {
    runtime::fault::reason(&answer.unwrap_err()).unwrap_or_default()
}

/// The records of changes so far, up to one of this kind, action and target.
async fn records(world: &World, last: (&str, &str, &str)) -> Vec<UserActed> {
    let mut reader = world
        .bus
        .read("records", &[Topic::Events], Tuning::Prompt)
        .await
        .unwrap();
    let mut records: Vec<UserActed> = Vec::new();
    loop {
        for message in reader.next(100).await.unwrap() {
            if message.is::<UserActed>() {
                let record: UserActed = message.decode().unwrap();
                let found = (&*record.r#type, &*record.action, &*record.target_id);
                let is_last = found == last;
                records.push(record);
                if is_last {
                    return records;
                }
            }
        }
    }
}
