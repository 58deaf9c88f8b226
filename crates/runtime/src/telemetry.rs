//! Logs, traces and metrics of a process.
//!
//! Logs go to standard error, as text or JSON lines. Traces go out over OTLP when an endpoint is
//! configured ([`export`]); their context crosses gRPC and Kafka as a W3C `traceparent`
//! ([`mod@trace`]). Metrics are read at `/metrics` in Prometheus' text format.

mod admit;
mod export;
mod trace;

use std::io::IsTerminal as _;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use admit::Admit;
pub use trace::{continued, follow, traceparent, traceparent_of};

/// How long the end of a process waits for the collector.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// How a process tells about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is logged, in the syntax of `tracing`'s filter: `info`, `warn,pipeline=debug`.
    pub log: String,
    /// `text` or `json`.
    pub log_format: LogFormat,
    /// Where traces go, for instance `http://127.0.0.1:4317` (OTLP over gRPC). Empty: nowhere.
    pub otlp_endpoint: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: "info".into(),
            log_format: LogFormat::Text,
            otlp_endpoint: String::new(),
        }
    }
}

/// Why telemetry can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter can't be read.
    #[error(
        "telemetry.log \"{0}\" is not a filter: write a level such as info or warn,pipeline=debug"
    )]
    Filter(String),
    /// The exporter can't be made.
    #[error("telemetry.otlp_endpoint \"{0}\" can't be used: {1}")]
    Endpoint(String, String),
    /// Another part of the process was first.
    #[error("telemetry was started twice")]
    Twice,
}

/// Telemetry of this process; dropped or [`Telemetry::shutdown`] at its end.
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    metrics: PrometheusHandle,
}

impl Telemetry {
    /// Starts logging and what is configured beside it. Once a process, inside a runtime.
    /// `services` are those that the process has.
    pub fn start(config: &Config, services: &[&str]) -> Result<Self, Error> {
        let filter = filter(&config.log)?;
        let colours = std::io::stderr().is_terminal();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(colours);
        let lines = match config.log_format {
            LogFormat::Text => lines.with_target(false).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        let provider = exporter(&config.otlp_endpoint, services)?;
        let traces = provider.as_ref().map(|it| {
            let layer = tracing_opentelemetry::layer().with_tracer(it.tracer("penstock"));
            layer
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_context_activation(false)
        });
        let admit = Admit {
            lines: filter,
            has_traces: provider.is_some(),
        };
        if provider.is_some() {
            trace::switch_on();
        }
        tracing_subscriber::registry()
            .with(traces)
            .with(lines)
            .with(admit)
            .try_init()
            .map_err(|_| Error::Twice)?;
        let metrics = recorder()?;
        Ok(Self { provider, metrics })
    }

    /// Reads the metrics.
    pub fn metrics(&self) -> PrometheusHandle {
        self.metrics.clone()
    }

    /// Sends what is still held back. Blocks for up to two seconds; not on a worker thread.
    pub fn shutdown(self) {
        if let Some(provider) = self.provider {
            let _ = provider.shutdown_with_timeout(LAST_EXPORT);
        }
    }
}

/// The filter as configured. Libraries that tell of every statement or migration are quieter.
fn filter(log: &str) -> Result<EnvFilter, Error> {
    let wrong = |_| Error::Filter(log.to_owned());
    let quiet = format!("sqlx=warn,sea_orm_migration=warn,{log}");
    EnvFilter::try_new(quiet).map_err(wrong)
}

fn exporter(endpoint: &str, services: &[&str]) -> Result<Option<SdkTracerProvider>, Error> {
    if endpoint.is_empty() {
        return Ok(None);
    }
    let provider = export::provider(endpoint, services);
    let provider = provider.map_err(|why| Error::Endpoint(endpoint.into(), why))?;
    Ok(Some(provider))
}

fn recorder() -> Result<PrometheusHandle, Error> {
    const SECONDS: &[f64] = &[
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    ];
    let builder = PrometheusBuilder::new()
        .set_buckets(SECONDS)
        .map_err(|_| Error::Twice)?;
    builder.install_recorder().map_err(|_| Error::Twice)
}
