//! API9, improper inventory management: what is served is what the documents say, and no more.

use std::collections::{BTreeMap, BTreeSet};

use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::Value;

use super::anonymous;

pub(crate) fn stories() -> Vec<Story> {
    shared![
        the_served_document_has_every_route_and_no_other,
        every_route_of_the_table_is_served_and_asks_for_a_token,
        a_path_has_no_method_beside_those_of_the_table,
        nothing_is_served_at_the_places_where_things_are_forgotten,
        no_earlier_and_no_later_version_answers,
    ]
}

/// The methods of each path in the table of routes.
fn table() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut table: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for route in gateway::routes() {
        let methods = table.entry(route.path).or_default();
        methods.insert(route.method.to_uppercase());
        if route.method == "get" {
            methods.insert("HEAD".into());
        }
    }
    table
}

/// The path with something for each of its variables.
fn filled(path: &str) -> String {
    let part = |it: &str| {
        if it.starts_with('{') {
            "1".to_owned()
        } else {
            it.to_owned()
        }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

const PUBLIC: [&str; 2] = ["/api/v2/openapi.json", "/api/v2/schemas/pipeline.json"];

async fn the_served_document_has_every_route_and_no_other(world: &World) {
    let document = anonymous(world, Method::GET, "/api/v2/openapi.json", &[]).await;
    let paths = document.json["paths"].as_object().unwrap();
    let shown: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let served: BTreeSet<(String, String)> = gateway::routes()
        .filter(|route| route.path.starts_with("/api/v2/"))
        .map(|route| (route.method.to_uppercase(), route.path.to_owned()))
        .collect();
    assert_eq!(shown, served);
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let is_public = operation["security"] == serde_json::json!([{}]);
            assert_eq!(
                is_public,
                PUBLIC.contains(&path.as_str()),
                "{method} {path}"
            );
            assert_ne!(
                operation["deprecated"],
                Value::Bool(true),
                "{method} {path}"
            );
        }
    }
}

async fn every_route_of_the_table_is_served_and_asks_for_a_token(world: &World) {
    for (path, methods) in table() {
        for method in methods {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            for place in [filled(path), format!("{}/", filled(path))] {
                let answer = anonymous(world, method.clone(), &place, &[]).await;
                let expected = if PUBLIC.contains(&path) { 200 } else { 401 };
                let asks = [401, 403].contains(&answer.status) && expected == 401;
                assert!(
                    answer.status == expected || asks,
                    "{method} {place}: {} {}",
                    answer.status,
                    answer.text
                );
            }
        }
    }
}

async fn a_path_has_no_method_beside_those_of_the_table(world: &World) {
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    for (path, methods) in table() {
        for method in all.into_iter().filter(|it| !methods.contains(*it)) {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = world.api().request(method.clone(), &filled(path));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            let allow = answer.headers()["allow"].to_str().unwrap();
            let allowed: BTreeSet<String> =
                allow.split(',').map(|it| it.trim().to_owned()).collect();
            assert_eq!(allowed, methods, "{path}");
        }
    }
}

async fn nothing_is_served_at_the_places_where_things_are_forgotten(world: &World) {
    for path in [
        "/",
        "/index.html",
        "/robots.txt",
        "/.git/config",
        "/.env",
        "/config",
        "/config.json",
        "/admin",
        "/debug",
        "/debug/pprof/",
        "/debug/vars",
        "/actuator",
        "/actuator/env",
        "/env",
        "/swagger",
        "/swagger-ui",
        "/swagger.json",
        "/openapi.json",
        "/docs",
        "/redoc",
        "/graphql",
        "/console",
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2",
        "/api/v1/openapi.json",
        "/api/internal",
        "/api/v2/internal",
        "/api/v2/admin",
        "/api/v2/debug",
        "/api/v2/config",
        "/api/v2/secrets/some",
        "/api/v2/vault/keys",
        "/api/v2/users/me/password",
        "/api/v1/users/token/create",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
        "/penstock.registry.v1.Registry/RevealSecrets",
        "/penstock.registry.v1.Registry/Authenticate",
    ] {
        for (method, expected) in [(Method::GET, [404, 405]), (Method::POST, [404, 405])] {
            let request = world.api().request(method.clone(), path);
            let answer = world.api().send(request.header("te", "trailers")).await;
            assert!(
                expected.contains(&answer.status),
                "{method} {path}: {} {}",
                answer.status,
                answer.text
            );
        }
    }
}

async fn no_earlier_and_no_later_version_answers(world: &World) {
    for path in [
        "users/me",
        "pipelines",
        "pipeline/pipelines",
        "registry/tools",
    ] {
        for version in [
            "v0", "v3", "v1.0", "v2.0", "v1beta", "beta", "latest", "1", "2", "V1",
        ] {
            let answer = world.api().get(&format!("/api/{version}/{path}")).await;
            assert_eq!(answer.status, 404, "{version} {path}: {}", answer.text);
        }
    }
}
