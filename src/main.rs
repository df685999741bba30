//! The `reshard` binary: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    reshard::cli::main(std::env::args_os())
}
