use std::net::SocketAddr;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::*;

mod peers;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

/// A port whose answers wait for `go`.
struct Here {
    address: SocketAddr,
    tasks: Tasks,
    asked: Arc<Notify>,
    go: Arc<Semaphore>,
}

async fn open(connections: usize, silence: Duration) -> Here {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (told, gone) = (asked.clone(), go.clone());
    let answer = move || {
        let (told, gone) = (told.clone(), gone.clone());
        async move {
            told.notify_one();
            drop(gone.acquire().await);
            "an answer"
        }
    };
    let tasks = Tasks::new();
    let router = Router::new().route("/", get(answer));
    serve_http(listener, router, limits(connections, silence), &tasks);
    Here {
        address,
        tasks,
        asked,
        go,
    }
}

fn limits(connections: usize, silence: Duration) -> Limits {
    Limits {
        connections,
        silence,
        calls: 100,
        ping: PATIENCE,
    }
}

impl Here {
    async fn say(&self, text: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text).await.unwrap();
        stream
    }
}

/// Everything until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset is an end too.
    let _ = read.expect("the connection is closed");
    String::from_utf8(bytes).unwrap()
}

/// The next bytes of an answer.
async fn next(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let read = timeout(PATIENCE, stream.read(&mut bytes)).await;
    bytes.truncate(read.expect("it is answered").unwrap());
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_client_that_never_ends_its_header_is_let_go() {
    let here = open(8, Duration::from_millis(200)).await;
    for beginning in [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nhost: here\r\n"] {
        let mut stream = here.say(beginning).await;
        let said = rest(&mut stream).await;
        assert!(!said.contains("200"), "{said}");
    }
    // One that says a little all the time has no more of it.
    let mut stream = here.say(b"GET / HTTP/1.1\r\n").await;
    let begun = Instant::now();
    while stream.write_all(b"a: b\r\n").await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it goes on for ever");
        sleep(Duration::from_millis(20)).await;
    }
    here.tasks.drain();
}

#[tokio::test]
async fn an_answer_may_take_longer_than_a_header() {
    let here = open(8, Duration::from_millis(100)).await;
    let mut stream = here.say(REQUEST).await;
    here.asked.notified().await;
    sleep(Duration::from_millis(400)).await;
    here.go.add_permits(1);
    assert!(next(&mut stream).await.contains("200 OK"));
    here.tasks.drain();
}

#[tokio::test]
async fn who_finds_no_room_is_told_so_until_there_is_some() {
    let here = open(2, PATIENCE).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(here.say(REQUEST).await);
        here.asked.notified().await;
    }
    let mut stream = here.say(b"").await;
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    here.go.add_permits(1);
    for stream in &mut held {
        assert!(next(stream).await.contains("200 OK"));
    }
    drop(held);
    let begun = Instant::now();
    while !next(&mut here.say(REQUEST).await).await.contains("200 OK") {
        assert!(begun.elapsed() < PATIENCE, "there is never room again");
        sleep(Duration::from_millis(5)).await;
    }
    here.tasks.drain();
}

#[tokio::test]
async fn draining_lets_an_answer_finish_and_closes_the_rest() {
    let here = open(8, PATIENCE).await;
    let mut idle = here.say(b"").await;
    let mut asking = here.say(REQUEST).await;
    here.asked.notified().await;
    here.tasks.drain();
    assert_eq!(rest(&mut idle).await, "");
    here.go.add_permits(1);
    assert!(rest(&mut asking).await.ends_with("an answer"));
    timeout(PATIENCE, here.tasks.ended())
        .await
        .expect("no connection is left");
    assert!(TcpStream::connect(here.address).await.is_err());
}

#[test]
fn a_share_of_the_files_is_for_all_else() {
    for (files, share, room) in [
        (None, 2, 4096),
        (Some(1024), 2, 512),
        (Some(1024), 4, 256),
        (Some(1 << 20), 4, 4096),
        (Some(0), 2, 1),
    ] {
        assert_eq!(connections(files, share), room);
    }
}

#[tokio::test]
async fn a_request_carries_the_address_of_its_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new();
    let told = |ConnectInfo(client): ConnectInfo<SocketAddr>| async move { client.to_string() };
    http(listener, Router::new().route("/", get(told)), &tasks);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = vec![0; 1024];
    let mut length = 0;
    let client = stream.local_addr().unwrap().to_string();
    let heard = async {
        while !String::from_utf8_lossy(&answer[..length]).ends_with(&client) {
            length += stream.read(&mut answer[length..]).await.unwrap();
        }
    };
    timeout(PATIENCE, heard).await.unwrap();
    tasks.drain();
}
