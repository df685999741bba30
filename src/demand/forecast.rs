//! Forecast: what the stream as a whole will be offered in the next hours, by the course of yesterday.
//!
//! # The model
//!
//! A *slot* is a quarter of an hour. With h(k) the most that the stream was offered in a minute of the k-th slot after
//! this hour yesterday, s(k) the mean of its minutes, b what s was at this very hour, and v what the stream is offered
//! now, the k-th slot from now is expected to need
//!
//! > h(k) · (1 + (v/b − 1) · w(k)),
//!
//! where w falls from 1 to 1/2 over the forecast: by how much today is above yesterday now, it will be for a
//! while, and half of it in the end. A slot needs what its fullest minute does: where minutes differ widely, fewer
//! shards than that would be split again within the slot. The look-back ends 15 minutes short of a day, so that h(0)
//! and s(0) are continued from the next two, by a quarter at the most.
//!
//! Both ratios are bounded, so that no hour of silence makes a forecast of anything. Where a slot of yesterday is
//! not known there is no forecast at all.

use crate::snapshot::Snapshot;

use super::history::{Span, Totals};

/// Minutes of a slot.
pub const SLOT_MINUTES: u32 = 15;
/// Slots of a forecast: 8 hours, a third of the season that it knows.
pub const SLOTS: usize = 32;
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
    let span = Span::day_before(end, snapshot);
    let totals = Totals::read(snapshot, span);
    let minute = |place: usize| totals.fullness(place);
    let slot = |places: std::ops::Range<usize>, least: usize| {
        let known: Vec<u64> = places.filter_map(minute).collect();
        let (sum, highest) = (known.iter().sum::<u64>(), known.iter().copied().max()?);
        (known.len() >= least).then(|| Slot { mean: sum / known.len() as u64, highest })
    };
    let of_yesterday = |at: usize| {
        let start = at * SLOT_MINUTES as usize;
        slot(start..start + SLOT_MINUTES as usize, LEAST_KNOWN)
    };
    let now = slot(span.len().checked_sub(NOW_MINUTES as usize)?..span.len(), 1)?.mean.max(1);
    let yesterday = (1..SLOTS).map(of_yesterday).collect::<Option<Vec<Slot>>>()?;
    Some(Forecast { per_mille: ahead(now, &yesterday) })
}

/// What the stream was offered in the minutes of a slot.
#[derive(Debug, Clone, Copy)]
struct Slot {
    mean: u64,
    highest: u64,
}

/// The slots from now on, given those of yesterday from the second on.
fn ahead(now: u64, yesterday: &[Slot]) -> Vec<u64> {
    let continued =
        |from: u64, next: u64| (2 * from).saturating_sub(next).clamp(from * 3 / 4, from * 5 / 4).max(1);
    let before = |of: fn(&Slot) -> u64| {
        let (second, third) = (of(&yesterday[0]).max(1), of(&yesterday[1]).max(1));
        (continued(second, third), second)
    };
    let (first, second) = before(|slot| slot.mean);
    // At the beginning of the first slot: half a slot before its middle.
    let began = u64::midpoint(first, continued(first, second));
    // Millionths.
    let ratio = (now.saturating_mul(1_000_000) / began).clamp(1_000_000 / MOST_RATIO, 1_000_000 * MOST_RATIO);
    let (first_highest, _) = before(|slot| slot.highest);
    let highest = std::iter::once(first_highest).chain(yesterday.iter().map(|slot| slot.highest)).enumerate();
    let expected = highest.map(|(at, highest)| {
        let weight = 2 * SLOTS as u64 - at as u64;
        let ratio = (ratio * weight + 1_000_000 * at as u64) / (2 * SLOTS as u64);
        let expected = u128::from(highest) * u128::from(ratio) / 1_000_000;
        let per_mille = expected * 1_000 / u128::from(now);
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
        assert!(forecast.per_mille.iter().all(|slot| (990..=1_010).contains(slot)), "{forecast:?}");
    }

    #[test]
    fn what_came_yesterday_is_expected_at_the_same_hour_at_todays_level() {
        // Three hours after this hour yesterday twice as much was offered, for an hour.
        let course = |minute: u64| if (180..240).contains(&minute) { 80 } else { 40 };
        let forecast = read(&day(course)).expect("a whole day is known").per_mille;
        let highest = forecast.iter().copied().max().expect("slots");
        assert!((1_950..=2_050).contains(&highest), "{forecast:?}");
        assert!(
            forecast[..8].iter().all(|slot| *slot < 1_050) && forecast[20..].iter().all(|slot| *slot < 1_050)
        );
        // Today half as much again is offered since an hour: of that a part is expected to last.
        let today = |minute: u64| course(minute) * if minute >= 23 * 60 { 3 } else { 2 } / 2;
        let higher = read(&day(today)).expect("a whole day is known").per_mille;
        let highest = higher.iter().copied().max().expect("slots");
        assert!((1_650..=2_000).contains(&highest), "in thousandths of today's: {higher:?}");
    }

    #[test]
    fn a_slot_needs_what_its_fullest_minute_does_and_the_level_of_today_is_that_of_means() {
        // Of two minutes one always has 90 and one 50: 70 in the mean, now as yesterday.
        let forecast = read(&day(|minute| if minute.is_multiple_of(2) { 90 } else { 50 }));
        let forecast = forecast.expect("a whole day is known").per_mille;
        assert!(forecast.iter().all(|slot| (1_250..=1_340).contains(slot)), "90 of 70: {forecast:?}");
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
        let always = |load: u64| [Slot { mean: load, highest: load }; SLOTS - 1];
        let forecast = ahead(1, &always(1_000_000));
        assert!(forecast.iter().all(|slot| *slot <= 1_000 * MOST_RATIO * MOST_RATIO), "{forecast:?}");
        let forecast = ahead(1_000_000, &always(0));
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
