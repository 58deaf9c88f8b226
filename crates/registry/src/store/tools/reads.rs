//! Finding tools, one or a page of them.

use std::collections::{BTreeSet, HashMap};

use contracts::access::{Rule, Standing, ToolRight};
use contracts::id::is_object_id;
use contracts::message::Caller;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::super::Store;
use crate::Error;
use crate::entity::{tool, user};
use crate::tool::{Document, Properties, Refused, Tool};

/// Tools of one name that are looked at.
const NAMESAKES: u64 = 100;
/// Rows that are read at a time for a page.
const CHUNK: u64 = 100;
/// Rows that are read for a page, at most.
const MOST_READ: usize = 2000;
/// Bytes of the documents of a page, beyond which it ends: an answer carries 4 MiB.
const LONG: usize = 2 * 1024 * 1024;
/// The longest text that names a tool, in bytes.
const LONGEST_REFERENCE: usize = 256;

/// A tool, and what the caller is to it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) tool: Tool,
    pub(crate) standing: Standing,
    /// Empty when the owner is no user any more.
    pub(crate) owner_name: String,
}

/// Which part of a list.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    pub(crate) latest_first: bool,
    /// Where the page before ended: the row's time of change and number.
    pub(crate) after: Option<(i64, i64)>,
}

impl Store {
    /// The tool that a reference means to the caller, for whom it needs this right.
    pub(crate) async fn tool(
        &self,
        caller: &Caller,
        reference: &str,
        right: ToolRight,
    ) -> Result<Seen, Error> {
        let found = find(self.database.reader(), caller, reference, false).await?;
        found.check(caller, right)?;
        self.seen(caller, vec![found])
            .await?
            .pop()
            .ok_or_else(|| Refused::NoTool(reference.to_owned()).into())
    }

    /// The same, with its row locked.
    pub(super) async fn locked(
        &self,
        tx: &DatabaseTransaction,
        caller: &Caller,
        reference: &str,
        right: ToolRight,
    ) -> Result<Tool, Error> {
        let found = find(tx, caller, reference, true).await?;
        found.check(caller, right)?;
        Ok(found)
    }

    /// Those tools of a page that the caller may view, and where the next one begins.
    pub(crate) async fn tools(
        &self,
        caller: &Caller,
        page: Page,
    ) -> Result<(Vec<Seen>, Option<(i64, i64)>), Error> {
        let mut found = Vec::new();
        let (mut after, mut bytes, mut read) = (page.after, 0, 0);
        loop {
            let rows = chunk(&page, after, &caller.account).all(self.database.reader());
            let rows = rows.await?;
            let is_last = (rows.len() as u64) < CHUNK;
            for row in rows {
                let here = (row.updated_at_ms, row.number);
                let length = row.document.len() + row.roles.len();
                let tool = tool(row)?;
                read += 1;
                if tool.is_visible_to(caller) {
                    bytes += length;
                    found.push(tool);
                }
                after = Some(here);
                if found.len() >= page.limit || bytes > LONG || read >= MOST_READ {
                    return Ok((self.seen(caller, found).await?, after));
                }
            }
            if is_last {
                return Ok((self.seen(caller, found).await?, None));
            }
        }
    }

    /// A tool that was just made or changed.
    pub(crate) async fn seen_one(&self, caller: &Caller, tool: Tool) -> Result<Seen, Error> {
        let id = tool.id.clone();
        let mut seen = self.seen(caller, vec![tool]).await?;
        seen.pop().ok_or_else(|| Refused::NoTool(id).into())
    }

    async fn seen(&self, caller: &Caller, tools: Vec<Tool>) -> Result<Vec<Seen>, Error> {
        let owners: BTreeSet<&str> = tools.iter().map(|it| it.owner.as_str()).collect();
        let names: HashMap<String, String> = user::Entity::find()
            .select_only()
            .columns([user::Column::Id, user::Column::Name])
            .filter(user::Column::Id.is_in(owners))
            .into_tuple::<(String, String)>()
            .all(self.database.reader())
            .await?
            .into_iter()
            .collect();
        let seen = tools.into_iter().map(|tool| Seen {
            standing: tool.standing(caller),
            owner_name: names.get(&tool.owner).cloned().unwrap_or_default(),
            tool,
        });
        Ok(seen.collect())
    }
}

/// The rules as their column has them.
pub(super) fn rules_text(rules: &[Rule]) -> String {
    serde_json::to_string(rules).unwrap_or_else(|_| "[]".into())
}

/// A row as a tool.
pub(super) fn tool(row: tool::Model) -> Result<Tool, Error> {
    let unreadable = |error: serde_json::Error| Error::Row(error.to_string());
    let rules: Vec<Rule> = serde_json::from_str(&row.roles).map_err(unreadable)?;
    let rest: Properties = serde_json::from_str(&row.document).map_err(unreadable)?;
    Ok(Tool {
        id: row.id,
        number: row.number,
        account: row.account,
        owner: row.owner,
        document: Document {
            name: row.name,
            identifier: row.tool_identifier,
            active: row.active,
            rules,
            rest,
        },
        revision: row.revision,
        created_at_ms: row.created_at_ms,
        updated_at_ms: row.updated_at_ms,
    })
}

/// The tool that the caller means: by id, then by number, then by name.
async fn find(
    db: &impl ConnectionTrait,
    caller: &Caller,
    reference: &str,
    lock: bool,
) -> Result<Tool, Error> {
    for is_meant in meanings(reference) {
        let mut rows = tool::Entity::find()
            .filter(tool::Column::Account.eq(&caller.account))
            .filter(is_meant)
            .order_by_asc(tool::Column::Number)
            .limit(NAMESAKES);
        if lock {
            rows = rows.lock_exclusive();
        }
        let mut visible = Vec::new();
        for row in rows.all(db).await? {
            let tool = tool(row)?;
            if tool.is_visible_to(caller) {
                visible.push(tool);
            }
        }
        match visible.len() {
            0 => {}
            1 => return Ok(visible.remove(0)),
            _ => {
                return Err(Refused::Ambiguous {
                    name: reference.to_owned(),
                    ids: visible.into_iter().take(10).map(|it| it.id).collect(),
                }
                .into());
            }
        }
    }
    let shown = reference.chars().filter(|it| !it.is_control()).take(64);
    Err(Refused::NoTool(shown.collect()).into())
}

/// What a reference can mean; the first that there is counts.
fn meanings(reference: &str) -> Vec<Condition> {
    if reference.is_empty() || reference.len() > LONGEST_REFERENCE || reference.contains('\0') {
        return Vec::new();
    }
    let by_name = |name: &str| Condition::all().add(tool::Column::Name.eq(name));
    if let Some(name) = reference.strip_prefix("name:") {
        return vec![by_name(name)];
    }
    let mut meanings = Vec::new();
    if is_object_id(reference) {
        meanings.push(Condition::all().add(tool::Column::Id.eq(reference)));
    }
    if let Ok(number) = reference.parse::<i64>() {
        meanings.push(Condition::all().add(tool::Column::Number.eq(number)));
    }
    meanings.push(by_name(reference));
    meanings
}

fn chunk(page: &Page, after: Option<(i64, i64)>, account: &str) -> Select<tool::Entity> {
    use tool::Column;
    let all = tool::Entity::find()
        .filter(Column::Account.eq(account))
        .limit(CHUNK);
    if !page.latest_first {
        let first = after.map_or(0, |(_, number)| number);
        let rest = all.filter(Column::Number.gt(first));
        return rest.order_by_asc(Column::Number);
    }
    let rest = match after {
        Some((updated, number)) => {
            let same = Condition::all()
                .add(Column::UpdatedAtMs.eq(updated))
                .add(Column::Number.lt(number));
            all.filter(
                Condition::any()
                    .add(Column::UpdatedAtMs.lt(updated))
                    .add(same),
            )
        }
        None => all,
    };
    rest.order_by_desc(Column::UpdatedAtMs)
        .order_by_desc(Column::Number)
}
