//! What is looked at as it goes by, because nobody keeps it: answers to the harness's clients, and the
//! traces that a world's processes tell.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::canary::Canary;

/// Sees what goes by, and where the canary was in it.
#[derive(Debug, Clone)]
pub struct Watch {
    canary: Arc<Canary>,
    seen: Arc<Mutex<BTreeSet<String>>>,
}

impl Watch {
    /// Looks for this canary.
    pub fn for_canary(canary: Canary) -> Self {
        Self {
            canary: Arc::new(canary),
            seen: Arc::default(),
        }
    }

    /// What is looked for.
    pub fn canary(&self) -> &Canary {
        &self.canary
    }

    /// Looks at something.
    pub fn look(&self, place: impl FnOnce() -> String, bytes: &[u8]) {
        if let Some(form) = self.canary.form_in(bytes) {
            let said = format!("{} ({form})", place());
            self.seen().insert(said);
        }
    }

    /// Where it was seen so far.
    pub fn places(&self) -> Vec<String> {
        self.seen().iter().cloned().collect()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A collector of traces that looks at what it is sent and keeps nothing. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) url: String,
    serving: AbortHandle,
}

impl Collector {
    pub(crate) async fn open(watch: Watch) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Looking(watch)))
            .serve_with_incoming(TcpListenerStream::new(listener));
        Self {
            url: format!("http://{address}"),
            serving: tokio::spawn(server).abort_handle(),
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Looking(Watch);

#[tonic::async_trait]
impl TraceService for Looking {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let told = request.into_inner().encode_to_vec();
        self.0.look(|| "a trace".to_owned(), &told);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
