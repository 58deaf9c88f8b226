//! `/api/v1/pipeline/pipelines`: what a client may ask for beyond the contract.

use axum::http::StatusCode;

use crate::fakes::World;

async fn count(world: &World, query: &str) -> usize {
    let path = format!("/api/v1/pipeline/pipelines{query}");
    let answer = world.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json().as_array().unwrap().len()
}

#[tokio::test]
async fn the_list_is_read_in_pages_and_searched_by_name() {
    let world = World::new();
    for (query, expected) in [
        ("?size=2", 2),
        ("?page=2&size=2", 1),
        ("?page=3&size=2", 0),
        ("?search=blank%20TEMP", 3),
        ("?search=other", 0),
        ("?search=&x=1", 3),
    ] {
        assert_eq!(count(&world, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_page_that_is_none_is_refused() {
    let world = World::new();
    for query in ["page=0", "size=0", "page=x"] {
        let path = format!("/api/v1/pipeline/pipelines?{query}");
        let answer = world.get(&path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_hundred_pipelines_are_one_call() {
    for (more, query, expected, calls) in [
        (0, "", 3, 1),
        (97, "", 100, 1),
        (247, "", 250, 3),
        (247, "?size=50", 50, 1),
        (9_997, "", 1000, 10),
    ] {
        let world = World::new();
        world.set(|behind| behind.more_pipelines = more);
        // Who asks is asked for once.
        assert_eq!(count(&world, "?size=1").await, 1);
        world.set(|behind| behind.calls = 0);
        assert_eq!(count(&world, query).await, expected, "{more} {query}");
        world.set(|behind| assert_eq!(behind.calls, calls, "{more} {query}"));
    }
}
