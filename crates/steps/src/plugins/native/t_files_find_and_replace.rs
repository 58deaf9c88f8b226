//! `uv-t-filesFindAndReplace`: files with the places of some patterns replaced, one pattern after the other.

use encoding_rs::{Encoding, ISO_8859_15, UTF_8, UTF_16BE, WINDOWS_1250, WINDOWS_1252};

use super::bounds::TEXT;
use super::pattern::Pattern;
use super::work::Item;
use super::{Failure, Work};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let mut patterns = Vec::new();
    for (pattern, replacement) in work.config.map("patterns") {
        patterns.push((Pattern::new(pattern)?, replacement.to_owned()));
    }
    let encoding = encoding(work.config.said("encoding").unwrap_or("UTF8"))?;
    let is_soft = work.config.flag("skipOnError", false);
    let mut output = work.output("filesOutput")?;
    for item in work.input("filesInput")? {
        match replaced(&item, &patterns, encoding) {
            Ok(text) => output.put(item.entry.clone(), &encoded(&text, encoding))?,
            Err(failure) => work.pass(is_soft, failure)?,
        }
    }
    output.finish()
}

fn encoding(name: &str) -> Result<&'static Encoding, Failure> {
    let known = match name.trim() {
        // What is Latin 1 to Java is the same but for control characters that nobody replaces.
        "ISO_8859_1" => Some(WINDOWS_1252),
        "WINDOWS1250" => Some(WINDOWS_1250),
        "UTF8" => Some(UTF_8),
        "UTF16" => Some(UTF_16BE),
        "ISO_8859_15" => Some(ISO_8859_15),
        other => Encoding::for_label(other.replace('_', "-").as_bytes()),
    };
    known.ok_or_else(|| Failure::Config(format!("the encoding {name:?} is not known")))
}

fn replaced(
    item: &Item,
    patterns: &[(Pattern, String)],
    encoding: &'static Encoding,
) -> Result<String, Failure> {
    let bytes = item.bytes(TEXT)?;
    // Of UTF-16 its mark says which way round it is.
    let (text, is_broken) = if encoding == UTF_16BE {
        let (text, _, is_broken) = encoding.decode(&bytes);
        (text, is_broken)
    } else {
        encoding.decode_with_bom_removal(&bytes)
    };
    if is_broken {
        let name = encoding.name();
        return Err(Failure::Data(format!(
            "{}: is no text in {name}",
            item.outside()
        )));
    }
    let mut text = text.into_owned();
    for (pattern, replacement) in patterns {
        text = pattern.replaced(&text, replacement, TEXT)?;
    }
    Ok(text)
}

fn encoded(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    if encoding == UTF_16BE {
        let mark = std::iter::once(0xFEFF);
        return mark
            .chain(text.encode_utf16())
            .flat_map(u16::to_be_bytes)
            .collect();
    }
    encoding.encode(text).0.into_owned()
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    fn bench(patterns: &[(&str, &str)], encoding: &str, soft: &str) -> Bench {
        let entry = |(pattern, by): &(&str, &str)| {
            format!("<entry><string>{pattern}</string><string>{by}</string></entry>")
        };
        let patterns: String = patterns.iter().map(entry).collect();
        Bench::new(
            "uv-t-filesFindAndReplace",
            &format!(
                "<patterns>{patterns}</patterns><encoding>{encoding}</encoding><skipOnError>{soft}</skipOnError>"
            ),
        )
    }

    #[test]
    fn patterns_are_replaced_one_after_the_other() {
        let bench = bench(&[("hdl:", ""), ("(a+)b", "$1c")], "UTF8", "false");
        bench.give("filesInput", &[("x.txt", "hdl:1 aab\nhdl:2 š".as_bytes())]);
        assert_eq!(bench.run().unwrap(), "");
        assert_eq!(
            bench.taken("filesOutput"),
            [("x.txt".into(), "1 aac\n2 š".as_bytes().to_vec())]
        );
    }

    #[test]
    fn texts_stay_in_their_encoding() {
        for (encoding, before, after) in [
            ("ISO_8859_1", &b"TUTKAID_\xe4"[..], &b"\xe4"[..]),
            ("WINDOWS1250", b"TUTKAID_\x9a", b"\x9a"),
            (
                "UTF16",
                b"\xfe\xff\0T\0U\0T\0K\0A\0I\0D\0_\0x",
                b"\xfe\xff\0x",
            ),
        ] {
            let bench = bench(&[("TUTKAID_", "")], encoding, "false");
            bench.give("filesInput", &[("x", before)]);
            bench.run().unwrap();
            assert_eq!(bench.taken("filesOutput")[0].1, after, "{encoding}");
        }
    }

    #[test]
    fn what_is_no_text_fails_or_is_skipped() {
        for (soft, expected) in [("false", None), ("true", Some(1))] {
            let bench = bench(&[("a", "b")], "UTF8", soft);
            bench.give("filesInput", &[("bad", b"\xff\xfe\xff"), ("good", b"a")]);
            let said = bench.run();
            assert_eq!(said.is_ok(), expected.is_some(), "{said:?}");
            if let Some(count) = expected {
                assert_eq!(bench.taken("filesOutput").len(), count);
            }
        }
        assert!(bench(&[], "KLINGON", "false").run().is_err());
        assert!(bench(&[("(", "")], "UTF8", "true").run().is_err());
    }
}
