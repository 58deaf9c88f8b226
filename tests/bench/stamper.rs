//! A step of the bench: sends a stamp to the address in its argument with its first instruction, and
//! stays where `BENCH_STAY` is 1.
//!
//! It is a program of its own because a small one starts at once; what starts it is measured.

use std::net::UdpSocket;

use rustix::time::{ClockId, clock_gettime};

#[allow(clippy::disallowed_methods, reason = "a program of the tests' own")]
fn main() {
    let now = clock_gettime(ClockId::Monotonic);
    let now_ns = now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned();
    let variable = |name| std::env::var(name).unwrap_or_default();
    let stamp = format!(
        "{} {} {now_ns} {}",
        variable("PENSTOCK_RUN"),
        variable("PENSTOCK_STEP"),
        std::process::id()
    );
    let address = std::env::args().nth(1).expect("an address");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let sent = socket.send_to(stamp.as_bytes(), address);
    sent.expect("a datagram can be sent");
    while variable("BENCH_STAY") == "1" {
        std::thread::park();
    }
}
