//! Owns activity entries and serves them.
