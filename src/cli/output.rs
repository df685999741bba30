//! Where results, progress and errors go, and how wide and colourful they may be.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::{Painter, Style, Tone, hang};

/// The width of a terminal that does not tell.
const UNKNOWN_WIDTH: usize = 80;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl ColorChoice {
    fn for_stream(self, is_terminal: bool) -> bool {
        self.decide(is_terminal, |name| std::env::var_os(name))
    }

    /// `no-color.org`: NO_COLOR counts where it is set and not empty.
    fn decide(self, is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
        match self {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let no_color = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = variable("TERM").is_some_and(|term| term == "dumb");
                is_terminal && !no_color && !dumb
            }
        }
    }
}

/// The two streams of a command.
#[derive(Debug)]
pub(super) struct Output {
    style: Style,
    /// The terminal's width where stdout is one, and where stderr is one.
    width: Option<usize>,
    error_width: Option<usize>,
    error_color: bool,
    bars: MultiProgress,
}

impl Output {
    pub fn new(color: ColorChoice) -> Output {
        let columns = |(terminal_size::Width(columns), _)| usize::from(columns);
        let width = terminal_size::terminal_size_of(io::stdout()).map(columns);
        let color_of_results = color.for_stream(io::stdout().is_terminal());
        Output {
            style: Style { width: width.unwrap_or(UNKNOWN_WIDTH), color: color_of_results },
            width,
            error_width: terminal_size::terminal_size_of(io::stderr()).map(columns),
            error_color: color.for_stream(io::stderr().is_terminal()),
            // Hidden where stderr is no terminal.
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
        }
    }

    /// How tables are drawn on stdout.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether stderr takes colours.
    pub fn error_color(&self) -> bool {
        self.error_color
    }

    /// Writes a result.
    ///
    /// # Errors
    /// Where stdout cannot be written to: `BrokenPipe` where nobody reads it any more.
    pub fn result(&self, text: &str) -> io::Result<()> {
        self.bars.suspend(|| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        })
    }

    /// Writes sentences as a result: lines that fit on a terminal, and whole ones elsewhere.
    ///
    /// # Errors
    /// As [`Output::result`].
    pub fn sentences(&self, text: &str) -> io::Result<()> {
        self.result(&format!("{}\n", fitted(text, self.width)))
    }

    /// Says what went wrong. Where stderr is gone nobody can be told.
    pub fn error(&self, message: &str) {
        const LABEL: &str = "error:";
        let text = format!("{LABEL} {}", message.trim_end().replace('\n', "\n  "));
        let mut text = fitted(&text, self.error_width);
        if self.error_color {
            text.replace_range(..LABEL.len(), &Painter { color: true }.paint(Tone::Bad, LABEL));
        }
        self.write_note(&text);
    }

    /// Says something beside the results.
    pub fn note(&self, message: &str) {
        self.write_note(&fitted(message, self.error_width));
    }

    fn write_note(&self, text: &str) {
        let _nobody_listens = self.bars.suspend(|| writeln!(io::stderr(), "{text}"));
    }

    /// Shows on a terminal that something takes its time.
    pub fn spinner(&self, message: String) -> Spinner {
        let bar = self.bars.add(ProgressBar::new_spinner());
        let template = if self.error_color { "{spinner:.cyan} {wide_msg}" } else { "{spinner} {wide_msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(bar)
    }

    /// Shows on a terminal how much of `whole` is done.
    pub fn progress(&self, whole: u64) -> Progress {
        let bar = self.bars.add(ProgressBar::new(whole));
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %, {eta} left: {msg}") {
            bar.set_style(style);
        }
        Progress(bar)
    }
}

/// The lines of `text`, broken where they are wider than a terminal; what follows a break is indented.
fn fitted(text: &str, width: Option<usize>) -> String {
    const INDENT: &str = "  ";
    let Some(width) = width.filter(|width| *width > 2 * INDENT.len()) else { return text.to_owned() };
    let fit = |line: &str| {
        if line.chars().count() <= width {
            return line.to_owned();
        }
        let said = line.trim_start();
        let indent = &line[..line.len() - said.len()];
        let lines = hang(&format!("{indent}{INDENT}"), said, width);
        lines.join("\n").replacen(INDENT, "", 1)
    };
    text.lines().map(fit).collect::<Vec<_>>().join("\n")
}

/// Something that takes its time, and how far it is; gone from the screen once it is dropped.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// What it is about now.
    pub fn say(&self, message: String) {
        self.0.set_message(message);
    }

    /// So much more is done.
    pub fn advance(&self, done: u64) {
        self.0.inc(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Something that takes its time; gone from the screen once it is dropped.
#[derive(Debug)]
pub(super) struct Spinner(ProgressBar);

impl Spinner {
    /// What it is about now.
    pub fn say(&self, message: String) {
        self.0.set_message(message);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_for_a_terminal_and_for_nobody_else() {
        let text = "orders: split shard 15 at the middle: done in 32 s\n  short";
        assert_eq!(fitted(text, None), text);
        assert_eq!(fitted(text, Some(200)), text);
        let narrow = fitted(text, Some(24));
        assert_eq!(narrow, "orders: split shard 15\n  at the middle: done in\n  32 s\n  short",);
        assert!(narrow.lines().all(|line| line.chars().count() <= 24));
        assert_eq!(fitted("  a bb ccc dddd", Some(9)), "  a bb\n    ccc\n    dddd");
    }

    #[test]
    fn color_is_for_terminals_that_want_it() {
        let with = |choice: ColorChoice, is_terminal, set: Option<(&str, &str)>| {
            choice.decide(is_terminal, |name| {
                set.filter(|(of, _)| *of == name).map(|(_, value)| OsString::from(value))
            })
        };
        assert!(with(ColorChoice::Auto, true, None));
        assert!(!with(ColorChoice::Auto, false, None));
        assert!(!with(ColorChoice::Auto, true, Some(("NO_COLOR", "1"))));
        assert!(with(ColorChoice::Auto, true, Some(("NO_COLOR", ""))));
        assert!(!with(ColorChoice::Auto, true, Some(("TERM", "dumb"))));
        assert!(with(ColorChoice::Always, false, Some(("NO_COLOR", "1"))));
        assert!(!with(ColorChoice::Never, true, None));
    }
}
