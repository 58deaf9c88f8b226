//! Who may do what over `/api/v1`, by site roles, item rules and tokens, and what is recorded of it.

use harness::api::http;
use harness::{Answer, Story, World, eventually, shared};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        lists_are_for_power_users_and_one_pipeline_for_whom_its_rules_name,
        a_pipeline_without_rules_is_everybodys_and_one_rule_hides_it_from_the_rest,
        the_strongest_group_counts_and_a_rule_for_the_person_beats_all_groups,
        a_token_that_is_revoked_or_of_another_account_is_forbidden,
        what_only_the_server_says_of_a_tool_is_ignored_in_a_change,
        each_call_is_one_row_of_the_tokens_log,
    ]
}

/// Somebody with a token.
struct Person {
    email: String,
    token: String,
    token_id: String,
}

impl Person {
    async fn of(world: &World, more: &Value) -> Self {
        let name = world.name("person");
        let email = format!("{name}@example.org");
        let mut user = json!({"name": name, "email": email});
        let mut token = json!({"name": "its", "user": email});
        for (key, value) in more.as_object().unwrap() {
            user[key] = value.clone();
            if key == "account" {
                token[key] = value.clone();
            }
        }
        let made = world.api().post("/api/v2/users", &user).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = world.api().post("/api/v2/tokens", &token).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let text = |name: &str| made.json[name].as_str().unwrap().to_owned();
        Self {
            token: text("token"),
            token_id: text("id"),
            email,
        }
    }

    async fn user(world: &World) -> Self {
        Self::of(world, &json!({"roles": ["site_user"]})).await
    }

    async fn ask(&self, world: &World, method: Method, path: &str, body: &Value) -> Answer {
        let request = http().request(method, format!("{}{path}", world.url()));
        let request = request.bearer_auth(&self.token).json(body);
        world.api().send(request).await
    }

    async fn get(&self, world: &World, path: &str) -> Answer {
        self.ask(world, Method::GET, path, &json!({})).await
    }

    async fn pipeline(&self, world: &World, route: &str, id: &str) -> Answer {
        let path = format!("/api/v1/pipeline/{route}");
        let body = json!({"pipelineId": id});
        self.ask(world, Method::POST, &path, &body).await
    }

    async fn runs(&self, world: &World, id: &str) -> bool {
        let answer = self.pipeline(world, "run", id).await;
        if answer.status == 200 {
            assert_eq!(answer.json["status"], "executed", "{}", answer.text);
            return true;
        }
        assert_forbidden(&answer);
        false
    }
}

fn assert_forbidden(answer: &Answer) {
    let told = (answer.status, &answer.json["message"]);
    assert_eq!(told, (403, &json!("Forbidden")), "{}", answer.text);
}

/// A pipeline with these rules.
async fn ruled(world: &World, stem: &str, roles: &Value) -> String {
    let definition = json!({"name": world.name(stem), "roles": roles, "concurrency": 0,
        "steps": [{"id": "a", "run": "true"}]});
    world.api().define(&definition.to_string()).await
}

async fn lists_are_for_power_users_and_one_pipeline_for_whom_its_rules_name(world: &World) {
    let person = Person::user(world).await;
    let power = Person::of(world, &json!({"roles": ["site_power_user"]})).await;
    let roles = json!([{"role": "user", "user": person.email.to_uppercase()}]);
    let id = ruled(world, "opsera-shared", &roles).await;
    for path in [
        "/api/v1/pipeline/pipelines",
        "/api/v1/registry/tools",
        "/api/v1/logs/user/actions",
        "/api/v1/logs/user/tokens",
    ] {
        assert_forbidden(&person.get(world, path).await);
        let listed = power.get(world, path).await;
        assert_eq!(listed.status, 200, "{path}: {}", listed.text);
    }
    assert!(person.runs(world, &id).await);
    let summary = person.pipeline(world, "summary", &id).await;
    assert_eq!(
        summary.json["role_access_level"], "user",
        "{}",
        summary.text
    );
}

async fn a_pipeline_without_rules_is_everybodys_and_one_rule_hides_it_from_the_rest(world: &World) {
    let (named, other) = (Person::user(world).await, Person::user(world).await);
    let id = ruled(world, "opsera-open", &json!([])).await;
    assert!(named.runs(world, &id).await && other.runs(world, &id).await);
    let path = format!("/api/v2/pipelines/{id}");
    let mut definition = world.api().get(&path).await.json["definition"].clone();
    definition["roles"] = json!([{"role": "user", "user": named.email}]);
    let replaced = world.api().put(&path, &definition).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    assert!(named.runs(world, &id).await);
    for route in ["run", "status", "stop", "reset", "summary", "logs"] {
        assert_forbidden(&other.pipeline(world, route, &id).await);
    }
}

async fn the_strongest_group_counts_and_a_rule_for_the_person_beats_all_groups(world: &World) {
    let person = Person::user(world).await;
    let groups = [world.name("few"), world.name("many")];
    for group in &groups {
        let path = format!("/api/v2/groups/{group}");
        let members = json!({"members": [person.email]});
        let made = world.api().put(&path, &members).await;
        assert!([200, 201].contains(&made.status), "{}", made.text);
    }
    let rule = |role: &str, group: &str| json!({"role": role, "group": group});
    let by_group = json!([rule("guest", &groups[0]), rule("user", &groups[1])]);
    let id = ruled(world, "opsera-groups", &by_group).await;
    // What a gateway knows of somebody's groups is a few seconds old at most.
    eventually("the groups count", async || {
        let answer = person.pipeline(world, "summary", &id).await;
        (answer.json["role_access_level"] == "user").then_some(())
    })
    .await;
    assert!(person.runs(world, &id).await);
    let direct = json!({"role": "guest", "user": person.email});
    let mut both = by_group;
    both.as_array_mut().unwrap().push(direct);
    let id = ruled(world, "opsera-direct", &both).await;
    let summary = person.pipeline(world, "summary", &id).await;
    assert_eq!(
        summary.json["role_access_level"], "guest",
        "{}",
        summary.text
    );
    assert!(!person.runs(world, &id).await);
}

async fn a_token_that_is_revoked_or_of_another_account_is_forbidden(world: &World) {
    let id = ruled(world, "opsera-tokens", &json!([])).await;
    let account = world.name("elsewhere");
    let of = |role: &str| json!({"roles": [role], "account": account});
    let foreigner = Person::of(world, &of("site_user")).await;
    assert!(!foreigner.runs(world, &id).await);
    let power = Person::of(world, &of("site_power_user")).await;
    let own = power.get(world, "/api/v1/pipeline/pipelines").await;
    assert_eq!((own.status, &own.json), (200, &json!([])), "{}", own.text);
    // Who sees everything of an account is told that it has no such pipeline.
    let unknown = power.pipeline(world, "run", &id).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);

    let person = Person::user(world).await;
    assert!(person.runs(world, &id).await);
    let path = format!("/api/v2/tokens/{}", person.token_id);
    let request = world.api().request(Method::DELETE, &path);
    assert_eq!(world.api().send(request).await.status, 204);
    eventually("the token is refused", async || {
        let answer = person.pipeline(world, "status", &id).await;
        (answer.status != 200).then_some(())
    })
    .await;
    assert!(!person.runs(world, &id).await);
    let mut forged = person;
    forged.token = format!("pst_{}", "0".repeat(40));
    assert!(!forged.runs(world, &id).await);
}

async fn what_only_the_server_says_of_a_tool_is_ignored_in_a_change(world: &World) {
    let api = world.api();
    let tool = json!({"name": world.name("ci"), "toolIdentifier": "jenkins"});
    let made = api.post("/api/v2/tools", &tool).await;
    let id = made.json["id"].as_str().unwrap();
    let asked = json!({"toolId": id});
    let before = api.post("/api/v1/registry/summary", &asked).await.json;
    let said = json!({"toolId": id, "tool": {
        "_id": "5fd56d90979ee048ee660624", "createdAt": "2001-01-01T00:00:00.000Z",
        "updatedAt": "2001-01-01T00:00:00.000Z", "owner": "5fd56d90979ee048ee660624",
        "account": "elsewhere", "__v": 7, "description": "by a script", "more": {"kept": true},
    }});
    let after = api.post("/api/v1/registry/update", &said).await;
    assert_eq!(after.status, 200, "{}", after.text);
    for field in ["_id", "createdAt", "owner", "account", "__v", "name"] {
        assert_eq!(after.json[field], before[field], "{field}");
    }
    assert_ne!(after.json["updatedAt"], "2001-01-01T00:00:00.000Z");
    assert_eq!(after.json["description"], "by a script");
    assert_eq!(after.json["more"], json!({"kept": true}));
}

async fn each_call_is_one_row_of_the_tokens_log(world: &World) {
    let id = ruled(world, "opsera-rows", &json!([])).await;
    let person = Person::of(world, &json!({"roles": ["site_power_user"]})).await;
    for route in ["summary", "status", "logs"] {
        person.pipeline(world, route, &id).await;
    }
    let rows = async |query: &str| {
        let path = format!("/api/v1/logs/user/tokens{query}");
        let answer = world.api().get(&path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let mut rows = answer.json["data"].as_array().unwrap().clone();
        assert_eq!(answer.json["count"], rows.len());
        rows.retain(|row| row["token_id"] == person.token_id);
        rows
    };
    let seen = eventually("the uses are recorded", async || {
        let rows = rows("?scope=api").await;
        (rows.len() >= 3).then_some(rows)
    })
    .await;
    let mut targets: Vec<&str> = seen
        .iter()
        .filter_map(|row| row["target"].as_str())
        .collect();
    targets.sort_unstable();
    let expected = ["logs", "status", "summary"].map(|it| format!("/v1/pipeline/{it}"));
    assert_eq!(targets, expected);
    for row in &seen {
        for field in ["_id", "user_id", "account", "createdAt", "updatedAt"] {
            assert!(row[field].is_string(), "{field}: {row}");
        }
        assert_eq!((&row["scope"], &row["__v"]), (&json!("api"), &json!(0)));
    }
    let day = &seen[0]["createdAt"].as_str().unwrap()[..10];
    assert!(!rows(&format!("?date={day}")).await.is_empty());
    assert!(rows("?date=2001-01-31").await.is_empty());
    let wrong = world
        .api()
        .get("/api/v1/logs/user/tokens?date=31.1.2001")
        .await;
    assert_eq!(wrong.status, 400, "{}", wrong.text);
}
