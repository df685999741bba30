//! The exact optimum: the cheapest tiling, as a shortest path over boundary positions.

use std::ops::Range;

use super::grid::{Grid, Rules, fill};
use super::reach;
use super::sweep::{Cost, Edges, Paths, Sweep, UNREACHED, Weights, Windows};
use crate::policy::Tradeoff;

/// A tiling: the positions of its boundaries in ascending order, both ends of the space included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tiling(Vec<usize>);

impl Tiling {
    pub(super) fn of(boundaries: Vec<usize>) -> Tiling {
        Tiling(boundaries)
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

    /// Whether a boundary lies between two positions.
    pub(super) fn cuts(&self, low: usize, high: usize) -> bool {
        self.0[self.0.partition_point(|boundary| *boundary <= low)..].first().is_some_and(|cut| *cut < high)
    }

    /// The boundaries from each one that is kept to the next one that is, both included.
    pub(super) fn groups<'a>(&'a self, grid: &'a Grid) -> impl Iterator<Item = &'a [usize]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let kept = 1 + rest.get(1..)?.iter().position(|position| grid.is_shard_boundary(*position))?;
            let group = &rest[..=kept];
            rest = &rest[kept..];
            Some(group)
        })
    }

    /// The boundaries of this tiling that B₀ lacks: one split each.
    pub(super) fn inserted<'a>(&'a self, grid: &'a Grid) -> impl Iterator<Item = usize> + 'a {
        self.0.iter().copied().filter(|position| !grid.is_shard_boundary(*position))
    }

    /// The boundaries of B₀ that this tiling lacks: one merge each.
    pub(super) fn removed<'a>(&'a self, grid: &'a Grid) -> impl Iterator<Item = usize> + 'a {
        let mut here = self.0.iter().copied().peekable();
        grid.shard_boundaries().iter().copied().filter(move |position| {
            while here.next_if(|boundary| boundary < position).is_some() {}
            here.peek() != Some(position)
        })
    }

    /// How many steps lead here: a split for each boundary that B₀ lacks, a merge for each that it
    /// has too many.
    pub(super) fn steps(&self, grid: &Grid) -> usize {
        let splits = self.inserted(grid).count();
        splits + grid.shard_boundaries().len() + splits - self.0.len()
    }

    /// shards × horizon + steps × step cost.
    pub(super) fn cost_shard_seconds(&self, grid: &Grid, tradeoff: Tradeoff) -> u64 {
        self.shard_count() as u64 * tradeoff.horizon_seconds
            + self.steps(grid) as u64 * tradeoff.step_cost_shard_seconds
    }
}

/// The cheapest tiling, whatever its count.
pub(super) fn cheapest(grid: &Grid, rules: &Rules, tradeoff: Tradeoff) -> Tiling {
    let weights = Weights::of(tradeoff);
    let windows = Windows::new(grid, rules, false);
    let paths = Sweep { grid, windows: &windows, weights, cold_pairs: &[] }.paths();
    let mut boundaries = vec![grid.last()];
    while let Some(&last) = boundaries.last()
        && last > 0
    {
        boundaries.push(paths.from[last].0 as usize);
    }
    boundaries.reverse();
    Tiling(boundaries)
}

/// What a search asks of the tiling so that an order of steps leads there ([`reach`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing.
    Nothing,
    /// With as many shards as there may be, a split that can be the last step.
    LastSplit,
    /// That, and a merge that can be the first step.
    FirstMergeAndLastSplit,
}

/// The marks of paths: those that cut a shard at the position reached,
const CUT: u8 = 1;
/// those that cut a shard between two parts of it, so that this can be the last step,
const LAST_SPLIT: u8 = 2;
/// and, beside each of these, those that take away the boundary of a cold pair: it can be the first.
const FIRST_MERGE: u8 = 3;

/// Each mark, the mark of the paths that are extended to it, and by which intervals.
const EXTENSIONS: [(u8, u8, Edges); 10] = [
    (0, 0, Edges::Any),
    (CUT, 0, Edges::PartsToCuts),
    (LAST_SPLIT, CUT, Edges::Parts),
    (LAST_SPLIT, LAST_SPLIT, Edges::Any),
    (FIRST_MERGE, 0, Edges::OverColdPair),
    (FIRST_MERGE, FIRST_MERGE, Edges::Any),
    (FIRST_MERGE + CUT, FIRST_MERGE, Edges::PartsToCuts),
    (FIRST_MERGE + LAST_SPLIT, LAST_SPLIT, Edges::OverColdPair),
    (FIRST_MERGE + LAST_SPLIT, FIRST_MERGE + CUT, Edges::Parts),
    (FIRST_MERGE + LAST_SPLIT, FIRST_MERGE + LAST_SPLIT, Edges::Any),
];

impl Asked {
    /// How many marks are told apart.
    fn marks(self) -> u8 {
        match self {
            Asked::Nothing => 1,
            Asked::LastSplit => FIRST_MERGE,
            Asked::FirstMergeAndLastSplit => 2 * FIRST_MERGE,
        }
    }

    /// The mark that a path through the whole space must have.
    fn mark(self, is_at_max: bool) -> u8 {
        self.marks() - if is_at_max { 1 } else { self.marks().min(FIRST_MERGE) }
    }
}

/// The cheapest tiling of `min` to `max` shards that has what is asked, if there is one.
pub(super) fn within(
    grid: &Grid,
    rules: &Rules,
    tradeoff: Tradeoff,
    min: usize,
    max: usize,
    asked: Asked,
) -> Option<Tiling> {
    let weights = Weights::of(tradeoff);
    let cold_pairs = reach::cold_pairs(grid, rules);
    if asked == Asked::FirstMergeAndLastSplit && cold_pairs.is_empty() {
        return None;
    }
    // Cold shards are cut only where there are too few shards: elsewhere keeping one is cheaper.
    let cut_cold = grid.shard_count() < min;
    let windows = Windows::new(grid, rules, cut_cold);
    let sweep = Sweep { grid, windows: &windows, weights, cold_pairs: &cold_pairs };
    let band = Band::new(&sweep, max)?;
    let mut reached = vec![Paths::from_the_start(grid)];
    reached.extend((1..asked.marks()).map(|_| Paths::unreached(grid)));
    let mut layers: Vec<Layer> = Vec::new();
    let mut best: Option<(Cost, usize)> = None;
    for count in 1..=max.min(grid.last()) {
        // No tiling of this count or more costs less than its shards alone.
        if best.is_some_and(|(cost, _)| weights.shard * count as Cost >= cost) {
            break;
        }
        let shards = band.shards(count);
        let mut next: Vec<Paths> = reached.iter().map(|_| Paths::unreached(grid)).collect();
        for (mark, from, edges) in EXTENSIONS.into_iter().filter(|(mark, _, _)| *mark < asked.marks()) {
            let (source, target) = (&reached[usize::from(from)].cost, &mut next[usize::from(mark)]);
            sweep.extend(Some(source), target, (edges, from), shards.clone());
        }
        let cost = next[usize::from(asked.mark(count == max))].cost[grid.last()];
        if count >= min && cost < best.map_or(UNREACHED, |(cost, _)| cost) {
            best = Some((cost, count));
        }
        layers.push(Layer::of(grid, &next, shards));
        reached = next;
    }
    let (_, count) = best?;
    let mut boundaries = vec![grid.last()];
    let mut mark = asked.mark(count == max);
    for layer in layers[..count].iter().rev() {
        let (low, marked) = layer.last_interval(boundaries[boundaries.len() - 1], mark);
        boundaries.push(low);
        mark = marked;
    }
    boundaries.reverse();
    Some(Tiling(boundaries))
}

/// How the paths of one count came to where they end; kept for the swept positions alone.
struct Layer {
    first: usize,
    /// By mark and position, the last interval's lower boundary and the mark there.
    last_intervals: Vec<Vec<(u32, u8)>>,
}

impl Layer {
    fn of(grid: &Grid, paths: &[Paths], shards: Range<usize>) -> Layer {
        let first = grid.shard_boundaries()[shards.start];
        let swept = first..grid.shard_boundaries()[shards.end] + 1;
        Layer {
            first,
            last_intervals: paths.iter().map(|paths| paths.from[swept.clone()].to_vec()).collect(),
        }
    }

    fn last_interval(&self, position: usize, mark: u8) -> (usize, u8) {
        let (low, mark) = self.last_intervals[usize::from(mark)][position - self.first];
        (low as usize, mark)
    }
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
    fn new(sweep: &Sweep<'_>, max: usize) -> Option<Band> {
        let counts = Sweep { weights: Weights { shard: 1, step: 0 }, ..*sweep }.paths().cost;
        let fewest = |position: &usize| usize::try_from(counts[*position]).unwrap_or(usize::MAX);
        let spare = max.checked_sub(fewest(&sweep.grid.last()))?;
        Some(Band { fewest: sweep.grid.shard_boundaries().iter().map(fewest).collect(), spare })
    }

    /// The shards of B₀ in which the last of `count` shards may begin or end.
    fn shards(&self, count: usize) -> Range<usize> {
        let passed = self.fewest.partition_point(|fewest| fewest + self.spare + 1 < count);
        let reached = self.fewest.partition_point(|fewest| *fewest <= count);
        passed.saturating_sub(1)..reached.min(self.fewest.len() - 1)
    }
}
