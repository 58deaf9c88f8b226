//! Commands about pipelines that come from UnifiedViews or go there.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use transfer::yaml;

use super::Desk;
use crate::client::api::{self, Pipeline};
use crate::client::args::{Export, Format, Import};
use crate::client::error::Error;
use crate::client::file;
use crate::client::http::Body;
use crate::client::table::Table;

/// What an import has made, or would make.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Imported {
    pipeline: Option<Pipeline>,
    definition: Option<Value>,
    plugins: Vec<Used>,
    problems: Vec<String>,
    notes: Vec<String>,
}

/// A plug-in that is needed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Used {
    name: String,
    version: String,
    native: bool,
    installed: Option<String>,
}

/// Makes a pipeline, or says what would be made.
pub(super) async fn import(desk: &mut Desk, said: Import) -> Result<(), Error> {
    let body = Body::text("application/zip", file::read_archive(&said.file)?);
    let (dry_run, schedules) = (said.dry_run, said.schedules);
    let path = format!("/api/v2/pipelines/import?dryRun={dry_run}&schedules={schedules}");
    let answer = match desk.http.ask(Method::POST, &path, &body).await {
        Err(Error::Refused(problem)) if !problem.is_away() => {
            let file = said.file.display().to_string();
            return Err(Error::RefusedFile { file, problem });
        }
        outcome => outcome?,
    };
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let imported: Imported = api::parse(&answer)?;
    match &imported.pipeline {
        Some(pipeline) => {
            let line = format!(
                "pipeline {} created, number {}",
                pipeline.name, pipeline.number
            );
            let line = desk.screen.foreign(&line);
            desk.screen.line(&line)?;
        }
        None => would_make(desk, &imported)?,
    }
    for note in &imported.notes {
        desk.screen.line(&format!("note: {note}"))?;
    }
    Ok(desk.screen.flush()?)
}

fn would_make(desk: &mut Desk, imported: &Imported) -> Result<(), Error> {
    let mut table = Table::new(&["PLUG-IN", "NEEDED", "INSTALLED", "CARRIED OUT BY"]);
    for used in &imported.plugins {
        let by = if used.native {
            "Penstock"
        } else {
            "an executable"
        };
        let installed = used.installed.as_deref().unwrap_or("-");
        table.row([
            used.name.as_str().into(),
            used.version.as_str().into(),
            installed.into(),
            by.into(),
        ]);
    }
    desk.screen.table(&table)?;
    for problem in &imported.problems {
        let line = desk.screen.foreign(&format!("missing: {problem}"));
        desk.screen.line(&line)?;
    }
    if let Some(definition) = &imported.definition {
        desk.screen.line("")?;
        for line in yaml::write(definition).lines() {
            let line = desk.screen.foreign(line);
            desk.screen.line(&line)?;
        }
    }
    Ok(())
}

/// Writes a pipeline to a file or to standard output, as it comes.
pub(super) async fn export(desk: &mut Desk, said: Export) -> Result<(), Error> {
    let format = match said.format {
        Format::Yaml => "yaml",
        Format::Zip => "zip",
    };
    let path = format!("{}/export?format={format}", api::pipeline(&said.name));
    let mut answer = desk.http.download(&path).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| Error::Nonsense {
        server: "the server".into(),
        why: runtime::fault::chain(&error),
    })? {
        bytes.extend_from_slice(&piece);
    }
    match said.to {
        Some(file) => {
            std::fs::write(&file, &bytes)
                .map_err(|error| Error::File(file.display().to_string(), error))?;
        }
        None if said.format == Format::Zip && desk.screen.is_terminal() => {
            return Err(Error::Usage(
                "a ZIP is nothing for a terminal: say where with --to FILE".into(),
            ));
        }
        None => desk.screen.bytes(&bytes)?,
    }
    Ok(desk.screen.flush()?)
}
