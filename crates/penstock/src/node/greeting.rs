//! What a process says when it is ready: to a person where it is and what to try, else a log line.

use std::io::{self, Write as _};
use std::path::Path;

use super::ground::Ground;
use crate::Shape;
use crate::client::flags::quoted;
use crate::config::Config;

/// Says that the process is ready.
pub(super) fn say(shape: Shape, config: &Config, ground: &Ground) -> io::Result<()> {
    tracing::info!(http.address = ground.url, "ready");
    if shape == Shape::AllInOne {
        let mut out = io::stdout().lock();
        out.write_all(greeting(config, &ground.url).as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

fn greeting(config: &Config, url: &str) -> String {
    let program = program();
    let token = if config.registry.admin_token.is_empty() {
        let file = shortest(&config.registry.admin_token_file);
        format!("in {file}")
    } else {
        "the configured one".to_owned()
    };
    // Elsewhere than in ./penstock-data the commands must be told where.
    let default = std::path::absolute("penstock-data").unwrap_or_default();
    let data_dir = if config.data_dir == default {
        String::new()
    } else {
        format!(" --data-dir {}", quoted(&shortest(&config.data_dir)))
    };
    format!(
        "penstock is ready at {url} (token: {token})\n\
         try, in another terminal:\n  \
         {program} apply -f examples/hello.yaml{data_dir}\n  \
         {program} run hello --follow{data_dir}\n\
         Ctrl-C ends it in order\n"
    )
}

/// How this program was called.
fn program() -> String {
    std::env::args_os()
        .next()
        .map_or_else(|| "penstock".into(), |it| it.display().to_string())
}

/// The path as seen from the working directory, if it lies below that.
fn shortest(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}
