//! The penstock program.
