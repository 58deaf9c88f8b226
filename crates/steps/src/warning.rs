//! Lines by which a step warns: `::warning::text`.

/// What opens such a line.
const PREFIX: &str = "::warning::";

/// The text of a warning, if the line is one. A step that warned and then succeeded ends as warned.
pub fn text(line: &str) -> Option<&str> {
    line.strip_prefix(PREFIX).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_opens_its_line() {
        for (line, expected) in [
            (
                "::warning::disk is nearly full",
                Some("disk is nearly full"),
            ),
            ("::warning:: disk \r", Some("disk")),
            ("::warning::", Some("")),
            (" ::warning::x", None),
            ("say ::warning::x", None),
            ("::warn::x", None),
            ("", None),
        ] {
            assert_eq!(text(line), expected, "{line}");
        }
    }
}
