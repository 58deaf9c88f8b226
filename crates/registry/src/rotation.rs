//! The loop that seals again what an earlier key sealed, whenever there is such a thing.

use std::time::Duration;

use runtime::{Bell, Progress, Tasks};

use crate::Error;
use crate::store::{Pass, Store};

/// How often it looks when nobody rings.
const PERIOD: Duration = Duration::from_mins(10);

/// Starts the loop; answers the bell that wakes it.
pub(crate) fn start(store: &Store, tasks: &Tasks) -> Bell {
    let bell = Bell::new();
    let store = store.clone();
    tasks.answer("seal again", &bell, PERIOD, move || {
        let store = store.clone();
        async move {
            pass(&store).await?;
            Ok::<_, Error>(Progress::Idle)
        }
    });
    bell
}

/// Seals everything again that is not sealed by the present key, and forgets the earlier ones.
pub(crate) async fn pass(store: &Store) -> Result<(), Error> {
    let mut pass = Pass::default();
    while store.seal_again(&mut pass).await? == Progress::More {}
    store.forget_earlier_keys().await
}
