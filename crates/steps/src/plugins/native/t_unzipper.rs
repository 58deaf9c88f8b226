//! `uv-t-unzipper`: the files of zip archives.
//!
//! What archives call their files is never a path here, but later steps may take it for one: an archive with names that
//! lead out of it is refused.

use std::fs::File;
use std::io::{self, BufReader};

use zip::ZipArchive;

use super::work::{Item, Output, named};
use super::{Failure, Work};
use crate::plugins::unit::MAX_ENTRIES;

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let is_prefixed = !work.config.flag("notPrefixed", false);
    let mut output = work.output("output")?;
    for item in work.input("input")? {
        let prefix = if is_prefixed {
            format!("{}/", item.outside().trim_end_matches('/'))
        } else {
            String::new()
        };
        unpack(&item, &prefix, &mut output)?;
    }
    output.finish()
}

fn unpack(item: &Item, prefix: &str, output: &mut Output) -> Result<(), Failure> {
    let outside = item.outside();
    let wrong = |error: zip::result::ZipError| {
        Failure::Data(format!("{outside}: can't be unpacked: {error}"))
    };
    let mut archive: ZipArchive<BufReader<File>> =
        ZipArchive::new(BufReader::new(item.open()?)).map_err(wrong)?;
    if archive.len() > MAX_ENTRIES {
        return Err(Failure::TooMuch(format!(
            "{outside}: has {} files",
            archive.len()
        )));
    }
    for index in 0..archive.len() {
        let mut packed = archive.by_index(index).map_err(wrong)?;
        let name = packed.name().map_err(wrong)?.into_owned();
        if packed.is_dir() {
            continue;
        }
        if leads_out(&name) {
            return Err(Failure::Data(format!(
                "{outside}: holds {name:?}, which leads out of it"
            )));
        }
        output.write(named(format!("{prefix}{name}")), |file| {
            let copied = io::copy(&mut packed, file);
            copied
                .map(drop)
                .map_err(Failure::at(format!("{outside}: {name}")))
        })?;
    }
    Ok(())
}

fn leads_out(name: &str) -> bool {
    name.starts_with(['/', '\\'])
        || name.contains('\0')
        || name.split(['/', '\\']).any(|it| it == "..")
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use crate::plugins::native::testing::Bench;

    fn archive(names: &[&str], content: &[u8]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            archive
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            archive.write_all(content).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn no_archive_leads_out_of_itself() {
        for name in ["../../etc/passwd", "/etc/passwd", "a/../../b", "..\\b"] {
            let bench = Bench::new("uv-t-unzipper", "<notPrefixed>true</notPrefixed>");
            bench.give("input", &[("evil.zip", &archive(&["good", name], b"x"))]);
            let failure = bench.run().unwrap_err().to_string();
            assert!(failure.contains("leads out"), "{name}: {failure}");
        }
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let bench = Bench::new("uv-t-unzipper", "");
        bench.give("input", &[("a.zip", &archive(&["a", "b"], &[0; 10_000]))]);
        for (file, all, is_well) in [
            (9_999, 100_000, false),
            (10_000, 19_999, false),
            (10_000, 20_000, true),
        ] {
            assert_eq!(bench.run_within(file, all).is_ok(), is_well);
        }
    }

    #[test]
    fn what_is_no_archive_is_said() {
        let bench = Bench::new("uv-t-unzipper", "");
        bench.give("input", &[("a.zip", b"nonsense")]);
        let failure = bench.run().unwrap_err();
        assert!(
            failure.to_string().starts_with("a.zip: can't be unpacked"),
            "{failure}"
        );
        assert!(!failure.may_pass());
    }
}
