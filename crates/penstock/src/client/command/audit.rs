//! Commands about records of who did what: export them, verify them.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::ExitCode;

use audit_log::ledger::Book;
use audit_log::ledger::checkpoint::PublicKey;
use audit_log::ledger::verify::{Broken, Chain, Report, Verifier};
use jiff::Timestamp;
use reqwest::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Desk;
use crate::client::api;
use crate::client::args::Nothing;
use crate::client::args::audit::{Span, Verify};
use crate::client::error::Error;
use crate::client::path::query;
use crate::client::table::Table;

const EXPORT: &str = "/api/v2/audit/export";
const KEYS: &str = "/api/v2/audit/keys";
/// The longest line of an export, in bytes.
const LONGEST_LINE: usize = 16 * 1024 * 1024;
/// What is read of a file at once.
const PIECE: usize = 64 * 1024;
/// What the last line of an export is.
const LAST_LINE: &[u8] = b"{\"kind\":\"end\"";

/// Prints an export as it comes.
pub(super) async fn export(desk: &mut Desk, said: Span) -> Result<(), Error> {
    let mut answer = asked(desk, &said).await?;
    let mut lines = Lines::default();
    let mut is_whole = false;
    while let Some(piece) = next(&mut answer).await? {
        desk.screen.bytes(&piece)?;
        lines.add(&piece);
        lines.each(|line| {
            is_whole = line.starts_with(LAST_LINE);
            Ok(())
        })?;
    }
    desk.screen.flush()?;
    if is_whole {
        return Ok(());
    }
    Err(nonsense("the export is cut off: ask again"))
}

/// Lists the keys that sign.
pub(super) async fn keys(desk: &mut Desk, _: Nothing) -> Result<(), Error> {
    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Signing {
        id: String,
        public_key: String,
        since: Option<Timestamp>,
    }
    let answer = desk.http.get(KEYS).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let mut table = Table::new(&["KEY", "SINCE", "PUBLIC KEY"]);
    for key in answer["keys"].as_array().into_iter().flatten() {
        let key: Signing = api::parse(key)?;
        let since = key.since.map(|it| format!("{it:.0}")).unwrap_or_default();
        table.row([key.id.into(), since.into(), key.public_key.into()]);
    }
    Ok(desk.screen.table(&table)?)
}

/// Verifies an export, or what the server has. The exit code is 1 if a record was changed.
pub(super) async fn verify(desk: &mut Desk, said: Verify) -> Result<ExitCode, Error> {
    let keys = trusted(&said.keys)?;
    let is_pinned = !keys.is_empty();
    let verifier = Verifier::new(keys);
    let found = match &said.file {
        Some(file) => of_file(file, verifier)?,
        None => of_server(desk, &said.span, verifier).await?,
    };
    match found {
        Ok(report) => {
            tell(desk, &report, is_pinned)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => {
            tell_broken(desk, &broken)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn of_file(file: &Path, mut verifier: Verifier) -> Result<Result<Report, Broken>, Error> {
    let name = file.display().to_string();
    let failed = |why| Error::File(name.clone(), why);
    let mut source: Box<dyn Read> = if name == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?)
    };
    let (mut lines, mut piece) = (Lines::default(), vec![0; PIECE]);
    loop {
        let length = source.read(&mut piece).map_err(failed)?;
        if length == 0 {
            return Ok(lines.last(&mut verifier).and_then(|()| verifier.finish()));
        }
        lines.add(&piece[..length]);
        if let Err(broken) = lines.verify(&mut verifier)? {
            return Ok(Err(broken));
        }
    }
}

async fn of_server(
    desk: &Desk,
    span: &Span,
    mut verifier: Verifier,
) -> Result<Result<Report, Broken>, Error> {
    let mut answer = asked(desk, span).await?;
    let mut lines = Lines::default();
    while let Some(piece) = next(&mut answer).await? {
        lines.add(&piece);
        if let Err(broken) = lines.verify(&mut verifier)? {
            return Ok(Err(broken));
        }
    }
    Ok(lines.last(&mut verifier).and_then(|()| verifier.finish()))
}

async fn asked(desk: &Desk, span: &Span) -> Result<Response, Error> {
    let path = format!("{EXPORT}{}", query(&span.pairs()));
    desk.http.download(&path).await
}

async fn next(answer: &mut Response) -> Result<Option<Vec<u8>>, Error> {
    let piece = answer.chunk().await;
    let piece = piece.map_err(|error| nonsense(&runtime::fault::chain(&error)))?;
    Ok(piece.map(|it| it.to_vec()))
}

fn nonsense(why: &str) -> Error {
    Error::Nonsense {
        server: "the server".into(),
        why: why.into(),
    }
}

/// Keys as they are said, or out of files.
fn trusted(said: &[String]) -> Result<Vec<PublicKey>, Error> {
    let mut keys = Vec::new();
    for said in said {
        if let Some(key) = PublicKey::of_hex(said) {
            keys.push(key);
            continue;
        }
        let text = std::fs::read_to_string(said);
        let text = text.map_err(|why| Error::File(said.clone(), why))?;
        for line in text.lines().filter(|it| !it.trim().is_empty()) {
            let wrong =
                || Error::Usage(format!("{said} holds no public keys: 64 hex digits a line"));
            keys.push(PublicKey::of_hex(line).ok_or_else(wrong)?);
        }
    }
    Ok(keys)
}

/// Lines out of pieces.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn add(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    /// Takes the whole lines that are there.
    fn each(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let mut begin = 0;
        while let Some(length) = self.0[begin..].iter().position(|it| *it == b'\n') {
            take(&self.0[begin..begin + length])?;
            begin += length + 1;
        }
        self.0.drain(..begin);
        if self.0.len() > LONGEST_LINE {
            return Err(nonsense("a line is too long for an export"));
        }
        Ok(())
    }

    fn verify(&mut self, verifier: &mut Verifier) -> Result<Result<(), Broken>, Error> {
        let mut found = Ok(());
        self.each(|line| {
            if found.is_ok() {
                found = verifier.read(&String::from_utf8_lossy(line));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// What is left is a line, too.
    fn last(&self, verifier: &mut Verifier) -> Result<(), Broken> {
        if self.0.is_empty() {
            return Ok(());
        }
        verifier.read(&String::from_utf8_lossy(&self.0))
    }
}

fn tell(desk: &mut Desk, report: &Report, is_pinned: bool) -> Result<(), Error> {
    if desk.screen.is_for_programs() {
        let chains = report.chains.iter().map(|(book, chain)| {
            json!({
                "book": book.name(), "after": chain.base, "through": chain.position,
                "records": chain.records, "signedThrough": chain.signed,
                "unsignedRecords": chain.unsigned_records,
            })
        });
        let chains: Vec<Value> = chains.collect();
        let told = json!({
            "whole": true, "account": report.account, "chains": chains, "keys": report.keys,
            "keysWereGiven": is_pinned,
        });
        return Ok(desk.screen.json(&told)?);
    }
    for (book, chain) in &report.chains {
        let line = sentence(book.name(), chain);
        desk.screen.line(&format!("{}: {line}", report.account))?;
    }
    if report.chains.is_empty() {
        desk.screen
            .line(&format!("{}: there are no records", report.account))?;
    }
    let keys: Vec<&str> = report.keys.iter().map(String::as_str).collect();
    if !keys.is_empty() {
        desk.screen
            .line(&format!("signed with {}", keys.join(", ")))?;
    }
    desk.screen.flush()?;
    if !is_pinned && !keys.is_empty() {
        let line = "the keys are those that came with the records: --key says which are trusted \
                    (`penstock audit keys` lists them; keep them elsewhere)\n";
        std::io::stderr().write_all(line.as_bytes())?;
    }
    Ok(())
}

fn sentence(book: &str, chain: &Chain) -> String {
    let from = match chain.base {
        0 => "from the first on".to_owned(),
        base => format!("from behind checkpoint {base} on"),
    };
    let records = chain.records;
    let signed = match (chain.signed_at_ms, chain.unsigned_records) {
        (None, _) => "nothing is signed yet".to_owned(),
        (Some(ms), unsigned) => {
            let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
            let rest = if unsigned == 0 {
                String::new()
            } else {
                format!(", {unsigned} records behind that not yet")
            };
            format!("signed through {} at {at:.0}{rest}", chain.signed)
        }
    };
    format!("{book} are whole {from}: {records} records, {signed}")
}

fn tell_broken(desk: &mut Desk, broken: &Broken) -> Result<(), Error> {
    if desk.screen.is_for_programs() {
        let told = json!({
            "whole": false, "line": broken.line, "book": broken.book.map(Book::name), "position": broken.position,
            "records": broken.ids, "why": broken.why,
        });
        return Ok(desk.screen.json(&told)?);
    }
    desk.screen.line(&format!("broken at {broken}"))?;
    Ok(desk.screen.flush()?)
}
