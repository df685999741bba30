//! The hottest shards: those that use most of their targets.

use serde::Serialize;

use super::Report;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, RangeLoad};
use crate::quota::Dimension;
use crate::stream::ShardId;

/// A shard among the hottest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HotShard {
    /// Its place in `plan.before`, from 0.
    pub index: usize,
    /// The shard.
    pub shard: ShardId,
    /// The dimension in which it uses most of its target.
    pub dimension: Dimension,
    /// Its load in that dimension.
    pub load: Load,
    /// Its loads.
    pub loads: Loads,
}

impl Report {
    /// Up to `count` shards that carry anything, hottest first: by the share of the target that
    /// they use in their fullest dimension.
    pub fn hottest_shards(&self, count: usize) -> Vec<HotShard> {
        let targets = self.target_loads();
        let known = |(_, load): &(usize, &RangeLoad)| load.evidence != Evidence::Unknown;
        let mut hot: Vec<HotShard> = self
            .plan
            .before
            .iter()
            .enumerate()
            .filter(known)
            .filter_map(|(index, of)| {
                let shard = self.shards.get(index)?.clone()?;
                let (dimension, load) = of.loads.binding(targets);
                Some(HotShard { index, shard, dimension, load, loads: of.loads })
            })
            .filter(|hot| hot.load > Load::ZERO)
            .collect();
        hot.sort_by_key(|hot| (std::cmp::Reverse(used(hot.load, targets.of(hot.dimension))), hot.index));
        hot.truncate(count);
        hot
    }
}

/// The millionths of `target` that `load` is.
pub(super) fn used(load: Load, target: Load) -> u128 {
    u128::from(load.0) * 1_000_000 / u128::from(target.0.max(1))
}
