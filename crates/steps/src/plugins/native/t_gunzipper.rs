//! `uv-t-gunzipper`: what is in files packed with gzip, without `.gz` behind their names.

use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
use std::io::{self, BufReader};

use flate2::read::MultiGzDecoder;

use super::work::{Item, Output};
use super::{Failure, Work};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let is_soft = work.config.flag("skipOnError", false);
    let mut output = work.output("filesOutput")?;
    for item in work.input("filesInput")? {
        unpack(&item, &mut output).or_else(|failure| work.pass(is_soft, failure))?;
    }
    output.finish()
}

fn unpack(item: &Item, output: &mut Output) -> Result<(), Failure> {
    let outside = item.outside();
    let mut packed = MultiGzDecoder::new(BufReader::new(item.open()?));
    let mut entry = item.entry.clone();
    entry.path = Some(outside.strip_suffix(".gz").unwrap_or(outside).to_owned());
    output.write(entry, |file| {
        let copied = io::copy(&mut packed, file);
        copied.map(drop).map_err(|error| {
            if matches!(error.kind(), InvalidInput | InvalidData | UnexpectedEof) {
                let what = format!("{outside}: is not packed with gzip: {error}");
                return Failure::Data(what);
            }
            Failure::at(outside)(error)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::Failure;
    use crate::plugins::native::testing::Bench;

    #[test]
    fn a_bomb_does_not_go_off() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&[0; 10_000]).unwrap();
        let packed = packed.finish().unwrap();
        let bench = Bench::new("uv-t-gunzipper", "");
        bench.give("filesInput", &[("a.gz", &packed), ("b.gz", &packed)]);
        for (file, all, is_well) in [
            (9_999, 100_000, false),
            (10_000, 19_999, false),
            (10_000, 20_000, true),
        ] {
            let outcome = bench.run_within(file, all);
            assert_eq!(outcome.is_ok(), is_well, "{outcome:?}");
            if let Err(failure) = outcome {
                assert!(matches!(failure, Failure::TooMuch(_)), "{failure:?}");
            }
        }
    }

    #[test]
    fn what_is_not_packed_fails_or_is_skipped() {
        for soft in [false, true] {
            let bench = Bench::new(
                "uv-t-gunzipper",
                &format!("<skipOnError>{soft}</skipOnError>"),
            );
            bench.give("filesInput", &[("a.gz", b"nonsense")]);
            assert_eq!(bench.run().is_ok(), soft);
            let left = bench.path().join("output/filesOutput/data/0");
            assert!(!left.exists());
        }
    }
}
