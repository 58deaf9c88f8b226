//! Reads server-sent events from bytes, however they are cut.

/// The longest event, in bytes: an entry of 64 KiB in JSON has room.
const EVENT_MAX_BYTES: usize = 1024 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; empty is "message".
    pub(crate) name: String,
    /// The last id that was said, by this event or one before it.
    pub(crate) id: Option<String>,
    /// Its text.
    pub(crate) data: String,
}

/// An event that is longer than any can be.
#[derive(Debug, thiserror::Error)]
#[error("an event is longer than {EVENT_MAX_BYTES} bytes")]
pub(crate) struct TooLong;

/// What has been read of a stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    /// The last byte was CR, so a LF that follows belongs to it.
    after_return: bool,
    event: Event,
    has_data: bool,
}

impl Reader {
    /// Reads on, and answers the events that are complete now.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            self.after_return = byte == b'\r';
            if self.line.len() + self.event.data.len() > EVENT_MAX_BYTES {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.end_event();
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.event.id = Some(value.to_owned()),
            // Comments have an empty field; others are for browsers.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let next = Event {
            id: self.event.id.clone(),
            ..Event::default()
        };
        let event = std::mem::replace(&mut self.event, next);
        let has_data = std::mem::take(&mut self.has_data);
        (has_data || !event.name.is_empty()).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\nid: 1.1\ndata: {\"a\":1}\n\nid:1.2\r\ndata: one\r\ndata:  two\r\n\r\nevent: end\ndata\n\n";

    fn event(name: &str, id: &str, data: &str) -> Event {
        Event {
            name: name.into(),
            id: Some(id.into()),
            data: data.into(),
        }
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let expected = [
            event("", "1.1", "{\"a\":1}"),
            event("", "1.2", "one\n two"),
            event("end", "1.2", ""),
        ];
        for size in 1..STREAM.len() {
            let mut reader = Reader::default();
            let events: Vec<Event> = STREAM
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| reader.read(chunk).unwrap())
                .collect();
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_unfinished_event_is_none() {
        let mut reader = Reader::default();
        assert!(reader.read(b"id: 1\ndata: x\n").unwrap().is_empty());
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut reader = Reader::default();
        assert!(reader.read(&vec![b'x'; EVENT_MAX_BYTES + 1]).is_err());
    }
}
