//! From the text to the typed definition, value by value.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    DEFAULT_TIMEOUT, Definition, INSIDE_KEYS, KEYS, MAX_ANNOTATIONS, MAX_CONCURRENCY,
    MAX_DESCRIPTION, MAX_ENTRIES, MAX_ID, MAX_NAME, MAX_STEPS, OnLost, RETRY_KEYS, ROLE_KEYS, Role,
    RoleName, STEP_KEYS, Step, Subject, TAG_KEYS, Tag, Visibility, check,
};
use crate::cursor::Cursor;
use crate::fault::Faults;
use crate::kinds::{CATALOG, Kind, Run};
use crate::reader::{Reading, Scope};
use crate::retry::{MAX_ATTEMPTS, Retry};
use crate::{duration, parameters, source};

pub(super) fn definition(text: &str) -> Result<Definition, Faults> {
    let tree = source::parse(text)?;
    let root = Cursor::root(&tree);
    let mut reading = Reading::default();
    if !root.is_map() {
        return Err(root
            .fault("a definition is a map that begins with `name:` and `steps:`")
            .into());
    }
    reading.fields(&root, &KEYS);
    let definition = Definition {
        name: name(&mut reading, &root.key("name")),
        description: reading
            .string(&root.key("description"), MAX_DESCRIPTION)
            .unwrap_or_default(),
        visibility: visibility(&mut reading, &root.key("visibility")),
        roles: each(&mut reading, &root.key("roles"), MAX_ENTRIES, role),
        tags: each(&mut reading, &root.key("tags"), MAX_ENTRIES, tag),
        concurrency: reading
            .number(&root.key("concurrency"), 0..=MAX_CONCURRENCY)
            .unwrap_or(1),
        conflicts: each(&mut reading, &root.key("conflicts"), MAX_ENTRIES, conflict),
        parameters: parameters::read(&mut reading, &root.key("parameters")),
        annotations: annotations(&mut reading, &root.key("annotations")),
        steps: steps(&mut reading, &root.key("steps")),
    };
    check::definition(&mut reading, &root, &definition);
    reading.finish(definition)
}

/// Reads the items of a list; those at fault are left out.
fn each<T>(
    reading: &mut Reading,
    at: &Cursor<'_>,
    most: usize,
    item: impl Fn(&mut Reading, &Cursor<'_>) -> Option<T>,
) -> Vec<T> {
    let items = reading.items(at, most);
    items
        .iter()
        .filter_map(|at| reading.require(at).then(|| item(reading, at))?)
        .collect()
}

fn name(reading: &mut Reading, at: &Cursor<'_>) -> String {
    reading.require(at);
    reading.title(at, MAX_NAME).unwrap_or_default()
}

fn visibility(reading: &mut Reading, at: &Cursor<'_>) -> Visibility {
    let words = [
        ("private", Visibility::Private),
        ("public_ro", Visibility::PublicRo),
        ("public_rw", Visibility::PublicRw),
    ];
    reading.word(at, &words).unwrap_or_default()
}

fn role(reading: &mut Reading, at: &Cursor<'_>) -> Option<Role> {
    if !reading.fields(at, &ROLE_KEYS) {
        return None;
    }
    let names = [
        ("administrator", RoleName::Administrator),
        ("manager", RoleName::Manager),
        ("secops", RoleName::Secops),
        ("user", RoleName::User),
        ("guest", RoleName::Guest),
    ];
    reading.require(&at.key("role"));
    let role = reading.word(&at.key("role"), &names);
    let mut subjects = [
        reading.title(&at.key("user"), MAX_NAME).map(Subject::User),
        reading
            .title(&at.key("group"), MAX_NAME)
            .map(Subject::Group),
        reading
            .title(&at.key("siteRole"), MAX_NAME)
            .map(Subject::SiteRole),
    ]
    .into_iter()
    .flatten();
    let (subject, other) = (subjects.next(), subjects.next());
    if subject.is_none() && !ROLE_KEYS[1..].iter().any(|key| at.key(key).is_present())
        || other.is_some()
    {
        reading.fault(at.fault("must name exactly one of user, group and siteRole"));
    }
    Some(Role {
        role: role?,
        subject: subject?,
    })
}

fn tag(reading: &mut Reading, at: &Cursor<'_>) -> Option<Tag> {
    if !reading.fields(at, &TAG_KEYS) {
        return None;
    }
    let [kind, value] = TAG_KEYS.map(|key| {
        let at = at.key(key);
        reading.require(&at).then(|| reading.text(&at, MAX_NAME))?
    });
    Some(Tag {
        kind: kind?,
        value: value?,
    })
}

fn conflict(reading: &mut Reading, at: &Cursor<'_>) -> Option<String> {
    let name = reading.text(at, MAX_NAME)?;
    if name.trim().is_empty() {
        reading.fault(at.fault("must be the id, number or name of a pipeline"));
    }
    Some(name)
}

fn steps(reading: &mut Reading, at: &Cursor<'_>) -> Vec<Step> {
    if !at.is_present() {
        reading.fault(at.fault("is missing; write `steps: []` for a pipeline without steps"));
        return Vec::new();
    }
    let items = reading.items(at, MAX_STEPS);
    let mut steps = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        reading.step = index;
        steps.push(step(reading, item));
    }
    steps
}

/// Reads a step. One that can't be read keeps its place, so that the indexes of the others stay right.
fn step(reading: &mut Reading, at: &Cursor<'_>) -> Step {
    if reading.require(at) {
        let kinds = CATALOG.iter().map(|kind| kind.key);
        let keys: Vec<_> = STEP_KEYS.into_iter().chain(kinds).collect();
        reading.fields(at, &keys);
    }
    let readable = at.is_map();
    let secrets = secrets(reading, &at.key("secrets"));
    let kind = readable
        .then(|| kind(reading, at, &secrets))
        .flatten()
        .unwrap_or(Kind::Run(Run(String::new())));
    Step {
        id: if readable {
            id(reading, &at.key("id"))
        } else {
            String::new()
        },
        name: reading.title(&at.key("name"), MAX_NAME),
        needs: needs(reading, &at.key("needs")),
        env: env(reading, &at.key("env")),
        secrets,
        timeout: reading
            .duration(&at.key("timeout"), Duration::from_millis(1)..=duration::MAX)
            .filter(|timeout| kind.is_outside() || *timeout != DEFAULT_TIMEOUT),
        kind,
        retry: retry(reading, &at.key("retry")),
        on_lost: on_lost(reading, &at.key("onLost")),
        always: reading.flag(&at.key("always")).unwrap_or(false),
        enabled: reading.flag(&at.key("enabled")).unwrap_or(true),
        annotations: annotations(reading, &at.key("annotations")),
    }
}

/// A map of anything, as it is written.
fn annotations(reading: &mut Reading, at: &Cursor<'_>) -> Map<String, Value> {
    // Sees that it is a map, and that it isn't too wide.
    if reading.entries(at, MAX_ENTRIES).is_none() {
        return Map::new();
    }
    let written = at.written().map(source::Node::to_json);
    let Some(Value::Object(annotations)) = written else {
        return Map::new();
    };
    let length = Value::Object(annotations.clone()).to_string().len();
    if length > MAX_ANNOTATIONS {
        let message = format!("has {length} bytes as JSON; it may have {MAX_ANNOTATIONS} at most");
        reading.fault(at.fault(message));
    }
    annotations
}

fn id(reading: &mut Reading, at: &Cursor<'_>) -> String {
    reading.require(at);
    let Some(id) = reading.string(at, MAX_ID) else {
        return String::new();
    };
    let is_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || !id.bytes().all(is_id) {
        reading.fault(at.fault("must be lowercase letters, digits and `-`, such as fetch-orders"));
    }
    id
}

fn kind(
    reading: &mut Reading,
    at: &Cursor<'_>,
    secrets: &BTreeMap<String, String>,
) -> Option<Kind> {
    let is_written = |key: &&str| at.key(key).is_present();
    let written: Vec<_> = CATALOG
        .iter()
        .map(|kind| kind.key)
        .filter(is_written)
        .collect();
    match written.as_slice() {
        [] => {
            let kinds = CATALOG.map(|kind| kind.key).join(", ");
            reading.fault(at.fault(format!("says nothing to do; give it one of {kinds}")));
        }
        [_] => {}
        [first, others @ ..] => {
            for other in others {
                let message = format!(
                    "a step does one thing and has `{first}` already; make two steps of it"
                );
                reading.fault(at.key(other).fault(message));
            }
        }
    }
    let mut kinds = Vec::new();
    for kind in CATALOG.iter().filter(|kind| is_written(&kind.key)) {
        kinds.extend((kind.read)(reading, &at.key(kind.key), secrets));
    }
    let kind = kinds.into_iter().next()?;
    if kind.is_outside() {
        for key in INSIDE_KEYS.iter().filter(|key| is_written(key)) {
            let message = format!("{} steps have no `{key}`; remove it", kind.name());
            reading.fault(at.key(key).fault(message));
        }
    } else if !kind.is_process() && at.key("env").is_present() {
        let message = format!(
            "{} steps have no environment; write the value where it is used",
            kind.name()
        );
        reading.fault(at.key("env").fault(message));
    }
    Some(kind)
}

fn needs(reading: &mut Reading, at: &Cursor<'_>) -> Option<Vec<String>> {
    if !at.is_present() {
        return None;
    }
    let items = reading.items(at, MAX_STEPS);
    Some(
        items
            .iter()
            .map(|item| {
                reading.require(item);
                reading.string(item, usize::MAX).unwrap_or_default()
            })
            .collect(),
    )
}

fn env(reading: &mut Reading, at: &Cursor<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in reading.entries(at, MAX_ENTRIES).unwrap_or_default() {
        variable(reading, name, &value);
        let template = reading.template(&value, crate::kinds::MAX_ARGUMENT, &Scope::Plain);
        // A variable without a value is an empty one.
        env.insert(name.to_owned(), template.unwrap_or_default());
    }
    env
}

fn secrets(reading: &mut Reading, at: &Cursor<'_>) -> BTreeMap<String, String> {
    let mut secrets = BTreeMap::new();
    for (name, value) in reading.entries(at, MAX_ENTRIES).unwrap_or_default() {
        variable(reading, name, &value);
        reading.require(&value);
        secrets.insert(
            name.to_owned(),
            reading.title(&value, MAX_NAME).unwrap_or_default(),
        );
    }
    secrets
}

/// Sees that the name of a variable is one, and not Penstock's own.
fn variable(reading: &mut Reading, name: &str, at: &Cursor<'_>) {
    let is_variable = name.len() <= 256
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_variable {
        let message =
            "is no name of a variable: a letter or `_`, then letters, digits and `_`, 256 at most";
        reading.fault(at.fault(message));
    }
    if name.starts_with("PENSTOCK_") || name == "TRACEPARENT" {
        reading.fault(
            at.fault("the name is reserved: Penstock sets PENSTOCK_… and TRACEPARENT itself"),
        );
    }
}

fn retry(reading: &mut Reading, at: &Cursor<'_>) -> Option<Retry> {
    if !reading.fields(at, &RETRY_KEYS) {
        return None;
    }
    reading.require(&at.key("attempts"));
    let defaults = Retry::default();
    let any = Duration::ZERO..=duration::MAX;
    let retry = Retry {
        attempts: reading
            .number(&at.key("attempts"), 1..=MAX_ATTEMPTS)
            .unwrap_or(1),
        delay: reading
            .duration(&at.key("delay"), any.clone())
            .unwrap_or(defaults.delay),
        backoff: reading
            .number(&at.key("backoff"), 1.0..=100.0)
            .unwrap_or(defaults.backoff),
        jitter: reading
            .number(&at.key("jitter"), 0.0..=1.0)
            .unwrap_or(defaults.jitter),
        max_delay: reading
            .duration(&at.key("maxDelay"), any)
            .unwrap_or(defaults.max_delay),
    };
    if retry.delay > retry.max_delay {
        let message = format!(
            "is longer than `maxDelay` ({})",
            duration::format(retry.max_delay)
        );
        reading.fault(at.key("delay").fault(message));
    }
    Some(retry)
}

fn on_lost(reading: &mut Reading, at: &Cursor<'_>) -> OnLost {
    reading
        .word(at, &[("rerun", OnLost::Rerun), ("fail", OnLost::Fail)])
        .unwrap_or_default()
}
