//! The `penstock` program.

use std::process::ExitCode;

/// The keeper comes before everything else: it is started for each step, and has to do nothing
/// else and to be nothing else.
fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|it| it == "keeper") {
        return keeper::main();
    }
    penstock::main()
}
