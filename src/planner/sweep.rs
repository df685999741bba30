//! One sweep over the space: every admissible interval is looked at once, upper boundary by upper
//! boundary, the lower ones by way of a sliding-window minimum.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::ops::Range;
use std::slice;

use super::grid::{Grid, Rules};
use super::reach::ColdPair;
use crate::policy::Tradeoff;

/// Shard-seconds in the upper bits, steps in the lower 18: of equal costs, the fewest steps.
pub(super) type Cost = u64;

const STEPS_BITS: u32 = 18;
/// Above any cost: with weights clamped to [`LONGEST_SECONDS`] and 2^18 shards, costs stay below.
pub(super) const UNREACHED: Cost = 1 << 62;
/// The longest horizon and the dearest step that are told apart, in shard-seconds (194 days).
const LONGEST_SECONDS: u64 = 1 << 24;

/// What an interval costs, and what each step does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    pub(super) shard: Cost,
    pub(super) step: Cost,
}

impl Weights {
    pub(super) fn of(tradeoff: Tradeoff) -> Weights {
        let shard = tradeoff.horizon_seconds.min(LONGEST_SECONDS) << STEPS_BITS;
        let step = (tradeoff.step_cost_shard_seconds.min(LONGEST_SECONDS) << STEPS_BITS) + 1;
        Weights { shard, step }
    }
}

/// The least costs of the paths from the start of the space to each position.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) cost: Vec<Cost>,
    /// By position, the last interval's lower boundary, and the mark of the path that it extends.
    pub(super) from: Vec<(u32, u8)>,
}

impl Paths {
    pub(super) fn unreached(grid: &Grid) -> Paths {
        let positions = grid.last() + 1;
        Paths { cost: vec![UNREACHED; positions], from: vec![(0, 0); positions] }
    }

    pub(super) fn from_the_start(grid: &Grid) -> Paths {
        let mut paths = Paths::unreached(grid);
        paths.cost[0] = 0;
        paths
    }
}

/// Which intervals are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edges {
    /// All that may be shards.
    Any,
    /// Those that take away the boundary between a cold pair.
    OverColdPair,
    /// Parts of one shard.
    Parts,
    /// Parts whose upper boundary is a cut.
    PartsToCuts,
}

/// Which intervals may be shards: by shard of B₀ which kinds of them there are, and by their upper
/// boundary from where on the lower one may lie. Computed once; no cost changes it.
#[derive(Debug)]
pub(super) struct Windows {
    kinds: Vec<Kinds>,
    lows: Vec<Lows>,
}

/// What may become of a shard of B₀.
#[derive(Debug, Clone, Copy)]
struct Kinds {
    keep: bool,
    cut: bool,
    merge: bool,
    /// Whether a part of it may be merged.
    divide: bool,
}

/// The lowest boundaries at which a part and a merged interval may begin.
#[derive(Debug, Clone, Copy, Default)]
struct Lows {
    part: u32,
    merged: u32,
}

impl Windows {
    /// With `cut_cold`, shards that may be kept are cut even if no part of them may be merged.
    pub(super) fn new(grid: &Grid, rules: &Rules, cut_cold: bool) -> Windows {
        let position = |low: usize| u32::try_from(low).expect("positions fit 32 bits");
        let mut windows = Windows {
            kinds: Vec::with_capacity(grid.shard_count()),
            lows: vec![Lows::default(); grid.last() + 1],
        };
        let mut merged = 0;
        for (shard, ends) in grid.shard_boundaries().windows(2).enumerate() {
            let (start, end) = (ends[0], ends[1]);
            let (keep, split) = (rules.may_keep(grid, shard, start, end), rules.may_split(shard, start, end));
            let divide = split && rules.may_divide(grid, shard);
            let cut = split && (!keep || divide || cut_cold);
            let merge = rules.may_merge(shard);
            windows.kinds.push(Kinds { keep, cut, merge, divide });
            let mut part = start;
            for high in if cut { start + 1 } else { end }..=end {
                if cut {
                    part = rules.lowest_part(grid, part, high);
                }
                if merge {
                    merged = rules.lowest_merged(grid, merged, high);
                }
                windows.lows[high] = Lows { part: position(part), merged: position(merged) };
            }
            merged = merged.max(if merge { 0 } else { end });
        }
        windows
    }
}

/// What all sweeps of one search have in common.
#[derive(Clone, Copy)]
pub(super) struct Sweep<'a> {
    pub(super) grid: &'a Grid,
    pub(super) windows: &'a Windows,
    pub(super) weights: Weights,
    /// Those that [`Edges::OverColdPair`] looks at.
    pub(super) cold_pairs: &'a [ColdPair],
}

impl Sweep<'_> {
    /// The cheapest paths of any count.
    pub(super) fn paths(&self) -> Paths {
        let mut paths = Paths::from_the_start(self.grid);
        self.extend(None, &mut paths, (Edges::Any, 0), 0..self.grid.shard_count());
        paths
    }

    /// Extends each path of `source` by one interval that ends within some shards of B₀, and keeps
    /// in `target` those that are cheaper than what is there, with the mark. Without a source the
    /// paths of `target` itself are extended, by any number of intervals.
    pub(super) fn extend(
        &self,
        source: Option<&[Cost]>,
        target: &mut Paths,
        (edges, mark): (Edges, u8),
        shards_swept: Range<usize>,
    ) {
        let Sweep { grid, windows, weights, cold_pairs } = *self;
        let source =
            |target: &Paths, position: usize| source.map_or(target.cost[position], |costs| costs[position]);
        let shards = grid.shard_count();
        // Among merged intervals a lower boundary is charged for all boundaries of B₀ above it;
        // those above the upper boundary are credited back when it is used.
        let charged = |shard: usize| weights.step * (shards - shard) as Cost;
        let mut parts = MonotoneQueue::default();
        let mut merged = MergedLows {
            queue: MonotoneQueue::default(),
            waiting: VecDeque::new(),
            cold_pairs: (edges == Edges::OverColdPair).then(|| cold_pairs.iter().peekable()),
        };
        let first = grid.shard_boundaries()[shards_swept.start];
        merged.offer(source(target, first) + charged(shards_swept.start), first);

        for shard in shards_swept {
            let (start, end) = (grid.shard_boundaries()[shard], grid.shard_boundaries()[shard + 1]);
            let Kinds { keep, cut, merge, divide } = windows.kinds[shard];
            let (charged, charged_at_end) = (charged(shard), charged(shard + 1));
            let from_parts = cut && edges != Edges::OverColdPair;
            let from_merged = merge && matches!(edges, Edges::Any | Edges::OverColdPair);
            parts.clear();
            parts.push(source(target, start), start);

            for position in if cut { start + 1 } else { end }..=end {
                let is_end = position == end;
                let lows = windows.lows[position];
                let mut best = (UNREACHED, start);
                if is_end && keep && edges == Edges::Any {
                    best = (source(target, start), start);
                }
                if from_parts && !(is_end && edges == Edges::PartsToCuts) {
                    let (cost, low) = parts.least_from(lows.part as usize);
                    best = if cost < best.0 { (cost, low) } else { best };
                }
                if from_merged && (is_end || divide) {
                    let (cost, low) = merged.least_from(lows.merged as usize, position);
                    best = if cost < best.0 + charged { (cost - charged, low) } else { best };
                }
                let cost = best.0 + weights.shard + if is_end { 0 } else { weights.step };
                if cost < target.cost[position] {
                    target.cost[position] = cost;
                    target.from[position] = (u32::try_from(best.1).expect("positions fit 32 bits"), mark);
                }
                let cost = source(target, position);
                if is_end {
                    merged.offer(cost + charged_at_end, position);
                } else {
                    parts.push(cost, position);
                    if divide {
                        merged.offer(cost + charged, position);
                    }
                }
            }
        }
    }
}

/// The least of a window whose lower end only moves up.
#[derive(Default)]
struct MonotoneQueue {
    /// Those that can still be the least: costs and positions ascend.
    entries: Vec<(Cost, usize)>,
    /// How many of them the lower end has passed.
    passed: usize,
}

impl MonotoneQueue {
    fn push(&mut self, cost: Cost, position: usize) {
        while self.entries.len() > self.passed && self.entries[self.entries.len() - 1].0 > cost {
            self.entries.pop();
        }
        self.entries.push((cost, position));
    }

    /// The least from `low` on, with its position; above any cost where there is none.
    fn least_from(&mut self, low: usize) -> (Cost, usize) {
        while let Some(&least) = self.entries.get(self.passed) {
            if least.1 >= low {
                return least;
            }
            self.passed += 1;
        }
        (Cost::MAX, low)
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.passed = 0;
    }
}

/// The lower boundaries of merged intervals.
struct MergedLows<'a> {
    queue: MonotoneQueue,
    /// Where a cold pair is asked for: those that none lies above yet, and the pairs to come.
    waiting: VecDeque<(Cost, usize)>,
    cold_pairs: Option<Peekable<slice::Iter<'a, ColdPair>>>,
}

impl MergedLows<'_> {
    fn offer(&mut self, cost: Cost, position: usize) {
        if self.cold_pairs.is_some() {
            self.waiting.push_back((cost, position));
        } else {
            self.queue.push(cost, position);
        }
    }

    /// The least from `low` for an interval that ends at `high`.
    fn least_from(&mut self, low: usize, high: usize) -> (Cost, usize) {
        if let Some(pairs) = &mut self.cold_pairs {
            while let Some(pair) = pairs.next_if(|pair| pair.earliest_high <= high) {
                while let Some((cost, position)) = self.waiting.pop_front_if(|low| low.1 <= pair.latest_low) {
                    self.queue.push(cost, position);
                }
            }
        }
        self.queue.least_from(low)
    }
}
