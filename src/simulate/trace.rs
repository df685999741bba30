//! Traces: what was asked of a system over time, as a CSV tells it, in columns that each have keys of
//! their own (tenants), or in one.

use jiff::Timestamp;

/// A file of rates: the shape of a load, in whatever unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The columns' names.
    columns: Vec<String>,
    /// Seconds of the epoch, ascending, and a rate for each column.
    samples: Vec<(i64, Vec<f64>)>,
}

/// What the trace's rates stand for, in shard-units: 1 is what one shard takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The shard-units that the peak stands for.
    pub peak_units: f64,
    /// Which of the ordered totals is called the peak: 1 is the largest, 0.999 leaves out one in a
    /// thousand. `None`: 0.999 where the largest is more than [`HEAVY_TAIL`] times as large, else 1.
    pub peak_quantile: Option<f64>,
    /// Totals above so many shard-units are cut to them. `None`: thrice the peak.
    pub clip_units: Option<f64>,
}

/// How many times the 99.9th percentile the largest value of a trace is that is said to have a heavy
/// tail: its peak is an accident, and no measure for the rest.
pub const HEAVY_TAIL: f64 = 1.5;

/// A part of a trace, from its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Span {
    /// Days that are left out at the beginning.
    pub offset_days: f64,
    /// Days that are kept; all without.
    pub days: Option<f64>,
}

/// What is wrong with a trace.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TraceError {
    /// A line is not what it must be.
    #[error("line {line}: {found}, where {expected} is right")]
    Line {
        /// From 1.
        line: usize,
        /// What is there.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// Nothing to play.
    #[error("a trace needs two lines of `epoch_seconds,value` at least, and one value above 0")]
    Empty,
    /// Nothing of it is left.
    #[error(
        "the trace lasts {days:.2} days; the part that was asked for holds {left} of its lines, where two are needed"
    )]
    NothingLeft {
        /// The whole trace.
        days: f64,
        /// How many lines are left: none, or one.
        left: usize,
    },
    /// More than can be played.
    #[error(
        "the part that was asked for lasts {days:.0} days, the longest gap from {gap_start} to {gap_end}: {MOST_DAYS} days \
         are the most"
    )]
    TooLong {
        /// How long it is.
        days: f64,
        /// The time before the longest gap.
        gap_start: i64,
        /// The time after it.
        gap_end: i64,
    },
    /// Rates that cannot be reckoned with.
    #[error("the values of a line come to {total:e}, where 1e-100 to 1e100 is right")]
    OutOfReach {
        /// The highest sum of a line's values.
        total: f64,
    },
}

const SECONDS_PER_DAY: f64 = 86_400.0;

/// Days that are played at the most: a time that is mistyped leaves a gap of centuries, and each minute is held in
/// memory.
const MOST_DAYS: f64 = 1_000.0;

impl Trace {
    /// Reads `epoch_seconds,value` lines, or `epoch_seconds,one,two,…` with a column a tenant. A header
    /// line may lead, which holds no number.
    ///
    /// # Errors
    /// [`TraceError`] names the first line that is wrong and what would be right.
    pub fn from_csv(text: &str) -> Result<Trace, TraceError> {
        let mut columns: Vec<String> = Vec::new();
        let mut samples: Vec<(i64, Vec<f64>)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if line.is_empty() {
                continue;
            }
            let wrong = |found: String, expected: &str| TraceError::Line {
                line: number,
                found,
                expected: expected.to_owned(),
            };
            let mut cells = line.split(',').map(str::trim);
            let time = cells.next().unwrap_or_default();
            let cells: Vec<&str> = cells.collect();
            if cells.is_empty() {
                return Err(wrong(format!("\"{line}\""), "`epoch_seconds,value`"));
            }
            if columns.is_empty() {
                let is_number = |cell: &str| cell.parse::<f64>().is_ok();
                let is_header = !is_number(time) && !cells.iter().any(|cell| is_number(cell));
                let name = |(at, cell): (usize, &&str)| {
                    if is_header { (*cell).to_owned() } else { format!("column {}", at + 1) }
                };
                columns = cells.iter().enumerate().map(name).collect();
                if is_header {
                    continue;
                }
            }
            let Ok(at) = time.parse::<i64>() else {
                return Err(wrong(format!("the time \"{time}\""), "a whole number of seconds"));
            };
            if Timestamp::from_second(at).is_err() {
                return Err(wrong(format!("the time {at}"), "seconds since 1970"));
            }
            if samples.last().is_some_and(|last| at <= last.0) {
                return Err(wrong(format!("the time {at}"), "a time after that of the line before"));
            }
            if cells.len() != columns.len() {
                let expected = format!("as many as in the first line, {},", columns.len());
                return Err(wrong(format!("{} values", cells.len()), &expected));
            }
            let mut rates = Vec::with_capacity(cells.len());
            for cell in cells {
                let rate = cell.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate >= 0.0);
                rates.push(
                    rate.ok_or_else(|| wrong(format!("the value \"{cell}\""), "a number of 0 or more"))?,
                );
            }
            samples.push((at, rates));
        }
        let any = samples.iter().any(|(_, rates)| rates.iter().any(|rate| *rate > 0.0));
        if samples.len() < 2 || !any { Err(TraceError::Empty) } else { Ok(Trace { columns, samples }) }
    }

    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The part of the trace that lies within `span`, scaled to shard-units.
    ///
    /// # Errors
    /// [`TraceError::NothingLeft`] if fewer than two lines lie in the part, [`TraceError::TooLong`] if it cannot be
    /// played, [`TraceError::OutOfReach`] if what they come to cannot be scaled.
    pub fn scaled(&self, span: Span, scale: Scale) -> Result<Trace, TraceError> {
        let first = self.samples.first().map_or(0, |sample| sample.0);
        let days_until = |at: i64| (at - first) as f64 / SECONDS_PER_DAY;
        let within = |(at, _): &&(i64, Vec<f64>)| {
            let days = days_until(*at) - span.offset_days;
            days >= 0.0 && span.days.is_none_or(|most| days <= most)
        };
        let mut samples: Vec<(i64, Vec<f64>)> = self.samples.iter().filter(within).cloned().collect();
        if samples.len() < 2 {
            let days = self.samples.last().map_or(0.0, |last| days_until(last.0));
            return Err(TraceError::NothingLeft { days, left: samples.len() });
        }
        let days = days_until(samples[samples.len() - 1].0) - days_until(samples[0].0);
        if days > MOST_DAYS {
            let gaps = samples.windows(2).map(|pair| (pair[0].0, pair[1].0));
            let (gap_start, gap_end) = gaps.max_by_key(|(start, end)| end - start).unwrap_or_default();
            return Err(TraceError::TooLong { days, gap_start, gap_end });
        }
        let total = |rates: &[f64]| rates.iter().sum::<f64>();
        let mut totals: Vec<f64> = samples.iter().map(|(_, rates)| total(rates)).collect();
        totals.sort_by(f64::total_cmp);
        let of_rank =
            |quantile: f64| totals[(quantile.clamp(0.0, 1.0) * (totals.len() - 1) as f64).round() as usize];
        let (largest, most) = (of_rank(1.0), of_rank(0.999));
        if largest > 0.0 && !(1e-100..=1e100).contains(&largest) {
            return Err(TraceError::OutOfReach { total: largest });
        }
        let peak = match scale.peak_quantile {
            Some(quantile) => of_rank(quantile),
            None if largest > HEAVY_TAIL * most => most,
            None => largest,
        };
        // A quantile of zero would scale to infinity: then the largest is the peak.
        let peak = if peak > 0.0 { peak } else { largest };
        let clip_units = scale.clip_units.unwrap_or(3.0 * scale.peak_units);
        let factor = if peak > 0.0 { scale.peak_units / peak } else { 0.0 };
        for (_, rates) in &mut samples {
            let units = total(rates) * factor;
            let cut = if units > clip_units { clip_units / units } else { 1.0 };
            for rate in rates {
                *rate *= factor * cut;
            }
        }
        Ok(Trace { columns: self.columns.clone(), samples })
    }

    /// The first whole minute of the trace.
    pub fn start(&self) -> Timestamp {
        let first = self.samples.first().map_or(0, |sample| sample.0);
        Timestamp::from_second(first.div_euclid(60) * 60).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Whole minutes from the start to the last sample.
    pub fn minutes(&self) -> usize {
        let last = self.samples.last().map_or(0, |sample| sample.0);
        usize::try_from((last - self.start().as_second()).div_euclid(60)).unwrap_or(0).max(1)
    }

    /// The rates of every column over `ticks` ticks of `tick_seconds`: at the middle of each, between
    /// the two samples around it. (A rate that jumps only where a sample stands would have a file's
    /// step decide how fast a load changes.)
    pub fn ticks(&self, tick_seconds: u32, ticks: usize) -> Vec<Vec<f64>> {
        let start = self.start().as_second() as f64;
        let mut rates = vec![Vec::with_capacity(ticks); self.columns.len()];
        let mut next = 0;
        for tick in 0..ticks {
            let at = start + (tick as f64 + 0.5) * f64::from(tick_seconds);
            while next < self.samples.len() && self.samples[next].0 as f64 <= at {
                next += 1;
            }
            let low = &self.samples[next.saturating_sub(1).min(self.samples.len() - 1)];
            let high = &self.samples[next.min(self.samples.len() - 1)];
            let width = (high.0 - low.0) as f64;
            let part = if width > 0.0 { ((at - low.0 as f64) / width).clamp(0.0, 1.0) } else { 0.0 };
            for (column, rates) in rates.iter_mut().enumerate() {
                rates.push(low.1[column] + (high.1[column] - low.1[column]) * part);
            }
        }
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEAK: Scale = Scale { peak_units: 10.0, peak_quantile: None, clip_units: None };

    #[test]
    fn a_trace_is_scaled_to_its_peak_and_read_between_its_samples() {
        let trace = Trace::from_csv("epoch_seconds,value\n0,1\n120,2\n240,2\n").expect("good");
        let scaled = trace.scaled(Span::default(), PEAK).expect("something");
        assert_eq!((scaled.start().as_second(), scaled.minutes()), (0, 4));
        assert_eq!(scaled.ticks(60, 4), [[6.25, 8.75, 10.0, 10.0]]);
    }

    #[test]
    fn totals_above_the_clip_are_cut_in_all_columns_alike() {
        let trace = Trace::from_csv("t,a,b\n0,1,1\n60,3,1\n120,30,10\n").expect("good");
        assert_eq!(trace.columns(), ["a", "b"]);
        let scale = Scale { peak_units: 4.0, peak_quantile: Some(0.5), clip_units: Some(8.0) };
        let scaled = trace.scaled(Span::default(), scale).expect("something");
        let rates: Vec<&[f64]> = scaled.samples.iter().map(|sample| &*sample.1).collect();
        assert_eq!(rates, [[1.0, 1.0], [3.0, 1.0], [6.0, 2.0]]);
    }

    #[test]
    fn a_part_of_a_trace_keeps_its_own_peak_and_times() {
        let day = 86_400;
        let text: String = (0..6).map(|at| format!("{},{}\n", at * day / 2, at + 1)).collect();
        let trace = Trace::from_csv(&text).expect("good");
        let part = trace.scaled(Span { offset_days: 1.0, days: Some(1.0) }, PEAK).expect("a part");
        assert_eq!(part.samples.iter().map(|sample| sample.1[0]).collect::<Vec<_>>(), [6.0, 8.0, 10.0]);
        let error = trace.scaled(Span { offset_days: 9.0, days: None }, PEAK).expect_err("nothing");
        assert_eq!(
            error.to_string(),
            "the trace lasts 2.50 days; the part that was asked for holds 0 of its lines, where two are needed"
        );
    }

    #[test]
    fn a_gap_of_centuries_is_told_before_anything_is_played() {
        let trace = Trace::from_csv("1700000000,5\n1700000060,5\n9999999999,6\n").expect("good lines");
        let error = trace.scaled(Span::default(), PEAK).expect_err("too long").to_string();
        assert!(error.contains("96065 days, the longest gap from 1700000060 to 9999999999"), "{error}");
        assert!(
            trace.scaled(Span { offset_days: 0.0, days: Some(1.0) }, PEAK).is_ok(),
            "the rest is not played"
        );
    }

    #[test]
    fn values_that_cannot_be_scaled_are_refused() {
        for (value, said) in [("1e308", "1e308"), ("1e-320", "1e-320")] {
            let trace = Trace::from_csv(&format!("0,{value}\n60,{value}\n")).expect("numbers");
            let error = trace.scaled(Span::default(), PEAK).expect_err("too far");
            let right = "where 1e-100 to 1e100 is right";
            assert_eq!(error.to_string(), format!("the values of a line come to {said}, {right}"));
        }
    }

    #[test]
    fn a_bad_trace_names_its_line_and_what_is_right() {
        for (text, said) in [
            ("t,v\n1,2\nx,3", "line 3: the time \"x\", where a whole number of seconds is right"),
            ("1,2\n2", "line 2: \"2\", where `epoch_seconds,value` is right"),
            ("1,2\n2,-1", "line 2: the value \"-1\", where a number of 0 or more is right"),
            ("1,2\n2,inf", "line 2: the value \"inf\", where a number of 0 or more is right"),
            ("1,2\n2,1,3", "line 2: 2 values, where as many as in the first line, 1, is right"),
            ("2,1\n2,1", "line 2: the time 2, where a time after that of the line before is right"),
            ("99999999999999,1", "line 1: the time 99999999999999, where seconds since 1970 is right"),
            (
                "2023-11-14T22:13:20Z,900\n2,1",
                "line 1: the time \"2023-11-14T22:13:20Z\", where a whole number of seconds is right",
            ),
            ("1.5,900\n2,1", "line 1: the time \"1.5\", where a whole number of seconds is right"),
            ("", "a trace needs two lines of `epoch_seconds,value` at least, and one value above 0"),
            ("1,0\n2,0", "a trace needs two lines of `epoch_seconds,value` at least, and one value above 0"),
        ] {
            let error = Trace::from_csv(text).expect_err(text);
            assert_eq!(error.to_string(), said, "{text}");
        }
    }
}
