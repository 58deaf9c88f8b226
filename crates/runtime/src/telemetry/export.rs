//! Sends spans to a collector, each under the name of its service.
//!
//! A process may have all services; a span belongs to the one that it names (`service.name`), or
//! else to the one whose crate made it.
//!
//! **Invariants:** nothing waits for the collector but a thread of its own. Spans wait for it in a
//! bounded queue; what doesn't fit is dropped, and what it doesn't take in time is counted and
//! gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanEvents, SpanExporter,
};
use tonic::transport::{Channel, Endpoint};

/// How long it may take to reach the collector.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the collector may take to accept a batch.
const ACCEPT: Duration = Duration::from_secs(5);
/// Spans that wait for the collector, at most.
const WAITING: usize = 8192;
/// The attribute that names a span's service.
const SERVICE: &str = "service.name";
/// The attribute that names the module that made a span.
const MODULE: &str = "target";

/// Sends the spans of these services to the collector at `endpoint`. Inside a runtime.
pub(super) fn provider(endpoint: &str, services: &[&str]) -> Result<SdkTracerProvider, String> {
    let exporter = Exporter::new(endpoint, services)?;
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(WAITING)
        .build();
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(config)
        .build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(Resource::builder_empty().build())
        .build())
}

#[derive(Debug)]
struct Exporter {
    endpoint: String,
    services: Vec<Service>,
    /// Whether the collector took the last batch, to say it once when that changes.
    is_well: AtomicBool,
}

#[derive(Debug)]
struct Service {
    name: String,
    exporter: opentelemetry_otlp::SpanExporter,
}

impl Exporter {
    fn new(endpoint: &str, services: &[&str]) -> Result<Self, String> {
        let channel = channel(endpoint)?;
        let alone = ["penstock"];
        let services = if services.is_empty() {
            &alone
        } else {
            services
        };
        let services = services
            .iter()
            .map(|name| Service::new(name, channel.clone()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            endpoint: endpoint.to_owned(),
            services,
            is_well: AtomicBool::new(true),
        })
    }

    /// Which service a span belongs to; the first, if it is none of those here.
    fn place(&self, span: &SpanData) -> usize {
        let text = |key: &str| match attribute(span, key) {
            Some(Value::String(text)) => Some(text.as_str().to_owned()),
            _ => None,
        };
        let of_crate =
            |it: String| Some(it.split("::").next().unwrap_or_default().replace('_', "-"));
        let name = text(SERVICE)
            .or_else(|| text(MODULE).and_then(of_crate))
            .unwrap_or_default();
        let found = self.services.iter().position(|it| it.name == name);
        found.unwrap_or_default()
    }

    fn note(&self, lost: usize, error: Option<String>) {
        let was_well = self.is_well.swap(error.is_none(), Ordering::Relaxed);
        match error {
            Some(error) => {
                metrics::counter!("penstock_trace_spans_lost_total").increment(lost as u64);
                if was_well {
                    let endpoint = &self.endpoint;
                    tracing::warn!("traces are lost: {endpoint} doesn't take them: {error}");
                }
            }
            None if !was_well => tracing::info!("{} takes traces again", self.endpoint),
            None => {}
        }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut parts: Vec<Vec<SpanData>> = self.services.iter().map(|_| Vec::new()).collect();
        for span in batch {
            parts[self.place(&span)].push(told(span));
        }
        let sends = self.services.iter().zip(parts);
        let sends = sends.filter(|(_, part)| !part.is_empty());
        let sent = join_all(sends.map(|(service, part)| async {
            let count = part.len();
            (count, service.exporter.export(part).await)
        }));
        let (mut lost, mut why) = (0, None);
        for (count, outcome) in sent.await {
            if let Err(error) = outcome {
                lost += count;
                why = Some(error.to_string());
            }
        }
        self.note(lost, why);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        for service in &self.services {
            service.exporter.shutdown_with_timeout(timeout)?;
        }
        Ok(())
    }
}

impl Service {
    fn new(name: &str, channel: Channel) -> Result<Self, String> {
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_channel(channel)
            .with_timeout(ACCEPT)
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder()
            .with_service_name(name.to_owned())
            .with_attributes([
                KeyValue::new("service.namespace", "penstock"),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("process.pid", i64::from(std::process::id())),
            ])
            .build();
        exporter.set_resource(&resource);
        Ok(Self {
            name: name.to_owned(),
            exporter,
        })
    }
}

fn channel(endpoint: &str) -> Result<Channel, String> {
    if !endpoint.starts_with("http://") {
        return Err("write http://host:port, the OTLP/gRPC port of a collector".into());
    }
    let endpoint =
        Endpoint::from_shared(endpoint.to_owned()).map_err(|error| crate::fault::chain(&error))?;
    let endpoint = endpoint.connect_timeout(CONNECT).timeout(ACCEPT);
    Ok(endpoint.connect_lazy())
}

/// A span in OpenTelemetry's terms: its kind, a name that says what was asked, whether it failed.
fn told(mut span: SpanData) -> SpanData {
    let text = |key| attribute(&span, key).map(|it| it.as_str().into_owned());
    let (kind, name) = match &*span.name {
        "request" => {
            let both = text("http.request.method").zip(text("http.route"));
            let name = both.map(|(method, route)| format!("{method} {route}"));
            (SpanKind::Server, name)
        }
        "call" => (SpanKind::Server, text("rpc.method")),
        "hear" => (
            SpanKind::Consumer,
            text("message.kind").map(|it| format!("hear {it}")),
        ),
        _ => (SpanKind::Internal, None),
    };
    let has_failed = match attribute(&span, "http.response.status_code") {
        Some(Value::I64(status)) => *status >= 500,
        _ => text("error.type").is_some() || matches!(span.status, Status::Error { .. }),
    };
    // Lines of the log are not for others, nor is what they say of an error.
    span.events = SpanEvents::default();
    span.span_kind = kind;
    if let Some(name) = name {
        span.name = name.into();
    }
    if has_failed {
        span.status = Status::error("");
    }
    span.attributes
        .retain(|it| ![SERVICE, MODULE].contains(&it.key.as_str()));
    span
}

fn attribute<'a>(span: &'a SpanData, key: &str) -> Option<&'a Value> {
    let found = span.attributes.iter().find(|it| it.key.as_str() == key);
    found.map(|it| &it.value)
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{Span as _, SpanContext, SpanId, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SpanLinks;

    use super::*;

    fn span(name: &'static str, attributes: &[(&'static str, &'static str)]) -> SpanData {
        let now = SystemTime::UNIX_EPOCH;
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: now,
            end_time: now,
            attributes: attributes
                .iter()
                .map(|(key, value)| KeyValue::new(*key, *value))
                .collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[tokio::test]
    async fn a_span_belongs_to_the_service_that_it_names_or_whose_crate_made_it() {
        let services = ["registry", "audit-log", "gateway"];
        let exporter = Exporter::new("http://127.0.0.1:1", &services).unwrap();
        for (attributes, expected) in [
            (vec![(MODULE, "gateway::front")], "gateway"),
            (vec![(MODULE, "audit_log::page")], "audit-log"),
            (
                vec![(MODULE, "runtime::serve"), (SERVICE, "audit-log")],
                "audit-log",
            ),
            (vec![(MODULE, "elsewhere")], "registry"),
            (vec![], "registry"),
        ] {
            let found = exporter.place(&span("any", &attributes));
            assert_eq!(exporter.services[found].name, expected, "{attributes:?}");
        }
    }

    #[test]
    fn a_span_is_told_in_opentelemetrys_terms() {
        let request = [
            ("http.request.method", "GET"),
            ("http.route", "/a/{b}"),
            (MODULE, "gateway::front"),
        ];
        let request = told(span("request", &request));
        assert_eq!(request.name, "GET /a/{b}");
        assert_eq!(request.span_kind, SpanKind::Server);
        assert_eq!(request.attributes.len(), 2);
        let hear = told(span("hear", &[("message.kind", "penstock.x.v1")]));
        assert_eq!(hear.name, "hear penstock.x.v1");
        assert_eq!(hear.span_kind, SpanKind::Consumer);
        let step = told(span("step", &[("error.type", "failed")]));
        assert_eq!((&*step.name, step.status), ("step", Status::error("")));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_hangs_holds_nobody_up() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let provider = provider(&endpoint, &["gateway"]).unwrap();
        let tracer = provider.tracer("test");
        let begun = Instant::now();
        for _ in 0..3 * WAITING {
            tracer.start("span").end();
        }
        assert!(begun.elapsed() < ACCEPT, "{:?}", begun.elapsed());
        let last = Duration::from_millis(50);
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(last));
        assert!(ended.await.unwrap().is_err(), "nobody took the spans");
        assert!(begun.elapsed() < ACCEPT, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn what_is_no_collector_is_said() {
        for endpoint in ["https://a:4317", "a:4317", "http://", "http://a b"] {
            assert!(channel(endpoint).is_err(), "{endpoint}");
        }
    }
}
