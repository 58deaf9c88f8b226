//! Rows as answers.

use contracts::registry::{AuthenticateResponse, Group, Member, Token, User};

use crate::entity::{group, user};
use crate::store::{Bearer, Owned, Whole, names, standing};
use crate::{Error, administrator};

/// A user with the names of its groups, where they were asked for.
pub(super) fn user(row: user::Model, groups: Vec<String>) -> Result<User, Error> {
    Ok(User {
        roles: names(&row.roles)?,
        installed: row.id == administrator::ID,
        id: row.id,
        number: row.number,
        name: row.name,
        email: row.email.unwrap_or_default(),
        kind: row.kind,
        account: row.account,
        active: row.active,
        has_password: row.password.is_some(),
        created_at_ms: row.created_at_ms,
        updated_at_ms: row.updated_at_ms,
        groups,
    })
}

/// A group with the number of its members.
pub(super) fn counted_group((row, member_count): (group::Model, u32)) -> Group {
    Group {
        id: row.id,
        name: row.name,
        member_count,
        members: Vec::new(),
        created_at_ms: row.created_at_ms,
        updated_at_ms: row.updated_at_ms,
    }
}

/// A group with its members.
pub(super) fn group(whole: Whole) -> Group {
    let count = u32::try_from(whole.members.len()).unwrap_or(u32::MAX);
    let members = whole.members.into_iter().map(|row| Member {
        id: row.id,
        name: row.name,
        email: row.email.unwrap_or_default(),
    });
    Group {
        members: members.collect(),
        ..counted_group((whole.row, count))
    }
}

/// A token as it is at `now_ms`, without its text.
pub(super) fn token(owned: Owned, now_ms: i64) -> Result<Token, Error> {
    let Owned { row, owner } = owned;
    Ok(Token {
        live: owner.active && standing(&row).is_live(now_ms),
        scopes: names(&row.scopes)?,
        cidrs: names(&row.cidrs)?,
        id: row.id,
        user_id: owner.id,
        user_name: owner.name,
        user_email: owner.email.unwrap_or_default(),
        name: row.name,
        created_at_ms: row.created_at_ms,
        expires_at_ms: row.expires_at_ms.unwrap_or_default(),
        last_used_at_ms: row.last_used_at_ms.unwrap_or_default(),
        revoked_at_ms: row.revoked_at_ms.unwrap_or_default(),
        replaced_by: row.replaced_by.unwrap_or_default(),
        replaced_until_ms: row.replaced_until_ms.unwrap_or_default(),
        installed: row.installed,
        family_id: row.family,
    })
}

impl From<Bearer> for AuthenticateResponse {
    fn from(bearer: Bearer) -> Self {
        Self {
            token_id: bearer.token_id,
            user_id: bearer.user_id,
            user_name: bearer.user_name,
            account: bearer.account,
            scopes: bearer.scopes,
            roles: bearer.roles,
            expires_at_ms: bearer.expires_at_ms.unwrap_or_default(),
            user_email: bearer.user_email.unwrap_or_default(),
            groups: bearer.groups,
            cidrs: bearer.cidrs,
            token_name: bearer.token_name,
        }
    }
}
