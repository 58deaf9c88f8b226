//! A reader of exactly as many bytes as were announced, from a file that may change meanwhile.

use std::io::{self, Read};

/// Reads `left` bytes of a file: no more if it grew, and zeros if it shrank.
pub(super) struct Exact<R> {
    pub(super) file: R,
    pub(super) left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let wanted = &mut buffer[..most];
        let length = match self.file.read(wanted)? {
            0 => {
                wanted.fill(0);
                most
            }
            length => length,
        };
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_is_as_long_as_announced() {
        for (file, read) in [(&b"abcdef"[..], b"abcd"), (b"ab", b"ab\0\0")] {
            let mut got = Vec::new();
            Exact { file, left: 4 }.read_to_end(&mut got).unwrap();
            assert_eq!(got, read);
        }
    }
}
