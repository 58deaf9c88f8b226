//! An exported pipeline: a flat ZIP of which `pipeline.xml` alone must be there.
//!
//! Jars and users' data may be in it, too. They are never installed, only their names are looked at.

use crate::archive::{self, Archive, Limits};
use crate::model::{Pipeline, Template};
use crate::read;
use crate::schedules::{self, Schedule};

/// What an export may cost.
pub const LIMITS: Limits = Limits {
    bytes: 64 * 1024 * 1024,
    entries: 10_000,
    entry_bytes: 16 * 1024 * 1024,
    total_bytes: 32 * 1024 * 1024,
    ratio: 500,
};

/// The pipeline.
pub(crate) const PIPELINE: &str = "pipeline.xml";
/// The templates of its plug-ins.
pub(crate) const TEMPLATES: &str = "dpu.xml";
/// The plug-ins that it uses, for people.
pub(crate) const USED: &str = "used_dpu.xml";
/// When it runs.
const SCHEDULES: &str = "schedule.xml";
/// Where data that come with plug-ins would be.
const DATA: [&str; 2] = ["dpu_data_user/", "dpu_data_global/"];

/// An exported pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The pipeline itself.
    pub pipeline: Pipeline,
    /// The templates as they were where it comes from; none in older exports.
    pub templates: Vec<Template>,
    /// When it ran there, if that was exported.
    pub schedules: Option<Vec<Schedule>>,
    /// Whether data of plug-ins are in it, which are not imported.
    pub has_data: bool,
}

/// Why an export can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No archive, or one that costs too much.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The one entry that must be there isn't.
    #[error("the archive has no {PIPELINE}, so it is no exported pipeline")]
    NoPipeline,
    /// `pipeline.xml` is not what it should be.
    #[error("{PIPELINE}: {0}")]
    Pipeline(read::Error),
    /// `dpu.xml` is not what it should be.
    #[error("{TEMPLATES}: {0}")]
    Templates(read::Error),
    /// `schedule.xml` is not what it should be.
    #[error("{SCHEDULES}: {0}")]
    Schedules(read::Error),
}

impl Export {
    /// Reads an export. Schedules are read if they are wanted.
    pub fn read(bytes: &[u8], with_schedules: bool) -> Result<Self, Error> {
        let mut archive = Archive::open(bytes, LIMITS)?;
        let pipeline = {
            let text = archive.read(PIPELINE)?.ok_or(Error::NoPipeline)?;
            read::pipeline(&text).map_err(Error::Pipeline)?
        };
        let templates = match archive.read(TEMPLATES)? {
            Some(list) => read::templates(&list).map_err(Error::Templates)?,
            None => Vec::new(),
        };
        let schedules = match archive.read(SCHEDULES)? {
            Some(list) if with_schedules => Some(schedules::read(&list).map_err(Error::Schedules)?),
            Some(_) | None => None,
        };
        let is_data = |name: &str| DATA.iter().any(|it| name.starts_with(it) && name != *it);
        Ok(Self {
            pipeline,
            templates,
            schedules,
            has_data: archive.names().any(|name| is_data(&name)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::packed;

    const EMPTY: &str = "<a.Pipeline><graph/><name>p</name></a.Pipeline>";

    fn read(entries: &[(&str, &str)]) -> Result<Export, Error> {
        Export::read(&packed(entries), true)
    }

    #[test]
    fn the_pipeline_alone_must_be_there() {
        let export = read(&[
            ("x/pipeline.xml", "no"),
            (PIPELINE, EMPTY),
            ("dpu_jar/x/x-1.0.jar", ""),
        ])
        .unwrap();
        assert_eq!(export.pipeline.name, "p");
        assert_eq!(
            (export.templates.len(), export.schedules, export.has_data),
            (0, None, false)
        );
        assert_eq!(read(&[("x/pipeline.xml", EMPTY)]), Err(Error::NoPipeline));
        assert!(
            read(&[(PIPELINE, EMPTY), ("dpu_data_user/x/y", "")])
                .unwrap()
                .has_data
        );
    }

    #[test]
    fn which_entry_is_wrong_is_said() {
        assert!(matches!(read(&[(PIPELINE, "x")]), Err(Error::Pipeline(_))));
        assert!(matches!(
            read(&[(PIPELINE, EMPTY), (TEMPLATES, "x")]),
            Err(Error::Templates(_))
        ));
        let broken = [(PIPELINE, EMPTY), (SCHEDULES, "x")];
        assert!(matches!(read(&broken), Err(Error::Schedules(_))));
        assert!(
            Export::read(&packed(&broken), false).is_ok(),
            "not wanted, not read"
        );
        assert!(matches!(Export::read(b"x", true), Err(Error::Archive(_))));
    }
}
