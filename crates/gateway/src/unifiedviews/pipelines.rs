//! Pipelines: listed, read, made, copied.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use contracts::message::{Actor, Caller};
use contracts::pipeline::{
    DefineRequest, GetPipelineRequest, ListPipelinesRequest, Pipeline, PipelineRef,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::acting::{Acting, Named, Names, actor_of_caller, filled};
use super::fault::Fault;
use super::ids;
use super::lenient::{Fields, unusable};
use super::messages::Message;
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

/// The longest name, in characters.
const LONGEST_NAME: usize = 1024;
/// Pipelines that are asked for at once, and how often.
const PAGE: u32 = 1000;
const MOST_PAGES: usize = 10;

/// A pipeline as the face shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    id: i64,
    name: String,
    description: String,
    user_external_id: Option<String>,
    user_actor_external_id: Option<String>,
}

impl View {
    pub(super) fn of(pipeline: &Pipeline, owner: Option<String>) -> Self {
        let description = definition(pipeline).remove("description");
        Self {
            id: pipeline.number,
            name: pipeline.name.clone(),
            description: match description {
                Some(Value::String(text)) => text,
                _ => String::new(),
            },
            user_external_id: owner,
            user_actor_external_id: filled(&pipeline.owner_actor),
        }
    }
}

/// Pipelines that the acting user owns and the caller may read.
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<Vec<View>>, Fault> {
    let owned = async {
        match Named::of_query(&uri).acting(&gateway, &who).await? {
            Some(acting) => listed(&gateway, &who, acting.user_id()).await,
            None => Ok(Vec::new()),
        }
    };
    let shown = async { views(&gateway, &who, owned.await?).await };
    shown.await.map(Json).map_err(not_read)
}

/// Those, and the ones that others share.
pub(crate) async fn visible(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<Vec<View>>, Fault> {
    let seen = async {
        let acting = Named::of_query(&uri).acting(&gateway, &who).await?;
        let own = acting.as_ref().map_or("", Acting::user_id);
        let mut all = listed(&gateway, &who, "").await?;
        all.retain(|it| it.owner == own || is_shared(it));
        views(&gateway, &who, all).await
    };
    seen.await.map(Json).map_err(not_read)
}

pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<View>, Fault> {
    let pipeline = find(&gateway, &who, &id, Message::PipelinesRead).await?;
    let owner = Names::of(&gateway, &who, [pipeline.owner.as_str()].into_iter()).await;
    let owner = owner.map_err(not_read)?.name(&pipeline.owner);
    Ok(Json(View::of(&pipeline, owner)))
}

pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    fields: Fields,
) -> Result<Json<View>, Fault> {
    let new = New::of(&fields)?;
    new.check_name(&gateway, &who).await?;
    let acting = new_owner(&gateway, &who, &fields).await?;
    let definition = new.over(Map::new());
    made(&gateway, &who, definition, acting).await
}

/// A new pipeline with the steps of another.
pub(crate) async fn copy(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<View>, Fault> {
    ids::pipeline(&id)?;
    let new = New::of(&fields)?;
    let pipeline = find(&gateway, &who, &id, Message::PipelineCreate).await?;
    let acting = new_owner(&gateway, &who, &fields).await?;
    new.check_name(&gateway, &who).await?;
    if pipeline.hides_steps {
        return Err(Fault::denied(Message::PipelineCreate));
    }
    let definition = new.over(definition(&pipeline));
    made(&gateway, &who, definition, acting).await
}

/// What is said of a new pipeline.
struct New {
    name: String,
    description: String,
}

impl New {
    fn of(fields: &Fields) -> Result<Self, Fault> {
        let name = fields.filled("name")?;
        let name = name.ok_or_else(|| unusable("name", "is missing"))?;
        let length = name.chars().count();
        if length > LONGEST_NAME {
            let technical = format!(
                "Pipeline length cannot exceed {LONGEST_NAME} characters! Actual is {length}"
            );
            return Err(Fault::bad(Message::LongName, technical));
        }
        let description = fields.text("description")?.unwrap_or_default();
        Ok(Self { name, description })
    }

    /// Refuses a name that any pipeline of the account has, whoever may see it.
    async fn check_name(&self, gateway: &Gateway, who: &Who) -> Result<(), Fault> {
        let request = GetPipelineRequest {
            caller: Some(everything(who)),
            pipeline: Some(PipelineRef {
                text: format!("name:{}", self.name),
            }),
            definition_only: true,
        };
        let found = gateway.peers.pipelines().get_pipeline(request).await;
        match found.map_err(Problem::from) {
            Ok(_) => Err(Fault::name_taken(&self.name)),
            Err(problem) if problem.is_not_found() => Ok(()),
            Err(problem) if problem.reason() == "AMBIGUOUS" => Err(Fault::name_taken(&self.name)),
            Err(problem) => Err(Fault::failed(Message::PipelineCreate, &problem)),
        }
    }

    /// This name and description over the definition of another, or nothing: private, and with as
    /// many runs at a time as there are.
    fn over(self, mut definition: Map<String, Value>) -> Value {
        definition.remove("roles");
        definition.insert("name".into(), self.name.into());
        definition.insert("description".into(), self.description.into());
        definition.insert("visibility".into(), "private".into());
        definition.insert("concurrency".into(), 0.into());
        definition.entry("steps").or_insert(json!([]));
        Value::Object(definition)
    }
}

/// Whose a new pipeline will be. Without an actor of their own the caller's counts.
async fn new_owner(gateway: &Gateway, who: &Who, fields: &Fields) -> Result<Acting, Fault> {
    let named = Named::of_body(fields)?;
    let said = named.user.clone();
    let failed = |problem| Fault::failed(Message::PipelineCreate, &problem);
    let acting = named.acting(gateway, who).await.map_err(failed)?;
    let Some(acting) = acting else {
        let user = said.unwrap_or_default();
        let technical = format!("User '{user}' could not be found! Pipeline could not be created.");
        return Err(Fault::missing(Message::NoUserForPipeline, technical));
    };
    if acting.has_actor() {
        return Ok(acting);
    }
    let actor = actor_of_caller(gateway, who).await.map_err(failed)?;
    Ok(acting.for_actor(actor))
}

async fn made(
    gateway: &Gateway,
    who: &Who,
    definition: Value,
    acting: Acting,
) -> Result<Json<View>, Fault> {
    let request = DefineRequest {
        caller: Some(who.caller()),
        source: definition.to_string(),
        owner: Some(acting.owner()),
        ..Default::default()
    };
    let made = gateway.peers.pipelines().define(request).await;
    let owner = Some(acting.external_id().to_owned());
    match made.map_err(Problem::from) {
        Ok(made) => Ok(Json(View::of(made.get_ref(), owner))),
        Err(problem) if problem.reason() == "EXISTS" => Err(Fault::name_taken(
            definition["name"].as_str().unwrap_or_default(),
        )),
        Err(problem) => Err(Fault::failed(Message::PipelineCreate, &problem)),
    }
}

/// The pipeline with an id, as the caller may see it. That one is there which the caller may not
/// read is told; `message` is the route's own.
pub(super) async fn find(
    gateway: &Gateway,
    who: &Who,
    id: &str,
    message: Message,
) -> Result<Pipeline, Fault> {
    let number = ids::pipeline(id)?;
    let failed = |problem| Fault::failed(message.clone(), &problem);
    let seen = numbered(gateway, who.caller(), number).await;
    if let Some(pipeline) = seen.map_err(failed)? {
        return Ok(pipeline);
    }
    let hidden = numbered(gateway, everything(who), number).await;
    match hidden.map_err(failed)? {
        Some(_) => Err(Fault::denied(message)),
        None => Err(ids::no_pipeline(id)),
    }
}

async fn numbered(
    gateway: &Gateway,
    caller: Caller,
    number: i64,
) -> Result<Option<Pipeline>, Problem> {
    let request = GetPipelineRequest {
        caller: Some(caller),
        pipeline: Some(PipelineRef {
            text: number.to_string(),
        }),
        definition_only: true,
    };
    let found = gateway.peers.pipelines().get_pipeline(request).await;
    match found.map_err(Problem::from) {
        // One may be called by another's number.
        Ok(found) => Ok(Some(found.into_inner()).filter(|it| it.number == number)),
        Err(problem) if problem.is_not_found() || problem.reason() == "AMBIGUOUS" => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Who sees everything of the account: to find out whether something is there at all.
pub(super) fn everything(who: &Who) -> Caller {
    Caller {
        actor: Some(Actor::system()),
        account: who.account(),
        roles: vec!["auditor".into()],
        ..Caller::default()
    }
}

/// Pipelines of a user, or of everyone if `owner` is empty, by id.
async fn listed(gateway: &Gateway, who: &Who, owner: &str) -> Result<Vec<Pipeline>, Problem> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    for _ in 0..MOST_PAGES {
        let request = ListPipelinesRequest {
            caller: Some(who.caller()),
            limit: PAGE,
            cursor,
            owner: owner.to_owned(),
            definition_only: true,
            ..Default::default()
        };
        let page = gateway.peers.pipelines().list_pipelines(request).await?;
        let page = page.into_inner();
        all.extend(page.pipelines);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    Ok(all)
}

async fn views(
    gateway: &Gateway,
    who: &Who,
    pipelines: Vec<Pipeline>,
) -> Result<Vec<View>, Problem> {
    let owners = pipelines.iter().map(|it| it.owner.as_str());
    let names = Names::of(gateway, who, owners).await?;
    let view = |it: &Pipeline| View::of(it, names.name(&it.owner));
    Ok(pipelines.iter().map(view).collect())
}

/// Whether others may see it: all of the account, and not those alone whom its rules name.
fn is_shared(pipeline: &Pipeline) -> bool {
    let definition = definition(pipeline);
    let has_rules =
        matches!(definition.get("roles"), Some(Value::Array(rules)) if !rules.is_empty());
    !has_rules && definition.get("visibility").and_then(Value::as_str) != Some("private")
}

fn definition(pipeline: &Pipeline) -> Map<String, Value> {
    serde_json::from_str(&pipeline.definition_json).unwrap_or_default()
}

#[allow(clippy::needless_pass_by_value, reason = "what `map_err` gives")]
fn not_read(problem: Problem) -> Fault {
    Fault::failed(Message::PipelinesRead, &problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(definition: &Value) -> Pipeline {
        Pipeline {
            number: 60,
            name: "p".into(),
            definition_json: definition.to_string(),
            ..Pipeline::default()
        }
    }

    #[test]
    fn a_pipeline_has_five_fields_in_their_order() {
        let view = View::of(&pipeline(&json!({"name": "p"})), Some("admin".into()));
        assert_eq!(
            serde_json::to_string(&view).unwrap(),
            r#"{"id":60,"name":"p","description":"","userExternalId":"admin","userActorExternalId":null}"#
        );
    }

    #[test]
    fn what_rules_name_somebody_for_is_not_shared() {
        for (definition, shared) in [
            (json!({"visibility": "public_rw"}), true),
            (json!({"visibility": "public_ro", "roles": []}), true),
            (json!({"visibility": "private"}), false),
            (
                json!({"visibility": "public_rw", "roles": [{"role": "user"}]}),
                false,
            ),
        ] {
            assert_eq!(is_shared(&pipeline(&definition)), shared, "{definition}");
        }
    }

    #[test]
    fn a_copy_has_the_steps_and_is_private() {
        let body = br#"{"name":"copy","id":7}"#;
        let new = New::of(&Fields::read(body).unwrap()).unwrap();
        let source = json!({
            "name": "p", "description": "d", "visibility": "public_rw", "concurrency": 1,
            "roles": [{"role": "user"}], "conflicts": ["x"], "steps": [{"id": "a", "run": "x"}],
        });
        let copy = new.over(definition(&pipeline(&source)));
        let expected = json!({
            "name": "copy", "description": "", "visibility": "private", "concurrency": 0,
            "conflicts": ["x"], "steps": [{"id": "a", "run": "x"}],
        });
        assert_eq!(copy, expected);
    }
}
