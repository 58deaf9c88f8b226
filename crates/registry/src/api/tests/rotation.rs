//! The key of the secrets is changed while everything goes on.

use contracts::message::Caller;
use contracts::registry::vault_client::VaultClient;
use contracts::registry::{GetVaultStatusRequest, RotateKeyRequest, VaultStatus};
use runtime::Progress;
use serde_json::json;

use super::tools::{ada, jenkins, make, told, user};
use super::*;
use crate::rotation;
use crate::store::{Pass, Store};
use crate::vault::Vault;

fn administrator() -> Caller {
    user("root", "site_administrator")
}

async fn status(vault: &mut VaultClient<Route>) -> VaultStatus {
    let caller = Some(administrator());
    let asked = vault.get_vault_status(GetVaultStatusRequest { caller });
    asked.await.unwrap().into_inner()
}

fn store(world: &World) -> Store {
    let vault = Vault::open(&world.config.key, &world.config.key_file).unwrap();
    Store::new(world.database.clone(), vault)
}

fn is_sqlite(world: &World) -> bool {
    world.database.reader().get_database_backend() == sea_orm::DatabaseBackend::Sqlite
}

/// Two and a half batches, and the secret of a tool.
async fn fill(world: &World) -> Client {
    let mut registry = world.registry().await;
    for number in 0..250 {
        let name = format!("k{number}");
        registry
            .put_secret(put("a", &name, name.as_bytes()))
            .await
            .unwrap();
    }
    let mut said = jenkins("CI");
    said["configuration"]["password"] = json!("p");
    make(&mut world.tools().await, ada(), said).await.unwrap();
    registry
}

async fn assert_all_open(registry: &mut Client) {
    let names: Vec<String> = (0..250).map(|number| format!("k{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let values = registry.reveal_secrets(reveal("a", &names)).await.unwrap();
    let values = values.into_inner().values;
    assert!(values.iter().all(|(name, value)| name.as_bytes() == value));
}

#[tokio::test]
async fn a_new_key_seals_everything_again_while_secrets_are_used() {
    for world in World::each().await.into_iter().filter(is_sqlite) {
        let mut registry = fill(&world).await;
        let mut vault = VaultClient::new(world.route().await);
        let before = status(&mut vault).await;
        assert_eq!((before.left, before.earlier_key_ids.len()), (0, 0));
        let caller = Some(administrator());
        let begun = vault.rotate_key(RotateKeyRequest { caller }).await;
        let begun = begun.unwrap().into_inner();
        assert_ne!(begun.key_id, before.key_id);
        registry.put_secret(put("a", "k7", b"k7")).await.unwrap();
        let done = loop {
            let status = status(&mut vault).await;
            if status.earlier_key_ids.is_empty() {
                break status;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((done.left, &done.key_id), (0, &begun.key_id));
        let told = told(&world, 2).await;
        let mut rotated = told.iter().filter(|it| it.action == "rotate-key");
        let rotated = rotated
            .next()
            .unwrap_or_else(|| panic!("not told: {told:?}"));
        assert_eq!(rotated.target_id, begun.key_id);
        // Another process knows the new key alone, and that is enough.
        assert_eq!(
            std::fs::read_to_string(&world.config.key_file)
                .unwrap()
                .lines()
                .count(),
            1
        );
        assert_all_open(&mut world.registry().await).await;
    }
}

#[tokio::test]
async fn a_rotation_that_was_killed_between_batches_is_finished_by_the_next_start() {
    for world in World::each().await.into_iter().filter(is_sqlite) {
        fill(&world).await;
        // This store stands for the process that is killed: nothing of it but its rows and its
        // file is left after two batches.
        let killed = store(&world);
        let caller = administrator();
        killed.renew_key(&caller, 1).await.unwrap();
        let mut pass = Pass::default();
        for _ in 0..2 {
            assert_eq!(killed.seal_again(&mut pass).await.unwrap(), Progress::More);
        }
        let left = killed.keys(&caller).await.unwrap().left;
        assert!((1..250).contains(&left), "{left}");
        drop(killed);

        let next = store(&world);
        let begun = next.keys(&caller).await.unwrap();
        assert_eq!((begun.earlier.len(), begun.left), (1, left));
        rotation::pass(&next).await.unwrap();
        let done = next.keys(&caller).await.unwrap();
        assert_eq!((done.earlier.len(), done.left), (0, 0));
        assert_eq!(done.current, begun.current, "it made no third key");
        assert_all_open(&mut world.registry().await).await;
    }
}

#[tokio::test]
async fn keys_that_are_given_are_changed_by_whoever_gave_them() {
    for mut world in World::each().await {
        let keys = [hex::encode([1; 32]), hex::encode([2; 32])];
        world.config.key = Secret::new(keys[0].clone());
        fill(&world).await;
        let mut vault = VaultClient::new(world.route().await);
        let caller = Some(administrator());
        let refused = vault
            .rotate_key(RotateKeyRequest { caller })
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(
            refused.message().contains("present,new"),
            "{}",
            refused.message()
        );
        // First all accept the new key, then it seals.
        world.config.key = Secret::new(format!("{},{}", keys[0], keys[1]));
        assert_all_open(&mut world.registry().await).await;
        world.config.key = Secret::new(format!("{},{}", keys[1], keys[0]));
        rotation::pass(&store(&world)).await.unwrap();
        assert_eq!(store(&world).keys(&administrator()).await.unwrap().left, 0);
        world.config.key = Secret::new(keys[1].clone());
        assert_all_open(&mut world.registry().await).await;
    }
}

#[tokio::test]
async fn a_damaged_value_keeps_its_key() {
    use sea_orm::ConnectionTrait as _;
    for world in World::each().await.into_iter().filter(is_sqlite) {
        fill(&world).await;
        let tx = world.database.begin().await.unwrap();
        let sql = "UPDATE secrets SET sealed = x'00' WHERE name = 'k5'";
        tx.execute_unprepared(sql).await.unwrap();
        tx.commit().await.unwrap();
        let (store, caller) = (store(&world), administrator());
        store.renew_key(&caller, 1).await.unwrap();
        rotation::pass(&store).await.unwrap();
        let keys = store.keys(&caller).await.unwrap();
        assert_eq!((keys.left, keys.earlier.len()), (1, 1));
    }
}

#[tokio::test]
async fn the_key_is_for_administrators() {
    for world in World::each().await {
        let mut vault = VaultClient::new(world.route().await);
        for role in [
            "site_user",
            "site_power_user",
            "security_manager",
            "auditor",
        ] {
            let caller = Some(user("eve", role));
            let refused = vault
                .rotate_key(RotateKeyRequest { caller })
                .await
                .unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied, "{role}");
        }
    }
}
