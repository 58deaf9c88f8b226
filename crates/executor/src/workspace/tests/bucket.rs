//! Snapshots in a bucket, over the protocol of S3, on a server of others that keeps files.

use std::net::{Ipv4Addr, SocketAddr};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use runtime::config::Secret;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::S3;

const KEY: &str = "penstock";
const SECRET: &str = "hunter2-hunter2";
/// More than is sent in one part.
const LARGE: usize = 20 << 20;

/// A place for a bucket, and the server in front of it while there is one.
struct Cloud {
    folder: TempDir,
    address: SocketAddr,
    serving: JoinSet<()>,
}

impl Cloud {
    /// A server with the bucket `files` that first hangs up on so many callers.
    async fn after(hang_ups: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("cloud");
        fs::create_dir_all(files.join("files")).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            for _ in 0..hang_ups {
                drop(listener.accept().await.unwrap());
            }
            serve(listener, &files).await;
        });
        Self {
            folder,
            address,
            serving,
        }
    }

    /// What an executor of this name is told.
    fn config(&self, machine: &str) -> Config {
        Config {
            snapshot_store: "s3://files/of/runs".into(),
            s3: S3 {
                endpoint: format!("http://{}", self.address),
                access_key_id: KEY.into(),
                secret_access_key: Secret::new(SECRET),
                ..S3::default()
            },
            ..config(&self.folder.path().join(machine), Sharing::Snapshot)
        }
    }

    fn machine(&self, name: &str) -> Workspaces {
        Workspaces::open(&self.config(name)).unwrap()
    }

    /// The objects below the prefix.
    fn saved(&self) -> Vec<PathBuf> {
        let mut saved = Vec::new();
        let folder = self.folder.path().join("cloud/files/of/runs");
        walk::each(&folder, |found| {
            saved.extend(found.meta.is_file().then_some(found.path));
            Ok(())
        })
        .unwrap();
        saved
    }
}

async fn serve(listener: TcpListener, files: &Path) {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(files).unwrap());
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = builder.build();
    let mut connections = JoinSet::new();
    loop {
        let stream: TcpStream = listener.accept().await.unwrap().0;
        let service = service.clone();
        connections.spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A workspace of attempt 1 with a file in it.
async fn written(workspaces: &Workspaces, bytes: &[u8]) -> Workspace {
    let workspace = workspaces.of(RUN, 1).unwrap();
    workspace.ready().await.unwrap();
    fs::write(workspace.path().join("a"), bytes).unwrap();
    workspace
}

#[tokio::test]
async fn a_bucket_carries_a_workspace_to_another_machine_until_its_run_has_ended() {
    let cloud = Cloud::after(0).await;
    let (one, two) = (cloud.machine("one"), cloud.machine("two"));
    // Nothing that could be compressed, so it goes in several parts.
    let large: Vec<u8> = std::iter::repeat_with(rand::random::<u64>)
        .flat_map(u64::to_le_bytes)
        .take(LARGE)
        .collect();
    for text in [&large[..], b"small", &large] {
        let first = written(&one, text).await;
        first.save().await.unwrap();
        assert_eq!(cloud.saved(), [Path::new(RUN).join("0000000001.tar.zst")]);
        let second = two.of(RUN, 2).unwrap();
        second.ready().await.unwrap();
        assert!(fs::read(second.path().join("a")).unwrap() == text);
    }
    assert_eq!(two.snapshots.as_ref().unwrap().runs().await.unwrap(), [RUN]);
    for bench in ["one", "two"].map(|it| cloud.folder.path().join(it).join("own/packing")) {
        assert_eq!(fs::read_dir(bench).unwrap().count(), 0, "left behind");
    }
    two.remove(RUN).await.unwrap();
    one.remove(RUN).await.unwrap();
    assert_eq!(cloud.saved(), Vec::<PathBuf>::new());
    let third = one.of(RUN, 3).unwrap();
    third.ready().await.unwrap();
    assert_eq!(fs::read_dir(third.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_bucket_that_is_away_for_a_while_costs_time_only() {
    let cloud = Cloud::after(3).await;
    let first = written(&cloud.machine("one"), b"text").await;
    first.save().await.unwrap();
    let second = cloud.machine("two").of(RUN, 2).unwrap();
    second.ready().await.unwrap();
    assert_eq!(fs::read(second.path().join("a")).unwrap(), b"text");
}

#[tokio::test]
async fn a_bucket_that_stays_away_is_a_fault_that_says_what_to_change() {
    let mut cloud = Cloud::after(0).await;
    cloud.serving.shutdown().await;
    let patience = Duration::from_millis(300);
    let one = Workspaces::open_with(&cloud.config("one"), patience).unwrap();
    let fault = written(&one, b"text").await.save().await.unwrap_err();
    let said = fault.to_string();
    for word in ["s3://files/of/runs", "refused", "executor.s3.endpoint"] {
        assert!(said.contains(word), "{said}");
    }
    let second = one.of(RUN, 2).unwrap();
    assert!(matches!(second.ready().await, Err(Fault::Store { .. })));
}

#[tokio::test]
async fn a_bucket_that_refuses_is_a_fault_at_once() {
    let cloud = Cloud::after(0).await;
    let told = cloud.config("one");
    let stranger = Config {
        s3: S3 {
            secret_access_key: Secret::new("wrong"),
            ..told.s3.clone()
        },
        ..told.clone()
    };
    let elsewhere = Config {
        snapshot_store: "s3://nowhere".into(),
        ..told
    };
    for (config, what) in [
        (
            stranger,
            "it refuses our credentials (SignatureDoesNotMatch)",
        ),
        (elsewhere, "it isn't there (NoSuchBucket)"),
    ] {
        // The server makes a bucket for whoever writes to it, so it is read from.
        let second = Workspaces::open(&config).unwrap().of(RUN, 2).unwrap();
        let began = std::time::Instant::now();
        let said = second.ready().await.unwrap_err().to_string();
        assert!(began.elapsed() < store::PATIENCE / 2);
        assert!(said.contains(what) && !said.contains("wrong"), "{said}");
    }
}
