//! Tools: who may see one sees it, who may change one changes it under its row's lock.

use contracts::access::ToolRight;
use contracts::id::ToolId;
use contracts::message::{Caller, ToolChanged, UserActed};
use contracts::tool::is_outside;
use sea_orm::ActiveValue::{NotSet, Set, Unchanged};
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
};
use serde_json::{Value, json};

use super::reveals::Asked;
use super::{Store, vaulted};
use crate::Error;
use crate::entity::tool;
use crate::tool::{Document, Properties, Refused, Tool, difference, hidden, kind};

mod reads;

pub(crate) use reads::{Page, Seen};

/// Tools of an account, at most.
const MOST: u64 = 10_000;
/// The property that says what sort of system a tool is.
const CATEGORY: &str = "tool_type_identifier";

/// A tool for a step, with its secrets.
pub(crate) struct Resolved {
    pub(crate) tool: Tool,
    /// With the secrets in the places of their references, unless it is served outside.
    pub(crate) configuration: Value,
    pub(crate) secrets: Vec<String>,
    /// What works with it.
    pub(crate) connector: String,
}

impl Store {
    /// Makes a tool of which the caller is the owner.
    pub(crate) async fn make_tool(
        &self,
        caller: &Caller,
        said: Properties,
        now_ms: i64,
    ) -> Result<Tool, Error> {
        Tool::check_create(caller)?;
        let mut document = Document::new(said)?;
        add_category(&mut document);
        let id = ToolId::made_at(now_ms);
        let secrets = hidden::take_out(&mut document, id.as_str(), &[].into())?;
        let tx = self.database.begin().await?;
        let row = insert(&tx, caller, &id, &document, now_ms).await?;
        let of_account = tool::Entity::find().filter(tool::Column::Account.eq(&row.account));
        if of_account.count(&*tx).await? > MOST {
            return Err(Refused::TooMany.into());
        }
        self.keep_secrets(&tx, id.as_str(), &secrets, now_ms)
            .await?;
        let made = reads::tool(row)?;
        let deed = Deed {
            action: "create",
            was: None,
            is: Some(made.document.properties()),
        };
        tell(&tx, caller, &made, deed, now_ms).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Changes a tool at its root. A change that changes nothing is none.
    pub(crate) async fn change_tool(
        &self,
        caller: &Caller,
        reference: &str,
        (changes, replace): (Properties, bool),
        now_ms: i64,
    ) -> Result<Tool, Error> {
        let tx = self.database.begin().await?;
        let before = self.locked(&tx, caller, reference, ToolRight::Edit).await?;
        let mut after = before.document.changed(changes, replace)?;
        add_category(&mut after);
        if after.rules != before.document.rules {
            before.check(caller, ToolRight::EditRules)?;
        }
        let known = vaulted::keys(&tx, &before.id).await?;
        let secrets = hidden::take_out(&mut after, &before.id, &known)?;
        if after == before.document && secrets.0.is_empty() {
            tx.commit().await?;
            return Ok(before);
        }
        let referred = hidden::references(&after.rest);
        vaulted::forget(&tx, &before.id, known.difference(&referred)).await?;
        self.keep_secrets(&tx, &before.id, &secrets, now_ms).await?;
        let (was, mut is) = difference(&before.document, &after);
        if !secrets.0.is_empty() {
            is.insert(
                "secretsSet".into(),
                json!(secrets.0.keys().collect::<Vec<_>>()),
            );
        }
        let changed = update(&tx, before, after, now_ms).await?;
        let deed = Deed {
            action: "update",
            was: Some(was),
            is: Some(is),
        };
        tell(&tx, caller, &changed, deed, now_ms).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Gives a tool to another owner. To who has it already it changes nothing.
    pub(crate) async fn transfer_tool(
        &self,
        caller: &Caller,
        reference: &str,
        owner: &str,
        now_ms: i64,
    ) -> Result<Tool, Error> {
        let (owner, _) = self.owner(&caller.account, owner).await?;
        let tx = self.database.begin().await?;
        let before = self
            .locked(&tx, caller, reference, ToolRight::Delete)
            .await?;
        if before.owner == owner {
            tx.commit().await?;
            return Ok(before);
        }
        let row = tool::ActiveModel {
            number: Unchanged(before.number),
            owner: Set(owner.clone()),
            revision: Set(before.revision + 1),
            updated_at_ms: Set(now_ms),
            ..Default::default()
        };
        tool::Entity::update(row)
            .exec_without_returning(&*tx)
            .await?;
        let owned = |id: &str| Properties::from_iter([("owner".to_owned(), json!(id))]);
        let deed = Deed {
            action: "transfer",
            was: Some(owned(&before.owner)),
            is: Some(owned(&owner)),
        };
        let given = Tool {
            owner,
            revision: before.revision + 1,
            updated_at_ms: now_ms,
            ..before
        };
        tell(&tx, caller, &given, deed, now_ms).await?;
        tx.commit().await?;
        Ok(given)
    }

    /// Removes a tool with its secrets.
    pub(crate) async fn remove_tool(
        &self,
        caller: &Caller,
        reference: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let gone = self
            .locked(&tx, caller, reference, ToolRight::Delete)
            .await?;
        let keys = vaulted::keys(&tx, &gone.id).await?;
        vaulted::forget(&tx, &gone.id, &keys).await?;
        tool::Entity::delete_by_id(gone.number).exec(&*tx).await?;
        let deed = Deed {
            action: "delete",
            was: Some(gone.document.properties()),
            is: None,
        };
        tell(&tx, caller, &gone, deed, now_ms).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A tool with its secrets, for a step of a run that `caller` started; and that they were
    /// revealed is told. Of one that an outside consumer serves nothing is revealed: what it is told
    /// travels over the bus. A connector that is asked for goes before the tool's own.
    pub(crate) async fn resolved(
        &self,
        caller: &Caller,
        (reference, connector): (&str, &str),
        asked: &Asked,
        now_ms: i64,
    ) -> Result<Resolved, Error> {
        let tx = self.database.begin().await?;
        let tool = self.locked(&tx, caller, reference, ToolRight::Use).await?;
        if !tool.document.active {
            return Err(Refused::Inactive(tool.document.name).into());
        }
        let connector = tool.document.connector(connector).to_owned();
        let configuration = tool.document.rest.get("configuration");
        let mut configuration = configuration.cloned().unwrap_or_else(|| json!({}));
        if is_outside(&connector) {
            return Ok(Resolved {
                tool,
                configuration,
                secrets: Vec::new(),
                connector,
            });
        }
        let wanted = json!({"configuration": configuration});
        let wanted = wanted
            .as_object()
            .map(hidden::references)
            .unwrap_or_default();
        let mut secrets = self.opened(&tx, &tool.id).await?;
        secrets.retain(|key, _| wanted.contains(key));
        hidden::put_back(&mut configuration, &secrets);
        if !wanted.is_empty() {
            let target = (tool.id.as_str(), tool.document.name.as_str());
            asked
                .tell(&tx, target, json!({"vaultKeys": wanted}), now_ms)
                .await?;
        }
        tx.commit().await?;
        Ok(Resolved {
            tool,
            configuration,
            secrets: secrets.into_values().collect(),
            connector,
        })
    }
}

/// Says what sort of system a tool is, where that is known and the tool doesn't say it.
fn add_category(document: &mut Document) {
    let category = kind::category(&document.identifier);
    if let Some(category) = category {
        let known = document.rest.entry(CATEGORY);
        known.or_insert_with(|| json!(category));
    }
}

async fn insert(
    tx: &DatabaseTransaction,
    caller: &Caller,
    id: &ToolId,
    document: &Document,
    now_ms: i64,
) -> Result<tool::Model, Error> {
    let row = tool::ActiveModel {
        number: NotSet,
        id: Set(id.to_string()),
        account: Set(caller.account.clone()),
        owner: Set(caller.user_id().to_owned()),
        name: Set(document.name.clone()),
        tool_identifier: Set(document.identifier.clone()),
        active: Set(document.active),
        roles: Set(reads::rules_text(&document.rules)),
        document: Set(document.rest_text()?),
        revision: Set(1),
        created_at_ms: Set(now_ms),
        updated_at_ms: Set(now_ms),
    };
    Ok(tool::Entity::insert(row).exec_with_returning(tx).await?)
}

/// Stores what a locked tool is now.
async fn update(
    tx: &DatabaseTransaction,
    before: Tool,
    after: Document,
    now_ms: i64,
) -> Result<Tool, Error> {
    let row = tool::ActiveModel {
        number: Unchanged(before.number),
        name: Set(after.name.clone()),
        active: Set(after.active),
        roles: Set(reads::rules_text(&after.rules)),
        document: Set(after.rest_text()?),
        revision: Set(before.revision + 1),
        updated_at_ms: Set(now_ms),
        ..Default::default()
    };
    tool::Entity::update(row).exec_without_returning(tx).await?;
    Ok(Tool {
        document: after,
        revision: before.revision + 1,
        updated_at_ms: now_ms,
        ..before
    })
}

/// What was done with a tool: the verb, and the document before and after it.
struct Deed {
    action: &'static str,
    was: Option<Properties>,
    is: Option<Properties>,
}

/// Announces what was done with a tool.
async fn tell(
    tx: &DatabaseTransaction,
    caller: &Caller,
    tool: &Tool,
    deed: Deed,
    now_ms: i64,
) -> Result<(), Error> {
    let changed = ToolChanged {
        tool_id: tool.id.clone(),
        account: tool.account.clone(),
        actor: caller.actor.clone(),
    };
    outbox::announce(tx, &changed, now_ms).await?;
    let text = |it: Option<Properties>| it.map_or_else(String::new, |it| json!(it).to_string());
    let target = (tool.id.as_str(), tool.document.name.as_str());
    if let Some(acted) = UserActed::of(caller, "registry", deed.action, target, now_ms) {
        let acted = acted.with_change(text(deed.was), text(deed.is));
        outbox::announce(tx, &acted, now_ms).await?;
    }
    Ok(())
}
