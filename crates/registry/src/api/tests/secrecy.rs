//! What is never seen of a secret.

use std::fmt::Write as _;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The canary is looked for in the log at its most talkative, in answers and in every file.
#[tokio::test]
async fn no_value_is_found_in_logs_answers_or_files() {
    const CANARY: &str = "canary-0f8e2d";
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    for world in World::each().await {
        let mut client = world.registry().await;
        let asked = put("default", "api-token", CANARY.as_bytes());
        let mut seen = format!("{asked:?} {:?}", world.config);
        let _ = write!(seen, "{:?}", client.put_secret(asked).await);
        let _ = write!(
            seen,
            "{:?}",
            client.put_secret(put("a", "b c", CANARY.as_bytes())).await
        );
        let _ = write!(
            seen,
            "{:?}",
            client
                .reveal_secrets(reveal("default", &["api-token"]))
                .await
        );
        let _ = write!(seen, "{:?}", heard::<SecretChanged>(&world).await);
        let wrong = AuthenticateRequest {
            token: format!("{CANARY}-{CANARY}"),
        };
        let _ = write!(
            seen,
            "{wrong:?} {:?}",
            client.authenticate(wrong.clone()).await
        );
        assert!(
            !seen.contains(CANARY) && !seen.contains("[99, 97, 110"),
            "{seen}"
        );
        assert_files_lack(world.folder.path(), CANARY.as_bytes());
        let log = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
        assert!(log.contains("secrets are revealed"), "{log}");
        assert!(!log.contains(CANARY) && !log.contains(&world.token()));
    }
}

pub(super) fn assert_files_lack(folder: &std::path::Path, needle: &[u8]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_files_lack(&path, needle);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(needle.len()).any(|it| it == needle);
            assert!(!found, "{}", path.display());
        }
    }
}
