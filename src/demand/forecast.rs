//! Forecast: what the stream as a whole will be offered in the next hours, by the course of yesterday.
//!
//! # The model
//!
//! A *slot* is a quarter of an hour. With s(k) what the stream was offered in the mean of the k-th slot after this
//! hour yesterday, b what s was at this very hour, and v what it is offered now, the k-th slot from now is
//! expected to have
//!
//! > s(k) · (1 + (v/b − 1) · w(k)),
//!
//! where w falls from 1 to 1/2 over the forecast: by how much today is above yesterday now, it will be for a
//! while, and half of it in the end. The look-back ends 15 minutes short of a day, so that s(0) is continued from
//! s(1) and s(2), by a quarter at the most. Upon all that comes [`MARGIN_PERCENT`].
//!
//! Both ratios are bounded, so that no hour of silence makes a forecast of anything. Where a slot of yesterday is
//! not known there is no forecast at all.

use crate::snapshot::{Minute, Snapshot};

use super::history::{Amounts, Span, Totals};

/// Minutes of a slot.
pub const SLOT_MINUTES: u32 = 15;
/// Slots of a forecast: 8 hours, a third of the season that it knows.
pub const SLOTS: usize = 32;
/// By how much more than the expected mean of a slot is expected. Over two weeks of the taxi trace 0, 5 and 10 %
/// gave R 1.41, 1.37 and 1.44 (`docs/decisions/0007-foresight.md`).
const MARGIN_PERCENT: u64 = 5;
/// The newest minutes whose mean is taken for now.
const NOW_MINUTES: i64 = 2;
/// Known minutes that a slot must have.
const LEAST_KNOWN: usize = 10;
/// Today is taken for at most so many times as much as yesterday, and at least for that part of it.
const MOST_RATIO: u64 = 4;

/// What is expected, in thousandths of what is offered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// By slot, the first of which begins now. [`SLOTS`] of them.
    pub per_mille: Vec<u64>,
}

/// The forecast, where the look-back is long enough for one.
pub(super) fn read(snapshot: &Snapshot) -> Option<Forecast> {
    let end = snapshot.metrics.settled_until?;
    let known_since = snapshot.look_back_start.max(snapshot.summary.created_at);
    let day = i64::from(24 * 60);
    let span = Span { start: end.plus(-day), end, known_from: Minute::from_start(known_since) };
    let totals = Totals::read(snapshot, span);
    let minute = |place: usize| {
        let [bytes, records, rejected] = totals.at(place);
        Some(Amounts { bytes: bytes?, records: records?, rejected: rejected? }.fullness())
    };
    let mean = |places: std::ops::Range<usize>, least: usize| {
        let known: Vec<u64> = places.filter_map(minute).collect();
        let sum: u64 = known.iter().sum();
        (known.len() >= least).then(|| sum / known.len() as u64)
    };
    let slot = |at: usize| {
        let start = at * SLOT_MINUTES as usize;
        mean(start..start + SLOT_MINUTES as usize, LEAST_KNOWN)
    };
    let now = mean(span.len().checked_sub(NOW_MINUTES as usize)?..span.len(), 1)?.max(1);
    let yesterday = (1..SLOTS).map(slot).collect::<Option<Vec<u64>>>()?;
    Some(Forecast { per_mille: ahead(now, &yesterday) })
}

/// The slots from now on, given those of yesterday from the second on.
fn ahead(now: u64, yesterday: &[u64]) -> Vec<u64> {
    let (second, third) = (yesterday[0].max(1), yesterday[1].max(1));
    let continued =
        |from: u64, next: u64| (2 * from).saturating_sub(next).clamp(from * 3 / 4, from * 5 / 4).max(1);
    let first = continued(second, third);
    // At the beginning of the first slot: half a slot before its middle.
    let began = u64::midpoint(first, continued(first, second));
    // Millionths.
    let ratio = (now.saturating_mul(1_000_000) / began).clamp(1_000_000 / MOST_RATIO, 1_000_000 * MOST_RATIO);
    let slots = std::iter::once(first).chain(yesterday.iter().copied()).enumerate();
    let expected = slots.map(|(at, slot)| {
        let weight = 2 * SLOTS as u64 - at as u64;
        let ratio = (ratio * weight + 1_000_000 * at as u64) / (2 * SLOTS as u64);
        let expected = u128::from(slot) * u128::from(ratio) / 1_000_000;
        let per_mille = expected * u128::from(10 * (100 + MARGIN_PERCENT)) / u128::from(now);
        u64::try_from(per_mille).unwrap_or(u64::MAX).clamp(1, 1_000 * MOST_RATIO * MOST_RATIO)
    });
    expected.collect()
}

#[cfg(test)]
mod tests {
    use super::super::assess;
    use super::super::fixture::{Story, by_width, percent, policy};
    use super::*;
    use crate::hash_key::HashKeyRange;
    use crate::policy::UpdateShardCount;

    /// A day of a stream that in each minute is offered so many percent of a shard.
    fn day(level: impl Fn(u64) -> u64) -> Snapshot {
        let mut story = Story::of(2);
        for minute in 0..24 * 60 {
            story.pass(1, |range: HashKeyRange| by_width(range, percent(level(minute))));
        }
        story.snapshot()
    }

    #[test]
    fn a_stream_that_never_changes_is_expected_to_stay_as_it_is() {
        let forecast = read(&day(|_| 80)).expect("a whole day is known");
        assert_eq!(forecast.per_mille.len(), SLOTS);
        assert!(forecast.per_mille.iter().all(|slot| (1_040..=1_060).contains(slot)), "{forecast:?}");
    }

    #[test]
    fn what_came_yesterday_is_expected_at_the_same_hour_at_todays_level() {
        // Three hours after this hour yesterday twice as much was offered, for an hour.
        let course = |minute: u64| if (180..240).contains(&minute) { 80 } else { 40 };
        let forecast = read(&day(course)).expect("a whole day is known").per_mille;
        let highest = forecast.iter().copied().max().expect("slots");
        assert!((2_000..=2_150).contains(&highest), "{forecast:?}");
        assert!(
            forecast[..8].iter().all(|slot| *slot < 1_100) && forecast[20..].iter().all(|slot| *slot < 1_100)
        );
        // Today half as much again is offered since an hour: of that a part is expected to last.
        let today = |minute: u64| course(minute) * if minute >= 23 * 60 { 3 } else { 2 } / 2;
        let higher = read(&day(today)).expect("a whole day is known").per_mille;
        let highest = higher.iter().copied().max().expect("slots");
        assert!((1_750..=2_100).contains(&highest), "in thousandths of today's: {higher:?}");
    }

    #[test]
    fn without_a_known_day_there_is_no_forecast() {
        let whole = day(|_| 80);
        let mut young = whole.clone();
        young.summary.created_at = young.observed_at - jiff::SignedDuration::from_hours(20);
        assert_eq!(read(&young), None);
        let mut silent = whole;
        for series in silent.metrics.stream.values_mut() {
            series.values[60..90].fill(None);
            series.complete = false;
        }
        assert_eq!(read(&silent), None);
    }

    #[test]
    fn silence_makes_no_forecast_of_anything() {
        let forecast = ahead(1, &[1_000_000; SLOTS - 1]);
        assert!(forecast.iter().all(|slot| *slot <= 1_000 * MOST_RATIO * MOST_RATIO), "{forecast:?}");
        let forecast = ahead(1_000_000, &[0; SLOTS - 1]);
        assert!(forecast.iter().all(|slot| *slot >= 1), "{forecast:?}");
    }

    #[test]
    fn only_calls_that_may_follow_the_load_ask_for_a_forecast() {
        let snapshot = day(|_| 80);
        let mut policy = policy();
        let is_there =
            [UpdateShardCount::Never, UpdateShardCount::Emergency, UpdateShardCount::Auto].map(|leave| {
                policy.update_shard_count = leave;
                assess(&snapshot, &policy).forecast.is_some()
            });
        assert_eq!(is_there, [false, false, true]);
    }
}
