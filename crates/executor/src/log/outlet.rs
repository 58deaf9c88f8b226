//! Where entries go: the bus, or in tests what stands for it.

use std::sync::Arc;

use futures::future::BoxFuture;
use outbox::bus::Refused;
use outbox::{Bus, Post};

/// What became of posts, in their order.
pub(crate) type Outcome = Result<Vec<Result<(), Refused>>, String>;

/// Publishes posts and waits until they are durable; an error means that nothing is known.
#[derive(Clone)]
pub(crate) struct Outlet(Arc<dyn Fn(Vec<Post>) -> BoxFuture<'static, Outcome> + Send + Sync>);

impl Outlet {
    /// The bus.
    pub(crate) fn of(bus: Bus) -> Self {
        Self::new(move |posts| {
            let bus = bus.clone();
            Box::pin(async move { bus.publish(posts).await.map_err(|error| error.to_string()) })
        })
    }

    /// Whatever takes posts.
    pub(crate) fn new(
        publish: impl Fn(Vec<Post>) -> BoxFuture<'static, Outcome> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(publish))
    }

    pub(crate) fn publish(&self, posts: Vec<Post>) -> BoxFuture<'static, Outcome> {
        (self.0)(posts)
    }
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outlet")
    }
}
