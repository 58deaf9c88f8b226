//! The gRPC service: parse, act, answer.

use std::pin::Pin;

use contracts::message::UserActed;
use contracts::scheduler as wire;
use contracts::scheduler::from_executor::Said;
use futures::{Stream, StreamExt as _};
use runtime::{Tasks, clock};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::Error;
use crate::hub::WAITING;
use crate::shift::{Desk, Shift};

mod schedules;
#[cfg(test)]
mod tests;

pub(crate) use schedules::Schedules;

/// Messages of an executor that are acted on together.
const HEARD_AT_ONCE: usize = 64;

/// The service of executors and the queue.
pub(crate) struct Api {
    pub(crate) desk: Desk,
    pub(crate) tasks: Tasks,
}

#[tonic::async_trait]
impl wire::scheduler_server::Scheduler for Api {
    type WorkStream = Pin<Box<dyn Stream<Item = Result<wire::ToExecutor, Status>> + Send>>;

    async fn work(
        &self,
        request: Request<Streaming<wire::FromExecutor>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let mut said = request.into_inner();
        let first = said.message().await?.and_then(|it| it.said);
        let Some(Said::Hello(hello)) = first else {
            return Err(Error::NoHello.into());
        };
        let shift = self.desk.open(hello).await?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let number = self.desk.hub.join(shift.holder(), sender);
        self.desk.bell.ring();
        let (hub, draining) = (self.desk.hub.clone(), self.tasks.draining().clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = draining.cancelled() => {}
                () = listen(&shift, &mut said, &hub, number) => {}
            }
            hub.leave(shift.holder(), number);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn list_executors(
        &self,
        _request: Request<wire::ListExecutorsRequest>,
    ) -> Result<Response<wire::ListExecutorsResponse>, Status> {
        let mut executors = Vec::new();
        for row in self.desk.store.executors().await? {
            let busy = self.desk.store.assigned(&row.name).await?.len();
            executors.push(wire::Executor {
                busy: u32::try_from(busy).unwrap_or(u32::MAX),
                name: row.name,
                boot: row.boot.cast_unsigned(),
                slots: row.slots.cast_unsigned(),
                draining: row.draining,
                lease_expires_at_ms: row.expires_at_ms,
            });
        }
        Ok(Response::new(wire::ListExecutorsResponse { executors }))
    }

    async fn drain(
        &self,
        request: Request<wire::DrainRequest>,
    ) -> Result<Response<wire::DrainResponse>, Status> {
        let request = request.into_inner();
        let acted = request.caller.as_ref().and_then(|caller| {
            let action = if request.drain { "drain" } else { "undrain" };
            let target = (request.executor.as_str(), request.executor.as_str());
            UserActed::of(caller, "executor", action, target, clock::now_ms())
        });
        self.desk
            .store
            .drain(&request.executor, request.drain, acted)
            .await?;
        self.desk.bell.ring();
        Ok(Response::new(wire::DrainResponse {}))
    }

    async fn explain(
        &self,
        request: Request<wire::ExplainRequest>,
    ) -> Result<Response<wire::ExplainResponse>, Status> {
        let Some(place) = self.desk.store.place(&request.into_inner().run_id).await? else {
            return Ok(Response::new(wire::ExplainResponse {
                unknown: true,
                ..Default::default()
            }));
        };
        let executors = self.desk.store.executors().await?;
        let mut answer = wire::ExplainResponse::default();
        match &place.row.executor {
            Some(name) => answer.executor.clone_from(name),
            None => answer.queue_place = place.before + 1,
        }
        for executor in executors {
            if executor.name == answer.executor {
                answer.lease_expires_at_ms = executor.expires_at_ms;
            }
            if executor.draining {
                answer.draining += 1;
                continue;
            }
            let busy = self.desk.store.assigned(&executor.name).await?.len();
            answer.executors += 1;
            answer.slots += executor.slots.cast_unsigned();
            answer.busy += u32::try_from(busy).unwrap_or(u32::MAX);
        }
        Ok(Response::new(answer))
    }
}

/// Hears an executor until its stream ends, or a later stream of it has begun.
async fn listen(
    shift: &Shift,
    said: &mut Streaming<wire::FromExecutor>,
    hub: &crate::hub::Hub,
    number: u64,
) {
    let mut all = said.ready_chunks(HEARD_AT_ONCE);
    while let Some(messages) = all.next().await {
        if !hub.is_current(shift.holder(), number) {
            return;
        }
        let ends = messages.iter().any(Result::is_err);
        let said = messages.into_iter().flatten().filter_map(|it| it.said);
        if let Err(error) = shift.hear(said.collect()).await {
            tracing::warn!(
                executor.name = shift.holder().name,
                "an executor was not heard: {error}"
            );
            if matches!(error, Error::OldBoot { .. }) {
                return;
            }
        }
        if ends {
            return;
        }
    }
}
