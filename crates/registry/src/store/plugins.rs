//! Plug-ins: imported under the lock of their name, found by id, number or name.

use contracts::id::{PluginId, is_object_id};
use contracts::message::{Caller, PluginChanged, UserActed};
use sea_orm::ActiveValue::{NotSet, Set, Unchanged};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, SqlErr,
};
use serde_json::json;
use transfer::Visibility;

use super::Store;
use crate::Error;
use crate::entity::plugin::{self, Model};
use crate::plugin::{Content, MOST, Port, Refused, Terms, check_delete, is_usable};

/// The longest text that names a plug-in, in bytes.
const LONGEST_REFERENCE: usize = 300;

/// What an import has made.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) row: Model,
    /// What it was before, unless it is new.
    pub(crate) before: Option<Model>,
    pub(crate) changed: bool,
}

impl Store {
    /// The plug-in of this name, whoever may use it.
    pub(crate) async fn plugin_named(
        &self,
        account: &str,
        name: &str,
    ) -> Result<Option<Model>, Error> {
        let found = named(account, name).one(self.database.reader());
        Ok(found.await?)
    }

    /// Makes a plug-in under this id, or gives the one of its name another file.
    pub(crate) async fn import_plugin(
        &self,
        caller: &Caller,
        id: &PluginId,
        (terms, content): (&Terms, &Content),
        now_ms: i64,
    ) -> Result<Imported, Error> {
        let tx = self.database.begin().await?;
        let there = named(&caller.account, &terms.jar.name);
        let before = there.lock_exclusive().one(&*tx).await?;
        let row = match &before {
            None => insert(&tx, caller, id, (terms, content), now_ms).await?,
            Some(row) if !terms.force => return Err(Refused::Exists(row.name.clone()).into()),
            Some(row) if row.sha256 == content.sha256 => {
                tx.commit().await?;
                return Ok(Imported {
                    row: row.clone(),
                    before: None,
                    changed: false,
                });
            }
            Some(row) => update(&tx, row, (terms, content), now_ms).await?,
        };
        let action = if before.is_some() { "update" } else { "create" };
        tell(&tx, caller, (action, before.as_ref(), Some(&row)), now_ms).await?;
        tx.commit().await?;
        Ok(Imported {
            row,
            before,
            changed: true,
        })
    }

    /// The plug-in that a reference means, if the caller may use it.
    pub(crate) async fn plugin(&self, caller: &Caller, reference: &str) -> Result<Model, Error> {
        find(self.database.reader(), caller, reference, false).await
    }

    /// Removes a plug-in and answers what it was.
    pub(crate) async fn remove_plugin(
        &self,
        caller: &Caller,
        reference: &str,
        now_ms: i64,
    ) -> Result<Model, Error> {
        let tx = self.database.begin().await?;
        let gone = find(&*tx, caller, reference, true).await?;
        check_delete(caller, &gone.owner)?;
        plugin::Entity::delete_by_id(gone.number).exec(&*tx).await?;
        tell(&tx, caller, ("delete", Some(&gone), None), now_ms).await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Up to `limit` plug-ins after a number. Those of these names, if there are any, whoever may
    /// use them; otherwise those that the caller may use.
    pub(crate) async fn plugins(
        &self,
        caller: &Caller,
        (after, limit): (i64, u64),
        names: &[String],
    ) -> Result<Vec<Model>, Error> {
        let mut rows = plugin::Entity::find()
            .filter(plugin::Column::Account.eq(&caller.account))
            .filter(plugin::Column::Number.gt(after));
        if names.is_empty() {
            if !is_usable(caller, "", Visibility::Private.name()) {
                let theirs = plugin::Column::Owner.eq(caller.user_id());
                let open = plugin::Column::Visibility.ne(Visibility::Private.name());
                rows = rows.filter(Condition::any().add(theirs).add(open));
            }
        } else {
            rows = rows.filter(plugin::Column::Name.is_in(names));
        }
        let rows = rows.order_by_asc(plugin::Column::Number).limit(limit);
        Ok(rows.all(self.database.reader()).await?)
    }
}

fn named(account: &str, name: &str) -> sea_orm::Select<plugin::Entity> {
    plugin::Entity::find()
        .filter(plugin::Column::Account.eq(account))
        .filter(plugin::Column::Name.eq(name))
}

async fn insert(
    tx: &DatabaseTransaction,
    caller: &Caller,
    id: &PluginId,
    (terms, content): (&Terms, &Content),
    now_ms: i64,
) -> Result<Model, Error> {
    let visibility = terms.visibility.unwrap_or(Visibility::PublicRo);
    let title = terms.title.as_ref().unwrap_or(&content.jar.name);
    let row = plugin::ActiveModel {
        number: NotSet,
        id: Set(id.to_string()),
        account: Set(caller.account.clone()),
        owner: Set(caller.user_id().to_owned()),
        name: Set(terms.jar.name.clone()),
        title: Set(title.clone()),
        description: Set(terms.description.clone().unwrap_or_default()),
        visibility: Set(visibility.name().into()),
        created_at_ms: Set(now_ms),
        ..of_file(terms, content, now_ms)?
    };
    let made = plugin::Entity::insert(row).exec_with_returning(tx).await;
    let made = made.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Refused::Exists(terms.jar.name.clone()).into()
        }
        Some(_) | None => Error::from(error),
    })?;
    let of_account = plugin::Entity::find().filter(plugin::Column::Account.eq(&caller.account));
    if of_account.count(tx).await? > MOST {
        return Err(Refused::TooMany.into());
    }
    Ok(made)
}

async fn update(
    tx: &DatabaseTransaction,
    before: &Model,
    (terms, content): (&Terms, &Content),
    now_ms: i64,
) -> Result<Model, Error> {
    if before.kind != content.jar.kind.name() {
        return Err(Refused::OtherType {
            name: before.name.clone(),
            there: before.kind.clone(),
            new: content.jar.kind.name(),
        }
        .into());
    }
    let visibility = terms.visibility.map(|it| it.name().to_owned());
    let row = plugin::ActiveModel {
        number: Unchanged(before.number),
        title: Set(terms.title.clone().unwrap_or_else(|| before.title.clone())),
        description: Set(terms
            .description
            .clone()
            .unwrap_or_else(|| before.description.clone())),
        visibility: Set(visibility.unwrap_or_else(|| before.visibility.clone())),
        ..of_file(terms, content, now_ms)?
    };
    Ok(plugin::Entity::update(row).exec(tx).await?)
}

/// What the file and its name say.
fn of_file(terms: &Terms, content: &Content, now_ms: i64) -> Result<plugin::ActiveModel, Error> {
    let ports: Vec<Port> = content.jar.ports.iter().cloned().map(Port::from).collect();
    let ports = serde_json::to_string(&ports).map_err(|error| Error::Row(error.to_string()))?;
    Ok(plugin::ActiveModel {
        jar_description: Set(content.jar.description.clone()),
        jar_name: Set(terms.jar.file.clone()),
        version: Set(terms.jar.version.clone()),
        kind: Set(content.jar.kind.name().into()),
        main_class: Set(content.jar.main_class.clone()),
        ports: Set(ports),
        sha256: Set(content.sha256.clone()),
        size: Set(i64::try_from(content.size).unwrap_or(i64::MAX)),
        updated_at_ms: Set(now_ms),
        ..Default::default()
    })
}

/// The plug-in that the caller means: by id, then by number, then by name.
async fn find(
    db: &impl ConnectionTrait,
    caller: &Caller,
    reference: &str,
    lock: bool,
) -> Result<Model, Error> {
    for is_meant in meanings(reference) {
        let mut row = plugin::Entity::find()
            .filter(plugin::Column::Account.eq(&caller.account))
            .filter(is_meant);
        if lock {
            row = row.lock_exclusive();
        }
        let row = row.one(db).await?;
        let usable = row.filter(|row| is_usable(caller, &row.owner, &row.visibility));
        if let Some(row) = usable {
            return Ok(row);
        }
    }
    Err(Refused::NoPlugin(crate::shown(reference)).into())
}

fn meanings(reference: &str) -> Vec<Condition> {
    if reference.is_empty() || reference.len() > LONGEST_REFERENCE || reference.contains('\0') {
        return Vec::new();
    }
    let by_name = |name: &str| Condition::all().add(plugin::Column::Name.eq(name));
    if let Some(name) = reference.strip_prefix("name:") {
        return vec![by_name(name)];
    }
    let mut meanings = Vec::new();
    if is_object_id(reference) {
        meanings.push(Condition::all().add(plugin::Column::Id.eq(reference)));
    }
    if let Ok(number) = reference.parse::<i64>() {
        meanings.push(Condition::all().add(plugin::Column::Number.eq(number)));
    }
    meanings.push(by_name(reference));
    meanings
}

/// Announces what was done with a plug-in: the verb, and what it was before and is after it.
async fn tell(
    tx: &DatabaseTransaction,
    caller: &Caller,
    (action, was, is): (&str, Option<&Model>, Option<&Model>),
    now_ms: i64,
) -> Result<(), Error> {
    let Some(about) = is.or(was) else {
        return Ok(());
    };
    let changed = PluginChanged {
        plugin_id: about.id.clone(),
        account: about.account.clone(),
        name: about.name.clone(),
        actor: caller.actor.clone(),
    };
    outbox::announce(tx, &changed, now_ms).await?;
    let said = |row: Option<&Model>| row.map(summary).unwrap_or_default();
    let target = (about.id.as_str(), about.name.as_str());
    if let Some(acted) = UserActed::of(caller, "plugin", action, target, now_ms) {
        let acted = acted.with_change(said(was), said(is));
        outbox::announce(tx, &acted, now_ms).await?;
    }
    Ok(())
}

fn summary(row: &Model) -> String {
    let summary = json!({"title": row.title, "description": row.description, "jarName": row.jar_name,
        "version": row.version, "visibility": row.visibility, "sha256": row.sha256});
    summary.to_string()
}
