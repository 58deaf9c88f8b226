//! The small process over a step's processes.
