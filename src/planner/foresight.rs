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
mod tests;
