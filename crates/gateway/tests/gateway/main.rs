//! The gateway over services that are structs of this test.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod audit;
mod fakes;
mod following;
mod limits;
mod listing;
mod logs;
mod opsera;
mod own;
mod people;
mod rules;
mod tools;
mod uses;
