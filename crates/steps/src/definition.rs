//! The definition of a pipeline: what people write, in YAML or JSON.
//!
//! A [`Definition`] is always a valid one: the only way to make it is to read a text that has no fault. It serialises
//! to normalised JSON, which reads as the same definition again.

mod check;
mod ports;
mod read;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::duration;
use crate::fault::Faults;
use crate::kinds::Kind;
use crate::parameters::Parameter;
use crate::retry::Retry;

/// The most steps a pipeline can have.
pub const MAX_STEPS: usize = 1000;
/// The most characters the name of a pipeline or step can have.
pub const MAX_NAME: usize = 1024;
/// The most characters a step's id can have.
pub const MAX_ID: usize = 64;
/// The most runs of a pipeline that a definition can allow at a time; 0 stands for no limit.
pub const MAX_CONCURRENCY: u32 = 10_000;
/// How long a step may take unless it says otherwise. One that is done outside of executors may take for ever.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_hours(24);

pub(crate) const KEYS: [&str; 10] = [
    "name",
    "description",
    "visibility",
    "roles",
    "tags",
    "concurrency",
    "conflicts",
    "parameters",
    "annotations",
    "steps",
];
/// The keys of every step; that of its kind comes on top.
pub(crate) const STEP_KEYS: [&str; 11] = [
    "id",
    "name",
    "needs",
    "env",
    "secrets",
    "timeout",
    "retry",
    "onLost",
    "always",
    "enabled",
    "annotations",
];
/// Keys that make no sense on a step that is done outside of executors.
pub(crate) const INSIDE_KEYS: [&str; 5] = ["env", "secrets", "retry", "onLost", "always"];
pub(crate) const RETRY_KEYS: [&str; 5] = ["attempts", "delay", "backoff", "jitter", "maxDelay"];
pub(crate) const ROLE_KEYS: [&str; 4] = ["role", "user", "group", "siteRole"];
pub(crate) const TAG_KEYS: [&str; 2] = ["type", "value"];
pub(crate) const MAX_DESCRIPTION: usize = 64 * 1024;
/// What the annotations of a pipeline or of a step may come to as JSON, in bytes.
pub(crate) const MAX_ANNOTATIONS: usize = 16 * 1024;
/// Roles, tags and conflicts; parameters; variables and secrets of a step.
pub(crate) const MAX_ENTRIES: usize = 200;

/// A pipeline as it was defined.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// 1 to [`MAX_NAME`] characters; not necessarily unique.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who may see and run it where `roles` say nothing.
    pub visibility: Visibility,
    /// Who may do what; none means that `visibility` decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// For finding it again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Runs at a time, the others queue; 0 for no limit.
    pub concurrency: u32,
    /// Pipelines (id, number or name) that must not run at the same time. A definition that is
    /// stored has their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// What a run can be given, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// What others want to be kept with it; nothing comes of it here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
    /// Up to [`MAX_STEPS`].
    pub steps: Vec<Step>,
}

impl Definition {
    /// Reads YAML or JSON, or names every fault in it.
    pub fn from_source(source: &str) -> Result<Self, Faults> {
        read::definition(source)
    }
}

/// A step as it was defined.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Unique in the pipeline; lowercase letters, digits and `-`.
    pub id: String,
    /// For people; the id serves where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it does.
    #[serde(flatten)]
    pub kind: Kind,
    /// Ids of the steps that must end well before it starts. `None` is not the same as an empty list, see
    /// [`crate::plan::Plan::of`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<String>>,
    /// Variables of its process; the values are templates.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of secrets in the registry by the name the step uses.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// How long one try may take, where that isn't as usual: [`DEFAULT_TIMEOUT`], or for ever for a step that is done
    /// outside of executors.
    #[serde(
        serialize_with = "serialize_timeout",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Duration>,
    /// Whether and when it is tried again after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What losing the executor means for it.
    #[serde(skip_serializing_if = "OnLost::is_default")]
    pub on_lost: OnLost,
    /// A finalizer: it runs after all other steps, however they ended, unless the run is killed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub always: bool,
    /// A step that is not enabled is skipped, and nothing waits for it.
    #[serde(skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// What others want to be kept with it; nothing comes of it here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
}

impl Step {
    /// How long one try may take; nothing if it may take for ever.
    pub fn limit(&self) -> Option<Duration> {
        let usual = (!self.kind.is_outside()).then_some(DEFAULT_TIMEOUT);
        self.timeout.or(usual)
    }
}

#[allow(clippy::ref_option, reason = "serde passes references")]
fn serialize_timeout<S: serde::Serializer>(
    timeout: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration::serialize(&timeout.unwrap_or(DEFAULT_TIMEOUT), serializer)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn is_true(flag: &bool) -> bool {
    *flag
}

/// What losing the executor means for a step that was running on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnLost {
    /// The next attempt runs it again.
    #[default]
    Rerun,
    /// It has failed.
    Fail,
}

impl OnLost {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What others of the account may do with a pipeline that has no roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Nothing.
    Private,
    /// View it.
    PublicRo,
    /// View and run it.
    #[default]
    PublicRw,
}

/// A rule that gives a role to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// What they are to this pipeline.
    pub role: RoleName,
    /// Who they are.
    #[serde(flatten)]
    pub subject: Subject,
}

/// What somebody is to a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names of the item rules say it")]
pub enum RoleName {
    Administrator,
    Manager,
    Secops,
    User,
    Guest,
}

/// Who a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// A user, by e-mail address.
    User(String),
    /// A group, by name.
    Group(String),
    /// All who have a role in the whole site.
    SiteRole(String),
}

/// A label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// What it is about, such as `project`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub value: String,
}
