//! Foresight: the count of equal ranges that a forecast is worth a call for.
//!
//! # The model
//!
//! In slot h of the forecast d(h) is needed, in thousandths of what is offered now; needed in a slot is what it or
//! the next one needs, for changes take their time. So many equal ranges as m take m·k, where k is what one of
//! today's takes when the fullest of them is at its target.
//!
//! Splits and merges keep doing what they do, whether a call is made or not:
//!
//! - the shards as they are become as many as they must: each above its target in parts, neighbours that fit
//!   together joined. That is counted for each need;
//! - equal ranges grow full together, and double or halve. So m of them become m·2^j, as few as take it.
//!
//! A slot costs the shards that there are then, c(h, m), and the steps that led to them: from those of the slot
//! before, or from the m that a call has just made. A call costs [`CALL_HUNDREDTHS`] of the shards that are needed in
//! the mean; the next one may lead to any count between half and double, for later ones that is not asked. And there
//! are only so many calls in 24 hours: a(h) is how many may have been made by slot h, those of the last day that are
//! over by then made room for. The least cost from slot h on with m equal ranges and u calls made from now on, K where
//! they were kept and E where a call has just made them, is a sweep from the last slot to the first:
//!
//! > K, E (h, m, u) = c(h, m) + steps + min(K(h+1, m, u), if u < a(h+1): call + least of E(h+1, m′, u+1)).
//!
//! The shards as they are go the same way. A call is made now if that is cheaper than to wait: what follows it is not
//! decided, for the next look sees more. So beside the minutes that it takes, a call costs what the best later use
//! of it would have saved.
//!
//! Equal ranges are counted from half of the fewest that any slot needs to a little more than the most, for where that
//! may not be, and as far beyond as a call has to go that may only halve or double: others would at best be halved or
//! doubled to as good a count.

use crate::demand::forecast::{Forecast, SLOT_MINUTES};

/// Two fifths of a slot, six minutes of the whole stream: a call takes three, and what it has made is not
/// measured for three more.
const CALL_HUNDREDTHS: u64 = 40;
/// Calls that change less are left to splits and merges.
const LEAST_CHANGE: u32 = 2;
/// So many counts above the most that is needed are looked at, for where fewer would put too much on one shard.
const SPARE_COUNTS: u32 = 4;

/// What there is, and what there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// The open shards.
    pub(super) shards: u32,
    /// What so many equal ranges as there are shards take, in thousandths of what is offered now.
    pub(super) equal_capacity: u64,
    /// The fewest and the most shards that a call may lead to now.
    pub(super) counts: (u32, u32),
    /// The fewest and the most at any time.
    pub(super) bounds: (u32, u32),
    /// What a step costs.
    pub(super) step_shard_seconds: u64,
}

/// The calls that may be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls<'a> {
    /// How many in a day.
    pub(super) a_day: u32,
    /// How many minutes ago each of the last day was made.
    pub(super) minutes_ago: &'a [u32],
}

impl Calls<'_> {
    /// How many may have been made, from now on, by the beginning of a slot.
    fn by(&self, slot: usize) -> usize {
        let later = u32::try_from(slot).unwrap_or(u32::MAX).saturating_mul(SLOT_MINUTES);
        let still = self.minutes_ago.iter().filter(|ago| ago.saturating_add(later) < 24 * 60).count();
        (self.a_day as usize).saturating_sub(still)
    }
}

/// A call that is worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreseen {
    pub(super) to: u32,
    /// What it saves over the forecast, in shard-seconds.
    pub(super) saved_shard_seconds: u64,
}

/// The best count to call for now, if a call is cheaper than none; none of those that are `barred` now, which the next
/// call may not lead to either. `by_steps` tells as how many shards those that are open take so many thousandths of
/// what is offered now.
pub(super) fn best(
    forecast: &Forecast,
    now: &Now,
    calls: Calls,
    barred: &[u32],
    by_steps: impl Fn(u64) -> u32,
) -> Option<Foreseen> {
    let Now { shards, equal_capacity, counts, bounds, step_shard_seconds } = *now;
    let needs = needed(forecast);
    if needs.is_empty() || equal_capacity == 0 || counts.0 > counts.1 || calls.by(0) == 0 {
        return None;
    }
    // In equal ranges, rounded up.
    let ranges = |need: &u64| need.saturating_mul(u64::from(shards)).div_ceil(equal_capacity);
    let ranges: Vec<u64> = needs.iter().map(ranges).collect();
    let call = 1_000 * ranges.iter().sum::<u64>() / needs.len() as u64 * CALL_HUNDREDTHS / 100;
    // All costs are in thousandths of a shard for a slot.
    let step = 1_000 * step_shard_seconds / (60 * u64::from(SLOT_MINUTES));
    let steps = |before: u64, then: u64| step * then.abs_diff(before);
    let need = |ranges: Option<&u64>| ranges.map_or(1, |count| u32::try_from(*count).unwrap_or(u32::MAX));
    let fewest = (need(ranges.iter().min()) / 2).min(counts.1).clamp(bounds.0, bounds.1);
    let most = need(ranges.iter().max()).max(counts.0).saturating_add(SPARE_COUNTS).clamp(bounds.0, bounds.1);
    let place = |count: u32| (count - fewest) as usize;
    let reachable = || (fewest.max(counts.0)..=most.min(counts.1)).filter(|count| !barred.contains(count));
    let by_steps: Vec<u64> = needs.iter().map(|need| by_steps(*need).into()).collect();
    let mut stay = 0;
    // By calls made, the first of them now, and by count; of what calls make, the least.
    let width = (most - fewest + 1) as usize;
    let mut kept = vec![vec![0_u64; width]; calls.by(needs.len())];
    let mut least_entered = vec![0_u64; kept.len()];
    let mut entered_now = vec![0_u64; width];
    for slot in (0..needs.len()).rev() {
        let before = slot.checked_sub(1).map_or(shards.into(), |earlier| by_steps[earlier]);
        let called = reachable().map(|count| entered_now[place(count)] + call).min().unwrap_or(u64::MAX);
        stay = 1_000 * by_steps[slot] + steps(before, by_steps[slot]) + stay.min(called);
        let may_follow = calls.by(slot + 1);
        // From the fewest calls up: what one more makes is still that of the next slot.
        for row in 0..kept.len() {
            let after = least_entered.get(row + 1).filter(|_| row + 1 < may_follow);
            let called = after.map_or(u64::MAX, |least| least + call);
            least_entered[row] = u64::MAX;
            for (count, kept) in (u64::from(fewest)..).zip(&mut kept[row]) {
                let became = |slot: usize| doubled_or_halved(count, ranges[slot]);
                let then = became(slot);
                let cost = 1_000 * then + called.min(*kept);
                let entered = cost + steps(count, then);
                *kept = cost + slot.checked_sub(1).map_or(0, |earlier| steps(became(earlier), then));
                least_entered[row] = least_entered[row].min(entered);
                if row == 0 {
                    entered_now[(count - u64::from(fewest)) as usize] = entered;
                }
            }
        }
    }
    let to = reachable()
        .filter(|count| count.abs_diff(shards) >= LEAST_CHANGE)
        .min_by_key(|count| entered_now[place(*count)])?;
    let saved = stay.checked_sub(entered_now[place(to)] + call).filter(|saved| *saved > 0)?;
    Some(Foreseen { to, saved_shard_seconds: saved * 60 * u64::from(SLOT_MINUTES) / 1_000 })
}

/// What each slot or the next one needs.
fn needed(forecast: &Forecast) -> Vec<u64> {
    let needs = &forecast.per_mille;
    (0..needs.len()).map(|slot| needs[slot].max(needs.get(slot + 1).copied().unwrap_or(0))).collect()
}

/// As how many equal ranges `count` of them take what `wanted` of them would.
fn doubled_or_halved(mut count: u64, wanted: u64) -> u64 {
    while count < wanted {
        count *= 2;
    }
    while count > 1 && count.div_ceil(2) >= wanted {
        count = count.div_ceil(2);
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Course;

    fn now(shards: u32) -> Now {
        Now {
            shards,
            equal_capacity: 1_000,
            counts: (shards.div_ceil(2), 2 * shards),
            bounds: (1, 200),
            step_shard_seconds: 900,
        }
    }

    fn forecast(per_mille: &[u64]) -> Forecast {
        Forecast { per_mille: per_mille.to_vec(), course: Course::Yesterday }
    }

    const PLENTY: Calls = Calls { a_day: 8, minutes_ago: &[] };

    /// Twenty equal shards that are full now.
    fn halving(need: u64) -> u32 {
        u32::try_from(doubled_or_halved(20, need.div_ceil(50))).expect("few")
    }

    fn called(per_mille: &[u64], calls: Calls) -> Option<u32> {
        best(&forecast(per_mille), &now(20), calls, &[], halving).map(|foreseen| foreseen.to)
    }

    #[test]
    fn who_is_to_need_half_as_much_again_gets_it_in_time_and_not_before() {
        let ramp = |after: usize| {
            let slots: Vec<u64> = (0..32).map(|slot| if slot < after { 1_000 } else { 1_500 }).collect();
            called(&slots, PLENTY)
        };
        assert_eq!([ramp(0), ramp(1), ramp(2), ramp(20)], [Some(30), Some(30), None, None]);
    }

    #[test]
    fn who_is_to_need_less_for_hours_gets_less_and_not_for_a_dip() {
        let dip = |slots: usize| {
            let slots: Vec<u64> = (0..32).map(|slot| if slot < slots { 600 } else { 1_000 }).collect();
            called(&slots, PLENTY)
        };
        assert_eq!([dip(32), dip(12), dip(1)], [Some(12), Some(12), None]);
    }

    #[test]
    fn a_call_makes_room_for_another_once_its_day_is_over() {
        let by = |minutes_ago: &[u32], slot| Calls { a_day: 3, minutes_ago }.by(slot);
        assert_eq!([by(&[1_440], 0), by(&[1_439], 0), by(&[1_439], 1), by(&[1_425], 1)], [3, 2, 3, 3]);
        assert_eq!([by(&[1_424], 1), by(&[1_424], 2), by(&[0; 5], 95), by(&[0; 5], 96)], [2, 3, 0, 3]);
    }

    #[test]
    fn what_falls_or_rises_by_more_than_a_call_may_change_is_met_as_far_as_it_may() {
        // Splits and merges would do nothing about the one, and far too much about the other.
        let idle = |need: u64| if need > 1_000 { 200 } else { 20 };
        let to = |need: u64, a_day: u32| {
            let calls = Calls { a_day, minutes_ago: &[] };
            best(&forecast(&[need; 32]), &now(20), calls, &[], idle).map(|foreseen| foreseen.to)
        };
        assert_eq!([to(100, 1), to(100, 8)], [Some(10), Some(10)]);
        // Sixty are needed, and no more than forty can be had: thirty double to what is needed.
        assert_eq!([to(3_000, 1), to(3_000, 8)], [Some(30), Some(30)]);
    }

    #[test]
    fn what_splits_and_merges_do_as_well_needs_no_call() {
        let needs = [1_000, 1_400, 1_700, 900, 600];
        let as_well = |need: u64| u32::try_from(need.div_ceil(50)).expect("few");
        assert_eq!(best(&forecast(&needs), &now(20), PLENTY, &[], as_well), None);
    }

    #[test]
    fn the_last_call_is_kept_for_the_hour_in_which_it_saves_most_unless_there_is_another_by_then() {
        // A fifth less for three hours, and then 29 shards for seven, where sixteen would become 32.
        let slots: Vec<u64> = (0..40).map(|slot| if slot < 12 { 800 } else { 1_450 }).collect();
        let calls = |minutes_ago| Calls { a_day: 2, minutes_ago };
        assert_eq!(called(&slots, calls(&[])), Some(16), "one now and one then");
        assert_eq!(called(&slots, calls(&[60])), None, "one, and it is for the hours that need more");
        assert_eq!(called(&slots, calls(&[60, 60])), None, "none");
        assert_eq!(
            called(&slots, calls(&[21 * 60 + 30])),
            Some(16),
            "in two and a half hours there is one more"
        );
        assert_eq!(called(&slots, calls(&[15 * 60])), None, "in nine hours it would be too late");
    }

    #[test]
    fn equal_ranges_double_and_halve_until_they_are_just_enough() {
        let counts = [(20, 20), (20, 21), (20, 81), (20, 10), (20, 9), (7, 4), (7, 1)];
        let became = counts.map(|(count, wanted)| doubled_or_halved(count, wanted));
        assert_eq!(became, [20, 40, 160, 10, 10, 4, 1]);
    }

    /// A case: what is known now, the calls, what splits and merges do, what a call costs, the counts
    /// in question, and those of them that the next call may not lead to.
    type Case<'a> = (&'a Now, Calls<'a>, &'a dyn Fn(u64) -> u32, u64, [u32; 2], &'a [u32]);

    /// The least cost of all courses from a slot on, tried one by one: of the shards as they are, or of equal ranges
    /// that a call has just made or that were kept, after so many calls.
    fn least(needs: &[u64], case: &Case, slot: usize, count: Option<(u32, bool)>, made: usize) -> u64 {
        let (now, calls, by_steps, call, [fewest, most], barred) = case;
        let shards = |slot: usize| match count {
            None => u64::from(by_steps(needs[slot])),
            Some((count, _)) => {
                let wanted = (needs[slot] * u64::from(now.shards)).div_ceil(now.equal_capacity);
                doubled_or_halved(count.into(), wanted)
            }
        };
        let before = match count {
            Some((count, true)) => count.into(),
            None if slot == 0 => now.shards.into(),
            _ => shards(slot - 1),
        };
        let here =
            1_000 * shards(slot) + now.step_shard_seconds * 1_000 / 900 * shards(slot).abs_diff(before);
        if slot + 1 == needs.len() {
            return here;
        }
        let (low, high) = if count.is_none() { now.counts } else { now.bounds };
        let counts = low.max(*fewest)..=high.min(*most);
        let may_call = made < calls.by(slot + 1);
        let others = counts
            .filter(|to| may_call && (count.is_some() || !barred.contains(to)))
            .map(|to| call + least(needs, case, slot + 1, Some((to, true)), made + 1));
        let kept = count.map(|(count, _)| (count, false));
        here + others.chain([least(needs, case, slot + 1, kept, made)]).min().expect("to stay is one")
    }

    proptest! {
        #[test]
        fn the_sweep_finds_what_trying_every_course_finds(
            needs in prop::collection::vec(200..3_000_u64, 1..5),
            shards in 1..6_u32,
            equal_capacity in 300..2_000_u64,
            [a_step, slots_a_step] in [100..900_u64, 0..3_u64],
            a_day in 0..4_u32,
            minutes_ago in prop::collection::vec(1_380..1_440_u32, 0..3),
            barred in prop::collection::vec(1..9_u32, 0..3),
        ) {
            let forecast = forecast(&needs);
            let counts = (shards.div_ceil(2), (2 * shards).min(8));
            let step_shard_seconds = 900 * slots_a_step;
            let now = Now { shards, equal_capacity, counts, bounds: (1, 8), step_shard_seconds };
            let calls = Calls { a_day, minutes_ago: &minutes_ago };
            let by_steps = |need: u64| u32::try_from(need / a_step).expect("few") + 1;
            let needs = needed(&forecast);
            let ranges: Vec<u64> =
                needs.iter().map(|need| (need * u64::from(shards)).div_ceil(equal_capacity)).collect();
            let call = 1_000 * ranges.iter().sum::<u64>() / needs.len() as u64 * CALL_HUNDREDTHS / 100;
            let need = |count: Option<&u64>| u32::try_from(*count.expect("some")).expect("few");
            let ends = [(need(ranges.iter().min()) / 2).min(counts.1), need(ranges.iter().max()).max(counts.0) + SPARE_COUNTS];
            let ends = ends.map(|count| count.clamp(1, 8));
            let case: Case = (&now, calls, &by_steps, call, ends, &barred);
            let stay = least(&needs, &case, 0, None, 0);
            let of = |to: u32| least(&needs, &case, 0, Some((to, true)), 1) + call;
            let may_be = |to: &u32| to.abs_diff(shards) >= LEAST_CHANGE && !barred.contains(to) && calls.by(0) > 0;
            let tried = (counts.0.max(ends[0])..=counts.1.min(ends[1])).filter(may_be);
            let cheapest = tried.map(of).min().unwrap_or(u64::MAX);
            match best(&forecast, &now, calls, &barred, by_steps) {
                Some(Foreseen { to, saved_shard_seconds }) => {
                    prop_assert_eq!(of(to), cheapest);
                    prop_assert!(cheapest < stay && may_be(&to));
                    prop_assert_eq!(saved_shard_seconds, (stay - cheapest) * 900 / 1_000);
                }
                None => prop_assert!(cheapest >= stay),
            }
        }
    }
}
