//! What a scheduler asks for schedules, answered by a test's pipeline service.

use contracts::message::Caller;
use contracts::pipeline::scheduling_server::{Scheduling, SchedulingServer};
use contracts::pipeline::start_outcome::What;
use contracts::pipeline::{
    EndedRun, ListEndedRequest, ListEndedResponse, PermitRequest, PermitResponse, Permitted,
    ScheduledStart, StartOutcome, StartRunsRequest, StartRunsResponse,
};
use runtime::clock;
use tonic::{Request, Response, Status};

use super::pipeline::Pipeline;

/// What it knows of schedules' runs.
#[derive(Debug, Default)]
pub(super) struct Started {
    /// The starts that were accepted, in order.
    accepted: Vec<ScheduledStart>,
    /// How often it was asked, repeats included.
    asked: usize,
    /// Pipelines with a run that has not ended.
    active: Vec<String>,
    /// Why it refuses whatever it is asked for.
    refuses: Option<String>,
    ended: Vec<EndedRun>,
    /// Users who see nothing.
    blind: Vec<String>,
}

impl Pipeline {
    pub(crate) fn scheduling(&self) -> SchedulingServer<Self> {
        SchedulingServer::new(self.clone())
    }

    /// The starts that were accepted, in order: pipeline and slot.
    pub(crate) fn accepted(&self) -> Vec<(String, String)> {
        let known = self.known();
        let both = known.started.accepted.iter();
        both.map(|it| (it.pipeline_id.clone(), it.slot.clone()))
            .collect()
    }

    /// The starts as they were asked for.
    pub(crate) fn starts(&self) -> Vec<ScheduledStart> {
        self.known().started.accepted.clone()
    }

    /// How many runs it was asked for, repeats included.
    pub(crate) fn asked_for(&self) -> usize {
        self.known().started.asked
    }

    /// Whether a run of a pipeline has not ended.
    pub(crate) fn is_active(&self, pipeline_id: &str, is_active: bool) {
        let mut known = self.known();
        known.started.active.retain(|it| it != pipeline_id);
        if is_active {
            known.started.active.push(pipeline_id.to_owned());
        }
    }

    /// Refuses all runs, for this reason.
    pub(crate) fn refuses(&self, why: Option<&str>) {
        self.known().started.refuses = why.map(str::to_owned);
    }

    /// Runs that have ended well.
    pub(crate) fn has_ended(&self, runs: Vec<EndedRun>) {
        self.known().started.ended = runs;
    }

    /// A user sees no pipeline.
    pub(crate) fn hides_from(&self, user_id: &str) {
        self.known().started.blind.push(user_id.to_owned());
    }

    fn sees(&self, caller: Option<Caller>) -> bool {
        let user_id = caller.and_then(|it| it.actor).unwrap_or_default().user_id;
        !self.known().started.blind.contains(&user_id)
    }
}

#[tonic::async_trait]
impl Scheduling for Pipeline {
    /// It knows the pipelines of 24-hex ids, and calls each by its last digit.
    async fn permit(
        &self,
        request: Request<PermitRequest>,
    ) -> Result<Response<PermitResponse>, Status> {
        drop(self.asked()?);
        let request = request.into_inner();
        let sees = self.sees(request.caller);
        let is_there = |it: &str| sees && contracts::id::is_object_id(it);
        let mut pipelines = Vec::new();
        for named in request.pipelines {
            if is_there(&named.text) {
                let number = i64::from_str_radix(&named.text[16..], 16).unwrap();
                let name = named.text[23..].to_owned();
                pipelines.push(Permitted {
                    id: named.text,
                    number,
                    name,
                });
            } else if !request.leave_out {
                let why = format!("there is no pipeline \"{}\"", named.text);
                return Err(Status::not_found(why));
            }
        }
        Ok(Response::new(PermitResponse { pipelines }))
    }

    async fn start_runs(
        &self,
        request: Request<StartRunsRequest>,
    ) -> Result<Response<StartRunsResponse>, Status> {
        let mut known = self.asked()?;
        let mut outcomes = Vec::new();
        for start in request.into_inner().starts {
            known.started.asked += 1;
            outcomes.push(known.started.start(start));
        }
        Ok(Response::new(StartRunsResponse { outcomes }))
    }

    async fn list_ended(
        &self,
        request: Request<ListEndedRequest>,
    ) -> Result<Response<ListEndedResponse>, Status> {
        let (known, request) = (self.asked()?, request.into_inner());
        let is_meant = |it: &&EndedRun| {
            request.pipeline_ids.contains(&it.pipeline_id)
                && it.number > request.after
                && it.ended_at_ms >= request.ended_since_ms
        };
        let runs = known.started.ended.iter().filter(is_meant).take(2).cloned();
        Ok(Response::new(ListEndedResponse {
            runs: runs.collect(),
        }))
    }
}

impl Started {
    fn start(&mut self, start: ScheduledStart) -> StartOutcome {
        let origin = |it: &ScheduledStart| (it.schedule_id.clone(), it.slot.clone());
        let known = self
            .accepted
            .iter()
            .position(|it| origin(it) == origin(&start));
        let what = match (known, &self.refuses) {
            (Some(_), _) => What::Repeated,
            (None, _) if start.only_known => {
                return StartOutcome {
                    what: What::Unknown.into(),
                    ..StartOutcome::default()
                };
            }
            (None, Some(why)) => {
                return StartOutcome {
                    what: What::Refused.into(),
                    message: why.clone(),
                    ..StartOutcome::default()
                };
            }
            (None, None) if start.unless_active && self.active.contains(&start.pipeline_id) => {
                return StartOutcome {
                    what: What::Active.into(),
                    ..StartOutcome::default()
                };
            }
            (None, None) => {
                self.accepted.push(start);
                What::Accepted
            }
        };
        let index = known.unwrap_or(self.accepted.len() - 1);
        StartOutcome {
            what: what.into(),
            run_id: super::id(u32::try_from(0x1000 + index).unwrap()),
            run_count: 1,
            requested_at_ms: clock::now_ms(),
            message: String::new(),
        }
    }
}
