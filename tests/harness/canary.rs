//! The secret that must show up nowhere, in all the forms in which it could get out.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem::Finder;

/// What compressed data begins with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes that are unpacked of compressed data, at most.
const LARGEST: usize = 64 * 1024 * 1024;

/// A value and the forms of it that are looked for.
#[derive(Debug, Clone)]
pub struct Canary {
    value: String,
    forms: Vec<(&'static str, Finder<'static>)>,
}

impl Canary {
    /// The canary of this value.
    pub fn of(value: &str) -> Self {
        let forms = forms(value)
            .into_iter()
            .map(|(name, form)| (name, Finder::new(form.as_bytes()).into_owned()))
            .collect();
        Self {
            value: value.to_owned(),
            forms,
        }
    }

    /// The value itself.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The form in which it is in these bytes, also when they are compressed.
    pub fn form_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let bytes = unpacked(bytes);
        let mut forms = self.forms.iter();
        let found = forms.find(|(_, form)| form.find(&bytes).is_some());
        found.map(|(name, _)| *name)
    }
}

fn unpacked(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.starts_with(&ZSTD)
        && let Ok(unpacked) = zstd::bulk::decompress(bytes, LARGEST)
    {
        return unpacked.into();
    }
    bytes.into()
}

/// The forms in which a value could get out, by their names.
fn forms(value: &str) -> Vec<(&'static str, String)> {
    let json = in_json(value);
    let url = url_encoded(value, |byte| format!("%{byte:02X}"));
    let hex = hex::encode(value);
    let mut forms = vec![
        ("plain", value.to_owned()),
        ("JSON in JSON", in_json(&json)),
        ("ASCII JSON", in_ascii(&json)),
        ("JSON", json),
        (
            "lowercase URL",
            url_encoded(value, |byte| format!("%{byte:02x}")),
        ),
        ("form", url.replace("%20", "+")),
        ("URL", url),
        ("uppercase hex", hex.to_uppercase()),
        ("hex", hex),
        ("XML", value.replace('&', "&amp;").replace('"', "&quot;")),
    ];
    // Where it stands behind something else, as in `user:secret`, base64 has it shifted.
    for shift in 0..3 {
        let inner = &value.as_bytes()[(3 - shift) % 3..];
        let whole = &inner[..inner.len() / 3 * 3];
        forms.push(("base64", STANDARD_NO_PAD.encode(whole)));
        forms.push(("base64 for URLs", URL_SAFE_NO_PAD.encode(whole)));
    }
    forms
}

fn in_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let inner = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(&quoted).to_owned()
}

fn in_ascii(json: &str) -> String {
    let escaped = |c: char| {
        if c.is_ascii() {
            c.to_string()
        } else {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            units.map(|unit| format!("\\u{unit:04x}")).collect()
        }
    };
    json.chars().map(escaped).collect()
}

fn url_encoded(value: &str, escaped: impl Fn(u8) -> String) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            escaped(byte)
        }
    };
    value.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    const VALUE: &str = "canary \"/world-7?+\u{e4}";

    #[test]
    fn it_is_found_in_every_form_and_wherever_it_stands() {
        let canary = Canary::of(VALUE);
        let json = serde_json::json!({"a": ["x", VALUE]}).to_string();
        let twice = serde_json::json!({ "text": json }).to_string();
        let percent: String = VALUE.bytes().map(|it| format!("%{it:02X}")).collect();
        let mut planted = vec![
            format!("before {VALUE} after").into_bytes(),
            json.into_bytes(),
            twice.into_bytes(),
            b"\"canary \\\"/world-7?+\\u00e4\"".to_vec(),
            b"canary%20%22%2Fworld-7%3F%2B%C3%A4".to_vec(),
            b"a=canary+%22%2Fworld-7%3F%2B%C3%A4&b=".to_vec(),
            hex::encode(format!("x{VALUE}")).into_bytes(),
            b"<a b=\"canary &quot;/world-7?+\xc3\xa4\"/>".to_vec(),
        ];
        for before in ["", "u", "me", "ann:", "ann:x"] {
            let text = format!("{before}{VALUE}");
            planted.push(STANDARD.encode(&text).into_bytes());
            planted.push(URL_SAFE.encode(format!("{text} and more")).into_bytes());
        }
        for bytes in planted {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(canary.form_in(&bytes).is_some(), "{text}");
            let packed = zstd::bulk::compress(&bytes, 3).unwrap();
            assert!(canary.form_in(&packed).is_some(), "compressed {text}");
        }
        assert_ne!(canary.form_in(percent.as_bytes()), Some("plain"));
    }

    #[test]
    fn it_is_not_found_in_what_only_looks_like_it() {
        let canary = Canary::of(VALUE);
        for text in [
            "",
            "canary",
            "***",
            "canary \"/world-8?+\u{e4}",
            "{\"secret\":\"canary\"}",
        ] {
            assert_eq!(canary.form_in(text.as_bytes()), None, "{text}");
        }
    }
}
