//! The demo on a terminal: a few lines that are drawn anew, on stderr. Without a terminal, one line
//! for each quarter of an hour and each step.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{SignedDuration, Timestamp};

use super::board::{Board, Told};
use super::clock;
use super::curve::curve;
use crate::cli::output::Output;
use crate::policy::ScalingPolicy;
use crate::report;

/// Drawn lines, the happenings not counted.
const ROWS: usize = 8;
const HAPPENINGS: usize = 7;
/// How often a line is written where there is no terminal.
const QUIET_EVERY: SignedDuration = SignedDuration::from_mins(15);
const LABEL_WIDTH: usize = 10;
const FIGURE_WIDTH: usize = 11;

pub(super) struct Screen<'a> {
    output: &'a Output,
    policy: &'a ScalingPolicy,
    end: Timestamp,
    /// The lines; none without a terminal.
    lines: Vec<ProgressBar>,
    drawing: MultiProgress,
    width: usize,
    told_happenings: usize,
    told_until: SignedDuration,
}

impl<'a> Screen<'a> {
    pub(super) fn new(output: &'a Output, policy: &'a ScalingPolicy, end: Timestamp) -> Self {
        let drawing = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let mut lines = Vec::new();
        if !drawing.is_hidden() {
            let style =
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            lines.resize_with(ROWS + HAPPENINGS, || {
                drawing.add(ProgressBar::new_spinner().with_style(style.clone()))
            });
        }
        let width = output.style().width.clamp(60, 120);
        let told_until = SignedDuration::from_secs(-1);
        Screen { output, policy, end, lines, drawing, width, told_happenings: 0, told_until }
    }

    pub(super) fn draw(&mut self, board: &Board) {
        let told = board.told();
        if self.lines.is_empty() {
            self.tell(&told);
        } else {
            let rows = self.rows(&told);
            for (line, row) in self.lines.iter().zip(rows) {
                line.set_message(row);
            }
        }
    }

    /// Takes the picture off the screen.
    pub(super) fn clear(&self) {
        if let Err(error) = self.drawing.clear() {
            tracing::debug!(%error, "the terminal is gone");
        }
    }

    fn rows(&self, told: &Told) -> Vec<String> {
        let Some(now) = told.last() else { return Vec::new() };
        let story = self.end.duration_since(told.start);
        let chart = self.width.saturating_sub(LABEL_WIDTH + FIGURE_WIDTH + 2);
        let row = |label: &str, figure: String, picture: String| {
            format!("{label:<LABEL_WIDTH$}{figure:>FIGURE_WIDTH$}  {picture}")
        };
        let (offered, rejected) = told.traffic();
        let (loads, shards) = (told.loads(), told.shards());
        let share = told.elapsed().as_secs_f64() / story.as_secs_f64().max(1.0);
        let mut rows = vec![
            format!(
                "stream {}, {} to {} shards, target {} of a shard",
                self.policy.stream.name,
                self.policy.bounds.min(),
                self.policy.bounds.max(),
                self.policy.targets.limits.ingest_bytes,
            ),
            row("time", format!("{}/{}", clock(told.elapsed()), clock(story)), progress(share, chart)),
            row(
                "load",
                format!("{:.1} MB/s", now.bytes_per_second as f64 / 1e6),
                curve(&loads, share, chart),
            ),
            row("shards", now.shards.to_string(), curve(&shards, share, chart)),
            row("rejected", percent(rejected, offered), "of all records so far".to_owned()),
            row("keys", String::new(), self.heat(told, chart)),
            row("", String::new(), "heat by hash key, █ at the limit".to_owned()),
            fit(&format!("{:<LABEL_WIDTH$}{}", "now", told.doing), self.width),
        ];
        rows.extend(told.lines.iter().map(|line| fit(&format!("  {line}"), self.width)));
        rows.resize(ROWS + HAPPENINGS, String::new());
        rows
    }

    fn heat(&self, told: &Told, width: usize) -> String {
        let color = self.output.error_color();
        told.plan.as_ref().map_or_else(String::new, |plan| {
            report::heat_strip(&plan.before, plan.limits.trigger, width, color)
        })
    }

    /// Line by line, where nothing can be drawn anew.
    fn tell(&mut self, told: &Told) {
        let fresh = told.happenings.saturating_sub(self.told_happenings).min(told.lines.len());
        for line in told.lines.iter().skip(told.lines.len() - fresh) {
            self.output.note(&format!("  {line}"));
        }
        self.told_happenings = told.happenings;
        let (Some(now), elapsed) = (told.last(), told.elapsed()) else { return };
        if elapsed >= self.told_until {
            let (offered, rejected) = told.traffic();
            self.output.note(&format!(
                "{}  {:.1} MB/s on {} shards, {} rejected so far; {}",
                clock(elapsed),
                now.bytes_per_second as f64 / 1e6,
                now.shards,
                percent(rejected, offered),
                told.doing
            ));
            self.told_until = elapsed + QUIET_EVERY;
        }
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2} %", part as f64 * 100.0 / whole.max(1) as f64)
}

fn fit(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width - 1).chain(['…']).collect()
}

fn progress(share: f64, width: usize) -> String {
    let done = ((share * width as f64) as usize).min(width);
    "━".repeat(done) + &"─".repeat(width - done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_screen() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("abcd", 4), "abcd");
        assert_eq!(progress(0.5, 4), "━━──");
        assert_eq!(progress(9.0, 4), "━━━━");
    }
}
