//! The command line: what can be said, and the help that teaches it.

use std::net::SocketAddr;
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
  penstock explain hello                 why it waits, runs or ended
  penstock approve NAME                  let a run go on that waits for people
`penstock COMMAND --help` has examples of each.

Exit codes:
   0  done; with `run --follow`: the run succeeded, perhaps with warnings
   1  it failed; with `run --follow`: the run failed
   3  with `run --follow`: the run was stopped
  64  wrong usage or configuration
  69  the server can't be reached
 130  interrupted";

/// How configuration comes about, below examples of a command.
macro_rules! with_configuration {
    ($examples:literal) => {
        concat!(
            $examples,
            "\n\nConfiguration comes in layers: defaults, then the file of --config (TOML), then the \
             environment\n(PENSTOCK_SCHEDULER__LEASE=10s sets `lease` of [scheduler]), then flags. \
             `penstock config` prints\nthe result."
        )
    };
}

const UP: &str = with_configuration!(
    "\
Examples:
  penstock up
  penstock up --data-dir /srv/penstock --listen 127.0.0.1:9090
  PENSTOCK_DATABASE__URL=postgres://… PENSTOCK_BUS__URL=kafka://… penstock up

Ctrl-C ends it in order: running steps get their grace period; a second Ctrl-C ends it at once."
);

const SERVE: &str = with_configuration!(
    "\
Examples:
  penstock serve pipeline --config deploy/config/spread.toml
  penstock serve gateway executor --config deploy/config/spread.toml

What each service needs, unless those it calls are in the same process:
  registry    a database, the bus, the administrator's token, a key for secrets
  audit-log   a database, the bus
  pipeline    a database, the bus; calls registry
  scheduler   a database, the bus; calls pipeline
  executor    the bus, a data directory of its own; calls scheduler and pipeline
  gateway     the bus; calls pipeline, registry, scheduler and audit-log
A database is [database] url, the bus [bus] url, a peer [peers] NAME = \"http://host:port\"; off
loopback peers need PENSTOCK_PEER_KEY, the same for all. deploy/config/spread.toml shows all of them."
);

const CONFIG: &str = with_configuration!(
    "\
Examples:
  penstock config
  penstock config --config deploy/config/single.toml
What a server would refuse is refused here too."
);

const PLUGINS: &str = "\
Examples:
  penstock plugins
Any other plug-in is an executable of its name in the directory that executor.plugins names, as
docs/plugins.md says.";

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
    #[command(after_help = UP)]
    Up(ServerArgs),
    /// Run some of the services, to be one of several processes
    #[command(after_help = SERVE)]
    Serve(ServeArgs),
    /// Check the configuration that a server would have, and print it as TOML with secrets hidden
    #[command(after_help = CONFIG)]
    Config(ServerArgs),
    /// Show which plug-ins (DPUs) are carried out natively, and their ports
    #[command(after_help = PLUGINS)]
    Plugins,
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
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub listen: Option<String>,
    /// The address of gRPC, for peers [default of `serve`: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
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

fn address(text: &str) -> Result<String, String> {
    match text.parse::<SocketAddr>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write an IP address and a port, as 127.0.0.1:8080 or [::]:8080".into()),
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
    fn every_command_teaches_by_example() {
        fn check(command: &clap::Command, path: &str) {
            for below in command
                .get_subcommands()
                .filter(|it| it.get_name() != "list")
            {
                let path = format!("{path} {}", below.get_name());
                let taught = below.get_after_help().map(ToString::to_string);
                let taught = taught.unwrap_or_default();
                assert!(
                    taught.contains("Example") && taught.contains(&path),
                    "{path}"
                );
                check(below, &path);
            }
        }
        check(&Cli::command(), "penstock");
    }

    #[test]
    fn where_the_server_is_may_stand_before_and_behind_a_deed() {
        for said in [
            &["penstock", "executors", "--server", "a:1", "drain", "one"][..],
            &[
                "penstock",
                "executors",
                "drain",
                "one",
                "--wait",
                "--server",
                "a:1",
            ],
        ] {
            let Command::Client(client::Command::Executors(args)) =
                Cli::try_parse_from(said).unwrap().command
            else {
                panic!("not executors")
            };
            assert_eq!(args.connection.server.as_deref(), Some("a:1"));
            assert!(args.deed.is_some());
        }
    }

    #[test]
    fn wrong_client_commands_are_refused() {
        for wrong in [
            &["penstock", "run"][..],
            &["penstock", "run", "a", "-p", "novalue"],
            &["penstock", "stop", "a", "--mode", "gently"],
            &["penstock", "logs", "a", "--run", "0"],
            &["penstock", "apply"],
            &["penstock", "executors", "drain"],
            &["penstock", "up", "--listen", "localhost"],
        ] {
            assert!(Cli::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
