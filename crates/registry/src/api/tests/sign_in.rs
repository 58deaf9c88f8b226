//! Signing in with a password, and changing it.

use contracts::registry::{AuthenticateResponse, UpdateUserRequest, VerifyPasswordRequest};

use super::*;

const PASSWORD: &str = "correct horse battery";

async fn sign_in(
    clients: &mut Clients,
    login: &str,
    password: &str,
) -> Result<AuthenticateResponse, String> {
    let request = VerifyPasswordRequest {
        login: login.into(),
        password: password.into(),
        address: "10.0.0.7".into(),
        ..Default::default()
    };
    match clients.people.verify_password(request).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(runtime::fault::reason(&status).unwrap_or_default()),
    }
}

async fn ada(clients: &mut Clients) -> User {
    let request = CreateUserRequest {
        caller: Some(admin()),
        name: "Ada".into(),
        email: "ada@example.org".into(),
        password: PASSWORD.into(),
        ..Default::default()
    };
    let made = clients.people.create_user(request).await.unwrap();
    made.into_inner().user.unwrap()
}

#[tokio::test]
async fn a_user_signs_in_by_address_or_name_and_nobody_else_does() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let user = ada(&mut clients).await;
        for login in ["ADA@example.org", "Ada"] {
            let bearer = sign_in(&mut clients, login, PASSWORD).await.unwrap();
            assert_eq!(bearer.user_id, user.id);
            assert_eq!(bearer.scopes, ["api"]);
            assert_eq!(bearer.token_id, "");
        }
        for (login, password) in [
            ("Ada", "correct horse batterz"),
            ("Ada", ""),
            ("nobody", PASSWORD),
            ("admin", ""),
            ("admin", PASSWORD),
            ("", ""),
        ] {
            let refused = sign_in(&mut clients, login, password).await;
            assert_eq!(refused.unwrap_err(), "SIGN_IN", "{login}");
        }
        let off = UpdateUserRequest {
            caller: Some(admin()),
            user: user.id,
            active: Some(false),
            ..Default::default()
        };
        clients.people.update_user(off).await.unwrap();
        assert_eq!(
            sign_in(&mut clients, "Ada", PASSWORD).await.unwrap_err(),
            "SIGN_IN"
        );
    }
}

#[tokio::test]
async fn failed_sign_ins_are_limited_even_for_the_right_password() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        ada(&mut clients).await;
        for _ in 0..10 {
            let refused = sign_in(&mut clients, "Ada", "wrong and long enough").await;
            assert_eq!(refused.unwrap_err(), "SIGN_IN");
        }
        assert_eq!(
            sign_in(&mut clients, "ada", PASSWORD).await.unwrap_err(),
            "SIGN_INS"
        );
        let by_address = sign_in(&mut clients, "ada@example.org", PASSWORD).await;
        assert!(by_address.is_ok(), "another login is counted apart");
    }
}

#[tokio::test]
async fn who_changes_its_own_password_knows_it() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let user = ada(&mut clients).await;
        let change = |current: &str, new: &str| UpdateUserRequest {
            caller: Some(caller(&user)),
            password: Some(new.into()),
            current_password: current.into(),
            ..Default::default()
        };
        for current in ["", "wrong and long enough"] {
            let refused = clients
                .people
                .update_user(change(current, "another good one"))
                .await;
            assert_eq!(refusal(refused), "CURRENT_PASSWORD");
        }
        for weak in ["short", "ada@example.org"] {
            let refused = clients.people.update_user(change(PASSWORD, weak)).await;
            assert_eq!(refusal(refused), "FIELD", "{weak}");
        }
        clients
            .people
            .update_user(change(PASSWORD, "another good one"))
            .await
            .unwrap();
        assert!(sign_in(&mut clients, "Ada", PASSWORD).await.is_err());
        assert!(
            sign_in(&mut clients, "Ada", "another good one")
                .await
                .is_ok()
        );
    }
}
