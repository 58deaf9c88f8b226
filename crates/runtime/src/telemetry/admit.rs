//! What is seen at all: lines as configured, and spans of traces whatever is configured for lines.
//!
//! One filter for all layers and none a layer: those remember a look at what is enabled, and a
//! library that only looks makes the next span of its thread disappear from the trace.

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::{EnvFilter, Layer};

/// The filter.
pub(super) struct Admit {
    /// What is logged.
    pub(super) lines: EnvFilter,
    /// Whether spans go to a collector.
    pub(super) has_traces: bool,
}

impl Admit {
    /// Whether this is for the collector and not for the filter of lines. More than this is not
    /// for others: the exporter's own spans would be exported again.
    fn is_of_traces(&self, metadata: &Metadata<'_>) -> bool {
        self.has_traces && metadata.is_span()
    }
}

impl<S: Subscriber> Layer<S> for Admit {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if !self.is_of_traces(metadata) {
            return Layer::<S>::register_callsite(&self.lines, metadata);
        }
        if *metadata.level() <= Level::INFO {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        if self.is_of_traces(metadata) {
            *metadata.level() <= Level::INFO
        } else {
            Layer::<S>::enabled(&self.lines, metadata, context)
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let lines = Layer::<S>::max_level_hint(&self.lines)?;
        Some(if self.has_traces {
            lines.max(LevelFilter::INFO)
        } else {
            lines
        })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_new_span(&self.lines, attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        Layer::<S>::on_record(&self.lines, id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_enter(&self.lines, id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_exit(&self.lines, id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        Layer::<S>::on_close(&self.lines, id, context);
    }
}
