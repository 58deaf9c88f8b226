//! Users as systems outside know them.

use contracts::message::UserChanged;
use contracts::registry::identities_client::IdentitiesClient;
use contracts::registry::{
    FindIdentityRequest, InstallIdentitiesRequest, ListIdentitiesRequest, NewIdentity,
    PutIdentityRequest, UpdateUserRequest, VerifyPasswordRequest,
};
use runtime::Route;

use super::{Clients, admin, caller, heard, records, refusal};
use crate::testing::World;

type Client = IdentitiesClient<Route>;

fn find(user: &str, actor: &str) -> FindIdentityRequest {
    FindIdentityRequest {
        account: "default".into(),
        user: user.into(),
        actor: actor.into(),
    }
}

fn put(external_id: &str, roles: &[&str]) -> PutIdentityRequest {
    PutIdentityRequest {
        caller: Some(admin()),
        external_id: external_id.into(),
        full_name: "NASES".into(),
        roles: roles.iter().map(|it| (*it).to_owned()).collect(),
        actor_external_id: "1DC6DFC0".into(),
        actor_name: "Andrej".into(),
    }
}

fn install(names: &[(&str, &str)]) -> InstallIdentitiesRequest {
    let identity = |(name, role): &(&str, &str)| NewIdentity {
        name: (*name).into(),
        roles: vec![(*role).into()],
    };
    InstallIdentitiesRequest {
        account: "default".into(),
        identities: names.iter().map(identity).collect(),
    }
}

#[tokio::test]
async fn a_user_that_another_system_names_is_made_once_and_given_new_roles() {
    for world in World::each().await {
        let mut client = Client::new(world.route().await);
        let made = client
            .put_identity(put("1AE84104", &["User", "Nobody"]))
            .await;
        let made = made.unwrap().into_inner();
        let user = made.identity.unwrap();
        assert!(made.created && user.active);
        assert_eq!(
            (user.name.as_str(), user.roles.join(",").as_str()),
            ("NASES", "site_user")
        );
        assert_eq!(user.actor_external_id, "1DC6DFC0");
        let again = PutIdentityRequest {
            full_name: "Another name".into(),
            ..put("1AE84104", &["Administrator"])
        };
        let again = client.put_identity(again).await.unwrap().into_inner();
        let after = again.identity.unwrap();
        assert!(!again.created);
        assert_eq!(
            (after.user_id, after.name.as_str()),
            (user.user_id.clone(), "NASES")
        );
        assert_eq!(after.roles, ["site_administrator"]);
        let found = client.find_identity(find("1AE84104", "1DC6DFC0")).await;
        let found = found.unwrap().into_inner();
        assert_eq!(found.actor, "1DC6DFC0");
        let records = records(&world, ("user", "update", &user.user_id)).await;
        let actions: Vec<_> = records.iter().map(|it| it.action.as_str()).collect();
        assert_eq!(actions, ["create", "update"]);
    }
}

#[tokio::test]
async fn only_administrators_name_users_and_none_loses_the_last_of_them() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &["site_user"]).await;
        let mut client = Client::new(world.route().await);
        let refused = PutIdentityRequest {
            caller: Some(caller(&ada)),
            ..put("x", &["User"])
        };
        assert_eq!(refusal(client.put_identity(refused).await), "DENIED");
        // The installed administrator is the user of this external id.
        let lower = put("admin", &["User"]);
        assert_eq!(refusal(client.put_identity(lower).await), "DENIED");
        let made = client
            .put_identity(put("vendor", &["opsera_administrator"]))
            .await;
        assert!(
            made.unwrap()
                .into_inner()
                .identity
                .unwrap()
                .roles
                .is_empty()
        );
        assert_eq!(refusal(client.put_identity(put("", &[])).await), "FIELD");
    }
}

#[tokio::test]
async fn users_that_are_expected_are_installed_once() {
    for world in World::each().await {
        let mut client = Client::new(world.route().await);
        let wanted = [("master", "site_administrator"), ("admin", "site_user")];
        let both = client.install_identities(install(&wanted)).await.unwrap();
        let both = both.into_inner().identities;
        assert_eq!(both[0].roles, ["site_administrator"]);
        assert!(
            both[1].roles.contains(&"opsera_administrator".to_owned()),
            "as it was"
        );
        assert_eq!(heard::<UserChanged>(&world).await.user_id, both[0].user_id);
        let (mut one, mut two) = (client.clone(), Client::new(world.route().await));
        let (one, two) = tokio::join!(
            one.install_identities(install(&[("user", "site_user")])),
            two.install_identities(install(&[("user", "site_user")])),
        );
        let id = |it: Result<tonic::Response<_>, tonic::Status>| {
            let it: contracts::registry::ListIdentitiesResponse = it.unwrap().into_inner();
            it.identities[0].user_id.clone()
        };
        assert_eq!(id(one), id(two));
    }
}

#[tokio::test]
async fn a_user_without_an_external_id_is_known_by_its_name() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let ada = clients.user("Ada", &[]).await;
        let mut client = Client::new(world.route().await);
        let found = client.find_identity(find("Ada", "nobody")).await;
        let found = found.unwrap().into_inner();
        let identity = found.identity.unwrap();
        assert_eq!(
            (identity.user_id, identity.external_id.as_str()),
            (ada.id.clone(), "Ada")
        );
        assert_eq!(found.actor, "");
        for nobody in ["Bob", "", "a\0b"] {
            let refused = client.find_identity(find(nobody, "")).await;
            assert_eq!(refusal(refused), "NO_USER", "{nobody:?}");
        }
        let list = ListIdentitiesRequest {
            account: "default".into(),
            user_ids: vec![ada.id.clone(), "system".into()],
        };
        let listed = client.list_identities(list).await.unwrap().into_inner();
        assert_eq!(listed.identities.len(), 1);
    }
}

#[tokio::test]
async fn one_signs_in_by_an_external_id() {
    for world in World::each().await {
        let mut clients = Clients::of(&world).await;
        let mut client = Client::new(world.route().await);
        let made = client
            .put_identity(put("1AE84104", &["User"]))
            .await
            .unwrap();
        let user = made.into_inner().identity.unwrap();
        let password = UpdateUserRequest {
            caller: Some(admin()),
            user: user.user_id.clone(),
            password: Some("correct horse battery".into()),
            ..Default::default()
        };
        clients.people.update_user(password).await.unwrap();
        let sign_in = VerifyPasswordRequest {
            login: "1AE84104".into(),
            password: "correct horse battery".into(),
            ..Default::default()
        };
        let bearer = clients.people.verify_password(sign_in).await.unwrap();
        assert_eq!(bearer.into_inner().user_id, user.user_id);
    }
}
