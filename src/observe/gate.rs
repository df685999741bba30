//! When shard metrics are worth their price: pure functions over the stream's own metrics.

use crate::load::{Load, Loads};
use crate::policy::{LOWEST_LEARNED_TARGET, ScalingPolicy};
use crate::quota::Dimension;
use crate::snapshot::{MetricHistory, Minute, StreamMetric};

/// The shards' metrics are read once in each of these slots of the clock, whatever the load.
const SLOT_MINUTES: i64 = 5;
/// A description of a stream at rest is taken for true within each of these slots of the clock.
/// Whoever acts looks again before each step.
pub(super) const SUMMARY_SLOT_MINUTES: i64 = 2 * SLOT_MINUTES;
/// From which share of its target on the stream as a whole is near it, in percent.
const NEAR_TARGET_PERCENT: u64 = 80;
/// From how much more in the newest minute than in the mean of the minutes before it writes are taken
/// to rise, in percent of that mean.
const RISE_PERCENT: u128 = 110;
/// The minutes before it: a slot, after which the shards are looked at anyway.
const RISE_MINUTES: u32 = SLOT_MINUTES as u32;
/// Readers read far above ingest from so many percent of the day's own ratio on.
const READ_SURGE_PERCENT: u128 = 150;

/// What a pass reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricLevel {
    /// Some of the stream's own metrics: a pass that looks whether there is anything to look at.
    Stream,
    /// The shards' metrics too: a pass that decides.
    Shards,
}

/// Whether this pass reads the shards' metrics, by those of [`StreamMetric::WATCHED`]: in each slot of five
/// minutes once, and every minute while the stream rejects writes, lies near its target or is written to
/// more and more. `decided_by` are the targets of the last decision; before there is one, the lowest that there
/// may be tell what is near. `last_full` is the minute of the last pass that read the shards; not knowing it costs one
/// reading.
pub fn gate(
    metrics: &MetricHistory,
    policy: &ScalingPolicy,
    decided_by: Option<Loads>,
    open_shards: usize,
    last_full: Option<Minute>,
    now: Minute,
) -> MetricLevel {
    let due = last_full.is_none_or(|last| !same_slot(last, now));
    if due
        || is_rejecting(metrics, policy)
        || is_near_target(metrics, policy, decided_by, open_shards)
        || is_rising(metrics)
    {
        MetricLevel::Shards
    } else {
        MetricLevel::Stream
    }
}

/// Whether two minutes lie in the same slot of the clock.
pub(super) fn same_slot(a: Minute, b: Minute) -> bool {
    a.0.div_euclid(SLOT_MINUTES) == b.0.div_euclid(SLOT_MINUTES)
}

/// Whether two minutes lie in the same slot in which the stream is described once.
pub(super) fn same_summary_slot(a: Minute, b: Minute) -> bool {
    a.0.div_euclid(SUMMARY_SLOT_MINUTES) == b.0.div_euclid(SUMMARY_SLOT_MINUTES)
}

fn is_rejecting(metrics: &MetricHistory, policy: &ScalingPolicy) -> bool {
    window(metrics, policy, StreamMetric::WriteProvisionedThroughputExceeded).any(|rejected| rejected > 0)
}

/// Whether more is written in the newest minute than in the minutes before: what was cool on the whole
/// a moment ago may have hot shards now, and a burst is best met before it rejects.
fn is_rising(metrics: &MetricHistory) -> bool {
    [StreamMetric::IncomingBytes, StreamMetric::IncomingRecords].into_iter().any(|metric| {
        let mut newest_first = metrics.newest(metric, 1 + RISE_MINUTES).map(u128::from);
        let Some(newest) = newest_first.next() else { return false };
        let (count, sum) = newest_first.fold((0, 0), |(count, sum), value| (count + 1, sum + value));
        count == u128::from(RISE_MINUTES) && newest * count * 100 > sum * RISE_PERCENT
    })
}

/// The targets, where they are known: what is learned, a decision tells. A target that has fallen since is known with
/// the next slot of the clock.
fn targets(policy: &ScalingPolicy, decided_by: Option<Loads>) -> Loads {
    decided_by.unwrap_or_else(|| policy.limits(Some(LOWEST_LEARNED_TARGET)).trigger)
}

/// Any minute of the window counts, not the mean: this only opens the purse.
fn is_near_target(
    metrics: &MetricHistory,
    policy: &ScalingPolicy,
    decided_by: Option<Loads>,
    open_shards: usize,
) -> bool {
    let limits = targets(policy, decided_by);
    let near = |metric, dimension: Dimension, limit: Load| {
        let limit = limit.scaled(NEAR_TARGET_PERCENT, 100);
        let seconds = 60 * u64::try_from(open_shards).unwrap_or(u64::MAX / 60);
        window(metrics, policy, metric).any(|sum| Load::from_sum(dimension, sum, seconds) >= limit)
    };
    near(StreamMetric::IncomingBytes, Dimension::IngestBytes, limits.ingest_bytes)
        || near(StreamMetric::IncomingRecords, Dimension::IngestRecords, limits.ingest_records)
        || near(StreamMetric::GetRecordsBytes, Dimension::ReadBytes, limits.read_bytes)
}

/// Whether the four shard metrics about readers are worth reading: reads are throttled, readers
/// take half of their target or far more than on the rest of the day, or lag. `decided_by` is as for [`gate`].
pub fn reads_need_a_closer_look(
    metrics: &MetricHistory,
    policy: &ScalingPolicy,
    decided_by: Option<Loads>,
    open_shards: usize,
) -> bool {
    let total = |metric| window(metrics, policy, metric).map(u128::from).sum::<u128>();
    let throttled = total(StreamMetric::ReadProvisionedThroughputExceeded) > 0;
    let lag = window(metrics, policy, StreamMetric::GetRecordsIteratorAgeMilliseconds).max().unwrap_or(0);
    let lags = u128::from(lag) > policy.max_iterator_age.as_millis();
    let half_of_target = targets(policy, decided_by).read_bytes.scaled(1, 2);
    let seconds = 60 * u64::try_from(open_shards).unwrap_or(u64::MAX / 60);
    let busy = window(metrics, policy, StreamMetric::GetRecordsBytes)
        .any(|sum| Load::from_sum(Dimension::ReadBytes, sum, seconds) >= half_of_target);
    throttled || lags || busy || reads_surge(metrics, policy)
}

/// Compares read bytes to written bytes, over the window and over the whole day.
fn reads_surge(metrics: &MetricHistory, policy: &ScalingPolicy) -> bool {
    let of_day = |metric: StreamMetric| {
        let values = metrics.stream.get(&metric).map_or(&[][..], |series| &series.values);
        values.iter().flatten().map(|value| u128::from(*value)).sum::<u128>()
    };
    let of_window = |metric| window(metrics, policy, metric).map(u128::from).sum::<u128>();
    let (read, written) = (StreamMetric::GetRecordsBytes, StreamMetric::IncomingBytes);
    let (day_read, day_written) = (of_day(read), of_day(written));
    let (read, written) = (of_window(read), of_window(written));
    // read / written > 1.5 × day's read / day's written, without dividing by zero.
    day_read > 0
        && read.saturating_mul(day_written).saturating_mul(100)
            > written.saturating_mul(day_read).saturating_mul(READ_SURGE_PERCENT)
}

/// The known values of a metric over the policy's window.
fn window(
    metrics: &MetricHistory,
    policy: &ScalingPolicy,
    metric: StreamMetric,
) -> impl Iterator<Item = u64> {
    metrics.newest(metric, policy.metrics.window_minutes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::test_plane::policy;
    use crate::snapshot::Series;

    /// One shard's stream whose last minutes hold `values` of a metric, after a quiet day.
    fn history(values: &[(StreamMetric, u64)]) -> MetricHistory {
        let mut metrics = MetricHistory { settled_until: Some(Minute(1_000)), ..MetricHistory::default() };
        for metric in StreamMetric::ALL {
            let last = values.iter().find(|(of, _)| *of == metric).map_or(0, |(_, value)| *value);
            let mut day = vec![Some(0); 100];
            day[50] = Some(1_000);
            day[94..].fill(Some(last));
            metrics.stream.insert(metric, Series::new(Minute(900), day, true));
        }
        metrics
    }

    fn level(values: &[(StreamMetric, u64)], last_full: Option<i64>, now: i64) -> MetricLevel {
        gate(&history(values), &policy(1, 10), None, 1, last_full.map(Minute), Minute(now))
    }

    #[test]
    fn a_quiet_stream_is_looked_at_closely_once_in_five_minutes_of_the_clock() {
        assert_eq!(level(&[], None, 1_001), MetricLevel::Shards);
        assert_eq!(level(&[], Some(1_000), 1_004), MetricLevel::Stream);
        assert_eq!(level(&[], Some(1_004), 1_005), MetricLevel::Shards);
    }

    #[test]
    fn a_stream_that_rejects_or_nears_its_target_is_looked_at_closely_every_minute() {
        use StreamMetric as Metric;
        let near = |metric, value| level(&[(metric, value)], Some(1_000), 1_001);
        assert_eq!(near(Metric::WriteProvisionedThroughputExceeded, 1), MetricLevel::Shards);
        // The target is 70 %, near it begins at 56 % of 60 MB a minute.
        assert_eq!(near(Metric::IncomingBytes, 33_600_000), MetricLevel::Shards);
        assert_eq!(near(Metric::IncomingBytes, 33_500_000), MetricLevel::Stream);
        assert_eq!(near(Metric::IncomingRecords, 33_600), MetricLevel::Shards);
        assert_eq!(near(Metric::IncomingRecords, 33_500), MetricLevel::Stream);
        assert_eq!(near(Metric::GetRecordsBytes, 77_000_000), MetricLevel::Shards);
    }

    #[test]
    fn where_a_target_is_learned_the_last_decision_tells_what_is_near_and_before_it_the_lowest_there_may_be()
    {
        let metrics = history(&[
            (StreamMetric::IncomingBytes, 60 * 450_000),
            (StreamMetric::GetRecordsBytes, 60 * 450_000),
        ]);
        let mut policy = policy(1, 10);
        let level = |policy: &ScalingPolicy, decided_by| {
            gate(&metrics, policy, decided_by, 1, Some(Minute(1_000)), Minute(1_001))
        };
        let read =
            |policy: &ScalingPolicy, decided_by| reads_need_a_closer_look(&metrics, policy, decided_by, 1);
        assert_eq!((level(&policy, None), read(&policy, None)), (MetricLevel::Stream, false));
        policy.targets.learned = vec![Dimension::IngestBytes, Dimension::ReadBytes];
        let learned = |percent| Some(policy.limits(Some(Load::from_percent(percent))).trigger);
        assert_eq!(level(&policy, None), MetricLevel::Shards);
        assert_eq!(level(&policy, learned(55)), MetricLevel::Shards);
        assert_eq!(level(&policy, learned(60)), MetricLevel::Stream);
        // The readers take 22.5 % of what they may.
        assert!(!read(&policy, None), "half of 50 % is more");
        assert!(read(&policy, learned(45)) && !read(&policy, learned(60)));
    }

    #[test]
    fn a_stream_that_is_written_to_a_tenth_more_than_before_is_looked_at_closely_though_it_is_calm() {
        for metric in [StreamMetric::IncomingBytes, StreamMetric::IncomingRecords] {
            let after = |newest| {
                let mut metrics = history(&[(metric, 10_000)]);
                metrics.stream.get_mut(&metric).expect("is there").values[99] = Some(newest);
                gate(&metrics, &policy(1, 10), None, 1, Some(Minute(1_000)), Minute(1_001))
            };
            assert_eq!([after(11_000), after(11_001)], [MetricLevel::Stream, MetricLevel::Shards]);
        }
    }

    #[test]
    fn readers_are_looked_at_closely_when_throttled_behind_busy_or_far_above_the_day() {
        use StreamMetric as Metric;
        let suspicious = |values: &[_]| reads_need_a_closer_look(&history(values), &policy(1, 10), None, 1);
        assert!(!suspicious(&[(Metric::IncomingBytes, 500), (Metric::GetRecordsBytes, 500)]));
        assert!(suspicious(&[(Metric::ReadProvisionedThroughputExceeded, 1)]));
        assert!(suspicious(&[(Metric::GetRecordsIteratorAgeMilliseconds, 120_001)]));
        assert!(suspicious(&[(Metric::IncomingBytes, 48_000_000), (Metric::GetRecordsBytes, 48_000_000)]));
        assert!(suspicious(&[(Metric::IncomingBytes, 100), (Metric::GetRecordsBytes, 1_000)]));
    }
}
