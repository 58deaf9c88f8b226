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
