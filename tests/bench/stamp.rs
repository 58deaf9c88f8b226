//! Stamps: datagrams that a step's process, the program `stamper`, sends with its first instruction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

/// Nanoseconds of the clock that all processes of this machine share.
pub(crate) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// One stamp.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub(crate) at_ns: u64,
    pub(crate) pid: u32,
}

/// The stamps that have arrived, by run and step.
pub(crate) struct Stamps {
    address: String,
    seen: Arc<Mutex<HashMap<(String, String), Stamp>>>,
}

impl Stamps {
    /// Listens for as long as the runtime lives.
    #[allow(clippy::disallowed_methods, reason = "ends with the bench")]
    pub(crate) async fn listen() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let address = socket.local_addr().expect("it has an address").to_string();
        let seen: Arc<Mutex<HashMap<(String, String), Stamp>>> = Arc::default();
        let noted = seen.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok(length) = socket.recv(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let words: Vec<&str> = text.split(' ').collect();
                let [run, step, at, pid] = words[..] else {
                    continue;
                };
                let stamp = Stamp {
                    at_ns: at.parse().unwrap_or_default(),
                    pid: pid.parse().unwrap_or_default(),
                };
                let key = (run.to_owned(), step.to_owned());
                noted
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(key, stamp);
            }
        });
        Self { address, seen }
    }

    /// A step's command that stamps.
    pub(crate) fn command(&self) -> serde_json::Value {
        serde_json::json!([env!("CARGO_BIN_EXE_stamper"), self.address])
    }

    /// Waits for a stamp.
    pub(crate) async fn of(&self, run: &str, step: &str) -> Stamp {
        let key = (run.to_owned(), step.to_owned());
        let start = Instant::now();
        loop {
            if let Some(stamp) = self
                .seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&key)
            {
                return stamp.clone();
            }
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "no stamp of {key:?}"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
