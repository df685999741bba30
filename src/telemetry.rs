//! Logs: on stderr, as text or JSON, filtered by flag or by `RESHARD_LOG`.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::util::SubscriberInitExt;

use self::json::FlatJson;

mod json;

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
    /// What may go wrong (the default, but of the operator)
    Warn,
    /// What is done (the operator's default)
    Info,
    /// Why
    Debug,
    /// Everything, the AWS SDK's lines included
    Trace,
}

/// Begins to log. `level` is the flags' word, which goes before the environment's; `otherwise` is
/// what holds where neither says anything.
///
/// # Errors
/// A message for people where `RESHARD_LOG` is no filter.
pub fn init(
    level: Option<LogLevel>,
    otherwise: LogLevel,
    format: LogFormat,
    color: bool,
) -> Result<(), String> {
    let variable = std::env::var(FILTER_VARIABLE).ok().filter(|text| !text.is_empty());
    let filter = filter(level, variable.as_deref(), otherwise)
        .map_err(|error| format!("{FILTER_VARIABLE} is not a log filter: {error}; reshard=debug is one"))?;
    let color = color && io::stderr().is_terminal();
    let set = subscriber(filter, format, color, io::stderr).try_init();
    // In one process logging begins once; a second call, as in tests, keeps the first.
    set.or(Ok(()))
}

/// What writes the lines.
fn subscriber(
    filter: EnvFilter,
    format: LogFormat,
    color: bool,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> Box<dyn Subscriber + Send + Sync> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Json => Box::new(builder.fmt_fields(JsonFields::new()).event_format(FlatJson).finish()),
        LogFormat::Text => Box::new(builder.with_ansi(color).with_target(false).finish()),
    }
}

/// Only our own lines, unless everything is asked for: what the SDK logs of retries and of
/// credential providers that it passed over reads like faults and is none.
fn filter(
    level: Option<LogLevel>,
    variable: Option<&str>,
    otherwise: LogLevel,
) -> Result<EnvFilter, ParseError> {
    if let (None, Some(variable)) = (level, variable) {
        return EnvFilter::try_new(variable);
    }
    EnvFilter::try_new(match level.unwrap_or(otherwise) {
        LogLevel::Trace => "debug,reshard=trace",
        LogLevel::Debug => "off,reshard=debug",
        LogLevel::Info => "off,reshard=info",
        LogLevel::Warn => "off,reshard=warn",
        LogLevel::Error => "off,reshard=error",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(level: Option<LogLevel>, variable: Option<&str>) -> String {
        filter(level, variable, LogLevel::Warn).expect("a filter").to_string()
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
        let filter = filter(Some(LogLevel::Info), None, LogLevel::Warn).expect("a filter");
        tracing::subscriber::with_default(subscriber(filter, format, false, writer), || {
            tracing::debug!("not at this level");
            let _pass = tracing::info_span!("pass", namespace = "payments", stream = "orders").entered();
            let _step = tracing::info_span!("step", plan = "9f3c2a1b5d6e7f80").entered();
            tracing::info!(index = 1, done = true, "a step");
        });
        std::fs::read_to_string(file.path()).expect("text")
    }

    #[test]
    fn a_line_of_json_has_its_fields_and_those_of_its_spans_beside_its_message() {
        let line: serde_json::Value = serde_json::from_str(&written(LogFormat::Json)).expect("one object");
        for (field, value) in [
            ("level", "INFO"),
            ("message", "a step"),
            ("namespace", "payments"),
            ("stream", "orders"),
            ("plan", "9f3c2a1b5d6e7f80"),
        ] {
            assert_eq!(line[field], value, "{line}");
        }
        assert_eq!((&line["index"], &line["done"]), (&1.into(), &true.into()));
    }

    #[test]
    fn a_line_of_text_names_the_resource_and_the_plan() {
        let line = written(LogFormat::Text);
        assert!(
            line.contains("INFO pass{namespace=\"payments\" stream=\"orders\"}:step{plan=\"9f3c")
                && line.contains("}: a step index=1"),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1, "{line}");
    }

    #[test]
    fn a_flag_goes_before_the_environment() {
        assert_eq!(shown(None, Some("aws_config=info")), "aws_config=info");
        assert!(shown(Some(LogLevel::Debug), Some("aws_config=info")).contains("reshard=debug"));
        assert!(filter(None, Some("reshard=loud"), LogLevel::Warn).is_err());
    }

    #[test]
    fn where_nobody_says_anything_the_command_s_own_level_holds() {
        for (otherwise, expected) in [(LogLevel::Warn, "reshard=warn"), (LogLevel::Info, "reshard=info")] {
            let shown = filter(None, None, otherwise).expect("a filter").to_string();
            assert!(shown.contains(expected), "{shown}");
        }
    }
}
