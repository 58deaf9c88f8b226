//! A server that a step asks and that means no good: it answers as its path says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A running server. It ends with the suite.
pub(super) struct Remote {
    /// Its address, without a path.
    pub(super) url: String,
    pub(super) port: u16,
    asked: Arc<AtomicUsize>,
}

impl Remote {
    pub(super) async fn start() -> Self {
        Self::start_at("127.0.0.1").await
    }

    /// At an address of this machine.
    #[allow(clippy::disallowed_methods, reason = "a server of the test's own")]
    pub(super) async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(stream));
            }
        });
        let url = format!("http://{address}:{port}");
        Self { url, port, asked }
    }

    /// How many connections there were.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Answers a request; an error is the other side's going.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let head = head(&mut stream).await?;
    let path = head.split(' ').nth(1).unwrap_or("/");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let stream = &mut stream;
    match path {
        "/endless" => endless(stream, &[b'x'; 16 * 1024]).await,
        "/endless-lines" => endless(stream, &b"a line\n".repeat(2000)).await,
        "/headers" => endless_headers(stream).await,
        "/never" => std::future::pending().await,
        "/drip" => drip(stream).await,
        "/garbage" => stream.write_all(b"\x00\x01 this is no HTTP\r\n\r\n").await,
        "/short" => stream.write_all(SHORT).await,
        "/loop" => redirect(stream, "/loop").await,
        "/chain" => {
            let next = query.parse::<u32>().unwrap_or(0) + 1;
            redirect(stream, &format!("/chain?{next}")).await
        }
        "/to" => redirect(stream, query).await,
        "/to-metadata" => redirect(stream, "http://169.254.169.254/latest/").await,
        "/half-json" => json(stream, "{\"id\": 5, \"state\": ").await,
        "/deep-json" => json(stream, &"[".repeat(200_000)).await,
        "/wrong-json" => json(stream, "{\"id\": {\"$ref\": []}, \"state\": [[]]}").await,
        "/long-id" => json(stream, &format!("{{\"id\": \"{}\"}}", "x".repeat(200_000))).await,
        "/path-id" => json(stream, "{\"id\": \"../../endless\"}").await,
        "/template-id" => json(stream, "{\"id\": \"${{ secrets.K }} {{ tool.token }}\"}").await,
        "/bytes" => send(stream, "200 OK", "x-none: x", FORGED).await,
        _ => send(stream, "200 OK", "content-type: text/plain", "hello").await,
    }
}

/// Less than it says.
const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort";
/// What would clear a screen, overwrite a line and warn.
const FORGED: &str = "\u{1b}[2J\r::warning::forged\u{0}";

async fn redirect(stream: &mut TcpStream, to: &str) -> std::io::Result<()> {
    send(stream, "302 Found", &format!("location: {to}"), "").await
}

async fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head).await?;
    loop {
        stream.write_all(b"y").await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn endless_headers(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
    loop {
        let more = b"x-more: and more and more and more and more\r\n";
        stream.write_all(more).await?;
    }
}

async fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !text.windows(4).any(|it| it == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        text.extend_from_slice(&buffer[..read]);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn endless(stream: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
        .await?;
    loop {
        stream.write_all(piece).await?;
    }
}

async fn json(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    send(stream, "200 OK", "content-type: application/json", body).await
}

async fn send(
    stream: &mut TcpStream,
    status: &str,
    header: &str,
    body: &str,
) -> std::io::Result<()> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\n{header}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await
}
