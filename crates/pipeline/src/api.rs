//! The gRPC services: parse, act, answer.

mod attempts;
mod gates;
mod pipelines;
mod scheduling;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use attempts::Attempts;
pub(crate) use pipelines::Pipelines;
pub(crate) use scheduling::Scheduling;
