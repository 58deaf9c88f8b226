//! Whatever is sent to a route, it answers with a status of the contract and the standard body: 5xx
//! is for what the contract says it is.

use harness::{Story, World, shared};
use reqwest::Method;

use crate::uv::{Uv, fields};

pub(crate) fn stories() -> Vec<Story> {
    shared![no_input_is_the_servers_fault]
}

/// Routes with a place for an id.
const ROUTES: [(&str, &str); 12] = [
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
    ("POST", "/users/create"),
];

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

async fn no_input_is_the_servers_fault(world: &World) {
    let uv = Uv::of(world);
    let mut asked = 0;
    for (method, route) in ROUTES {
        let ids: &[&str] = if route.contains("{}") { &IDS } else { &[""] };
        let bodies: &[&str] = if method == "POST" { &BODIES } else { &[""] };
        for id in ids {
            for body in bodies {
                for query in ["", "?userExternalId=%00", "?userExternalId=%FF&x=%"] {
                    let path = format!("{}{query}", route.replace("{}", id));
                    let method = Method::from_bytes(method.as_bytes()).unwrap();
                    let request = uv.request(method, &path).body(body.to_string());
                    let request = request.header("content-type", "application/json");
                    let answer = uv.send(request).await;
                    let said = (&path, body, answer.status, &answer.text);
                    assert!(answer.status < 500, "{said:?}");
                    assert_eq!(answer.kind, "application/json", "{said:?}");
                    if answer.status >= 400 {
                        let expected = ["errorMessage", "technicalMessage"];
                        assert_eq!(fields(&answer.text), expected, "{said:?}");
                    }
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 500, "{asked}");
}
