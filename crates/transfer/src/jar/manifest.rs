//! The main section of a jar's manifest, and a line of a properties file.

/// The headers of the main section.
pub(super) struct Manifest(Vec<(String, String)>);

impl Manifest {
    /// Reads what can be read; what is no header is passed over. A line that begins with a space goes on with the one
    /// before it.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in text.split('\n').map(|line| line.trim_end_matches('\r')) {
            if line.is_empty() {
                break;
            }
            if let (Some(rest), Some((_, value))) = (line.strip_prefix(' '), headers.last_mut()) {
                value.push_str(rest);
            } else if let Some((name, value)) = line.split_once(": ") {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        Self(headers)
    }

    /// What a header says, if that is something.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.0.iter();
        let (_, value) = headers.find(|(it, _)| it.eq_ignore_ascii_case(name))?;
        Some(value.trim()).filter(|it| !it.is_empty())
    }
}

/// A value of a properties file. One that goes over several lines counts as far as the first goes.
pub(super) fn property(bytes: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let value = text.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix(name)?.trim_start();
        rest.strip_prefix(['=', ':'])
    })?;
    let value = unescaped(value.trim());
    (!value.is_empty()).then_some(value)
}

fn unescaped(value: &str) -> String {
    let mut plain = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let hex = rest.strip_prefix('u').and_then(|it| it.get(..4));
        let character = hex.and_then(|hex| char::from_u32(u32::from_str_radix(hex, 16).ok()?));
        if let Some(character) = character {
            plain.push(character);
            rest = &rest[5..];
        }
    }
    plain + rest
}
