//! What a tool may be, and what a change makes of it. Pure.
//!
//! A tool is a document: attributes whose shapes are known ([`contracts::tool`]), and extras that
//! are kept as they are said. A change replaces properties at the root and nothing below it.
//!
//! **Invariants:** what the registry alone says (ids, owner, account, times) no document says. A
//! document holds no secret: those are in the vault, under the references that stand in their
//! places ([`hidden`]). Documents are bounded in size and depth.

mod fields;
pub(crate) mod hidden;
pub(crate) mod kind;
mod refused;
mod rules;

use contracts::access::{Item, Rule, Standing, ToolRight, Visibility};
use contracts::message::Caller;
use contracts::tool::{CONNECTOR, IDENTIFIER, PROTECTED, normalised};
use serde_json::{Map, Value, json};

pub(crate) use refused::Refused;

/// Bytes of a document's JSON without its secrets, at most.
pub(crate) const LONGEST: usize = 256 * 1024;
/// Levels of nesting, at most.
const DEEPEST: usize = 32;
/// Properties at the root, at most.
const MOST_PROPERTIES: usize = 200;
/// Characters of a property's name at the root, at most.
const LONGEST_NAME: usize = 64;

/// The properties of an object.
pub(crate) type Properties = Map<String, Value>;

/// A tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    /// 24 hex digits.
    pub(crate) id: String,
    pub(crate) number: i64,
    pub(crate) account: String,
    /// A user's id.
    pub(crate) owner: String,
    pub(crate) document: Document,
    /// Counts its changes from 1.
    pub(crate) revision: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) updated_at_ms: i64,
}

impl Tool {
    /// Refuses whoever may make no tool. What the caller would be to one that has no rules decides.
    pub(crate) fn check_create(caller: &Caller) -> Result<(), Refused> {
        let item = Item {
            account: &caller.account,
            owner: "",
            rules: &[],
            visibility: Visibility::PublicRw,
        };
        let right = ToolRight::Create;
        let is_somebody = !caller.account.is_empty() && !caller.user_id().is_empty();
        if is_somebody && right.is_of(Standing::of(caller, &item)) {
            return Ok(());
        }
        Err(Refused::Denied { right })
    }

    /// What the caller is to it.
    pub(crate) fn standing(&self, caller: &Caller) -> Standing {
        let item = Item {
            account: &self.account,
            owner: &self.owner,
            rules: &self.document.rules,
            visibility: Visibility::PublicRw,
        };
        Standing::of(caller, &item)
    }

    /// Whether the caller may know of it.
    pub(crate) fn is_visible_to(&self, caller: &Caller) -> bool {
        ToolRight::View.is_of(self.standing(caller))
    }

    /// Refuses whoever lacks the right.
    pub(crate) fn check(&self, caller: &Caller, right: ToolRight) -> Result<(), Refused> {
        if right.is_of(self.standing(caller)) {
            return Ok(());
        }
        if self.is_visible_to(caller) {
            return Err(Refused::Denied { right });
        }
        Err(Refused::NoTool(self.id.clone()))
    }
}

/// What was said about a tool. The properties that are looked for or guarded stand by themselves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) identifier: String,
    pub(crate) active: bool,
    pub(crate) rules: Vec<Rule>,
    /// All other properties.
    pub(crate) rest: Properties,
}

impl Document {
    /// The document of a new tool.
    pub(crate) fn new(mut said: Properties) -> Result<Self, Refused> {
        said.retain(|name, _| !PROTECTED.contains(&name.as_str()));
        said.retain(|_, value| !value.is_null());
        let name = fields::name(said.remove("name"))?;
        let identifier = fields::identifier(said.remove(IDENTIFIER))?;
        let active = fields::flag("active", said.remove("active"))?.unwrap_or(true);
        let rules = rules::of(said.remove("roles"))?;
        for (name, value) in &said {
            fields::check(name, value)?;
        }
        let document = Self {
            name,
            identifier,
            active,
            rules,
            rest: said,
        };
        document.check_bounds()?;
        Ok(document)
    }

    /// The document after a change: what is given replaces what is there, a null removes it. With
    /// `replace` what is not given goes, too.
    pub(crate) fn changed(&self, changes: Properties, replace: bool) -> Result<Self, Refused> {
        let mut said = if replace {
            Properties::new()
        } else {
            self.properties()
        };
        for (name, value) in changes {
            if value.is_null() {
                said.remove(&name);
            } else {
                said.insert(name, value);
            }
        }
        let changed = Self::new(said)?;
        if normalised(&changed.identifier) != normalised(&self.identifier) {
            return Err(Refused::Identifier(self.identifier.clone()));
        }
        Ok(Self {
            identifier: self.identifier.clone(),
            ..changed
        })
    }

    /// What works with it: what is asked for, else what it says, else its kind.
    pub(crate) fn connector<'a>(&'a self, asked: &'a str) -> &'a str {
        let own = self.rest.get(CONNECTOR).and_then(Value::as_str);
        let said = [asked, own.unwrap_or_default()].map(str::trim);
        let said = said.into_iter().find(|it| !it.is_empty());
        said.unwrap_or(&self.identifier)
    }

    /// Every property, as a client says it.
    pub(crate) fn properties(&self) -> Properties {
        let mut all = self.rest.clone();
        all.insert("name".into(), json!(self.name));
        all.insert(IDENTIFIER.into(), json!(self.identifier));
        all.insert("active".into(), json!(self.active));
        all.insert("roles".into(), rules::written(&self.rules));
        all
    }

    /// Refuses what is too large or too deep.
    pub(crate) fn check_bounds(&self) -> Result<(), Refused> {
        if self.rest.len() > MOST_PROPERTIES {
            return Err(Refused::TooManyProperties);
        }
        for (name, value) in &self.rest {
            if !(1..=LONGEST_NAME).contains(&name.chars().count()) || is_unprintable(name) {
                return Err(Refused::PropertyName(shown(name)));
            }
            if depth(value) > DEEPEST {
                return Err(Refused::TooDeep(name.clone()));
            }
        }
        Ok(())
    }

    /// The rest as text, or that it is too long.
    pub(crate) fn rest_text(&self) -> Result<String, Refused> {
        let text = Value::Object(self.rest.clone()).to_string();
        if text.len() > LONGEST {
            return Err(Refused::TooLong(text.len()));
        }
        Ok(text)
    }
}

/// The properties that differ, before and after.
pub(crate) fn difference(before: &Document, after: &Document) -> (Properties, Properties) {
    let (mut was, mut is) = (before.properties(), after.properties());
    let same: Vec<String> = was
        .iter()
        .filter(|(name, value)| is.get(*name) == Some(value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in same {
        was.remove(&name);
        is.remove(&name);
    }
    (was, is)
}

/// The properties that a text says. What it says is not repeated: it may hold a secret.
pub(crate) fn read(json: &str) -> Result<Properties, Refused> {
    match serde_json::from_str(json) {
        Ok(Value::Object(properties)) => Ok(properties),
        Ok(_) | Err(_) => Err(Refused::NoObject),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
    }
}

fn is_unprintable(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// The beginning of a name that is at fault.
fn shown(name: &str) -> String {
    let printable = name.chars().filter(|it| !it.is_control());
    printable.take(32).collect()
}

#[cfg(test)]
mod tests;
