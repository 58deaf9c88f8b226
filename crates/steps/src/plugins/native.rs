//! The native plug-ins: what a process of one does, from `config.xml` and `input/` to `output/`.
//!
//! Each is a file with one function that is given its [`Work`]. It runs in a process of its own, under the keeper of its
//! step: it blocks as it likes, and stops, kills and time limits come to it from outside.
//!
//! **Invariant:** what it reads and writes is bounded ([`bounds`]), and it never writes to what it was given.

pub mod bounds;
mod failure;
mod http;
mod pattern;
mod rdf;
mod sheets;
mod work;

mod e_execute_shell_script;
mod e_files_download;
mod e_http_request;
mod e_sparql_endpoint;
mod l_files_upload;
mod q_sparql_ask;
mod t_excel_to_csv;
mod t_files_filter;
mod t_files_find_and_replace;
mod t_files_merger;
mod t_files_renamer;
mod t_files_to_rdf;
mod t_gunzipper;
mod t_gzipper;
mod t_rdf_graph_merger;
mod t_rdf_merger;
mod t_rdf_to_files;
mod t_sparql_construct;
mod t_sparql_select;
mod t_sparql_update;
mod t_tabular;
mod t_unzipper;
mod t_zipper;
#[cfg(test)]
mod testing;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::config::{Master, Tolerance, Validation};
pub use failure::Failure;
use work::Work;

/// The exit code of wrong usage (`EX_USAGE`).
const USAGE: u8 = 64;
/// Before the first try of its own; doubled with each.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What a plug-in does.
type Implementation = fn(&mut Work) -> Result<(), Failure>;

/// Carries out the plug-in that the second argument names, in the working directory.
pub fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(2) else {
        complain("which plug-in? its name comes behind `plugin`");
        return ExitCode::from(USAGE);
    };
    let Some(implementation) = implementation(&name) else {
        complain(&format!("{name} is no native plug-in"));
        return ExitCode::from(USAGE);
    };
    match carry_out(Path::new("."), implementation) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let failure = failure.to_string();
            complain(&failure);
            // Who can't read it there finds it in the log.
            let _ = std::fs::write(super::FAILURE, failure);
            ExitCode::FAILURE
        }
    }
}

fn complain(what: &str) {
    // Nothing is left to do when even this can't be printed.
    let _ = writeln!(io::stderr(), "error: {what}");
}

/// Carries it out, again and again as its configuration allows for.
fn carry_out(folder: &Path, implementation: Implementation) -> Result<(), Failure> {
    let text = work::configuration(folder)?;
    let Master {
        own,
        tolerance,
        validation,
        ..
    } = Master::read(&text).map_err(|why| Failure::Config(why.to_string()))?;
    let mut tries = 0;
    let mut pause = PAUSE;
    loop {
        let mut work = Work::new(folder, own.clone());
        let done = implementation(&mut work).and_then(|()| match &validation {
            Some(validation) => validate(&work, validation),
            None => Ok(()),
        });
        let failure = match done {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if !tolerance
            .as_ref()
            .is_some_and(|it| is_tolerated(it, &failure, tries))
        {
            return Err(failure);
        }
        tries += 1;
        work.warn(&format!("{failure}; trying again in {} s", pause.as_secs()));
        work.forget()?;
        wait(pause);
        pause = LONGEST_PAUSE.min(2 * pause);
    }
}

/// Fails unless what the add-on asks is true of what was made.
fn validate(work: &Work, validation: &Validation) -> Result<(), Failure> {
    let made = work.made(&validation.port)?;
    if rdf::is_so(&rdf::store(&made)?, &validation.query)? {
        return Ok(());
    }
    let port = &validation.port;
    Err(Failure::Check(format!(
        "what the validation of {port} asks is not true of it"
    )))
}

#[allow(
    clippy::disallowed_methods,
    reason = "this process does nothing else, and who wants it gone ends it"
)]
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

/// Whether another try is due: one that failed by itself would fail again, whatever exceptions are named.
fn is_tolerated(tolerance: &Tolerance, failure: &Failure, tries: u32) -> bool {
    let names = failure.exceptions();
    let is_named = |wanted: &String| {
        let wanted = wanted.rsplit('.').next().unwrap_or_default();
        names.contains(&wanted)
    };
    let is_meant = tolerance.exceptions.is_empty() || tolerance.exceptions.iter().any(is_named);
    failure.may_pass() && is_meant && tolerance.retries.is_none_or(|most| tries < most)
}

fn implementation(name: &str) -> Option<Implementation> {
    Some(match super::find(name)?.name {
        "uv-e-executeShellScript" => e_execute_shell_script::run,
        "uv-e-filesDownload" => e_files_download::run,
        "uv-e-httpRequest" => e_http_request::run,
        "uv-e-sparqlEndpoint" => e_sparql_endpoint::run,
        "uv-l-filesUpload" => l_files_upload::run,
        "uv-q-sparqlAsk" => q_sparql_ask::run,
        "uv-t-excelToCsv" => t_excel_to_csv::run,
        "uv-t-filesFilter" => t_files_filter::run,
        "uv-t-filesFindAndReplace" => t_files_find_and_replace::run,
        "uv-t-filesMerger" => t_files_merger::run,
        "uv-t-filesRenamer" => t_files_renamer::run,
        "uv-t-filesToRdf" => t_files_to_rdf::run,
        "uv-t-gunzipper" => t_gunzipper::run,
        "uv-t-gzipper" => t_gzipper::run,
        "uv-t-rdfGraphMerger" => t_rdf_graph_merger::run,
        "uv-t-rdfMerger" => t_rdf_merger::run,
        "uv-t-rdfToFiles" => t_rdf_to_files::run,
        "uv-t-sparqlConstruct" => t_sparql_construct::run,
        "uv-t-sparqlSelect" => t_sparql_select::run,
        "uv-t-sparqlUpdate" => t_sparql_update::run,
        "uv-t-tabular" => t_tabular::run,
        "uv-t-unzipper" => t_unzipper::run,
        "uv-t-zipper" => t_zipper::run,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::catalog;

    #[test]
    fn what_is_called_native_is_implemented() {
        for plugin in catalog::ALL {
            let is_implemented = implementation(plugin.name).is_some();
            assert_eq!(is_implemented, plugin.is_native, "{}", plugin.name);
        }
    }

    #[test]
    fn only_what_may_pass_and_is_named_is_tried_again() {
        let gone = || Failure::Remote {
            what: "x".into(),
            may_pass: true,
        };
        let tolerance = |exceptions: &[&str], retries| Tolerance {
            exceptions: exceptions.iter().map(|it| (*it).to_owned()).collect(),
            retries,
        };
        for (exceptions, retries, failure, tries, expected) in [
            (&[][..], None, gone(), 9, true),
            (&[], Some(2), gone(), 1, true),
            (&[], Some(2), gone(), 2, false),
            (&["java.io.IOException"], None, gone(), 0, true),
            (&["java.sql.SQLException"], None, gone(), 0, false),
            (&[], None, Failure::Config("x".into()), 0, false),
        ] {
            let tolerance = tolerance(exceptions, retries);
            assert_eq!(
                is_tolerated(&tolerance, &failure, tries),
                expected,
                "{exceptions:?}"
            );
        }
    }
}
