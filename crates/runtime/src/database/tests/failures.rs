//! What a store does when a commit fails and when its disk is full.

use std::process::Command;

use super::*;

/// Two notes that must know each other by the commit.
const LINKED: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (parent \
                      INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)";
/// What a large note holds, in bytes.
const LARGE: usize = 64 * 1024;

async fn run(database: &Database, sql: &str) -> Result<(), DbErr> {
    let tx = database.begin().await?;
    tx.execute_unprepared(sql).await?;
    tx.commit().await
}

#[tokio::test]
async fn a_failed_commit_fails_everything_in_it_and_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path()).await;
    run(&database, LINKED).await.unwrap();
    for round in 0..3 {
        // All three wait for the one writer, so they are one group.
        let together = [
            format!("INSERT INTO note VALUES ({round}1)"),
            "INSERT INTO child VALUES (404)".to_owned(),
            format!("INSERT INTO note VALUES ({round}2)"),
        ];
        let together = together.iter().map(|sql| run(&database, sql));
        for outcome in futures::future::join_all(together).await {
            let error = outcome.unwrap_err();
            assert!(error.to_string().contains("FOREIGN KEY"), "{error}");
        }
        run(&database, &format!("INSERT INTO note VALUES ({round})"))
            .await
            .unwrap();
    }
    assert_eq!(notes(&database).await, [0, 1, 2], "nothing half done");
}

#[tokio::test]
async fn an_undone_group_is_told_to_try_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path()).await;
    // A rollback of all is what SQLite does by itself when it finds the disk full in a statement.
    let undone = async {
        let tx = database.begin().await?;
        tx.execute_unprepared("ROLLBACK").await?;
        tx.commit().await
    };
    let first = run(&database, "INSERT INTO note VALUES (1)");
    let last = run(&database, "INSERT INTO note VALUES (3)");
    let (first, undone, last) = tokio::join!(first, undone, last);
    assert!(undone.is_err());
    assert!(is_away(&first.unwrap_err()));
    last.unwrap();
    assert_eq!(notes(&database).await, [3]);
}

#[tokio::test]
async fn a_file_that_may_not_grow_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path()).await;
    run(&database, "CREATE TABLE large (id INTEGER, content BLOB)")
        .await
        .unwrap();
    note(&database, 1).await.unwrap().commit().await.unwrap();
    run(&database, "PRAGMA max_page_count = 20").await.unwrap();
    let large = format!("INSERT INTO large VALUES (1, zeroblob({}))", 4 * LARGE);
    let refused = run(&database, &large).await.unwrap_err();
    assert_eq!(full(&refused), Some(Disk::Own), "{refused}");
    assert!(is_away(&refused));
    let status = crate::fault::status(&Failed::Store(refused));
    assert_eq!(status.code(), tonic::Code::Unavailable);
    let reason = crate::fault::reason(&status);
    assert_eq!(reason.as_deref(), Some(crate::fault::DISK_FULL));
    assert!(status.message().contains("make room"), "{status:?}");
    assert_eq!(notes(&database).await, [1], "it still reads");
    run(&database, "PRAGMA max_page_count = 1000000")
        .await
        .unwrap();
    run(&database, &large).await.unwrap();
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the store failed")]
    Store(#[source] DbErr),
}

impl crate::Fault for Failed {
    fn kind(&self) -> crate::Kind {
        crate::Kind::Internal
    }

    fn reason(&self) -> &'static str {
        "STORE"
    }
}

#[tokio::test]
async fn a_full_disk_of_the_database_server_is_told_from_our_own() {
    let Some(url) = crate::config::variable("TEST_POSTGRES") else {
        return;
    };
    let ready = Readiness::new();
    let database = Database::open::<Older>(&url, "testing", &ready);
    let database = database.await.unwrap();
    let refused = run(&database, "DO $$ BEGIN RAISE disk_full; END $$").await;
    let refused = refused.unwrap_err();
    assert_eq!(full(&refused), Some(Disk::Server), "{refused}");
    assert!(is_away(&refused));
    run(&database, "SELECT 1").await.unwrap();
}

/// A small disk; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None, loudly, where this user can't mount.
    fn mount(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .status();
        if mounted.is_ok_and(|it| it.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: no small disk can be mounted here (that takes root)");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_forgets_nothing_until_there_is_room() {
    let Some(disk) = SmallDisk::mount(6) else {
        return;
    };
    let database = open(disk.0.path()).await;
    run(&database, "CREATE TABLE large (id INTEGER, content BLOB)")
        .await
        .unwrap();
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 2 * 1024 * 1024]).unwrap();
    let mut accepted = Vec::new();
    let mut refusals = 0;
    for round in 0..40 {
        // Four at a time share a commit, each with a note and something large.
        let writes = (0..4).map(|number| {
            let (database, id) = (database.clone(), round * 4 + number);
            async move {
                let tx = note(&database, id).await?;
                let large = format!("INSERT INTO large VALUES ({id}, randomblob({LARGE}))");
                tx.execute_unprepared(&large).await?;
                tx.commit().await.map(|()| id)
            }
        });
        for outcome in futures::future::join_all(writes).await {
            match outcome {
                Ok(id) => accepted.push(id),
                Err(error) => {
                    assert!(is_away(&error), "{error}");
                    refusals += usize::from(full(&error) == Some(Disk::Own));
                }
            }
        }
        assert_eq!(notes(&database).await, accepted, "round {round}");
    }
    assert!(refusals > 0, "the disk was never full");
    std::fs::remove_file(ballast).unwrap();
    note(&database, 1000).await.unwrap().commit().await.unwrap();
    accepted.push(1000);
    drop(database);
    let again = open(disk.0.path()).await;
    assert_eq!(notes(&again).await, accepted);
}
