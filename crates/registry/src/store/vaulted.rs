//! The secrets of tools, sealed: those that a tool's document refers to and no others.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DatabaseTransaction;

use super::{Store, execute, sealed};
use crate::Error;
use crate::tool::hidden::Secrets;

/// What the sealed secret of a tool is bound to. A tool's id has one length.
pub(super) fn binding(tool_id: &str, key: &str) -> Vec<u8> {
    format!("tool-secret:{tool_id}:{key}").into_bytes()
}

impl Store {
    /// Seals the `secrets` of a tool. One that is there under the same key is replaced.
    pub(super) async fn keep_secrets(
        &self,
        tx: &DatabaseTransaction,
        tool_id: &str,
        secrets: &Secrets,
        now_ms: i64,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO tool_secrets (tool_id, vault_key, sealed, key_id, updated_at_ms) \
                   VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (tool_id, vault_key) DO UPDATE SET sealed = excluded.sealed, \
                   key_id = excluded.key_id, updated_at_ms = excluded.updated_at_ms";
        for (key, secret) in &secrets.0 {
            let sealed = self
                .vault
                .seal(secret.as_bytes(), &binding(tool_id, key))
                .ok_or(Error::TooLong(secret.len()))?;
            let values = [
                tool_id.into(),
                key.as_str().into(),
                sealed.bytes.into(),
                sealed.key_id.into(),
                now_ms.into(),
            ];
            execute(tx, sql, values).await?;
        }
        Ok(())
    }

    /// The secrets of a tool by their vault keys.
    pub(super) async fn opened(
        &self,
        tx: &DatabaseTransaction,
        tool_id: &str,
    ) -> Result<BTreeMap<String, String>, Error> {
        let sql = "SELECT vault_key, sealed, key_id FROM tool_secrets WHERE tool_id = $1";
        let mut secrets = BTreeMap::new();
        for row in execute(tx, sql, [tool_id.into()]).await? {
            let key: String = row.try_get("", "vault_key")?;
            let secret = self.vault.reveal(&sealed(&row)?, &binding(tool_id, &key));
            let secret = secret.and_then(|it| String::from_utf8(it).ok());
            let secret = secret.ok_or_else(|| Error::Damaged(key.clone()))?;
            secrets.insert(key, secret);
        }
        Ok(secrets)
    }
}

/// The vault keys of a tool.
pub(super) async fn keys(
    tx: &DatabaseTransaction,
    tool_id: &str,
) -> Result<BTreeSet<String>, Error> {
    let sql = "SELECT vault_key FROM tool_secrets WHERE tool_id = $1";
    let rows = execute(tx, sql, [tool_id.into()]).await?;
    let keys = rows.iter().map(|row| row.try_get("", "vault_key"));
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Removes the secrets of these keys.
pub(super) async fn forget(
    tx: &DatabaseTransaction,
    tool_id: &str,
    keys: impl IntoIterator<Item = &String>,
) -> Result<(), Error> {
    let sql = "DELETE FROM tool_secrets WHERE tool_id = $1 AND vault_key = $2";
    for key in keys {
        execute(tx, sql, [tool_id.into(), key.as_str().into()]).await?;
    }
    Ok(())
}
