//! I12: the value of a secret is nowhere, in no form: not in a file or a table, on no topic, in no log,
//! no trace and no answer.

use std::fs;
use std::path::{Path, PathBuf};

use super::facts::Facts;
use crate::canary::Canary;
use crate::rows::{Rows, SERVICES};
use crate::world::World;

pub(super) async fn violations(world: &World, facts: &Facts) -> Vec<String> {
    let mut search = Search {
        canary: world.watch().canary(),
        found: world.watch().places(),
    };
    search.files(world.dir());
    search.bus(facts);
    search.log(facts);
    for service in SERVICES {
        search.tables(world, service).await;
    }
    let told = |place: String| format!("I12: a secret's value is in {place}");
    search.found.into_iter().map(told).collect()
}

struct Search<'w> {
    canary: &'w Canary,
    found: Vec<String>,
}

impl Search<'_> {
    fn look(&mut self, place: impl FnOnce() -> String, bytes: &[u8]) {
        if let Some(form) = self.canary.form_in(bytes) {
            self.found.push(format!("{} ({form})", place()));
        }
    }

    /// Everything below the world's folder: embedded stores and their logs, spools, workspaces,
    /// snapshots, what the processes wrote.
    fn files(&mut self, dir: &Path) {
        for file in files(dir) {
            let bytes = fs::read(&file).unwrap_or_default();
            self.look(|| file.display().to_string(), &bytes);
        }
    }

    fn bus(&mut self, facts: &Facts) {
        for told in &facts.told {
            let on = || format!("a {} on {}", told.kind, told.topic);
            self.look(on, &told.payload);
            self.look(
                || format!("the headers of {}", on()),
                told.headers.as_bytes(),
            );
            self.look(|| format!("the key of {}", on()), told.key.as_bytes());
        }
    }

    fn log(&mut self, facts: &Facts) {
        for chunk in &facts.chunks {
            for entry in super::log::entries(chunk) {
                let place = || format!("entry {} of {}", entry.seq, chunk.run_id);
                self.look(place, entry.message.as_bytes());
            }
        }
    }

    /// Every column of every table of a service, whatever its type.
    async fn tables(&mut self, world: &World, service: &str) {
        let rows = Rows::of(world, service).await;
        for (table, column) in rows.columns().await {
            for value in rows.values(&table, &column).await {
                self.look(|| format!("{table}.{column} of {service}"), &value);
            }
        }
        rows.close().await;
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                dirs.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files
}
