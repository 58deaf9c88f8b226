//! The keeper's end of the socket to its executor.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::str::FromStr;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, send, sendmsg,
};

use crate::message::{Answer, Order, SPEC_MAX_BYTES};

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// The files that come with a specification: the step's standard output and standard error.
const FILES: usize = 2;

/// Begins to send a specification's line over the executor's end of the socket, together with the
/// files that are to be the step's standard output and standard error.
///
/// Answers how many bytes of the line went: the rest may be written as it is. Never waits.
///
/// # Errors
/// The keeper is gone, or the socket is full.
pub fn hand_over(
    socket: impl AsFd,
    line: &[u8],
    output: [BorrowedFd<'_>; FILES],
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut files = SendAncillaryBuffer::new(&mut space);
    files.push(SendAncillaryMessage::ScmRights(&output));
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(line)], &mut files, flags)
}

/// Lines in, lines out, over standard input.
pub(crate) struct Channel {
    socket: BorrowedFd<'static>,
    /// What was read and isn't a whole line yet.
    pending: Vec<u8>,
    /// The files that have come and were not asked for yet.
    files: Vec<OwnedFd>,
    is_open: bool,
}

impl Channel {
    pub(crate) fn over_stdin() -> Self {
        Self {
            socket: rustix::stdio::stdin(),
            pending: Vec::new(),
            files: Vec::new(),
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
            match self.receive(&mut chunk) {
                Ok(length) if length > 0 && self.pending.len() + length <= SPEC_MAX_BYTES + 1 => {
                    self.pending.extend_from_slice(&chunk[..length]);
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => self.is_open = false,
            }
        }
    }

    fn receive(&mut self, chunk: &mut [u8]) -> Result<usize, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(
            self.socket,
            &mut [IoSliceMut::new(chunk)],
            &mut control,
            flags,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files = files.collect();
            }
        }
        Ok(got.bytes)
    }

    /// The files that came last, which are the caller's from here.
    pub(crate) fn files(&mut self) -> Option<[OwnedFd; FILES]> {
        std::mem::take(&mut self.files).try_into().ok()
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
