//! Foresight: the count of equal ranges that a forecast is worth a call for.
//!
//! # The model
//!
//! In slot h of the forecast d(h) is needed, in thousandths of what is offered now; needed in a slot is what it or
//! the next one needs, for changes take their time. So many equal ranges as m take m·k, where k is what one of
//! today's takes when the fullest of them is at its target.
//!
//! Splits and merges keep doing what they do, whether a call is made or not, within the bounds and as far as there are
//! merges:
//!
//! - the shards as they are become as many as they must: each above its target in parts, neighbours that fit
//!   together joined. That is counted for each need;
//! - equal ranges grow full together: they double where they must, and halve where half of them are enough.
//!
//! By slot h so many merges may have been made as b(h): what the last day's have left of the budget, and of those as
//! large a part as of a day is over by then, for when each was made is not asked. The shards as they are join no more
//! neighbours than b(h), and from slot to slot they become fewer by no more than b(h) in all. Equal ranges halve, all
//! of them or none, where that takes no more merges than b(h). (What they have halved before is not counted: courses
//! that differ in nothing else would have to be told apart.)
//!
//! A slot costs the shards that there are then, c, and the steps that led to them: from those of the slot before, or
//! from the m that a call has just made. A call costs [`CALL_HUNDREDTHS`] of the shards that are needed in
//! the mean; the next one may lead to any count between half and double, for later ones that is not asked. And there
//! are only so many calls in 24 hours: a(h) is how many may have been made by slot h, those of the last day that are
//! over by then made room for. The least cost K from slot h on, with m equal ranges before it that become c in it, and
//! u calls made from now on, is a sweep from the last slot to the first:
//!
//! > K (h, m, u) = c + steps + min(K(h+1, c, u), if u < a(h+1): call + least of K(h+1, m′, u+1)).
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

/// The slots of a day.
const DAY_SLOTS: u32 = 24 * 60 / SLOT_MINUTES;

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
    /// The merges that may be made.
    pub(super) merges: Merges,
}

/// The merges that may be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merges {
    /// How many in a day.
    pub(super) a_day: u32,
    /// How many were made in the last day.
    pub(super) made: u32,
}

impl Merges {
    /// How many may have been made, from now on, by the beginning of a slot: those of the last day, which leave it one
    /// after another over the next, make room for as many.
    fn by(self, slot: usize) -> u32 {
        let left = DAY_SLOTS.saturating_sub(u32::try_from(slot).unwrap_or(u32::MAX));
        let still = u64::from(self.made) * u64::from(left);
        self.a_day.saturating_sub(u32::try_from(still.div_ceil(DAY_SLOTS.into())).unwrap_or(u32::MAX))
    }
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
/// what is offered now, with so many merges at the most.
pub(super) fn best(
    forecast: &Forecast,
    now: &Now,
    calls: Calls,
    barred: &[u32],
    by_steps: impl Fn(u64, u32) -> u32,
) -> Option<Foreseen> {
    let Now { shards, equal_capacity, counts, bounds, step_shard_seconds, merges } = *now;
    let needs = needed(forecast);
    if equal_capacity == 0 || counts.0 > counts.1 || calls.by(0) == 0 {
        return None;
    }
    let within_bounds = |count: u32| count.clamp(bounds.0, bounds.1);
    // In equal ranges, rounded up.
    let ranges = |need: &u64| need.saturating_mul(shards.into()).div_ceil(equal_capacity);
    let ranges = |need: &u64| within_bounds(u32::try_from(ranges(need)).unwrap_or(u32::MAX));
    let ranges: Vec<u32> = needs.iter().map(ranges).collect();
    let (least_need, most_need) = (*ranges.iter().min()?, *ranges.iter().max()?);
    // All costs are in thousandths of a shard for a slot.
    let mean = 1_000 * ranges.iter().copied().map(u64::from).sum::<u64>() / needs.len() as u64;
    let call = mean * CALL_HUNDREDTHS / 100;
    let step = 1_000 * step_shard_seconds / (60 * u64::from(SLOT_MINUTES));
    let slot_of = |before: u32, then: u32| 1_000 * u64::from(then) + step * u64::from(then.abs_diff(before));
    // What calls lead to, and what becomes of it.
    let fewest = within_bounds((least_need / 2).min(counts.1));
    let most = within_bounds(most_need.max(counts.0).saturating_add(SPARE_COUNTS));
    let largest = within_bounds(most.max(2 * most_need));
    let place = |count: u32| (count - fewest) as usize;
    let reachable = || (fewest.max(counts.0)..=most.min(counts.1)).filter(|count| !barred.contains(count));
    let stays = stays(&needs, now, by_steps);
    let mut stay = 0;
    // By equal ranges, and by calls made, the first of them now: the least cost from the next slot on.
    let mut after = vec![vec![0_u64; calls.by(needs.len())]; place(largest) + 1];
    let mut from_here = after.clone();
    for slot in (0..needs.len()).rev() {
        let called = reachable().map(|count| after[place(count)][0] + call).min().unwrap_or(u64::MAX);
        let before = slot.checked_sub(1).map_or(shards, |earlier| stays[earlier]);
        stay = slot_of(before, stays[slot]) + stay.min(called);
        let may_follow = calls.by(slot + 1);
        let called = |made: usize| {
            let costs = after[..=place(most)].iter().filter(|_| made < may_follow).map(|costs| costs[made]);
            costs.min().map_or(u64::MAX, |least| least + call)
        };
        let called: Vec<u64> = (1..=calls.by(needs.len())).map(called).collect();
        let may_merge = merges.by(slot);
        for (before, costs) in (fewest..).zip(&mut from_here) {
            let then = doubled_or_halved(before, ranges[slot], bounds.1, may_merge);
            let here = slot_of(before, then);
            for ((cost, kept), called) in costs.iter_mut().zip(&after[place(then)]).zip(&called) {
                *cost = here + kept.min(called);
            }
        }
        std::mem::swap(&mut after, &mut from_here);
    }
    let called_now = |count: u32| after[place(count)][0] + call;
    let to = reachable()
        .filter(|count| count.abs_diff(shards) >= LEAST_CHANGE)
        .min_by_key(|count| called_now(*count))?;
    let saved = stay.checked_sub(called_now(to)).filter(|saved| *saved > 0)?;
    Some(Foreseen { to, saved_shard_seconds: saved * 60 * u64::from(SLOT_MINUTES) / 1_000 })
}

/// As how many shards those that are open take what each slot needs, one slot after another.
fn stays(needs: &[u64], now: &Now, by_steps: impl Fn(u64, u32) -> u32) -> Vec<u32> {
    let Now { shards, bounds, merges, .. } = *now;
    let (mut count, mut merged) = (shards, 0);
    let in_slot = |(slot, need): (usize, &u64)| {
        let may_merge = merges.by(slot);
        let wanted = by_steps(*need, may_merge).clamp(bounds.0, bounds.1);
        let fewer = count.saturating_sub(wanted).min(may_merge.saturating_sub(merged));
        merged += fewer;
        count = count.max(wanted) - fewer;
        count
    };
    needs.iter().enumerate().map(in_slot).collect()
}

/// What each slot or the next one needs.
fn needed(forecast: &Forecast) -> Vec<u64> {
    let needs = &forecast.per_mille;
    (0..needs.len()).map(|slot| needs[slot].max(needs.get(slot + 1).copied().unwrap_or(0))).collect()
}

/// As how many equal ranges `count` of them take what `wanted` of them would: doubled, up to the `highest` count, or
/// halved with so many merges at the most.
fn doubled_or_halved(mut count: u32, wanted: u32, highest: u32, mut merges: u32) -> u32 {
    while count < wanted {
        count = count.saturating_mul(2).min(highest);
    }
    while count > 1 && count.div_ceil(2) >= wanted && count / 2 <= merges {
        merges -= count / 2;
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
            merges: Merges { a_day: 1_000, made: 0 },
        }
    }

    fn forecast(per_mille: &[u64]) -> Forecast {
        Forecast { per_mille: per_mille.to_vec(), course: Course::Yesterday }
    }

    const PLENTY: Calls = Calls { a_day: 8, minutes_ago: &[] };

    /// Twenty equal shards that are full now.
    fn halving(need: u64, merges: u32) -> u32 {
        doubled_or_halved(20, u32::try_from(need.div_ceil(50)).expect("few"), 200, merges)
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
        let idle = |need: u64, _: u32| if need > 1_000 { 200 } else { 20 };
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
        let as_well = |need: u64, _: u32| u32::try_from(need.div_ceil(50)).expect("few");
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
        let became = |merges| counts.map(|(count, wanted)| doubled_or_halved(count, wanted, 200, merges));
        assert_eq!(became(1_000), [20, 40, 160, 10, 10, 4, 1]);
        assert_eq!(became(9), [20, 40, 160, 20, 20, 4, 1], "twenty halve by ten merges");
        assert_eq!(
            became(5),
            [20, 40, 160, 20, 20, 4, 2],
            "seven by three and two, and one more is one too many"
        );
        assert_eq!(became(0), [20, 40, 160, 20, 20, 7, 7]);
        assert_eq!(doubled_or_halved(101, 190, 200, 0), 200, "no more than there may be");
    }

    #[test]
    fn merges_of_the_last_day_make_room_one_after_another() {
        let by = |made, slot| Merges { a_day: 50, made }.by(slot);
        assert_eq!(
            [by(0, 0), by(0, 95), by(10, 0), by(10, 48), by(10, 95), by(10, 96)],
            [50, 50, 40, 45, 49, 50]
        );
        assert_eq!(
            [by(50, 0), by(50, 1), by(50, 2), by(100, 0), by(100, 48), by(100, 60)],
            [0, 0, 1, 0, 0, 12]
        );
    }

    #[test]
    fn what_splits_have_made_stays_where_there_are_no_merges_for_it() {
        let needs = [1_000, 1_400, 1_000, 1_200, 600];
        let as_well = |need: u64, _: u32| u32::try_from(need / 50).expect("few");
        let merges = Merges { a_day: 15, made: 0 };
        let course = |bounds| stays(&needs, &Now { merges, bounds, ..now(20) }, as_well);
        assert_eq!(course((1, 200)), [20, 28, 20, 24, 17]);
        assert_eq!(course((15, 25)), [20, 25, 20, 24, 15]);
    }

    #[test]
    fn where_no_merges_are_left_a_call_does_what_they_would_have_done() {
        // Of forty, ten are needed: merges would get there at once.
        let merging = |need: u64, merges: u32| 40 - merges.min(40 - u32::try_from(need / 100).expect("few"));
        let to = |made: u32| {
            let merges = Merges { a_day: 50, made };
            let now = Now { merges, equal_capacity: 4_000, step_shard_seconds: 0, ..now(40) };
            best(&forecast(&[1_000; 32]), &now, PLENTY, &[], merging).map(|foreseen| foreseen.to)
        };
        assert_eq!([to(0), to(20), to(50), to(500)], [None, None, Some(20), Some(20)]);
    }

    #[test]
    fn who_will_not_halve_again_is_not_doubled_for_an_hour() {
        // Twenty are enough but for the first hour, in which 22 are needed; no call may lead to fewer.
        let slots: Vec<u64> = (0..64).map(|slot| if slot < 5 { 1_100 } else { 1_000 }).collect();
        let to = |made: u32| {
            let merges = Merges { a_day: 50, made };
            let now = Now { merges, step_shard_seconds: 90, counts: (22, 40), ..now(20) };
            best(&forecast(&slots), &now, Calls { a_day: 1, minutes_ago: &[] }, &[], halving)
                .map(|foreseen| foreseen.to)
        };
        assert_eq!([to(0), to(500)], [None, Some(22)]);
    }

    /// A case: what is known now, the calls, what splits and merges do, what a call costs, the counts
    /// in question, and those of them that the next call may not lead to.
    type Case<'a> = (&'a Now, Calls<'a>, &'a dyn Fn(u64, u32) -> u32, u64, [u32; 2], &'a [u32]);

    /// What is there before a slot.
    #[derive(Clone, Copy)]
    enum There {
        /// The shards as they are, so many of them now, after so many merges.
        Open(u32, u32),
        /// Equal ranges that a call has made.
        Equal(u32),
    }

    /// The least cost of all courses from a slot on, tried one by one, after so many calls.
    fn least(needs: &[u64], case: &Case, slot: usize, there: There, made: usize) -> u64 {
        let (now, calls, by_steps, call, [fewest, most], barred) = case;
        let (lowest, highest) = now.bounds;
        let may_merge = now.merges.by(slot);
        let (before, then, kept) = match there {
            There::Open(before, mut merged) => {
                let wanted = by_steps(needs[slot], may_merge).clamp(lowest, highest);
                let mut then = before.max(wanted);
                while then > wanted && merged < may_merge {
                    (then, merged) = (then - 1, merged + 1);
                }
                (before, then, There::Open(then, merged))
            }
            There::Equal(before) => {
                let wanted = (needs[slot] * u64::from(now.shards)).div_ceil(now.equal_capacity);
                let wanted = wanted.clamp(lowest.into(), highest.into()) as u32;
                let (mut then, mut merged) = (before, 0);
                while then < wanted {
                    then = (then + then).min(highest);
                }
                // Pairs of neighbours, and one without a neighbour if they are odd.
                while then > 1 && then / 2 + then % 2 >= wanted && merged + then / 2 <= may_merge {
                    (then, merged) = (then / 2 + then % 2, merged + then / 2);
                }
                (before, then, There::Equal(then))
            }
        };
        let here =
            1_000 * u64::from(then) + now.step_shard_seconds * 1_000 / 900 * u64::from(then.abs_diff(before));
        if slot + 1 == needs.len() {
            return here;
        }
        let is_open = matches!(there, There::Open(..));
        let (low, high) = if is_open { now.counts } else { now.bounds };
        let counts = low.max(*fewest)..=high.min(*most);
        let may_call = made < calls.by(slot + 1);
        let others = counts
            .filter(|to| may_call && !(is_open && barred.contains(to)))
            .map(|to| call + least(needs, case, slot + 1, There::Equal(to), made + 1));
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
            [merges_a_day, merged] in [0..8_u32, 0..8_u32],
            lowest in 1..3_u32,
        ) {
            let forecast = forecast(&needs);
            let counts = (shards.div_ceil(2).max(lowest), (2 * shards).min(8));
            let merges = Merges { a_day: merges_a_day, made: merged };
            let step_shard_seconds = 900 * slots_a_step;
            let now = Now { shards, equal_capacity, counts, bounds: (lowest, 8), step_shard_seconds, merges };
            let calls = Calls { a_day, minutes_ago: &minutes_ago };
            // Of what splits would make, as many are joined as there are merges.
            let by_steps = |need: u64, merges: u32| {
                let apart = u32::try_from(need / a_step).expect("few") + 3;
                apart - merges.min(2)
            };
            let needs = needed(&forecast);
            let ranges = |need: &u64| (need * u64::from(shards)).div_ceil(equal_capacity).clamp(lowest.into(), 8);
            let ranges: Vec<u64> = needs.iter().map(ranges).collect();
            let call = 1_000 * ranges.iter().sum::<u64>() / needs.len() as u64 * CALL_HUNDREDTHS / 100;
            let need = |count: Option<&u64>| u32::try_from(*count.expect("some")).expect("few");
            let ends = [(need(ranges.iter().min()) / 2).min(counts.1), need(ranges.iter().max()).max(counts.0) + SPARE_COUNTS];
            let ends = ends.map(|count| count.clamp(lowest, 8));
            let case: Case = (&now, calls, &by_steps, call, ends, &barred);
            let stay = least(&needs, &case, 0, There::Open(shards, 0), 0);
            let of = |to: u32| least(&needs, &case, 0, There::Equal(to), 1) + call;
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
