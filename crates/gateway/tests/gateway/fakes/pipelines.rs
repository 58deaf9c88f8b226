//! The pipeline service, as far as a test says.

use contracts::message::RunState;
use contracts::pipeline::pipelines_server::Pipelines;
use contracts::pipeline::{
    DecideRequest, DecideResponse, DefineRequest, DeletePipelineRequest, DeletePipelineResponse,
    GetPipelineRequest, GetRunRequest, ListPipelinesRequest, ListPipelinesResponse,
    ListRunsRequest, ListRunsResponse, Pipeline, ResetRequest, ResetResponse, Run, StartRunRequest,
    StartRunResponse, StopRunsRequest, StopRunsResponse,
};
use tonic::{Code, Request, Response, Status};

use super::{Fake, fault, run};

#[async_trait::async_trait]
impl Pipelines for Fake {
    async fn define(&self, request: Request<DefineRequest>) -> Result<Response<Pipeline>, Status> {
        let request = request.into_inner();
        self.answer(|behind| {
            if let Some(failure) = behind.failures.pop_front() {
                return Err(failure);
            }
            behind.defined.push(request);
            Ok(behind.pipeline.clone())
        })
    }

    async fn get_pipeline(
        &self,
        request: Request<GetPipelineRequest>,
    ) -> Result<Response<Pipeline>, Status> {
        self.of_pipeline(request.into_inner().pipeline, |behind| {
            Ok(behind.pipeline.clone())
        })
    }

    async fn list_pipelines(
        &self,
        request: Request<ListPipelinesRequest>,
    ) -> Result<Response<ListPipelinesResponse>, Status> {
        let ListPipelinesRequest { limit, cursor, .. } = request.into_inner();
        self.answer(|behind| {
            // Three pipelines, numbered by the cursor.
            let from: i64 = cursor.parse().unwrap_or(0);
            let to = (from + i64::from(limit)).min(3);
            let each = (from..to).map(|number| Pipeline {
                number,
                ..behind.pipeline.clone()
            });
            let next_cursor = if to < 3 {
                to.to_string()
            } else {
                String::new()
            };
            Ok(ListPipelinesResponse {
                pipelines: each.collect(),
                next_cursor,
            })
        })
    }

    async fn delete_pipeline(
        &self,
        request: Request<DeletePipelineRequest>,
    ) -> Result<Response<DeletePipelineResponse>, Status> {
        self.of_pipeline(request.into_inner().pipeline, |_| {
            Ok(DeletePipelineResponse {})
        })
    }

    async fn start_run(
        &self,
        request: Request<StartRunRequest>,
    ) -> Result<Response<StartRunResponse>, Status> {
        let request = request.into_inner();
        self.set(|behind| behind.starts.push(request.clone()));
        self.of_pipeline(request.pipeline, |behind| {
            let run = run(behind.pipeline.run_count + 1, RunState::Queued);
            let queue_position = behind.queue_position;
            Ok(StartRunResponse {
                run: Some(run),
                repeated: false,
                queue_position,
            })
        })
    }

    async fn stop_runs(
        &self,
        request: Request<StopRunsRequest>,
    ) -> Result<Response<StopRunsResponse>, Status> {
        let request = request.into_inner();
        self.of_pipeline(request.pipeline.clone(), |behind| {
            let named = request.run_count;
            let each = behind
                .runs
                .values()
                .filter(|it| named == 0 || it.run_count == named);
            let runs = each.cloned().collect();
            behind.stops.push(request);
            Ok(StopRunsResponse {
                runs,
                queued_runs_cancelled: behind.queue_position,
            })
        })
    }

    async fn decide(
        &self,
        request: Request<DecideRequest>,
    ) -> Result<Response<DecideResponse>, Status> {
        let request = request.into_inner();
        self.of_pipeline(request.pipeline.clone(), |behind| {
            let run = match request.run_count {
                0 => behind.runs.values().next_back(),
                named => behind.runs.get(&named),
            };
            let run = run.cloned();
            behind.decisions.push(request);
            Ok(DecideResponse {
                run,
                repeated: false,
            })
        })
    }

    async fn reset(
        &self,
        request: Request<ResetRequest>,
    ) -> Result<Response<ResetResponse>, Status> {
        let request = request.into_inner();
        self.of_pipeline(request.pipeline.clone(), |behind| {
            behind.resets.push(request);
            Ok(ResetResponse {})
        })
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<Run>, Status> {
        let GetRunRequest {
            pipeline,
            run_count,
            ..
        } = request.into_inner();
        self.of_pipeline(pipeline, |behind| {
            let found = match run_count {
                0 => behind.runs.values().next_back(),
                named => behind.runs.get(&named),
            };
            let message = format!("pipeline \"Blank Template\" has no run {run_count}");
            found
                .cloned()
                .ok_or_else(|| fault(Code::NotFound, "NO_RUN", &message))
        })
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        self.of_pipeline(request.into_inner().pipeline, |behind| {
            let runs = behind.runs.values().rev().cloned().collect();
            Ok(ListRunsResponse {
                runs,
                next_cursor: "more".into(),
            })
        })
    }
}
