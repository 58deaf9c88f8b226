//! The penstock program: all wiring, and the client commands.
//!
//! - [`role`]: the services that a process can have, and whom each calls.
//! - [`config`]: the configuration of a process, composed of the services' own.
//! - [`node`]: a process that has some roles: places them in call order, drains them.
//! - [`plugins`]: which plug-ins are native.
//! - [`cli`], [`client`]: the command line, and the commands to a server.
//!
//! **Invariant:** a wrong key or value of the configuration is said before a port is bound.

pub mod cli;
pub mod client;
pub mod config;
pub mod node;
pub mod plugins;
pub mod role;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use runtime::fault;
use runtime::telemetry::Telemetry;

use cli::{Cli, Command, ServerArgs};
use config::Config;
use node::Ended;
use role::Role;

/// The exit code of wrong usage or configuration (`EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// The exit code of a server that was told twice to end.
const INTERRUPTED: u8 = 130;

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to do when even this can't be printed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match cli.command {
        Command::Up(args) => serve(&args, Role::ALL.into(), Shape::AllInOne),
        Command::Serve(args) => {
            let roles = args.services.iter().copied().collect();
            serve(&args.server, roles, Shape::Spread)
        }
        Command::Config(args) => print_config(&args),
        Command::Plugins => print(&plugins::table()),
        Command::Client(command) => client::main(command),
    }
}

/// Whether peers are expected outside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// None: `up`.
    AllInOne,
    /// Some: `serve`.
    Spread,
}

fn print_config(args: &ServerArgs) -> ExitCode {
    let outcome = Config::load(args.config.as_deref(), args.layer());
    // What is printed is what was said; what `up` refuses isn't.
    let checked = outcome.and_then(|config| {
        let _ = config.clone().checked(&Role::ALL.into(), Shape::AllInOne)?;
        config.shown()
    });
    match checked {
        Ok(text) => print(&text),
        Err(error) => fail(USAGE, &error),
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(args: &ServerArgs, roles: BTreeSet<Role>, shape: Shape) -> ExitCode {
    let config = Config::load(args.config.as_deref(), args.layer());
    let config = match config.and_then(|config| config.checked(&roles, shape)) {
        Ok(config) => config,
        Err(error) => return fail(USAGE, &error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.workers)
        .thread_name("penstock")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    let entered = runtime.enter();
    let telemetry = match Telemetry::start(&config.telemetry, &names) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(USAGE, &error),
    };
    drop(entered);
    let outcome = runtime.block_on(node::run(config, roles, shape, &telemetry));
    if let Ok(Ended::Forced) = outcome {
        runtime.shutdown_background();
        return ExitCode::from(INTERRUPTED);
    }
    // The exporter sends over the runtime and blocks: here, outside of it, it may.
    telemetry.shutdown();
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

fn fail(code: u8, error: &(dyn std::error::Error + 'static)) -> ExitCode {
    // Nothing is left to do when even this can't be printed.
    let _ = writeln!(io::stderr(), "error: {}", fault::chain(error));
    ExitCode::from(code)
}
