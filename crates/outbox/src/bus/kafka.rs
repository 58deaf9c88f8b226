//! Apache Kafka.

use contracts::message::Topic;
use runtime::{Readiness, Tasks};

use super::{Config, Error, Heard, Post, Refused, Tuning};

#[derive(Debug, Clone)]
pub(super) enum Broker {}

impl Broker {
    pub(super) async fn open(c: &Config, _: &Readiness, _: &Tasks) -> Result<Self, Error> {
        Err(Error::NotBuilt(c.url.clone()))
    }
    pub(super) async fn publish(&self, _: Vec<Post>) -> Result<Vec<Result<(), Refused>>, Error> {
        match *self {}
    }
    pub(super) fn read(&self, _: &str, _: &[Topic], _: Tuning) -> Result<Reader, Error> {
        match *self {}
    }
    pub(super) async fn broadcast(&self, _: &[Topic]) -> Result<Broadcast, Error> {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum Reader {}

impl Reader {
    pub(super) async fn next(&mut self, _: usize) -> Result<Vec<Heard>, Error> {
        match *self {}
    }
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum Broadcast {}

impl Broadcast {
    pub(super) async fn next(&mut self) -> Result<Heard, Error> {
        match *self {}
    }
}
