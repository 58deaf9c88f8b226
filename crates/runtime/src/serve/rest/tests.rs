use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::serve;

const PATIENCE: Duration = Duration::from_secs(20);

/// A port that refuses bodies unread at `/refused`, reads them at `/read`, and some of them at
/// `/some`; in front of it something that counts connections.
struct Here {
    port: SocketAddr,
    counted: String,
    connections: Arc<AtomicU32>,
    tasks: Tasks,
}

async fn open() -> Here {
    let tasks = Tasks::new();
    let some = async |body: Body| {
        let first = body.into_data_stream().next().await;
        assert!(first.is_some());
        StatusCode::PAYLOAD_TOO_LARGE
    };
    let router = Router::new()
        .route("/", get(async || "here"))
        .route("/refused", post(async || StatusCode::FORBIDDEN))
        .route("/read", post(async |body: Bytes| body.len().to_string()))
        .route("/some", post(some));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap();
    serve::http(listener, router, &tasks);
    let connections = Arc::new(AtomicU32::new(0));
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let counted = format!("http://{}", front.local_addr().unwrap());
    let count = connections.clone();
    let passers = tasks.clone();
    tasks.spawn(async move {
        while let Ok((mut near, _)) = front.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            passers.spawn(async move {
                let mut far = TcpStream::connect(port).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    Here {
        port,
        counted,
        connections,
        tasks,
    }
}

fn pooled() -> reqwest::Client {
    crate::tls::client().no_proxy().build().unwrap()
}

impl Here {
    /// Posts a body and answers the status, and whether the connection closes.
    async fn post(
        &self,
        client: &reqwest::Client,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, bool) {
        let url = format!("{}{path}", self.counted);
        let sent = client.post(url).body(body).send();
        let answer = timeout(PATIENCE, sent).await.expect("it is answered");
        let answer = answer.unwrap();
        let closes = answer.headers().contains_key(header::CONNECTION);
        let status = answer.status().as_u16();
        answer.bytes().await.unwrap();
        (status, closes)
    }

    fn end(self) -> u32 {
        self.tasks.drain();
        self.connections.load(Ordering::SeqCst)
    }
}

/// A body that doesn't say how long it is.
fn of_unknown_length(bytes: Vec<u8>) -> reqwest::Body {
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>(bytes)]);
    reqwest::Body::wrap_stream(chunks)
}

#[tokio::test]
async fn a_connection_whose_body_was_refused_unread_is_used_again() {
    let (here, client) = (open().await, pooled());
    for round in 0..30 {
        let body = vec![b'x'; 10_000 * round];
        for path in ["/refused", "/some", "/read"] {
            if path == "/some" && body.is_empty() {
                continue;
            }
            let (status, closes) = here.post(&client, path, body.clone()).await;
            let expected = match path {
                "/refused" => 403,
                "/some" => 413,
                _ => 200,
            };
            assert_eq!((status, closes), (expected, false), "{path} {round}");
        }
        let (status, closes) = here.post(&client, "/read", of_unknown_length(body)).await;
        assert_eq!((status, closes), (200, false), "it was read to its end");
    }
    assert_eq!(here.end(), 1, "all went over one connection");
}

#[tokio::test]
async fn a_rest_without_a_bearable_end_closes_its_connection_and_says_so() {
    let (here, client) = (open().await, pooled());
    for _ in 0..10 {
        let long = vec![b'x'; 2 * usize::try_from(MOST).unwrap()];
        let unknown = of_unknown_length(vec![b'x'; 10_000]);
        for body in [reqwest::Body::from(long), unknown] {
            assert_eq!(here.post(&client, "/refused", body).await, (403, true));
            let next = here.post(&client, "/read", "a body").await;
            assert_eq!(next, (200, false));
        }
    }
    here.end();
}

#[tokio::test]
async fn who_waits_to_be_told_to_go_on_is_answered_at_once() {
    let here = open().await;
    let mut stream = TcpStream::connect(here.port).await.unwrap();
    let request = b"POST /refused HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\
        expect: 100-continue\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut said = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut said)).await;
    read.expect("the connection is closed").unwrap();
    assert!(said.starts_with("HTTP/1.1 403 "), "{said}");
    assert!(said.contains("connection: close"), "{said}");
    here.end();
}

#[tokio::test]
async fn a_rest_that_never_comes_holds_nothing_up() {
    let here = open().await;
    let mut stream = TcpStream::connect(here.port).await.unwrap();
    let request = b"POST /refused HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nhalf";
    stream.write_all(request).await.unwrap();
    let mut first = [0; 16];
    let read = timeout(PATIENCE, stream.read_exact(&mut first)).await;
    read.expect("it is answered").unwrap();
    assert_eq!(&first, b"HTTP/1.1 403 For");
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    let _ = end.expect("the connection is closed");
    here.end();
}
