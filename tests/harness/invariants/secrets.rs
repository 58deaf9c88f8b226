//! I12: the value of a secret is nowhere, in no form: not in a file, a table, a topic or a log.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use sea_orm::FromQueryResult;

use super::facts::Facts;
use crate::rows::{Rows, SERVICES};
use crate::world::World;

#[derive(Debug, FromQueryResult)]
struct Text {
    text: String,
}

pub(super) async fn violations(world: &World, facts: &Facts) -> Vec<String> {
    let forms = forms(world.canary());
    let mut violations = Vec::new();
    let mut look = |place: &str, bytes: &[u8]| {
        let found = forms.iter().find(|form| has(bytes, form));
        violations.extend(found.map(|_| format!("I12: a secret's value is in {place}")));
    };
    for file in files(world.dir()) {
        look(
            &file.display().to_string(),
            &fs::read(&file).unwrap_or_default(),
        );
    }
    for told in &facts.told {
        look(&format!("a {} on {}", told.kind, told.topic), &told.payload);
        look(
            &format!("the headers of a {} on {}", told.kind, told.topic),
            told.headers.as_bytes(),
        );
    }
    for chunk in &facts.chunks {
        for entry in super::log::entries(chunk) {
            look(
                &format!("entry {} of {}", entry.seq, chunk.run_id),
                entry.message.as_bytes(),
            );
        }
    }
    for service in SERVICES
        .into_iter()
        .filter(|_| world.place().postgres.is_some())
    {
        for (table, text) in tables(world, service).await {
            look(&format!("the table {table} of {service}"), text.as_bytes());
        }
    }
    violations
}

/// The forms in which a value could get out.
pub(super) fn forms(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let encoded: String = url_encoded(value);
    let mut forms = vec![
        value.to_owned(),
        json.trim_matches('"').to_owned(),
        encoded.replace("%20", "+"),
        encoded,
    ];
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(value));
    }
    forms
}

fn url_encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    value.bytes().map(encode).collect()
}

fn has(bytes: &[u8], form: &str) -> bool {
    memchr::memmem::find(bytes, form.as_bytes()).is_some()
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

/// Every table of a service's schema, as text.
async fn tables(world: &World, service: &str) -> Vec<(String, String)> {
    let rows = Rows::of(world, service).await;
    let sql = "SELECT table_name::text AS text FROM information_schema.tables \
               WHERE table_schema = current_schema()";
    let names: Vec<Text> = rows.all(sql).await;
    let mut tables = Vec::new();
    for Text { text: name } in names {
        let lines: Vec<Text> = rows
            .all(&format!("SELECT t::text AS text FROM {name} t"))
            .await;
        let text: Vec<String> = lines.into_iter().map(|it| it.text).collect();
        tables.push((name, text.join("\n")));
    }
    rows.close().await;
    tables
}
