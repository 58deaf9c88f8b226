//! The keeper's end of the socket to its executor.

use std::str::FromStr;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::message::{Answer, Order, SPEC_MAX_BYTES};

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// Lines in, lines out, over standard input.
pub(crate) struct Channel {
    socket: BorrowedFd<'static>,
    /// What was read and isn't a whole line yet.
    pending: Vec<u8>,
    is_open: bool,
}

impl Channel {
    pub(crate) fn over_stdin() -> Self {
        Self {
            socket: rustix::stdio::stdin(),
            pending: Vec::new(),
            is_open: true,
        }
    }

    /// The socket to wait on, while it can still say something.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'static>> {
        self.is_open.then_some(self.socket)
    }

    /// Whether the executor can still be there. What is not a socket was never one's end.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Says something, if it is still heard. Never waits: an executor that doesn't listen must
    /// not keep its keeper from watching the time.
    pub(crate) fn say(&self, answers: &[Answer]) {
        let mut text = String::new();
        for answer in answers {
            text.push_str(&answer.to_string());
            text.push('\n');
        }
        let _ = send(
            self.socket,
            text.as_bytes(),
            SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
        );
    }

    /// Takes in what the executor has said up to now.
    pub(crate) fn hear(&mut self) {
        let mut chunk = vec![0; CHUNK];
        while self.is_open {
            match recv(self.socket, &mut chunk, RecvFlags::DONTWAIT) {
                Ok((_, length))
                    if length > 0 && self.pending.len() + length <= SPEC_MAX_BYTES + 1 =>
                {
                    self.pending.extend_from_slice(&chunk[..length]);
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => self.is_open = false,
            }
        }
    }

    /// The next whole line of what was heard.
    pub(crate) fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.pending.iter().position(|&byte| byte == b'\n')?;
        let mut line: Vec<u8> = self.pending.drain(..=end).collect();
        line.pop();
        Some(line)
    }

    /// The next order. Who gives one that is malformed is no executor, and is heard no more.
    pub(crate) fn order(&mut self) -> Option<Order> {
        let line = self.line()?;
        let order = std::str::from_utf8(&line)
            .ok()
            .and_then(|line| Order::from_str(line).ok());
        self.is_open &= order.is_some();
        order
    }
}
