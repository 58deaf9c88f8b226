//! What a form sends: named parts, some of them files.
//!
//! Clients are known that name a boundary of their own and leave it to a library to add the true one, so of several
//! boundaries in a header the last counts, and if the body doesn't begin with it, what the body begins with.
//!
//! **Invariants:** parts point into the body and copy nothing of it; a body has [`MAX_PARTS`] of them at most.

use memchr::memmem;

/// Parts of a form, at most.
pub const MAX_PARTS: usize = 64;
/// Bytes of a part's headers, at most.
const MAX_HEADERS: usize = 8 * 1024;
/// Bytes of a boundary, at most.
const MAX_BOUNDARY: usize = 200;

/// A part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Which field it is.
    pub name: String,
    /// What the file was called where it comes from; never a path to use.
    pub file_name: Option<String>,
    /// What was sent.
    pub content: &'a [u8],
}

/// Why a body is no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The header says something else.
    #[error("the body is no form: send it as multipart/form-data")]
    NotAForm,
    /// No boundary, in the header or in the body.
    #[error("the form has no boundary between its parts")]
    Boundary,
    /// It ends in the midst of a part.
    #[error("the form ends within a part")]
    End,
    /// A part has no headers, or too long ones.
    #[error("a part of the form has no readable headers")]
    Headers,
    /// Too many parts.
    #[error("the form has more than {MAX_PARTS} parts")]
    TooMany,
}

/// Reads the parts of a form.
pub fn read<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, Error> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("multipart/form-data") {
        return Err(Error::NotAForm);
    }
    let delimiter = delimiter(content_type, body).ok_or(Error::Boundary)?;
    let mut parts = Vec::new();
    let mut rest = begin(body, &delimiter).ok_or(Error::Boundary)?;
    let inner = [b"\r\n".as_slice(), &delimiter].concat();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() >= MAX_PARTS {
            return Err(Error::TooMany);
        }
        let from = memchr::memchr(b'\n', rest).ok_or(Error::End)? + 1;
        let end = memmem::find(&rest[from - 1..], &inner[1..]).ok_or(Error::End)?;
        let whole = &rest[from..(from - 1 + end).max(from)];
        let whole = whole.strip_suffix(b"\r").unwrap_or(whole);
        parts.push(part(whole)?);
        rest = &rest[from - 1 + end + inner.len() - 1..];
    }
}

/// What stands before each part.
fn delimiter(content_type: &str, body: &[u8]) -> Option<Vec<u8>> {
    let said = parameters(content_type).filter(|(name, _)| name.eq_ignore_ascii_case("boundary"));
    let said = said
        .last()
        .map(|(_, value)| format!("--{value}").into_bytes());
    let said = said.filter(|it| it.len() > 2 && it.len() <= MAX_BOUNDARY);
    if let Some(said) = said.filter(|it| begin(body, it).is_some()) {
        return Some(said);
    }
    let line = &body[..memchr::memchr(b'\n', body)?];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (line.starts_with(b"--") && line.len() > 2 && line.len() <= MAX_BOUNDARY).then(|| line.to_vec())
}

/// What follows the first delimiter, which begins a line.
fn begin<'a>(body: &'a [u8], delimiter: &[u8]) -> Option<&'a [u8]> {
    if let Some(rest) = body.strip_prefix(delimiter) {
        return Some(rest);
    }
    let inner = [b"\r\n".as_slice(), delimiter].concat();
    memmem::find(body, &inner).map(|at| &body[at + inner.len()..])
}

/// The headers and the content of a part.
fn part(whole: &[u8]) -> Result<Part<'_>, Error> {
    let window = &whole[..whole.len().min(MAX_HEADERS)];
    let blank = |line: &'static [u8]| memmem::find(window, line).map(|at| (at, line.len()));
    let (at, length) = blank(b"\r\n\r\n")
        .or_else(|| blank(b"\n\n"))
        .ok_or(Error::Headers)?;
    let (headers, content) = (&whole[..at], &whole[at + length..]);
    let headers = String::from_utf8_lossy(headers);
    let disposition = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.trim().eq_ignore_ascii_case("content-disposition");
        is_it.then(|| value.to_owned())
    });
    let disposition = disposition.ok_or(Error::Headers)?;
    let value = |name: &str| {
        let mut found = parameters(&disposition).filter(|(it, _)| it.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    };
    Ok(Part {
        name: value("name").ok_or(Error::Headers)?,
        file_name: value("filename*")
            .and_then(|it| extended(&it))
            .or_else(|| value("filename")),
        content,
    })
}

/// The parameters of a header's value, after its first word. A quoted value may hold `;` and, behind `\`, quotes.
fn parameters(value: &str) -> impl Iterator<Item = (String, String)> {
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_matches([' ', '\t', ';', ',']).to_owned();
        let after = after.trim_start();
        let (value, left) = if let Some(quoted) = after.strip_prefix('"') {
            unquoted(quoted)
        } else {
            let end = after.find(';').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        rest = left;
        Some((name, value))
    })
}

/// A value up to its closing quote, and what follows. A backslash counts only before a quote or another, since browsers
/// send paths with single ones.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' if matches!(next, Some('"' | '\\')) => {
                value.extend(next);
                characters.next();
            }
            _ => value.push(character),
        }
    }
    (value, "")
}

/// A value as `UTF-8''per%20cent`.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, rest) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.as_bytes();
    while let [first, after @ ..] = left {
        left = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (hex, after) = left.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
        left = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;\\\"b\\\".zip\"\r\n\
        Content-Type: application/zip\r\n\r\nPK\r\n--x\r\n--b\r\ncontent-disposition: form-data; name=flag\r\n\r\n\
        true\r\n--b\r\nContent-Disposition: form-data; name=\"none\"\r\n\r\n\r\n--b--\r\nepilogue";

    fn parts(
        content_type: &str,
        body: &str,
    ) -> Result<Vec<(String, Option<String>, String)>, Error> {
        let parts = read(content_type, body.as_bytes())?.into_iter();
        let text = |it: Part<'_>| {
            let content = String::from_utf8_lossy(it.content).into_owned();
            (it.name, it.file_name, content)
        };
        Ok(parts.map(text).collect())
    }

    fn expected() -> Vec<(String, Option<String>, String)> {
        vec![
            (
                "file".into(),
                Some("a;\"b\".zip".into()),
                "PK\r\n--x".into(),
            ),
            ("flag".into(), None, "true".into()),
            ("none".into(), None, String::new()),
        ]
    }

    #[test]
    fn parts_are_found_whichever_boundary_is_said() {
        for content_type in [
            "multipart/form-data; boundary=b",
            "Multipart/Form-Data;boundary=\"b\"",
            "multipart/form-data; boundary=----WebKitFormBoundary7MA; boundary=b",
            "multipart/form-data; boundary=wrong",
            "multipart/form-data",
        ] {
            assert_eq!(
                parts(content_type, BODY).unwrap(),
                expected(),
                "{content_type}"
            );
        }
        let preamble = format!("hello\r\n{BODY}");
        assert_eq!(
            parts("multipart/form-data; boundary=b", &preamble).unwrap(),
            expected()
        );
        assert_eq!(
            parts("multipart/form-data; boundary=b", "--b--").unwrap(),
            []
        );
    }

    #[test]
    fn line_ends_may_be_those_of_unix() {
        let body = BODY.replace("\r\n", "\n");
        let found = parts("multipart/form-data; boundary=b", &body).unwrap();
        assert_eq!(found[0].2, "PK\n--x");
        assert_eq!(found[1..], expected()[1..]);
    }

    #[test]
    fn a_file_name_may_be_extended_or_a_path() {
        let named = |name: &str| {
            let body =
                format!("--b\r\nContent-Disposition: form-data; name=f; {name}\r\n\r\n\r\n--b--");
            parts("multipart/form-data; boundary=b", &body).unwrap()[0]
                .1
                .clone()
                .unwrap()
        };
        assert_eq!(
            named("filename=\"x\"; filename*=utf-8''%C3%A4%20b"),
            "\u{e4} b"
        );
        assert_eq!(named("filename=\"C:\\dir\\x.jar\""), "C:\\dir\\x.jar");
        assert_eq!(named("filename=\"../../x.jar\""), "../../x.jar");
        assert_eq!(named("filename*=latin1''x; filename=y"), "y");
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let form = "multipart/form-data; boundary=b";
        for (content_type, body, expected) in [
            ("application/json", BODY, Error::NotAForm),
            ("", BODY, Error::NotAForm),
            (form, "", Error::Boundary),
            (form, "hello", Error::Boundary),
            (form, "--b\r\nx", Error::End),
            (form, "--b", Error::End),
            (form, "--b\r\nno headers\r\n--b--", Error::Headers),
            (
                form,
                "--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--",
                Error::Headers,
            ),
        ] {
            assert_eq!(
                parts(content_type, body),
                Err(expected),
                "{content_type} {body}"
            );
        }
        let many = "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n".repeat(65) + "--b--";
        assert_eq!(parts(form, &many), Err(Error::TooMany));
    }
}
