//! A collector of traces, as an operator has one: OTLP over gRPC.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A span as it was exported. Ids are in hexadecimal; without a parent it is empty.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) has_ended: bool,
    pub(crate) has_failed: bool,
}

#[derive(Clone, Default)]
struct Seeing {
    spans: Arc<Mutex<Vec<Seen>>>,
    /// Everything that came, as text.
    all: Arc<Mutex<String>>,
}

/// A collector that takes what it is sent. Dropped, it is gone.
pub(crate) struct Collector {
    pub(crate) url: String,
    seeing: Seeing,
    serving: AbortHandle,
}

impl Collector {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seeing = Seeing::default();
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(seeing.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        #[allow(clippy::disallowed_methods, reason = "ends with the collector")]
        let serving = tokio::spawn(server).abort_handle();
        Self {
            url,
            seeing,
            serving,
        }
    }

    /// The spans of a trace so far.
    pub(crate) fn trace(&self, id: &str) -> Vec<Seen> {
        let spans = locked(&self.seeing.spans);
        spans.iter().filter(|it| it.trace == id).cloned().collect()
    }

    /// The names of services that have told any span.
    pub(crate) fn services(&self) -> Vec<String> {
        let mut names: Vec<String> = locked(&self.seeing.spans)
            .iter()
            .map(|it| it.service.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether this text was in anything that was exported.
    pub(crate) fn has_seen(&self, text: &str) -> bool {
        locked(&self.seeing.all).contains(text)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Seeing {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        let _ = write!(locked(&self.all), "{request:?}");
        for resource in request.resource_spans {
            let named = attributes(&resource.resource.unwrap_or_default().attributes);
            let service = named.get("service.name").cloned().unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|it| it.spans);
            let seen = spans.map(|span| seen(&service, &span));
            locked(&self.spans).extend(seen);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn seen(service: &str, span: &Span) -> Seen {
    Seen {
        service: service.to_owned(),
        name: span.name.clone(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: attributes(&span.attributes),
        has_ended: span.end_time_unix_nano >= span.start_time_unix_nano,
        has_failed: span.status.as_ref().is_some_and(|it| it.code == 2),
    }
}

fn attributes(given: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |it: &KeyValue| {
        let value = it.value.as_ref().and_then(|it| it.value.as_ref());
        match value {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        }
    };
    given.iter().map(|it| (it.key.clone(), text(it))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
