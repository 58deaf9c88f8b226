//! The kinds of steps, one file each: what may be written for it, what is at fault in it, and what an executor is to do.
//!
//! A kind is data. It turns into an [`Invocation`] once its expressions have their values; executors carry that out.

pub mod approval;
pub mod command;
pub mod http;
pub mod pipeline;
pub mod plugin;
pub mod run;
pub mod tool;
pub mod user_action;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cursor::Cursor;
use crate::expression::{self, Context};
use crate::reader::Reading;

pub use approval::Approval;
pub(crate) use command::MAX_ARGUMENT;
pub use command::{Command, Process};
pub use http::{Body, Expect, Http, Request, StatusRange};
pub use pipeline::Child;
pub use plugin::{Plugin, PluginCall};
pub use run::Run;
pub use tool::{Tool, ToolCall};
pub use user_action::UserAction;

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A shell script.
    Run(Run),
    /// A program and its arguments.
    Command(Command),
    /// An HTTP request.
    Http(Http),
    /// An operation of a tool.
    Tool(Tool),
    /// A plug-in of UnifiedViews.
    Plugin(Plugin),
    /// A gate that people open.
    Approval(Approval),
    /// A gate with instructions.
    UserAction(UserAction),
    /// A child run.
    Pipeline(Child),
}

/// What a step that waits for people asks of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate<'a> {
    /// What they are told.
    pub message: &'a str,
    /// Whom to ask; may be empty.
    pub contact: &'a str,
    /// How many different people must approve, 1 at least. One who rejects is enough.
    pub approvers: u32,
    /// Whether who started the run may be one of them.
    pub self_approval: bool,
}

/// What an executor is to do for one try of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Start a process in the workspace and judge its exit code.
    Process(Process),
    /// Send a request and judge the answer's status.
    Http(Request),
    /// See an operation of a tool through.
    Tool(ToolCall),
    /// Start a plug-in on the data of its inputs.
    Plugin(PluginCall),
}

/// Why a step can't be tried: its try fails with this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An expression has no value.
    #[error("{place}: {source}")]
    Expression {
        /// Which part of the step.
        place: String,
        /// What is wrong with it.
        source: expression::Error,
    },
    /// More than the system hands to a process.
    #[error("{0} is longer than 131071 bytes, more than a process can be given; pass it in a file")]
    TooLong(String),
    /// Arguments and environment together are more than the system hands to a process.
    #[error("arguments and environment have more than 1 MiB together; pass some of it in a file")]
    TooMuch,
    /// Not an address of a web server.
    #[error("url: {0}")]
    Url(String),
    /// No executor carries it out.
    #[error("{0} steps are not carried out by an executor")]
    Outside(&'static str),
    /// A value that would end the header.
    #[error("headers.{0}: a header can't hold line breaks or other control characters")]
    Header(String),
}

impl Error {
    fn in_place(place: impl Into<String>) -> impl FnOnce(expression::Error) -> Self {
        let place = place.into();
        move |source| Self::Expression { place, source }
    }
}

impl Kind {
    /// The key under which it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Run(_) => run::KEY,
            Self::Command(_) => command::KEY,
            Self::Http(_) => http::KEY,
            Self::Tool(_) => tool::KEY,
            Self::Plugin(_) => plugin::KEY,
            Self::Approval(_) => approval::KEY,
            Self::UserAction(_) => user_action::KEY,
            Self::Pipeline(_) => pipeline::KEY,
        }
    }

    /// Whether it starts a process, which has an environment.
    pub fn is_process(&self) -> bool {
        match self {
            Self::Run(_) | Self::Command(_) | Self::Plugin(_) => true,
            Self::Http(_)
            | Self::Tool(_)
            | Self::Approval(_)
            | Self::UserAction(_)
            | Self::Pipeline(_) => false,
        }
    }

    /// Whether it is done outside of executors: the run waits for it and needs none meanwhile.
    pub fn is_outside(&self) -> bool {
        match self {
            Self::Run(_) | Self::Command(_) | Self::Http(_) | Self::Tool(_) | Self::Plugin(_) => {
                false
            }
            Self::Approval(_) | Self::UserAction(_) | Self::Pipeline(_) => true,
        }
    }

    /// What it asks of people, if it waits for them.
    pub fn gate(&self) -> Option<Gate<'_>> {
        match self {
            Self::Run(_)
            | Self::Command(_)
            | Self::Http(_)
            | Self::Tool(_)
            | Self::Plugin(_)
            | Self::Pipeline(_) => None,
            Self::Approval(approval) => Some(approval.gate()),
            Self::UserAction(action) => Some(action.gate()),
        }
    }

    /// Which pipeline it runs, if it does.
    pub fn child(&self) -> Option<&Child> {
        match self {
            Self::Run(_)
            | Self::Command(_)
            | Self::Http(_)
            | Self::Tool(_)
            | Self::Plugin(_)
            | Self::Approval(_)
            | Self::UserAction(_) => None,
            Self::Pipeline(child) => Some(child),
        }
    }

    /// What an executor is to do, now that expressions have values.
    pub fn invocation(
        &self,
        env: &BTreeMap<String, String>,
        context: &Context<'_>,
    ) -> Result<Invocation, Error> {
        match self {
            Self::Run(run) => Process::new(run.argv(), env, context).map(Invocation::Process),
            Self::Command(command) => {
                Process::new(command.argv(context)?, env, context).map(Invocation::Process)
            }
            Self::Http(http) => http.request(context).map(Invocation::Http),
            Self::Tool(tool) => tool.call(context).map(Invocation::Tool),
            Self::Plugin(plugin) => plugin.call(env, context).map(Invocation::Plugin),
            Self::Approval(_) | Self::UserAction(_) | Self::Pipeline(_) => {
                Err(Error::Outside(self.name()))
            }
        }
    }
}

/// A kind as the reader and the schema know it.
pub(crate) struct Entry {
    pub(crate) key: &'static str,
    pub(crate) read: fn(&mut Reading, &Cursor<'_>, &BTreeMap<String, String>) -> Option<Kind>,
    pub(crate) schema: fn() -> Value,
}

/// Every kind that can be used.
pub(crate) const CATALOG: [Entry; 8] = [
    Entry {
        key: run::KEY,
        read: run::read,
        schema: run::schema,
    },
    Entry {
        key: command::KEY,
        read: command::read,
        schema: command::schema,
    },
    Entry {
        key: http::KEY,
        read: http::read,
        schema: http::schema,
    },
    Entry {
        key: tool::KEY,
        read: tool::read,
        schema: tool::schema,
    },
    Entry {
        key: plugin::KEY,
        read: plugin::read,
        schema: plugin::schema,
    },
    Entry {
        key: approval::KEY,
        read: approval::read,
        schema: approval::schema,
    },
    Entry {
        key: user_action::KEY,
        read: user_action::read,
        schema: user_action::schema,
    },
    Entry {
        key: pipeline::KEY,
        read: pipeline::read,
        schema: pipeline::schema,
    },
];
