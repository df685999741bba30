//! Demand that nothing stands against: for tests of what follows from it, and for what a policy would be
//! worth if nothing did.

use super::{Demand, DemandSummary, Segment, ShardDemand};
use crate::hash_key::HashKeyRange;
use crate::plan::Evidence;
use crate::stream::ShardId;

/// A shard whose load is measured, and which nothing keeps from being split or merged.
pub(crate) fn unhindered_shard(id: ShardId, range: HashKeyRange, segments: Vec<Segment>) -> ShardDemand {
    ShardDemand {
        id,
        range,
        evidence: Evidence::Measured,
        rejecting: false,
        segments,
        density: Evidence::Measured,
        unsettled: None,
        split_guard: None,
        merge_guard: None,
    }
}

/// What these shards need, where nothing stands against any step.
pub(crate) fn unhindered(shards: Vec<ShardDemand>) -> Demand {
    Demand {
        shards,
        stops: Vec::new(),
        split_bars: Vec::new(),
        merge_bars: Vec::new(),
        verdicts: Vec::new(),
        merges_in_the_last_day: 0,
        count_updates_minutes_ago: Vec::new(),
        count_update_refused: None,
        is_steady: true,
        forecast: None,
        foreseen_per_mille: 0,
        learned_target: None,
        scale_up_limit: 200,
        scale_down_limit: 1,
        summary: DemandSummary::default(),
    }
}
