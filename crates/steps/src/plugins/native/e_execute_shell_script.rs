//! `uv-e-executeShellScript`: runs a script that stands beside the other executables of the executor.
//!
//! Which script is in the configuration, but only a file name: it is one of `scripts/` in the directory that
//! `executor.plugins` names. Its arguments are those that `UnifiedViews` gives it: the path of a file with the configuration's
//! text; if there are files, the path of a list of them, a path a line; and the directory whose files are the output. The
//! directories are in `$INPUT_DIR` and `$OUTPUT_DIR` as well.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::work::{Item, Output, named};
use super::{Failure, Work};
use crate::plugins::unit::MAX_ENTRIES;

/// Names the directory that `executor.plugins` does.
const PLUGINS: &str = "PENSTOCK_PLUGINS";

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let script = script(work, std::env::var_os(PLUGINS).map(PathBuf::from))?;
    let scratch = work.scratch()?;
    let (input, made) = (scratch.join("input"), scratch.join("output"));
    for folder in [&input, &made] {
        fs::create_dir(folder).map_err(Failure::at("scratch"))?;
    }
    let mut list = String::new();
    for item in work.input("filesInput")? {
        let path = lay_out(&input, &item)?;
        list.push_str(&path.display().to_string());
        list.push('\n');
    }
    let configuration = scratch.join("configuration");
    let text = work.config.text("configuration").unwrap_or_default();
    fs::write(&configuration, text).map_err(Failure::at("scratch"))?;
    let files = scratch.join("filesList.txt");
    fs::write(&files, &list).map_err(Failure::at("scratch"))?;
    let status = Command::new(&script)
        .arg(&configuration)
        .args((!list.is_empty()).then_some(&files))
        .arg(&made)
        .env("INPUT_DIR", &input)
        .env("OUTPUT_DIR", &made)
        .current_dir(&scratch)
        .stdin(Stdio::null())
        .status()
        .map_err(Failure::at(script.display().to_string()))?;
    if !status.success() {
        return Err(Failure::Check(format!("the script ended with {status}")));
    }
    let mut output = work.output("filesOutput")?;
    take(&made, &mut output)?;
    output.finish()
}

fn script(work: &Work, plugins: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let name = work.config.said("scriptName").unwrap_or_default().trim();
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(Failure::Config(format!(
            "scriptName {name:?} must be the name of a file"
        )));
    }
    let scripts = plugins.map(|it| it.join("scripts"));
    let script = scripts
        .as_ref()
        .map(|it| it.join(name))
        .filter(|it| it.is_file());
    script.ok_or_else(|| {
        let place = scripts.map_or_else(
            || "`scripts` of the directory that executor.plugins names; it names none".to_owned(),
            |it| it.display().to_string(),
        );
        Failure::Config(format!("there is no script {name}: put it into {place}"))
    })
}

/// Copies a file to where the script finds it, under the last part of its name.
fn lay_out(folder: &Path, item: &Item) -> Result<PathBuf, Failure> {
    let name = item.base();
    if matches!(name, "" | "." | "..") || name.contains('\0') {
        return Err(Failure::Data(format!(
            "a script can't be given a file called {:?}",
            item.outside()
        )));
    }
    let path = folder.join(name);
    if path.exists() {
        return Err(Failure::Data(format!(
            "two files are called {name:?}; rename one of them first"
        )));
    }
    fs::copy(&item.content, &path).map_err(Failure::at(item.outside()))?;
    Ok(path)
}

fn take(folder: &Path, output: &mut Output) -> Result<(), Failure> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder).map_err(Failure::at("OUTPUT_DIR"))? {
        let file = file.map_err(Failure::at("OUTPUT_DIR"))?;
        if file
            .file_type()
            .map_err(Failure::at("OUTPUT_DIR"))?
            .is_file()
        {
            names.push(file.file_name());
        }
        if names.len() > MAX_ENTRIES {
            return Err(Failure::TooMuch(
                "the script has left too many files".to_owned(),
            ));
        }
    }
    names.sort_unstable();
    for name in names {
        let mut file = fs::File::open(folder.join(&name)).map_err(Failure::at("OUTPUT_DIR"))?;
        output.write(named(name.display().to_string()), |to| {
            io::copy(&mut file, to)
                .map(drop)
                .map_err(Failure::at("OUTPUT_DIR"))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::plugins::config::Master;
    use crate::plugins::native::testing::Bench;

    fn work(name: &str) -> Work {
        let config =
            format!("<object-stream><x><scriptName>{name}</scriptName></x></object-stream>");
        Work::new(Path::new("."), Master::read(&config).unwrap().own)
    }

    #[test]
    fn only_scripts_that_are_installed_are_run() {
        let plugins = tempfile::tempdir().unwrap();
        fs::create_dir(plugins.path().join("scripts")).unwrap();
        fs::write(plugins.path().join("scripts/mine.sh"), "").unwrap();
        fs::write(plugins.path().join("other.sh"), "").unwrap();
        let there = || Some(plugins.path().to_owned());
        assert!(script(&work("mine.sh"), there()).is_ok());
        for name in ["other.sh", "../other.sh", "/bin/sh", "", ".."] {
            assert!(script(&work(name), there()).is_err(), "{name}");
        }
        let failure = script(&work("mine.sh"), None).unwrap_err().to_string();
        assert!(
            failure.contains("executor.plugins names; it names none"),
            "{failure}"
        );
    }

    #[test]
    fn a_script_is_given_files_and_leaves_files() {
        let bench = Bench::new("uv-e-executeShellScript", "");
        bench.give("filesInput", &[("in/a", b"1")]);
        let scratch = work("x");
        drop(scratch);
        let folder = bench.path().join("made");
        fs::create_dir(&folder).unwrap();
        for item in Work::new(bench.path(), Master::default().own)
            .input("filesInput")
            .unwrap()
        {
            lay_out(&folder, &item).unwrap();
            assert!(lay_out(&folder, &item).is_err());
        }
        let mode = fs::metadata(folder.join("a")).unwrap().permissions().mode();
        assert_ne!(mode & 0o400, 0);
        let mut output = Work::new(bench.path(), Master::default().own)
            .output("filesOutput")
            .unwrap();
        take(&folder, &mut output).unwrap();
        output.finish().unwrap();
        assert_eq!(bench.texts("filesOutput"), [("a".into(), "1".into())]);
    }
}
