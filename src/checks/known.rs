//! What the demand tells of a range, whichever shards and pieces of shards it is made of.

use crate::demand::{Demand, Segment, ShardDemand};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::Loads;
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

    /// The load that decides splits, and the peak that decides merges. A segment counts where it
    /// starts: no range of a sound plan holds a part of a segment.
    pub(super) fn loads_and_peaks(&self, range: HashKeyRange) -> (Loads, Loads) {
        let from = self.segments.partition_point(|segment| segment.range.start() < range.start());
        let to = self.segments.partition_point(|segment| segment.range.start() <= range.end());
        let within = &self.segments[from..to];
        (
            within.iter().map(|segment| segment.loads).sum(),
            within.iter().map(|segment| segment.peak_loads).sum(),
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
