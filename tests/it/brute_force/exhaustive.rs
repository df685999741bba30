//! The exhaustive search: every set of boundaries, every order of steps, and the written rules.
//!
//! Positions count segments: a tiling is the ascending list of the positions at which its shards
//! end, the last position included.

use std::collections::{BTreeSet, HashSet};

use reshard::load::{Load, Loads};
use reshard::plan::Evidence;

use super::case::Case;

/// What a tiling costs; ordered as the planner prefers: cheapest, then fewest steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost {
    pub(super) shard_seconds: u64,
    pub(super) steps: usize,
}

/// What a plan should aim at.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) cost: Cost,
    /// By how much, in per mille of what they are, the limits of splits are raised; 1,000: not.
    pub(super) per_mille: u64,
    /// Whether a boundary moves.
    pub(super) moves: bool,
}

/// What of a stream the search looks at.
pub(super) struct Search<'a> {
    case: &'a Case,
    /// The shard of each segment.
    shard_of: Vec<usize>,
    loads: Vec<Loads>,
    peaks: Vec<Loads>,
    /// The tiling as it is.
    now: Vec<usize>,
    min: usize,
    max: usize,
}

impl<'a> Search<'a> {
    pub(super) fn of(case: &'a Case) -> Self {
        let segments = case.segments();
        let bounds = case.in_force().bounds;
        let mut now = Vec::new();
        for shard in &case.demand.shards {
            now.push(now.last().copied().unwrap_or(0) + shard.segments.len());
        }
        Search {
            case,
            shard_of: segments.iter().map(|(shard, _)| *shard).collect(),
            loads: segments.iter().map(|(_, segment)| segment.loads).collect(),
            peaks: segments.iter().map(|(_, segment)| segment.peak_loads).collect(),
            now,
            min: bounds.min() as usize,
            max: bounds.max() as usize,
        }
    }

    /// shards × horizon + steps × step cost; a step for each boundary that comes or goes.
    pub(super) fn cost(&self, ends: &[usize]) -> Cost {
        let (old, new): (BTreeSet<_>, BTreeSet<_>) =
            (self.now.iter().copied().collect(), ends.iter().copied().collect());
        let steps = old.symmetric_difference(&new).count();
        let tradeoff = self.case.policy.tradeoff;
        let shard_seconds =
            ends.len() as u64 * tradeoff.horizon_seconds + steps as u64 * tradeoff.step_cost_shard_seconds;
        Cost { shard_seconds, steps }
    }

    fn may_split(&self, shard: usize) -> bool {
        let demand = &self.case.demand;
        demand.split_bars.is_empty()
            && demand.shards[shard].split_guard.is_none()
            && demand.shards[shard].segments.len() > 1
    }

    fn may_merge(&self, shard: usize) -> bool {
        let demand = &self.case.demand;
        demand.merge_bars.is_empty()
            && demand.shards[shard].merge_guard.is_none()
            && demand.shards[shard].evidence == Evidence::Measured
    }

    /// The position at which a shard starts.
    fn start_of(&self, shard: usize) -> usize {
        if shard == 0 { 0 } else { self.now[shard - 1] }
    }

    /// Whether the interval over several shards may be one shard.
    fn may_be_merged(&self, low: usize, high: usize) -> bool {
        let (first, last) = (self.shard_of[low], self.shard_of[high - 1]);
        // A part of a shard: an end inside the shard.
        let takes_part = |shard: usize| low > self.start_of(shard) || high < self.now[shard];
        (first..=last).all(|shard| {
            let spread_known = self.case.demand.shards[shard].density == Evidence::Measured;
            self.may_merge(shard) && (!takes_part(shard) || (spread_known && self.may_split(shard)))
        }) && sum(&self.peaks[low..high]).within(self.case.policy.pack())
    }

    /// Whether an interval may be a shard of the tiling to reach, by the three written kinds.
    pub(super) fn is_admissible(&self, per_mille: u64, low: usize, high: usize) -> bool {
        let raise = |limits: Loads| {
            Loads::from_array(limits.as_array().map(|limit| Load((limit.0 * per_mille).div_ceil(1_000))))
        };
        let (first, last) = (self.shard_of[low], self.shard_of[high - 1]);
        if first != last {
            return self.may_be_merged(low, high);
        }
        let load = sum(&self.loads[low..high]);
        let whole = low == self.start_of(first) && high == self.now[first];
        let kept = whole && (load.within(raise(self.case.policy.trigger())) || !self.may_split(first));
        let part = self.may_split(first) && (load.within(raise(self.case.policy.pack())) || high - low == 1);
        kept || part
    }

    /// All tilings of admissible intervals.
    fn tilings(&self, per_mille: u64) -> Vec<Vec<usize>> {
        let last = self.shard_of.len();
        let ends_from = |low: usize| -> Vec<usize> {
            (low + 1..=last).filter(|high| self.is_admissible(per_mille, low, *high)).collect()
        };
        let next: Vec<Vec<usize>> = (0..last).map(ends_from).collect();
        let mut complete = Vec::new();
        let mut begun: Vec<Vec<usize>> = vec![vec![]];
        while let Some(ends) = begun.pop() {
            let low = ends.last().copied().unwrap_or(0);
            if low == last {
                complete.push(ends);
                continue;
            }
            begun
                .extend(next[low].iter().map(|high| ends.iter().copied().chain([*high]).collect::<Vec<_>>()));
        }
        complete
    }

    /// Whether one of the tiling's shards is made of several with a part of one among them.
    fn has_moves(&self, ends: &[usize]) -> bool {
        let mut low = 0;
        ends.iter().any(|&high| {
            let (first, last) = (self.shard_of[low], self.shard_of[high - 1]);
            let whole = low == self.start_of(first) && high == self.now[last];
            low = high;
            first != last && !whole
        })
    }

    /// Whether some order of single splits and merges leads to the tiling, each of them within
    /// the bounds and each merge admissible by itself.
    fn is_reachable(&self, goal: &[usize]) -> bool {
        let as_set = |ends: &[usize]| ends.iter().fold(0_u32, |set, end| set | 1 << end);
        let (from, to) = (as_set(&self.now), as_set(goal));
        let mut seen = HashSet::from([from]);
        let mut open = vec![from];
        while let Some(state) = open.pop() {
            if state == to {
                return true;
            }
            let count = state.count_ones() as usize;
            for position in (1..self.shard_of.len()).filter(|position| (state ^ to) >> position & 1 == 1) {
                let is_split = to >> position & 1 == 1;
                let possible = if is_split {
                    count < self.max
                } else {
                    let low = (0..position).rev().find(|p| *p == 0 || state >> p & 1 == 1).unwrap();
                    let high = (position + 1..).find(|p| state >> p & 1 == 1).unwrap();
                    count > self.min && self.may_be_merged(low, high)
                };
                let next = state ^ 1 << position;
                if possible && seen.insert(next) {
                    open.push(next);
                }
            }
        }
        false
    }

    /// The cheapest of `tilings` that can be reached.
    fn best(&self, mut tilings: Vec<Vec<usize>>, per_mille: u64) -> Option<Goal> {
        tilings.sort_by_cached_key(|ends| (self.cost(ends), ends.clone()));
        let ends = tilings.into_iter().find(|ends| self.is_reachable(ends))?;
        Some(Goal { cost: self.cost(&ends), per_mille, moves: self.has_moves(&ends) })
    }

    /// What a plan should aim at, by the written rules: the cheapest tiling within the bounds that
    /// can be reached; where there is none, the same after the least rise of the limits of splits
    /// that helps. Where even then `maxShards` cannot be met, as few shards as can be reached.
    pub(super) fn goal(&self, with_moves: bool) -> Goal {
        let segments_of = |shard: usize| self.now[shard] - self.start_of(shard);
        let most: usize =
            (0..self.now.len()).map(|shard| if self.may_split(shard) { segments_of(shard) } else { 1 }).sum();
        let min = self.min.min(most);
        let candidates = |per_mille| {
            let mut tilings = self.tilings(per_mille);
            tilings.retain(|ends| ends.len() >= min && (with_moves || !self.has_moves(ends)));
            tilings
        };
        // At a rise to the twenty-fold no small load is above its limit any more.
        const HIGHEST: u64 = 20_000;
        let fewest = candidates(HIGHEST).iter().filter(|ends| self.is_reachable(ends)).map(Vec::len).min();
        let raised_max = self.max.max(fewest.expect("to stay is always possible"));
        let best = |per_mille| {
            let max = if per_mille == 1_000 { self.max } else { raised_max };
            let mut tilings = candidates(per_mille);
            tilings.retain(|ends| ends.len() <= max);
            self.best(tilings, per_mille)
        };
        best(1_000).unwrap_or_else(|| {
            // A rise that helps helps the more the higher it is.
            let (mut fails, mut helps) = (1_000, HIGHEST);
            while fails + 1 < helps {
                let middle = (fails + helps) / 2;
                *(if best(middle).is_some() { &mut helps } else { &mut fails }) = middle;
            }
            best(helps).expect("the highest rise helps")
        })
    }
}

fn sum(loads: &[Loads]) -> Loads {
    loads.iter().copied().fold(Loads::default(), |sum, loads| sum + loads)
}
