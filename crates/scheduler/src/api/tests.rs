//! The service as its peers meet it: the generated client over a local route, executors at their
//! streams, and a pipeline service that the test makes up.

mod leases;
mod messages;
mod queue;
mod reconcile;
mod schedules;

use contracts::message::{AttemptEnd, RunState, StopMode};
use contracts::scheduler::to_executor::Says;
use tonic::Code;

use crate::testing::{Executor, LONG, World, changed, id, run, stop};
