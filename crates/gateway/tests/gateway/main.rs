//! The gateway over services that are structs of this test.

mod fakes;
mod following;
mod opsera;
mod own;
mod rules;
