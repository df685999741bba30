//! The grid: all segments of the space in a row with running sums of their loads, and the rules
//! by which an interval of them may be a shard.

use crate::demand::{Demand, Segment, ShardDemand};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::{Load, Loads};
use crate::plan::{Evidence, RangeLoad};
use crate::policy::{self, ScalingPolicy};

/// Segments numbered from 0; *position* p is the boundary before segment p, so shards of any
/// tiling run between two positions.
#[derive(Debug)]
pub(super) struct Grid {
    /// The first key of each segment.
    starts: Vec<HashKey>,
    /// The last key of the last segment.
    end: HashKey,
    /// The shard of B₀ that each segment belongs to.
    shard_of: Vec<u32>,
    /// The positions of the boundaries of B₀, both ends of the space included.
    shard_boundaries: Vec<usize>,
    /// Sums of the loads before each position.
    loads_before: Vec<[u64; 3]>,
    /// Sums of the peak loads before each position; empty where no peak differs from the load.
    peaks_before: Vec<[u64; 3]>,
    evidence: Vec<Evidence>,
    rejecting: Vec<bool>,
    /// Whether a part of the shard may be merged: the spread of its load is measured.
    divisible: Vec<bool>,
}

impl Grid {
    pub(super) fn new(shards: &[ShardDemand]) -> Grid {
        let segments = || shards.iter().flat_map(|shard| &shard.segments);
        let last = shards.iter().map(|shard| shard.segments.len()).sum::<usize>();
        let mut starts = Vec::with_capacity(last);
        let mut shard_of = Vec::with_capacity(last);
        let mut shard_boundaries = Vec::with_capacity(shards.len() + 1);
        shard_boundaries.push(0);
        for (shard, index) in shards.iter().zip(0..) {
            starts.extend(shard.segments.iter().map(|segment| segment.range.start()));
            shard_of.resize(starts.len(), index);
            shard_boundaries.push(starts.len());
        }
        // A peak below the load of now would let a merge through that a split undoes.
        let peak = |segment: &Segment| segment.peak_loads.max(segment.loads);
        let peaks_differ = segments().any(|segment| peak(segment) != segment.loads);
        let peaks_before = if peaks_differ { running_sums(last, segments().map(peak)) } else { Vec::new() };
        Grid {
            starts,
            end: shards.last().map_or(HashKey::MAX, |shard| shard.range.end()),
            shard_of,
            shard_boundaries,
            loads_before: running_sums(last, segments().map(|segment| segment.loads)),
            peaks_before,
            evidence: shards.iter().map(|shard| shard.evidence).collect(),
            rejecting: shards.iter().map(|shard| shard.rejecting).collect(),
            divisible: shards.iter().map(|shard| shard.density == Evidence::Measured).collect(),
        }
    }

    /// The last position: the end of the space.
    pub(super) fn last(&self) -> usize {
        self.starts.len()
    }

    /// The positions of B₀, both ends included.
    pub(super) fn shard_boundaries(&self) -> &[usize] {
        &self.shard_boundaries
    }

    /// How many shards B₀ has.
    pub(super) fn shard_count(&self) -> usize {
        self.evidence.len()
    }

    /// The shard of B₀ that holds the segment after `position` (the last shard for the end).
    pub(super) fn shard_of(&self, position: usize) -> usize {
        self.shard_of.get(position).map_or(self.evidence.len().saturating_sub(1), |shard| *shard as usize)
    }

    /// Whether `position` is a boundary of B₀.
    pub(super) fn is_shard_boundary(&self, position: usize) -> bool {
        self.shard_of.get(position).is_none_or(|shard| self.shard_boundaries[*shard as usize] == position)
    }

    /// Whether the shard rejects writes.
    pub(super) fn is_rejecting(&self, shard: usize) -> bool {
        self.rejecting[shard]
    }

    /// Whether a part of the shard may be merged with a neighbour.
    pub(super) fn is_divisible(&self, shard: usize) -> bool {
        self.divisible[shard]
    }

    /// Whether any range's peak lies above its load of now.
    pub(super) fn peaks_differ(&self) -> bool {
        !self.peaks_before.is_empty()
    }

    /// The load between two positions.
    pub(super) fn loads(&self, low: usize, high: usize) -> Loads {
        between(&self.loads_before, low, high)
    }

    /// The peak load between two positions.
    pub(super) fn peaks(&self, low: usize, high: usize) -> Loads {
        let before = if self.peaks_differ() { &self.peaks_before } else { &self.loads_before };
        between(before, low, high)
    }

    /// The keys between two positions.
    pub(super) fn range(&self, low: usize, high: usize) -> HashKeyRange {
        let end = self.starts.get(high).map_or(self.end, |next| HashKey(next.0 - 1));
        HashKeyRange::new(self.starts[low], end).expect("segments ascend")
    }

    /// The first key of the segment after `position`.
    pub(super) fn key(&self, position: usize) -> HashKey {
        self.starts[position]
    }

    /// The ranges between consecutive positions with their loads and how these are known.
    pub(super) fn range_loads(&self, positions: &[usize]) -> Vec<RangeLoad> {
        let interval = |pair: &[usize]| RangeLoad {
            range: self.range(pair[0], pair[1]),
            loads: self.loads(pair[0], pair[1]),
            peak_loads: self.peaks(pair[0], pair[1]),
            evidence: self.evidence(pair[0], pair[1]),
        };
        positions.windows(2).map(interval).collect()
    }

    /// The shard of B₀ that owns a key.
    pub(super) fn shard_at(&self, key: HashKey) -> usize {
        self.shard_of(self.segment_at(key))
    }

    /// The position of the segment that holds a key.
    fn segment_at(&self, key: HashKey) -> usize {
        self.starts.partition_point(|start| *start <= key).saturating_sub(1)
    }

    /// A range that may cut segments with its loads and how these are known.
    pub(super) fn range_load(&self, range: HashKeyRange) -> RangeLoad {
        let peaks = if self.peaks_differ() { &self.peaks_before } else { &self.loads_before };
        let within = |before: &[[u64; 3]]| {
            let below = self.below(before, range.start());
            let up_to = match range.end().0.checked_add(1) {
                Some(next) => self.below(before, HashKey(next)),
                None => before[self.last()],
            };
            Loads::from_array(std::array::from_fn(|i| Load(up_to[i] - below[i])))
        };
        let (low, high) = (self.segment_at(range.start()), self.segment_at(range.end()));
        let (first, last) = (self.shard_of(low), self.shard_of(high));
        let begins = |position: usize, key| self.is_shard_boundary(position) && self.starts[position] == key;
        let ends = range.end() == self.end
            || begins((high + 1).min(self.last() - 1), HashKey(range.end().0.saturating_add(1)));
        let whole = begins(low, range.start()) && ends;
        let parts = if whole { Evidence::Measured } else { Evidence::Estimated };
        RangeLoad {
            range,
            loads: within(&self.loads_before),
            peak_loads: within(peaks),
            evidence: self.evidence[first..=last].iter().copied().fold(parts, Evidence::max),
        }
    }

    /// The sums of what lies below a key: of the segment that holds it, the share of the keys.
    fn below(&self, before: &[[u64; 3]], key: HashKey) -> [u64; 3] {
        let at = self.segment_at(key);
        let segment = self.range(at, at + 1);
        std::array::from_fn(|i| before[at][i] + segment.portion_below(before[at + 1][i] - before[at][i], key))
    }

    /// How the load between two positions is known: the union of whole shards as the least known
    /// of them, anything with a part of a shard at best as an estimate.
    fn evidence(&self, low: usize, high: usize) -> Evidence {
        let whole = self.is_shard_boundary(low) && self.is_shard_boundary(high);
        let parts = if whole { Evidence::Measured } else { Evidence::Estimated };
        self.evidence[self.shard_of(low)..=self.shard_of(high - 1)].iter().copied().fold(parts, Evidence::max)
    }
}

/// The sums of the loads of `last` segments before each position.
fn running_sums(last: usize, loads: impl Iterator<Item = Loads>) -> Vec<[u64; 3]> {
    let mut sums = Vec::with_capacity(last + 1);
    let mut sum = [0_u64; 3];
    sums.push(sum);
    loads.for_each(|loads| {
        let loads = loads.as_array();
        sum = std::array::from_fn(|i| sum[i].saturating_add(loads[i].0));
        sums.push(sum);
    });
    sums
}

fn between(before: &[[u64; 3]], low: usize, high: usize) -> Loads {
    Loads::from_array(std::array::from_fn(|i| Load(before[high][i] - before[low][i])))
}

/// From `low` on, the lowest position from where to `high` the load lies within the limits.
fn lowest(before: &[[u64; 3]], low: usize, high: usize, limits: Loads) -> usize {
    let (end, limits) = (before[high], limits.as_array());
    let fits = |start: &[u64; 3]| (0..3).all(|i| end[i] - start[i] <= limits[i].0);
    low + before[low..high].iter().position(fits).unwrap_or(high - low)
}

/// How full the fullest dimension is, in millionths of its limit.
pub(super) fn fill(loads: Loads, limits: Loads) -> u128 {
    let share = |(load, limit): (Load, Load)| {
        // 128 bits take a function call to divide, and are needed for impossible loads alone.
        let (millionths, limit) = (load.0.checked_mul(1_000_000), limit.0.max(1));
        let wide = || u128::from(load.0) * 1_000_000 / u128::from(limit);
        millionths.map_or_else(wide, |millionths| u128::from(millionths / limit))
    };
    let shares = loads.as_array().into_iter().zip(limits.as_array()).map(share);
    shares.max().expect("three dimensions")
}

/// The loads that decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Up to here a shard is kept as it is.
    pub(super) trigger: Loads,
    /// Up to here a part of a shard is filled.
    pub(super) part: Loads,
    /// Up to here shards are merged.
    pub(super) pack: Loads,
}

/// Which intervals may be shards.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) limits: Limits,
    /// By shard; none where every shard may be split.
    split_barred: Vec<bool>,
    /// By shard; none where every shard may be merged.
    merge_barred: Vec<bool>,
    /// Whether a boundary may be moved: a part of a shard merged with a neighbour.
    moves: bool,
    /// Whether shards are cut for their neighbours.
    pub(super) hand_overs: bool,
    /// Whether merges are judged by the peak in the stabilisation window, else by the load of now.
    by_peak: bool,
}

impl Rules {
    /// What holds now.
    pub(super) fn guarded(demand: &Demand, policy: &ScalingPolicy) -> Rules {
        let no_splits = !demand.split_bars.is_empty();
        let no_merges = !demand.merge_bars.is_empty();
        let split_barred = |shard: &ShardDemand| no_splits || shard.split_guard.is_some();
        let merge_barred = |shard: &ShardDemand| {
            no_merges || shard.merge_guard.is_some() || shard.evidence != Evidence::Measured
        };
        Rules {
            split_barred: demand.shards.iter().map(split_barred).collect(),
            merge_barred: demand.shards.iter().map(merge_barred).collect(),
            by_peak: true,
            ..Rules::ideal(demand, policy)
        }
    }

    /// What would hold if nothing were barred and the load of now had always been. One that is not known is no
    /// reason to merge.
    pub(super) fn ideal(demand: &Demand, policy: &ScalingPolicy) -> Rules {
        let policy::Limits { trigger, pack } = policy.limits(demand.learned_target);
        let is_unknown = |shard: &ShardDemand| shard.evidence == Evidence::Unknown;
        Rules {
            limits: Limits { trigger, part: pack, pack },
            split_barred: Vec::new(),
            merge_barred: demand.shards.iter().map(is_unknown).collect(),
            moves: true,
            hand_overs: policy.hand_overs,
            by_peak: false,
        }
    }

    /// Whether these rules bar anything that the ideal ones allow.
    pub(super) fn hold_anything_back(&self, grid: &Grid) -> bool {
        grid.peaks_differ() || self.split_barred.contains(&true) || self.merge_barred.contains(&true)
    }

    /// The same with shards kept up to `per_mille` of the trigger, and parts filled as far.
    pub(super) fn raised(&self, per_mille: u64) -> Rules {
        let Limits { trigger, pack, .. } = self.limits;
        let trigger = trigger.scaled(per_mille, 1_000);
        Rules { limits: Limits { trigger, part: pack.max(trigger), pack }, ..self.clone() }
    }

    /// The safe class, in which every tiling can be reached from `count` shards: without moves,
    /// and where min = max only in the direction of the bounds.
    pub(super) fn safe(&self, count: usize, min: usize, max: usize) -> Rules {
        let one_way = min == max;
        let barred = |barred: &[bool], all| if all { vec![true; count] } else { barred.to_vec() };
        Rules {
            split_barred: barred(&self.split_barred, one_way && count >= max),
            merge_barred: barred(&self.merge_barred, one_way && count <= min),
            moves: false,
            ..self.clone()
        }
    }

    /// Whether splits of the shard are barred.
    pub(super) fn bars_splits(&self, shard: usize) -> bool {
        self.split_barred.get(shard).is_some_and(|barred| *barred)
    }

    /// Whether cuts may fall between positions `low` and `high` of the shard.
    pub(super) fn may_split(&self, shard: usize, low: usize, high: usize) -> bool {
        high - low > 1 && !self.bars_splits(shard)
    }

    /// Whether cuts may fall inside an interval: a part of one shard that may be split.
    pub(super) fn may_cut(&self, grid: &Grid, low: usize, high: usize) -> bool {
        let shard = grid.shard_of(low);
        shard == grid.shard_of(high - 1) && self.may_split(shard, low, high)
    }

    /// Whether the shard may be merged.
    pub(super) fn may_merge(&self, shard: usize) -> bool {
        !self.merge_barred.get(shard).is_some_and(|barred| *barred)
    }

    /// Whether a part of the shard may be merged.
    pub(super) fn may_divide(&self, grid: &Grid, shard: usize) -> bool {
        self.moves && grid.is_divisible(shard) && self.may_merge(shard)
    }

    /// Whether the shard between its own boundaries may stay as it is.
    pub(super) fn may_keep(&self, grid: &Grid, shard: usize, low: usize, high: usize) -> bool {
        !self.may_split(shard, low, high) || grid.loads(low, high).within(self.limits.trigger)
    }

    /// Whether the load of a part of one shard fits, or no cut can relieve it.
    pub(super) fn part_fits(&self, grid: &Grid, low: usize, high: usize) -> bool {
        high - low == 1 || grid.loads(low, high).within(self.limits.part)
    }

    /// Whether the load of an interval over several shards fits.
    pub(super) fn merged_fits(&self, grid: &Grid, low: usize, high: usize) -> bool {
        let loads = if self.by_peak { grid.peaks(low, high) } else { grid.loads(low, high) };
        loads.within(self.limits.pack)
    }

    /// From `low` on, where the longest part that fits and ends at `high` begins.
    pub(super) fn lowest_part(&self, grid: &Grid, low: usize, high: usize) -> usize {
        lowest(&grid.loads_before, low, high, self.limits.part).min(high - 1)
    }

    /// From `low` on, where the longest interval that fits as merged and ends at `high` begins;
    /// `high` if none does.
    pub(super) fn lowest_merged(&self, grid: &Grid, low: usize, high: usize) -> usize {
        let peaks = self.by_peak && grid.peaks_differ();
        let before = if peaks { &grid.peaks_before } else { &grid.loads_before };
        lowest(before, low, high, self.limits.pack)
    }

    /// Whether an interval over several shards may be a shard.
    pub(super) fn may_be_merged(&self, grid: &Grid, low: usize, high: usize) -> bool {
        let (first, last) = (grid.shard_of(low), grid.shard_of(high - 1));
        let whole = |position, shard| grid.is_shard_boundary(position) || self.may_divide(grid, shard);
        (first..=last).all(|shard| self.may_merge(shard))
            && whole(low, first)
            && whole(high, last)
            && self.merged_fits(grid, low, high)
    }
}
