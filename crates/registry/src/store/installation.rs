//! Making the administrator and its token true at start.

use std::path::Path;

use contracts::id::TokenId;
use contracts::message::{Actor, TokenChanged};
use runtime::clock;
use runtime::config::Secret;
use sea_orm::DatabaseTransaction;

use super::{Store, execute, list, sealed};
use crate::{Error, administrator, token};

/// What the remembered token is bound to.
pub(super) const PLACE: &[u8] = b"installed-token";

impl Store {
    /// The administrator is there and its token is the configured one, or else the one in the file.
    /// The token that was installed before, if another, is revoked.
    ///
    /// The token is remembered sealed, so it also proves that the key is this store's. Registries
    /// that start at once do this one after the other: the first statement locks the user's row.
    pub(crate) async fn install_administrator(
        &self,
        configured: &Secret,
        path: &Path,
    ) -> Result<(), Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        upsert_user(&tx, now_ms).await?;
        let remembered = self.remembered(&tx).await?;
        let wanted = administrator::token(configured, path, remembered.as_ref(), now_ms)?;
        if remembered.as_ref() != Some(&wanted) {
            self.remember(&tx, &wanted).await?;
        }
        revoke_others(&tx, &wanted, now_ms).await?;
        validate(&tx, &wanted, now_ms).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn remembered(&self, tx: &DatabaseTransaction) -> Result<Option<Secret>, Error> {
        let sql = "SELECT sealed, key_id FROM installed_token WHERE user_id = $1";
        let rows = execute(tx, sql, [administrator::ID.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let sealed = sealed(row)?;
        let token = self.vault.reveal(&sealed, PLACE).ok_or(Error::WrongKey)?;
        let token = String::from_utf8(token).map_err(|_| Error::Row("installed_token".into()))?;
        Ok(Some(Secret::new(token)))
    }

    async fn remember(&self, tx: &DatabaseTransaction, token: &Secret) -> Result<(), Error> {
        let bytes = token.expose().as_bytes();
        let sealed = self
            .vault
            .seal(bytes, PLACE)
            .ok_or(Error::TooLong(bytes.len()))?;
        let sql = "INSERT INTO installed_token (user_id, sealed, key_id) VALUES ($1, $2, $3) \
                   ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, \
                   key_id = excluded.key_id";
        let values = [
            administrator::ID.into(),
            sealed.bytes.into(),
            sealed.key_id.into(),
        ];
        execute(tx, sql, values).await?;
        Ok(())
    }
}

async fn upsert_user(tx: &DatabaseTransaction, now_ms: i64) -> Result<(), Error> {
    let sql = "INSERT INTO users (id, number, kind, active, name, account, roles, created_at_ms, \
               updated_at_ms, external_id) \
               VALUES ($1, 1, 'service', true, $2, $3, $4, $5, $5, $2) \
               ON CONFLICT (id) DO UPDATE SET active = true, roles = excluded.roles, \
               external_id = excluded.external_id";
    let values = [
        administrator::ID.into(),
        administrator::NAME.into(),
        administrator::ACCOUNT.into(),
        list(administrator::ROLES).into(),
        now_ms.into(),
    ];
    execute(tx, sql, values).await?;
    Ok(())
}

async fn revoke_others(
    tx: &DatabaseTransaction,
    wanted: &Secret,
    now_ms: i64,
) -> Result<(), Error> {
    let sql = "UPDATE tokens SET revoked_at_ms = $1 WHERE user_id = $2 AND installed \
               AND revoked_at_ms IS NULL AND hash <> $3 RETURNING id";
    let hash = token::hash(wanted.expose()).to_vec();
    let values = [now_ms.into(), administrator::ID.into(), hash.into()];
    for row in execute(tx, sql, values).await? {
        let token_id: String = row.try_get("", "id")?;
        tracing::info!(
            token.id = token_id,
            "the administrator's earlier token was revoked"
        );
        let news = TokenChanged {
            token_id,
            actor: Some(Actor::system()),
        };
        outbox::announce(tx, &news, now_ms).await?;
    }
    Ok(())
}

async fn validate(tx: &DatabaseTransaction, wanted: &Secret, now_ms: i64) -> Result<(), Error> {
    let id = token::id_in(wanted).unwrap_or_else(|| TokenId::made_at(now_ms));
    let sql = "INSERT INTO tokens (id, user_id, hash, scopes, installed, created_at_ms, name, \
               family) VALUES ($1, $2, $3, $4, true, $5, 'installed', $1) \
               ON CONFLICT (hash) DO UPDATE SET revoked_at_ms = NULL, installed = true";
    let values = [
        String::from(id).into(),
        administrator::ID.into(),
        token::hash(wanted.expose()).to_vec().into(),
        list(administrator::SCOPES).into(),
        now_ms.into(),
    ];
    execute(tx, sql, values).await?;
    Ok(())
}
