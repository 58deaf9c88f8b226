//! What is asked about plug-ins: parse, act, answer.

use bytes::Bytes;
use contracts::id::PluginId;
use contracts::message::Caller;
use contracts::registry::plugins_server::Plugins as Service;
use contracts::registry::{
    DeletePluginRequest, DeletePluginResponse, GetPluginRequest, ImportPluginRequest,
    ImportPluginResponse, ListPluginsRequest, ListPluginsResponse, Plugin, PluginFileChunk,
    PluginPort, PluginTerms, ReadPluginFileRequest,
};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use runtime::aside::Aside;
use runtime::{Bell, clock};
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status, Streaming};
use transfer::jar::Jar;

use crate::Error;
use crate::entity::plugin::Model;
use crate::files::Files;
use crate::plugin::{Content, LONGEST_JAR, Port, Refused, Terms, check_import, is_usable};
use crate::store::Store;

/// Names that can be asked for at once.
const MOST_NAMES: usize = 1000;

/// Answers calls about plug-ins.
#[derive(Debug)]
pub(crate) struct Plugins {
    store: Store,
    files: Files,
    /// Wakes the outbox' relay.
    bell: Bell,
    /// Where jars are read: two at a time, since each is held whole.
    aside: Aside,
}

impl Plugins {
    /// Answers from `store` and `files`, and rings `bell` after what is announced.
    pub(crate) fn new(store: Store, files: Files, bell: Bell) -> Self {
        let aside = Aside::new(2);
        Self {
            store,
            files,
            bell,
            aside,
        }
    }

    /// Imports a file: it is kept before the row that points to it is, and removed if there comes
    /// none.
    async fn import(&self, said: PluginTerms, bytes: Bytes) -> Result<ImportPluginResponse, Error> {
        let caller = said.caller.clone().unwrap_or_default();
        check_import(&caller)?;
        let terms = Terms::of(said)?;
        let there = self
            .store
            .plugin_named(&caller.account, &terms.jar.name)
            .await?;
        if let Some(there) = there.as_ref().filter(|_| !terms.force) {
            return Err(Refused::Exists(there.name.clone()).into());
        }
        let content = self.content(bytes.clone()).await?;
        let now_ms = clock::now_ms();
        let id = match &there {
            Some(row) => row
                .id
                .parse()
                .map_err(|_| Error::Row("plugins.id".into()))?,
            None => PluginId::made_at(now_ms),
        };
        let is_there = there.is_some_and(|it| it.sha256 == content.sha256);
        if !is_there {
            self.files.keep(id.as_str(), &content.sha256, bytes).await?;
        }
        let imported = self
            .store
            .import_plugin(&caller, &id, (&terms, &content), now_ms);
        let imported = match imported.await {
            Ok(imported) => imported,
            Err(error) => {
                if !is_there {
                    self.files.remove(id.as_str(), &content.sha256).await;
                }
                return Err(error);
            }
        };
        let created = imported.changed && imported.before.is_none();
        if let Some(before) = imported.before {
            self.files.remove(&before.id, &before.sha256).await;
        }
        Ok(ImportPluginResponse {
            plugin: Some(view(&caller, imported.row)?),
            created,
            changed: imported.changed,
        })
    }

    async fn content(&self, bytes: Bytes) -> Result<Content, Error> {
        let read = self.aside.run(move || {
            let jar = Jar::read(&bytes).map_err(|error| Refused::Jar(error.to_string()))?;
            Ok(Content {
                jar,
                sha256: hex::encode(Sha256::digest(&bytes)),
                size: bytes.len(),
            })
        });
        let read = read.await.map_err(|error| Error::Hash(error.to_string()))?;
        read.map_err(|refused: Refused| refused.into())
    }
}

/// What a call says, and the bytes that it brings.
async fn gathered(
    mut stream: Streaming<ImportPluginRequest>,
) -> Result<(PluginTerms, Bytes), Status> {
    let (mut terms, mut bytes) = (None, Vec::new());
    while let Some(message) = stream.message().await? {
        terms = terms.or(message.terms);
        bytes.extend_from_slice(&message.content);
        if terms.is_none() || bytes.len() > LONGEST_JAR {
            break;
        }
    }
    let terms = terms.ok_or(Error::from(Refused::NoTerms))?;
    if bytes.len() > LONGEST_JAR {
        return Err(Error::from(Refused::TooLong).into());
    }
    Ok((terms, bytes.into()))
}

#[tonic::async_trait]
impl Service for Plugins {
    async fn import_plugin(
        &self,
        request: Request<Streaming<ImportPluginRequest>>,
    ) -> Result<Response<ImportPluginResponse>, Status> {
        let (terms, bytes) = gathered(request.into_inner()).await?;
        let imported = self.import(terms, bytes).await?;
        self.bell.ring();
        Ok(Response::new(imported))
    }

    async fn get_plugin(
        &self,
        request: Request<GetPluginRequest>,
    ) -> Result<Response<Plugin>, Status> {
        let GetPluginRequest { caller, plugin } = request.into_inner();
        let caller = caller.unwrap_or_default();
        let row = self.store.plugin(&caller, &plugin).await?;
        Ok(Response::new(view(&caller, row)?))
    }

    async fn list_plugins(
        &self,
        request: Request<ListPluginsRequest>,
    ) -> Result<Response<ListPluginsResponse>, Status> {
        let request = request.into_inner();
        let limit = super::checked_limit(request.limit)?;
        if request.names.len() > MOST_NAMES {
            return Err(Error::Limit(u32::MAX).into());
        }
        let after = match request.cursor.as_str() {
            "" => 0,
            cursor => cursor.parse().map_err(|_| Error::from(Refused::Cursor))?,
        };
        let caller = request.caller.unwrap_or_default();
        let rows = self
            .store
            .plugins(&caller, (after, limit), &request.names)
            .await?;
        let last = rows.last().filter(|_| rows.len() as u64 >= limit);
        let next_cursor = last.map_or_else(String::new, |row| row.number.to_string());
        let plugins = rows.into_iter().map(|row| view(&caller, row));
        Ok(Response::new(ListPluginsResponse {
            plugins: plugins.collect::<Result<_, _>>()?,
            next_cursor,
        }))
    }

    async fn delete_plugin(
        &self,
        request: Request<DeletePluginRequest>,
    ) -> Result<Response<DeletePluginResponse>, Status> {
        let DeletePluginRequest { caller, plugin } = request.into_inner();
        let caller = caller.unwrap_or_default();
        let gone = self
            .store
            .remove_plugin(&caller, &plugin, clock::now_ms())
            .await?;
        self.bell.ring();
        self.files.remove(&gone.id, &gone.sha256).await;
        Ok(Response::new(DeletePluginResponse {}))
    }

    type ReadPluginFileStream = BoxStream<'static, Result<PluginFileChunk, Status>>;

    async fn read_plugin_file(
        &self,
        request: Request<ReadPluginFileRequest>,
    ) -> Result<Response<Self::ReadPluginFileStream>, Status> {
        let ReadPluginFileRequest { caller, plugin } = request.into_inner();
        let caller = caller.unwrap_or_default();
        let row = self.store.plugin(&caller, &plugin).await?;
        let content = self.files.read(&row.id, &row.sha256).await?;
        let first = PluginFileChunk {
            plugin: Some(view(&caller, row)?),
            content: Vec::new(),
        };
        let chunk = |content: Bytes| PluginFileChunk {
            plugin: None,
            content: content.into(),
        };
        let rest = content
            .map_ok(chunk)
            .map_err(|error| Error::from(error).into());
        let first = futures::stream::once(async move { Ok(first) });
        Ok(Response::new(first.chain(rest).boxed()))
    }
}

/// A row as the caller may know it.
fn view(caller: &Caller, row: Model) -> Result<Plugin, Error> {
    if !is_usable(caller, &row.owner, &row.visibility) {
        return Ok(Plugin {
            name: row.name,
            title: row.title,
            version: row.version,
            visibility: row.visibility,
            ..Plugin::default()
        });
    }
    let ports: Vec<Port> =
        serde_json::from_str(&row.ports).map_err(|error| Error::Row(error.to_string()))?;
    let port = |port: Port| PluginPort {
        name: port.name,
        output: port.output,
        data: port.data,
        optional: port.optional,
        description: port.description,
    };
    Ok(Plugin {
        id: row.id,
        number: row.number,
        account: row.account,
        owner: row.owner,
        name: row.name,
        title: row.title,
        description: row.description,
        jar_description: row.jar_description,
        jar_name: row.jar_name,
        version: row.version,
        r#type: row.kind,
        visibility: row.visibility,
        main_class: row.main_class,
        ports: ports.into_iter().map(port).collect(),
        sha256: row.sha256,
        size: u64::try_from(row.size).unwrap_or_default(),
        created_at_ms: row.created_at_ms,
        updated_at_ms: row.updated_at_ms,
        usable: true,
    })
}
