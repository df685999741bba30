//! A stream without a resource, for people at a terminal: how it was used, where the heat is, and
//! what a policy that fits would do.

use super::{INDENT, Page, Style, Tone};
use crate::advice::{Suggested, Suggestion, Usage};
use crate::cost::grouped;
use crate::report::Report;
use crate::report::layout::{Cell, fitting, hang};
use crate::units::rate;

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
        let tables = [true, false].map(|with_records| usage_rows(usage, with_records));
        self.rows(&fitting(tables, self.width - INDENT.len()));
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

/// A row for each span; without records where there is little room.
fn usage_rows(usage: &[Usage], with_records: bool) -> Vec<Vec<Cell>> {
    let row = |[span, known, mean, peak, mean_records, peak_records, rejected]: [String; 7], tone| {
        let records = [mean_records, peak_records].into_iter().filter(|_| with_records).map(Cell::figure);
        let mut row = vec![Cell::text(span)];
        row.extend([known, mean, peak].map(Cell::figure));
        row.extend(records);
        row.push(Cell::figure(rejected).tone(tone));
        row
    };
    let titles = ["last", "known", "mean", "peak", "mean rec/s", "peak rec/s", "rejected"];
    let heading = row(titles.map(str::to_owned), Tone::Faint).into_iter().map(|cell| cell.tone(Tone::Faint));
    let rows = usage.iter().map(|of| {
        let figures = [
            span(of.span_minutes),
            known(of.known_minutes),
            rate(of.mean_bytes_per_second, "B"),
            rate(of.peak_bytes_per_second, "B"),
            grouped(of.mean_records_per_second),
            grouped(of.peak_records_per_second),
            grouped(of.rejected_records),
        ];
        row(figures, if of.rejected_records > 0 { Tone::Bad } else { Tone::Plain })
    });
    std::iter::once(heading.collect()).chain(rows).collect()
}

/// A number of minutes in the unit that suits it.
fn known(minutes: u64) -> String {
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{:.1} h", minutes as f64 / 60.0),
        _ => format!("{:.1} days", minutes as f64 / 1_440.0),
    }
}

fn span(minutes: i64) -> String {
    match minutes / (24 * 60) {
        0 => format!("{} h", minutes / 60),
        1 => "24 h".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::layout::{Painter, set_columns};

    fn usage(minutes_per_point: u32) -> Vec<Usage> {
        let of = |(span_minutes, minutes_per_point)| Usage {
            span_minutes,
            known_minutes: span_minutes.unsigned_abs() - 100,
            mean_bytes_per_second: 123_456_789,
            peak_bytes_per_second: 223_456_789,
            minutes_per_point,
            mean_records_per_second: 123_456,
            peak_records_per_second: 200_000,
            rejected_records: 7_000_000,
        };
        [(1_440, 1), (28 * 1_440, minutes_per_point)].map(of).to_vec()
    }

    #[test]
    fn the_past_stands_in_columns_at_any_width_with_less_where_there_is_little_room() {
        let lines = |width| {
            let rows = fitting([true, false].map(|records| usage_rows(&usage(5), records)), width);
            set_columns(&rows, width, Painter { color: false })
        };
        assert_eq!(
            lines(98),
            [
                "last         known         mean         peak  mean rec/s  peak rec/s   rejected",
                "24 h        22.3 h  123.46 MB/s  223.46 MB/s     123,456     200,000  7,000,000",
                "28 days  27.9 days  123.46 MB/s  223.46 MB/s     123,456     200,000  7,000,000",
            ]
            .map(str::to_owned)
        );
        assert_eq!(lines(58)[1], "24 h        22.3 h  123.46 MB/s  223.46 MB/s  7,000,000");
    }

    #[test]
    fn a_peak_that_is_a_mean_over_several_minutes_is_called_so() {
        let style = Style { width: 120, color: false };
        let told = |usage: &[Usage]| Page::new(style).usage(usage).lines.join(" ").replace("  ", "");
        assert!(told(&usage(1)).ends_with("a peak is the fullest minute"));
        let coarse = told(&usage(5));
        assert!(coarse.contains("in the last 28 days, the fullest mean over 5 minutes"), "{coarse}");
    }
}
