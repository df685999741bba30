//! The other actuator, UpdateShardCount: when one call that leaves equal ranges is better than splits
//! and merges one after another.
//!
//! # The model
//!
//! A call leads from n shards to m equal ranges, n/2 ≤ m ≤ 2n, and takes U seconds whatever m is, while
//! a split or a merge takes s and one goes on at a time. It consumes every shard that is not one of the
//! equal ranges: what splits have fitted to uneven keys is lost. AWS takes ten calls in 24 hours.
//!
//! It is *admissible* within the bounds in force and what `behavior` allows, if each equal range is
//!
//! - **kept**: a shard as it is (up to rounding, [`HashKeyRange::leeway`]);
//! - **part**: within one shard that may be split; or
//! - **joined**: over several shards, none of which anything bars from merges (but a rise, on the way up), and
//!   which it takes parts of only where they may be split. Its load must be no higher than where shards are packed to, or
//!   than one of the shards that it takes from; and no higher than the ceiling, or than one of these,
//!   even if each part whose load is a share were as dense as the densest shard (held all of the shard's
//!   load, where no cut can relieve it).
//!   Fewer shards than before need measurements over the whole stabilisation window, as merges do, and the load that
//!   decides merges must be no higher either. More shards take no capacity away, and for them the load of now
//!   decides, and the window that decides splits must be measured.
//!
//! So where loads are estimates yet, only a doubling of equal ranges is left, which merges nothing.
//!
//! **Emergency.** *Heat* is what lies above the targets, in all shards together. Where H₀ of it needs S₀
//! splits (a shard of load l above its target needs ⌈l/pack⌉ − 1), they relieve it bit by bit: H₀/2 on
//! the average over S₀·s seconds. A call relieves nothing for U seconds, and then leaves H₁ and S₁. It is
//! made where that is less heat for less time,
//!
//! > H₀·S₀·s/2 > H₀·U + H₁·S₁·s/2,
//!
//! so never for less than S₀·s > 2U: 13 splits at 30 s and 180 s. Of the counts from n + S₀ up, for heat that
//! grows is not to find fewer shards than splits would have made, the one is taken that leaves least heat for
//! least time, and of these the cheapest. Where the stream is known not to rise, fewer than n + S₀ may be called
//! for: equal shards that are all a little too full need a split each, and a few more of them would do. Then
//! [`GROWTH_PER_MILLE`] more, or what a forecast expects within two hours, must leave no range above its target.
//!
//! **Auto** also makes the call that [`foresight`] finds worth it for what comes. Where the past tells nothing of
//! that, only emergencies are called for: what is cheaper now need not be in an hour. Calls are few, and
//! [`UpdateShardCount::calls_a_day`] keeps some for emergencies. Heat does not wait for fewer shards: its splits go
//! first, for what a call leaves is not measured for some minutes, in which nothing is split.

use super::foresight::{self, Foreseen};
use super::grid::{Grid, Rules, fill};
use super::optimum::Tiling;
use crate::demand::forecast::{Forecast, SLOT_MINUTES};
use crate::demand::{Demand, ShardDemand};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold, StepReason};
use crate::policy::{InForce, ScalingPolicy, UpdateShardCount};

/// So many of the counts that are foreseen are tried, where one would put too much on a shard.
const COUNTS_TRIED: usize = 5;
/// The slots of a forecast whose highest an emergency minds, and a report tells: two hours.
const SOON_SLOTS: usize = 8;

/// By so many thousandths a load may grow after a call that leaves fewer shards than splits would.
const GROWTH_PER_MILLE: u64 = 250;

/// What is chosen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    /// Splits and merges.
    Steps,
    /// Splits and merges, for want of a call.
    Held(Hold),
    /// A call.
    Call(Call),
}

/// A call that is better than splits and merges.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) reason: StepReason,
    /// Splits that its ranges need.
    pub(super) splits_left: u32,
    /// Of the shards and the splits that are left.
    pub(super) cost_shard_seconds: u64,
}

/// What a call leaves to be done.
#[derive(Debug, Clone, Copy, Default)]
struct Left {
    /// Splits of ranges above where shards are packed to.
    splits: u32,
    /// Those of ranges above their targets.
    hot_splits: u32,
    /// What lies above the targets, in millionths of a target.
    heat: u128,
    /// How full the fullest range is, in millionths of its target.
    fullest: u128,
}

impl Left {
    /// Whether nothing would be above its target with so many thousandths of the load.
    fn bears(&self, per_mille: u64) -> bool {
        self.fullest * u128::from(per_mille) <= 1_000 * 1_000_000
    }
}

/// All that the choice is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options<'a> {
    pub(super) grid: &'a Grid,
    pub(super) rules: &'a Rules,
    /// Where splits and merges lead to.
    pub(super) goal: &'a Tiling,
    pub(super) demand: &'a Demand,
    pub(super) policy: &'a ScalingPolicy,
    pub(super) in_force: &'a InForce,
}

/// Splits and merges, or a call.
pub(super) fn choose(options: Options) -> Choice {
    if options.policy.update_shard_count == UpdateShardCount::Never {
        return Choice::Steps;
    }
    let shards = &options.demand.shards;
    let densest = [Densest::of(shards, ShardDemand::loads), Densest::of(shards, ShardDemand::peak_loads)];
    let Some(call) = Chooser { options, densest }.call() else { return Choice::Steps };
    let Options { demand, policy, .. } = options;
    let is_emergency = matches!(call.reason, StepReason::SplitsTooSlow { .. });
    let (calls_a_day, made) =
        (policy.update_shard_count.calls_a_day(is_emergency), demand.count_updates_made());
    if let Some(message) = &demand.count_update_refused {
        Choice::Held(Hold::UpdateShardCountRefused { message: message.clone() })
    } else if made >= calls_a_day {
        Choice::Held(Hold::UpdateShardCountBudget { calls_a_day, made })
    } else {
        Choice::Call(call)
    }
}

/// The shard in which most lies on a key, in each dimension; but for those that no cut relieves, whose
/// load is known to lie in one place.
#[derive(Debug, Clone, Copy)]
struct Densest([Option<(HashKeyRange, Load)>; 3]);

impl Densest {
    fn of(shards: &[ShardDemand], loads: fn(&ShardDemand) -> Loads) -> Densest {
        let mut densest = [None; 3];
        for shard in shards.iter().filter(|shard| shard.segments.len() > 1) {
            for (most, load) in densest.iter_mut().zip(loads(shard).as_array()) {
                let is_denser = |(range, most): (HashKeyRange, Load)| {
                    shard.range.as_dense(load.0, HashKeyRange::WHOLE)
                        > range.as_dense(most.0, HashKeyRange::WHOLE)
                };
                if most.is_none_or(is_denser) {
                    *most = Some((shard.range, load));
                }
            }
        }
        Densest(densest)
    }

    /// What these keys would have if they were as dense.
    fn over(&self, keys: HashKeyRange) -> Loads {
        let dense = |most: Option<(HashKeyRange, Load)>| {
            most.map_or(Load::ZERO, |(range, load)| Load(range.as_dense(load.0, keys)))
        };
        Loads::from_array(self.0.map(dense))
    }
}

/// How full each shard is, in millionths of the targets and of where shards are packed to.
struct Steps(Vec<[u64; 2]>);

impl Steps {
    /// As how many shards those that are open take so many thousandths of the load of now: each above its
    /// target in parts, neighbours that fit together joined from the lowest key up while there are merges.
    fn shards_for(&self, per_mille: u64, mut merges: u32) -> u32 {
        const FULL: u64 = 1_000_000;
        let (mut count, mut joined) = (0_u64, u64::MAX);
        for fill in &self.0 {
            let [target, packed] = fill.map(|fill| fill.saturating_mul(per_mille) / 1_000);
            if target > FULL {
                count += packed.div_ceil(FULL);
                joined = u64::MAX;
            } else if merges > 0 && joined.saturating_add(packed) <= FULL {
                joined += packed;
                merges -= 1;
            } else {
                count += 1;
                joined = packed;
            }
        }
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// By how many millionths of a target a load lies above it that is so full.
fn heat(filled: u128) -> u128 {
    filled.saturating_sub(1_000_000)
}

/// The most that is expected soon, in thousandths of the load of now.
fn soon_per_mille(forecast: &Forecast) -> u64 {
    forecast.per_mille.iter().take(SOON_SLOTS).copied().max().unwrap_or(0)
}

/// The choice, with what all counts are judged by.
struct Chooser<'a> {
    options: Options<'a>,
    densest: [Densest; 2],
}

impl Chooser<'_> {
    fn call(&self) -> Option<Call> {
        self.emergency().or_else(|| self.foreseen(self.options.demand.forecast.as_ref()?))
    }

    /// The call that a forecast is worth. A call to more shards is an answer to heat too, which one to fewer
    /// would keep waiting.
    fn foreseen(&self, forecast: &Forecast) -> Option<Call> {
        let Options { grid, policy, demand, in_force, .. } = self.options;
        let (from, made) = (self.from(), demand.count_updates_made());
        let is_rejecting = demand.shards.iter().any(|shard| shard.rejecting);
        if is_rejecting {
            return None;
        }
        let (least, most) = self.counts();
        let equal = HashKeyRange::WHOLE.equal_parts(from);
        let now = foresight::Now {
            shards: from,
            equal_capacity: self.capacity(equal.into_iter().map(|range| grid.range_load(range).loads)),
            counts: (if self.hot_splits() > 0 { from + 1 } else { least }, most),
            bounds: (in_force.bounds.min(), in_force.bounds.max()),
            step_shard_seconds: policy.tradeoff.step_cost_shard_seconds,
            merges: foresight::Merges {
                a_day: policy.budgets.max_merges_per_day,
                made: demand.merges_in_the_last_day,
            },
        };
        let calls = foresight::Calls {
            a_day: policy.update_shard_count.calls_a_day(false),
            minutes_ago: &demand.count_updates_minutes_ago,
        };
        let steps = self.steps();
        let mut barred = Vec::new();
        let (to, saved_shard_seconds, left) = loop {
            let by_steps = |need, merges| steps.shards_for(need, merges);
            let best = foresight::best(forecast, &now, calls, &barred, by_steps);
            let Foreseen { to, saved_shard_seconds } = best.filter(|_| barred.len() < COUNTS_TRIED)?;
            match self.left_by(to) {
                Some(left) => break (to, saved_shard_seconds, left),
                None => barred.push(to),
            }
        };
        Some(Call {
            from,
            to,
            reason: StepReason::Foreseen {
                minutes: SLOT_MINUTES * SOON_SLOTS as u32,
                expected_per_mille: soon_per_mille(forecast),
                course: forecast.course,
                saved_shard_seconds,
                calls_made: made,
            },
            splits_left: left.splits,
            cost_shard_seconds: self.cost(to, left.splits),
        })
    }

    /// What splits and merges make of the shards that are open.
    fn steps(&self) -> Steps {
        let Options { rules, demand, .. } = self.options;
        let millionths = |loads: Loads, limits: Loads| u64::try_from(fill(loads, limits)).unwrap_or(u64::MAX);
        let of =
            |loads: Loads| [rules.limits.trigger, rules.limits.pack].map(|limits| millionths(loads, limits));
        Steps(demand.shards.iter().map(|shard| of(shard.loads())).collect())
    }

    /// How many thousandths of the load of now shards take until the fullest of them is at its target.
    fn capacity(&self, loads: impl Iterator<Item = Loads>) -> u64 {
        let fullest = loads.map(|loads| fill(loads, self.options.rules.limits.trigger)).max().unwrap_or(0);
        1_000_000_000_u128.checked_div(fullest).and_then(|times| u64::try_from(times).ok()).unwrap_or(0)
    }

    /// The call that heat asks for, if splits would take too long.
    fn emergency(&self) -> Option<Call> {
        let Options { policy, demand, .. } = self.options;
        let (pace, from, splits) = (policy.pace, self.from(), self.hot_splits());
        let serial_seconds = pace.serial_seconds(splits.into());
        if serial_seconds <= 2 * pace.update_seconds {
            return None;
        }
        let heat: u128 = demand.shards.iter().map(|shard| heat(self.filled(shard.loads()))).sum();
        // Twice the heat that is left on the average, times its seconds.
        let by_splits = heat.saturating_mul(u128::from(serial_seconds));
        let by_call = |left: &Left| {
            let before = heat.saturating_mul(2 * u128::from(pace.update_seconds));
            let seconds = pace.serial_seconds(u64::from(left.hot_splits));
            before.saturating_add(left.heat.saturating_mul(u128::from(seconds)))
        };
        let most = self.counts().1;
        let as_many_as_splits = from.saturating_add(splits).min(most);
        let soon = demand.forecast.as_ref().map_or(0, soon_per_mille);
        let grown = demand.is_steady.then_some(soon.max(1_000 + GROWTH_PER_MILLE));
        let best = (from + 1..=most)
            .filter_map(|to| Some((to, self.left_by(to)?)))
            .filter(|(to, left)| *to >= as_many_as_splits || grown.is_some_and(|grown| left.bears(grown)))
            .filter(|(_, left)| by_call(left) < by_splits)
            .min_by_key(|(to, left)| (by_call(left), self.cost(*to, left.splits), *to));
        best.map(|(to, left)| Call {
            from,
            to,
            reason: StepReason::SplitsTooSlow {
                splits,
                splits_left: left.hot_splits,
                serial_seconds,
                update_seconds: pace.update_seconds,
            },
            splits_left: left.splits,
            cost_shard_seconds: self.cost(to, left.splits),
        })
    }

    /// How many splits heat asks for.
    fn hot_splits(&self) -> u32 {
        let Options { grid, rules, goal, demand, .. } = self.options;
        let is_hot = |shard: &ShardDemand| shard.rejecting || !shard.loads().within(rules.limits.trigger);
        let relieves = |position: &usize| is_hot(&demand.shards[grid.shard_of(*position)]);
        u32::try_from(goal.inserted(grid).filter(relieves).count()).unwrap_or(u32::MAX)
    }

    fn from(&self) -> u32 {
        u32::try_from(self.options.grid.shard_count()).unwrap_or(u32::MAX)
    }

    /// The fewest and the most shards that a call may lead to.
    fn counts(&self) -> (u32, u32) {
        let Options { demand, in_force, .. } = self.options;
        let (from, bounds) = (self.from(), in_force.bounds);
        let rejecting = demand.shards.iter().any(|shard| shard.rejecting);
        let most = if rejecting { bounds.max() } else { demand.scale_up_limit };
        let least = bounds.min().max(demand.scale_down_limit).max(from.div_ceil(2));
        (least, most.min(bounds.max()).min(from.saturating_mul(2)))
    }

    /// What so many shards cost over the horizon, with the splits that they need.
    fn cost(&self, to: u32, splits: u32) -> u64 {
        let tradeoff = self.options.policy.tradeoff;
        (u64::from(to) + u64::from(splits)) * tradeoff.horizon_seconds
            + u64::from(splits) * tradeoff.step_cost_shard_seconds
    }

    /// What a call to so many shards leaves; `None` where it may not be.
    fn left_by(&self, to: u32) -> Option<Left> {
        let mut left = Left::default();
        for range in HashKeyRange::WHOLE.equal_parts(to) {
            let loads = self.admissible(range, to)?;
            let parts = fill(loads, self.options.rules.limits.part).div_ceil(1_000_000);
            let splits = u32::try_from(parts.saturating_sub(1)).unwrap_or(u32::MAX);
            let filled = self.filled(loads);
            let heat = heat(filled);
            left.fullest = left.fullest.max(filled);
            left.splits = left.splits.saturating_add(splits);
            left.heat = left.heat.saturating_add(heat);
            left.hot_splits = left.hot_splits.saturating_add(if heat > 0 { splits } else { 0 });
        }
        (to != self.from()).then_some(left)
    }

    /// How full a load is, in millionths of its target.
    fn filled(&self, loads: Loads) -> u128 {
        fill(loads, self.options.rules.limits.trigger)
    }

    /// The load of one of `to` equal ranges, if it may be a shard.
    fn admissible(&self, range: HashKeyRange, to: u32) -> Option<Loads> {
        let Options { grid, rules, demand, .. } = self.options;
        let leeway = HashKeyRange::leeway(to);
        let (low, high) = (HashKey(range.start().0 + leeway), HashKey(range.end().0 - leeway));
        let (first, last) = (grid.shard_at(low), grid.shard_at(high));
        let takes_all = |shard: usize| {
            let of = demand.shards[shard].range;
            of.start() >= HashKey(range.start().0.saturating_sub(leeway))
                && of.end() <= HashKey(range.end().0.saturating_add(leeway))
        };
        let now = grid.range_load(range);
        if first == last {
            let may_be = takes_all(first) || !rules.bars_splits(first);
            return may_be.then_some(now.loads);
        }
        let may_be =
            |shard: usize| self.may_join(shard, to) && (takes_all(shard) || !rules.bars_splits(shard));
        if !(first..=last).all(may_be) {
            return None;
        }
        let mut was = [Loads::default(); 2];
        let mut more = [Loads::default(); 2];
        for shard in first..=last {
            let of = &demand.shards[shard];
            let whole = [of.loads(), of.peak_loads()];
            was = [0, 1].map(|at| was[at].max(whole[at]));
            let is_one = of.segments.len() == 1;
            if !takes_all(shard) && (of.density != Evidence::Measured || is_one) {
                let keys = of.range.intersection(range)?;
                let part = grid.range_load(keys);
                for (at, part) in [part.loads, part.peak_loads].into_iter().enumerate() {
                    let rest = whole[at].zip(part, |whole, part| Load(whole.0.saturating_sub(part.0)));
                    let dense = self.densest[at].over(keys);
                    let denser = dense.zip(part, |dense, part| Load(dense.0.saturating_sub(part.0)));
                    more[at] += if is_one { rest } else { rest.zip(denser, Ord::min) };
                }
            }
        }
        let ceiling = Loads::from_array([Load::CEILING; 3]);
        let fits = |at: usize, load: Loads| {
            load.within(rules.limits.pack.max(was[at])) && (load + more[at]).within(ceiling.max(was[at]))
        };
        let fits_then = || to > self.from() || fits(1, now.peak_loads);
        (fits(0, now.loads) && fits_then()).then_some(now.loads)
    }

    /// Whether a part of the shard or all of it may be joined with a neighbour.
    fn may_join(&self, shard: usize, to: u32) -> bool {
        if to < self.from() {
            return self.options.rules.may_merge(shard);
        }
        let demand = self.options.demand;
        let shard = &demand.shards[shard];
        let settled = matches!(shard.merge_guard, None | Some(Hold::LoadEstimated { .. }));
        demand.bars_on_joins(true).next().is_none() && shard.unsettled.is_none() && settled
    }
}

#[cfg(test)]
mod tests;
