//! Where snapshots are kept: a directory, or a bucket of S3 or of what speaks its protocol.
//!
//! **Invariants:** a bucket that doesn't answer is asked again, at growing intervals, for longer than
//! a lease usually lasts, and only then is the caller told; one that refuses is not asked again. No
//! credential is in an error or a log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig, StaticCredentialProvider};

use super::{Fault, made};
use crate::Error;
use crate::config::{Config, S3};

/// How long a store may be away before a step fails for it.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// The pauses between two tries of a request.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The most that is quoted of what a store says, in characters.
const QUOTED: usize = 300;
const FORMS: &str = "write a directory, file:///directory or s3://bucket/prefix";

/// What `executor.snapshot_store` names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Folder(PathBuf),
    Bucket { bucket: String, prefix: Key },
}

impl Place {
    /// Reads a setting; `ours` is where snapshots are if it is empty. Or says what is wrong.
    fn of(setting: &str, ours: PathBuf) -> Result<Self, String> {
        if setting.is_empty() {
            return Ok(Self::Folder(ours));
        }
        match setting.split_once(':') {
            Some(("s3", rest)) => Self::bucket(rest.strip_prefix("//").unwrap_or_default()),
            Some(("file", rest)) => match rest.strip_prefix("//") {
                Some(path) if path.starts_with('/') => Ok(Self::Folder(path.into())),
                Some(_) | None => Err(format!("its path is not absolute: {FORMS}")),
            },
            Some((_, rest)) if rest.starts_with("//") => {
                Err(format!("its scheme is unknown: {FORMS}"))
            }
            Some(_) | None => Ok(Self::Folder(setting.into())),
        }
    }

    fn bucket(rest: &str) -> Result<Self, String> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '.' | '_');
        if bucket.is_empty() || !bucket.chars().all(is_name) {
            return Err(format!(
                "its bucket is no name of letters, digits, dots, - and _ (credentials and the \
                 endpoint go into executor.s3): {FORMS}"
            ));
        }
        let prefix = Key::parse(prefix.trim_end_matches('/')).map_err(|error| error.to_string())?;
        let bucket = bucket.to_owned();
        Ok(Self::Bucket { bucket, prefix })
    }
}

/// A store that was opened, and what it is called in messages.
pub(super) struct Opened {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) name: String,
}

/// Opens what the configuration names. A bucket isn't asked for yet.
pub(super) fn open(config: &Config, patience: Duration) -> Result<Opened, Error> {
    let ours = config.work_dir.join("snapshots");
    match Place::of(&config.snapshot_store, ours).map_err(Error::SnapshotStore)? {
        Place::Folder(folder) => {
            let folder = made(&folder)?;
            let files = LocalFileSystem::new_with_prefix(&folder);
            let files = files.map_err(|error| Error::SnapshotStore(error.to_string()))?;
            Ok(Opened {
                store: Arc::new(files),
                name: folder.display().to_string(),
            })
        }
        Place::Bucket { bucket, prefix } => {
            runtime::tls::provide();
            let builder = builder(&config.s3, patience)?.with_bucket_name(&bucket);
            let store = builder
                .build()
                .map_err(|error| Error::SnapshotStore(runtime::fault::chain(&error)))?;
            let name = format!("s3://{bucket}/{prefix}");
            Ok(Opened {
                store: Arc::new(PrefixStore::new(store, prefix)),
                name: name.trim_end_matches('/').to_owned(),
            })
        }
    }
}

/// The client of a bucket: what the standard variables say, unless the configuration does.
fn builder(s3: &S3, patience: Duration) -> Result<AmazonS3Builder, Error> {
    runtime::tls::provide();
    let mut builder = AmazonS3Builder::from_env().with_retry(RetryConfig {
        backoff: BackoffConfig {
            init_backoff: FIRST_PAUSE,
            max_backoff: LONGEST_PAUSE,
            base: 2.0,
        },
        // Time is what bounds it.
        max_retries: usize::MAX,
        retry_timeout: patience,
    });
    if !s3.region.is_empty() {
        builder = builder.with_region(&s3.region);
    }
    if !s3.endpoint.is_empty() {
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, &s3.endpoint);
    }
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder = builder.with_allow_http(true);
    }
    match (s3.access_key_id.is_empty(), s3.secret_access_key.is_empty()) {
        (true, true) => Ok(builder),
        (false, false) => Ok(builder.with_credentials(Arc::new(StaticCredentialProvider::new(
            AwsCredential {
                key_id: s3.access_key_id.clone(),
                secret_key: s3.secret_access_key.expose().to_owned(),
                token: (!s3.session_token.is_empty()).then(|| s3.session_token.expose().to_owned()),
            },
        )))),
        (true, false) | (false, true) => Err(Error::SnapshotStore(
            "executor.s3.access_key_id and executor.s3.secret_access_key go together: set both, or \
             neither to use the AWS_ variables"
                .into(),
        )),
    }
}

/// What a store's error means for who has to do something about it.
pub(super) fn fault(name: &str, error: &object_store::Error) -> Fault {
    let said = quoted(error);
    let code = code(&said);
    let why = if !name.starts_with("s3://") {
        format!("{said}: check that the directory is there, may be written and has space")
    } else if is_refusal(error, &said) {
        format!(
            "it refuses our credentials ({code}): check executor.s3.access_key_id and \
             executor.s3.secret_access_key, or the AWS_ variables, and that they may list, read, \
             write and delete there"
        )
    } else if is_absence(error, &said) {
        format!(
            "it isn't there ({code}): check that the bucket exists and executor.snapshot_store \
             names it"
        )
    } else {
        format!(
            "{said}: check that it is up, and executor.snapshot_store, executor.s3.endpoint and \
             executor.s3.region"
        )
    };
    Fault::Store {
        store: name.to_owned(),
        why,
    }
}

// What comes of a list has no kind but only the status in its text.

fn is_refusal(error: &object_store::Error, said: &str) -> bool {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    matches!(error, PermissionDenied { .. } | Unauthenticated { .. })
        || ["401 Unauthorized", "403 Forbidden"]
            .iter()
            .any(|status| said.contains(status))
}

fn is_absence(error: &object_store::Error, said: &str) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) || said.contains("404 Not Found")
}

/// The code in what an S3 server says, such as `NoSuchBucket`.
fn code(said: &str) -> &str {
    let rest = said.split_once("<Code>").map(|(_, rest)| rest);
    let code = rest.and_then(|rest| rest.split_once("</Code>"));
    code.map_or("no reason given", |(code, _)| code)
}

/// The innermost cause, without what all the layers above it repeat.
fn quoted(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().chars().take(QUOTED).collect()
}

/// Removes a file when what it is for is over, however that ends.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(setting: &str) -> Result<Place, String> {
        Place::of(setting, "/ours".into())
    }

    #[test]
    fn a_setting_names_a_directory_or_a_bucket() {
        for (setting, folder) in [
            ("", "/ours"),
            ("some/where", "some/where"),
            ("/a:b", "/a:b"),
            ("file:///a/b", "/a/b"),
        ] {
            assert_eq!(
                place(setting),
                Ok(Place::Folder(folder.into())),
                "{setting}"
            );
        }
        for (setting, bucket, prefix) in [
            ("s3://files", "files", ""),
            ("s3://my.files-1/", "my.files-1", ""),
            ("s3://files/a/b/", "files", "a/b"),
        ] {
            let bucket = bucket.to_owned();
            let prefix = Key::parse(prefix).unwrap();
            assert_eq!(
                place(setting),
                Ok(Place::Bucket { bucket, prefix }),
                "{setting}"
            );
        }
    }

    #[test]
    fn a_setting_that_names_neither_is_refused_without_being_quoted() {
        for setting in [
            "s3:bucket",
            "s3://",
            "s3:///prefix",
            "s3://key:hunter2@bucket/prefix",
            "gs://hunter2",
            "file:a",
            "file://a/b",
        ] {
            let why = place(setting).unwrap_err();
            assert!(!why.contains("hunter2"), "{setting}: {why}");
        }
    }

    #[test]
    fn half_of_the_credentials_is_refused() {
        let s3 = S3 {
            access_key_id: "me".into(),
            ..S3::default()
        };
        let error = builder(&s3, PATIENCE).unwrap_err();
        assert!(
            error.to_string().contains("executor.s3.secret_access_key"),
            "{error}"
        );
    }
}
