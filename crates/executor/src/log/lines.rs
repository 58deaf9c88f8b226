//! Cuts what a process writes into lines, whatever it writes.

use contracts::message::Stream;

use super::{ENTRY_BYTES, LINE_BYTES, Mask};

/// What JSON may make of a line; beyond it the line is cut further.
const WRITTEN_BYTES: usize = 3 * LINE_BYTES;

/// A line, ready to be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) stream: Stream,
    /// Masked; at most [`LINE_BYTES`].
    pub(crate) text: String,
    /// The line was longer.
    pub(crate) is_cut: bool,
}

impl Line {
    /// What it costs to hold it, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.text.len() + ENTRY_BYTES
    }
}

/// The lines of one stream. Holds back what isn't a whole line yet, up to the limit.
#[derive(Debug)]
pub(crate) struct Lines {
    stream: Stream,
    pending: Vec<u8>,
    /// The rest of a line that was cut is dropped.
    skips: bool,
}

impl Lines {
    pub(crate) fn of(stream: Stream) -> Self {
        Self {
            stream,
            pending: Vec::new(),
            skips: false,
        }
    }

    /// Takes lines from the front of `chunk` until they weigh `most` or it is used up.
    pub(crate) fn take(&mut self, chunk: &mut &[u8], mask: &Mask, most: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut weight = 0;
        while weight < most && !chunk.is_empty() {
            let end = memchr::memchr(b'\n', chunk);
            let (part, rest) = match end {
                Some(end) => (&chunk[..end], &chunk[end + 1..]),
                None => (*chunk, &chunk[chunk.len()..]),
            };
            *chunk = rest;
            let line = self.part(part, end.is_some(), mask);
            weight += line.as_ref().map_or(0, Line::weight);
            lines.extend(line);
        }
        lines
    }

    /// The last line, if it had no end.
    pub(crate) fn finish(&mut self, mask: &Mask) -> Option<Line> {
        let pending = std::mem::take(&mut self.pending);
        (!pending.is_empty()).then(|| self.line(&pending, false, mask))
    }

    fn part(&mut self, part: &[u8], is_last: bool, mask: &Mask) -> Option<Line> {
        if self.skips {
            self.skips = !is_last;
            return None;
        }
        // A secret that begins before the limit must be seen whole.
        let most = LINE_BYTES + mask.longest();
        if self.pending.is_empty() && is_last {
            let is_cut = part.len() > most;
            return Some(self.line(&part[..part.len().min(most)], is_cut, mask));
        }
        let room = most.saturating_sub(self.pending.len());
        let is_cut = part.len() > room;
        self.pending
            .extend_from_slice(&part[..part.len().min(room)]);
        if !is_last && !is_cut {
            return None;
        }
        self.skips = is_cut && !is_last;
        let pending = std::mem::take(&mut self.pending);
        let line = self.line(&pending, is_cut, mask);
        self.pending = pending;
        self.pending.clear();
        self.pending.shrink_to(LINE_BYTES);
        Some(line)
    }

    fn line(&self, raw: &[u8], is_cut: bool, mask: &Mask) -> Line {
        let raw = if is_cut {
            raw
        } else {
            raw.strip_suffix(b"\r").unwrap_or(raw)
        };
        let (masked, is_longer) = mask.apply(raw, LINE_BYTES);
        let (text, is_too_long) = text(&masked);
        Line {
            stream: self.stream,
            text,
            is_cut: is_cut || is_longer || is_too_long,
        }
    }
}

/// The text of a line, cut to what an entry can hold. What is no text is replaced: invalid UTF-8,
/// and NUL, which some stores don't take.
fn text(raw: &[u8]) -> (String, bool) {
    let mut text = String::from_utf8_lossy(raw).into_owned();
    if text.contains('\0') {
        text = text.replace('\0', "\u{fffd}");
    }
    let mut end = text.len().min(LINE_BYTES);
    if end * 6 > WRITTEN_BYTES {
        end = written_within(&text[..text.floor_char_boundary(end)], WRITTEN_BYTES);
    }
    let is_longer = end < text.len();
    text.truncate(text.floor_char_boundary(end));
    (text, is_longer)
}

/// How much of a text is within this many bytes of JSON.
fn written_within(text: &str, most: usize) -> usize {
    let mut written = 0;
    let fits = text.bytes().take_while(|byte| {
        written += match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            0..0x20 => 6,
            _ => 1,
        };
        written <= most
    });
    fits.count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(chunks: &[&[u8]], mask: &Mask) -> Vec<Line> {
        let mut lines = Lines::of(Stream::Stdout);
        let mut taken = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                taken.extend(lines.take(&mut rest, mask, 1));
            }
        }
        taken.extend(lines.finish(mask));
        taken
    }

    fn texts(chunks: &[&[u8]]) -> Vec<String> {
        lines_of(chunks, &Mask::default())
            .into_iter()
            .map(|line| line.text)
            .collect()
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        assert_eq!(
            texts(&[b"a\nb", b"c\r\n\n", b"d", b"", b"e"]),
            ["a", "bc", "", "de"]
        );
        assert!(texts(&[b""]).is_empty());
    }

    #[test]
    fn what_is_no_text_breaks_nothing() {
        let got = texts(&[b"a\0b\n\xff\xfe\n\x1b[31mred\x1b[0m\n"]);
        assert_eq!(
            got,
            ["a\u{fffd}b", "\u{fffd}\u{fffd}", "\x1b[31mred\x1b[0m"]
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_its_rest_dropped() {
        let long = vec![b'x'; LINE_BYTES + 1];
        for chunks in [
            vec![&long[..], b"yyy\nnext\n"],
            vec![&long[..100], &long[100..], b"\nnext\n"],
        ] {
            let lines = lines_of(&chunks, &Mask::default());
            let seen: Vec<_> = lines
                .iter()
                .map(|line| (line.text.len(), line.is_cut))
                .collect();
            assert_eq!(seen, [(LINE_BYTES, true), (4, false)]);
        }
        let exact = lines_of(&[&long[1..], b"\n"], &Mask::default());
        assert_eq!((exact[0].text.len(), exact[0].is_cut), (LINE_BYTES, false));
    }

    #[test]
    fn a_line_that_grows_is_cut_too() {
        for byte in [0xff, 0x01] {
            let line = &lines_of(&[&vec![byte; LINE_BYTES], b"\n"], &Mask::default())[0];
            assert!(line.is_cut && line.text.len() <= LINE_BYTES);
            assert!(serde_json::to_string(&line.text).unwrap().len() <= WRITTEN_BYTES + 2);
        }
    }

    #[test]
    fn a_secret_at_the_limit_leaves_no_part_of_itself() {
        let mask = Mask::of([&b"hunter2-hunter2"[..]]);
        for before in LINE_BYTES - 20..LINE_BYTES + 2 {
            let mut raw = vec![b'x'; before];
            raw.extend_from_slice(b"hunter2-hunter2 and more\n");
            for split in [1, before, before + 7, raw.len() - 1] {
                let lines = lines_of(&[&raw[..split], &raw[split..]], &mask);
                assert_eq!(lines.len(), 1);
                assert!(!lines[0].text.contains("hu"), "{before} {split}");
            }
        }
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            raw in prop::collection::vec(prop::sample::select(b"ab\n\r\0\xc3\xa4".to_vec()), 0..200),
            cuts in prop::collection::vec(0..200_usize, 0..5),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < raw.len()).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&raw[from..cut]);
                from = cut;
            }
            chunks.push(&raw[from..]);
            prop_assert_eq!(texts(&chunks), texts(&[&raw]));
        }
    }
}
