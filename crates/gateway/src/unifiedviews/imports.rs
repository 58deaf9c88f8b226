//! Files that installers send: exported pipelines, and the jars of plug-ins.

use std::sync::Arc;

use ::transfer::Visibility;
use ::transfer::form::{self, Part};
use ::transfer::jar::JarName;
use ::transfer::plan;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::message::Actor;
use contracts::pipeline::DefineRequest;
use contracts::registry::PluginTerms;

use super::acting::Named;
use super::fault::Fault;
use super::messages::Message;
use super::pipelines::{self, View};
use crate::Gateway;
use crate::auth::Who;
use crate::body::Upload;
use crate::plugins::{self, There};
use crate::problem::Problem;
use crate::transfer::{self, Failure};

/// Makes a pipeline of an exported one. Every failure is 500. Data that come with it are passed over,
/// whatever `importUserData` says.
pub(crate) async fn pipeline(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    upload: Upload,
) -> Result<Json<View>, Fault> {
    let parts = parts(&upload).map_err(|why| not_imported(why.to_string()))?;
    let file = part(&parts, "file").ok_or_else(without_file)?;
    let zip = Bytes::copy_from_slice(file.content);
    let named = Named {
        user: Some(text(&parts, "userExternalId")).filter(|it| !it.is_empty()),
        ..Named::default()
    };
    let failed = |problem: Problem| Fault::failed(Message::PipelineImport, &problem);
    let acting = named.acting(&gateway, &who).await.map_err(failed)?;
    let acting =
        acting.ok_or_else(|| not_imported("User with the given username does not exist"))?;
    let actor = acting.own_actor().to_owned();
    let acting = acting.for_actor(actor);
    let wants_schedules = text(&parts, "importSchedule").eq_ignore_ascii_case("true");
    let caller = who.caller();
    let plan = transfer::plan(&gateway, &caller, zip, wants_schedules).await;
    let plan = plan.map_err(|failure| refused(&failure))?;
    let definition = plan.definition().map_err(|failure| refused(&failure))?;
    let request = DefineRequest {
        caller: Some(who.caller()),
        source: definition.to_string(),
        owner: Some(acting.owner()),
        same_name: true,
        ..Default::default()
    };
    let made = gateway.peers.pipelines().define(request).await;
    let made = made.map_err(|status| failed(status.into()))?.into_inner();
    let owner = Actor {
        user_id: acting.owner().user_id,
        name: acting.owner().name,
        ..Actor::default()
    };
    let schedules = plan.export.schedules.as_deref().unwrap_or_default();
    let scheduled = transfer::schedule(&gateway, &caller, Some(owner), (&made.id, schedules)).await;
    scheduled.map_err(|status| failed(status.into()))?;
    Ok(Json(View::of(&made, Some(acting.external_id().to_owned()))))
}

/// Imports the jar of a plug-in.
pub(crate) async fn jar(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
    upload: Upload,
) -> Result<Response, Fault> {
    let create = |why: String| Fault::failed(Message::PluginCreate, &Problem::invalid(why));
    let parts = parts(&upload).map_err(|why| create(why.to_string()))?;
    let file = part(&parts, "file").ok_or_else(|| create("the part file is missing".into()))?;
    let query = uri.query().unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        let found = pairs.find(|(it, _)| it == name);
        found
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let file_name = file.file_name.clone().unwrap_or_default();
    let visibility = value("visibility");
    let terms = PluginTerms {
        caller: Some(who.caller()),
        file_name: file_name.clone(),
        title: value("name"),
        description: value("description"),
        visibility: visibility.clone(),
        force: value("force").eq_ignore_ascii_case("true"),
    };
    let jar = Bytes::copy_from_slice(file.content);
    let there = check_unused(&gateway, &who, &terms, &jar).await?;
    match plugins::import(&gateway, terms, jar).await {
        Ok(_) => Ok(([(header::CONTENT_TYPE, "application/json")], "[OK]").into_response()),
        Err(status) => {
            let said = (file_name.as_str(), visibility.as_str());
            Err(not_installed(&status.into(), said, there))
        }
    }
}

/// Refuses to give a plug-in that a pipeline uses another file, unless that is configured. The same
/// file again changes nothing. What the registry refuses anyhow is left to it.
async fn check_unused(
    gateway: &Gateway,
    who: &Who,
    terms: &PluginTerms,
    jar: &Bytes,
) -> Result<There, Fault> {
    let failed = |status| Fault::failed(Message::PluginCreate, &Problem::from(status));
    let is_visibility = terms.visibility.is_empty() || Visibility::of(&terms.visibility).is_some();
    let name = JarName::of(&terms.file_name).filter(|_| terms.force && is_visibility);
    let Some(name) = name.map(|it| it.name) else {
        return Ok(There::Nothing);
    };
    let there = plugins::there(gateway, &who.caller(), &name, jar).await;
    let there = there.map_err(failed)?;
    if there != There::Another || gateway.config.unifiedviews.replace_used_plugins {
        return Ok(there);
    }
    let all = pipelines::everything(who);
    if plugins::is_used(gateway, &all, &name)
        .await
        .map_err(failed)?
    {
        let said = "DPU is already used in pipelines!.";
        let refused = Fault::new(StatusCode::CONFLICT, Message::PluginUsed, said);
        return Err(refused.called(said.into()));
    }
    Ok(there)
}

fn not_installed(problem: &Problem, (file_name, visibility): (&str, &str), there: There) -> Fault {
    match problem.reason() {
        "PLUGIN_VISIBILITY" => Fault::bad(
            Message::PluginVisibility,
            "Failed to parse visibility value.",
        )
        .called(format!(
            "No enum constant cz.cuni.mff.xrg.odcs.commons.app.auth.ShareType.{visibility}"
        )),
        "PLUGIN_JAR_NAME" => {
            let technical = format!("Cannot parse directory name from JAR file: {file_name}");
            Fault::bad(Message::PluginName, technical).called("Cannot process DPU name!".into())
        }
        "PLUGIN_EXISTS" => Fault::bad(Message::PluginExists, "DPU with this name already exists.")
            .called("DPU already exists!".into()),
        "PLUGIN_TYPE" => of_jar(Message::PluginReplace, problem),
        "PLUGIN_JAR" if there != There::Nothing => of_jar(Message::PluginReplace, problem),
        "PLUGIN_JAR" => of_jar(Message::PluginCreate, problem),
        _ => Fault::failed(Message::PluginCreate, problem),
    }
}

fn of_jar(message: Message, problem: &Problem) -> Fault {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Fault::new(status, message, problem.detail().to_owned())
}

fn parts(upload: &Upload) -> Result<Vec<Part<'_>>, form::Error> {
    form::read(&upload.content_type, &upload.bytes)
}

fn part<'a, 'b>(parts: &'a [Part<'b>], name: &str) -> Option<&'a Part<'b>> {
    parts.iter().find(|it| it.name == name)
}

/// A part as text, empty if it isn't there.
fn text(parts: &[Part<'_>], name: &str) -> String {
    let content = part(parts, name).map_or(&[][..], |it| it.content);
    String::from_utf8_lossy(content).trim().to_owned()
}

/// The one failure of an import that has no words of its own.
fn without_file() -> Fault {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Fault::new(status, Message::General, "the part file is missing")
}

fn not_imported(technical: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Fault::new(status, Message::PipelineImport, technical)
}

/// Why an export can't be imported, as programs compare it.
fn refused(failure: &Failure) -> Fault {
    use ::transfer::export::Error;
    match failure {
        Failure::Export(Error::Templates(_)) => not_imported("Missing or wrong dpu.xml file"),
        Failure::Export(Error::Schedules(_)) => not_imported("Failed to deserialize schedules."),
        Failure::Export(Error::Archive(_) | Error::NoPipeline | Error::Pipeline(_)) => {
            not_imported("Missing or wrong pipeline file")
        }
        Failure::Plugins(problems) => {
            not_imported(problems.first().map_or_else(String::new, of_plugin))
        }
        Failure::Definition(error) => not_imported(error.to_string()),
        Failure::Peer(status) => {
            Fault::failed(Message::PipelineImport, &Problem::from(status.clone()))
        }
        Failure::Internal => Fault::failed(Message::PipelineImport, &Problem::internal()),
    }
}

fn of_plugin(problem: &plan::Problem) -> String {
    match problem {
        plan::Problem::JarName { .. } => "Failed to import DPU".into(),
        plan::Problem::NotFound { name, jar } => {
            format!("DPU template with name '{name}' {jar} was not found")
        }
        plan::Problem::Older { jar, .. } => {
            format!(
                "Pipeline requires to install DPU template '{jar}', older version is installed. "
            )
        }
        plan::Problem::NotVisible { name } => {
            format!("DPU template with name '{name}' exists, but it's not visible to user.")
        }
        plan::Problem::OtherConfiguration { name } => format!(
            "DPU template with name '{name}' has different configuration from DPU template of \
             imported pipeline."
        ),
    }
}
