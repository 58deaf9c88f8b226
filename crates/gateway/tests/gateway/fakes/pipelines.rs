//! The pipeline service, as far as a test says.

use contracts::message::{RunState, StepState};
use contracts::pipeline::pipelines_server::Pipelines;
use contracts::pipeline::{
    DecideRequest, DecideResponse, DefineRequest, DeletePipelineRequest, DeletePipelineResponse,
    DuplicateRequest, GetPipelineRequest, GetRunRequest, ListPipelinesRequest,
    ListPipelinesResponse, ListRunsRequest, ListRunsResponse, ListToolPipelinesRequest,
    ListToolPipelinesResponse, ListToolRunsRequest, ListToolRunsResponse, Lock, Pipeline,
    ResetRequest, ResetResponse, Run, SetLockRequest, StartRunRequest, StartRunResponse,
    StopRunsRequest, StopRunsResponse, ToolPipeline, ToolRun, TransferRequest,
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
            // Numbered by the cursor.
            let all = 3 + behind.more_pipelines;
            let from: i64 = cursor.parse().unwrap_or(0);
            let to = (from + i64::from(limit)).min(all);
            let each = (from..to).map(|number| Pipeline {
                number,
                ..behind.pipeline.clone()
            });
            let next_cursor = if to < all {
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

    async fn duplicate(
        &self,
        request: Request<DuplicateRequest>,
    ) -> Result<Response<Pipeline>, Status> {
        let DuplicateRequest { pipeline, name, .. } = request.into_inner();
        self.of_pipeline(pipeline, |behind| {
            Ok(Pipeline {
                name,
                created: true,
                ..behind.pipeline.clone()
            })
        })
    }

    async fn transfer(
        &self,
        request: Request<TransferRequest>,
    ) -> Result<Response<Pipeline>, Status> {
        let TransferRequest {
            pipeline, owner, ..
        } = request.into_inner();
        self.of_pipeline(pipeline, |behind| {
            behind.pipeline.owner = owner;
            Ok(behind.pipeline.clone())
        })
    }

    async fn set_lock(
        &self,
        request: Request<SetLockRequest>,
    ) -> Result<Response<Pipeline>, Status> {
        let request = request.into_inner();
        self.of_pipeline(request.pipeline, |behind| {
            let lock = Lock {
                reason: request.reason,
                at_ms: 1_600_000_000_000,
                ..Default::default()
            };
            behind.pipeline.lock = request.locked.then_some(lock);
            Ok(behind.pipeline.clone())
        })
    }

    async fn list_tool_pipelines(
        &self,
        request: Request<ListToolPipelinesRequest>,
    ) -> Result<Response<ListToolPipelinesResponse>, Status> {
        let names = request.into_inner().names;
        self.answer(|behind| {
            let pipeline = ToolPipeline {
                id: behind.pipeline.id.clone(),
                number: 1,
                name: behind.pipeline.name.clone(),
                steps: names,
            };
            Ok(ListToolPipelinesResponse {
                pipelines: vec![pipeline],
                next_cursor: String::new(),
            })
        })
    }

    async fn list_tool_runs(
        &self,
        request: Request<ListToolRunsRequest>,
    ) -> Result<Response<ListToolRunsResponse>, Status> {
        let run = ToolRun {
            run_id: request.into_inner().tool_id,
            run_count: 3,
            step_id: "build".into(),
            r#try: 1,
            operation: "run".into(),
            state: StepState::Failed.into(),
            message: "no".into(),
            at_ms: 1_600_000_000_000,
            ..Default::default()
        };
        self.answer(|_| {
            Ok(ListToolRunsResponse {
                runs: vec![run],
                next_cursor: String::new(),
            })
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
