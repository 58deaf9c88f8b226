//! Whatever is sent to a route, it answers with a status of the contract and the standard body: 5xx
//! is for what the contract says it is.

use harness::{Answer, Story, World, shared};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::form::Form;
use crate::uv::{Uv, fields};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        no_input_is_the_servers_fault,
        no_field_of_a_schedule_is_the_servers_fault,
        no_method_is_the_servers_fault,
        no_header_is_the_servers_fault,
        no_form_is_the_servers_fault,
    ]
}

/// Routes with a place for an id.
const ROUTES: [(&str, &str); 19] = [
    ("GET", "/pipelines"),
    ("GET", "/pipelines/visible"),
    ("POST", "/pipelines"),
    ("GET", "/pipelines/{}"),
    ("POST", "/pipelines/{}/clones"),
    ("GET", "/pipelines/{}/executions"),
    ("POST", "/pipelines/{}/executions"),
    ("GET", "/pipelines/{}/executions/{}"),
    ("GET", "/pipelines/{}/executions/{}/events"),
    ("GET", "/pipelines/{}/executions/last"),
    ("GET", "/pipelines/{}/executions/pending"),
    ("GET", "/pipelines/{}/schedules"),
    ("POST", "/pipelines/{}/schedules"),
    ("GET", "/pipelines/{}/schedules/~all/scheduledexecutions"),
    ("GET", "/pipelines/{}/schedules/{}"),
    ("PUT", "/pipelines/{}/schedules/{}"),
    ("GET", "/pipelines/{}/schedules/{}/scheduledexecutions"),
    ("DELETE", "/pipelines/{}/schedules/{}/delete"),
    ("POST", "/users/create"),
];

/// Routes that read forms.
const IMPORTS: [&str; 2] = ["/pipelines/import", "/import/dpu/jar"];

const IDS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999999",
    "%D9%A1",
    "1%2F2",
    "%00",
    "%FF",
    "~all",
    "'%20OR%201=1",
];

const BODIES: [&str; 16] = [
    "",
    "null",
    "[]",
    "7",
    "\"x\"",
    "{",
    "{\"name\":null}",
    "{\"name\":\"\"}",
    "{\"name\":[1]}",
    "{\"name\":\"a\\u0000b\"}",
    "{\"name\":\"line\\nbreak\"}",
    "{\"name\":\" \"}",
    "{\"name\":\"x\",\"userExternalId\":\"\\u0000\"}",
    "{\"userActorExternalId\":{},\"debugging\":\"maybe\"}",
    "{\"Subject.UPVSIdentityID\":\"\\u0000\",\"Subject.FormattedName\":1,\"Actor.UPVSIdentityID\":\"\\u0000\",\"Actor.FormattedName\":\"\",\"SPR.Roles\":[{}]}",
    "\u{feff}{}",
];

/// What the fields of a schedule may be and shouldn't.
fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("x"),
        json!("9".repeat(50)),
        json!("\u{0}"),
        json!("\u{1f600}".repeat(20_000)),
        json!("9999-12-31T23:59:59.999Z"),
        json!("-009999-01-01T00:00:00.000Z"),
        json!([]),
        json!([[]]),
        json!([null, {}, -1, "x"]),
        json!({}),
    ]
}

const FIELDS: [&str; 12] = [
    "description",
    "enabled",
    "scheduleType",
    "firstExecution",
    "lastExecution",
    "afterPipelines",
    "justOnce",
    "period",
    "periodUnit",
    "scheduledJobsPriority",
    "userExternalId",
    "userActorExternalId",
];

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap()
}

/// Looks at an answer: it isn't the server's fault, and a failure has its standard body.
fn look(answer: &Answer, asked: &dyn std::fmt::Debug) {
    let said = (asked, answer.status, &answer.text);
    assert!(answer.status < 500, "{said:?}");
    has_form(answer, asked);
}

fn has_form(answer: &Answer, asked: &dyn std::fmt::Debug) {
    let said = (asked, answer.status, &answer.text);
    if answer.status != 204 {
        assert_eq!(answer.kind, "application/json", "{said:?}");
    }
    if answer.status >= 400 && !answer.text.is_empty() {
        let names = fields(&answer.text);
        assert_eq!(names[..2], ["errorMessage", "technicalMessage"], "{said:?}");
        let is_old = names.len() == 3 && names[2] == "error";
        assert!(names.len() == 2 || is_old, "{said:?}");
    }
}

fn with_json(request: RequestBuilder, body: &str) -> RequestBuilder {
    request
        .header("content-type", "application/json")
        .body(body.to_owned())
}

async fn no_input_is_the_servers_fault(world: &World) {
    let uv = Uv::of(world);
    let mut asked = 0;
    for (name, route) in ROUTES {
        let ids: &[&str] = if route.contains("{}") { &IDS } else { &[""] };
        let has_body = matches!(name, "POST" | "PUT");
        let bodies: &[&str] = if has_body { &BODIES } else { &[""] };
        for id in ids {
            for body in bodies {
                for query in ["", "?userExternalId=%00", "?userExternalId=%FF&x=%"] {
                    let path = format!("{}{query}", route.replace("{}", id));
                    let request = uv.request(method(name), &path);
                    let answer = uv.send(with_json(request, body)).await;
                    look(&answer, &(name, &path, body));
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 1000, "{asked}");
}

async fn no_field_of_a_schedule_is_the_servers_fault(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("odd-schedules").await;
    let list = format!("/pipelines/{pipeline}/schedules");
    let made = uv.post(&list, &json!({})).await;
    let one = format!("{list}/{}", made.json["id"]);
    for field in FIELDS {
        for value in odd_values() {
            let mut body = json!({"firstExecution": "2100-01-01T00:00:00Z", "enabled": false});
            body["period"] = json!(1);
            body["periodUnit"] = json!("YEAR");
            body[field] = value;
            let body = body.to_string();
            for (name, path) in [("POST", &list), ("PUT", &one)] {
                let request = uv.request(method(name), path);
                let answer = uv.send(with_json(request, &body)).await;
                look(
                    &answer,
                    &(name, field, body.chars().take(200).collect::<String>()),
                );
            }
        }
    }
    // What was taken can be read.
    for path in [
        list.clone(),
        one,
        format!("{list}/~all/scheduledexecutions"),
    ] {
        let answer = uv.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
}

async fn no_method_is_the_servers_fault(world: &World) {
    let uv = Uv::of(world);
    let routes = ROUTES.iter().map(|(_, route)| *route).chain(IMPORTS);
    for route in routes {
        let path = route.replace("{}", "987654321");
        let known: Vec<_> = ROUTES.iter().filter(|(_, it)| *it == route).collect();
        for name in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW",
        ] {
            let is_known = known
                .iter()
                .any(|(it, _)| *it == name || (*it == "GET" && name == "HEAD"))
                || (name == "POST" && IMPORTS.contains(&route));
            let request = uv.request(method(name), &path);
            let answer = uv.send(request).await;
            if IMPORTS.contains(&route) && name == "POST" {
                has_form(&answer, &(name, &path));
                continue;
            }
            look(&answer, &(name, &path));
            // What is under an id may be read where a word stands that is none of a route's.
            let may_be = route.ends_with("/visible") || path.ends_with("/last");
            if !is_known && !may_be {
                let refused = [404, 405].contains(&answer.status);
                assert!(
                    refused || answer.status == 400,
                    "{name} {path}: {}",
                    answer.status
                );
            }
        }
    }
}

async fn no_header_is_the_servers_fault(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("odd-headers").await;
    let path = format!("/pipelines/{pipeline}/schedules");
    for (name, value) in [
        ("content-type", "application/json; charset=utf-16"),
        ("content-type", "application/json; charset="),
        ("content-type", ";"),
        ("content-type", "/"),
        ("content-type", "application/xml"),
        ("content-type", "multipart/form-data"),
        ("accept", "application/xml"),
        ("accept", ",;,"),
        ("accept", "*/*;q=x"),
        ("accept-language", "sk, \u{1f600}"),
        ("content-encoding", "gzip"),
        ("content-encoding", "unheard-of"),
        ("if-match", "*"),
        ("range", "bytes=0-1"),
        ("expect", "100-continue"),
        ("traceparent", "00-zz"),
        ("x-request-id", "\u{e9}"),
        ("x-forwarded-for", "nowhere"),
    ] {
        for (kind, body) in [("GET", ""), ("POST", "{}")] {
            let request = uv.request(method(kind), &path).header(name, value);
            let answer = uv.send(request.body(body)).await;
            look(&answer, &(kind, name, value));
        }
    }
    for value in ["", "Basic", "Basic =", "Bearer x", "Basic \u{1f600}"] {
        let request = uv.bare(Method::GET, &path).header("authorization", value);
        let answer = uv.send(request).await;
        look(&answer, &("authorization", value));
        assert_eq!(answer.status, 401, "{value}");
    }
}

async fn no_form_is_the_servers_fault(world: &World) {
    let uv = Uv::of(world);
    let kinds = [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=b",
        "multipart/form-data; boundary=\"b",
        "multipart/form-data; boundary=a; boundary=b; boundary=c",
        "Multipart/Form-Data; BOUNDARY=b",
        "application/json",
        "",
    ];
    let bodies = [
        "",
        "--b",
        "--b--",
        "--b\r\n\r\n\r\n--b--",
        "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\0-1.0.0.jar\"\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''%FF\r\n\r\nPK\x03\x04\r\n--b--",
        "{}",
    ];
    let told = [
        "Pipeline cannot be imported.",
        "Error occurred during processing of a request.",
        "DPU create failed!",
    ];
    for path in IMPORTS {
        for kind in kinds {
            for body in bodies {
                for query in ["", "?visibility=%00&force=true", "?name=%FF&force=%"] {
                    let request = uv.request(Method::POST, &format!("{path}{query}"));
                    let request = request.header("content-type", kind).body(body);
                    let answer = uv.send(request).await;
                    let asked = (path, kind, body, query);
                    has_form(&answer, &asked);
                    assert!(answer.status >= 400, "{asked:?}: {}", answer.text);
                    let message = answer.json["errorMessage"].as_str().unwrap();
                    let is_said = answer.status == 500 && told.contains(&message);
                    assert!(answer.status < 500 || is_said, "{asked:?}: {}", answer.text);
                }
            }
        }
        // An entry that unpacks to more than it may.
        let bomb = ::transfer::testing::packed(&[("pipeline.xml", vec![0_u8; 20 << 20])]);
        let answer = Form::of("uv-t-bomb-1.0.0.jar", &bomb).send(uv, path).await;
        has_form(&answer, &path);
        assert_eq!(answer.status, 500, "{}", answer.text);
    }
}
