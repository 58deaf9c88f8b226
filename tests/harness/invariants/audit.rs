//! I10: every accepted change has exactly one user-action record, and the record chains are whole.
//!
//! The hashes are computed here once more, from docs/audit.md and not from the service's code.

use std::collections::{BTreeMap, HashMap, HashSet};

use contracts::message::{
    Actor, PipelineDefined, PipelineDeleted, RunChanged, RunState, UserActed,
};
use sea_orm::FromQueryResult;
use sha2::{Digest as _, Sha256};

use super::facts::Facts;
use crate::rows::Rows;
use crate::topics::Told;

/// A user action's row.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Action {
    account: String,
    position: i64,
    id: String,
    user_id: String,
    user_name: String,
    user_email: String,
    token_id: String,
    kind: String,
    action: String,
    target_id: String,
    target_name: String,
    before_json: String,
    after_json: String,
    at_ms: i64,
    use_id: String,
}

/// The row of a use of a token.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Use {
    account: String,
    position: i64,
    id: String,
    token_id: String,
    user_id: String,
    scope: String,
    target: String,
    outcome: String,
    ip: String,
    user_agent: String,
    http_status: i64,
    at_ms: i64,
}

/// A link's row.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Link {
    account: String,
    book: String,
    position: i64,
    hash: String,
    stored_ms: i64,
}

/// What was recorded.
#[derive(Debug, Default)]
pub(crate) struct Records {
    actions: Vec<Action>,
    uses: Vec<Use>,
    links: Vec<Link>,
}

impl Records {
    /// Reads them, links first: what is added meanwhile has none here.
    pub(super) async fn of(rows: &Rows) -> Self {
        Self {
            links: rows
                .all("SELECT * FROM audit_link ORDER BY account, book, position")
                .await,
            actions: rows
                .all("SELECT * FROM user_action ORDER BY position")
                .await,
            uses: rows
                .all("SELECT * FROM token_use ORDER BY position, number")
                .await,
        }
    }
}

/// Actions that were told and are not recorded yet.
pub(super) fn unfinished(facts: &Facts) -> Vec<String> {
    let recorded: HashSet<&str> = facts
        .records
        .actions
        .iter()
        .map(|it| it.id.as_str())
        .collect();
    let told = facts
        .told
        .iter()
        .filter(|it| it.decode::<UserActed>().is_some());
    told.filter(|it| !recorded.contains(it.id.as_str()))
        .map(|it| format!("I10: the user action {} is never recorded", it.id))
        .collect()
}

pub(super) fn violations(facts: &Facts) -> Vec<String> {
    let mut violations = repeats(&facts.records);
    violations.extend(changes(facts));
    violations.extend(chains(&facts.records));
    violations
}

fn repeats(records: &Records) -> Vec<String> {
    let actions = records
        .actions
        .iter()
        .map(|it| ("action", &it.account, &it.id));
    let uses = records.uses.iter().map(|it| ("use", &it.account, &it.id));
    let mut seen = HashSet::new();
    actions
        .chain(uses)
        .filter(|it| !seen.insert(*it))
        .map(|(what, _, id)| format!("I10: {what} {id} is recorded twice"))
        .collect()
}

/// Changes that users made in one transaction, by noun and verb, against what is recorded.
fn changes(facts: &Facts) -> Vec<String> {
    let mut due: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for (pipeline, verb) in facts.told.iter().filter_map(|told| change(told, facts)) {
        *due.entry((pipeline, verb)).or_default() += 1;
    }
    for action in &facts.records.actions {
        let verb = match action.action.as_str() {
            "create" | "update" | "duplicate" => "define",
            "run" | "resume" => "run",
            "delete" => "delete",
            _ => continue,
        };
        if action.kind == "pipeline" {
            *due.entry((action.target_id.clone(), verb)).or_default() -= 1;
        }
    }
    due.into_iter()
        .filter(|(_, difference)| *difference != 0)
        .map(|((pipeline, verb), difference)| {
            format!("I10: {difference} more times {pipeline} got a {verb} than is recorded")
        })
        .collect()
}

/// The pipeline that a user changed, and how. A child's run is started by its parent's, and a
/// schedule starts runs by itself.
fn change(told: &Told, facts: &Facts) -> Option<(String, &'static str)> {
    let (pipeline, actor, verb) = if let Some(it) = told.decode::<RunChanged>() {
        let run = facts.runs.get(&it.run_id);
        let is_child = run.is_some_and(|run| run.parent_id.is_some());
        let is_scheduled = !it.schedule_id.is_empty();
        if it.from() != RunState::Unspecified || is_child || is_scheduled {
            return None;
        }
        (it.pipeline_id, it.actor, "run")
    } else if let Some(it) = told.decode::<PipelineDefined>() {
        (it.pipeline_id, it.actor, "define")
    } else {
        let it = told.decode::<PipelineDeleted>()?;
        (it.pipeline_id, it.actor, "delete")
    };
    actor
        .is_some_and(|it| Actor::is_user(&it))
        .then_some((pipeline, verb))
}

fn chains(records: &Records) -> Vec<String> {
    let mut actions: HashMap<(&str, i64), Vec<Vec<String>>> = HashMap::new();
    for it in &records.actions {
        let key = (it.account.as_str(), it.position);
        actions.entry(key).or_default().push(texts_of_action(it));
    }
    let mut uses: HashMap<(&str, i64), Vec<Vec<String>>> = HashMap::new();
    for it in &records.uses {
        let key = (it.account.as_str(), it.position);
        uses.entry(key).or_default().push(texts_of_use(it));
    }
    let mut ends: HashMap<(&str, &str), (i64, String)> = HashMap::new();
    let mut violations = Vec::new();
    for link in &records.links {
        let (account, book) = (link.account.as_str(), link.book.as_str());
        let end = ends.entry((account, book)).or_insert((0, "0".repeat(64)));
        let its = |all: &HashMap<_, Vec<Vec<String>>>, of: &str| {
            let found = all.get(&(account, link.position)).filter(|_| of == book);
            found.cloned().unwrap_or_default()
        };
        let found = hash(link, &end.1, &its(&actions, "actions"), &its(&uses, "uses"));
        if link.position != end.0 + 1 || found != link.hash {
            violations.push(format!(
                "I10: link {} of {account}'s {book} is broken",
                link.position
            ));
        }
        *end = (link.position, link.hash.clone());
    }
    violations
}

fn texts_of_action(it: &Action) -> Vec<String> {
    let texts = [
        &it.id,
        &it.user_id,
        &it.user_name,
        &it.user_email,
        &it.token_id,
        &it.kind,
        &it.action,
        &it.target_id,
        &it.target_name,
        &it.before_json,
        &it.after_json,
        &it.use_id,
    ];
    let texts = texts.map(String::clone).into_iter();
    texts.chain([it.at_ms.to_string()]).collect()
}

fn texts_of_use(it: &Use) -> Vec<String> {
    let texts = [
        &it.id,
        &it.token_id,
        &it.user_id,
        &it.scope,
        &it.target,
        &it.outcome,
        &it.ip,
        &it.user_agent,
    ];
    let texts = texts.map(String::clone).into_iter();
    texts
        .chain([it.http_status.to_string(), it.at_ms.to_string()])
        .collect()
}

fn hash(link: &Link, previous: &str, actions: &[Vec<String>], uses: &[Vec<String>]) -> String {
    let mut texts = vec![
        "penstock-audit-link-v1".to_owned(),
        link.account.clone(),
        link.book.clone(),
        link.position.to_string(),
        previous.to_owned(),
        link.stored_ms.to_string(),
        actions.len().to_string(),
    ];
    texts.extend(actions.concat());
    texts.push(uses.len().to_string());
    texts.extend(uses.concat());
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hex::encode(hasher.finalize())
}
