//! Readers: how many pollers share a shard's read limits, how often they call, how far they lag,
//! and whether they read more than is written.

use jiff::{SignedDuration, Timestamp};

use crate::load::Load;
use crate::plan::{Hold, ReadCallsSource, Verdict};
use crate::policy::{Consumer, ScalingPolicy};
use crate::quota::{Dimension, SHARD_READ_BYTES_PER_SECOND};
use crate::snapshot::{Minute, Series, Snapshot, StreamMetric};

/// How long after a reshard readers are given to finish with the parents, beside their lag.
pub(super) const DRAIN_SECONDS: u64 = 120;

/// The last hours that may tell of more pollers than the day does: a consumer is counted after half
/// of them, and a replay that lasts less is not.
const RECENT_MINUTES: i64 = 6 * 60;
/// The fewest of those minutes that must have traffic: in fewer, one restart outweighs the rest.
const FEWEST_RECENT_MINUTES: usize = 60;

/// What every GetRecords call leaves a data point of: that nobody polls is known only if all three
/// were asked for over the whole day and none of them has one.
const POLLING: [StreamMetric; 3] = [
    StreamMetric::GetRecordsBytes,
    StreamMetric::GetRecordsCalls,
    StreamMetric::GetRecordsIteratorAgeMilliseconds,
];

/// What the readers of a stream do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Readers {
    /// Pollers in thousandths; `None` where nobody can tell.
    pub(super) pollers_thousandths: Option<u64>,
    /// GetRecords calls on each shard, in millionths of the ceiling.
    pub(super) calls: Option<(Load, ReadCallsSource)>,
    /// The largest lag in milliseconds, where known.
    pub(super) lag_millis: Option<u64>,
    /// The age from which readers are done with a shard's parents.
    pub(super) drained_at_seconds: u64,
    /// Why nothing may be merged.
    pub(super) merge_bars: Vec<Hold>,
    /// What no step can cure.
    pub(super) verdicts: Vec<Verdict>,
}

impl Readers {
    /// Reads the settled minutes from `window` on, and the observed day for the pollers.
    pub(super) fn of(
        snapshot: &Snapshot,
        policy: &ScalingPolicy,
        window: [Minute; 2],
        shards: usize,
    ) -> Readers {
        let declared = !policy.consumers.is_empty();
        let stream = Stream { snapshot, window };
        let pollers = if declared {
            let polling = policy.consumers.iter().filter(|consumer| consumer.kind.polls()).count();
            Some(polling as u64 * 1_000)
        } else {
            stream.pollers()
        };
        let mut readers = Readers {
            pollers_thousandths: pollers,
            calls: if declared { Some(declared_calls(&policy.consumers)) } else { stream.calls(shards) },
            lag_millis: None,
            drained_at_seconds: 0,
            merge_bars: Vec::new(),
            verdicts: Vec::new(),
        };
        if pollers.is_none() {
            let what = "GetRecords.Bytes of the stream, which tells how many consumers poll it".to_owned();
            readers.merge_bars.push(Hold::MetricsIncomplete { what });
        }
        readers.add_lag(stream, policy);
        if let Some((load, source)) = readers.calls.filter(|(load, _)| *load > policy.targets.read_calls) {
            readers.verdicts.push(Verdict::ReadCallsSaturated { load, source });
        }
        readers.verdicts.extend(pollers.and_then(|pollers| stream.catching_up(pollers)));
        readers
    }

    fn add_lag(&mut self, stream: Stream, policy: &ScalingPolicy) {
        let mut lags: Vec<(Option<String>, u64)> = Vec::new();
        let mut unknown = false;
        for consumer in &policy.consumers {
            let series = stream.snapshot.metrics.consumer_lag.get(&consumer.into());
            match series.filter(|series| series.complete).and_then(|series| stream.highest(series)) {
                Some(lag) => lags.push((Some(consumer.name.clone()), lag)),
                None => {
                    self.merge_bars.push(Hold::ConsumerSilent { consumer: consumer.name.clone() });
                    unknown = true;
                }
            }
        }
        if policy.consumers.is_empty() {
            match stream.iterator_age() {
                IteratorAge::Known(lag) => lags.push((None, lag)),
                IteratorAge::NobodyPolls => {}
                IteratorAge::Unknown => {
                    let what = "GetRecords.IteratorAgeMilliseconds of the stream".to_owned();
                    self.merge_bars.push(Hold::MetricsIncomplete { what });
                    unknown = true;
                }
            }
        }
        let limit_millis = u64::try_from(policy.max_iterator_age.as_millis()).unwrap_or(u64::MAX);
        let largest = lags.into_iter().max_by_key(|(_, lag)| *lag);
        self.lag_millis = largest.as_ref().map(|(_, lag)| *lag);
        // A lag that nobody reports is taken to be at the guard.
        let lag = self.lag_millis.unwrap_or(0).max(if unknown { limit_millis } else { 0 });
        self.drained_at_seconds = lag.div_ceil(1_000).saturating_add(DRAIN_SECONDS);
        let Some((consumer, lag_millis)) = largest else { return };
        if lag_millis > limit_millis {
            self.merge_bars.push(Hold::ConsumerLagging { consumer, lag_millis, limit_millis });
        }
        let retention_hours = stream.snapshot.summary.retention_hours;
        if lag_millis > u64::from(retention_hours) * 3_600_000 / 2 {
            self.verdicts.push(Verdict::DataLossRisk { lag_millis, retention_hours });
        }
    }

    /// Bytes that the pollers read of `bytes` that are written.
    pub(super) fn read_bytes(&self, bytes: u64) -> u64 {
        read_by(self.pollers_thousandths.unwrap_or(0), bytes)
    }

    /// Whether the readers of a shard that is proved to be open since `opened_by` may still be
    /// busy with its parents.
    pub(super) fn may_be_draining(&self, opened_by: Option<Timestamp>, now: Timestamp) -> bool {
        let age = opened_by.map_or(SignedDuration::ZERO, |by| now.duration_since(by));
        age < SignedDuration::from_secs(i64::try_from(self.drained_at_seconds).unwrap_or(i64::MAX))
    }
}

fn declared_calls(consumers: &[Consumer]) -> (Load, ReadCallsSource) {
    let calls = consumers
        .iter()
        .fold(0_u64, |sum, consumer| sum.saturating_add(consumer.kind.calls_per_kilosecond()));
    (Load::from_sum(Dimension::ReadCalls, calls, 1_000), ReadCallsSource::DeclaredConsumers)
}

fn read_by(pollers_thousandths: u64, bytes: u64) -> u64 {
    let read = (u128::from(bytes) * u128::from(pollers_thousandths)).div_ceil(1_000);
    u64::try_from(read).unwrap_or(u64::MAX)
}

enum IteratorAge {
    Known(u64),
    NobodyPolls,
    Unknown,
}

/// The stream-level metrics, with the window.
#[derive(Clone, Copy)]
struct Stream<'a> {
    snapshot: &'a Snapshot,
    window: [Minute; 2],
}

impl<'a> Stream<'a> {
    /// The series, if the reply is complete.
    fn series(self, metric: StreamMetric) -> Option<&'a Series> {
        self.snapshot.metrics.stream.get(&metric).filter(|series| series.complete)
    }

    fn values(self, series: &Series) -> impl Iterator<Item = Option<u64>> {
        let [from, to] = self.window;
        (0..to.since(from).max(0)).map(move |minute| series.at(from.plus(minute)))
    }

    fn highest(self, series: &Series) -> Option<u64> {
        self.values(series).flatten().max()
    }

    /// The sums of the metrics over the minutes of the window in which each of them has a data
    /// point, and the seconds of those minutes; nothing where there is no such minute.
    fn sums<const N: usize>(self, metrics: [StreamMetric; N]) -> Option<([u64; N], u64)> {
        let [from, to] = self.window;
        let mut known = ([0_u64; N], 0);
        let series = metrics.map(|metric| self.series(metric));
        for minute in (0..to.since(from).max(0)).map(|minute| from.plus(minute)) {
            let values = series.map(|series| series?.at(minute));
            if values.iter().all(Option::is_some) {
                for (sum, value) in known.0.iter_mut().zip(values.into_iter().flatten()) {
                    *sum = sum.saturating_add(value);
                }
                known.1 += 60;
            }
        }
        (known.1 > 0).then_some(known)
    }

    /// The minutes of the observed day, up to the end of the window.
    fn day(self) -> [Minute; 2] {
        let start = self.snapshot.look_back_start;
        [Minute::from_start(start), self.window[1]]
    }

    /// Whether no call left a data point in the whole observed day. One window without any is no
    /// proof: a consumer that crashed is silent too, and comes back.
    fn nobody_polls(self) -> bool {
        let [from, to] = self.day();
        let covers_the_day = |metric: &StreamMetric| {
            self.series(*metric).is_some_and(|series| from < to && series.covers(from) && to <= series.end())
        };
        let metrics = self.snapshot.metrics.stream.iter();
        let mut of_readers = metrics.filter(|(metric, _)| metric.name().starts_with("GetRecords."));
        POLLING.iter().all(covers_the_day)
            && of_readers.all(|(_, series)| series.values.iter().all(Option::is_none))
    }

    /// What was read for each byte written, in thousandths: the median over the day, or over the
    /// last hours if that is more, as consumers younger than half the day do not move the day's. A
    /// replay or an outage moves single minutes, not a median. Minutes with little traffic tell
    /// little and are left out: those under a quarter of the day's mean.
    fn pollers(self) -> Option<u64> {
        if self.nobody_polls() {
            return Some(0);
        }
        let written = self.series(StreamMetric::IncomingBytes)?;
        let read = self.series(StreamMetric::GetRecordsBytes)?;
        let [from, to] = self.day();
        let (from, to) = (from.max(written.start).max(read.start), to.min(written.end()).min(read.end()));
        let ((late, written), (read_late, read)) = (written.within(from, to), read.within(from, to));
        let read_at = |place: usize| read.get(place.wrapping_sub(read_late)).copied().flatten();
        let traffic = written.iter().enumerate().filter_map(|(at, bytes)| {
            let bytes = bytes.filter(|bytes| *bytes > 0)?;
            Some((late + at, bytes))
        });
        let (sum, minutes) = traffic
            .clone()
            .fold((0_u128, 0_u128), |(sum, minutes), (_, bytes)| (sum + u128::from(bytes), minutes + 1));
        let mean = sum / minutes.max(1);
        let recent_from = usize::try_from(to.since(from) - RECENT_MINUTES).unwrap_or(0);
        let (mut day, mut recent) = (Ratios::of_most(written.len()), Ratios::of_most(written.len()));
        for (place, bytes) in traffic.filter(|(_, bytes)| u128::from(*bytes) * 4 >= mean) {
            let ratio = read_at(place).map(|read| per_mille(read, bytes));
            day.add(ratio);
            if place >= recent_from {
                recent.add(ratio);
            }
        }
        let recent = Some(recent).filter(|recent| recent.all >= FEWEST_RECENT_MINUTES);
        let (day, recent) = (day.median(), recent.and_then(Ratios::median));
        day.max(recent).map(near_integer)
    }

    fn calls(self, shards: usize) -> Option<(Load, ReadCallsSource)> {
        let ([calls], seconds) = self.sums([StreamMetric::GetRecordsCalls])?;
        let load = Load::from_sum(Dimension::ReadCalls, calls, seconds.saturating_mul(shards.max(1) as u64));
        Some((load, ReadCallsSource::GetRecordsSuccessSampleCount))
    }

    fn iterator_age(self) -> IteratorAge {
        let age = self.series(StreamMetric::GetRecordsIteratorAgeMilliseconds);
        match age.and_then(|age| self.highest(age)) {
            Some(lag) => IteratorAge::Known(lag),
            None if self.nobody_polls() => IteratorAge::NobodyPolls,
            None => IteratorAge::Unknown,
        }
    }

    /// Whether half as much again is read as the pollers would read at the tip, and that by more
    /// than 1 % of what a shard gives, in the minutes in which both amounts are known.
    fn catching_up(self, pollers_thousandths: u64) -> Option<Verdict> {
        let ([read, written], seconds) =
            self.sums([StreamMetric::GetRecordsBytes, StreamMetric::IncomingBytes])?;
        let expected = read_by(pollers_thousandths, written);
        let noise = SHARD_READ_BYTES_PER_SECOND / 100 * seconds;
        (read > expected.saturating_add(expected / 2).max(expected.saturating_add(noise))).then(|| {
            Verdict::CatchingUp {
                read_bytes_per_second: read / seconds,
                expected_bytes_per_second: expected / seconds,
            }
        })
    }
}

/// How many thousandths of `whole` a part is.
fn per_mille(part: u64, whole: u64) -> u64 {
    // 128 bits take a function call to divide, and are needed for impossible amounts alone.
    if let Some(thousandths) = part.checked_mul(1_000) {
        return thousandths / whole;
    }
    u64::try_from(u128::from(part) * 1_000 / u128::from(whole)).unwrap_or(u64::MAX)
}

/// What was read for each byte written, in thousandths.
struct Ratios {
    /// How many there are.
    all: usize,
    known: Vec<u64>,
}

impl Ratios {
    /// None yet, of at most so many.
    fn of_most(minutes: usize) -> Ratios {
        Ratios { all: 0, known: Vec::with_capacity(minutes) }
    }

    fn add(&mut self, ratio: Option<u64>) {
        self.all += 1;
        self.known.extend(ratio);
    }

    /// The median of the known values, where those are at least half of all: a consumer that reads one
    /// hour a day reads a day's bytes in it, and is no 24 pollers.
    fn median(mut self) -> Option<u64> {
        let middle = self.known.len() / 2;
        let is_told = !self.known.is_empty() && self.known.len() * 2 >= self.all;
        is_told.then(|| *self.known.select_nth_unstable(middle).1)
    }
}

/// Pollers come in whole numbers: within a tenth of one, that one it is. Reading less than a tenth
/// of a poller is kept as it is: rounding it away would hide a reader.
fn near_integer(thousandths: u64) -> u64 {
    let nearest = (thousandths + 500) / 1_000 * 1_000;
    if nearest > 0 && nearest.abs_diff(thousandths) <= 100 { nearest } else { thousandths }
}
