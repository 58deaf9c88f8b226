//! One body of tests for every bus: embedded, Kafka's mock and, with `TEST_KAFKA` set, a real Kafka.
//! With `TEST_POSTGRES` set, the outbox and the inbox on `PostgreSQL` too.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod suite {
    pub(crate) mod bus;
    pub(crate) mod effects;
    pub(crate) mod faults;
    #[cfg(feature = "kafka")]
    pub(crate) mod outages;
    pub(crate) mod place;
}

use suite::place::Place;

/// A test of each story on each bus.
macro_rules! stories {
    ($($file:ident::$story:ident;)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                crate::suite::$file::$story(&crate::Place::embedded()).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                if let Some(place) = crate::Place::postgres() {
                    crate::suite::$file::$story(&place).await;
                }
            })*
        }

        #[cfg(feature = "kafka")]
        mod kafka {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                if let Some(place) = crate::Place::kafka() {
                    crate::suite::$file::$story(&place).await;
                }
            })*
        }

        #[cfg(feature = "kafka")]
        mod mock {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                crate::suite::$file::$story(&crate::Place::mock()).await;
            })*
        }
    };
}

stories! {
    bus::messages_of_a_key_are_read_in_their_order;
    bus::all_that_a_message_says_arrives;
    bus::a_group_goes_on_after_what_it_committed;
    bus::every_group_reads_everything;
    bus::a_broadcast_hears_what_comes_after_it;
    bus::what_is_too_large_is_refused_alone;
    effects::a_message_has_one_effect_however_often_it_comes;
    effects::what_is_rolled_back_is_never_told;
    effects::announcements_of_a_key_are_told_in_their_order;
    effects::a_consumer_goes_on_where_it_ended;
    faults::a_message_at_fault_goes_to_dead_letters_and_the_rest_goes_on;
    faults::a_consumer_waits_while_its_store_is_away;
    faults::a_panic_costs_one_message_at_most;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_of_one_store_take_turns() {
    if let Some(place) = Place::postgres() {
        Box::pin(suite::effects::relays_of_one_store_take_turns(&place)).await;
    }
}
