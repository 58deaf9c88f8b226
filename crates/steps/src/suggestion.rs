//! What someone may have meant by a name that doesn't exist.

/// The candidate that differs from the name by no more than a slip of the keyboard.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_lowercase();
    let slips = 1 + name.chars().count() / 5;
    candidates
        .filter(|candidate| candidate.len() <= 2 * name.len() + 2)
        .map(|candidate| {
            (
                strsim::osa_distance(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= slips && *distance < name.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// The same as the end of a message.
pub(crate) fn did_you_mean<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> String {
    nearest(name, candidates)
        .map(|known| format!("; did you mean `{known}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["needs", "timeout", "run", "onLost", "env"];
        for (name, expected) in [
            ("need", Some("needs")),
            ("timout", Some("timeout")),
            ("timeOut", Some("timeout")),
            ("on_lost", Some("onLost")),
            ("urn", Some("run")),
            ("enf", Some("env")),
            ("image", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
    }
}
