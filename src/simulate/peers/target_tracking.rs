//! Target tracking at 70 %, idealised: one step after another, with the true demand, rejected traffic
//! included, as late as metrics are. No tool on Kinesis does as well. In two readings: of the hottest
//! shard, which is what rejects; and of the stream's mean, which costs less and leaves hot shards hot.

use crate::hash_key::HashKeyRange;
use crate::simulate::fluid::Action;
use crate::simulate::scaler::{Monitoring, Scaler, View};
use crate::snapshot::ShardMetric;

/// The part of a ceiling that is to be used.
const TARGET: f64 = 0.7;

/// What is to be at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracked {
    /// The hottest shard.
    HottestShard,
    /// The mean of all shards.
    Mean,
}

/// Splits the hottest shard in its middle, or merges the coldest pair if that stays within the target.
#[derive(Debug)]
pub struct TargetTracking {
    tracked: Tracked,
    delay_ticks: usize,
}

impl TargetTracking {
    /// Sees the demand of so many ticks ago.
    pub fn new(tracked: Tracked, delay_ticks: usize) -> TargetTracking {
        TargetTracking { tracked, delay_ticks }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Split(usize),
    Merge(usize),
}

/// What is to be done to shards with these loads: which to split, or the lower one of a pair to merge.
fn wish(tracked: Tracked, loads: &[f64]) -> Option<Wish> {
    let hottest = (0..loads.len()).max_by(|a, b| loads[*a].total_cmp(&loads[*b]))?;
    let total: f64 = loads.iter().sum();
    let within = |shards: usize| total <= TARGET * shards as f64;
    let is_hot = match tracked {
        Tracked::HottestShard => loads[hottest] > TARGET,
        Tracked::Mean => !within(loads.len()),
    };
    if is_hot {
        return Some(Wish::Split(hottest));
    }
    let pair = |at: &usize| loads[*at] + loads[*at + 1];
    let coldest = (0..loads.len() - 1).min_by(|a, b| pair(a).total_cmp(&pair(b)))?;
    let fits = pair(&coldest) <= TARGET && within(loads.len() - 1);
    fits.then_some(Wish::Merge(coldest))
}

impl Scaler for TargetTracking {
    /// What demand is seen by, accepted and rejected: whichever is tracked, the shards are chosen by their own.
    fn monitoring(&self) -> Monitoring {
        Monitoring { shard_metrics: ShardMetric::INGEST.len() as u64, metrics_read: 0 }
    }

    fn next(&mut self, view: &mut View) -> Option<Action> {
        let tick = view.ticks.checked_sub(1 + self.delay_ticks)?;
        let loads: Vec<f64> = view.stream.loads(tick).collect();
        let ranges: Vec<HashKeyRange> = view.stream.ranges().collect();
        match wish(self.tracked, &loads)? {
            Wish::Split(at) => {
                let range = ranges[at];
                Some(Action::Split { range, at: range.inner_boundaries(2).next()? })
            }
            Wish::Merge(at) => Some(Action::Merge { low: ranges[at], high: ranges[at + 1] }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_shard_is_split_above_the_target_and_the_coldest_pair_merged_within_it() {
        let of_hottest = |loads: &[f64]| wish(Tracked::HottestShard, loads);
        assert_eq!(of_hottest(&[0.1, 0.71, 0.2]), Some(Wish::Split(1)));
        assert_eq!(of_hottest(&[0.5, 0.3, 0.2]), Some(Wish::Merge(1)));
        assert_eq!(of_hottest(&[0.5, 0.3, 0.5]), None);
        assert_eq!(of_hottest(&[0.1]), None);
    }

    #[test]
    fn the_mean_leaves_a_hot_shard_alone_while_the_others_make_up_for_it() {
        let of_mean = |loads: &[f64]| wish(Tracked::Mean, loads);
        assert_eq!(of_mean(&[0.3, 0.9, 0.6]), None);
        assert_eq!(of_mean(&[0.7, 0.9, 0.7]), Some(Wish::Split(1)));
        assert_eq!(of_mean(&[0.2, 0.2, 0.5]), Some(Wish::Merge(0)));
    }
}
