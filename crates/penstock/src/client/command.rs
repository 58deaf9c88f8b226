//! Obeys the client commands: one file a noun.

mod audit;
mod custody;
mod executors;
mod gates;
mod groups;
mod log;
mod pipelines;
mod runs;
mod schedules;
mod secrets;
mod tokens;
mod tools;
mod transfer;
mod users;
mod watch;

use std::process::ExitCode;

use clap::Args;

use super::args::{Audit, Command, Connection, Secret, Tool, With};
use super::error::Error;
use super::flags;
use super::http::Http;
use super::screen::Screen;

/// The server to ask and the screen to print on.
struct Desk {
    http: Http,
    screen: Screen,
    /// The flags that take another command to the same server.
    flags: String,
}

impl Desk {
    fn open(connection: &Connection) -> Result<Self, Error> {
        Ok(Self {
            http: Http::new(connection)?,
            screen: Screen::open(connection.output),
            flags: flags::of(connection),
        })
    }
}

/// Does what is said and answers the exit code.
pub(super) async fn obey(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Run(said) => return with(said, watch::run).await,
        Command::Apply(said) => with(said, pipelines::apply).await,
        Command::List(said) => with(said, pipelines::list).await,
        Command::Delete(said) => with(said, pipelines::delete).await,
        Command::Stop(said) => with(said, runs::stop).await,
        Command::Resume(said) => with(said, watch::resume).await,
        Command::Approve(said) => {
            with(said, async |desk, said| {
                gates::decide(desk, said, true).await
            })
            .await
        }
        Command::Reject(said) => {
            with(said, async |desk, said| {
                gates::decide(desk, said, false).await
            })
            .await
        }
        Command::Status(said) => with(said, runs::status).await,
        Command::Runs(said) => with(said, runs::runs).await,
        Command::Explain(said) => with(said, runs::explain).await,
        Command::Reset(said) => with(said, runs::reset).await,
        Command::Duplicate(said) => with(said, custody::duplicate).await,
        Command::Transfer(said) => with(said, custody::transfer).await,
        Command::Lock(said) => with(said, custody::lock).await,
        Command::Unlock(said) => with(said, custody::unlock).await,
        Command::Logs(said) => with(said, log::logs).await,
        Command::Import(said) => with(said, transfer::import).await,
        Command::Export(said) => with(said, transfer::export).await,
        Command::Secret(Secret::Set(said)) => with(said, secrets::set).await,
        Command::Secret(Secret::List(said)) => with(said, secrets::list).await,
        Command::Secret(Secret::Delete(said)) => with(said, secrets::delete).await,
        Command::Audit(Audit::Verify(said)) => return with(said, audit::verify).await,
        Command::Audit(Audit::Export(said)) => with(said, audit::export).await,
        Command::Audit(Audit::Keys(said)) => with(said, audit::keys).await,
        Command::Secret(Secret::RotateKey(said)) => with(said, secrets::rotate_key).await,
        Command::Tool(Tool::Add(said)) => with(said, tools::add).await,
        Command::Tool(Tool::List(said)) => with(said, tools::list).await,
        Command::Tool(Tool::Show(said)) => with(said, tools::show).await,
        Command::Tool(Tool::Update(said)) => with(said, tools::update).await,
        Command::Tool(Tool::Transfer(said)) => with(said, tools::transfer).await,
        Command::Tool(Tool::Uses(said)) => with(said, tools::uses).await,
        Command::Tool(Tool::Delete(said)) => with(said, tools::delete).await,
        Command::Schedule(deed) => schedules::obey(deed).await,
        Command::User(deed) => users::obey(deed).await,
        Command::Group(deed) => groups::obey(deed).await,
        Command::Token(deed) => tokens::obey(deed).await,
        Command::Executors(said) => {
            let mut desk = Desk::open(&said.connection)?;
            executors::obey(&mut desk, said.deed).await
        }
    }
    .map(|()| ExitCode::SUCCESS)
}

async fn with<A: Args, T>(
    said: With<A>,
    obey: impl AsyncFnOnce(&mut Desk, A) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut desk = Desk::open(&said.connection)?;
    obey(&mut desk, said.args).await
}

/// Prints facts about one thing, those that there are, one a line.
fn facts(desk: &mut Desk, facts: &[(&str, String)]) -> Result<(), Error> {
    for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        let line = format!("{name:<12} {fact}");
        let line = desk.screen.foreign(&line);
        desk.screen.line(&line)?;
    }
    Ok(desk.screen.flush()?)
}
