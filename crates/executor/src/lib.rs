//! Runs the steps of runs.
