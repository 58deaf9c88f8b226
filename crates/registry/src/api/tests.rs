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

#[tokio::test]
async fn the_first_start_makes_a_token_for_the_administrator() {
    for world in World::each().await {
        let mut client = world.registry().await;
        let token = world.token();
        assert_eq!(token.len(), 81, "the form of ours");
        let bearer = client.authenticate(AuthenticateRequest {
            token: token.clone(),
        });
        let bearer = bearer.await.unwrap().into_inner();
        assert_eq!(bearer.user_name, "admin");
        assert_eq!(bearer.account, "default");
        assert_eq!(bearer.roles, ["site_administrator"]);
        assert_eq!(bearer.scopes, ["api"]);
        assert_eq!(bearer.token_id, token[4..28]);
        assert_eq!(bearer.expires_at_ms, 0);
        for wrong in [
            "",
            "short",
            &token[1..],
            &token.to_uppercase(),
            &"x".repeat(600),
        ] {
            assert_eq!(
                code_of(&mut client, wrong).await,
                Code::Unauthenticated,
                "{wrong}"
            );
        }
    }
}

#[tokio::test]
async fn registries_that_start_at_once_agree_on_the_token() {
    for world in World::each().await {
        let clients = futures::future::join_all((0..6).map(|_| world.registry())).await;
        for mut client in clients {
            assert_eq!(code_of(&mut client, &world.token()).await, Code::Ok);
        }
    }
}

#[tokio::test]
async fn a_token_file_that_was_lost_comes_back() {
    for world in World::each().await {
        let mut client = world.registry().await;
        let token = world.token();
        std::fs::remove_file(&world.config.admin_token_file).unwrap();
        world.registry().await;
        assert_eq!(world.token(), token);
        assert_eq!(code_of(&mut client, &token).await, Code::Ok);
    }
}

#[tokio::test]
async fn a_configured_token_replaces_the_one_before_and_says_so() {
    for mut world in World::each().await {
        let mut client = world.registry().await;
        let first = world.token();
        world.config.admin_token = Secret::new("c".repeat(40));
        world.registry().await;
        assert_eq!(code_of(&mut client, &first).await, Code::Unauthenticated);
        assert_eq!(code_of(&mut client, &"c".repeat(40)).await, Code::Ok);
        assert_eq!(heard::<TokenChanged>(&world).await.token_id, first[4..28]);
        world.config.admin_token = Secret::default();
        world.registry().await;
        assert_eq!(
            code_of(&mut client, &first).await,
            Code::Ok,
            "the file's token again"
        );
        assert_eq!(
            code_of(&mut client, &"c".repeat(40)).await,
            Code::Unauthenticated
        );
    }
}

#[tokio::test]
async fn a_short_token_stops_the_start_in_words() {
    for world in World::each().await {
        let config = Config {
            admin_token: Secret::new("too-short"),
            ..world.config.clone()
        };
        let started = start(
            config,
            world.database.clone(),
            world.bus.clone(),
            &world.tasks,
        )
        .await;
        let error = started.err().unwrap().to_string();
        assert!(error.contains("PENSTOCK_ADMIN_TOKEN"), "{error}");
    }
}

#[tokio::test]
async fn another_key_stops_the_start_in_words() {
    for world in World::each().await {
        world.registry().await;
        let config = Config {
            key: Secret::new("ab".repeat(32)),
            ..world.config.clone()
        };
        let started = start(
            config,
            world.database.clone(),
            world.bus.clone(),
            &world.tasks,
        )
        .await;
        assert!(matches!(started.err().unwrap(), Error::WrongKey));
    }
}

#[tokio::test]
async fn a_secret_is_set_listed_revealed_and_removed() {
    for world in World::each().await {
        let mut client = world.registry().await;
        assert!(
            client
                .put_secret(put("a", "b.key", b"one"))
                .await
                .unwrap()
                .get_ref()
                .created
        );
        assert!(
            !client
                .put_secret(put("a", "b.key", b"two"))
                .await
                .unwrap()
                .get_ref()
                .created
        );
        client.put_secret(put("a", "c", b"\0\xff")).await.unwrap();
        client
            .put_secret(put("other", "b.key", b"three"))
            .await
            .unwrap();

        let asked = ListSecretsRequest {
            account: "a".into(),
            after: String::new(),
            limit: 1,
        };
        let first = client
            .list_secrets(asked.clone())
            .await
            .unwrap()
            .into_inner()
            .secrets;
        assert_eq!(first[0].name, "b.key");
        assert!(first[0].updated_at_ms >= first[0].created_at_ms);
        let asked = ListSecretsRequest {
            after: "b.key".into(),
            limit: 1000,
            ..asked
        };
        let rest = client
            .list_secrets(asked)
            .await
            .unwrap()
            .into_inner()
            .secrets;
        assert_eq!(rest.iter().map(|it| &it.name).collect::<Vec<_>>(), ["c"]);

        let values = client
            .reveal_secrets(reveal("a", &["b.key", "c", "c"]))
            .await
            .unwrap();
        let values = values.into_inner().values;
        assert_eq!(
            (&values["b.key"][..], &values["c"][..]),
            (&b"two"[..], &b"\0\xff"[..])
        );

        let gone = DeleteSecretRequest {
            account: "a".into(),
            name: "c".into(),
            actor: None,
        };
        client.delete_secret(gone.clone()).await.unwrap();
        assert_eq!(
            client.delete_secret(gone).await.unwrap_err().code(),
            Code::NotFound
        );
        let missing = client
            .reveal_secrets(reveal("a", &["b.key", "c", "x"]))
            .await
            .unwrap_err();
        assert_eq!(missing.code(), Code::NotFound);
        assert!(missing.message().contains("c, x"), "{}", missing.message());
    }
}

#[tokio::test]
async fn a_change_of_a_secret_is_announced_without_its_value() {
    for world in World::each().await {
        let mut client = world.registry().await;
        client
            .put_secret(put("default", "api-token", b"hunter2"))
            .await
            .unwrap();
        let news: SecretChanged = heard(&world).await;
        assert_eq!((news.name.as_str(), news.removed), ("api-token", false));
        assert_eq!(news.actor, Some(Actor::system()));
    }
}

#[tokio::test]
async fn bad_requests_are_refused_in_words() {
    for world in World::each().await {
        let mut client = world.registry().await;
        let long = vec![0; 64 * 1024 + 1];
        for (asked, said) in [
            (put("a", "b/c", b""), "A-Z, a-z"),
            (put("", "b", b""), "account"),
            (put("a", "b", &long), "65536"),
        ] {
            let refused = client.put_secret(asked).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains(said), "{}", refused.message());
        }
        for limit in [0, 1001] {
            let asked = ListSecretsRequest {
                account: "a".into(),
                limit,
                ..Default::default()
            };
            let refused = client.list_secrets(asked).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
        let names: Vec<String> = (0..300).map(|number| format!("n{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let refused = client
            .reveal_secrets(reveal("a", &names))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_value_moved_to_another_name_does_not_open() {
    use sea_orm::ConnectionTrait as _;
    for world in World::each().await {
        let mut client = world.registry().await;
        client.put_secret(put("a", "b", b"value")).await.unwrap();
        let tx = world.database.begin().await.unwrap();
        tx.execute_unprepared("UPDATE secrets SET name = 'c'")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let refused = client
            .reveal_secrets(reveal("a", &["c"]))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Internal);
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The canary is looked for in the log at its most talkative, in answers and in every file.
#[tokio::test]
async fn no_value_is_found_in_logs_answers_or_files() {
    const CANARY: &str = "canary-0f8e2d";
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for world in World::each().await {
        let mut client = world.registry().await;
        let asked = put("default", "api-token", CANARY.as_bytes());
        let mut seen = format!("{asked:?} {:?}", world.config);
        seen += &format!("{:?}", client.put_secret(asked).await);
        seen += &format!(
            "{:?}",
            client.put_secret(put("a", "b c", CANARY.as_bytes())).await
        );
        seen += &format!(
            "{:?}",
            client
                .reveal_secrets(reveal("default", &["api-token"]))
                .await
        );
        seen += &format!("{:?}", heard::<SecretChanged>(&world).await);
        let wrong = AuthenticateRequest {
            token: format!("{CANARY}-{CANARY}"),
        };
        seen += &format!("{wrong:?} {:?}", client.authenticate(wrong.clone()).await);
        assert!(
            !seen.contains(CANARY) && !seen.contains("[99, 97, 110"),
            "{seen}"
        );
        assert_files_lack(world.folder.path(), CANARY.as_bytes());
        let log = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
        assert!(log.contains("secrets are revealed"), "{log}");
        assert!(!log.contains(CANARY) && !log.contains(&world.token()));
    }
}

fn assert_files_lack(folder: &std::path::Path, needle: &[u8]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_files_lack(&path, needle);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(needle.len()).any(|it| it == needle);
            assert!(!found, "{}", path.display());
        }
    }
}
