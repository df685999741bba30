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
//! A slot costs the shards that there are then, and the steps that led to them from those of the slot before (a
//! call in between leaves them out: it makes no steps needed). A call, to any count between half and double,
//! costs [`CALL_HUNDREDTHS`] of the shards that are needed in the mean. The least cost from each slot on, for each
//! count, is a sweep from the last slot to the first: V(h, m) = cost(h, m) + min(V(h+1, m), call + least of
//! V(h+1, m′)). The shards as they are go the same way. A call is made now if that is cheaper than to wait: what
//! follows it is not decided, for the next look sees more.

use crate::demand::forecast::{Forecast, SLOT_MINUTES};

/// Two fifths of a slot, six minutes of the whole stream: a call takes three, and what it has made is not
/// measured for three more.
const CALL_HUNDREDTHS: u64 = 40;
/// Calls that change less are left to splits and merges.
const LEAST_CHANGE: u32 = 2;

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

/// A call that is worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreseen {
    pub(super) to: u32,
    /// What it saves over the forecast, in shard-seconds.
    pub(super) saved_shard_seconds: u64,
}

/// The best count to call for now, if a call is cheaper than none. `by_steps` tells as how many shards those
/// that are open take so many thousandths of what is offered now.
pub(super) fn best(forecast: &Forecast, now: &Now, by_steps: impl Fn(u64) -> u32) -> Option<Foreseen> {
    let Now { shards, equal_capacity, counts, bounds: (fewest, most), step_shard_seconds } = *now;
    let needs = needed(forecast);
    if needs.is_empty() || equal_capacity == 0 || counts.0 > counts.1 {
        return None;
    }
    // In equal ranges, rounded up.
    let ranges = |need: u64| need.saturating_mul(u64::from(shards)).div_ceil(equal_capacity);
    let call = 1_000 * needs.iter().map(|need| ranges(*need)).sum::<u64>() / needs.len() as u64
        * CALL_HUNDREDTHS
        / 100;
    // All costs are in thousandths of a shard for a slot.
    let step = 1_000 * step_shard_seconds / (60 * u64::from(SLOT_MINUTES));
    let cost = |before: u64, then: u64| 1_000 * then + step * then.abs_diff(before);
    let mut stay = 0;
    // By count, from the fewest up.
    let mut from_here = vec![0_u64; (most - fewest + 1) as usize];
    let place = |count: u32| (count.clamp(fewest, most) - fewest) as usize;
    let (low, high) = (place(counts.0), place(counts.1));
    for slot in (0..needs.len()).rev() {
        let cheapest = from_here.iter().copied().min().unwrap_or(0) + call;
        let reachable = from_here[low..=high].iter().copied().min().unwrap_or(0) + call;
        let earlier = slot.checked_sub(1).map(|earlier| needs[earlier]);
        let before = earlier.map_or(shards, &by_steps);
        stay = cost(before.into(), by_steps(needs[slot]).into()) + reachable.min(stay);
        for (count, least) in (fewest..=most).zip(&mut from_here) {
            let became = |need: u64| doubled_or_halved(count.into(), ranges(need));
            let before = earlier.map_or(count.into(), became);
            *least = cost(before, became(needs[slot])) + (*least).min(cheapest);
        }
    }
    let to = (counts.0.max(fewest)..=counts.1.min(most))
        .filter(|to| to.abs_diff(shards) >= LEAST_CHANGE)
        .min_by_key(|to| from_here[place(*to)])?;
    let saved = stay.checked_sub(from_here[place(to)] + call).filter(|saved| *saved > 0)?;
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
        Forecast { per_mille: per_mille.to_vec() }
    }

    /// Twenty equal shards that are full now.
    fn halving(need: u64) -> u32 {
        u32::try_from(doubled_or_halved(20, need.div_ceil(50))).expect("few")
    }

    #[test]
    fn who_is_to_need_half_as_much_again_gets_it_in_time_and_not_before() {
        let ramp = |after: usize| {
            let slots: Vec<u64> = (0..32).map(|slot| if slot < after { 1_000 } else { 1_500 }).collect();
            best(&forecast(&slots), &now(20), halving).map(|foreseen| foreseen.to)
        };
        assert_eq!([ramp(0), ramp(1), ramp(2), ramp(20)], [Some(30), Some(30), None, None]);
    }

    #[test]
    fn who_is_to_need_less_for_hours_gets_less_and_not_for_a_dip() {
        let dip = |slots: usize| {
            let slots: Vec<u64> = (0..32).map(|slot| if slot < slots { 600 } else { 1_000 }).collect();
            best(&forecast(&slots), &now(20), halving).map(|foreseen| foreseen.to)
        };
        assert_eq!([dip(32), dip(12), dip(1)], [Some(12), Some(12), None]);
    }

    #[test]
    fn what_splits_and_merges_do_as_well_needs_no_call() {
        let needs = [1_000, 1_400, 1_700, 900, 600];
        let as_well = |need: u64| u32::try_from(need.div_ceil(50)).expect("few");
        assert_eq!(best(&forecast(&needs), &now(20), as_well), None);
    }

    #[test]
    fn equal_ranges_double_and_halve_until_they_are_just_enough() {
        let counts = [(20, 20), (20, 21), (20, 81), (20, 10), (20, 9), (7, 4), (7, 1)];
        let became = counts.map(|(count, wanted)| doubled_or_halved(count, wanted));
        assert_eq!(became, [20, 40, 160, 10, 10, 4, 1]);
    }

    /// The least cost of all courses, tried one by one: of the shards as they are, or of equal ranges.
    fn least(
        needs: &[u64],
        (now, by_steps, call): (&Now, &dyn Fn(u64) -> u32, u64),
        slot: usize,
        count: Option<u32>,
    ) -> u64 {
        let shards = |slot: usize| match count {
            None => u64::from(by_steps(needs[slot])),
            Some(count) => {
                let wanted = (needs[slot] * u64::from(now.shards)).div_ceil(now.equal_capacity);
                doubled_or_halved(count.into(), wanted)
            }
        };
        let before = if slot == 0 { count.unwrap_or(now.shards).into() } else { shards(slot - 1) };
        let here =
            1_000 * shards(slot) + now.step_shard_seconds * 1_000 / 900 * shards(slot).abs_diff(before);
        if slot + 1 == needs.len() {
            return here;
        }
        let (low, high) = if count.is_none() { now.counts } else { now.bounds };
        let others = (low..=high).map(|to| call + least(needs, (now, by_steps, call), slot + 1, Some(to)));
        let stays = least(needs, (now, by_steps, call), slot + 1, count);
        here + others.chain([stays]).min().expect("to stay is one")
    }

    proptest! {
        #[test]
        fn the_sweep_finds_what_trying_every_course_finds(
            needs in prop::collection::vec(200..3_000_u64, 1..5),
            shards in 1..6_u32,
            equal_capacity in 300..2_000_u64,
            [a_step, slots_a_step] in [100..900_u64, 0..3_u64],
        ) {
            let forecast = forecast(&needs);
            let counts = (shards.div_ceil(2), (2 * shards).min(8));
            let step_shard_seconds = 900 * slots_a_step;
            let now = Now { shards, equal_capacity, counts, bounds: (1, 8), step_shard_seconds };
            let by_steps = |need: u64| u32::try_from(need / a_step).expect("few") + 1;
            let needs = needed(&forecast);
            let ranges = needs.iter().map(|need| (need * u64::from(shards)).div_ceil(equal_capacity));
            let call = 1_000 * ranges.sum::<u64>() / needs.len() as u64 * CALL_HUNDREDTHS / 100;
            let stay = least(&needs, (&now, &by_steps, call), 0, None);
            let of = |to: u32| least(&needs, (&now, &by_steps, call), 0, Some(to)) + call;
            let tried = (counts.0..=counts.1).filter(|to| to.abs_diff(shards) >= LEAST_CHANGE);
            let cheapest = tried.map(of).min().unwrap_or(u64::MAX);
            match best(&forecast, &now, by_steps) {
                Some(Foreseen { to, saved_shard_seconds }) => {
                    prop_assert_eq!(of(to), cheapest);
                    prop_assert!(cheapest < stay && to.abs_diff(shards) >= LEAST_CHANGE);
                    prop_assert_eq!(saved_shard_seconds, (stay - cheapest) * 900 / 1_000);
                }
                None => prop_assert!(cheapest >= stay),
            }
        }
    }
}
