//! The wire between the services: everything that is asked and told, made from `proto/`.
//!
//! Calls are tonic services (one module a service), news are the messages of [`message`], which
//! travel as proto-JSON under their [`message::Message::TYPE`]. Ids are typed ([`id`]), so that
//! one can't be given for another.
//!
//! **Invariant:** this crate knows none of ours and does no I/O.

pub mod access;
mod acted;
mod hidden;
pub mod id;
pub mod message;
pub mod token;
pub mod tool;

pub use generated::audit::v1 as audit;
pub use generated::pipeline::v1 as pipeline;
pub use generated::registry::v1 as registry;
pub use generated::scheduler::v1 as scheduler;

/// The descriptors of all services and messages, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The folders of `proto/penstock`, as modules.
#[allow(
    missing_docs,
    clippy::pedantic,
    clippy::wildcard_enum_match_arm,
    clippy::too_long_first_doc_paragraph,
    clippy::unwrap_used,
    clippy::allow_attributes_without_reason,
    unused_qualifications,
    unreachable_pub,
    reason = "generated; the documentation is in proto/"
)]
mod generated {
    pub mod message {
        pub mod v1 {
            tonic::include_proto!("penstock.message.v1");
            include!(concat!(env!("OUT_DIR"), "/penstock.message.v1.serde.rs"));
        }
    }
    pub mod pipeline {
        pub mod v1 {
            tonic::include_proto!("penstock.pipeline.v1");
        }
    }
    pub mod registry {
        pub mod v1 {
            tonic::include_proto!("penstock.registry.v1");
        }
    }
    pub mod scheduler {
        pub mod v1 {
            tonic::include_proto!("penstock.scheduler.v1");
        }
    }
    pub mod audit {
        pub mod v1 {
            tonic::include_proto!("penstock.audit.v1");
        }
    }
}
