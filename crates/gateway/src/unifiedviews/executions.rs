//! Executions of a pipeline: its runs, known by their numbers.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use contracts::message::{RunState, StopMode};
use contracts::pipeline::{GetRunRequest, ListRunsRequest, Pipeline, PipelineRef, Run, RunChoice};
use serde::Serialize;

use super::acting::{Named, Names, filled};
use super::dates::Date;
use super::fault::Fault;
use super::lenient::Fields;
use super::messages::Message;
use super::{ids, pipelines, schedules};
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;
use crate::start::{self, Start, Wishes};

/// Runs that are asked for at once, and how often: older ones are not listed.
const PAGE: u32 = 1000;
const MOST_PAGES: usize = 10;

/// An execution as the face shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    id: i64,
    status: Status,
    order_number: i64,
    start: Option<Date>,
    end: Option<Date>,
    schedule: Option<i64>,
    stop: bool,
    last_change: Date,
    user_external_id: Option<String>,
    user_actor_external_id: Option<String>,
    debugging: bool,
}

/// Where an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Cancelling,
    Running,
    Queued,
    Cancelled,
    Failed,
    FinishedSuccess,
    FinishedWarning,
}

impl Status {
    fn of(run: &Run) -> Self {
        match run.state() {
            RunState::Queued if run.started_at_ms == 0 => Self::Queued,
            RunState::Unspecified
            | RunState::Queued
            | RunState::Running
            | RunState::Waiting
            | RunState::Failing => Self::Running,
            RunState::Cancelling => Self::Cancelling,
            RunState::Cancelled => Self::Cancelled,
            RunState::Failed => Self::Failed,
            RunState::Succeeded => Self::FinishedSuccess,
            RunState::Warned => Self::FinishedWarning,
        }
    }
}

impl View {
    fn of(run: &Run, names: &Names, schedules: &HashSet<i64>) -> Self {
        Self {
            id: run.number,
            status: Status::of(run),
            order_number: run.order_number,
            start: Date::of(run.started_at_ms),
            end: Date::of(run.ended_at_ms),
            schedule: Some(run.schedule_number).filter(|it| schedules.contains(it)),
            stop: run.stop_mode() != StopMode::Unspecified,
            last_change: Date::at(run.changed_at_ms),
            user_external_id: names.name(&run.owner),
            user_actor_external_id: filled(&run.on_behalf_of),
            debugging: run.debugging,
        }
    }
}

/// All of them, the oldest first.
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Vec<View>>, Fault> {
    let pipeline = pipelines::find(&gateway, &who, &id, Message::ExecutionsRead).await?;
    let shown = async {
        let (mut runs, mut cursor) = (Vec::new(), String::new());
        for _ in 0..MOST_PAGES {
            let choice = RunChoice::Unspecified;
            let (page, next) = runs_of(&gateway, &who, &pipeline, choice, cursor).await?;
            runs.extend(page);
            cursor = next;
            if cursor.is_empty() {
                break;
            }
        }
        runs.reverse();
        views(&gateway, &who, &runs).await
    };
    shown.await.map(Json).map_err(not_read)
}

pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((id, execution)): Path<(String, String)>,
) -> Result<Json<View>, Fault> {
    let (_, run) = find(&gateway, &who, (&id, &execution), Message::ExecutionsRead).await?;
    Ok(Json(view(&gateway, &who, &run).await.map_err(not_read)?))
}

/// The one that ended last.
pub(crate) async fn last(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<View>, Fault> {
    let pipeline = pipelines::find(&gateway, &who, &id, Message::ExecutionsRead).await?;
    let ended = runs_of(
        &gateway,
        &who,
        &pipeline,
        RunChoice::LastEnded,
        String::new(),
    )
    .await;
    let Some(run) = ended.map_err(not_read)?.0.pop() else {
        let technical = format!("null pipeline executions for pipeline with ID={id}!");
        return Err(Fault::missing(Message::NoLastExecution, technical));
    };
    Ok(Json(view(&gateway, &who, &run).await.map_err(not_read)?))
}

/// Those that have not ended: what is being cancelled (and is shown as running), what runs, what is
/// queued.
pub(crate) async fn pending(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Vec<View>>, Fault> {
    let pipeline = pipelines::find(&gateway, &who, &id, Message::ExecutionsRead).await?;
    let open = runs_of(
        &gateway,
        &who,
        &pipeline,
        RunChoice::Unfinished,
        String::new(),
    );
    let runs = open.await.map_err(not_read)?.0;
    if runs.is_empty() && gateway.config.unifiedviews.strict_document {
        return Err(ids::no_pipeline(&id));
    }
    let mut views = views(&gateway, &who, &runs).await.map_err(not_read)?;
    views.sort_by_key(|it| (it.status, it.id));
    for view in &mut views {
        if view.status == Status::Cancelling {
            view.status = Status::Running;
        }
    }
    Ok(Json(views))
}

/// Starts one.
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<View>, Fault> {
    let failed = |problem: Problem| Fault::failed(Message::ExecutionCreate, &problem);
    let pipeline = pipelines::find(&gateway, &who, &id, Message::ExecutionCreate).await;
    let pipeline = pipeline.map_err(|fault| spelled_for_create(fault, &id))?;
    let debugging = fields.truth("debugging")? || fields.truth("isDebugging")?;
    let named = Named::of_body(&fields)?;
    let said = named.user.clone().unwrap_or_default();
    let acting = named.acting(&gateway, &who).await.map_err(failed)?;
    let Some(acting) = acting else {
        let technical = format!("User with ID={said} could not be found.");
        return Err(Fault::missing(Message::NoUserForExecution, technical));
    };
    let start = Start {
        pipeline: pipeline.id,
        wishes: Wishes {
            owner: Some(acting.owner()),
            debugging,
            allow_empty: true,
            ..Wishes::default()
        },
        ..Start::default()
    };
    let started = start::run(&gateway, &who, start).await.map_err(failed)?;
    let run = started.run.unwrap_or_default();
    Ok(Json(view(&gateway, &who, &run).await.map_err(failed)?))
}

/// This route alone writes the missing pipeline's id differently.
fn spelled_for_create(fault: Fault, id: &str) -> Fault {
    if fault == ids::no_pipeline(id) {
        let technical = format!("Pipeline with ID={id} doesn't exist!");
        return Fault::missing(Message::NoPipeline(id.to_owned()), technical);
    }
    fault
}

/// An execution of a pipeline, and the pipeline. `message` is the route's own.
pub(super) async fn find(
    gateway: &Gateway,
    who: &Who,
    (id, execution): (&str, &str),
    message: Message,
) -> Result<(Pipeline, Run), Fault> {
    ids::pipeline(id)?;
    let number = ids::execution(execution)?;
    let pipeline = pipelines::find(gateway, who, id, message.clone()).await?;
    // Numbers begin at 1.
    if number == 0 {
        return Err(ids::no_execution(execution));
    }
    let request = GetRunRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(&pipeline)),
        number,
        ..Default::default()
    };
    let found = gateway.peers.pipelines().get_run(request).await;
    match found.map_err(Problem::from) {
        Ok(found) => Ok((pipeline, found.into_inner())),
        Err(problem) if problem.is_not_found() => Err(ids::no_execution(execution)),
        Err(problem) if problem.reason() == "OTHER_PIPELINE" => {
            let technical = format!(
                "PipelineExecution with id={execution} is not execution of pipeline with id={id}!"
            );
            let (execution, pipeline) = (execution.to_owned(), id.to_owned());
            let message = Message::OtherExecution {
                execution,
                pipeline,
            };
            Err(Fault::bad(message, technical))
        }
        Err(problem) => Err(Fault::failed(message, &problem)),
    }
}

fn pipeline_ref(pipeline: &Pipeline) -> PipelineRef {
    PipelineRef {
        text: pipeline.id.clone(),
    }
}

/// A page of a pipeline's runs, the newest first, and where the next begins.
async fn runs_of(
    gateway: &Gateway,
    who: &Who,
    pipeline: &Pipeline,
    choice: RunChoice,
    cursor: String,
) -> Result<(Vec<Run>, String), Problem> {
    let request = ListRunsRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(pipeline)),
        limit: PAGE,
        cursor,
        choice: choice.into(),
    };
    let page = gateway.peers.pipelines().list_runs(request).await?;
    let page = page.into_inner();
    Ok((page.runs, page.next_cursor))
}

async fn view(gateway: &Gateway, who: &Who, run: &Run) -> Result<View, Problem> {
    let views = views(gateway, who, std::slice::from_ref(run)).await?;
    views.into_iter().next().ok_or_else(Problem::internal)
}

/// Runs of one pipeline as they are shown. A schedule that is deleted started none.
async fn views(gateway: &Gateway, who: &Who, runs: &[Run]) -> Result<Vec<View>, Problem> {
    let owners = runs.iter().map(|run| run.owner.as_str());
    let names = Names::of(gateway, who, owners).await?;
    let scheduled = runs.iter().find(|run| run.schedule_number > 0);
    let schedules = match scheduled {
        Some(run) => schedules::numbers(gateway, who, &run.pipeline_id).await?,
        None => HashSet::new(),
    };
    let view = |run: &Run| View::of(run, &names, &schedules);
    Ok(runs.iter().map(view).collect())
}

#[allow(clippy::needless_pass_by_value, reason = "what `map_err` gives")]
fn not_read(problem: Problem) -> Fault {
    Fault::failed(Message::ExecutionsRead, &problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_in_the_words_of_the_contract() {
        for (state, started_at_ms, word) in [
            (RunState::Queued, 0, "\"QUEUED\""),
            (RunState::Queued, 1, "\"RUNNING\""),
            (RunState::Running, 1, "\"RUNNING\""),
            (RunState::Waiting, 1, "\"RUNNING\""),
            (RunState::Failing, 1, "\"RUNNING\""),
            (RunState::Cancelling, 1, "\"CANCELLING\""),
            (RunState::Cancelled, 0, "\"CANCELLED\""),
            (RunState::Failed, 1, "\"FAILED\""),
            (RunState::Succeeded, 1, "\"FINISHED_SUCCESS\""),
            (RunState::Warned, 1, "\"FINISHED_WARNING\""),
        ] {
            let run = Run {
                state: state.into(),
                started_at_ms,
                ..Run::default()
            };
            let told = serde_json::to_string(&Status::of(&run)).unwrap();
            assert_eq!(told, word);
        }
    }
}
