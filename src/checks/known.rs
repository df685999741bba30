//! What the demand tells of a range, whichever shards and pieces of shards it is made of.

use crate::demand::{Demand, Segment, ShardDemand};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::{Load, Loads};
use crate::plan::Evidence;

/// The demand, by range.
pub(super) struct Known<'a> {
    shards: &'a [ShardDemand],
    /// Those of all shards, ascending.
    segments: Vec<Segment>,
}

impl<'a> Known<'a> {
    pub(super) fn from(demand: &'a Demand) -> Self {
        let segments = demand.shards.iter().flat_map(|shard| shard.segments.iter().copied());
        Known { shards: &demand.shards, segments: segments.collect() }
    }

    /// The load that decides splits, and the peak that decides merges. Of a segment that an end of the
    /// range cuts, as the equal ranges of an UpdateShardCount do, it has the share of the keys.
    pub(super) fn loads_and_peaks(&self, range: HashKeyRange) -> (Loads, Loads) {
        let from = self.segments.partition_point(|segment| segment.range.end() < range.start());
        let to = self.segments.partition_point(|segment| segment.range.start() <= range.end());
        let within = self.segments.get(from..to).unwrap_or_default();
        let part = |of: HashKeyRange, loads: Loads| {
            if range.contains_range(of) {
                return loads;
            }
            let below = |amount: u64, key: HashKey| of.portion_below(amount, key);
            let past = range.end().0.checked_add(1);
            let share = |Load(load): Load| {
                let up_to = past.map_or(load, |past| below(load, HashKey(past)));
                Load(up_to - below(load, range.start()))
            };
            Loads::from_array(loads.as_array().map(share))
        };
        (
            within.iter().map(|segment| part(segment.range, segment.loads)).sum(),
            within.iter().map(|segment| part(segment.range, segment.peak_loads)).sum(),
        )
    }

    /// Whether a segment starts at `at`.
    pub(super) fn may_be_cut_at(&self, at: HashKey) -> bool {
        self.segments.binary_search_by_key(&at, |segment| segment.range.start()).is_ok()
    }

    /// The open shards that own a key of `range`.
    pub(super) fn owners(&self, range: HashKeyRange) -> impl Iterator<Item = &'a ShardDemand> {
        self.shards
            .iter()
            .filter(move |shard| shard.range.start() <= range.end() && range.start() <= shard.range.end())
    }

    /// The open shards that own keys of `range` and others too.
    pub(super) fn divided(&self, range: HashKeyRange) -> impl Iterator<Item = &'a ShardDemand> {
        self.owners(range)
            .filter(move |shard| shard.range.start() < range.start() || range.end() < shard.range.end())
    }

    /// The worst evidence of the shards that own a key of `range`; at best an estimate where one
    /// of them is divided.
    pub(super) fn evidence(&self, range: HashKeyRange) -> Evidence {
        let divided = self.divided(range).map(|_| Evidence::Estimated);
        self.owners(range).map(|shard| shard.evidence).chain(divided).max().unwrap_or(Evidence::Unknown)
    }
}
