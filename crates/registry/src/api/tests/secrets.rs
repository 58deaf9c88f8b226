//! Secrets, set and revealed.

use super::*;

#[tokio::test]
async fn a_secret_is_set_and_listed() {
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
        client.put_secret(put("a", "c", b"")).await.unwrap();
        let other = put("other", "b.key", b"three");
        client.put_secret(other).await.unwrap();

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
    }
}

#[tokio::test]
async fn a_secret_is_revealed_until_it_is_removed() {
    for world in World::each().await {
        let mut client = world.registry().await;
        client.put_secret(put("a", "b.key", b"two")).await.unwrap();
        client.put_secret(put("a", "c", b"\0\xff")).await.unwrap();
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
            caller: None,
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

#[tokio::test]
async fn who_sees_to_secrets_changes_them_and_each_change_is_told() {
    use super::tools::{told, user};
    for world in World::each().await {
        let mut client = world.registry().await;
        let by = |role: &str, account: &str| PutSecretRequest {
            caller: Some(user("ann", role)),
            ..put(account, "key", b"hunter2")
        };
        for denied in [
            by("site_user", "a"),
            by("site_power_user", "a"),
            by("auditor", "a"),
            by("site_administrator", "b"),
        ] {
            let refused = client.put_secret(denied).await.unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied);
        }
        let keeper = by("security_manager", "a");
        client.put_secret(keeper.clone()).await.unwrap();
        client.put_secret(keeper.clone()).await.unwrap();
        let gone = DeleteSecretRequest {
            account: "a".into(),
            name: "key".into(),
            actor: None,
            caller: keeper.caller,
        };
        client.delete_secret(gone).await.unwrap();
        let told = told(&world, 3).await;
        let actions: Vec<_> = told.iter().map(|it| it.action.as_str()).collect();
        assert_eq!(actions, ["create", "update", "delete"]);
        assert!(
            told.iter()
                .all(|it| it.r#type == "secret" && it.target_name == "key")
        );
        assert!(told.iter().all(|it| it.after_json.is_empty()));
    }
}
