//! `uv-t-zipper`: one zip archive of all files.

use std::collections::HashSet;
use std::io;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::work::named;
use super::{Failure, Work};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let name = work
        .config
        .said("zipFile")
        .unwrap_or("archive.zip")
        .trim()
        .to_owned();
    let items = work.input("input")?;
    let mut output = work.output("output")?;
    output.write(named(name.as_str()), |file| {
        let mut archive = ZipWriter::new(file);
        let mut names = HashSet::new();
        for item in &items {
            let inside = item.outside().trim_start_matches('/');
            if !names.insert(inside) {
                return Err(Failure::Data(format!(
                    "two files are called {inside:?}; rename one of them first"
                )));
            }
            let begun = archive.start_file(inside, SimpleFileOptions::default());
            begun.map_err(|error| Failure::at(inside)(error.into()))?;
            io::copy(&mut item.open()?, &mut archive).map_err(Failure::at(inside))?;
        }
        archive
            .finish()
            .map(drop)
            .map_err(|error| Failure::at(name.as_str())(error.into()))
    })?;
    output.finish()
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    #[test]
    fn what_is_packed_is_unpacked_again() {
        let zipper = Bench::new("uv-t-zipper", "<zipFile>all.zip</zipFile>");
        zipper.give("input", &[("a.txt", b"1"), ("in/ü.txt", b"2")]);
        zipper.run().unwrap();
        let packed = zipper.taken("output");
        assert_eq!(packed[0].0, "all.zip");
        for (prefix, names) in [
            ("false", ["all.zip/a.txt", "all.zip/in/ü.txt"]),
            ("true", ["a.txt", "in/ü.txt"]),
        ] {
            let unzipper = Bench::new(
                "uv-t-unzipper",
                &format!("<notPrefixed>{prefix}</notPrefixed>"),
            );
            unzipper.give("input", &[("all.zip", &packed[0].1)]);
            unzipper.run().unwrap();
            let expected = [
                (names[0].into(), b"1".to_vec()),
                (names[1].into(), b"2".to_vec()),
            ];
            assert_eq!(unzipper.taken("output"), expected);
        }
    }

    #[test]
    fn a_name_comes_once_in_an_archive() {
        let bench = Bench::new("uv-t-zipper", "");
        bench.give("input", &[("a", b"1"), ("/a", b"2")]);
        assert!(bench.run().unwrap_err().to_string().contains("two files"));
    }
}
