//! The registry through its generated client, on every kind of store.

use std::io;
use std::sync::{Arc, Mutex};

use contracts::message::{Actor, SecretChanged, TokenChanged, Topic};
use contracts::registry::registry_client::RegistryClient;
use contracts::registry::{
    AuthenticateRequest, DeleteSecretRequest, ListSecretsRequest, PutSecretRequest,
    RevealSecretsRequest,
};
use outbox::Tuning;
use runtime::Route;
use runtime::config::Secret;
use tonic::Code;

use crate::testing::World;
use crate::{Config, Error, start};

mod administrator;
mod secrecy;
mod secrets;

type Client = RegistryClient<Route>;

fn put(account: &str, name: &str, value: &[u8]) -> PutSecretRequest {
    let actor = Some(Actor::system());
    PutSecretRequest {
        account: account.into(),
        name: name.into(),
        value: value.into(),
        actor,
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
