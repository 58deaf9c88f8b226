//! Users: who may make, see and change them.

use contracts::message::UserChanged;
use contracts::registry::{ListUsersRequest, ReadUserRequest, SiteRoles, UpdateUserRequest};

use super::*;

fn change(caller: Caller, user: &str) -> UpdateUserRequest {
    UpdateUserRequest {
        caller: Some(caller),
        user: user.into(),
        ..Default::default()
    }
}

fn roles(names: &[&str]) -> SiteRoles {
    let names = names.iter().map(|it| (*it).to_owned()).collect();
    SiteRoles { names }
}

async fn users(clients: &mut Clients, caller: Caller, after: i64, limit: u32) -> Vec<String> {
    let request = ListUsersRequest {
        caller: Some(caller),
        after,
        limit,
    };
    let listed = clients.people.list_users(request).await.unwrap();
    listed
        .into_inner()
        .users
        .into_iter()
        .map(|it| it.name)
        .collect()
}

async fn read(clients: &mut Clients, caller: Caller, user: &str) -> Result<User, String> {
    let request = ReadUserRequest {
        caller: Some(caller),
        user: user.into(),
    };
    match clients.people.read_user(request).await {
        Ok(answer) => Ok(answer.into_inner().user.unwrap()),
        Err(status) => Err(runtime::fault::reason(&status).unwrap_or_default()),
    }
}

#[tokio::test]
async fn an_administrator_makes_users_and_everyone_sees_itself() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let bob = clients.user("Bob", &["site_power_user"]).await;
        assert_eq!((ada.number, bob.number), (2, 3));
        assert_eq!(ada.roles, ["site_user"]);
        assert!(ada.active && !ada.has_password && !ada.installed);
        assert_eq!(
            users(&mut clients, admin(), 0, 10).await,
            ["admin", "Ada", "Bob"]
        );
        assert_eq!(users(&mut clients, caller(&bob), 2, 10).await, ["Bob"]);
        assert_eq!(users(&mut clients, admin(), 0, 1).await, ["admin"]);
        for (whom, text) in [(&ada, ""), (&ada, "me"), (&bob, "ADA@example.org")] {
            let found = read(&mut clients, caller(whom), text).await.unwrap();
            assert_eq!(found.name, "Ada");
        }
        for text in [bob.id.as_str(), "bob@example.org", "nobody@example.org"] {
            let found = read(&mut clients, caller(&ada), text).await;
            assert_eq!(found.unwrap_err(), "NO_USER", "{text}");
        }
        let request = ListUsersRequest {
            caller: Some(caller(&ada)),
            limit: 10,
            ..Default::default()
        };
        assert_eq!(refusal(clients.people.list_users(request).await), "DENIED");
        let records = records(&world, ("user", "create", &bob.id)).await;
        let record = records.last().unwrap();
        assert_eq!(record.account, "default");
        assert_eq!(record.target_name, "Bob");
        assert_eq!(record.r#use.as_ref().unwrap().id, "use");
        assert!(record.before_json.is_empty());
        assert!(record.after_json.contains("bob@example.org"));
        assert_eq!(heard::<UserChanged>(&world).await.user_id, ada.id);
    }
}

#[tokio::test]
async fn an_address_belongs_to_one_user_of_an_account_whatever_its_case() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let again = CreateUserRequest {
            caller: Some(admin()),
            name: "Another".into(),
            email: "ADA@Example.org".into(),
            ..Default::default()
        };
        let made = clients.people.create_user(again.clone()).await;
        assert_eq!(refusal(made), "EMAIL_TAKEN");
        let bob = clients.user("Bob", &[]).await;
        assert_eq!(bob.number, 3, "a refused user took no number");
        let taken = UpdateUserRequest {
            email: Some("aDa@example.org".into()),
            ..change(admin(), &bob.id)
        };
        assert_eq!(
            refusal(clients.people.update_user(taken).await),
            "EMAIL_TAKEN"
        );
        let elsewhere = CreateUserRequest {
            account: "other".into(),
            ..again
        };
        let made = clients.people.create_user(elsewhere).await.unwrap();
        assert_eq!(made.into_inner().user.unwrap().account, "other");
        let nobody_s = CreateUserRequest {
            caller: Some(admin()),
            name: "Nobody".into(),
            ..Default::default()
        };
        assert_eq!(
            refusal(clients.people.create_user(nobody_s.clone()).await),
            "FIELD"
        );
        let service = CreateUserRequest {
            kind: "service".into(),
            ..nobody_s
        };
        clients.people.create_user(service).await.unwrap();
        let mine = UpdateUserRequest {
            name: Some("Ada L.".into()),
            ..change(caller(&ada), "me")
        };
        clients.people.update_user(mine).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_crosses_an_account() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &["site_administrator"]).await;
        let other = CreateUserRequest {
            caller: Some(admin()),
            name: "Eve".into(),
            email: "eve@example.org".into(),
            roles: vec!["site_administrator".into()],
            account: "other".into(),
            ..Default::default()
        };
        let crossing = CreateUserRequest {
            caller: Some(caller(&ada)),
            email: "x@example.org".into(),
            ..other.clone()
        };
        assert_eq!(
            refusal(clients.people.create_user(crossing).await),
            "DENIED"
        );
        let eve = clients.people.create_user(other).await.unwrap();
        let eve = eve.into_inner().user.unwrap();
        assert_eq!(users(&mut clients, caller(&eve), 0, 10).await, ["Eve"]);
        assert!(read(&mut clients, caller(&eve), &ada.id).await.is_err());
        assert!(read(&mut clients, admin(), &eve.id).await.is_err());
        let stop = UpdateUserRequest {
            active: Some(false),
            ..change(caller(&eve), &ada.id)
        };
        assert_eq!(refusal(clients.people.update_user(stop).await), "NO_USER");
        // The way into a new account is a token of its first administrator.
        let first = CreateTokenRequest {
            caller: Some(admin()),
            user: eve.id.clone(),
            name: "first".into(),
            account: "other".into(),
            ..Default::default()
        };
        let crossing = CreateTokenRequest {
            caller: Some(caller(&ada)),
            ..first.clone()
        };
        assert_eq!(
            refusal(clients.tokens.create_token(crossing).await),
            "DENIED"
        );
        let made = clients
            .tokens
            .create_token(first)
            .await
            .unwrap()
            .into_inner();
        let asked = AuthenticateRequest { token: made.text };
        let bearer = clients
            .registry
            .authenticate(asked)
            .await
            .unwrap()
            .into_inner();
        assert_eq!((bearer.account.as_str(), bearer.user_id), ("other", eve.id));
    }
}

#[tokio::test]
async fn no_account_loses_its_last_administrator() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let other = CreateUserRequest {
            caller: Some(admin()),
            name: "Eve".into(),
            email: "eve@example.org".into(),
            roles: vec!["site_administrator".into()],
            account: "other".into(),
            ..Default::default()
        };
        let eve = clients.people.create_user(other).await.unwrap();
        let eve = eve.into_inner().user.unwrap();
        let off = UpdateUserRequest {
            active: Some(false),
            ..change(caller(&eve), "me")
        };
        let low = UpdateUserRequest {
            roles: Some(roles(&["site_user"])),
            ..change(caller(&eve), "me")
        };
        for step_down in [&off, &low] {
            let refused = clients.people.update_user(step_down.clone()).await;
            assert_eq!(refusal(refused), "LAST_ADMINISTRATOR");
        }
        let second = CreateUserRequest {
            caller: Some(caller(&eve)),
            name: "Mallory".into(),
            email: "mallory@example.org".into(),
            roles: vec!["site_administrator".into()],
            ..Default::default()
        };
        clients.people.create_user(second).await.unwrap();
        clients.people.update_user(low).await.unwrap();
        // The installed one stays whatever happens.
        for step_down in [off, change(admin(), "me")] {
            let off = UpdateUserRequest {
                caller: Some(admin()),
                active: Some(false),
                ..step_down
            };
            assert_eq!(refusal(clients.people.update_user(off).await), "DENIED");
        }
    }
}

#[tokio::test]
async fn of_two_administrators_who_dismiss_each_other_one_stays() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let mut made = Vec::new();
        for name in ["Eve", "Mallory"] {
            let request = CreateUserRequest {
                caller: Some(admin()),
                name: name.into(),
                email: format!("{name}@example.org"),
                roles: vec!["site_administrator".into()],
                account: "other".into(),
                ..Default::default()
            };
            let user = clients.people.create_user(request).await.unwrap();
            made.push(user.into_inner().user.unwrap());
        }
        let dismiss = |who: &User, whom: &User| {
            let mut people = clients.people.clone();
            let request = UpdateUserRequest {
                active: Some(false),
                ..change(caller(who), &whom.id)
            };
            async move { people.update_user(request).await.is_ok() }
        };
        let (one, two) = (dismiss(&made[0], &made[1]), dismiss(&made[1], &made[0]));
        let (one, two) = tokio::join!(one, two);
        assert!(one != two, "{one} {two}");
    }
}

#[tokio::test]
async fn a_change_is_recorded_with_both_sides_and_without_the_password() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let changed = UpdateUserRequest {
            name: Some("Ada L.".into()),
            password: Some("correct horse battery".into()),
            ..change(admin(), "ada@example.org")
        };
        let user = clients.people.update_user(changed.clone()).await.unwrap();
        let user = user.into_inner().user.unwrap();
        assert_eq!((user.name.as_str(), user.has_password), ("Ada L.", true));
        let nothing = UpdateUserRequest {
            name: Some("Ada L.".into()),
            ..change(admin(), &ada.id)
        };
        clients.people.update_user(nothing).await.unwrap();
        let bob = clients.user("Bob", &[]).await;
        let records = records(&world, ("user", "create", &bob.id)).await;
        let actions: Vec<&str> = records.iter().map(|it| it.action.as_str()).collect();
        assert_eq!(
            actions,
            ["create", "update", "create"],
            "what is so already is no change"
        );
        let (before, after) = (&records[1].before_json, &records[1].after_json);
        assert!(
            before.contains("\"Ada\"") && after.contains("\"Ada L.\""),
            "{after}"
        );
        assert!(after.contains("passwordChanged"), "{after}");
        let shown = format!("{records:?} {changed:?}");
        assert!(
            !shown.contains("correct horse") && !shown.contains("argon2"),
            "{shown}"
        );
    }
}
