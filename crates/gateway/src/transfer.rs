//! Pipelines that come from UnifiedViews and go there: what is read and written is decided in
//! [`::transfer`]; here it is matched with what is installed.
//!
//! A plug-in that Penstock carries out itself counts as installed in any version. Nothing is made
//! before everything has been looked at, so a failed import leaves nothing behind.

mod scheduling;

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use ::transfer::definition::{self, Shape};
use ::transfer::export::{self, Export};
use ::transfer::plan::{Installed, Need, Problem};
use ::transfer::{Pipeline, PluginType, Visibility, plan, write};
use bytes::Bytes;
use contracts::message::Caller;
use contracts::registry::{ListPluginsRequest, Plugin};
use runtime::Aside;
use runtime::aside::Panicked;
use serde_json::Value;
use tonic::Status;

use crate::Gateway;

pub(crate) use scheduling::schedule;

/// Where archives are read and written: each is held whole meanwhile.
static ROOM: LazyLock<Aside> = LazyLock::new(|| Aside::new(2));

/// Names that the registry is asked for at once.
const NAMES: usize = 500;

/// What an imported pipeline is beside what its file says: its owner's alone, and without a limit on
/// its runs.
const SHAPE: Shape = Shape {
    visibility: "private",
    concurrency: 0,
};

/// Why a pipeline can't be imported.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The file can't be read.
    Export(export::Error),
    /// Plug-ins are in the way.
    Plugins(Vec<Problem>),
    /// What it says can't be a definition.
    Definition(definition::Error),
    /// A service doesn't answer, or refuses.
    Peer(Status),
    /// It is our fault.
    Internal,
}

impl From<Panicked> for Failure {
    fn from(_: Panicked) -> Self {
        Self::Internal
    }
}

/// What an import would make.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What was read.
    pub(crate) export: Export,
    /// The plug-ins that it needs, each once.
    pub(crate) plugins: Vec<Used>,
    /// Everything that is in the way of its plug-ins.
    pub(crate) problems: Vec<Problem>,
    definition: Result<Value, definition::Error>,
}

/// A plug-in that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    /// In which version, and as which jar.
    pub(crate) need: Need,
    /// Whether Penstock carries it out itself.
    pub(crate) is_native: bool,
    /// The version that is installed as a jar.
    pub(crate) installed: Option<String>,
}

impl Plan {
    /// The definition, if nothing is in the way.
    pub(crate) fn definition(&self) -> Result<Value, Failure> {
        if !self.problems.is_empty() {
            return Err(Failure::Plugins(self.problems.clone()));
        }
        self.definition.clone().map_err(Failure::Definition)
    }
}

/// Reads an export and looks at what it takes. Schedules are read if they are wanted.
pub(crate) async fn plan(
    gateway: &Gateway,
    caller: &Caller,
    zip: Bytes,
    with_schedules: bool,
) -> Result<Plan, Failure> {
    let export = ROOM.run(move || Export::read(&zip, with_schedules));
    let export = export.await?.map_err(Failure::Export)?;
    let needs = needs(&export.pipeline);
    let jars = jars(gateway, caller, &needs).await.map_err(Failure::Peer)?;
    let is_native = |need: &Need| steps::plugins::find(&need.directory).is_some();
    let used = needs.into_iter().map(|need| Used {
        is_native: is_native(&need),
        installed: jars.get(&need.directory).map(|it| it.version.clone()),
        need,
    });
    let plugins: Vec<Used> = used.collect();
    let installed: Vec<Installed> = plugins
        .iter()
        .filter_map(|used| installed(used, jars.get(&used.need.directory)))
        .collect();
    let problems = plan::problems(&export.pipeline, &export.templates, &installed);
    Ok(Plan {
        definition: definition::of(&export.pipeline, SHAPE),
        export,
        plugins,
        problems,
    })
}

/// What a pipeline needs, each plug-in once in each version.
fn needs(pipeline: &Pipeline) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for need in pipeline.nodes.iter().filter_map(|node| Need::of(node).ok()) {
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    needs
}

/// What there is of a plug-in. Of a native one the name is that asked for, so it also serves where
/// the pipeline relies on a template that was made of it.
fn installed(used: &Used, jar: Option<&Plugin>) -> Option<Installed> {
    if used.is_native {
        return Some(Installed {
            directory: used.need.directory.clone(),
            name: used.need.name.clone(),
            version: None,
            is_visible: true,
            configuration: None,
        });
    }
    let jar = jar?;
    Some(Installed {
        directory: jar.name.clone(),
        name: jar.title.clone(),
        version: Some(jar.version.clone()),
        is_visible: jar.usable,
        configuration: None,
    })
}

/// The jars of these plug-ins by their names.
async fn jars(
    gateway: &Gateway,
    caller: &Caller,
    needs: &[Need],
) -> Result<HashMap<String, Plugin>, Status> {
    let names: BTreeSet<&str> = needs.iter().map(|it| it.directory.as_str()).collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut jars = HashMap::new();
    for some in names.chunks(NAMES) {
        let request = ListPluginsRequest {
            caller: Some(caller.clone()),
            limit: 1000,
            names: some.to_vec(),
            ..ListPluginsRequest::default()
        };
        let page = gateway.peers.plugins().list_plugins(request).await?;
        let page = page.into_inner().plugins;
        jars.extend(page.into_iter().map(|it| (it.name.clone(), it)));
    }
    Ok(jars)
}

/// Why a pipeline can't be exported.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It isn't one that UnifiedViews could have.
    Definition(definition::Refused),
    /// A service doesn't answer.
    Peer(Status),
    /// It is our fault.
    Internal,
}

/// Writes the ZIP of a pipeline, which UnifiedViews reads and which imports again as the same.
pub(crate) async fn zip(
    gateway: &Gateway,
    caller: &Caller,
    definition: &Value,
    changed_ms: i64,
) -> Result<Vec<u8>, Refused> {
    let mut pipeline = definition::to_pipeline(definition).map_err(Refused::Definition)?;
    let needs = needs(&pipeline);
    let jars = jars(gateway, caller, &needs).await.map_err(Refused::Peer)?;
    for node in &mut pipeline.nodes {
        let key = node.template.directory.clone().unwrap_or_default();
        if let Some(jar) = jars.get(&key).filter(|it| it.usable) {
            node.template.description.clone_from(&jar.description);
            node.template
                .jar_description
                .clone_from(&jar.jar_description);
            node.template.visibility = Visibility::of(&jar.visibility);
            node.template.kind = PluginType::of(&jar.r#type);
        } else if let Some(known) = steps::plugins::known(&key) {
            known.about.clone_into(&mut node.template.jar_description);
            node.template.kind = PluginType::of(known.kind.name());
        }
    }
    let changed = changed_at(changed_ms);
    let zip = ROOM.run(move || write(&pipeline, &changed)).await;
    match zip {
        Ok(Ok(zip)) => Ok(zip),
        Ok(Err(error)) => {
            tracing::error!("an export can't be written: {error}");
            Err(Refused::Internal)
        }
        Err(Panicked) => Err(Refused::Internal),
    }
}

/// A time as UnifiedViews writes it.
fn changed_at(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M:%S.0 UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_exports_have_them() {
        assert_eq!(changed_at(1_403_268_369_000), "2014-06-20 12:46:09.0 UTC");
    }
}
