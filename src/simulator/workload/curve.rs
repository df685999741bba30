//! A rate over time: constant, a built-in shape, or a CSV.

use jiff::{SignedDuration, Timestamp};

use crate::quota;

/// Bytes a second, as a function of time.
#[derive(Debug, Clone, PartialEq)]
pub enum Curve {
    /// The same for ever.
    Constant(u64),
    /// A sine of one day: the trough at 03:00 UTC, the peak at 15:00 UTC.
    Diurnal {
        /// Bytes a second at the trough.
        trough: u64,
        /// Bytes a second at the peak.
        peak: u64,
    },
    /// `before`, and from `at` on `after`.
    Step {
        /// Bytes a second until then.
        before: u64,
        /// Bytes a second from then on.
        after: u64,
        /// When.
        at: Timestamp,
    },
    /// In a straight line from `from` to `to` within `over` after `at`.
    Ramp {
        /// Bytes a second until `at`.
        from: u64,
        /// Bytes a second after `at + over`.
        to: u64,
        /// Where the ramp begins.
        at: Timestamp,
        /// How long it is.
        over: SignedDuration,
    },
    /// `base` but for `lasting` from `at`, where it is `peak`.
    Spike {
        /// Bytes a second outside.
        base: u64,
        /// Bytes a second inside.
        peak: u64,
        /// Where the spike begins.
        at: Timestamp,
        /// How long it is.
        lasting: SignedDuration,
    },
    /// Samples, each of which holds until the next; after the last it begins anew.
    Samples {
        /// When the first begins.
        start: Timestamp,
        /// Offsets in seconds from the first, ascending from 0, and bytes a second.
        samples: Vec<(u64, u64)>,
        /// Seconds from the first sample to its repetition.
        period_seconds: u64,
    },
}

/// What a CSV's largest value stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// So many shards' write ceilings of bytes (millionths of 1 MB/s each).
    PeakShards(f64),
    /// So many bytes a second.
    PeakBytesPerSecond(u64),
    /// The values are bytes a second already.
    AsIs,
}

/// What is wrong with a CSV of rates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CurveError {
    /// A line is not what it must be.
    #[error("line {line}: {found}, where {expected} is right")]
    Line {
        /// From 1.
        line: usize,
        /// What is there.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// There is nothing to scale.
    #[error("no line bears a rate above 0: at least one `epoch_seconds,value` line must")]
    Empty,
}

impl Curve {
    /// The same number of bytes a second for ever.
    pub const fn constant(bytes_per_second: u64) -> Self {
        Curve::Constant(bytes_per_second)
    }

    /// Reads `epoch_seconds,value` lines (a header line may lead), scales them, and has them begin
    /// at `start`.
    ///
    /// # Errors
    /// [`CurveError`] names the first line that is wrong and what would be right.
    pub fn from_csv(text: &str, scale: Scale, start: Timestamp) -> Result<Self, CurveError> {
        let mut samples: Vec<(i64, f64)> = Vec::new();
        let wrong = |line: usize, found: String, expected| CurveError::Line { line, found, expected };
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if line.is_empty() {
                continue;
            }
            let Some((seconds, value)) = line.split_once(',') else {
                return Err(wrong(number, format!("\"{line}\""), "`epoch_seconds,value`"));
            };
            let (seconds, value) = (seconds.trim(), value.trim());
            let Ok(at) = seconds.parse::<i64>() else {
                if samples.is_empty() && index == 0 {
                    continue;
                }
                return Err(wrong(number, format!("the time \"{seconds}\""), "a whole number of seconds"));
            };
            let Some(rate) = value.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate >= 0.0) else {
                return Err(wrong(number, format!("the value \"{value}\""), "one number of 0 or more"));
            };
            if samples.last().is_some_and(|last| at <= last.0) {
                return Err(wrong(number, format!("the time {at}"), "a time after that of the line before"));
            }
            samples.push((at, rate));
        }
        let peak = samples.iter().map(|sample| sample.1).fold(0.0, f64::max);
        let first = samples.first().filter(|_| peak > 0.0).ok_or(CurveError::Empty)?.0;
        let factor = match scale {
            Scale::PeakShards(shards) => shards * quota::SHARD_WRITE_BYTES_PER_SECOND as f64 / peak,
            Scale::PeakBytesPerSecond(bytes) => bytes as f64 / peak,
            Scale::AsIs => 1.0,
        };
        let samples: Vec<(u64, u64)> =
            samples.iter().map(|(at, rate)| (at.abs_diff(first), (rate * factor).round() as u64)).collect();
        // The last sample holds as long as the one before it did.
        let period_seconds = match samples[..] {
            [.., (before, _), (last, _)] => last + (last - before),
            _ => 1,
        };
        Ok(Curve::Samples { start, samples, period_seconds })
    }

    /// The highest rate that it ever has.
    pub fn peak_bytes_per_second(&self) -> u64 {
        match self {
            Curve::Constant(bytes) => *bytes,
            Curve::Diurnal { trough: one, peak: other }
            | Curve::Step { before: one, after: other, .. }
            | Curve::Ramp { from: one, to: other, .. }
            | Curve::Spike { base: one, peak: other, .. } => *one.max(other),
            Curve::Samples { samples, .. } => samples.iter().map(|sample| sample.1).max().unwrap_or(0),
        }
    }

    /// The rate at a moment.
    pub fn bytes_per_second(&self, now: Timestamp) -> f64 {
        let bytes = match self {
            Curve::Constant(bytes) => *bytes,
            Curve::Diurnal { trough, peak } => {
                let day = now.as_second().rem_euclid(86_400) as f64 / 86_400.0;
                let height = (1.0 - (std::f64::consts::TAU * (day - 0.125)).cos()) / 2.0;
                return *trough as f64 + (*peak as f64 - *trough as f64) * height;
            }
            Curve::Step { before, after, at } => *(if now < *at { before } else { after }),
            Curve::Ramp { from, to, at, over } => {
                let part = now.duration_since(*at).as_secs_f64() / over.as_secs_f64().max(1e-3);
                return *from as f64 + (*to as f64 - *from as f64) * part.clamp(0.0, 1.0);
            }
            Curve::Spike { base, peak, at, lasting } => {
                let inside = now >= *at && now.duration_since(*at) < *lasting;
                *(if inside { peak } else { base })
            }
            Curve::Samples { start, samples, period_seconds } => {
                let elapsed = now.duration_since(*start).as_secs();
                let offset = elapsed.rem_euclid((*period_seconds).max(1) as i64).unsigned_abs();
                let after = samples.partition_point(|sample| sample.0 <= offset);
                after.checked_sub(1).and_then(|at| samples.get(at)).map_or(0, |sample| sample.1)
            }
        };
        bytes as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a timestamp")
    }

    #[test]
    fn a_csv_is_scaled_to_its_peak_and_begins_anew_after_its_end() {
        let text = "epoch_seconds,value\n1000,0.5\n1060,2\n1120,1\n";
        let curve = Curve::from_csv(text, Scale::PeakShards(3.0), at(0)).expect("a good file");
        let rates: Vec<f64> =
            [0, 59, 60, 125, 179, 180].map(|second| curve.bytes_per_second(at(second))).into();
        assert_eq!(rates, [750_000.0, 750_000.0, 3_000_000.0, 1_500_000.0, 1_500_000.0, 750_000.0]);
    }

    #[test]
    fn a_bad_csv_names_its_line_and_what_is_right() {
        let read = |text: &str| {
            Curve::from_csv(text, Scale::AsIs, at(0)).map(drop).map_err(|error| error.to_string())
        };
        for (text, said) in [
            (
                "epoch_seconds,value\n1,2\nx,3",
                "line 3: the time \"x\", where a whole number of seconds is right",
            ),
            ("1,2\n2", "line 2: \"2\", where `epoch_seconds,value` is right"),
            ("1,2\n2,-1", "line 2: the value \"-1\", where one number of 0 or more is right"),
            ("1,2\n2,NaN", "line 2: the value \"NaN\", where one number of 0 or more is right"),
            ("1,2,3", "line 1: the value \"2,3\", where one number of 0 or more is right"),
            ("2,1\n2,1", "line 2: the time 2, where a time after that of the line before is right"),
            ("", "no line bears a rate above 0: at least one `epoch_seconds,value` line must"),
            ("1,0", "no line bears a rate above 0: at least one `epoch_seconds,value` line must"),
        ] {
            assert_eq!(read(text), Err(said.to_owned()), "{text}");
        }
    }

    #[test]
    fn built_in_shapes_are_what_they_are_called() {
        let second = SignedDuration::from_secs;
        let diurnal = Curve::Diurnal { trough: 100, peak: 300 };
        assert_eq!(diurnal.bytes_per_second(at(3 * 3_600)).round(), 100.0);
        assert_eq!(diurnal.bytes_per_second(at(15 * 3_600)).round(), 300.0);
        let ramp = Curve::Ramp { from: 0, to: 100, at: at(10), over: second(10) };
        assert_eq!([0, 15, 99].map(|t| ramp.bytes_per_second(at(t))), [0.0, 50.0, 100.0]);
        let spike = Curve::Spike { base: 1, peak: 9, at: at(10), lasting: second(5) };
        assert_eq!([9, 10, 14, 15].map(|t| spike.bytes_per_second(at(t))), [1.0, 9.0, 9.0, 1.0]);
        let step = Curve::Step { before: 1, after: 2, at: at(10) };
        assert_eq!([9, 10].map(|t| step.bytes_per_second(at(t))), [1.0, 2.0]);
    }
}
