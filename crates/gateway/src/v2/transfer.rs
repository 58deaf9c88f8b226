//! Pipelines from UnifiedViews and to it, and definitions as YAML.

use std::sync::Arc;

use ::transfer::yaml;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use contracts::pipeline::{DefineRequest, GetPipelineRequest};
use runtime::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::pipeline_ref;
use super::pipeline_view::PipelineView;
use crate::Gateway;
use crate::auth::Who;
use crate::body::{self, Upload};
use crate::problem::Problem;
use crate::transfer::{self, Failure, Plan, Refused, Used};

/// How an export is taken.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// Make nothing, and say what would be made and what is missing.
    dry_run: bool,
    /// Make its schedules, too, if they are in the file.
    schedules: bool,
}

/// What was imported, or would be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportView {
    /// What was made; absent after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<PipelineView>,
    /// What would be made, of a dry run; absent if that is impossible.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
    /// The plug-ins that it needs.
    plugins: Vec<UsedView>,
    /// What is in the way: nothing, where something was made.
    problems: Vec<String>,
    /// How many schedules come with it.
    schedules: usize,
    /// What is in the file and is not imported as it is.
    notes: Vec<String>,
}

/// A plug-in that is needed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsedView {
    name: String,
    /// The least version.
    version: String,
    /// The jar as the file names it.
    jar: String,
    /// Whether Penstock carries it out itself. For any other an executable must be supplied.
    native: bool,
    /// The version that is installed as a jar; absent if none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    installed: Option<String>,
}

impl UsedView {
    fn of(used: &Used) -> Self {
        Self {
            name: used.need.directory.clone(),
            version: used.need.version.clone(),
            jar: used.need.jar.clone(),
            native: used.is_native,
            installed: used.installed.clone(),
        }
    }
}

impl ImportView {
    fn of(plan: &Plan) -> Self {
        let mut problems: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
        let definition = match plan.definition() {
            Ok(definition) => match steps::Definition::from_source(&definition.to_string()) {
                Ok(_) => Some(definition),
                Err(faults) => {
                    problems.push(faults.to_string());
                    None
                }
            },
            Err(Failure::Definition(error)) => {
                problems.push(error.to_string());
                None
            }
            Err(
                Failure::Export(_) | Failure::Plugins(_) | Failure::Peer(_) | Failure::Internal,
            ) => None,
        };
        let data = "the data of plug-ins in it are not imported".to_owned();
        Self {
            pipeline: None,
            definition,
            plugins: plan.plugins.iter().map(UsedView::of).collect(),
            problems,
            schedules: plan.export.schedules.as_ref().map_or(0, Vec::len),
            notes: plan.export.has_data.then_some(data).into_iter().collect(),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Export(error) => Self::new(Kind::Invalid, "EXPORT", error.to_string()),
            Failure::Definition(error) => Self::new(Kind::Invalid, "EXPORT", error.to_string()),
            Failure::Plugins(problems) => {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Self::new(Kind::Conflict, "PLUGINS", all.join("; "))
            }
            Failure::Peer(status) => status.into(),
            Failure::Internal => Self::internal(),
        }
    }
}

/// Makes a pipeline of one that UnifiedViews has exported. The body is the ZIP.
#[utoipa::path(post, path = "/api/v2/pipelines/import", operation_id = "importPipeline",
    tag = "pipelines", params(ImportQuery),
    request_body(content_type = "application/octet-stream", content = Vec<u8>),
    responses((status = 201, body = ImportView, description = "It was made",
            headers(("Location" = String, description = "Where it is"))),
        (status = 200, body = ImportView, description = "What would be made, of a dry run")))]
pub(crate) async fn import(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
    upload: Upload,
) -> Result<Response, Problem> {
    let query: ImportQuery = body::query(&uri)?;
    let (caller, zip) = (who.caller(), upload.bytes.clone());
    let plan = transfer::plan(&gateway, &caller, zip, query.schedules).await?;
    let mut view = ImportView::of(&plan);
    if query.dry_run {
        return Ok(Json(view).into_response());
    }
    let request = DefineRequest {
        caller: Some(who.caller()),
        source: plan.definition()?.to_string(),
        ..DefineRequest::default()
    };
    let made = gateway
        .peers
        .pipelines()
        .define(request)
        .await?
        .into_inner();
    let schedules = plan.export.schedules.as_deref().unwrap_or_default();
    let orphans = transfer::schedule(&gateway, &caller, None, (&made.id, schedules)).await?;
    if orphans > 0 {
        view.notes.push(format!(
            "{orphans} schedules are disabled: the pipelines that they wait for are not here"
        ));
    }
    let location = [(header::LOCATION, format!("/api/v2/pipelines/{}", made.id))];
    view.pipeline = Some(PipelineView::whole(made));
    view.definition = None;
    Ok((StatusCode::CREATED, location, Json(view)).into_response())
}

/// As what a pipeline is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Format {
    /// Our own definition.
    #[default]
    Yaml,
    /// A ZIP that UnifiedViews imports.
    Zip,
}

/// How a pipeline is exported.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// `yaml`, a definition that can be applied again, or `zip`, for UnifiedViews; `yaml` unless
    /// said.
    #[param(inline)]
    format: Format,
}

/// Exports a pipeline: as YAML any, as a ZIP one that has plug-ins only.
#[utoipa::path(get, path = "/api/v2/pipelines/{p}/export", operation_id = "exportPipeline",
    tag = "pipelines", params(ExportQuery),
    responses((status = 200, content((Object = "application/yaml"), (Vec<u8> = "application/zip")))))]
pub(crate) async fn export(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query: ExportQuery = body::query(&uri)?;
    let request = GetPipelineRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        definition_only: false,
    };
    let pipeline = gateway
        .peers
        .pipelines()
        .get_pipeline(request)
        .await?
        .into_inner();
    let definition: Value =
        serde_json::from_str(&pipeline.definition_json).map_err(|_| Problem::internal())?;
    // Of whom may not view its steps they are hidden, and what is left of them is no definition.
    if steps::Definition::from_source(&pipeline.definition_json).is_err() {
        let who = contracts::access::Right::ViewSteps.holders();
        let why = format!("to export this pipeline one must be its {who}");
        return Err(Problem::new(Kind::Denied, "DENIED", why));
    }
    let (kind, extension, bytes) = match query.format {
        Format::Yaml => (
            "application/yaml",
            "yaml",
            yaml::write(&definition).into_bytes(),
        ),
        Format::Zip => {
            let changed_ms = pipeline.updated_at_ms;
            let zip = transfer::zip(&gateway, &who.caller(), &definition, changed_ms).await?;
            ("application/zip", "zip", zip)
        }
    };
    let file = format!("{}.{extension}", pipeline.name);
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, super::attachment(&file)),
    ];
    Ok((headers, bytes).into_response())
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Definition(why) => Self::new(Kind::Conflict, "NO_EXPORT", why.to_string()),
            Refused::Peer(status) => status.into(),
            Refused::Internal => Self::internal(),
        }
    }
}
