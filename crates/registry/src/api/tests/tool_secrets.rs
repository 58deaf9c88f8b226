//! The secrets of tools: they come in, and out for the step of a run alone.

use std::fmt::Write as _;

use contracts::message::Caller;
use contracts::registry::{ResolveToolRequest, ResolveToolResponse};
use serde_json::{Value, json};

use super::tools::{Tools, ada, change, delete, document, jenkins, make, named, read, told, user};
use super::*;

const CANARY: &str = "canary/\"+3f9a";

async fn resolve(
    tools: &mut Tools,
    caller: Caller,
    tool: &str,
) -> Result<ResolveToolResponse, tonic::Status> {
    resolve_with(tools, caller, tool, "").await
}

async fn resolve_with(
    tools: &mut Tools,
    caller: Caller,
    tool: &str,
    connector: &str,
) -> Result<ResolveToolResponse, tonic::Status> {
    let request = ResolveToolRequest {
        connector: connector.into(),
        caller: Some(caller),
        tool: Some(named(tool)),
        run_id: "5fd56d90979ee048ee660aaa".into(),
        step_id: "build".into(),
    };
    tools
        .resolve_tool(request)
        .await
        .map(tonic::Response::into_inner)
}

fn with_password(value: &Value) -> Value {
    json!({"configuration": {"jenkinsUrl": "u", "password": value}})
}

async fn rows(world: &World) -> i64 {
    use sea_orm::{ConnectionTrait as _, Statement};
    let reader = world.database.reader();
    let sql = "SELECT count(*) AS number FROM tool_secrets";
    let statement = Statement::from_string(reader.get_database_backend(), sql);
    let row = reader.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get("", "number").unwrap()
}

#[tokio::test]
async fn a_secret_is_kept_in_the_vault_and_told_to_a_step_alone() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        let made = make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        let said = with_password(&json!(CANARY));
        let changed = change(&mut tools, ada(), "CI", said).await.unwrap();
        let key = format!("{}-jenkins-configuration.password", made.id);
        let reference = json!({"name": "Vault Secured Key", "vaultKey": key});
        assert_eq!(document(&changed)["configuration"]["password"], reference);

        let resolved = resolve(&mut tools, ada(), "CI").await.unwrap();
        let configuration: Value = serde_json::from_str(&resolved.configuration_json).unwrap();
        assert_eq!(
            configuration,
            json!({"jenkinsUrl": "u", "password": CANARY})
        );
        assert_eq!(resolved.secrets, [CANARY]);
        assert!(!resolved.document_json.contains("canary"));

        let told = told(&world, 3).await.pop().unwrap();
        assert_eq!((&*told.r#type, &*told.action), ("secret", "reveal"));
        assert_eq!((&*told.target_id, &*told.target_name), (&*made.id, "CI"));
        assert!(told.after_json.contains(&key) && told.after_json.contains("build"));
        assert_eq!(told.actor.unwrap().name, "ada");
    }
}

#[tokio::test]
async fn of_a_tool_that_a_consumer_serves_nothing_is_revealed() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        change(&mut tools, ada(), "CI", with_password(&json!(CANARY)))
            .await
            .unwrap();
        let asked = resolve_with(&mut tools, ada(), "CI", "KAFKA")
            .await
            .unwrap();
        let said = json!({"connector": "kafka"});
        change(&mut tools, ada(), "CI", said).await.unwrap();
        let own = resolve(&mut tools, ada(), "CI").await.unwrap();
        for resolved in [asked, own] {
            assert!(resolved.secrets.is_empty());
            assert!(resolved.configuration_json.contains("vaultKey"));
            assert!(!resolved.configuration_json.contains("canary"));
            assert_eq!(resolved.connector.to_lowercase(), "kafka");
        }
        let inside = resolve_with(&mut tools, ada(), "CI", "jenkins")
            .await
            .unwrap();
        assert_eq!((&*inside.connector, inside.secrets.len()), ("jenkins", 1));
        let told = told(&world, 4).await;
        let reveals = told.iter().filter(|it| it.action == "reveal");
        assert_eq!(reveals.count(), 1, "{told:?}");
    }
}

#[tokio::test]
async fn a_secret_stays_changes_and_goes_with_its_reference() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        let first = change(&mut tools, ada(), "CI", with_password(&json!("one")))
            .await
            .unwrap();
        // A script sends back what it was given.
        let reference = document(&first)["configuration"]["password"].clone();
        let again = change(&mut tools, ada(), "CI", with_password(&reference))
            .await
            .unwrap();
        assert_eq!(again, first);
        let resolved = resolve(&mut tools, ada(), "CI").await.unwrap();
        assert_eq!(resolved.secrets, ["one"]);
        let second = change(&mut tools, ada(), "CI", with_password(&json!("two")))
            .await
            .unwrap();
        assert_eq!((second.revision, rows(&world).await), (3, 1));
        assert_eq!(
            resolve(&mut tools, ada(), "CI").await.unwrap().secrets,
            ["two"]
        );
        let third = change(&mut tools, ada(), "CI", with_password(&json!("")))
            .await
            .unwrap();
        assert_eq!(document(&third)["configuration"]["password"], json!({}));
        assert_eq!(rows(&world).await, 0);
        change(&mut tools, ada(), "CI", with_password(&json!("four")))
            .await
            .unwrap();
        delete(&mut tools, ada(), "CI").await.unwrap();
        assert_eq!(rows(&world).await, 0);
    }
}

#[tokio::test]
async fn no_tool_refers_to_anothers_secret() {
    for world in World::each().await {
        let (mut tools, mut registry) = (world.tools().await, world.registry().await);
        registry
            .put_secret(put("a", "shop-password", b"x"))
            .await
            .unwrap();
        make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        let first = change(&mut tools, ada(), "CI", with_password(&json!("one")))
            .await
            .unwrap();
        let reference = document(&first)["configuration"]["password"].clone();
        make(&mut tools, ada(), jenkins("other")).await.unwrap();
        for foreign in [
            reference,
            json!({"name": "Vault Secured Key", "vaultKey": "shop-password"}),
        ] {
            let said = with_password(&foreign);
            let refused = change(&mut tools, ada(), "other", said).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            let mut copy = jenkins("copy");
            copy["configuration"]["token"] = foreign;
            assert!(make(&mut tools, ada(), copy).await.is_err());
        }
        // A user's secret of the same name is another one.
        let name = format!("{}-jenkins-configuration.password", first.id);
        registry.put_secret(put("a", &name, b"y")).await.unwrap();
        assert_eq!(
            resolve(&mut tools, ada(), "CI").await.unwrap().secrets,
            ["one"]
        );
    }
}

#[tokio::test]
async fn a_tool_is_resolved_for_those_who_may_use_it() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        let made = make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        let rules = json!({"roles": [{"role": "user", "user": "uma@a.example"},
            {"role": "guest", "user": "gus@a.example"}]});
        change(&mut tools, ada(), "CI", rules).await.unwrap();
        for (caller, code) in [
            (user("uma", "site_user"), Code::Ok),
            (user("gus", "site_user"), Code::PermissionDenied),
            (user("joe", "site_user"), Code::NotFound),
        ] {
            let resolved = resolve(&mut tools, caller, &made.id).await;
            assert_eq!(resolved.map_or_else(|it| it.code(), |_| Code::Ok), code);
        }
        change(&mut tools, ada(), "CI", json!({"active": false}))
            .await
            .unwrap();
        let refused = resolve(&mut tools, ada(), "CI").await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
    }
}

#[tokio::test]
async fn the_reveal_of_secrets_leaves_a_record() {
    for world in World::each().await {
        let mut registry = world.registry().await;
        registry.put_secret(put("a", "k1", b"v")).await.unwrap();
        registry.put_secret(put("a", "k2", b"v")).await.unwrap();
        let mut asked = reveal("a", &["k1", "k2"]);
        asked.run_id = "5fd56d90979ee048ee660aaa".into();
        asked.actor = ada().actor;
        registry.reveal_secrets(asked.clone()).await.unwrap();
        asked.actor = None;
        registry.reveal_secrets(asked).await.unwrap();
        let told = told(&world, 2).await;
        assert_eq!(
            (&*told[0].action, &*told[0].target_id),
            ("reveal", "5fd56d90979ee048ee660aaa")
        );
        assert!(told[0].after_json.contains(r#"["k1","k2"]"#));
        let who = |at: usize| told[at].actor.as_ref().unwrap().user_id.as_str();
        assert_eq!((who(0), who(1)), ("ada-id", "system"));
        let refused = registry.reveal_secrets(reveal("a", &["k1", "none"])).await;
        assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    }
}

/// In answers, refusals, what is told, and every file.
#[tokio::test]
async fn the_value_of_a_tools_secret_is_found_nowhere() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        let mut said = jenkins("CI");
        said["configuration"]["password"] = json!(CANARY);
        said["accounts"] = json!([{"deep": {"apiToken": CANARY}}]);
        said["extra"] = json!({"clientSecret": CANARY});
        let mut seen = String::new();
        let _ = write!(seen, "{:?}", make(&mut tools, ada(), said.clone()).await);
        let _ = write!(
            seen,
            "{:?}",
            change(&mut tools, ada(), "CI", said.clone()).await
        );
        let _ = write!(seen, "{:?}", read(&mut tools, ada(), "CI").await);
        let _ = write!(seen, "{:?}", resolve(&mut tools, ada(), "CI").await);
        for wrong in [
            json!({"configuration": {"password": {"x": CANARY}}}),
            json!({"configuration": {"password": {"vaultKey": CANARY}}}),
            json!({"name": "", "configuration": {"password": CANARY}}),
        ] {
            let refused = change(&mut tools, ada(), "CI", wrong).await.unwrap_err();
            let _ = write!(seen, "{refused:?}");
        }
        let _ = write!(seen, "{:?}", told(&world, 3).await);
        assert!(
            seen.contains("Vault Secured Key") && !seen.contains("canary"),
            "{seen}"
        );
        for form in forms(CANARY) {
            secrecy::assert_files_lack(world.folder.path(), form.as_bytes());
        }
    }
}

fn forms(value: &str) -> [String; 3] {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let json = serde_json::to_string(value).unwrap();
    [
        value.to_owned(),
        STANDARD_NO_PAD.encode(value),
        json.trim_matches('"').to_owned(),
    ]
}
