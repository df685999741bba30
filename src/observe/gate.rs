//! When shard metrics are worth their price: pure functions over the stream's own metrics.

use crate::demand::Pulse;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold, RangeLoad};
use crate::policy::{LOWEST_LEARNED_TARGET, Limits, ScalingPolicy};
use crate::quota::Dimension;
use crate::snapshot::{MetricHistory, Minute, StreamMetric};

/// The shards' metrics are read once in each of these slots of the clock, whatever the load.
const SLOT_MINUTES: i64 = 5;
/// A description of a stream at rest is taken for true within each of these slots of the clock.
/// Whoever acts looks again before each step.
pub(super) const SUMMARY_SLOT_MINUTES: i64 = 2 * SLOT_MINUTES;
/// From which share of what they may read on readers are near it, in percent.
const NEAR_TARGET_PERCENT: u64 = 80;
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

/// What a decision leaves to watch for: the load of the stream as a whole at which it would be another, if every key
/// kept its share. What lies beyond such a point already has been decided on, or waits for what no metric tells, unless
/// it is for a rise to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchpoints {
    /// The targets that it was decided by.
    targets: Loads,
    /// What the stream has when the next shard is at a target.
    rises_to: Loads,
    /// What the peak of the stream has to fall to for the next two neighbours to fit together. (Where it is something
    /// foreseen that they wait for, the next slot of the clock sees it pass.)
    falls_to: Loads,
    /// Whether neighbours fit together, and wait for the stream to rise no more.
    ends_rising: bool,
}

impl Watchpoints {
    /// Those of a decision by `limits` on `shards`, in hash-key order, that was held back by `holds`, when the stream had
    /// this pulse. Where that is not known, or nothing was written, the point is one shard's target: what more would be
    /// hot, wherever it went.
    pub fn of(shards: &[RangeLoad], limits: Limits, holds: &[Hold], pulse: Option<Pulse>) -> Watchpoints {
        let Limits { trigger, pack } = limits;
        let falls_to = Loads::default();
        let mut points = Watchpoints { targets: trigger, rises_to: trigger, falls_to, ends_rising: false };
        let Some(Pulse { now, peak, rises: _ }) = pulse else { return points };
        let rose = holds.iter().any(|hold| matches!(hold, Hold::Rising { .. }));
        let silent = |now: Load, target: Load| if now == Load::ZERO { target } else { Load(u64::MAX) };
        points.rises_to = now.zip(trigger, silent);
        let is_known = |shard: &RangeLoad| shard.evidence != Evidence::Unknown;
        for shard in shards.iter().filter(|shard| is_known(shard) && shard.loads.within(trigger)) {
            let at_target = Dimension::SPLITTABLE.map(|dimension| match shard.loads.of(dimension) {
                Load::ZERO => Load(u64::MAX),
                load => now.of(dimension).scaled(trigger.of(dimension).0, load.0),
            });
            points.rises_to = points.rises_to.zip(Loads::from_array(at_target), Ord::min);
        }
        for pair in shards.windows(2).filter(|pair| pair.iter().all(is_known)) {
            let loads: Loads = pair.iter().map(|shard| shard.peak_loads).sum();
            if loads.within(pack) {
                points.ends_rising = rose;
            } else {
                let (fullest, load) = loads.binding(pack);
                let fits = Dimension::SPLITTABLE.map(|dimension| match dimension == fullest {
                    true => peak.of(dimension).scaled(pack.of(dimension).0, load.0),
                    false => Load::ZERO,
                });
                points.falls_to = points.falls_to.max(Loads::from_array(fits));
            }
        }
        points
    }

    /// Whether the stream has come to one of them.
    fn are_reached(&self, pulse: Pulse) -> bool {
        let fell = |(peak, point): (Load, Load)| peak < point;
        !pulse.now.within(self.rises_to)
            || (self.ends_rising && !pulse.rises)
            || pulse.peak.as_array().into_iter().zip(self.falls_to.as_array()).any(fell)
    }
}

/// Whether this pass reads the shards' metrics, by those of [`StreamMetric::WATCHED`]: in each slot of five minutes
/// once, and at every minute in which the stream rejects writes, is read near its target, or has come to one of the
/// points that the last decision left to `watch` for. `last_full` is the minute of the last pass that read the shards;
/// not knowing it costs one reading.
pub fn gate(
    metrics: &MetricHistory,
    policy: &ScalingPolicy,
    watch: Option<Watchpoints>,
    open_shards: usize,
    last_full: Option<Minute>,
    now: Minute,
) -> MetricLevel {
    let is_reached = || {
        let (watch, pulse) = watch.zip(Pulse::read(metrics, policy))?;
        Some(watch.are_reached(pulse))
    };
    if is_due(last_full, now)
        || is_rejecting(metrics, policy)
        || is_read_near_its_target(metrics, policy, watch, open_shards)
        || is_reached().unwrap_or(false)
    {
        MetricLevel::Shards
    } else {
        MetricLevel::Stream
    }
}

/// Whether the shards' metrics are read now, whatever the stream shows: their last reading lies in another slot of the
/// clock, or is not known.
pub fn is_due(last_full: Option<Minute>, now: Minute) -> bool {
    last_full.is_none_or(|last| !same_slot(last, now))
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

/// The targets, where they are known: what is learned, a decision tells. A target that has fallen since is known with
/// the next slot of the clock.
fn targets(policy: &ScalingPolicy, watch: Option<Watchpoints>) -> Loads {
    let lowest = || policy.limits(Some(LOWEST_LEARNED_TARGET)).trigger;
    watch.map_or_else(lowest, |watch| watch.targets)
}

/// Any minute of the window counts, not the mean: this only opens the purse.
fn is_read_near_its_target(
    metrics: &MetricHistory,
    policy: &ScalingPolicy,
    watch: Option<Watchpoints>,
    open_shards: usize,
) -> bool {
    let limit = targets(policy, watch).read_bytes.scaled(NEAR_TARGET_PERCENT, 100);
    let seconds = 60 * u64::try_from(open_shards).unwrap_or(u64::MAX / 60);
    window(metrics, policy, StreamMetric::GetRecordsBytes)
        .any(|sum| Load::from_sum(Dimension::ReadBytes, sum, seconds) >= limit)
}

/// Whether the four shard metrics about readers are worth reading: reads are throttled, readers
/// take half of their target or far more than on the rest of the day, or lag. `watch` is as for [`gate`].
pub fn reads_need_a_closer_look(
    metrics: &MetricHistory,
    policy: &ScalingPolicy,
    watch: Option<Watchpoints>,
    open_shards: usize,
) -> bool {
    let total = |metric| window(metrics, policy, metric).map(u128::from).sum::<u128>();
    let throttled = total(StreamMetric::ReadProvisionedThroughputExceeded) > 0;
    let lag = window(metrics, policy, StreamMetric::GetRecordsIteratorAgeMilliseconds).max().unwrap_or(0);
    let lags = u128::from(lag) > policy.max_iterator_age.as_millis();
    let half_of_target = targets(policy, watch).read_bytes.scaled(1, 2);
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
    use proptest::prelude::*;

    use super::*;
    use crate::hash_key::HashKeyRange;
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
    fn a_stream_that_rejects_or_is_read_near_its_target_is_looked_at_closely_every_minute() {
        use StreamMetric as Metric;
        let near = |metric, value| level(&[(metric, value)], Some(1_000), 1_001);
        assert_eq!(near(Metric::WriteProvisionedThroughputExceeded, 1), MetricLevel::Shards);
        // The target is 80 % of 120 MB a minute, near it begins at 80 % of that.
        assert_eq!(near(Metric::GetRecordsBytes, 80_000_000), MetricLevel::Shards);
        assert_eq!(near(Metric::GetRecordsBytes, 76_000_000), MetricLevel::Stream);
        assert_eq!(near(Metric::IncomingBytes, 60_000_000), MetricLevel::Stream, "a decision has allowed it");
    }

    /// What a decision by targets of 70 %, packed to 60 %, leaves to watch for.
    fn watchpoints(shards: &[(Loads, Loads)], pulse: Option<Pulse>) -> Watchpoints {
        let ranges = HashKeyRange::WHOLE.equal_parts(u32::try_from(shards.len()).expect("few"));
        let shard = |((loads, peak_loads), range): (&(Loads, Loads), HashKeyRange)| RangeLoad {
            range,
            loads: *loads,
            peak_loads: *peak_loads,
            evidence: Evidence::Measured,
        };
        let shards: Vec<_> = shards.iter().zip(ranges).map(shard).collect();
        let [trigger, pack] = [70, 60].map(|percent| Loads::from_array([Load::from_percent(percent); 3]));
        Watchpoints::of(&shards, Limits { trigger, pack }, &[], pulse)
    }

    #[test]
    fn a_stream_is_looked_at_closely_when_the_next_shard_would_be_hot_or_the_next_neighbours_fit_together() {
        let bytes = |per_minute: u64| history(&[(StreamMetric::IncomingBytes, per_minute)]);
        let policy = policy(1, 10);
        let load = |percent| Loads { ingest_bytes: Load::from_percent(percent), ..Loads::default() };
        let pulse = Pulse::read(&bytes(60_000_000), &policy);
        assert_eq!(pulse.map(|pulse| pulse.now.ingest_bytes), Some(Load::CEILING));
        // Of 100 % the hotter shard has 60: at 116.7 % it is at its target. Of the peak of 100 % both have all: at
        // 60 % they fit together.
        let watch = watchpoints(&[(load(60), load(60)), (load(40), load(40))], pulse);
        let level = |per_minute, watch| {
            gate(&bytes(per_minute), &policy, Some(watch), 2, Some(Minute(1_000)), Minute(1_001))
        };
        let at = [69_990_000, 70_010_000].map(|per_minute| level(per_minute, watch));
        assert_eq!(at, [MetricLevel::Stream, MetricLevel::Shards]);
        // The history has a peak that does not fade: of the newest six minutes.
        let at = [36_010_000, 35_990_000].map(|per_minute| level(per_minute, watch));
        assert_eq!(at, [MetricLevel::Stream, MetricLevel::Shards]);
        // What is hot or fits already has been decided on.
        let hot = watchpoints(&[(load(75), load(75)), (load(25), load(25))], pulse);
        let cold = watchpoints(&[(load(30), load(30)), (load(30), load(30)), (load(40), load(40))], pulse);
        for watch in [hot, cold] {
            assert_eq!(level(61_000_000, watch), MetricLevel::Stream, "{watch:?}");
        }
        // Of a stream that tells nothing, and of one that nobody writes to: one shard's target.
        let silent = Pulse { now: Loads::default(), peak: Loads::default(), rises: false };
        for pulse in [None, Some(silent)] {
            let watch = watchpoints(&[(load(0), load(0)), (load(0), load(0))], pulse);
            let at = [41_990_000, 42_010_000].map(|per_minute| level(per_minute, watch));
            assert_eq!(at, [MetricLevel::Stream, MetricLevel::Shards]);
        }
    }

    #[test]
    fn neighbours_that_fit_together_and_wait_for_a_rise_are_looked_at_as_soon_as_it_is_over() {
        let load = |percent| Loads { ingest_bytes: Load::from_percent(percent), ..Loads::default() };
        let pulse = |rises| Pulse { now: load(60), peak: load(60), rises };
        let by = |percent, holds: &[Hold]| {
            let half = RangeLoad {
                range: HashKeyRange::WHOLE,
                loads: load(percent),
                peak_loads: load(percent),
                evidence: Evidence::Measured,
            };
            let [trigger, pack] = [70, 60].map(|percent| Loads::from_array([Load::from_percent(percent); 3]));
            Watchpoints::of(&[half.clone(), half], Limits { trigger, pack }, holds, Some(pulse(true)))
        };
        let rising = [Hold::Rising { per_mille: 20 }];
        let reached = |watch: Watchpoints| [true, false].map(|rises| watch.are_reached(pulse(rises)));
        assert_eq!(reached(by(30, &rising)), [false, true]);
        assert_eq!(reached(by(30, &[])), [false, false], "they have been merged, or wait for something else");
        assert_eq!(reached(by(31, &rising)), [false, false], "they do not fit together");
    }

    proptest! {
        #[test]
        fn watchpoints_are_reached_just_when_a_shard_becomes_hot_or_neighbours_come_to_fit(
            shards in prop::collection::vec(prop::array::uniform2(prop::array::uniform2(0_u64..1_200_000)), 1..8),
            per_mille in 50_u64..3_000,
        ) {
            let loads = |[bytes, records]: [u64; 2]| Loads {
                ingest_bytes: Load(bytes), ingest_records: Load(records), ..Loads::default()
            };
            let shards: Vec<(Loads, Loads)> =
                shards.into_iter().map(|[now, more]| (loads(now), loads(now) + loads(more))).collect();
            let total = |of: fn(&(Loads, Loads)) -> Loads| shards.iter().map(of).sum::<Loads>();
            let pulse = Pulse { now: total(|shard| shard.0), peak: total(|shard| shard.1), rises: false };
            let watch = watchpoints(&shards, Some(pulse));
            let [trigger, pack] = [70, 60].map(|percent| Loads::from_array([Load::from_percent(percent); 3]));
            let newly = |slack: u64| {
                let becomes_hot = |(loads, _): &(Loads, Loads)| {
                    loads.within(trigger) && !loads.scaled(per_mille, 1_000).within(trigger.scaled(slack, 1_000))
                };
                let come_to_fit = |pair: &[(Loads, Loads)]| {
                    let peaks = pair[0].1 + pair[1].1;
                    let lower = pack.scaled(1_000, slack);
                    !peaks.within(pack) && peaks.scaled(per_mille, 1_000).within(lower)
                };
                shards.iter().any(becomes_hot) || shards.windows(2).any(come_to_fit)
            };
            let [now, peak] = [pulse.now, pulse.peak].map(|loads| loads.scaled(per_mille, 1_000));
            let then = Pulse { now, peak, ..pulse };
            // But for what rounding does.
            let reached = watch.are_reached(then);
            prop_assert!(!newly(1_001) || reached);
            prop_assert!(!reached || newly(999));
        }
    }

    #[test]
    fn where_a_target_is_learned_the_last_decision_tells_what_is_near_and_before_it_the_lowest_there_may_be()
    {
        let metrics = history(&[
            (StreamMetric::IncomingBytes, 60 * 450_000),
            (StreamMetric::GetRecordsBytes, 60 * 850_000),
        ]);
        let mut policy = policy(1, 10);
        let level = |policy: &ScalingPolicy, watch| {
            gate(&metrics, policy, watch, 1, Some(Minute(1_000)), Minute(1_001))
        };
        let read = |policy: &ScalingPolicy, watch| reads_need_a_closer_look(&metrics, policy, watch, 1);
        assert_eq!(level(&policy, None), MetricLevel::Stream);
        policy.targets.learned = vec![Dimension::IngestBytes, Dimension::ReadBytes];
        let learned = |percent| {
            let limits = policy.limits(Some(Load::from_percent(percent)));
            Some(Watchpoints::of(&[], limits, &[], None))
        };
        // The readers take 42.5 % of what they may: near 50 %, and half of 85.
        assert_eq!(level(&policy, None), MetricLevel::Shards);
        assert_eq!(level(&policy, learned(53)), MetricLevel::Shards);
        assert_eq!(level(&policy, learned(54)), MetricLevel::Stream);
        assert!(read(&policy, None), "half of 50 % is less");
        assert!(read(&policy, learned(85)) && !read(&policy, learned(86)));
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
