//! The order of steps: from B₀ towards a tiling so that every tiling in between is admissible, as
//! far as rates and budgets let it go.

use std::collections::{BTreeSet, BinaryHeap};

use super::grid::{Grid, Rules, fill};
use super::optimum::Tiling;
use crate::demand::Demand;
use crate::plan::{Hold, Step};
use crate::policy::ScalingPolicy;

/// How far a walk may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// The fewest shards at any moment.
    pub(super) min: usize,
    /// The most shards at any moment.
    pub(super) max: usize,
    /// The most shards that splits of shards that do not reject may lead to.
    pub(super) scale_up_limit: usize,
    /// The fewest shards that merges may lead to.
    pub(super) scale_down_limit: usize,
    /// Merges left of the day's budget.
    pub(super) merges: usize,
    /// Steps in one plan.
    pub(super) steps: usize,
}

/// A step of a walk.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) step: Step,
    /// The boundary that it inserts or removes.
    pub(super) position: usize,
    /// Whether it is part of a boundary's move.
    pub(super) moves: bool,
}

/// What was done, and what could not be.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) steps: Vec<Taken>,
    /// The tiling after the last step.
    pub(super) boundaries: BTreeSet<usize>,
    left: Left,
    allowance: Allowance,
    /// The boundaries that are part of a move.
    moved: BTreeSet<usize>,
}

/// What is left of a walk.
#[derive(Debug, Default)]
struct Left {
    splits: usize,
    merges: usize,
    /// Whether the steps budget ended the walk.
    out_of_steps: bool,
}

/// Whether the tiling can be reached at all, rates and budgets aside.
pub(super) fn is_reachable(grid: &Grid, rules: &Rules, goal: &Tiling, min: usize, max: usize) -> bool {
    let allowance = Allowance {
        min,
        max,
        scale_up_limit: max,
        scale_down_limit: min,
        merges: usize::MAX,
        steps: usize::MAX,
    };
    // With room for every split at once there is nothing to search: splits first always works.
    let splits = goal.inserted(grid).count();
    let room = grid.shard_count() + splits <= max && goal.shard_count() >= min;
    room || {
        let left = walk(grid, rules, goal, &allowance).left;
        left.splits + left.merges == 0
    }
}

/// Walks towards `goal` as far as the allowance goes.
pub(super) fn walk(grid: &Grid, rules: &Rules, goal: &Tiling, allowance: &Allowance) -> Walk {
    let mut splits = by_relief(grid, rules, goal);
    splits.reverse();
    let mut merges = coldest_last(grid, rules, goal);
    let mut walk = Walk {
        steps: Vec::new(),
        boundaries: grid.shard_boundaries().iter().copied().collect(),
        left: Left::default(),
        allowance: *allowance,
        moved: moved(grid, goal),
    };
    let mut merges_left = allowance.merges;
    let fewest = allowance.min.max(allowance.scale_down_limit);
    loop {
        let count = walk.boundaries.len() - 1;
        let may_split = |position: &usize| {
            count < allowance.max
                && (count < allowance.scale_up_limit || grid.is_rejecting(grid.shard_of(*position)))
        };
        let may_merge = |position: &usize| {
            let (low, high) = neighbours(&walk.boundaries, *position);
            count > fewest && merges_left > 0 && rules.may_be_merged(grid, low, high)
        };
        // At the last free place, a split after which a merge makes room again goes first.
        let makes_room = |split: &usize| {
            let merge = |merge: &usize| {
                let (low, high) = neighbours(&walk.boundaries, *merge);
                let low = if low < *split && split < merge { *split } else { low };
                let high = if merge < split && *split < high { *split } else { high };
                rules.may_be_merged(grid, low, high)
            };
            may_split(split) && merges.iter().any(merge)
        };
        let last_place = count + 1 == allowance.max && splits.len() > 1;
        let room = if last_place { splits.iter().rposition(makes_room) } else { None };
        // Splits of shards that reject come first in `splits`, so looking at the last is enough.
        let next = room.or(splits.len().checked_sub(1)).filter(|index| may_split(&splits[*index]));
        let (position, split) = if let Some(index) = next {
            (splits.remove(index), true)
        } else if let Some(index) = merges.iter().rposition(may_merge) {
            (merges.remove(index), false)
        } else {
            break;
        };
        if walk.steps.len() == allowance.steps {
            walk.left.out_of_steps = true;
            if split {
                splits.push(position)
            } else {
                merges.push(position)
            }
            break;
        }
        walk.take(grid, position, split);
        merges_left -= usize::from(!split);
    }
    walk.left.splits = splits.len();
    walk.left.merges = merges.len();
    walk
}

/// The boundaries next below and next above `position`.
pub(super) fn neighbours(boundaries: &BTreeSet<usize>, position: usize) -> (usize, usize) {
    let low = boundaries.range(..position).next_back().copied().unwrap_or(0);
    let high = boundaries.range(position + 1..).next().copied().unwrap_or(position);
    (low, high)
}

impl Walk {
    fn take(&mut self, grid: &Grid, position: usize, split: bool) {
        let (low, high) = neighbours(&self.boundaries, position);
        let step = if split {
            self.boundaries.insert(position);
            Step::Split { range: grid.range(low, high), at: grid.key(position) }
        } else {
            self.boundaries.remove(&position);
            Step::Merge { low: grid.range(low, position), high: grid.range(position, high) }
        };
        self.steps.push(Taken { step, position, moves: self.moved.contains(&position) });
    }

    /// The tiling after the last step, where it is `max` that keeps splits from being made.
    pub(super) fn stuck_at_max(&self) -> Option<Tiling> {
        let stuck =
            self.left.splits > 0 && !self.left.out_of_steps && self.boundaries.len() > self.allowance.max;
        stuck.then(|| Tiling::of(&self.boundaries.iter().copied().collect::<Vec<_>>()))
    }

    /// What rates and budgets kept from being done.
    pub(super) fn holds(&self, policy: &ScalingPolicy, demand: &Demand) -> Vec<Hold> {
        let Left { splits, merges, out_of_steps } = self.left;
        let (count, allowance) = (self.boundaries.len() - 1, &self.allowance);
        let mut holds = Vec::new();
        if out_of_steps {
            let max_steps_per_plan = policy.budgets.max_steps_per_plan;
            let left_out = u32::try_from(splits + merges).unwrap_or(u32::MAX);
            return vec![Hold::StepBudget { max_steps_per_plan, left_out }];
        }
        if splits > 0 && count < allowance.max && count >= allowance.scale_up_limit {
            holds.push(Hold::RateLimited { scale_up: true, limit: demand.scale_up_limit });
        }
        let merged = self.steps.iter().filter(|taken| matches!(taken.step, Step::Merge { .. })).count();
        if merges > 0 && merged >= allowance.merges {
            holds.push(Hold::MergeBudget {
                max_merges_per_day: policy.budgets.max_merges_per_day,
                merged: demand.merges_in_the_last_day,
            });
        } else if merges > 0 && count > allowance.min && count <= allowance.scale_down_limit {
            holds.push(Hold::RateLimited { scale_up: false, limit: demand.scale_down_limit });
        }
        holds
    }
}

/// The boundaries that are inserted or removed between two kept ones where both happens: moves.
fn moved(grid: &Grid, goal: &Tiling) -> BTreeSet<usize> {
    let mut moved = BTreeSet::new();
    let (mut inserted, mut removed) = (Vec::new(), Vec::new());
    let all: BTreeSet<usize> = grid.shard_boundaries().iter().chain(goal.boundaries()).copied().collect();
    for position in all {
        match (grid.is_shard_boundary(position), goal.contains(position)) {
            (false, _) => inserted.push(position),
            (true, false) => removed.push(position),
            (true, true) => {
                if !inserted.is_empty() && !removed.is_empty() {
                    moved.extend(inserted.iter().chain(&removed));
                }
                inserted.clear();
                removed.clear();
            }
        }
    }
    moved
}

/// The splits: those of shards that reject first, then the one that relieves most, piece by piece;
/// of several cuts in one piece the one that leaves the smaller rest comes first.
fn by_relief(grid: &Grid, rules: &Rules, goal: &Tiling) -> Vec<usize> {
    let inserted: Vec<usize> = goal.inserted(grid).collect();
    let mut pieces = BinaryHeap::new();
    let add = |pieces: &mut BinaryHeap<Piece>, low: usize, high: usize| {
        let from = inserted.partition_point(|position| *position <= low);
        let to = inserted.partition_point(|position| *position < high);
        if from < to {
            let fill = fill(grid.loads(low, high), rules.limits.trigger);
            let rejecting = grid.is_rejecting(grid.shard_of(low));
            pieces.push(Piece { rejecting, fill, low: std::cmp::Reverse(low), high, cuts: (from, to) });
        }
    };
    for pair in grid.shard_boundaries().windows(2) {
        add(&mut pieces, pair[0], pair[1]);
    }
    let mut order = Vec::with_capacity(inserted.len());
    while let Some(Piece { low, high, cuts: (from, to), .. }) = pieces.pop() {
        let low = low.0;
        let worse_side = |cut: &usize| {
            let side = |from, to| fill(grid.loads(from, to), rules.limits.trigger);
            side(low, *cut).max(side(*cut, high))
        };
        let cut = inserted[from..to].iter().copied().min_by_key(worse_side).expect("a piece has cuts");
        order.push(cut);
        add(&mut pieces, low, cut);
        add(&mut pieces, cut, high);
    }
    order
}

/// A part of a shard that has cuts to come, ranked by its fields in their order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    rejecting: bool,
    fill: u128,
    low: std::cmp::Reverse<usize>,
    high: usize,
    cuts: (usize, usize),
}

/// The merges, the coldest shards to be last.
fn coldest_last(grid: &Grid, rules: &Rules, goal: &Tiling) -> Vec<usize> {
    let mut merges: Vec<usize> = goal.removed(grid).collect();
    merges.sort_by_cached_key(|position| {
        let (low, high) = goal.around(*position);
        std::cmp::Reverse((fill(grid.peaks(low, high), rules.limits.pack), *position))
    });
    merges
}
