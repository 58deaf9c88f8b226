//! Traces: how one goes on from a process to the next, as a W3C `traceparent`.
//!
//! A trace begins with a request of a user, in their own trace if they say one, or with an attempt
//! that has none. What services ask of their own accord belongs to no trace and makes no span.
//!
//! **Invariant:** while traces go nowhere, none of this does more than look at a flag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Whether traces of this process go anywhere.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// From now on traces go somewhere.
pub(super) fn switch_on() {
    IS_ON.store(true, Ordering::Relaxed);
}

fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// The `traceparent` of the current span, if it is part of a trace.
pub fn traceparent() -> Option<String> {
    is_on().then(|| written(&Span::current())).flatten()
}

/// The `traceparent` of a span, if it is part of a trace.
pub fn traceparent_of(span: &Span) -> Option<String> {
    is_on().then(|| written(span)).flatten()
}

fn written(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let it = span.span_context();
    it.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            it.trace_id(),
            it.span_id(),
            it.trace_flags().to_u8()
        )
    })
}

/// Makes `span` a part of the trace that `traceparent` names. Malformed ones are ignored.
///
/// Has to come before anyone asks for the span's own `traceparent`.
pub fn follow(span: &Span, traceparent: Option<&str>) {
    if let Some(parent) = traceparent.filter(|_| is_on()).and_then(read) {
        let _ = span.set_parent(parent);
    }
}

/// A span that goes on with the trace that `traceparent` names. Without such a trace, and while
/// traces go nowhere, there is none: `span` isn't called.
pub fn continued(traceparent: Option<&str>, span: impl FnOnce() -> Span) -> Span {
    let Some(parent) = traceparent.filter(|_| is_on()).and_then(read) else {
        return Span::none();
    };
    let span = span();
    let _ = span.set_parent(parent);
    span
}

fn read(traceparent: &str) -> Option<Context> {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    // Without a context of its own: what is current here is another trace.
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    context
        .span()
        .span_context()
        .is_valid()
        .then(|| context.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_traceparent_counts() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        for (text, is_good) in [
            (format!("00-{trace}-b7ad6b7169203331-01"), true),
            (format!("00-{trace}-b7ad6b7169203331-00"), true),
            (format!("00-{trace}-0000000000000000-01"), false),
            (format!("00-{trace}"), false),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
            ("nonsense".into(), false),
            (String::new(), false),
        ] {
            assert_eq!(read(&text).is_some(), is_good, "{text}");
        }
    }

    #[test]
    fn no_span_is_made_while_traces_go_nowhere() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let span = continued(Some(parent), || unreachable!("it is not called"));
        assert!(span.is_none() && traceparent_of(&span).is_none());
    }
}
