//! Lists the files under `connectors/`, so that adding a tool is adding a file.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = std::fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == "yaml"));
    files.sort();
    let mut list = String::from("pub(super) const ALL: &[(&str, &str)] = &[\n");
    for file in &files {
        let kind = file.file_stem().unwrap_or_default().to_string_lossy();
        let path = file.to_str().ok_or("a connector's path is not text")?;
        writeln!(list, "    ({kind:?}, include_str!({path:?})),")?;
    }
    list.push_str("];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    std::fs::write(out.join("connectors.rs"), list)?;
    Ok(())
}
