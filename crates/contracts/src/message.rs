//! Everything that is told over the bus, and how a message says its topic, key and type.
//!
//! A message is a `CloudEvent`: its [`Message::TYPE`] is the `ce_type`, its [`Message::key`] the
//! Kafka key and the `ce_subject`, its value the proto-JSON of the generated type.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::generated::message::v1::*;

/// A topic of the bus. The names are part of the contract with outside consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What is asked for: runs and stops. Key: run id.
    Commands,
    /// Steps for tools that are served over Kafka. Key: run id.
    Steps,
    /// What outside tool adapters answer. Key: run id.
    Replies,
    /// What has happened. Key: the noun's id.
    Events,
    /// Log entries in batches. Key: run id.
    Activity,
    /// Uses of tokens. Key: token id.
    Access,
    /// Messages that are at fault themselves, with why. No key.
    DeadLetters,
}

impl Topic {
    /// Every topic, in the order of the architecture page.
    pub const ALL: [Self; 7] = [
        Self::Commands,
        Self::Steps,
        Self::Replies,
        Self::Events,
        Self::Activity,
        Self::Access,
        Self::DeadLetters,
    ];

    /// The name on the bus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commands => "penstock.commands",
            Self::Steps => "penstock.steps",
            Self::Replies => "penstock.replies",
            Self::Events => "penstock.events",
            Self::Activity => "penstock.activity",
            Self::Access => "penstock.access",
            Self::DeadLetters => "penstock.dead-letters",
        }
    }

    /// The topic of this name on the bus.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

/// What can be told over the bus.
pub trait Message: Serialize + DeserializeOwned + Send + Sync {
    /// Where it is told.
    const TOPIC: Topic;
    /// Its CloudEvents type, for instance `penstock.run.requested.v1`.
    const TYPE: &'static str;
    /// What it is about: messages of one key stay in order.
    fn key(&self) -> &str;
}

macro_rules! messages {
    ($($topic:ident, $name:literal => $message:ident by $key:ident;)*) => {
        $(impl Message for $message {
            const TOPIC: Topic = Topic::$topic;
            const TYPE: &'static str = $name;
            fn key(&self) -> &str {
                &self.$key
            }
        })*

        /// The type of every message, for tests and documentation.
        pub const TYPES: &[&str] = &[$($name),*];
    };
}

messages! {
    Commands, "penstock.run.requested.v1" => RunRequested by run_id;
    Commands, "penstock.stop.requested.v1" => StopRequested by run_id;
    Events, "penstock.pipeline.defined.v1" => PipelineDefined by pipeline_id;
    Events, "penstock.pipeline.deleted.v1" => PipelineDeleted by pipeline_id;
    Events, "penstock.pipeline.reset.v1" => PipelineReset by pipeline_id;
    Events, "penstock.run.changed.v1" => RunChanged by run_id;
    Events, "penstock.attempt.began.v1" => AttemptBegan by run_id;
    Events, "penstock.attempt.ended.v1" => AttemptEnded by run_id;
    Events, "penstock.step.changed.v1" => StepChanged by run_id;
    Events, "penstock.token.changed.v1" => TokenChanged by token_id;
    Events, "penstock.secret.changed.v1" => SecretChanged by name;
    Activity, "penstock.activity.v1" => ActivityBatch by run_id;
    Events, "penstock.gate.decided.v1" => GateDecided by run_id;
    Events, "penstock.user.changed.v1" => UserChanged by user_id;
    Events, "penstock.group.changed.v1" => GroupChanged by group_id;
    Events, "penstock.tool.changed.v1" => ToolChanged by tool_id;
    Events, "penstock.schedule.changed.v1" => ScheduleChanged by schedule_id;
    Events, "penstock.slot.skipped.v1" => SlotSkipped by schedule_id;
    Events, "penstock.plugin.changed.v1" => PluginChanged by plugin_id;
    Events, "penstock.user.acted.v1" => UserActed by target_id;
    Access, "penstock.token.used.v1" => TokenUsed by token_id;
    Steps, "penstock.step.requested.v1" => StepRequested by run_id;
    Steps, "penstock.step.stop-requested.v1" => StepStopRequested by run_id;
    Replies, "penstock.step.accepted.v1" => StepAccepted by run_id;
    Replies, "penstock.step.progressed.v1" => StepProgressed by run_id;
    Replies, "penstock.step.ended.v1" => StepEnded by run_id;
    Events, "penstock.pipeline.locked.v1" => PipelineLocked by pipeline_id;
    Events, "penstock.pipeline.transferred.v1" => PipelineTransferred by pipeline_id;
    Events, "penstock.step.said.v1" => StepSaid by run_id;
}

impl RunState {
    /// Whether a run in this state stays in it for ever.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Warned | Self::Failed | Self::Cancelled
        )
    }
}

impl Actor {
    /// Penstock itself.
    pub fn system() -> Self {
        Self {
            user_id: "system".into(),
            name: "Penstock".into(),
            token_id: String::new(),
            email: String::new(),
        }
    }
}
