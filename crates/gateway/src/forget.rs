//! Hears which tokens have changed and forgets them. A hint only: without it they are forgotten
//! within seconds anyway.

use std::sync::Arc;

use contracts::message::{TokenChanged, Topic};
use outbox::Bus;
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
        if !heard.is::<TokenChanged>() {
            continue;
        }
        match heard.decode::<TokenChanged>() {
            Ok(change) => gateway.tokens.forget(&change.token_id),
            Err(error) => tracing::warn!("a token's change can't be read: {error}"),
        }
    }
}
