//! The `OpenAPI` 3.1 document of `/api/v2`, made from the types that answer.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Type};
use utoipa::{Modify, OpenApi};

use super::{
    audit, custody, data, executors, explain, gates, groups, logs, pipelines, plugins, runs,
    schedules, secrets, tokens, tool_uses, tools, transfer, users, vault,
};
use crate::problem;

/// The name of the response that all failures share.
const PROBLEM: &str = "Problem";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Penstock",
        description = "Runs pipelines and can always say what became of them. `{p}` is a pipeline's \
                       24-hex id, its number or its name (`name:x` is a name in any case)."
    ),
    paths(
        pipelines::list, pipelines::create, pipelines::read, pipelines::replace, pipelines::delete,
        pipelines::stop, pipelines::reset, transfer::import, transfer::export,
        custody::duplicate, custody::transfer, custody::lock, custody::unlock,
        runs::list, runs::start, runs::read, runs::stop, runs::resume, logs::read, explain::read,
        data::read,
        gates::approve, gates::reject,
        schedules::list, schedules::create, schedules::preview_new, schedules::read,
        schedules::update, schedules::delete, schedules::pause, schedules::resume,
        schedules::preview, schedules::slots,
        secrets::list, secrets::set, secrets::delete,
        tools::list, tools::create, tools::read, tools::replace, tools::update, tools::delete,
        tools::transfer, tool_uses::pipelines, tool_uses::logs,
        plugins::list, plugins::import, plugins::read, plugins::delete, plugins::file,
        vault::read, vault::rotate_key,
        users::list, users::create, users::read, users::change, users::revoke_tokens,
        groups::list, groups::read, groups::put, groups::delete, groups::add, groups::remove,
        tokens::list, tokens::create, tokens::read, tokens::revoke, tokens::rotate,
        executors::list, executors::drain,
        audit::actions, audit::tokens, audit::export, audit::keys,
        document, pipeline_schema
    ),
    components(schemas(problem::Document)),
    security(("token" = [])),
    modifiers(&Common)
)]
struct Api;

/// Answers this document.
#[utoipa::path(get, path = "/api/v2/openapi.json", operation_id = "readOpenApi", tag = "documents",
    security(()), responses((status = 200, body = Object)))]
pub(crate) async fn document() -> impl IntoResponse {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
        serde_json::to_vec(&Api::openapi())
            .unwrap_or_default()
            .into()
    });
    json(&DOCUMENT)
}

/// Answers the JSON Schema of a pipeline's definition, for editors.
#[utoipa::path(get, path = "/api/v2/schemas/pipeline.json", operation_id = "readPipelineSchema",
    tag = "documents", security(()), responses((status = 200, body = Object)))]
pub(crate) async fn pipeline_schema() -> impl IntoResponse {
    static SCHEMA: LazyLock<Bytes> = LazyLock::new(|| {
        serde_json::to_vec(&steps::schema::pipeline())
            .unwrap_or_default()
            .into()
    });
    json(&SCHEMA)
}

fn json(document: &Bytes) -> impl IntoResponse + use<> {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], document.clone())
}

/// Adds what all operations share: the token, how they fail, and what is in their paths.
struct Common;

impl Modify for Common {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", token);
        let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name(PROBLEM))));
        let failure = ResponseBuilder::new()
            .description("Why it failed")
            .content("application/problem+json", content)
            .build();
        components
            .responses
            .insert(PROBLEM.to_owned(), RefOr::T(failure));
        for (path, item) in &mut api.paths.paths {
            for operation in operations(item) {
                let failure = RefOr::Ref(Ref::from_response_name(PROBLEM));
                operation
                    .responses
                    .responses
                    .insert("default".to_owned(), failure);
                let in_path = segments(path).map(|name| RefOr::T(parameter(name)));
                operation.parameters.get_or_insert_default().extend(in_path);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let each = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ];
    each.into_iter().filter_map(Option::as_mut)
}

/// The names of a path's parameters.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'))
}

fn parameter(name: &str) -> Parameter {
    let description = match name {
        "p" => "24-hex id, number or name of the pipeline",
        "step" => "Id of the step in the definition, or its 24-hex id",
        "s" => "24-hex id or number of the schedule",
        "t" => "24-hex id, number or name of the tool",
        "plugin" => "24-hex id, number or name of the plug-in",
        "user" => "24-hex id or e-mail address of the user; `me` is who asks",
        "group" => "24-hex id or name of the group",
        "token" => "24-hex id of the token",
        "runCount" => "Number of the run in its pipeline, or `latest`",
        _ => "Its name",
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::routes::{Access, ROWS};

    fn document() -> Value {
        serde_json::to_value(Api::openapi()).unwrap()
    }

    #[test]
    fn the_document_has_the_routes_of_the_table_and_no_others() {
        let document = document();
        let rows: BTreeSet<_> = ROWS
            .iter()
            .filter(|row| row.path.starts_with("/api/v2/"))
            .map(|row| format!("{} {}", row.method, row.path))
            .collect();
        let paths = document["paths"].as_object().unwrap();
        let shown: BTreeSet<_> = paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object()
                    .unwrap()
                    .keys()
                    .map(move |method| format!("{method} {path}"))
            })
            .collect();
        assert_eq!(rows, shown);
    }

    #[test]
    fn operations_have_distinct_ids_a_failure_and_a_token_unless_they_are_public() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["security"][0]["token"], serde_json::json!([]));
        let mut ids = BTreeSet::new();
        for row in ROWS.iter().filter(|row| row.path.starts_with("/api/v2/")) {
            let operation = &document["paths"][row.path][row.method];
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{operation}"
            );
            assert!(
                operation["responses"]["default"]["$ref"].is_string(),
                "{operation}"
            );
            let is_public = operation["security"] == serde_json::json!([{}]);
            assert_eq!(is_public, row.access == Access::Public, "{operation}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    map.values().for_each(|it| references(it, found));
                }
                Value::Array(list) => list.iter().for_each(|it| references(it, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
