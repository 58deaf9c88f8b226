//! The port of peers.

use std::sync::atomic::AtomicU32;

use futures::future::join_all;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;

/// How a peer begins: the preface, and settings without any.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A port that knows no call, and holds each back until another one comes or a moment has passed.
struct Peers {
    address: SocketAddr,
    tasks: Tasks,
    /// Calls at this moment, and the most there ever were.
    now: Arc<AtomicU32>,
    most: Arc<AtomicU32>,
}

async fn open(limits: Limits) -> Peers {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = Peers {
        address: listener.local_addr().unwrap(),
        tasks: Tasks::new(),
        now: Arc::default(),
        most: Arc::default(),
    };
    let (now, most) = (here.now.clone(), here.most.clone());
    let router = Router::new().fallback(move || {
        let (now, most) = (now.clone(), most.clone());
        async move {
            let count = now.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(count, Ordering::SeqCst);
            sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Status::unimplemented("no call is known").into_http::<axum::body::Body>()
        }
    });
    serve_grpc(listener, router, limits, &here.tasks);
    here
}

impl Peers {
    fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap()
    }

    async fn say(&self, text: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text).await.unwrap();
        stream
    }
}

async fn call(channel: Channel) -> Code {
    let mut client = HealthClient::new(channel);
    let asked = client.check(HealthCheckRequest::default());
    let answer = timeout(PATIENCE, asked).await.expect("it is answered");
    answer.unwrap_err().code()
}

/// Waits until the other side has closed.
async fn closed(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset is an end too.
    let _ = read.expect("the connection is closed");
    bytes
}

#[tokio::test]
async fn a_peer_that_asks_for_nothing_is_let_go() {
    let here = open(limits(8, Duration::from_millis(200))).await;
    for beginning in [&b""[..], b"PRI * HT", PREFACE] {
        closed(here.say(beginning).await).await;
    }
    let channel = here.endpoint().connect().await.unwrap();
    assert_eq!(call(channel.clone()).await, Code::Unimplemented);
    sleep(Duration::from_millis(400)).await;
    // One connection, once it was used, may be silent: it answers pings.
    assert_eq!(call(channel).await, Code::Unimplemented);
    here.tasks.drain();
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_let_go() {
    let ping = Duration::from_millis(100);
    let here = open(Limits {
        ping,
        ..limits(8, PATIENCE)
    })
    .await;
    let begun = Instant::now();
    closed(here.say(PREFACE).await).await;
    assert!(begun.elapsed() < PATIENCE, "only its silence ended it");
    here.tasks.drain();
}

#[tokio::test]
async fn a_peer_that_finds_no_room_is_told_so_until_there_is_some() {
    let here = open(limits(1, PATIENCE)).await;
    let held = here.endpoint().connect().await.unwrap();
    assert_eq!(call(held.clone()).await, Code::Unimplemented);
    let said = closed(here.say(b"").await).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.ends_with("too many connections"), "{said:?}");
    let refused = call(here.endpoint().connect_lazy()).await;
    assert_ne!(refused, Code::Unimplemented);
    drop(held);
    let begun = Instant::now();
    while call(here.endpoint().connect_lazy()).await != Code::Unimplemented {
        assert!(begun.elapsed() < PATIENCE, "there is never room again");
        sleep(Duration::from_millis(5)).await;
    }
    here.tasks.drain();
}

#[tokio::test]
async fn calls_of_a_peer_beyond_its_limit_wait() {
    let here = open(Limits {
        calls: 2,
        ..limits(1, PATIENCE)
    })
    .await;
    let channel = here.endpoint().connect().await.unwrap();
    // With the first answer it knows the limit.
    assert_eq!(call(channel.clone()).await, Code::Unimplemented);
    let codes = join_all((0..20).map(|_| call(channel.clone()))).await;
    assert!(codes.iter().all(|it| *it == Code::Unimplemented));
    assert_eq!(here.most.load(Ordering::SeqCst), 2);
    here.tasks.drain();
}
