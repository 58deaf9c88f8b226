//! Plug-ins' jars on their way to the registry, and who uses them.

use std::sync::LazyLock;

use bytes::Bytes;
use contracts::message::Caller;
use contracts::pipeline::ListPipelinesRequest;
use contracts::registry::{
    ImportPluginRequest, ImportPluginResponse, ListPluginsRequest, PluginTerms,
};
use futures::StreamExt as _;
use runtime::Aside;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::Gateway;

/// Where checksums of jars are made.
static ROOM: LazyLock<Aside> = LazyLock::new(|| Aside::new(2));

/// Bytes of a jar that travel in one message.
const CHUNK: usize = 1024 * 1024;
/// Pipelines that are asked for at a time, since each may have a definition of up to 1 MiB.
const PIPELINES: u32 = 100;
/// Pages of pipelines that are looked at, at most.
const MAX_PAGES: usize = 1000;

/// Brings a jar to the registry.
pub(crate) async fn import(
    gateway: &Gateway,
    terms: PluginTerms,
    jar: Bytes,
) -> Result<ImportPluginResponse, Status> {
    let first = ImportPluginRequest {
        terms: Some(terms),
        content: Vec::new(),
    };
    let chunks = (0..jar.len())
        .step_by(CHUNK)
        .map(move |at| ImportPluginRequest {
            terms: None,
            content: jar[at..jar.len().min(at + CHUNK)].to_vec(),
        });
    let messages = futures::stream::once(async { first }).chain(futures::stream::iter(chunks));
    let imported = gateway.peers.plugins().import_plugin(messages).await?;
    Ok(imported.into_inner())
}

/// What is there of a plug-in whose file is to be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum There {
    /// None of its name.
    Nothing,
    /// This very file.
    Same,
    /// Another file.
    Another,
}

/// Looks what is there of a plug-in of this name.
pub(crate) async fn there(
    gateway: &Gateway,
    caller: &Caller,
    name: &str,
    jar: &Bytes,
) -> Result<There, Status> {
    let request = ListPluginsRequest {
        caller: Some(caller.clone()),
        limit: 1,
        names: vec![name.to_owned()],
        ..ListPluginsRequest::default()
    };
    let found = gateway.peers.plugins().list_plugins(request).await?;
    let Some(plugin) = found.into_inner().plugins.pop() else {
        return Ok(There::Nothing);
    };
    let bytes = jar.clone();
    let digest = ROOM.run(move || hex::encode(Sha256::digest(&bytes))).await;
    let digest = digest.map_err(|_| Status::internal("a checksum can't be made"))?;
    Ok(if plugin.sha256 == digest {
        There::Same
    } else {
        There::Another
    })
}

/// Whether a pipeline that the caller may see has a step of this plug-in.
pub(crate) async fn is_used(
    gateway: &Gateway,
    caller: &Caller,
    name: &str,
) -> Result<bool, Status> {
    let mut cursor = String::new();
    for _ in 0..MAX_PAGES {
        let request = ListPipelinesRequest {
            caller: Some(caller.clone()),
            limit: PIPELINES,
            cursor,
            definition_only: true,
            ..ListPipelinesRequest::default()
        };
        let page = gateway.peers.pipelines().list_pipelines(request).await?;
        let page = page.into_inner();
        if page
            .pipelines
            .iter()
            .any(|it| uses(&it.definition_json, name))
        {
            return Ok(true);
        }
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    Ok(false)
}

/// Whether a definition has a step of a plug-in.
fn uses(definition: &str, name: &str) -> bool {
    let definition: Value = serde_json::from_str(definition).unwrap_or_default();
    let mut steps = definition["steps"].as_array().into_iter().flatten();
    steps.any(|step| step["plugin"]["name"] == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_uses_the_plug_ins_of_its_steps() {
        let definition = r#"{"name":"uv-t-x","steps":[{"id":"a","run":"uv-t-x"},{"id":"b","plugin":{"name":"uv-t-y"}}]}"#;
        assert!(uses(definition, "uv-t-y"));
        assert!(!uses(definition, "uv-t-x"));
        assert!(!uses("{", "uv-t-x"));
    }
}
