//! `uv-t-gzipper`: each file packed with gzip, `.gz` behind its name.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::work::{Item, Output};
use super::{Failure, Work};

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let is_soft = work.config.flag("skipOnError", false);
    let mut output = work.output("filesOutput")?;
    for item in work.input("filesInput")? {
        pack(&item, &mut output).or_else(|failure| work.pass(is_soft, failure))?;
    }
    output.finish()
}

fn pack(item: &Item, output: &mut Output) -> Result<(), Failure> {
    let mut source = item.open()?;
    let mut entry = item.entry.clone();
    entry.path = Some(format!("{}.gz", item.outside()));
    output.write(entry, |file| {
        let mut packed = GzEncoder::new(file, Compression::default());
        let copied = io::copy(&mut source, &mut packed).and_then(|_| packed.finish());
        copied.map(drop).map_err(Failure::at(item.outside()))
    })
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::Bench;

    #[test]
    fn what_is_packed_is_unpacked_again() {
        let gzipper = Bench::new("uv-t-gzipper", "");
        gzipper.give("filesInput", &[("a.txt", b"aaaa"), ("b", b"")]);
        gzipper.run().unwrap();
        let packed = gzipper.taken("filesOutput");
        assert_eq!(packed[0].0, "a.txt.gz");
        let gunzipper = Bench::new("uv-t-gunzipper", "");
        let given: Vec<_> = packed
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice()))
            .collect();
        gunzipper.give("filesInput", &given);
        gunzipper.run().unwrap();
        let expected = [("a.txt".into(), b"aaaa".to_vec()), ("b".into(), Vec::new())];
        assert_eq!(gunzipper.taken("filesOutput"), expected);
    }
}
