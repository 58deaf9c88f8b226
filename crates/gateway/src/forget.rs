//! Hears which tokens, users and groups have changed and forgets the tokens that it matters to. A hint
//! only: without it they are forgotten within seconds anyway.

use std::sync::Arc;

use contracts::message::{GroupChanged, TokenChanged, Topic, UserChanged};
use outbox::bus::Undecodable;
use outbox::{Bus, Heard};
use runtime::Tasks;

use crate::Gateway;

/// Forgets tokens as their changes are heard, until the process drains.
pub(crate) fn changed_tokens(gateway: Arc<Gateway>, bus: Bus, tasks: &Tasks) {
    tasks.repeat("gateway tokens", move |()| {
        listen(gateway.clone(), bus.clone())
    });
}

async fn listen(gateway: Arc<Gateway>, bus: Bus) -> Result<(), outbox::bus::Error> {
    let mut news = bus.broadcast(&[Topic::Events]).await?;
    loop {
        let heard = news.next().await?;
        if let Err(error) = forget(&gateway, &heard) {
            tracing::warn!("a change of who is who can't be read: {error}");
        }
    }
}

fn forget(gateway: &Gateway, heard: &Heard) -> Result<(), Undecodable> {
    if heard.is::<TokenChanged>() {
        let change: TokenChanged = heard.decode()?;
        gateway.tokens.forget(&change.token_id);
    } else if heard.is::<UserChanged>() {
        let change: UserChanged = heard.decode()?;
        gateway.tokens.forget_user(&change.user_id);
        gateway.passwords.forget_user(&change.user_id);
    } else if heard.is::<GroupChanged>() {
        let change: GroupChanged = heard.decode()?;
        gateway.tokens.forget_account(&change.account);
        gateway.passwords.forget_account(&change.account);
    }
    Ok(())
}
