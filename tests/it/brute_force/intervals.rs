//! Which intervals of segments may be shards, by the three written kinds.

use reshard::load::{Load, Loads};
use reshard::plan::Evidence;

use super::case::Case;

/// No rise is needed: kept shards lie under the trigger, parts under the pack limit.
pub(super) const UNRAISED: u64 = 0;

/// Which boundaries a tiling may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    moves: bool,
    splits: bool,
    merges: bool,
}

impl Class {
    pub(super) const WHOLE: Class = Class { moves: true, splits: true, merges: true };

    /// No moves; with min = max only in the direction of the bounds.
    pub(super) fn safe(open: usize, min: usize, max: usize) -> Class {
        Class { moves: false, splits: min < max || open < max, merges: min < max || open > min }
    }
}

/// The intervals of a stream; positions count segments.
pub(super) struct Intervals<'a> {
    pub(super) case: &'a Case,
    /// The shard of each segment.
    pub(super) shard_of: Vec<usize>,
    /// The position at which each shard starts, and the last position.
    pub(super) bounds_of_shards: Vec<usize>,
    /// The sums of the loads and of the peaks before each position.
    loads_before: Vec<[u64; 3]>,
    peaks_before: Vec<[u64; 3]>,
}

impl<'a> Intervals<'a> {
    pub(super) fn of(case: &'a Case) -> Self {
        let segments = case.segments();
        let mut bounds_of_shards = vec![0];
        for shard in &case.demand.shards {
            bounds_of_shards.push(bounds_of_shards[bounds_of_shards.len() - 1] + shard.segments.len());
        }
        Intervals {
            case,
            shard_of: segments.iter().map(|(shard, _)| *shard).collect(),
            bounds_of_shards,
            loads_before: sums(segments.iter().map(|(_, segment)| segment.loads)),
            peaks_before: sums(segments.iter().map(|(_, segment)| segment.peak_loads)),
        }
    }

    /// How many segments there are.
    pub(super) fn segments(&self) -> usize {
        self.shard_of.len()
    }

    pub(super) fn loads(&self, low: usize, high: usize) -> Loads {
        difference(&self.loads_before, low, high)
    }

    pub(super) fn peaks(&self, low: usize, high: usize) -> Loads {
        difference(&self.peaks_before, low, high)
    }

    pub(super) fn may_split(&self, class: Class, shard: usize) -> bool {
        let demand = &self.case.demand;
        class.splits
            && demand.split_bars.is_empty()
            && demand.shards[shard].split_guard.is_none()
            && demand.shards[shard].segments.len() > 1
    }

    /// Whether the interval holds a part of a shard that must not be split.
    pub(super) fn is_split_barred(&self, low: usize, high: usize) -> bool {
        let demand = &self.case.demand;
        !demand.split_bars.is_empty()
            || demand.shards[self.shard_of[low]..=self.shard_of[high - 1]]
                .iter()
                .any(|shard| shard.split_guard.is_some())
    }

    fn may_merge(&self, class: Class, shard: usize) -> bool {
        let demand = &self.case.demand;
        class.merges
            && demand.merge_bars.is_empty()
            && demand.shards[shard].merge_guard.is_none()
            && demand.shards[shard].evidence == Evidence::Measured
    }

    /// Into how many shards a shard can be cut.
    pub(super) fn pieces(&self, class: Class, shard: usize) -> usize {
        if self.may_split(class, shard) { self.case.demand.shards[shard].segments.len() } else { 1 }
    }

    /// Whether the interval over several shards may be one shard.
    pub(super) fn may_be_merged(&self, class: Class, low: usize, high: usize) -> bool {
        let (first, last) = (self.shard_of[low], self.shard_of[high - 1]);
        let fits = self.peaks(low, high).within(self.case.limits().pack);
        fits && (first..=last).all(|shard| {
            let takes_part = low > self.bounds_of_shards[shard] || high < self.bounds_of_shards[shard + 1];
            let spread_known = self.case.demand.shards[shard].density == Evidence::Measured;
            let divisible = class.moves && spread_known && self.may_split(class, shard);
            self.may_merge(class, shard) && (!takes_part || divisible)
        })
    }

    /// The rise that an interval needs to be a shard, by the three written kinds; none where no
    /// rise makes it one.
    pub(super) fn rise(&self, class: Class, low: usize, high: usize) -> Option<u64> {
        let (first, last) = (self.shard_of[low], self.shard_of[high - 1]);
        if first != last {
            return self.may_be_merged(class, low, high).then_some(UNRAISED);
        }
        let whole = low == self.bounds_of_shards[first] && high == self.bounds_of_shards[first + 1];
        if !self.may_split(class, first) {
            return whole.then_some(UNRAISED);
        }
        let limits = self.case.limits();
        let load = self.loads(low, high);
        if high - low == 1 || load.within(if whole { limits.trigger } else { limits.pack }) {
            return Some(UNRAISED);
        }
        // The least p at which p × trigger, rounded up, is at least the load.
        let least = |(load, limit): (Load, Load)| (load.0.saturating_sub(1) * 1_000 / limit.0) + 1;
        let dimensions = load.as_array().into_iter().zip(limits.trigger.as_array());
        Some(dimensions.map(least).max().expect("three dimensions").max(1_000))
    }
}

fn sums(loads: impl Iterator<Item = Loads>) -> Vec<[u64; 3]> {
    let mut sums = vec![[0; 3]];
    for loads in loads {
        let (last, loads) = (sums[sums.len() - 1], loads.as_array());
        sums.push(std::array::from_fn(|dimension| last[dimension] + loads[dimension].0));
    }
    sums
}

fn difference(sums: &[[u64; 3]], low: usize, high: usize) -> Loads {
    Loads::from_array(std::array::from_fn(|dimension| Load(sums[high][dimension] - sums[low][dimension])))
}
