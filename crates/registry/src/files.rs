//! Where the files of plug-ins are: a directory, or a bucket of S3 or of what speaks its protocol.
//!
//! **Invariant:** a file is never changed. Another file has another name, so who reads one while
//! its plug-in is replaced reads it to the end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::Error;

const FORMS: &str = "write a directory, file:///directory or s3://bucket/prefix";

/// The files.
#[derive(Debug, Clone)]
pub(crate) struct Files(Arc<dyn ObjectStore>);

impl Files {
    /// Opens what the setting names, with the standard variables (`AWS_…`) for a bucket. A bucket
    /// isn't asked for yet.
    pub(crate) fn open(setting: &Path) -> Result<Self, Error> {
        let text = setting.to_string_lossy();
        if let Some(place) = text.strip_prefix("s3://") {
            return Self::bucket(AmazonS3Builder::from_env(), place);
        }
        let folder = match text.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            Some(_) => {
                return Err(Error::PluginStore(format!(
                    "its path is not absolute: {FORMS}"
                )));
            }
            None if text.contains("://") => {
                return Err(Error::PluginStore(format!(
                    "its scheme is unknown: {FORMS}"
                )));
            }
            None => setting.to_owned(),
        };
        let wrong = |error: &dyn std::fmt::Display| {
            Error::PluginStore(format!("{}: {error}", folder.display()))
        };
        std::fs::create_dir_all(&folder).map_err(|error| wrong(&error))?;
        let files = LocalFileSystem::new_with_prefix(&folder).map_err(|error| wrong(&error))?;
        Ok(Self(Arc::new(files)))
    }

    /// A bucket, as the builder says it is reached.
    fn bucket(builder: AmazonS3Builder, place: &str) -> Result<Self, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::PluginStore(error.to_string());
        runtime::tls::provide();
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = Key::parse(prefix.trim_end_matches('/')).map_err(|error| wrong(&error))?;
        let mut builder = builder.with_bucket_name(bucket);
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key));
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
            builder = builder.with_allow_http(true);
        }
        let store = builder.build();
        let store = store.map_err(|error| wrong(&error))?;
        Ok(Self(Arc::new(PrefixStore::new(store, prefix))))
    }

    /// Keeps a file of a plug-in.
    pub(crate) async fn keep(&self, id: &str, sha256: &str, bytes: Bytes) -> Result<(), Error> {
        self.0.put(&key(id, sha256), bytes.into()).await?;
        Ok(())
    }

    /// The content of a file, piece by piece.
    pub(crate) async fn read(
        &self,
        id: &str,
        sha256: &str,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>, Error> {
        Ok(self.0.get(&key(id, sha256)).await?.into_stream())
    }

    /// Removes a file that no plug-in has any more. One that stays costs nothing but its place.
    pub(crate) async fn remove(&self, id: &str, sha256: &str) {
        if let Err(error) = self.0.delete(&key(id, sha256)).await {
            tracing::warn!(plugin.id = id, "a plug-in's old file stays: {error}");
        }
    }
}

fn key(id: &str, sha256: &str) -> Key {
    Key::from(format!("{id}-{sha256}.jar"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures::TryStreamExt as _;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use hyper_util::server::conn::auto;
    use s3s::auth::SimpleAuth;
    use s3s::service::S3ServiceBuilder;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    const KEY: &str = "penstock";
    const SECRET: &str = "hunter2-hunter2";

    async fn a_file_comes_and_goes(files: &Files) {
        let kept = files.keep("id", "sum", Bytes::from_static(b"jar"));
        kept.await.unwrap();
        let read = files.read("id", "sum").await.unwrap();
        let chunks: Vec<Bytes> = read.try_collect().await.unwrap();
        assert_eq!(chunks.concat(), b"jar");
        files.remove("id", "sum").await;
        assert!(files.read("id", "sum").await.is_err());
        // It is gone: that is all that is wished.
        files.remove("id", "sum").await;
    }

    #[tokio::test]
    async fn a_directory_has_the_files() {
        let folder = tempfile::tempdir().unwrap();
        for setting in [
            folder.path().join("a"),
            format!("file://{}/b", folder.path().display()).into(),
        ] {
            a_file_comes_and_goes(&Files::open(&setting).unwrap()).await;
        }
    }

    /// A server of S3's protocol over a folder; the address that it is reached at.
    async fn cloud(folder: &Path, serving: &mut JoinSet<()>) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = builder.build();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_bucket_has_the_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("files")).unwrap();
        let mut serving = JoinSet::new();
        let endpoint = cloud(folder.path(), &mut serving).await;
        let builder = || {
            AmazonS3Builder::new()
                .with_endpoint(&endpoint)
                .with_region("us-east-1")
                .with_access_key_id(KEY)
        };
        let known = builder().with_secret_access_key(SECRET);
        let files = Files::bucket(known, "files/of/plugins/").unwrap();
        a_file_comes_and_goes(&files).await;
        let kept = files.keep("id", "sum", Bytes::from_static(b"jar"));
        kept.await.unwrap();
        let key = folder.path().join("files/of/plugins/id-sum.jar");
        assert_eq!(std::fs::read(key).unwrap(), b"jar");
        let stranger = builder().with_secret_access_key("guessed");
        let files = Files::bucket(stranger, "files/of/plugins").unwrap();
        assert!(files.read("id", "sum").await.is_err());
    }

    #[test]
    fn a_setting_that_names_no_store_is_refused() {
        for (setting, expected) in [
            ("ftp://x", "scheme is unknown"),
            ("file://x", "not absolute"),
        ] {
            let error = Files::open(Path::new(setting)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
