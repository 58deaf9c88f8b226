//! The six services, as roles that a process can have, and whom each of them calls.
//!
//! Calls go one way, so the order of [`Role::ALL`] is an order in which they can start.

use std::fmt;

use serde::Serialize;

/// A service that a process can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Users, tokens and secrets.
    Registry,
    /// What runs did and said.
    AuditLog,
    /// Pipelines and their runs.
    Pipeline,
    /// The run queue and the leases of executors.
    Scheduler,
    /// Runs the steps.
    Executor,
    /// HTTP in front.
    Gateway,
}

impl Role {
    /// All of them, callees first.
    pub const ALL: [Self; 6] = [
        Self::Registry,
        Self::AuditLog,
        Self::Pipeline,
        Self::Scheduler,
        Self::Executor,
        Self::Gateway,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::AuditLog => "audit-log",
            Self::Pipeline => "pipeline",
            Self::Scheduler => "scheduler",
            Self::Executor => "executor",
            Self::Gateway => "gateway",
        }
    }

    /// Whom it calls.
    pub const fn calls(self) -> &'static [Self] {
        match self {
            Self::Registry | Self::AuditLog => &[],
            Self::Pipeline => &[Self::Registry],
            Self::Scheduler => &[Self::Pipeline],
            Self::Executor => &[Self::Scheduler, Self::Pipeline],
            Self::Gateway => &[
                Self::Pipeline,
                Self::Registry,
                Self::Scheduler,
                Self::AuditLog,
            ],
        }
    }

    /// Whether it has a database of its own.
    pub const fn has_store(self) -> bool {
        match self {
            Self::Registry | Self::AuditLog | Self::Pipeline | Self::Scheduler => true,
            Self::Executor | Self::Gateway => false,
        }
    }

    /// Whether peers call it.
    pub const fn is_called(self) -> bool {
        self.has_store()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_service_calls_has_started_before_it() {
        for (at, role) in Role::ALL.iter().enumerate() {
            for callee in role.calls() {
                assert!(
                    Role::ALL[..at].contains(callee),
                    "{callee} starts after {role}"
                );
                assert!(callee.is_called());
            }
        }
    }
}
