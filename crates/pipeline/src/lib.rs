//! Owns pipelines and their runs.
