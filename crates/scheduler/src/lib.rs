//! Owns the run queue, leases and executors.
