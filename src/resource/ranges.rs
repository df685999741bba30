//! What the fields take: ranges of numbers and durations, lengths of texts and lists. The one place
//! for both the check of a resource and the schema that the API server checks it by.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::duration::DurationText;
use crate::quota;

/// The durations that a field takes: multiples of `step` from `least` to `most`.
#[derive(Debug, Clone, Copy)]
pub(super) struct DurationRange {
    pub(super) least: Duration,
    pub(super) most: Duration,
    pub(super) step: Duration,
}

/// How many millionths of one a field takes that is a number with a point.
pub(super) type MillionthsRange = RangeInclusive<u32>;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How many shards a stream may have.
pub(super) const SHARDS: RangeInclusive<u32> = quota::MIN_SHARDS..=quota::MAX_SHARDS;
/// Of a ceiling.
pub(super) const TARGET_PERCENT: RangeInclusive<u32> = 1..=100;
/// How far behaviour may look back, in seconds: a window must be known as a whole, and of a stream with a retention of a
/// day a quarter of an hour less than a day is.
pub(super) const STABILIZATION_SECONDS: RangeInclusive<u32> = 0..=82_800;
/// The same of periods: the shards of a day ago are known, no more.
pub(super) const PERIOD_SECONDS: RangeInclusive<u32> = 1..=86_400;
/// Of the shards at a period's start: eleven times as many, then no number bounds anything.
pub(super) const CHANGE_PERCENT: RangeInclusive<u32> = 1..=1_000;
/// Replacing every shard of a full stream by splits and merges takes fewer.
pub(super) const STEPS_PER_PLAN: RangeInclusive<u32> = 1..=2 * quota::MAX_SHARDS;
/// In a day.
pub(super) const MERGES_PER_DAY: RangeInclusive<u32> = 0..=10_000;
/// Of a target, up to nine tenths: what is packed tighter is packed into nothing.
pub(super) const TOLERANCE: MillionthsRange = 0..=900_000;
/// In shard-hours, up to a hundred.
pub(super) const STEP_COST: MillionthsRange = 0..=100_000_000;

/// Long enough to see a new minute, short enough to be a control loop.
pub(super) const INTERVAL: DurationRange = DurationRange::seconds(10, HOUR);
/// Metrics come by the minute.
pub(super) const WINDOW: DurationRange = DurationRange {
    least: Duration::from_secs(MINUTE),
    most: Duration::from_secs(HOUR),
    step: Duration::from_secs(MINUTE),
};
/// CloudWatch's newest 2 to 3 minutes are late; a younger limit would hold always.
pub(super) const MAX_AGE: DurationRange = DurationRange::seconds(3 * MINUTE, HOUR);
/// From a few steps' time to a month.
pub(super) const HORIZON: DurationRange = DurationRange::seconds(5 * MINUTE, 30 * DAY);
/// From a small stream's split to where something is wrong.
pub(super) const STEP_TIME: DurationRange = DurationRange::seconds(1, 10 * MINUTE);
/// From a small stream's to that of thousands of shards.
pub(super) const UPDATE_TIME: DurationRange = DurationRange::seconds(10, 2 * HOUR);
/// From what a person needs to answer to a week.
pub(super) const EXPIRE_AFTER: DurationRange = DurationRange::seconds(MINUTE, 7 * DAY);
/// A stream keeps its records for a day, unless told otherwise.
pub(super) const MAX_ITERATOR_AGE: DurationRange = DurationRange::seconds(1, DAY);
/// AWS serves 5 GetRecords calls a second on a shard: a poller cannot be faster than 200 ms.
pub(super) const POLL_INTERVAL: DurationRange = DurationRange {
    least: Duration::from_millis(200),
    most: Duration::from_secs(HOUR),
    step: Duration::from_millis(1),
};
/// A transform may take as long as Firehose waits for it.
pub(super) const TRANSFORM_DURATION: DurationRange = DurationRange {
    least: Duration::from_millis(1),
    most: Duration::from_secs(5 * MINUTE),
    step: Duration::from_millis(1),
};
/// Firehose takes 0.2 to 3 MB ("Transform source data in Amazon Data Firehose").
pub(super) const TRANSFORM_BATCH_BYTES: RangeInclusive<u32> = 200_000..=3 << 20;
/// Up to a leap year.
pub(super) const SCHEDULE_DURATION: DurationRange = DurationRange::seconds(MINUTE, 366 * DAY);
/// Up to a day.
pub(super) const LEAD_TIME: DurationRange = DurationRange::seconds(0, DAY);

/// Rate policies of one direction.
pub(super) const MOST_RATE_POLICIES: usize = 10;
/// Declared consumers.
pub(super) const MOST_CONSUMERS: usize = 50;
/// Schedules.
pub(super) const MOST_SCHEDULES: usize = 50;
/// Characters of a consumer's name: the longest that AWS gives is a KCL application's, which names a
/// DynamoDB table and a namespace of CloudWatch, each of 255 at the most.
pub(super) const CONSUMER_NAME_LENGTH: usize = 255;
/// Characters of a schedule's name, as in a Kubernetes label.
pub(super) const SCHEDULE_NAME_LENGTH: usize = 63;
/// Characters of a cron expression: all minutes, hours and days one by one take about 400.
pub(super) const CRON_LENGTH: usize = 512;

impl DurationRange {
    /// Multiples of a second from `least` to `most`, both in seconds.
    pub(super) const fn seconds(least: u64, most: u64) -> DurationRange {
        DurationRange {
            least: Duration::from_secs(least),
            most: Duration::from_secs(most),
            step: Duration::from_secs(1),
        }
    }

    /// Whether `duration` is one of them.
    pub(super) fn contains(&self, duration: Duration) -> bool {
        let DurationRange { least, most, step } = self;
        (*least..=*most).contains(&duration) && duration.as_millis().is_multiple_of(step.as_millis())
    }

    /// One of them, of two units where there is such a one.
    pub(super) fn example(&self) -> Duration {
        let of_two_units = [5_400, 90].map(Duration::from_secs);
        of_two_units.into_iter().find(|example| self.contains(*example)).unwrap_or(self.least)
    }
}

impl fmt::Display for DurationRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DurationRange { least, most, step: _ } = self;
        write!(f, "{} to {}", DurationText::from(*least), DurationText::from(*most))
    }
}
