//! The exact optimum: the cheapest tiling, as a shortest path over boundary positions.

use std::collections::VecDeque;
use std::ops::Range;

use super::grid::{Grid, Rules, fill};
use crate::policy::Tradeoff;

/// A tiling: the positions of its boundaries in ascending order, both ends of the space included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tiling(Vec<usize>);

impl Tiling {
    pub(super) fn of(boundaries: &[usize]) -> Tiling {
        Tiling(boundaries.to_vec())
    }

    pub(super) fn boundaries(&self) -> &[usize] {
        &self.0
    }

    pub(super) fn shard_count(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    pub(super) fn contains(&self, position: usize) -> bool {
        self.0.binary_search(&position).is_ok()
    }

    /// The shard that `position` lies within: the boundaries next below and next above.
    pub(super) fn around(&self, position: usize) -> (usize, usize) {
        let above = self.0.partition_point(|boundary| *boundary <= position);
        (self.0[above - 1], self.0[above])
    }

    /// The boundaries of this tiling that B₀ lacks: one split each.
    pub(super) fn inserted<'a>(&'a self, grid: &'a Grid) -> impl Iterator<Item = usize> + 'a {
        self.0.iter().copied().filter(|position| !grid.is_shard_boundary(*position))
    }

    /// The boundaries of B₀ that this tiling lacks: one merge each.
    pub(super) fn removed<'a>(&'a self, grid: &'a Grid) -> impl Iterator<Item = usize> + 'a {
        grid.shard_boundaries().iter().copied().filter(|position| !self.contains(*position))
    }

    /// shards × horizon + steps × step cost.
    pub(super) fn cost_shard_seconds(&self, grid: &Grid, tradeoff: Tradeoff) -> u64 {
        let steps = self.inserted(grid).count() + self.removed(grid).count();
        self.shard_count() as u64 * tradeoff.horizon_seconds + steps as u64 * tradeoff.step_cost_shard_seconds
    }
}

/// The cheapest tiling, whatever its count.
pub(super) fn cheapest(grid: &Grid, rules: &Rules, tradeoff: Tradeoff) -> Tiling {
    let path = cheapest_paths(grid, rules, Weights::of(tradeoff), false);
    let mut boundaries = vec![grid.last()];
    while let Some(&last) = boundaries.last()
        && last > 0
    {
        boundaries.push(path.from[last] as usize);
    }
    boundaries.reverse();
    Tiling(boundaries)
}

/// The cheapest tiling of `min` to `max` shards, if there is one.
pub(super) fn within(
    grid: &Grid,
    rules: &Rules,
    tradeoff: Tradeoff,
    min: usize,
    max: usize,
) -> Option<Tiling> {
    let weights = Weights::of(tradeoff);
    // Cold shards are cut only where there are too few shards: elsewhere keeping one is cheaper.
    let cut_cold = grid.shard_count() < min;
    let band = Band::new(grid, rules, max, cut_cold)?;
    let mut reached = Path::from_the_start(grid).cost;
    let mut layers: Vec<Vec<u32>> = Vec::new();
    let mut best: Option<(Cost, usize)> = None;
    for count in 1..=max.min(grid.last()) {
        // No tiling of this count or more costs less than its shards alone.
        if best.is_some_and(|(cost, _)| weights.shard * count as Cost >= cost) {
            break;
        }
        let mut path = Path::unreached(grid);
        sweep(grid, rules, weights, &mut path, Some(&reached), cut_cold, band.shards(count));
        let cost = path.cost[grid.last()];
        if count >= min && cost < best.map_or(UNREACHED, |(cost, _)| cost) {
            best = Some((cost, count));
        }
        layers.push(path.from);
        reached = path.cost;
    }
    let (_, count) = best?;
    let mut boundaries = vec![grid.last()];
    for from in layers[..count].iter().rev() {
        boundaries.push(from[boundaries[boundaries.len() - 1]] as usize);
    }
    boundaries.reverse();
    Some(Tiling(boundaries))
}

/// The most shards that any tiling without merges has: each shard that may be split in segments.
pub(super) fn most_shards(grid: &Grid, rules: &Rules) -> usize {
    let pieces = |(shard, pair): (usize, &[usize])| {
        if rules.may_split(shard, pair[0], pair[1]) { pair[1] - pair[0] } else { 1 }
    };
    grid.shard_boundaries().windows(2).enumerate().map(pieces).sum()
}

/// The rules raised by the least per mille at which `max` shards suffice, and how many may then be
/// used: `max`, or more where merges are barred and no rise helps.
pub(super) fn raise_limits(grid: &Grid, rules: &Rules, max: usize) -> (Rules, usize) {
    let fewest = |per_mille| {
        let counted = Tradeoff { step_cost_shard_seconds: 0, horizon_seconds: 1 };
        cheapest(grid, &rules.raised(per_mille), counted).shard_count()
    };
    // At the highest rise every shard is kept as it is.
    let per_mille =
        |pair: &[usize]| fill(grid.loads(pair[0], pair[1]), rules.limits.trigger).div_ceil(1_000) + 1;
    let highest = grid.shard_boundaries().windows(2).map(per_mille).max().unwrap_or(0);
    let (mut low, mut high) = (1_000, u64::try_from(highest).unwrap_or(u64::MAX).max(1_000));
    let reachable = fewest(high).max(max);
    while low < high {
        let middle = low + (high - low) / 2;
        if fewest(middle) <= reachable { high = middle } else { low = middle + 1 }
    }
    (rules.raised(high), reachable)
}

/// Shard-seconds in the upper bits, steps in the lower 18: of equal costs, the fewest steps.
type Cost = u64;

const STEPS_BITS: u32 = 18;
/// Above any cost: with weights clamped to [`LONGEST_SECONDS`] and 2^18 shards, costs stay below.
const UNREACHED: Cost = 1 << 62;
/// The longest horizon and the dearest step that are told apart, in shard-seconds (194 days).
const LONGEST_SECONDS: u64 = 1 << 24;

#[derive(Clone, Copy)]
struct Weights {
    shard: Cost,
    step: Cost,
}

impl Weights {
    fn of(tradeoff: Tradeoff) -> Weights {
        let shard = tradeoff.horizon_seconds.min(LONGEST_SECONDS) << STEPS_BITS;
        let step = (tradeoff.step_cost_shard_seconds.min(LONGEST_SECONDS) << STEPS_BITS) + 1;
        Weights { shard, step }
    }
}

/// The least cost up to each position, and the boundary before it.
struct Path {
    cost: Vec<Cost>,
    from: Vec<u32>,
}

impl Path {
    fn unreached(grid: &Grid) -> Path {
        Path { cost: vec![UNREACHED; grid.last() + 1], from: vec![0; grid.last() + 1] }
    }

    fn from_the_start(grid: &Grid) -> Path {
        let mut path = Path::unreached(grid);
        path.cost[0] = 0;
        path
    }
}

/// The cheapest paths of any count.
fn cheapest_paths(grid: &Grid, rules: &Rules, weights: Weights, cut_cold: bool) -> Path {
    let mut path = Path::from_the_start(grid);
    sweep(grid, rules, weights, &mut path, None, cut_cold, 0..grid.shard_count());
    path
}

/// Where the tilings of a bounded count run. An interval that is cut at a boundary of B₀ leaves two
/// admissible ones, so no tiling has fewer shards on either side of such a boundary than the fewest
/// that there can be.
struct Band {
    /// The fewest shards up to each boundary of B₀.
    fewest: Vec<usize>,
    /// How many more there may be than the fewest for the whole space.
    spare: usize,
}

impl Band {
    /// `None` where even the fewest are more than `max`.
    fn new(grid: &Grid, rules: &Rules, max: usize, cut_cold: bool) -> Option<Band> {
        let counts = cheapest_paths(grid, rules, Weights { shard: 1, step: 0 }, cut_cold).cost;
        let fewest = |position: &usize| usize::try_from(counts[*position]).unwrap_or(usize::MAX);
        let spare = max.checked_sub(fewest(&grid.last()))?;
        Some(Band { fewest: grid.shard_boundaries().iter().map(fewest).collect(), spare })
    }

    /// The shards of B₀ in which the last of `count` shards may begin or end.
    fn shards(&self, count: usize) -> Range<usize> {
        let passed = self.fewest.partition_point(|fewest| fewest + self.spare + 1 < count);
        let reached = self.fewest.partition_point(|fewest| *fewest <= count);
        passed.saturating_sub(1)..reached.min(self.fewest.len() - 1)
    }
}

/// Relaxes every admissible interval within some shards of B₀ once, upper boundary by upper
/// boundary. Costs of lower boundaries are taken from `previous` (paths of one shard fewer), or
/// without it from `path` itself (paths of any count).
fn sweep(
    grid: &Grid,
    rules: &Rules,
    weights: Weights,
    path: &mut Path,
    previous: Option<&[Cost]>,
    cut_cold: bool,
    shards_swept: Range<usize>,
) {
    let source = |path: &Path, position: usize| previous.map_or(path.cost[position], |costs| costs[position]);
    let shards = grid.shard_count();
    // In the window of merged intervals a lower boundary's key charges for all boundaries of B₀
    // above it; those above the upper boundary are credited back when it is used.
    let charged = |shard: usize| weights.step * (shards - shard) as Cost;
    let mut merged = Window::default();
    let mut merged_low = grid.shard_boundaries()[shards_swept.start];
    merged.push(source(path, merged_low) + charged(shards_swept.start), merged_low);

    for shard in shards_swept {
        let (start, end) = (grid.shard_boundaries()[shard], grid.shard_boundaries()[shard + 1]);
        let keep = rules.may_keep(grid, shard, start, end);
        let divide = rules.may_divide(grid, shard) && rules.may_split(shard, start, end);
        let cut = rules.may_split(shard, start, end) && (!keep || divide || cut_cold);
        let merge = rules.may_merge(shard);
        if !merge {
            merged.clear();
        }
        let mut parts = Window::default();
        let mut part_low = start;
        parts.push(source(path, start), start);

        for position in if cut { start + 1 } else { end }..=end {
            let inserted = if position == end { 0 } else { weights.step };
            let mut best = (UNREACHED, start);
            if position == end && keep {
                best = (source(path, start), start);
            }
            if cut {
                while !rules.part_fits(grid, part_low, position) {
                    part_low += 1;
                }
                best = best.min_by_cost(parts.least_from(part_low));
            }
            if merge && (position == end || divide) {
                while merged_low < position && !rules.merged_fits(grid, merged_low, position) {
                    merged_low += 1;
                }
                let least = merged.least_from(merged_low);
                best = best.min_by_cost(least.map(|(cost, low)| (cost - charged(shard), low)));
            }
            if best.0 < UNREACHED {
                path.cost[position] = best.0 + weights.shard + inserted;
                path.from[position] = u32::try_from(best.1).expect("positions fit 32 bits");
            }
            let cost = source(path, position);
            if cut && position < end {
                parts.push(cost, position);
            }
            if position == end {
                merged.push(cost + charged(shard + 1), position);
            } else if divide {
                merged.push(cost + charged(shard), position);
            }
        }
        merged_low = merged_low.max(if merge { 0 } else { end });
    }
}

trait MinByCost {
    fn min_by_cost(self, other: Option<(Cost, usize)>) -> Self;
}

impl MinByCost for (Cost, usize) {
    fn min_by_cost(self, other: Option<(Cost, usize)>) -> Self {
        other.filter(|other| other.0 < self.0).unwrap_or(self)
    }
}

/// The least of a window whose lower end only moves up (a monotone queue).
#[derive(Default)]
struct Window(VecDeque<(Cost, usize)>);

impl Window {
    fn push(&mut self, cost: Cost, position: usize) {
        while self.0.back().is_some_and(|(last, _)| *last > cost) {
            self.0.pop_back();
        }
        self.0.push_back((cost, position));
    }

    fn least_from(&mut self, low: usize) -> Option<(Cost, usize)> {
        while self.0.front().is_some_and(|(_, position)| *position < low) {
            self.0.pop_front();
        }
        self.0.front().copied()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}
