//! The command line: flags in, results on stdout, progress and logs on stderr, an exit code out.
//!
//! Shells wire and never decide: each subcommand reads its files, asks the layers below, and shows
//! what they say.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use self::outcome::Outcome;
use self::output::{ColorChoice, Output};
use crate::sandbox::SandboxOptions;
use crate::telemetry::{self, LogFormat, LogLevel};

mod apply;
mod approve;
mod approved;
mod aws;
mod completions;
mod crd;
mod decide;
mod demo;
mod documents;
mod heed;
mod inspect;
mod narrator;
mod operator;
mod outcome;
mod output;
mod pass_lines;
mod plan;
mod run;
mod sandbox;
mod selection;
mod signals;
mod simulate;
mod standing;
mod status;

/// What stands under each help text.
const AFTER_HELP: &str = "\
AWS credentials, regions and endpoints come as every AWS tool takes them: AWS_PROFILE, AWS_REGION, \
AWS_ENDPOINT_URL, roles of instances and pods. Logs go to stderr; RESHARD_LOG=reshard=debug filters them.";

/// Keeps the shards of Amazon Kinesis data streams matched to their load
#[derive(Debug, Parser)]
#[command(name = "reshard", version, about, after_help = AFTER_HELP, max_term_width = 100)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalFlags,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every subcommand takes.
#[derive(Debug, Args)]
struct GlobalFlags {
    /// Log more: -v what is done, -vv why, -vvv everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Output")]
    verbose: u8,
    /// Log from this severity on
    #[arg(long, value_name = "LEVEL", global = true, conflicts_with = "verbose", help_heading = "Output")]
    log_level: Option<LogLevel>,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", default_value = "text", global = true, help_heading = "Output")]
    log_format: LogFormat,
    /// When to use colors; NO_COLOR is honoured
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, help_heading = "Output")]
    color: ColorChoice,
}

impl GlobalFlags {
    fn level(&self) -> Option<LogLevel> {
        match (self.log_level, self.verbose) {
            (Some(level), _) => Some(level),
            (None, 0) => None,
            (None, 1) => Some(LogLevel::Info),
            (None, 2) => Some(LogLevel::Debug),
            (None, _) => Some(LogLevel::Trace),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::PlanArgs),
    Inspect(inspect::InspectArgs),
    Apply(apply::ApplyArgs),
    Run(run::RunArgs),
    Approve(approve::ApproveArgs),
    Status(status::StatusArgs),
    Operator(Box<operator::OperatorArgs>),
    /// Run Kinesis and CloudWatch on loopback, with a load, for any AWS SDK and the AWS CLI
    Sandbox(Box<SandboxOptions>),
    Simulate(Box<simulate::SimulateArgs>),
    Demo(demo::DemoArgs),
    Crd(crd::CrdArgs),
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// From which severity on it logs where nobody says anything: the log of the operator is its only
    /// output, of all others it would be in the way of theirs.
    fn level(&self) -> LogLevel {
        match self {
            Command::Operator(_) => LogLevel::Info,
            _ => LogLevel::Warn,
        }
    }
}

/// Runs the command line `arguments`, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let output = Arc::new(Output::new(cli.global.color));
    let GlobalFlags { log_format, .. } = cli.global;
    let logs = telemetry::init(cli.global.level(), cli.command.level(), log_format, output.error_color());
    let outcome = logs.map_err(anyhow::Error::msg).and_then(|()| execute(cli.command, &output));
    outcome.unwrap_or_else(|error| outcome::failed(&error, &output)).exit_code()
}

fn execute(command: Command, output: &Arc<Output>) -> anyhow::Result<Outcome> {
    match command {
        Command::Completions(arguments) => completions::run(&arguments, output),
        Command::Crd(arguments) => crd::run(&arguments, output),
        Command::Simulate(arguments) => simulate::run(&arguments, output),
        Command::Inspect(arguments) => runtime()?.block_on(inspect::run(&arguments, output)),
        Command::Plan(arguments) => runtime()?.block_on(plan::run(&arguments, output)),
        Command::Apply(arguments) => runtime()?.block_on(apply::run(&arguments, output)),
        Command::Approve(arguments) => runtime()?.block_on(approve::run(&arguments, output)),
        Command::Status(arguments) => runtime()?.block_on(status::run(&arguments, output)),
        Command::Run(arguments) => runtime()?.block_on(run::run(&arguments, output)),
        Command::Operator(arguments) => runtime()?.block_on(operator::run(&arguments)),
        Command::Demo(arguments) => runtime()?.block_on(demo::run(&arguments, output)),
        Command::Sandbox(options) => runtime()?.block_on(sandbox::run(&options, output)),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    use anyhow::Context;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Help and version go to stdout and succeed; a wrong command line exits with 1, since 2 means that
/// steps are planned.
fn usage(error: &clap::Error) -> ExitCode {
    let help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // clap would send it to stderr: no arguments at all is a question, not a mistake.
        use std::io::Write;
        let _closed_pipe = write!(std::io::stdout(), "{}", error.render());
    } else {
        let _closed_pipe = error.print();
    }
    if help { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_v_logs_more() {
        let level = |arguments: &[&str]| {
            let line = ["reshard"].iter().chain(arguments).chain(&["completions", "bash"]);
            Cli::try_parse_from(line).expect("a command line").global.level()
        };
        assert_eq!(level(&[]), None);
        assert_eq!(level(&["-v"]), Some(LogLevel::Info));
        assert_eq!(level(&["-vv"]), Some(LogLevel::Debug));
        assert_eq!(level(&["-vvv"]), Some(LogLevel::Trace));
        assert_eq!(level(&["--log-level", "error"]), Some(LogLevel::Error));
    }
}
