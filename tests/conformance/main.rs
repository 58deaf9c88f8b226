//! What the contracts say, asked of the services in one process.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod rights;
