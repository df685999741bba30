//! Logs: on stderr, as text or JSON, filtered by flag or by `RESHARD_LOG`.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

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
    let color = color && io::stderr().is_terminal();
    let set = subscriber(filter, format, color, io::stderr).try_init();
    // In one process logging begins once; a second call, as in tests, keeps the first.
    set.or(Ok(()))
}

/// What writes the lines. Of JSON, the fields of a line stand beside its message, so that whoever
/// collects them can select by resource, stream and plan.
fn subscriber(
    filter: EnvFilter,
    format: LogFormat,
    color: bool,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> Box<dyn Subscriber + Send + Sync> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_span_list(false).finish()),
        LogFormat::Text => Box::new(builder.with_ansi(color).with_target(false).finish()),
    }
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

    /// What is written of one line about a step.
    fn written(format: LogFormat) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let writer = std::sync::Mutex::new(file.reopen().expect("the file"));
        let filter = filter(Some(LogLevel::Info), None).expect("a filter");
        tracing::subscriber::with_default(subscriber(filter, format, false, writer), || {
            tracing::debug!("not at this level");
            tracing::info!(
                resource = "payments/orders",
                stream = "orders",
                plan = "9f3c2a1b5d6e7f80",
                "a step"
            );
        });
        std::fs::read_to_string(file.path()).expect("text")
    }

    #[test]
    fn a_line_of_json_has_its_fields_beside_its_message() {
        let line: serde_json::Value = serde_json::from_str(&written(LogFormat::Json)).expect("one object");
        for (field, value) in [
            ("level", "INFO"),
            ("message", "a step"),
            ("resource", "payments/orders"),
            ("stream", "orders"),
            ("plan", "9f3c2a1b5d6e7f80"),
        ] {
            assert_eq!(line[field], value, "{line}");
        }
    }

    #[test]
    fn a_line_of_text_names_the_resource_and_the_plan() {
        let line = written(LogFormat::Text);
        assert!(
            line.contains("INFO a step resource=\"payments/orders\" stream=\"orders\" plan=\"9f3c"),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1, "{line}");
    }

    #[test]
    fn a_flag_goes_before_the_environment() {
        assert_eq!(shown(None, Some("aws_config=info")), "aws_config=info");
        assert!(shown(Some(LogLevel::Debug), Some("aws_config=info")).contains("reshard=debug"));
        assert!(filter(None, Some("reshard=loud")).is_err());
    }
}
