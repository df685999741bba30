//! When loops look: as soon as a minute settles, which happens at whole minutes of AWS's clock. So looks
//! come at whole multiples of the interval since the Unix epoch, a little apart where there are many
//! streams.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Looks come so much later than AWS's clock says: its servers do not agree on the time, a metric may come a moment
/// later than is usual, and a look that is a hair too early tells of a minute less.
pub const MARGIN: Duration = Duration::from_secs(5);
/// Between two streams of one process that look in the same round: twenty a second, which is what an
/// account takes of `DescribeStreamSummary` where all of them were to ask for it at once.
pub const GAP: Duration = Duration::from_millis(50);

/// Between a look and the next round at least, or half an interval where that is less: AWS's replies tell
/// whole seconds, so that a round that has just begun may seem to be about to.
pub const LEAST_GAP: Duration = Duration::from_secs(2);

/// Over which time the looks of so many streams are spread in each round: within an interval, whatever
/// their number.
pub fn spread(count: usize, interval: Duration) -> Duration {
    interval.min(GAP.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)))
}

/// The time from `now` until the next whole multiple of `interval` since the Unix epoch, or so much after
/// one as `offset` says. That is more than [`LEAST_GAP`], and no more than that and an interval. An interval
/// of less than a second is one of a second.
pub fn until_next(now: Timestamp, interval: Duration, offset: Duration) -> Duration {
    let interval = interval.max(Duration::from_secs(1));
    let gap = LEAST_GAP.min(interval / 2);
    let since = (now.as_nanosecond() + nanos(gap) - nanos(offset)).rem_euclid(nanos(interval));
    gap + Duration::from_nanos(u64::try_from(nanos(interval) - since).unwrap_or(u64::MAX))
}

/// What AWS's clock was seen to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    at: Timestamp,
    seen: Instant,
}

impl Sighting {
    /// It shows `at` now, or showed it a moment ago: a reply has just told it.
    pub fn now(at: Timestamp) -> Sighting {
        Sighting { at, seen: Instant::now() }
    }

    /// [`until_next`] from now, by this clock, which runs `speed` times as fast as ours.
    pub fn until_next(&self, interval: Duration, offset: Duration, speed: u32) -> Duration {
        until_next(self.shows(Instant::now(), speed), interval, offset)
    }

    /// What it shows at `now`: that much at least, for replies tell whole seconds and take time to come.
    fn shows(&self, now: Instant, speed: u32) -> Timestamp {
        let since = now.saturating_duration_since(self.seen).saturating_mul(speed);
        let since = SignedDuration::try_from(since).unwrap_or(SignedDuration::MAX);
        self.at.saturating_add(since).unwrap_or(Timestamp::MAX)
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).expect("in range")
    }

    #[test]
    fn the_next_round_is_at_the_next_whole_minute_and_neither_now_nor_just_now() {
        for (now, offset, wait) in [
            (0, 0, 60_000),
            (1, 0, 59_999),
            (57_999, 0, 2_001),
            (58_000, 0, 62_000),
            (59_999, 0, 60_001),
            (60_000, 250, 60_250),
            (-3_000, 0, 3_000),
        ] {
            let told = until_next(at(now), MINUTE, Duration::from_millis(offset));
            assert_eq!(told, Duration::from_millis(wait), "{now} {offset}");
        }
    }

    #[test]
    fn many_streams_are_spread_as_widely_as_they_need_and_within_the_interval() {
        assert_eq!(spread(1, MINUTE), GAP);
        assert_eq!(spread(1_000, MINUTE), Duration::from_secs(50));
        assert_eq!(spread(usize::MAX, MINUTE), MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_seen_goes_on_at_its_speed() {
        let sighting = Sighting::now(at(5_000));
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(sighting.shows(Instant::now(), 1), at(6_500));
        assert_eq!(sighting.shows(Instant::now(), 60), at(95_000));
    }

    proptest! {
        /// Whatever the time, the interval and the offset: the next round is a multiple and the offset, and
        /// there is none between.
        #[test]
        fn a_round_is_a_multiple_and_its_offset_and_comes_within_the_interval(
            now in -4_000_000_000_000_i64..4_000_000_000_000,
            seconds in 1_u64..=3_600,
            offset in 0_u64..10_000_000,
        ) {
            let interval = Duration::from_secs(seconds);
            let wait = until_next(at(now), interval, Duration::from_millis(offset));
            let gap = LEAST_GAP.min(interval / 2);
            prop_assert!(wait > gap && wait <= gap + interval);
            let then = i128::from(now) + i128::try_from(wait.as_millis()).expect("small") - i128::from(offset);
            prop_assert_eq!(then.rem_euclid(1_000 * i128::from(seconds)), 0);
        }
    }
}
