//! Rows of links and records.

use sea_orm::{
    ActiveModelTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, IntoActiveModel as _,
};

use super::super::{ROWS, signed};
use crate::entity::{link, token_use, user_action};
use crate::ledger::chain::Link;
use crate::ledger::{Action, TokenUse};

/// What paths of requests begin with.
const PREFIX: &str = "/api";

/// Adds links with their records.
pub(super) async fn insert(tx: &DatabaseTransaction, links: Vec<Link>) -> Result<(), DbErr> {
    let (mut rows, mut actions, mut uses) = (Vec::new(), Vec::new(), Vec::new());
    for it in links {
        let position = signed(it.position);
        let place = (it.account.as_str(), position);
        actions.extend(it.actions.into_iter().map(|it| row_of_action(place, it)));
        let numbered = (0..).zip(it.uses);
        uses.extend(numbered.map(|(number, it)| row_of_use(place, number, it)));
        rows.push(link::Model {
            account: it.account,
            book: it.book.name().into(),
            position,
            hash: it.hash,
            stored_ms: it.stored_ms,
        });
    }
    for rows in rows.chunks(ROWS) {
        let rows = rows
            .iter()
            .map(|it| it.clone().into_active_model().reset_all());
        let insert = link::Entity::insert_many(rows);
        insert.exec_without_returning(tx).await?;
    }
    for rows in actions.chunks(ROWS) {
        let rows = rows
            .iter()
            .map(|it| it.clone().into_active_model().reset_all());
        let insert = user_action::Entity::insert_many(rows);
        insert.exec_without_returning(tx).await?;
    }
    for rows in uses.chunks(ROWS) {
        let rows = rows
            .iter()
            .map(|it| it.clone().into_active_model().reset_all());
        let insert = token_use::Entity::insert_many(rows);
        insert.exec_without_returning(tx).await?;
    }
    Ok(())
}

fn row_of_action((account, position): (&str, i64), action: Action) -> user_action::Model {
    user_action::Model {
        account: account.to_owned(),
        position,
        id: action.id,
        user_id: action.user_id,
        user_name: action.user_name,
        user_email: action.user_email,
        token_id: action.token_id,
        kind: action.kind,
        action: action.action,
        target_id: action.target_id,
        target_name: action.target_name,
        before_json: action.before_json,
        after_json: action.after_json,
        at_ms: action.at_ms,
        use_id: action.use_id,
    }
}

fn row_of_use(
    (account, position): (&str, i64),
    number: i64,
    token_use: TokenUse,
) -> token_use::Model {
    token_use::Model {
        account: account.to_owned(),
        position,
        number,
        path: path(&token_use.target).to_owned(),
        id: token_use.id,
        token_id: token_use.token_id,
        user_id: token_use.user_id,
        scope: token_use.scope,
        target: token_use.target,
        outcome: token_use.outcome,
        ip: token_use.ip,
        user_agent: token_use.user_agent,
        http_status: token_use.http_status.into(),
        at_ms: token_use.at_ms,
    }
}

/// The path of a target, without the prefix that all have.
pub(crate) fn path(target: &str) -> &str {
    let path = target.split_once(' ').map_or(target, |(_, path)| path);
    match path.strip_prefix(PREFIX) {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_has_neither_method_nor_prefix() {
        for (target, path) in [
            ("GET /api/v1/logs/user/tokens", "/v1/logs/user/tokens"),
            ("/api/v2/pipelines", "/v2/pipelines"),
            ("GET /apis", "/apis"),
            ("/v1/x", "/v1/x"),
            ("", ""),
        ] {
            assert_eq!(super::path(target), path);
        }
    }
}
