//! The order of steps: from B₀ towards a tiling so that every tiling in between is admissible, as
//! far as rates and budgets let it go.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::grid::{Grid, Rules, fill};
use super::optimum::Tiling;
use super::reach;
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
    pub(super) boundaries: Vec<usize>,
    left: Left,
    allowance: Allowance,
    /// From where to where, between boundaries that are kept, others are moved.
    moved: Vec<(usize, usize)>,
}

/// What is left of a walk.
#[derive(Debug, Default)]
struct Left {
    splits: usize,
    merges: usize,
    /// Whether the steps budget ended the walk.
    out_of_steps: bool,
}

/// Walks towards `goal` as far as the allowance goes: of the steps after which the rest can still
/// be done, the most urgent one next.
pub(super) fn walk(grid: &Grid, rules: &Rules, goal: &Tiling, allowance: &Allowance) -> Walk {
    let mut splits = by_relief(grid, rules, goal);
    splits.reverse();
    if goal.shard_count() == allowance.max {
        // Where the count may not rise any more, the last step is a split that no merge waits for.
        let can_be_last: Vec<usize> = reach::last_splits(grid, goal).collect();
        if let Some(last) = splits.iter().position(|split| can_be_last.binary_search(split).is_ok()) {
            splits[..=last].rotate_right(1);
        }
    }
    let mut walk = Walk {
        steps: Vec::new(),
        boundaries: grid.shard_boundaries().to_vec(),
        left: Left::default(),
        allowance: *allowance,
        moved: moved(grid, goal),
    };
    let mut merges = Merges::new(grid, rules, goal);
    let mut merges_left = allowance.merges;
    let fewest = allowance.min.max(allowance.scale_down_limit);
    loop {
        let count = walk.boundaries.len() - 1;
        let may_split = |position: &usize| {
            count < allowance.max
                && (count < allowance.scale_up_limit || grid.is_rejecting(grid.shard_of(*position)))
        };
        // At the last free place, a split after which a merge makes room again goes first.
        let makes_room = |split: &usize| may_split(split) && merges.can_follow(&walk.boundaries, *split);
        let last_place = count + 1 == allowance.max && splits.len() > 1;
        let room = if last_place { splits.iter().rposition(makes_room) } else { None };
        let split = room.or_else(|| splits.iter().rposition(may_split));
        // Before the first split as many merges must follow as are still too few.
        let needed = if splits.is_empty() { 0 } else { count.saturating_sub(allowance.max) };
        let merge = (split.is_none() && count > fewest && merges_left > 0)
            .then(|| merges.next(&walk.boundaries, needed))
            .flatten();
        if split.is_none() && merge.is_none() {
            break;
        }
        if walk.steps.len() == allowance.steps {
            walk.left.out_of_steps = true;
            break;
        }
        if let Some(index) = split {
            walk.take(&mut merges, splits.remove(index));
        } else if let Some(position) = merge {
            walk.take(&mut merges, position);
            merges_left -= 1;
        }
    }
    walk.left.splits = splits.len();
    walk.left.merges = merges.coldest_last.len();
    walk
}

/// The boundaries next below and next above `position`, itself left out.
pub(super) fn neighbours(boundaries: &[usize], position: usize) -> (usize, usize) {
    let below = boundaries.partition_point(|boundary| *boundary < position);
    let above = below + usize::from(boundaries[below] == position);
    (boundaries[below - 1], boundaries[above])
}

impl Walk {
    /// Inserts the boundary, or removes it where it is.
    fn take(&mut self, merges: &mut Merges<'_>, position: usize) {
        let grid = merges.grid;
        let (low, high) = neighbours(&self.boundaries, position);
        let step = match self.boundaries.binary_search(&position) {
            Err(index) => {
                self.boundaries.insert(index, position);
                Step::Split { range: grid.range(low, high), at: grid.key(position) }
            }
            Ok(index) => {
                self.boundaries.remove(index);
                Step::Merge { low: grid.range(low, position), high: grid.range(position, high) }
            }
        };
        merges.step_made(&self.boundaries, position);
        let moves = self.moved.partition_point(|(low, _)| *low < position);
        let moves = moves > 0 && position < self.moved[moves - 1].1;
        self.steps.push(Taken { step, position, moves });
    }

    /// The tiling after the last step, where it is `max` that keeps splits from being made.
    pub(super) fn stuck_at_max(&self) -> Option<Tiling> {
        let stuck =
            self.left.splits > 0 && !self.left.out_of_steps && self.boundaries.len() > self.allowance.max;
        stuck.then(|| Tiling::of(self.boundaries.clone()))
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

/// From where to where, between two boundaries that are kept, others are inserted and removed: moved.
fn moved(grid: &Grid, goal: &Tiling) -> Vec<(usize, usize)> {
    let move_of = |group: &[usize]| {
        let &[low, _, .., high] = group else { return None };
        (grid.shard_of(low) < grid.shard_of(high - 1)).then_some((low, high))
    };
    goal.groups(grid).filter_map(move_of).collect()
}

/// The merges on the way to a goal that are not made yet.
struct Merges<'a> {
    grid: &'a Grid,
    rules: &'a Rules,
    goal: &'a Tiling,
    coldest_last: Vec<Merge>,
}

struct Merge {
    position: usize,
    /// Whether it can be made now.
    ready: bool,
}

impl<'a> Merges<'a> {
    fn new(grid: &'a Grid, rules: &'a Rules, goal: &'a Tiling) -> Merges<'a> {
        let boundaries = grid.shard_boundaries();
        let merge = |position: usize| {
            let shard = grid.shard_of(position);
            let (low, high) = (boundaries[shard - 1], boundaries[shard + 1]);
            Merge { position, ready: reach::may_merge(grid, rules, goal, low, high) }
        };
        let coldest_last = coldest_last(grid, rules, goal).into_iter().map(merge).collect();
        Merges { grid, rules, goal, coldest_last }
    }

    fn find(&self, position: usize) -> Option<usize> {
        self.coldest_last.iter().position(|merge| merge.position == position)
    }

    fn may_merge(&self, low: usize, high: usize) -> bool {
        reach::may_merge(self.grid, self.rules, self.goal, low, high)
    }

    /// After a step at `position`: it is made, or can be made or not; so are those next to it.
    fn step_made(&mut self, boundaries: &[usize], position: usize) {
        let (below, above) = neighbours(boundaries, position);
        if let Some(made) = self.find(position) {
            self.coldest_last.remove(made);
        }
        for beside in [below, above] {
            if let Some(index) = self.find(beside) {
                let (low, high) = neighbours(boundaries, beside);
                self.coldest_last[index].ready = self.may_merge(low, high);
            }
        }
    }

    /// The coldest that can be made now and after which `needed` more can follow without a split.
    fn next(&self, boundaries: &[usize], needed: usize) -> Option<usize> {
        let leaves_enough = |merge: &usize| {
            let rest: Vec<usize> = boundaries.iter().copied().filter(|boundary| boundary != merge).collect();
            reach::merges_before_splits(self.grid, self.rules, self.goal, &rest) >= needed
        };
        let mut ready =
            self.coldest_last.iter().rev().filter(|merge| merge.ready).map(|merge| merge.position);
        let coldest = ready.clone().next();
        if needed == 0 { coldest } else { ready.find(leaves_enough).or(coldest) }
    }

    /// Whether a merge can be made after the split at a position.
    fn can_follow(&self, boundaries: &[usize], split: usize) -> bool {
        let (low, high) = neighbours(boundaries, split);
        self.coldest_last.iter().any(|merge| merge.ready)
            || (self.find(low).is_some() && self.may_merge(neighbours(boundaries, low).0, split))
            || (self.find(high).is_some() && self.may_merge(split, neighbours(boundaries, high).1))
    }
}

/// The splits: those of shards that reject first, then the one that relieves most, piece by piece;
/// of several cuts in one piece the one that leaves the smaller rest comes first. Of equal loads the wider keys.
fn by_relief(grid: &Grid, rules: &Rules, goal: &Tiling) -> Vec<usize> {
    let inserted: Vec<usize> = goal.inserted(grid).collect();
    let piece = |low: usize, high: usize, cuts: Range<usize>| {
        let fill = fill(grid.loads(low, high), rules.limits.trigger);
        let rejecting = grid.is_rejecting(grid.shard_of(low));
        let span = grid.range(low, high).span();
        Piece { rejecting, fill, span, low: Reverse(low), high, cuts: (cuts.start, cuts.end) }
    };
    let shards = inserted.chunk_by(|cut, next| grid.shard_of(*cut) == grid.shard_of(*next));
    let mut pieces: BinaryHeap<Piece> = shards
        .scan(0, |from, cuts| {
            let shard = grid.shard_of(cuts[0]);
            let (low, high) = (grid.shard_boundaries()[shard], grid.shard_boundaries()[shard + 1]);
            *from += cuts.len();
            Some(piece(low, high, *from - cuts.len()..*from))
        })
        .collect();
    let mut order = Vec::with_capacity(inserted.len());
    while let Some(Piece { low: Reverse(low), high, cuts: (from, to), .. }) = pieces.pop() {
        let worse_side = |cut: &usize| {
            let side =
                |from, to| (fill(grid.loads(from, to), rules.limits.trigger), grid.range(from, to).span());
            side(low, inserted[*cut]).max(side(inserted[*cut], high))
        };
        let middle = (from..to).min_by_key(worse_side).expect("a piece has cuts");
        let cut = inserted[middle];
        order.push(cut);
        let sides = [(low, cut, from..middle), (cut, high, middle + 1..to)];
        pieces.extend(
            sides
                .into_iter()
                .filter(|(_, _, cuts)| !cuts.is_empty())
                .map(|(low, high, cuts)| piece(low, high, cuts)),
        );
    }
    order
}

/// A part of a shard that has cuts to come, ranked by its fields in their order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    rejecting: bool,
    fill: u128,
    span: u128,
    low: Reverse<usize>,
    high: usize,
    cuts: (usize, usize),
}

/// The merges, the coldest shards to be last.
fn coldest_last(grid: &Grid, rules: &Rules, goal: &Tiling) -> Vec<usize> {
    let mut merges: Vec<usize> = goal.removed(grid).collect();
    merges.sort_by_cached_key(|position| {
        let (low, high) = goal.around(*position);
        Reverse((fill(grid.peaks(low, high), rules.limits.pack), *position))
    });
    merges
}
