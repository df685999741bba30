//! The exhaustive search: every set of boundaries, every order of steps, and the written rules.
//!
//! Positions count segments. A tiling is a set of positions as bits: bit p is set where a shard
//! ends before segment p; the last position is always in it, 0 never.

use std::collections::HashSet;

use reshard::load::Loads;

use super::case::Case;
use super::intervals::{Class, Intervals, UNRAISED};

/// What a tiling costs; ordered as the planner prefers: cheapest, then fewest steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    pub(super) shard_seconds: u64,
    pub(super) steps: usize,
}

/// What a plan must aim at: any tiling of this cost in which no interval needs a higher rise; where one is needed, with
/// more cuts where something is still above the trigger, as long as there may be more shards.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) cost: Cost,
    pub(super) shards: usize,
    /// The per mille of the trigger up to which shards are filled; [`UNRAISED`]: none is fuller
    /// than the rules allow.
    rise: u64,
    class: Class,
}

/// A tiling that the rules allow.
struct Tiling {
    cost: Cost,
    ends: u32,
    rise: u64,
}

impl Tiling {
    fn shards(&self) -> usize {
        self.ends.count_ones() as usize
    }
}

/// What of a stream the search looks at.
pub(super) struct Search<'a> {
    intervals: Intervals<'a>,
    /// The tiling as it is.
    now: u32,
    min: usize,
    max: usize,
}

impl<'a> Search<'a> {
    pub(super) fn of(case: &'a Case) -> Self {
        let intervals = Intervals::of(case);
        let bounds = case.in_force().bounds;
        Search {
            now: intervals.bounds_of_shards[1..].iter().fold(0, |set, end| set | 1 << end),
            intervals,
            min: bounds.min() as usize,
            max: bounds.max() as usize,
        }
    }

    /// What a plan must aim at: the cheapest tiling within the bounds that can be reached in any
    /// order; if there is none, the cheapest of the safe class after the least rise.
    pub(super) fn goal(&self) -> Goal {
        let open = self.intervals.case.demand.shards.len();
        let safe = Class::safe(open, self.min, self.max);
        let min = self.min.min((0..open).map(|shard| self.intervals.pieces(safe, shard)).sum());
        let goal =
            |tiling: &Tiling, rise, class| Goal { cost: tiling.cost, shards: tiling.shards(), rise, class };
        let mut whole = self.tilings(Class::WHOLE);
        whole.retain(|tiling| (min..=self.max).contains(&tiling.shards()) && tiling.rise == UNRAISED);
        whole.sort_by_key(|tiling| (tiling.cost, tiling.ends));
        if let Some(best) = whole.iter().find(|tiling| self.is_reachable(tiling.ends)) {
            return goal(best, UNRAISED, Class::WHOLE);
        }

        let mut tilings = self.tilings(safe);
        tilings.retain(|tiling| tiling.shards() >= min);
        let fewest = tilings.iter().map(Tiling::shards).min().expect("to stay is always possible");
        // Where merges are barred, as few shards as there can be.
        tilings.retain(|tiling| tiling.shards() <= self.max.max(fewest));
        let rise = tilings.iter().map(|tiling| tiling.rise).min().expect("the fewest are among them");
        let fallback = tilings.iter().filter(|tiling| tiling.rise <= rise).min_by_key(|tiling| tiling.cost);
        let fallback = fallback.expect("one has the least rise");
        let reached = self.is_reachable(fallback.ends);
        assert!(reached, "all of the safe class can be reached\n{}", self.intervals.case);
        goal(fallback, rise, safe)
    }

    /// Whether a plan for `goal` with so many more cuts may end in the tiling whose shards end at `ends`.
    pub(super) fn is_met(&self, goal: &Goal, cuts: usize, ends: &[usize]) -> bool {
        let set = ends.iter().fold(0, |set, end| set | 1 << end);
        let starts = [0].into_iter().chain(ends.iter().copied());
        let rise = |(low, high): (usize, &usize)| self.intervals.rise(goal.class, low, *high);
        let is_used_up = goal.rise == UNRAISED || ends.len() >= self.max;
        self.cost(set) == self.cost_with(goal, cuts)
            && (is_used_up || self.overloaded(goal.class, ends).is_empty())
            && starts.zip(ends).all(|interval| rise(interval).is_some_and(|rise| rise <= goal.rise))
    }

    /// What `goal` costs with so many more cuts, each a step and a shard.
    fn cost_with(&self, goal: &Goal, cuts: usize) -> Cost {
        let shard_seconds = goal.cost.shard_seconds + cuts as u64 * self.cost_of_a_cut();
        Cost { shard_seconds, steps: goal.cost.steps + cuts }
    }

    fn cost_of_a_cut(&self) -> u64 {
        let tradeoff = self.intervals.case.policy.tradeoff;
        tradeoff.horizon_seconds + tradeoff.step_cost_shard_seconds
    }

    /// How many more cuts than `goal` a tiling of this cost has; none where it is not the goal with some.
    pub(super) fn more_cuts(&self, goal: &Goal, cost_shard_seconds: u64) -> Option<usize> {
        let more = cost_shard_seconds.checked_sub(goal.cost.shard_seconds)?;
        let cuts = usize::try_from(more / self.cost_of_a_cut()).ok()?;
        let room = if goal.rise == UNRAISED { 0 } else { self.max.saturating_sub(goal.shards) };
        (more % self.cost_of_a_cut() == 0 && cuts <= room).then_some(cuts)
    }

    /// How many shards a plan for `goal` may come to.
    pub(super) fn shards(&self, goal: &Goal) -> std::ops::RangeInclusive<u32> {
        let most = if goal.rise == UNRAISED { goal.shards } else { goal.shards.max(self.max) };
        let clamped = |shards: usize| shards.clamp(self.min, self.max) as u32;
        clamped(goal.shards)..=clamped(most)
    }

    /// The loads of those shards that a cut of this class would relieve, and that lie above the trigger.
    pub(super) fn overloaded(&self, class: Class, ends: &[usize]) -> Vec<Loads> {
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts
            .zip(ends)
            .filter(|(low, high)| {
                let shard = self.intervals.shard_of[*low];
                *high - low > 1
                    && shard == self.intervals.shard_of[*high - 1]
                    && self.intervals.may_split(class, shard)
            })
            .map(|(low, high)| self.intervals.loads(low, *high))
            .filter(|loads| !loads.within(self.intervals.case.limits().trigger))
            .collect()
    }

    /// shards × horizon + steps × step cost; a step for each boundary that comes or goes.
    fn cost(&self, ends: u32) -> Cost {
        let steps = (ends ^ self.now).count_ones();
        let tradeoff = self.intervals.case.policy.tradeoff;
        let shard_seconds = u64::from(ends.count_ones()) * tradeoff.horizon_seconds
            + u64::from(steps) * tradeoff.step_cost_shard_seconds;
        Cost { shard_seconds, steps: steps as usize }
    }

    /// All tilings of intervals that may be shards, whatever their number and the rise they need.
    fn tilings(&self, class: Class) -> Vec<Tiling> {
        let last = self.intervals.segments();
        let intervals_from = |low: usize| -> Vec<(usize, u64)> {
            (low + 1..=last).filter_map(|high| Some((high, self.intervals.rise(class, low, high)?))).collect()
        };
        let next: Vec<Vec<(usize, u64)>> = (0..last).map(intervals_from).collect();
        let mut complete = Vec::new();
        let mut begun = vec![(0_usize, 0_u32, UNRAISED)];
        while let Some((low, ends, rise)) = begun.pop() {
            if low == last {
                complete.push(Tiling { cost: self.cost(ends), ends, rise });
            } else {
                begun.extend(
                    next[low].iter().map(|(high, needs)| (*high, ends | 1 << high, rise.max(*needs))),
                );
            }
        }
        complete
    }

    /// Whether some order of single splits and merges leads to the tiling, each of them within
    /// the bounds, each merge admissible by itself, and no shard split that holds one which must
    /// not be.
    fn is_reachable(&self, goal: u32) -> bool {
        let mut seen = HashSet::from([self.now]);
        let mut open = vec![self.now];
        while let Some(state) = open.pop() {
            if state == goal {
                return true;
            }
            let count = state.count_ones() as usize;
            for position in
                (1..self.intervals.segments()).filter(|position| (state ^ goal) >> position & 1 == 1)
            {
                let is_split = goal >> position & 1 == 1;
                let low = (0..position).rev().find(|p| *p == 0 || state >> p & 1 == 1).unwrap();
                let high = (position + 1..).find(|p| state >> p & 1 == 1).unwrap();
                let possible = if is_split {
                    count < self.max && !self.intervals.is_split_barred(low, high)
                } else {
                    count > self.min && self.intervals.may_be_merged(Class::WHOLE, low, high)
                };
                let next = state ^ 1 << position;
                if possible && seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    }
}
