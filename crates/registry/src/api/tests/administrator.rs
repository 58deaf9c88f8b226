//! The administrator and its token.

use super::*;

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
        assert_eq!(bearer.roles, ["opsera_administrator", "site_administrator"]);
        assert_eq!(bearer.token_name, "installed");
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
