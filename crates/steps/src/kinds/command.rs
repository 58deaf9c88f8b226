//! `command`: a program and its arguments, without a shell. Also the process that it and `run` become.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, Kind};
use crate::cursor::Cursor;
use crate::expression::{self, Context};
use crate::reader::{Reading, Scope};

pub(super) const KEY: &str = "command";

/// What Linux accepts as one argument or one variable of the environment, in bytes without the final NUL.
pub(crate) const MAX_ARGUMENT: usize = 128 * 1024 - 1;
/// What a process may be given in all; Linux accepts about 2 MiB, and the executor adds its own variables.
const MAX_TOTAL: usize = 1024 * 1024;
/// The most arguments of a command, the program included.
const MAX_ARGUMENTS: usize = 1000;

/// A program, looked up in `PATH`, and its arguments; all are templates but the program's name may be one too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Command(pub Vec<String>);

impl Command {
    pub(super) fn argv(&self, context: &Context<'_>) -> Result<Vec<String>, Error> {
        let render = |(index, argument): (usize, &String)| {
            expression::render(argument, context)
                .map_err(Error::in_place(format!("command[{index}]")))
        };
        self.0.iter().enumerate().map(render).collect()
    }
}

/// A process to start in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The program and its arguments; never empty.
    pub argv: Vec<String>,
    /// What the definition adds to the environment. Secrets and `PENSTOCK_…` are the executor's to add.
    pub env: BTreeMap<String, String>,
}

impl Process {
    pub(super) fn new(
        argv: Vec<String>,
        env: &BTreeMap<String, String>,
        context: &Context<'_>,
    ) -> Result<Self, Error> {
        let render = |(name, template): (&String, &String)| {
            let value = expression::render(template, context)
                .map_err(Error::in_place(format!("env.{name}")))?;
            Ok((name.clone(), value))
        };
        let env = env
            .iter()
            .map(render)
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        let process = Self { argv, env };
        process.check_size()?;
        Ok(process)
    }

    fn check_size(&self) -> Result<(), Error> {
        let mut total = 0;
        for (index, argument) in self.argv.iter().enumerate() {
            if argument.len() > MAX_ARGUMENT {
                return Err(Error::TooLong(format!("argument {index}")));
            }
            total += argument.len() + 1;
        }
        for (name, value) in &self.env {
            let length = name.len() + 1 + value.len();
            if length > MAX_ARGUMENT {
                return Err(Error::TooLong(format!("env.{name}")));
            }
            total += length + 1;
        }
        if total > MAX_TOTAL {
            Err(Error::TooMuch)
        } else {
            Ok(())
        }
    }
}

pub(super) fn read(
    reading: &mut Reading,
    at: &Cursor<'_>,
    _: &BTreeMap<String, String>,
) -> Option<Kind> {
    if !at.is_list() {
        reading.fault(at.fault("must be a list: the program, then each of its arguments"));
        return None;
    }
    let items = reading.items(at, MAX_ARGUMENTS);
    if items.is_empty() {
        reading.fault(at.fault("must name a program"));
    }
    let mut argv = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        // Nothing written is an empty argument only in quotes.
        reading.require(item);
        let argument = reading
            .template(item, MAX_ARGUMENT, &Scope::Plain)
            .unwrap_or_default();
        if index == 0 && argument.is_empty() && item.is_present() {
            reading.fault(item.fault("must name a program"));
        }
        argv.push(argument);
    }
    Some(Kind::Command(Command(argv)))
}

pub(super) fn schema() -> Value {
    json!({
        "description": "A program and its arguments, started without a shell. Expressions may stand in each.",
        "type": "array",
        "items": {"$ref": "#/$defs/text", "maxLength": MAX_ARGUMENT},
        "minItems": 1,
        "maxItems": MAX_ARGUMENTS,
    })
}
