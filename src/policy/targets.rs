//! How full a shard may be: as the owner has it, or as the stream's last day was worth.

use serde::{Deserialize, Serialize};

use super::ScalingPolicy;
use crate::load::{Load, Loads};
use crate::quota::Dimension;

/// No target is learned below half of a ceiling: from there on a shard in reserve is cheaper.
pub const LOWEST_LEARNED_TARGET: Load = Load::from_percent(50);

/// The loads that decide, of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Above it a shard is to be split: the targets.
    pub trigger: Loads,
    /// Up to it new shards are packed: target × (1 − tolerance), never zero.
    pub pack: Loads,
}

/// How full a shard may be, as a share of its ceilings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Targets {
    /// In each dimension that a split relieves; in those that learn theirs, what holds until enough is known.
    pub limits: Loads,
    /// The dimensions whose target is learned from the last day (`utilization: Auto`), of those that a split
    /// relieves.
    pub learned: Vec<Dimension>,
    /// GetRecords calls: a verdict only.
    pub read_calls: Load,
}

impl ScalingPolicy {
    /// The loads that decide. `learned` is the target in the dimensions that learn theirs; without one, for not
    /// enough is known, they have their fallback.
    pub fn limits(&self, learned: Option<Load>) -> Limits {
        let Targets { limits, learned: learning, read_calls: _ } = &self.targets;
        let target = |dimension| match learned {
            Some(learned) if learning.contains(&dimension) => learned,
            _ => limits.of(dimension),
        };
        let trigger = Loads::from_array(Dimension::SPLITTABLE.map(target));
        let keep = 1_000_000 - u64::from(self.tolerance_millionths.min(1_000_000));
        let floor = Loads::from_array([Load(1); 3]);
        Limits { trigger, pack: trigger.zip(floor, |limit, one| Load(limit.0 * keep / 1_000_000).max(one)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learned_target_is_that_of_the_dimensions_that_learn_and_of_no_other() {
        let mut policy = ScalingPolicy::for_stream("orders", 200);
        policy.targets.limits = Loads::from_array([91, 92, 93].map(Load::from_percent));
        let limits = |policy: &ScalingPolicy, learned| policy.limits(learned).trigger.as_array();
        let percents = |percents: [u32; 3]| percents.map(Load::from_percent);
        for (dimension, expected) in [
            (Dimension::IngestBytes, [60, 92, 93]),
            (Dimension::IngestRecords, [91, 60, 93]),
            (Dimension::ReadBytes, [91, 92, 60]),
        ] {
            policy.targets.learned = vec![dimension];
            assert_eq!(limits(&policy, Some(Load::from_percent(60))), percents(expected));
            assert_eq!(limits(&policy, None), percents([91, 92, 93]), "until it is known");
        }
        policy.tolerance_millionths = 200_000;
        let pack = policy.limits(Some(Load::from_percent(60))).pack;
        assert_eq!(pack.read_bytes, Load::from_percent(48), "packed by what was learned");
    }
}
