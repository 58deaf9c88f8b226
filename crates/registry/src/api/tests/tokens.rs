//! Personal access tokens: made, shown, used, replaced, ended.

use contracts::registry::{
    ListTokensRequest, ReadTokenRequest, RevokeTokenRequest, RevokeTokensRequest,
    RotateTokenRequest, UpdateUserRequest,
};
use runtime::clock;
use sea_orm::ConnectionTrait as _;

use super::*;

fn rotate(caller: Caller, token: &str, overlap_ms: i64) -> RotateTokenRequest {
    RotateTokenRequest {
        caller: Some(caller),
        token: token.into(),
        overlap_ms,
        ..Default::default()
    }
}

fn revoke(caller: Caller, token: &str) -> RevokeTokenRequest {
    RevokeTokenRequest {
        caller: Some(caller),
        token: token.into(),
    }
}

async fn listed(clients: &mut Clients, caller: Caller, user: &str, ended: bool) -> Vec<Token> {
    let request = ListTokensRequest {
        caller: Some(caller),
        user: user.into(),
        limit: 100,
        ended,
        ..Default::default()
    };
    let listed = clients.tokens.list_tokens(request).await.unwrap();
    listed.into_inner().tokens
}

async fn read(clients: &mut Clients, caller: Caller, token: &str) -> Result<Token, String> {
    let request = ReadTokenRequest {
        caller: Some(caller),
        token: token.into(),
    };
    match clients.tokens.read_token(request).await {
        Ok(answer) => Ok(answer.into_inner().token.unwrap()),
        Err(status) => Err(runtime::fault::reason(&status).unwrap_or_default()),
    }
}

#[tokio::test]
async fn a_user_makes_a_token_and_it_says_who_it_is() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &["site_power_user"]).await;
        let request = CreateTokenRequest {
            caller: Some(caller(&ada)),
            name: "CI of the shop".into(),
            scopes: vec!["pipeline".into(), "registry".into()],
            expiration: "1w".into(),
            cidrs: vec!["10.1.2.3/8".into(), "::1".into()],
            ..Default::default()
        };
        let made = clients
            .tokens
            .create_token(request)
            .await
            .unwrap()
            .into_inner();
        let (token, text) = (made.token.unwrap(), made.text);
        let lasts = token.expires_at_ms - token.created_at_ms;
        assert_eq!(lasts, 7 * 24 * 60 * 60 * 1000);
        assert!(
            token.live && text.starts_with(&format!("pst_{}_", token.id)),
            "{token:?}"
        );
        let asked = AuthenticateRequest {
            token: text.clone(),
        };
        let bearer = clients
            .registry
            .authenticate(asked)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(bearer.token_id, token.id);
        assert_eq!(bearer.token_name, "CI of the shop");
        assert_eq!(bearer.user_id, ada.id);
        assert_eq!(bearer.roles, ["site_power_user"]);
        assert_eq!(bearer.scopes, ["pipeline", "registry"]);
        assert_eq!(bearer.cidrs, ["10.0.0.0/8", "::1/128"]);
        assert_eq!(bearer.expires_at_ms, token.expires_at_ms);
        let found = listed(&mut clients, caller(&ada), "", false).await;
        assert_eq!(found.len(), 1);
        let used = async {
            loop {
                let found = read(&mut clients, caller(&ada), &token.id).await.unwrap();
                if found.last_used_at_ms > 0 {
                    return found.last_used_at_ms;
                }
                tokio::task::yield_now().await;
            }
        };
        assert!(used.await >= token.created_at_ms);
        let records = records(&world, ("token", "create", &token.id)).await;
        let shown = format!("{records:?} {found:?}");
        let secret = &text[29..72];
        assert!(
            shown.contains("CI of the shop") && !shown.contains(secret),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_token_that_does_not_add_up_is_refused_without_a_look_at_the_store() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let token = world.token();
        // Any look at it would fail.
        let broken = "ALTER TABLE tokens RENAME TO tokens_elsewhere";
        world
            .database
            .reader()
            .execute_unprepared(broken)
            .await
            .unwrap();
        assert_eq!(clients.code_of(&token).await, Code::Internal);
        let slip = token.replace('_', "-").replacen("pst-", "pst_", 1);
        for wrong in [&token[..80], slip.as_str()] {
            assert_eq!(clients.code_of(wrong).await, Code::Unauthenticated);
        }
    }
}

#[tokio::test]
async fn tokens_are_their_owner_s_affair() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let bob = clients.user("Bob", &["site_power_user"]).await;
        let (token, _) = clients.token(caller(&ada), "ci").await;
        assert_eq!(
            read(&mut clients, caller(&bob), &token.id)
                .await
                .unwrap_err(),
            "UNKNOWN_TOKEN"
        );
        let revoked = clients
            .tokens
            .revoke_token(revoke(caller(&bob), &token.id))
            .await;
        assert_eq!(refusal(revoked), "UNKNOWN_TOKEN");
        let list = ListTokensRequest {
            caller: Some(caller(&bob)),
            user: ada.id.clone(),
            limit: 1,
            ..Default::default()
        };
        assert_eq!(refusal(clients.tokens.list_tokens(list).await), "NO_USER");
        let request = CreateTokenRequest {
            caller: Some(caller(&bob)),
            user: ada.id.clone(),
            name: "stolen".into(),
            ..Default::default()
        };
        assert_eq!(
            refusal(clients.tokens.create_token(request).await),
            "NO_USER"
        );
    }
}

#[tokio::test]
async fn an_administrator_revokes_anyone_s_token_but_the_installed_one() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let (token, text) = clients.token(caller(&ada), "ci").await;
        let found = listed(&mut clients, admin(), "ada@example.org", false).await;
        assert_eq!(found.len(), 1);
        clients
            .tokens
            .revoke_token(revoke(admin(), &token.id))
            .await
            .unwrap();
        clients
            .tokens
            .revoke_token(revoke(admin(), &token.id))
            .await
            .unwrap();
        assert_eq!(clients.code_of(&text).await, Code::Unauthenticated);
        assert!(
            listed(&mut clients, caller(&ada), "", false)
                .await
                .is_empty()
        );
        let ended = listed(&mut clients, caller(&ada), "", true).await;
        assert!(ended.len() == 1 && !ended[0].live && ended[0].revoked_at_ms > 0);
        let installed = listed(&mut clients, admin(), "", false).await;
        let installed = clients
            .tokens
            .revoke_token(revoke(admin(), &installed[0].id))
            .await;
        assert_eq!(refusal(installed), "INSTALLED_TOKEN");
    }
}

#[tokio::test]
async fn names_are_free_again_once_their_token_has_ended() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let (token, _) = clients.token(caller(&ada), "ci").await;
        let again = CreateTokenRequest {
            caller: Some(caller(&ada)),
            name: "ci".into(),
            ..Default::default()
        };
        let taken = clients.tokens.create_token(again.clone()).await;
        assert_eq!(refusal(taken), "TOKEN_NAME_TAKEN");
        clients
            .tokens
            .revoke_token(revoke(caller(&ada), &token.id))
            .await
            .unwrap();
        clients.tokens.create_token(again).await.unwrap();
    }
}

#[tokio::test]
async fn a_user_that_is_not_active_has_no_good_token() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let (_, text) = clients.token(caller(&ada), "ci").await;
        let active = |active| UpdateUserRequest {
            caller: Some(admin()),
            user: ada.id.clone(),
            active: Some(active),
            ..Default::default()
        };
        clients.people.update_user(active(false)).await.unwrap();
        assert_eq!(clients.code_of(&text).await, Code::Unauthenticated);
        let another = CreateTokenRequest {
            caller: Some(admin()),
            user: ada.id.clone(),
            name: "another".into(),
            ..Default::default()
        };
        assert_eq!(
            refusal(clients.tokens.create_token(another).await),
            "USER_INACTIVE"
        );
        clients.people.update_user(active(true)).await.unwrap();
        assert_eq!(clients.code_of(&text).await, Code::Ok);
        let all = RevokeTokensRequest {
            caller: Some(admin()),
            user: ada.id.clone(),
        };
        let revoked = clients.tokens.revoke_tokens(all.clone()).await.unwrap();
        assert_eq!(revoked.into_inner().revoked, 1);
        assert_eq!(clients.code_of(&text).await, Code::Unauthenticated);
        let revoked = clients.tokens.revoke_tokens(all).await.unwrap();
        assert_eq!(revoked.into_inner().revoked, 0);
        let mine = RevokeTokensRequest {
            caller: Some(admin()),
            user: String::new(),
        };
        clients.tokens.revoke_tokens(mine).await.unwrap();
        assert_eq!(
            clients.code_of(&world.token()).await,
            Code::Ok,
            "the installed one stays"
        );
    }
}

#[tokio::test]
async fn a_rotated_token_stays_good_as_long_as_said() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let (old, old_text) = clients.token(caller(&ada), "ci").await;
        let hour = 60 * 60 * 1000;
        let next = clients
            .tokens
            .rotate_token(rotate(caller(&ada), &old.id, hour))
            .await;
        let next = next.unwrap().into_inner();
        let (token, text) = (next.token.unwrap(), next.text);
        assert_eq!(
            (&token.name, &token.scopes, &token.family_id),
            (&old.name, &old.scopes, &old.id)
        );
        for text in [&old_text, &text] {
            assert_eq!(clients.code_of(text).await, Code::Ok);
        }
        let asked = AuthenticateRequest { token: old_text };
        let bearer = clients
            .registry
            .authenticate(asked)
            .await
            .unwrap()
            .into_inner();
        assert!(
            bearer.expires_at_ms <= clock::now_ms() + hour,
            "gateways forget it in time"
        );
        let again = clients
            .tokens
            .rotate_token(rotate(caller(&ada), &old.id, 0))
            .await;
        assert_eq!(refusal(again), "TOKEN_REPLACED");
        let long = clients
            .tokens
            .rotate_token(rotate(caller(&ada), &token.id, 200 * hour))
            .await;
        assert_eq!(refusal(long), "FIELD");
    }
}

#[tokio::test]
async fn a_replaced_token_that_is_shown_again_ends_its_whole_family() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let (_, bystander) = clients.token(caller(&ada), "another").await;
        let (first, first_text) = clients.token(caller(&ada), "ci").await;
        let mut latest = first.id.clone();
        let mut latest_text = first_text.clone();
        for _ in 0..2 {
            let next = clients
                .tokens
                .rotate_token(rotate(caller(&ada), &latest, 0))
                .await;
            let next = next.unwrap().into_inner();
            (latest, latest_text) = (next.token.unwrap().id, next.text);
        }
        assert_eq!(clients.code_of(&latest_text).await, Code::Ok);
        for _ in 0..2 {
            assert_eq!(clients.code_of(&first_text).await, Code::Unauthenticated);
        }
        assert_eq!(clients.code_of(&latest_text).await, Code::Unauthenticated);
        assert_eq!(clients.code_of(&bystander).await, Code::Ok);
        let (last, _) = clients.token(caller(&ada), "ci").await;
        let records = records(&world, ("token", "create", &last.id)).await;
        let reuses: Vec<_> = records.iter().filter(|it| it.action == "reuse").collect();
        assert_eq!(reuses.len(), 1, "it is told once");
        assert_eq!(reuses[0].target_id, first.id);
        assert!(reuses[0].after_json.contains(&latest), "{:?}", reuses[0]);
    }
}

#[tokio::test]
async fn a_token_ends_by_itself_and_is_removed_long_after() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let (token, text) = clients.token(caller(&ada), "ci").await;
        let past = clock::now_ms() - 1;
        let sql = format!(
            "UPDATE tokens SET expires_at_ms = {past} WHERE id = '{}'",
            token.id
        );
        let tx = world.database.begin().await.unwrap();
        tx.execute_unprepared(&sql).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(clients.code_of(&text).await, Code::Unauthenticated);
        let rotated = clients
            .tokens
            .rotate_token(rotate(caller(&ada), &token.id, 0))
            .await;
        assert_eq!(refusal(rotated), "TOKEN_ENDED");
        let vault = crate::vault::Vault::open(&world.config.key, &world.config.key_file).unwrap();
        let store = crate::store::Store::new(world.database.clone(), vault);
        assert!(!store.prune_tokens(past).await.unwrap());
        assert!(read(&mut clients, caller(&ada), &token.id).await.is_ok());
        assert!(!store.prune_tokens(past + 1).await.unwrap());
        let gone = read(&mut clients, caller(&ada), &token.id).await;
        assert_eq!(gone.unwrap_err(), "UNKNOWN_TOKEN");
        assert_eq!(clients.code_of(&world.token()).await, Code::Ok);
    }
}

#[tokio::test]
async fn a_user_has_a_hundred_good_tokens_at_most() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        for number in 0..100 {
            clients
                .token(caller(&ada), &format!("token {number}"))
                .await;
        }
        let one_more = CreateTokenRequest {
            caller: Some(caller(&ada)),
            name: "one more".into(),
            ..Default::default()
        };
        assert_eq!(refusal(clients.tokens.create_token(one_more).await), "FULL");
    }
}
