//! The command line: what can be said, and the help that teaches it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

use crate::client;
use crate::role::Role;

const TEACH: &str = "\
Begin with:
  penstock up                            all six services in this process, data in ./penstock-data
and in another terminal:
  penstock apply -f examples/hello.yaml  make a pipeline, or a new version of it
  penstock run hello --follow            run it and watch its output
  penstock logs hello                    read what its latest run said
  penstock stop hello                    let the running step finish, then end

Exit codes:
   0  done; with `run --follow`: the run succeeded, perhaps with warnings
   1  it failed; with `run --follow`: the run failed
   3  with `run --follow`: the run was stopped
  64  wrong usage or configuration
  69  the server can't be reached
 130  interrupted";

const CONFIGURATION: &str = "\
Configuration comes in layers: defaults, then the file of --config (TOML), then the environment
(PENSTOCK_SCHEDULER__LEASE=10s sets `lease` of [scheduler]), then flags. `penstock config` prints
the result.";

/// Runs pipelines, and can always say what became of them.
#[derive(Debug, Parser)]
#[command(name = "penstock", version, max_term_width = 100, after_help = TEACH)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all six services in this process, with nothing to install
    #[command(after_help = CONFIGURATION)]
    Up(ServerArgs),
    /// Run some of the services, to be one of several processes
    #[command(after_help = CONFIGURATION)]
    Serve(ServeArgs),
    /// Print the configuration that a server would have, as TOML, with secrets hidden
    #[command(after_help = CONFIGURATION)]
    Config(ServerArgs),
    /// Commands to a server.
    #[command(flatten)]
    Client(client::Command),
}

/// Which services to run.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The services of this process
    #[arg(required = true, value_enum)]
    pub services: Vec<Role>,
    /// How.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What a server can be told on the command line.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct ServerArgs {
    /// A configuration file (TOML); deploy/config has commented examples
    #[arg(long, env = "PENSTOCK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where data is kept [default: ./penstock-data]
    #[arg(long, value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,
    /// The address of HTTP; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The address of gRPC, for peers [default of `serve`: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS")]
    pub grpc_listen: Option<String>,
    /// What is logged: error, warn, info, debug, or for instance warn,pipeline=debug
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines look: text or json
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl ServerArgs {
    /// The layer of configuration that holds only what was said.
    pub fn layer(&self) -> Value {
        let mut layer = json!({});
        let mut say = |path: &[&str], value: Option<String>| {
            if let Some(value) = value {
                let place = path.iter().fold(&mut layer, |at, key| &mut at[*key]);
                *place = value.into();
            }
        };
        let data_dir = self.data_dir.as_ref();
        say(&["data_dir"], data_dir.map(|it| it.display().to_string()));
        say(&["gateway", "listen"], self.listen.clone());
        say(&["grpc", "listen"], self.grpc_listen.clone());
        say(&["telemetry", "log"], self.log.clone());
        say(&["telemetry", "log_format"], self.log_format.clone());
        layer
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_what_was_said_becomes_a_layer() {
        let cli = Cli::try_parse_from(["penstock", "up", "--listen", "127.0.0.1:0"]).unwrap();
        let Command::Up(args) = cli.command else {
            panic!("not up: {cli:?}")
        };
        assert_eq!(args.layer(), json!({"gateway": {"listen": "127.0.0.1:0"}}));
    }

    #[test]
    fn services_are_said_by_name() {
        let said = ["penstock", "serve", "scheduler", "audit-log"];
        let Command::Serve(args) = Cli::try_parse_from(said).unwrap().command else {
            panic!("not serve")
        };
        assert_eq!(args.services, [Role::Scheduler, Role::AuditLog]);
        assert!(Cli::try_parse_from(["penstock", "serve"]).is_err());
        assert!(Cli::try_parse_from(["penstock", "serve", "kitchen"]).is_err());
    }

    #[test]
    fn wrong_client_commands_are_refused() {
        for wrong in [
            &["penstock", "run"][..],
            &["penstock", "run", "a", "-p", "novalue"],
            &["penstock", "stop", "a", "--mode", "gently"],
            &["penstock", "logs", "a", "--run", "0"],
            &["penstock", "apply"],
        ] {
            assert!(Cli::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
