//! The catalogue of messages: each with its status and both of its texts.

use harness::{Settings, Shape, Story, World, own, shared};
use reqwest::Method;
use serde_json::{Value, json};

use crate::uv::Uv;

pub(crate) fn stories() -> Vec<Story> {
    let shared = shared![
        an_id_that_is_no_number_is_refused,
        what_is_not_there_is_named,
        an_execution_of_another_pipeline_is_refused,
        a_long_name_is_refused,
        a_name_is_given_once,
        an_unknown_user_makes_nothing,
        what_is_no_data_is_refused,
        attributes_that_are_missing_are_named,
        who_has_not_signed_in_is_told_how,
        what_no_route_is_for_is_told_by_its_status,
    ];
    let own = own![messages_are_slovak_where_that_is_configured];
    shared
        .into_iter()
        .chain(own.into_iter().map(|it| it.only(&[Shape::Embedded])))
        .collect()
}

/// The body of a failure.
pub(crate) fn error(message: &str, technical: &str) -> Value {
    json!({"errorMessage": message, "technicalMessage": technical})
}

/// Asks, and compares the status and both texts.
pub(crate) async fn told(
    uv: Uv<'_>,
    (method, path, body): (&str, &str, Value),
    expected: (u16, Value),
) {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = uv.request(method, path);
    let request = if body.is_null() {
        request
    } else {
        request.json(&body)
    };
    let answer = uv.send(request).await;
    assert_eq!(
        (answer.status, &answer.json),
        (expected.0, &expected.1),
        "{path}"
    );
}

async fn an_id_that_is_no_number_is_refused(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("ids").await;
    for id in ["abc", "-1", "+1", "1.0", "xyz"] {
        let expected = error(
            &format!("Pipeline ID='{id}' is not valid!"),
            &format!("ID={id} is not valid pipeline ID"),
        );
        let body = json!({"name": "x"});
        for (method, path, body) in [
            ("GET", format!("/pipelines/{id}"), Value::Null),
            ("GET", format!("/pipelines/{id}/executions"), Value::Null),
            (
                "GET",
                format!("/pipelines/{id}/executions/last"),
                Value::Null,
            ),
            (
                "GET",
                format!("/pipelines/{id}/executions/1/events"),
                Value::Null,
            ),
            ("POST", format!("/pipelines/{id}/executions"), json!({})),
            ("POST", format!("/pipelines/{id}/clones"), body),
        ] {
            told(uv, (method, &path, body), (400, expected.clone())).await;
        }
        let expected = error(
            &format!("Pipeline execution ID='{id}' is not valid!"),
            &format!("ID={id} is not valid pipeline execution ID"),
        );
        let path = format!("/pipelines/{pipeline}/executions/{id}");
        told(uv, ("GET", &path, Value::Null), (400, expected)).await;
    }
}

async fn what_is_not_there_is_named(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("missing").await;
    let missing = "987654321";
    let expected = |spelling: &str| {
        error(
            &format!("Pipeline with ID='{missing}' not found!"),
            &format!("Pipeline with {spelling}={missing} doesn't exist!"),
        )
    };
    for path in [
        format!("/pipelines/{missing}"),
        format!("/pipelines/{missing}/executions"),
        format!("/pipelines/{missing}/executions/pending"),
        format!("/pipelines/{missing}/executions/last"),
        format!("/pipelines/{missing}/executions/7"),
        format!("/pipelines/{missing}/executions/7/events"),
    ] {
        told(uv, ("GET", &path, Value::Null), (404, expected("id"))).await;
    }
    let path = format!("/pipelines/{missing}/executions");
    told(uv, ("POST", &path, json!({})), (404, expected("ID"))).await;
    let path = format!("/pipelines/{missing}/clones");
    told(
        uv,
        ("POST", &path, json!({"name": "x"})),
        (404, expected("id")),
    )
    .await;
    let expected = error(
        &format!("Pipeline execution with ID='{missing}' not found!"),
        &format!("Pipeline execution with id={missing} doesn't exist!"),
    );
    for path in ["", "/events"] {
        let path = format!("/pipelines/{pipeline}/executions/{missing}{path}");
        told(uv, ("GET", &path, Value::Null), (404, expected.clone())).await;
    }
    let expected = error(
        "Pipeline execution not found for pipeline!",
        &format!("null pipeline executions for pipeline with ID={pipeline}!"),
    );
    let path = format!("/pipelines/{pipeline}/executions/last");
    told(uv, ("GET", &path, Value::Null), (404, expected)).await;
}

async fn an_execution_of_another_pipeline_is_refused(world: &World) {
    let uv = Uv::of(world);
    let (one, two) = (uv.pipeline("one").await, uv.pipeline("two").await);
    let execution = uv.execution(one, &json!({})).await;
    let expected = error(
        &format!(
            "Pipeline execution with ID='{execution}' is not execution of pipeline with ID='{two}'"
        ),
        &format!(
            "PipelineExecution with id={execution} is not execution of pipeline with id={two}!"
        ),
    );
    for path in ["", "/events"] {
        let path = format!("/pipelines/{two}/executions/{execution}{path}");
        told(uv, ("GET", &path, Value::Null), (400, expected.clone())).await;
    }
}

async fn a_long_name_is_refused(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("long").await;
    let expected = error(
        "Pipeline name length exceeds maximum number of 1024 characters!",
        "Pipeline length cannot exceed 1024 characters! Actual is 1025",
    );
    let body = json!({"name": "n".repeat(1025)});
    told(
        uv,
        ("POST", "/pipelines", body.clone()),
        (400, expected.clone()),
    )
    .await;
    let path = format!("/pipelines/{pipeline}/clones");
    told(uv, ("POST", &path, body), (400, expected)).await;
    let longest = format!("{:x<1024}", world.name("longest"));
    let made = uv.post("/pipelines", &json!({"name": longest})).await;
    assert_eq!(made.status, 200, "{}", made.text);
}

async fn a_name_is_given_once(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("once").await;
    let name = uv.get(&format!("/pipelines/{pipeline}")).await.json["name"].clone();
    let text = format!(
        "Pipeline with name '{}' already exists. Pipeline cannot be created!",
        name.as_str().unwrap()
    );
    // Whose it is makes no difference, nor that the user isn't there: the name comes first.
    for user in ["master", "user", "nobody-at-all"] {
        let body = json!({"name": name, "userExternalId": user});
        told(uv, ("POST", "/pipelines", body), (409, error(&text, &text))).await;
    }
    let body = json!({"name": name});
    let path = format!("/pipelines/{pipeline}/clones");
    told(uv, ("POST", &path, body), (409, error(&text, &text))).await;
}

async fn an_unknown_user_makes_nothing(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("unknown-user").await;
    let expected = error(
        "User not found! Pipeline could not be created.",
        "User 'nobody-at-all' could not be found! Pipeline could not be created.",
    );
    let body = json!({"name": world.name("never"), "userExternalId": "nobody-at-all"});
    told(
        uv,
        ("POST", "/pipelines", body.clone()),
        (404, expected.clone()),
    )
    .await;
    let path = format!("/pipelines/{pipeline}/clones");
    told(uv, ("POST", &path, body.clone()), (404, expected)).await;
    let expected = error(
        "User not found! Execution could not be created.",
        "User with ID=nobody-at-all could not be found.",
    );
    let path = format!("/pipelines/{pipeline}/executions");
    told(uv, ("POST", &path, body), (404, expected)).await;
    // An actor that nobody knows is passed over.
    let body = json!({"userActorExternalId": "nobody-at-all"});
    let started = uv.post(&path, &body).await;
    assert_eq!(
        (started.status, &started.json["userActorExternalId"]),
        (200, &Value::Null)
    );
}

async fn what_is_no_data_is_refused(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("data").await;
    for (path, body) in [
        ("/pipelines".to_owned(), "{name: x}"),
        ("/pipelines".to_owned(), "[]"),
        ("/pipelines".to_owned(), "{}"),
        ("/pipelines".to_owned(), ""),
        ("/pipelines".to_owned(), r#"{"name": {}}"#),
        (format!("/pipelines/{pipeline}/executions"), ""),
        (
            format!("/pipelines/{pipeline}/executions"),
            r#"{"debugging": "perhaps"}"#,
        ),
        ("/users/create".to_owned(), "nothing"),
    ] {
        let request = uv.request(Method::POST, &path).body(body);
        let answer = uv
            .send(request.header("content-type", "application/json"))
            .await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text);
        assert_eq!(
            answer.json["errorMessage"],
            "Could not parse data from request."
        );
        assert!(
            answer.json["technicalMessage"].is_string(),
            "{}",
            answer.text
        );
    }
}

async fn attributes_that_are_missing_are_named(world: &World) {
    let uv = Uv::of(world);
    let missing = "SPR.Roles, Actor.UPVSIdentityID, Actor.FormattedName";
    let body =
        json!({"Subject.UPVSIdentityID": "x", "Subject.FormattedName": "X", "SPR.Roles": []});
    let expected = error(
        &format!("Request does not contain required attribute/s: '{missing}'."),
        &format!("Missing attribute/s: '{missing}'."),
    );
    told(uv, ("POST", "/users/create", body), (400, expected)).await;
}

async fn who_has_not_signed_in_is_told_how(world: &World) {
    let uv = Uv::of(world);
    let expected = error(
        "Request is not authorized.",
        "Basic authentication from request header is missing or incorrect.",
    );
    let wrong = uv.request_by(("master", "wrong"), Method::GET, "/pipelines");
    let none = uv.bare(Method::GET, "/pipelines");
    let bearer = none.try_clone().unwrap().bearer_auth(harness::world::TOKEN);
    // Base64 of "master", without a colon.
    let half = none
        .try_clone()
        .unwrap()
        .header("authorization", "Basic bWFzdGVy");
    for request in [wrong, none, bearer, half] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], "application/json");
        assert!(
            headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Basic realm=")
        );
        assert_eq!(response.json::<Value>().await.unwrap(), expected);
    }
}

async fn what_no_route_is_for_is_told_by_its_status(world: &World) {
    let uv = Uv::of(world);
    let general = "Error occurred during processing of a request.";
    let plain = uv.request(Method::POST, "/pipelines").body("name=x");
    let plain = plain.header("content-type", "text/plain");
    let html = uv
        .request(Method::GET, "/pipelines")
        .header("accept", "text/html");
    for (request, status, technical) in [
        (
            uv.request(Method::GET, "/nowhere"),
            404,
            "HTTP 404 Not Found",
        ),
        (uv.bare(Method::GET, "/nowhere"), 404, "HTTP 404 Not Found"),
        (
            uv.request(Method::DELETE, "/pipelines"),
            405,
            "HTTP 405 Method Not Allowed",
        ),
        (plain, 415, "HTTP 415 Unsupported Media Type"),
        (html, 406, "HTTP 406 Not Acceptable"),
    ] {
        let answer = uv.send(request).await;
        assert_eq!(
            (answer.status, answer.json),
            (status, error(general, technical))
        );
        assert_eq!(answer.kind, "application/json");
    }
}

async fn messages_are_slovak_where_that_is_configured(shape: Shape) {
    let settings = Settings::of(shape)
        .with("PENSTOCK_GATEWAY__UNIFIEDVIEWS__LOCALE", "sk")
        .with("PENSTOCK_GATEWAY__UNIFIEDVIEWS__PREFIX", "/uv/rest");
    let world = World::start(settings).await;
    let ask = async |path: &str| {
        let url = format!("{}/uv/rest{path}", world.url());
        let request = harness::api::http()
            .get(url)
            .basic_auth("master", Some("commander"));
        let answer = request.send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    for (path, message, technical) in [
        (
            "/pipelines/100",
            "Proces s ID='100' sa nepodarilo nájsť!",
            "Pipeline with id=100 doesn't exist!",
        ),
        (
            "/pipelines/x/schedules",
            "ID procesu='x' nie je platné!",
            "ID=x is not valid pipeline ID",
        ),
        (
            "/pipelines/1/schedules/x",
            "ID plánu procesu='x' nie je platné!",
            "ID=x is not valid pipeline schedule ID",
        ),
        (
            "/nowhere",
            "Počas spracovania požiadavky nastala chyba.",
            "HTTP 404 Not Found",
        ),
    ] {
        assert_eq!(ask(path).await, error(message, technical), "{path}");
    }
    world.finish().await;
}
