//! The file name of a jar, which is what a plug-in is known by.

/// Bytes of a file's name, at most.
const MAX_BYTES: usize = 255;

/// What a file's name says: the plug-in's own name, which is its key, and a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JarName {
    /// The file name itself, without directories.
    pub file: String,
    /// The key.
    pub name: String,
    /// Not a part of the key.
    pub version: String,
}

impl JarName {
    /// Reads `NAME-VERSION.jar`. A version begins with one digit, a dot and digits, so a first part of two digits is none;
    /// of several places where one could begin the last counts. Directories before it are passed over.
    pub fn of(path: &str) -> Option<Self> {
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let stem = file.strip_suffix(".jar")?;
        if file.len() > MAX_BYTES || file.chars().any(char::is_control) {
            return None;
        }
        let dashes = stem.rmatch_indices('-').map(|(at, _)| at);
        let at = dashes
            .into_iter()
            .find(|at| *at > 0 && is_version(&stem[at + 1..]))?;
        Some(Self {
            file: file.to_owned(),
            name: stem[..at].to_owned(),
            version: stem[at + 1..].to_owned(),
        })
    }
}

fn is_version(text: &str) -> bool {
    let mut bytes = text.bytes();
    let mut next_is = |is: fn(&u8) -> bool| bytes.next().is_some_and(|it| is(&it));
    next_is(u8::is_ascii_digit) && next_is(|it| *it == b'.') && next_is(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_where_the_version_begins() {
        for (file, name, version) in [
            ("uv-t-x-2.1.5.jar", "uv-t-x", "2.1.5"),
            ("uv-t-x-2.1.5-001.jar", "uv-t-x", "2.1.5-001"),
            (
                "uv-dpu-l-attx-uploader-1.0-SNAPSHOT.jar",
                "uv-dpu-l-attx-uploader",
                "1.0-SNAPSHOT",
            ),
            ("SPARQL_Extractor-1.0.0.jar", "SPARQL_Extractor", "1.0.0"),
            ("../../etc/x-1.0.jar", "x", "1.0"),
            ("C:\\fakepath\\x-1.0.jar", "x", "1.0"),
            ("a-1.0-2.0.jar", "a-1.0", "2.0"),
        ] {
            let read = JarName::of(file).unwrap();
            assert_eq!((&*read.name, &*read.version), (name, version));
            assert!(file.ends_with(&read.file));
        }
    }

    #[test]
    fn what_has_no_version_of_one_digit_first_is_no_name() {
        for file in [
            "name-1.jar",
            "name.jar",
            "name-10.0.jar",
            "-1.0.jar",
            "name-1.0.zip",
            "name-1.0",
            "name-x1.0.jar",
            "name-1..jar",
            "",
            ".jar",
            "na\nme-1.0.jar",
        ] {
            assert_eq!(JarName::of(file), None, "{file}");
        }
        assert_eq!(JarName::of(&format!("{}-1.0.jar", "x".repeat(300))), None);
    }
}
