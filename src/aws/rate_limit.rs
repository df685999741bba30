//! Rate limits of an account and region, shared by everything in the process that calls AWS in
//! their name: AWS counts per account, and others have to live on what is left.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::descriptions::Descriptions;
use crate::control_plane::Period;
use crate::quota;
use crate::snapshot::Minute;

mod descriptions;

/// What an account and region allow.
#[derive(Debug)]
pub(super) struct RateLimits {
    /// `SplitShard` and `MergeShards` together.
    pub(super) reshard: Pace,
    /// `UpdateShardCount`.
    pub(super) update_shard_count: Pace,
    /// `DescribeStreamSummary`.
    pub(super) describe_stream_summary: Descriptions,
    /// `DescribeLimits`.
    pub(super) describe_limits: Pace,
    /// `GetMetricData`.
    pub(super) get_metric_data: Pace,
    /// What `GetMetricData` is asked for.
    pub(super) data_points: DataPoints,
    /// `EnableEnhancedMonitoring`. AWS counts per stream; one pace for all is the stricter.
    pub(super) enhanced_monitoring: Pace,
}

impl RateLimits {
    /// In real seconds, of which AWS's clock makes `clock_speed` each: 1 with AWS itself.
    ///
    /// Reads may come in a bunch, for somebody waits for them, and take a fifth of the account's
    /// rate but for what is read for the first time. Writes are spaced evenly at the account's whole rate: few streams reshard at once, and
    /// each for half a minute, so that they are far below it but for a moment.
    fn new(clock_speed: u32) -> Self {
        let speed = clock_speed.max(1);
        let second = Duration::from_secs(1) / speed;
        let evenly = |calls: u32| Pace::new(1, second / calls);
        RateLimits {
            reshard: evenly(quota::RESHARD_CALLS_PER_SECOND),
            update_shard_count: evenly(quota::UPDATE_SHARD_COUNT_CALLS_PER_SECOND),
            describe_stream_summary: Descriptions::new(speed),
            describe_limits: evenly(quota::DESCRIBE_LIMITS_CALLS_PER_SECOND),
            get_metric_data: Pace::new(
                quota::GET_METRIC_DATA_CALLS_PER_SECOND / quota::SHARE_OF_ACCOUNT,
                second,
            ),
            data_points: DataPoints::new(speed),
            enhanced_monitoring: evenly(quota::ENHANCED_MONITORING_CALLS_PER_SECOND),
        }
    }

    /// The limits that everything in this process shares that calls in the name of `scope` (an
    /// account, a region and an endpoint). What the first caller says of the clock counts.
    pub(super) fn shared(scope: &str, clock_speed: u32) -> Arc<RateLimits> {
        static SCOPES: LazyLock<Mutex<HashMap<String, Arc<RateLimits>>>> = LazyLock::new(Mutex::default);
        let mut scopes = SCOPES.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = scopes.entry(scope.to_owned()).or_insert_with(|| Arc::new(RateLimits::new(clock_speed)));
        Arc::clone(limits)
    }
}

/// So many calls within any span of so long, wherever it begins. Time unused is not saved up.
#[derive(Debug)]
pub(super) struct Pace {
    most: usize,
    within: Duration,
    /// The latest turns, oldest first, `most` at most; some may be yet to come.
    turns: Mutex<VecDeque<Instant>>,
}

impl Pace {
    /// At most `most` calls within any `within`; 0 counts as 1.
    pub(super) fn new(most: u32, within: Duration) -> Self {
        let most = usize::try_from(most.max(1)).unwrap_or(usize::MAX);
        Pace { most, within, turns: Mutex::default() }
    }

    /// Waits for a turn. Turns are given in the order of the calls; one whose future is dropped is
    /// lost.
    pub(super) async fn take(&self) {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let mut turn = Instant::now();
            if turns.len() >= self.most
                && let Some(oldest) = turns.pop_front()
            {
                turn = turn.max(oldest + self.within);
            }
            turns.push_back(turn);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }

    /// The latest turn that was given, if one ever was.
    #[cfg(test)]
    pub(super) fn latest_turn(&self) -> Option<Instant> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).back().copied()
    }
}

/// How many data points are asked for. CloudWatch counts them by the minutes and metrics of a
/// request, and more of them where the minutes are recent.
///
/// Who has just started reads a day of each stream and goes up to the share that is meant for first
/// looks, and [`DataPoints::AT_ONCE`] beside; what has been read once takes far less than a fifth.
#[derive(Debug)]
pub(super) struct DataPoints {
    speed: u32,
    /// Until when what was asked for takes at that share of the rate.
    paid_until: Mutex<Option<Instant>>,
}

impl DataPoints {
    /// Points of recent minutes that may be asked for without waiting: one look at a stream of 200
    /// shards, and no more than the rest of a second's rate.
    const AT_ONCE: u32 = 60_000;

    fn new(speed: u32) -> Self {
        DataPoints { speed, paid_until: Mutex::default() }
    }

    /// Waits until `queries` metrics may be asked for from `start` to before `end`, which lies a few
    /// minutes before now.
    pub(super) async fn take(&self, queries: usize, start: Minute, end: Minute, period: Period) {
        let minutes = u32::try_from(end.since(start).max(0)).unwrap_or(u32::MAX);
        let points =
            minutes.div_ceil(period.minutes()).saturating_mul(u32::try_from(queries).unwrap_or(u32::MAX));
        let is_recent = end.since(start) < quota::RECENT_DATA_POINTS_HOURS * 60;
        let per_second = match is_recent {
            true => quota::RECENT_DATA_POINTS_PER_SECOND,
            false => quota::OLDER_DATA_POINTS_PER_SECOND,
        };
        let takes = self.time_of(points, per_second);
        let at_once = self.time_of(Self::AT_ONCE, quota::RECENT_DATA_POINTS_PER_SECOND);
        let turn = {
            let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let paid = paid_until.map_or(now, |until| until.max(now));
            *paid_until = Some(paid + takes);
            now + paid.duration_since(now).saturating_sub(at_once)
        };
        tokio::time::sleep_until(turn).await;
    }

    /// How long so many points take at the share of first looks in `per_second`.
    fn time_of(&self, points: u32, per_second: u32) -> Duration {
        Duration::from_secs(1) * quota::SHARE_OF_ACCOUNT_AT_FIRST * points / per_second / self.speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_plane::StreamId;

    const SECOND: Duration = Duration::from_secs(1);

    /// When the turns of so many callers come who all come at once.
    async fn turns(callers: usize, pace: Pace) -> Vec<Duration> {
        let (pace, start) = (Arc::new(pace), Instant::now());
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let pace = Arc::clone(&pace);
                tokio::spawn(async move {
                    pace.take().await;
                    start.elapsed()
                })
            })
            .collect();
        let mut turns = Vec::new();
        for task in tasks {
            turns.push(task.await.expect("the task ends"));
        }
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn no_span_sees_more_calls_than_the_pace_and_none_waits_without_need() {
        for (most, within) in [(5, SECOND), (1, SECOND / 5)] {
            let turns = turns(12, Pace::new(most, within)).await;
            let most = usize::try_from(most).expect("small");
            for (turn, later) in turns.iter().zip(&turns[most..]) {
                // Tokio's timers round up to a millisecond.
                let apart = *later - *turn;
                assert!(apart >= within && apart < within + SECOND / 100, "{turn:?} and {later:?}");
            }
            assert!(turns[..most].iter().all(Duration::is_zero), "the first do not wait: {turns:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_unused_is_not_saved_up() {
        let pace = Pace::new(1, SECOND);
        pace.take().await;
        tokio::time::sleep(10 * SECOND).await;
        pace.take().await;
        let second = Instant::now();
        pace.take().await;
        assert_eq!(second.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_at_one_stream_waits_for_no_data_points_and_a_fleet_keeps_below_the_rate() {
        let (points, end, minute) = (DataPoints::new(1), Minute(100_000), Period::Minute);
        let start = Instant::now();
        points.take(10, end.plus(-1_440), end, minute).await;
        points.take(500, end.plus(-68), end, minute).await;
        points.take(100, end.plus(-68), end, minute).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "one stream of 200 shards");
        let mut recent = 40_800;
        for _ in 0..99 {
            points.take(150, end.plus(-68), end, minute).await;
            recent += 150 * 68;
            let most = 180_000.0 / 2.0 * start.elapsed().as_secs_f64() + 60_000.0 + 150.0 * 68.0;
            assert!(f64::from(recent) <= most, "{recent} after {:?}", start.elapsed());
        }
        assert!(start.elapsed() < 12 * SECOND, "{:?}: no slower than half of the rate", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_runs_faster_has_shorter_seconds() {
        let (limits, stream) = (RateLimits::new(60), StreamId::Name("orders".to_owned()));
        limits.describe_stream_summary.take(&stream).await;
        let start = Instant::now();
        for _ in 0..241 {
            limits.describe_stream_summary.take(&stream).await;
        }
        // Timers round each wait up to a millisecond.
        assert!(start.elapsed() < SECOND + SECOND / 8, "{:?}", start.elapsed());
    }

    #[test]
    fn one_scope_has_one_set_of_limits() {
        let first = RateLimits::shared("test/eu-west-1", 1);
        assert!(Arc::ptr_eq(&first, &RateLimits::shared("test/eu-west-1", 1)));
        assert!(!Arc::ptr_eq(&first, &RateLimits::shared("test/eu-west-2", 1)));
    }
}
