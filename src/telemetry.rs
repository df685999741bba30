//! Logs: on stderr, as text or JSON, filtered by flag or by `RESHARD_LOG`.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The environment variable with a filter, in `tracing`'s words: `reshard=debug,aws_config=info`.
pub const FILTER_VARIABLE: &str = "RESHARD_LOG";

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// From which severity on lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum LogLevel {
    /// What failed
    Error,
    /// What may go wrong (the default)
    Warn,
    /// What is done
    Info,
    /// Why
    Debug,
    /// Everything, the AWS SDK's lines included
    Trace,
}

/// Begins to log. `level` is the flags' word, which goes before the environment's.
///
/// # Errors
/// A message for people where `RESHARD_LOG` is no filter.
pub fn init(level: Option<LogLevel>, format: LogFormat, color: bool) -> Result<(), String> {
    let variable = std::env::var(FILTER_VARIABLE).ok().filter(|text| !text.is_empty());
    let filter = filter(level, variable.as_deref())
        .map_err(|error| format!("{FILTER_VARIABLE} is not a log filter: {error}; reshard=debug is one"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let set = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            builder.with_ansi(color && io::stderr().is_terminal()).with_target(false).try_init()
        }
    };
    // In one process logging begins once; a second call, as in tests, keeps the first.
    set.or(Ok(()))
}

/// Only our own lines, unless everything is asked for: what the SDK logs of retries and of
/// credential providers that it passed over reads like faults and is none.
fn filter(level: Option<LogLevel>, variable: Option<&str>) -> Result<EnvFilter, ParseError> {
    let directives = match (level, variable) {
        (None, Some(variable)) => return EnvFilter::try_new(variable),
        (Some(LogLevel::Trace), _) => "debug,reshard=trace",
        (Some(LogLevel::Debug), _) => "off,reshard=debug",
        (Some(LogLevel::Info), _) => "off,reshard=info",
        (Some(LogLevel::Warn) | None, _) => "off,reshard=warn",
        (Some(LogLevel::Error), _) => "off,reshard=error",
    };
    EnvFilter::try_new(directives)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(level: Option<LogLevel>, variable: Option<&str>) -> String {
        filter(level, variable).expect("a filter").to_string()
    }

    #[test]
    fn the_sdk_is_silent_unless_everything_is_asked_for() {
        for level in [None, Some(LogLevel::Error), Some(LogLevel::Info), Some(LogLevel::Debug)] {
            assert!(shown(level, None).split(',').any(|directive| directive == "off"), "{level:?}");
        }
        assert!(shown(Some(LogLevel::Trace), None).split(',').any(|directive| directive == "debug"));
    }

    #[test]
    fn a_flag_goes_before_the_environment() {
        assert_eq!(shown(None, Some("aws_config=info")), "aws_config=info");
        assert!(shown(Some(LogLevel::Debug), Some("aws_config=info")).contains("reshard=debug"));
        assert!(filter(None, Some("reshard=loud")).is_err());
    }
}
