//! A stream without a resource, for people at a terminal: how it was used, where the heat is, and
//! what a policy that fits would do.

use super::{INDENT, Page, Style, Tone};
use crate::advice::{Suggested, Suggestion, Usage};
use crate::cost::grouped;
use crate::report::Report;
use crate::report::layout::{Cell, hang};
use crate::units::{duration, rate};

/// Draws `report`, which was made under the policy that is suggested. No line is wider than
/// `style.width`; each ends with a line feed.
pub fn inspection(report: &Report, usage: &[Usage], suggestion: &Suggestion, style: Style) -> String {
    let page = Page::new(style).head(report).usage(usage).utilization(report).readers(report);
    let page = page.over_time(report).key_space(report).suggestion(suggestion).steps(report);
    page.ending(report)
}

impl Page {
    fn usage(mut self, usage: &[Usage]) -> Page {
        self.section("PAST", "accepted writes of the whole stream");
        if usage.iter().all(|of| of.known_minutes == 0) {
            self.faint("CloudWatch has no data point: silent, or too young");
            return self;
        }
        let heading = ["", "known", "mean", "peak", "mean rec/s", "peak rec/s", "rejected"];
        let mut rows = vec![heading.map(|title| Cell::figure(title).tone(Tone::Faint)).to_vec()];
        for of in usage {
            rows.push(vec![
                Cell::text(format!("last {}", span(of.span_minutes))),
                Cell::figure(duration(of.known_minutes * 60)),
                Cell::figure(rate(of.mean_bytes_per_second, "B")),
                Cell::figure(rate(of.peak_bytes_per_second, "B")),
                Cell::figure(grouped(of.mean_records_per_second)),
                Cell::figure(grouped(of.peak_records_per_second)),
                Cell::figure(grouped(of.rejected_records)).tone(match of.rejected_records {
                    0 => Tone::Plain,
                    _ => Tone::Bad,
                }),
            ]);
        }
        self.rows(&rows);
        let coarse = usage.iter().find(|of| of.minutes_per_point > 1);
        self.faint(&match coarse {
            None => "a peak is the fullest minute".to_owned(),
            Some(of) => format!(
                "a peak is the fullest minute; of what CloudWatch no longer has by the minute, in the last {}, the fullest mean over {} minutes, within which more may have come",
                span(of.span_minutes),
                of.minutes_per_point
            ),
        });
        self
    }

    fn suggestion(mut self, suggestion: &Suggestion) -> Page {
        let Suggestion { min_shards, max_shards, ingest_percent } = suggestion;
        self.section("POLICY", "that would fit; what follows is planned under it");
        let said = [
            ("minShards", min_shards, ""),
            ("maxShards", max_shards, ""),
            ("ingest targets", ingest_percent, " %"),
        ];
        for (name, Suggested { value, why }, unit) in said {
            self.lines.extend(hang(&format!("{INDENT}{name:<14} {value:>3}{unit:<2}  "), why, self.width));
        }
        self
    }
}

fn span(minutes: i64) -> String {
    match minutes / (24 * 60) {
        0 => format!("{} h", minutes / 60),
        1 => "24 h".to_owned(),
        days => format!("{days} days"),
    }
}
