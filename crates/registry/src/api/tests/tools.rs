//! Tools, made, read, changed and deleted.

use contracts::message::{Caller, ToolChanged, UserActed};
use contracts::registry::tools_client::ToolsClient;
use contracts::registry::{
    CreateToolRequest, DeleteToolRequest, GetToolRequest, ListToolsRequest, Tool, ToolRef,
    UpdateToolRequest,
};
use outbox::testing::within;
use serde_json::{Value, json};
use tonic::Status;

use super::*;

pub(super) type Tools = ToolsClient<Route>;

/// A user of the account `a`.
pub(super) fn user(name: &str, role: &str) -> Caller {
    let actor = Actor {
        user_id: format!("{name}-id"),
        name: name.into(),
        email: format!("{name}@a.example"),
        ..Actor::default()
    };
    Caller {
        actor: Some(actor),
        account: "a".into(),
        roles: vec![role.into()],
        ..Caller::default()
    }
}

pub(super) fn ada() -> Caller {
    user("ada", "site_user")
}

pub(super) fn named(text: &str) -> ToolRef {
    ToolRef { text: text.into() }
}

pub(super) fn jenkins(name: &str) -> Value {
    json!({"name": name, "tool_identifier": "jenkins", "description": "builds",
        "configuration": {"jenkinsUrl": "https://ci.example", "userName": "bot"}})
}

pub(super) async fn make(tools: &mut Tools, caller: Caller, said: Value) -> Result<Tool, Status> {
    let request = CreateToolRequest {
        caller: Some(caller),
        document_json: said.to_string(),
    };
    tools
        .create_tool(request)
        .await
        .map(tonic::Response::into_inner)
}

pub(super) async fn change(
    tools: &mut Tools,
    caller: Caller,
    tool: &str,
    changes: Value,
) -> Result<Tool, Status> {
    let request = UpdateToolRequest {
        caller: Some(caller),
        tool: Some(named(tool)),
        changes_json: changes.to_string(),
        replace: false,
    };
    tools
        .update_tool(request)
        .await
        .map(tonic::Response::into_inner)
}

pub(super) async fn read(tools: &mut Tools, caller: Caller, tool: &str) -> Result<Tool, Status> {
    let request = GetToolRequest {
        caller: Some(caller),
        tool: Some(named(tool)),
    };
    tools
        .get_tool(request)
        .await
        .map(tonic::Response::into_inner)
}

pub(super) async fn delete(tools: &mut Tools, caller: Caller, tool: &str) -> Result<(), Status> {
    let request = DeleteToolRequest {
        caller: Some(caller),
        tool: Some(named(tool)),
    };
    tools.delete_tool(request).await.map(|_| ())
}

pub(super) fn document(tool: &Tool) -> Value {
    serde_json::from_str(&tool.document_json).unwrap()
}

/// Everything of a kind that was told until now.
pub(super) async fn told(world: &World, count: usize) -> Vec<UserActed> {
    let reader = world.bus.read("told", &[Topic::Events], Tuning::Prompt);
    let (mut reader, mut told) = (reader.await.unwrap(), Vec::new());
    // What the relay could not delete before it ended is told twice.
    let mut seen = std::collections::HashSet::new();
    let hear = async {
        while told.len() < count {
            for message in reader.next(100).await.unwrap() {
                if message.is::<UserActed>() && seen.insert(message.id.clone()) {
                    told.push(message.decode().unwrap());
                }
            }
        }
    };
    within("as much is told", hear).await;
    told
}

#[tokio::test]
async fn a_tool_is_made_and_named_by_id_number_or_name() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        let made = make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        assert!(contracts::id::is_object_id(&made.id));
        assert_eq!((made.revision, made.active), (1, true));
        assert_eq!(
            (&*made.owner, &*made.role_access_level),
            ("ada-id", "owner")
        );
        assert_eq!(document(&made)["tool_type_identifier"], "build");
        for name in [&*made.id, &made.number.to_string(), "CI", "name:CI"] {
            assert_eq!(read(&mut tools, ada(), name).await.unwrap(), made, "{name}");
        }
        let other = make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        let refused = read(&mut tools, ada(), "CI").await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(&other.id), "{refused}");
        for nothing in ["", "x", "999999", "5fd56d90979ee048ee660624", "name:"] {
            let refused = read(&mut tools, ada(), nothing).await.unwrap_err();
            assert_eq!(refused.code(), Code::NotFound, "{nothing}");
        }
    }
}

#[tokio::test]
async fn a_change_replaces_root_properties_and_nothing_that_is_protected() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        let made = make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        let changes = json!({"_id": "0", "createdAt": "1", "updatedAt": "2", "__v": 9,
            "owner": "eve-id", "owner_name": "Eve", "account": "b", "role_access_level": "x",
            "description": "new", "configuration": {"jenkinsUrl": "https://b.example"},
            "myOwn": {"kept": [1]}});
        let changed = change(&mut tools, ada(), &made.id, changes).await.unwrap();
        assert_eq!(
            (&changed.id, changed.created_at_ms),
            (&made.id, made.created_at_ms)
        );
        assert_eq!((&*changed.owner, &*changed.account), ("ada-id", "a"));
        assert_eq!(changed.revision, 2);
        assert_eq!(
            document(&changed),
            json!({"name": "CI", "tool_identifier": "jenkins", "active": true, "roles": [],
                "tool_type_identifier": "build", "description": "new",
                "configuration": {"jenkinsUrl": "https://b.example"}, "myOwn": {"kept": [1]}})
        );
        let same = change(&mut tools, ada(), &made.id, json!({"name": "CI"}))
            .await
            .unwrap();
        assert_eq!(same, changed, "a change that changes nothing is none");
        for wrong in [
            json!({"name": ""}),
            json!({"tool_identifier": "github"}),
            json!([]),
        ] {
            let refused = change(&mut tools, ada(), &made.id, wrong.clone())
                .await
                .unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{wrong}");
        }
        assert_eq!(read(&mut tools, ada(), &made.id).await.unwrap(), changed);
    }
}

#[tokio::test]
async fn each_change_of_a_tool_is_told_once() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        let made = make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        change(&mut tools, ada(), &made.id, json!({"description": "d"}))
            .await
            .unwrap();
        change(&mut tools, ada(), &made.id, json!({"description": "d"}))
            .await
            .unwrap();
        delete(&mut tools, ada(), &made.id).await.unwrap();
        let told = told(&world, 3).await;
        let actions: Vec<_> = told.iter().map(|it| it.action.as_str()).collect();
        assert_eq!(actions, ["create", "update", "delete"]);
        assert!(
            told.iter()
                .all(|it| it.r#type == "registry" && it.target_id == made.id)
        );
        assert_eq!(told[1].before_json, r#"{"description":"builds"}"#);
        assert_eq!(told[1].after_json, r#"{"description":"d"}"#);
        assert_eq!(heard::<ToolChanged>(&world).await.tool_id, made.id);
    }
}

#[tokio::test]
async fn rules_decide_who_sees_and_changes_a_tool() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        let made = make(&mut tools, ada(), jenkins("CI")).await.unwrap();
        let rules = json!({"roles": [{"role": "manager", "user": "Max@A.example"},
            {"role": "user", "user": "uma@a.example"}]});
        change(&mut tools, ada(), &made.id, rules).await.unwrap();
        let stranger = Caller {
            account: "b".into(),
            ..ada()
        };
        // Who, may see, may change, may delete.
        for (caller, sees, changes) in [
            (user("max", "site_user"), true, true),
            (user("uma", "site_user"), true, false),
            (user("joe", "site_user"), false, false),
            (user("pat", "site_power_user"), true, true),
            (user("ann", "auditor"), true, false),
            (stranger, false, false),
        ] {
            let who = caller.actor.clone().unwrap().name;
            let seen = read(&mut tools, caller.clone(), &made.id).await;
            assert_eq!(seen.is_ok(), sees, "{who}");
            let listed = tools.list_tools(ListToolsRequest {
                caller: Some(caller.clone()),
                limit: 10,
                ..Default::default()
            });
            assert_eq!(
                listed.await.unwrap().into_inner().tools.len(),
                usize::from(sees)
            );
            let changed = json!({"description": who});
            let changed = change(&mut tools, caller.clone(), &made.id, changed).await;
            let expected = match (sees, changes) {
                (_, true) => Code::Ok,
                (true, false) => Code::PermissionDenied,
                (false, false) => Code::NotFound,
            };
            assert_eq!(
                changed.map_or_else(|it| it.code(), |_| Code::Ok),
                expected,
                "{who}"
            );
            assert!(delete(&mut tools, caller, &made.id).await.is_err(), "{who}");
        }
        let refused = make(&mut tools, user("ann", "auditor"), jenkins("x"))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let nobody = make(&mut tools, Caller::default(), jenkins("x"))
            .await
            .unwrap_err();
        assert_eq!(nobody.code(), Code::PermissionDenied);
    }
}

#[tokio::test]
async fn a_list_goes_on_from_its_cursor() {
    for world in World::each().await {
        let mut tools = world.tools().await;
        for number in 0..7 {
            make(&mut tools, ada(), jenkins(&format!("t{number}")))
                .await
                .unwrap();
        }
        change(&mut tools, ada(), "t2", json!({"description": "late"}))
            .await
            .unwrap();
        for latest_first in [false, true] {
            let (mut names, mut cursor) = (Vec::new(), String::new());
            loop {
                let asked = ListToolsRequest {
                    caller: Some(ada()),
                    limit: 3,
                    cursor,
                    latest_first,
                };
                let page = tools.list_tools(asked).await.unwrap().into_inner();
                assert!(page.tools.len() <= 3);
                names.extend(page.tools.into_iter().map(|it| it.name));
                cursor = page.next_cursor;
                if cursor.is_empty() {
                    break;
                }
            }
            assert_eq!(names.len(), 7, "{names:?}");
            assert_eq!(names[0], if latest_first { "t2" } else { "t0" });
        }
    }
}
