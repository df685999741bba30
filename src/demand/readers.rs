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
    /// Reads the settled minutes from `window` on, and the day for the pollers.
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
            stream.pollers_of_the_day()
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
        for Consumer { name, .. } in &policy.consumers {
            let series = stream.snapshot.metrics.consumer_lag.get(name);
            match series.filter(|series| series.complete).and_then(|series| stream.highest(series)) {
                Some(lag) => lags.push((Some(name.clone()), lag)),
                None => {
                    self.merge_bars.push(Hold::ConsumerSilent { consumer: name.clone() });
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

    fn sum(self, metric: StreamMetric) -> Option<u64> {
        let series = self.series(metric)?;
        Some(self.values(series).flatten().fold(0, u64::saturating_add))
    }

    fn seconds(self) -> u64 {
        let [from, to] = self.window;
        u64::try_from(to.since(from)).unwrap_or(0).max(1) * 60
    }

    /// The median over the day of what was read for each byte written, in thousandths: a replay or
    /// an outage moves single minutes, not the median. Minutes with little traffic tell little and
    /// are left out: those under a quarter of the mean.
    fn pollers_of_the_day(self) -> Option<u64> {
        let written = self.series(StreamMetric::IncomingBytes)?;
        let read = self.series(StreamMetric::GetRecordsBytes)?;
        let from = Minute::of(self.snapshot.look_back_start).plus(1).max(written.start).max(read.start);
        let to = self.window[1].min(written.end()).min(read.end());
        let minutes = || (0..to.since(from).max(0)).map(|at| from.plus(at));
        let traffic = || minutes().filter_map(|minute| written.at(minute)).filter(|bytes| *bytes > 0);
        let mean =
            traffic().fold(0_u128, |sum, bytes| sum + u128::from(bytes)) / traffic().count().max(1) as u128;
        let mut ratios: Vec<u64> = minutes()
            .filter_map(|minute| {
                let written = written.at(minute).filter(|bytes| *bytes > 0)?;
                if u128::from(written) * 4 < mean {
                    return None;
                }
                // The minute has data of the stream, so nothing read is zero and not unknown.
                let read = read.at(minute).unwrap_or(0);
                u64::try_from(u128::from(read) * 1_000 / u128::from(written)).ok()
            })
            .collect();
        let middle = ratios.len() / 2;
        let median = (middle < ratios.len()).then(|| *ratios.select_nth_unstable(middle).1)?;
        Some(near_integer(median))
    }

    fn calls(self, shards: usize) -> Option<(Load, ReadCallsSource)> {
        let calls = self.sum(StreamMetric::GetRecordsCalls)?;
        let seconds = self.seconds().saturating_mul(shards.max(1) as u64);
        let load = Load::from_sum(Dimension::ReadCalls, calls, seconds);
        Some((load, ReadCallsSource::GetRecordsSuccessSampleCount))
    }

    /// Where the stream has no iterator age and no calls either, nobody polls it.
    fn iterator_age(self) -> IteratorAge {
        let Some(age) = self.series(StreamMetric::GetRecordsIteratorAgeMilliseconds) else {
            return IteratorAge::Unknown;
        };
        match (self.highest(age), self.sum(StreamMetric::GetRecordsCalls)) {
            (Some(lag), _) => IteratorAge::Known(lag),
            (None, Some(0)) => IteratorAge::NobodyPolls,
            (None, _) => IteratorAge::Unknown,
        }
    }

    /// Whether half as much again is read as the pollers would read at the tip, and that by more
    /// than 1 % of what a shard gives.
    fn catching_up(self, pollers_thousandths: u64) -> Option<Verdict> {
        let read = self.sum(StreamMetric::GetRecordsBytes)?;
        let expected = read_by(pollers_thousandths, self.sum(StreamMetric::IncomingBytes)?);
        let seconds = self.seconds();
        let noise = SHARD_READ_BYTES_PER_SECOND / 100 * seconds;
        (read > expected.saturating_add(expected / 2).max(expected.saturating_add(noise))).then(|| {
            Verdict::CatchingUp {
                read_bytes_per_second: read / seconds,
                expected_bytes_per_second: expected / seconds,
            }
        })
    }
}

/// Pollers come in whole numbers: within a tenth of one, that one it is. Reading less than a tenth
/// of a poller is kept as it is: rounding it away would hide a reader.
fn near_integer(thousandths: u64) -> u64 {
    let nearest = (thousandths + 500) / 1_000 * 1_000;
    if nearest > 0 && nearest.abs_diff(thousandths) <= 100 { nearest } else { thousandths }
}
