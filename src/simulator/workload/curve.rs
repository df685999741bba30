//! A rate over time: constant, a built-in shape, or a CSV.

use jiff::{SignedDuration, Timestamp};

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
        let _ = (text, scale, start);
        unimplemented!()
    }
}
