//! `reshard completions`: a script that lets a shell complete the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::outcome::Outcome;
use super::output::Output;

/// Print a script that completes reshard's command line in a shell
#[derive(Debug, Args)]
#[command(after_help = "For this session of bash: source <(reshard completions bash)")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArgs, output: &Output) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Cli::command(), "reshard", &mut script);
    output.result(&String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}
