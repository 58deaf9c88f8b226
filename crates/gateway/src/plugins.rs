//! Plug-ins' jars on their way to the registry, and who uses them.

use bytes::Bytes;
use contracts::message::Caller;
use contracts::pipeline::ListPipelinesRequest;
use contracts::registry::{ImportPluginRequest, ImportPluginResponse, PluginTerms};
use futures::StreamExt as _;
use serde_json::Value;
use tonic::Status;

use crate::Gateway;

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

/// Whether a pipeline that the caller may see has a step of this plug-in.
#[allow(dead_code, reason = "the UnifiedViews face asks it")]
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
