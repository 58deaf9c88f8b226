//! Plug-ins: import a jar, list, read, delete, and the file again. What is in a jar is never run.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use contracts::registry::{
    DeletePluginRequest, GetPluginRequest, ListPluginsRequest, Plugin, PluginPort, PluginTerms,
    ReadPluginFileRequest,
};
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{PageQuery, some};
use crate::auth::Who;
use crate::body::{self, Upload};
use crate::problem::Problem;
use crate::time::Time;
use crate::{Gateway, plugins};

/// A plug-in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Plugin)]
pub(crate) struct PluginView {
    /// 24 hex digits.
    id: String,
    number: i64,
    /// What steps name it by: the jar's name without its version.
    name: String,
    title: String,
    description: String,
    /// What the jar says about itself.
    jar_description: String,
    /// The file's name.
    jar_name: String,
    version: String,
    /// `EXTRACTOR`, `TRANSFORMER`, `LOADER` or `QUALITY`.
    #[serde(rename = "type")]
    kind: String,
    /// `PRIVATE`, `PUBLIC_RO` or `PUBLIC_RW`.
    visibility: String,
    main_class: String,
    ports: Vec<PortView>,
    /// Of the file.
    sha256: String,
    /// Of the file, in bytes.
    size: u64,
    /// The id of the user who imported it.
    owner: String,
    /// Whether Penstock carries it out itself. For any other an executable must be supplied.
    native: bool,
    created_at: Time,
    updated_at: Time,
}

/// Where data go in or come out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PortView {
    name: String,
    /// `input` or `output`.
    direction: &'static str,
    /// `files`, `rdf`, `relational` or `other`.
    data: String,
    optional: bool,
    description: String,
}

impl PluginView {
    fn of(plugin: Plugin) -> Self {
        Self {
            native: steps::plugins::find(&plugin.name).is_some(),
            id: plugin.id,
            number: plugin.number,
            name: plugin.name,
            title: plugin.title,
            description: plugin.description,
            jar_description: plugin.jar_description,
            jar_name: plugin.jar_name,
            version: plugin.version,
            kind: plugin.r#type,
            visibility: plugin.visibility,
            main_class: plugin.main_class,
            ports: plugin.ports.into_iter().map(PortView::of).collect(),
            sha256: plugin.sha256,
            size: plugin.size,
            owner: plugin.owner,
            created_at: Time::at(plugin.created_at_ms),
            updated_at: Time::at(plugin.updated_at_ms),
        }
    }
}

impl PortView {
    fn of(port: PluginPort) -> Self {
        Self {
            name: port.name,
            direction: if port.output { "output" } else { "input" },
            data: port.data,
            optional: port.optional,
            description: port.description,
        }
    }
}

/// A page of plug-ins, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PluginPage {
    plugins: Vec<PluginView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What is said of a jar.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// `NAME-VERSION.jar`, which says which plug-in it is.
    file_name: String,
    /// What to call it, unless the jar's own title is to do.
    title: String,
    /// For people.
    description: String,
    /// `PRIVATE`, `PUBLIC_RO` or `PUBLIC_RW`; `PUBLIC_RO` unless said.
    visibility: String,
    /// Replace one that is there. The same file again changes nothing.
    force: bool,
}

/// Lists the plug-ins that the caller may use.
#[utoipa::path(get, path = "/api/v2/plugins", operation_id = "listPlugins", tag = "plugins",
    params(PageQuery), responses((status = 200, body = PluginPage)))]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<PluginPage>, Problem> {
    let (limit, cursor) = PageQuery::of(&uri)?;
    let request = ListPluginsRequest {
        caller: Some(who.caller()),
        limit,
        cursor,
        names: Vec::new(),
    };
    let page = gateway
        .peers
        .plugins()
        .list_plugins(request)
        .await?
        .into_inner();
    Ok(Json(PluginPage {
        plugins: page.plugins.into_iter().map(PluginView::of).collect(),
        next: some(page.next_cursor),
    }))
}

/// Imports a jar, which is the body.
#[utoipa::path(post, path = "/api/v2/plugins", operation_id = "importPlugin", tag = "plugins",
    params(ImportQuery), request_body(content_type = "application/octet-stream", content = Vec<u8>),
    responses((status = 201, body = PluginView, description = "It was made",
            headers(("Location" = String, description = "Where it is"))),
        (status = 200, body = PluginView, description = "The one of its name has this file now")))]
pub(crate) async fn import(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
    upload: Upload,
) -> Result<Response, Problem> {
    let query: ImportQuery = body::query(&uri)?;
    let terms = PluginTerms {
        caller: Some(who.caller()),
        file_name: query.file_name,
        title: query.title,
        description: query.description,
        visibility: query.visibility,
        force: query.force,
    };
    let imported = plugins::import(&gateway, terms, upload.bytes.clone()).await?;
    let view = PluginView::of(imported.plugin.unwrap_or_default());
    if !imported.created {
        return Ok(Json(view).into_response());
    }
    let location = [(header::LOCATION, format!("/api/v2/plugins/{}", view.id))];
    Ok((StatusCode::CREATED, location, Json(view)).into_response())
}

/// Reads a plug-in.
#[utoipa::path(get, path = "/api/v2/plugins/{plugin}", operation_id = "readPlugin", tag = "plugins",
    responses((status = 200, body = PluginView)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(plugin): Path<String>,
) -> Result<Json<PluginView>, Problem> {
    let request = GetPluginRequest {
        caller: Some(who.caller()),
        plugin,
    };
    let plugin = gateway.peers.plugins().get_plugin(request).await?;
    Ok(Json(PluginView::of(plugin.into_inner())))
}

/// Deletes a plug-in and its file. Pipelines that name it stay as they are.
#[utoipa::path(delete, path = "/api/v2/plugins/{plugin}", operation_id = "deletePlugin",
    tag = "plugins", responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(plugin): Path<String>,
) -> Result<StatusCode, Problem> {
    let request = DeletePluginRequest {
        caller: Some(who.caller()),
        plugin,
    };
    gateway.peers.plugins().delete_plugin(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers a plug-in's file as it was imported.
#[utoipa::path(get, path = "/api/v2/plugins/{plugin}/file", operation_id = "readPluginFile",
    tag = "plugins", responses((status = 200, content_type = "application/java-archive", body = Vec<u8>)))]
pub(crate) async fn file(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(plugin): Path<String>,
) -> Result<Response, Problem> {
    let request = ReadPluginFileRequest {
        caller: Some(who.caller()),
        plugin,
    };
    let chunks = gateway.peers.plugins().read_plugin_file(request).await?;
    let mut chunks = chunks.into_inner();
    let first = chunks.message().await?.unwrap_or_default();
    let plugin = first.plugin.unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/java-archive".to_owned()),
        (header::CONTENT_LENGTH, plugin.size.to_string()),
        (
            header::CONTENT_DISPOSITION,
            super::attachment(&plugin.jar_name),
        ),
    ];
    let rest = Body::from_stream(chunks.map_ok(|it| bytes::Bytes::from(it.content)));
    Ok((headers, rest).into_response())
}
