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
        let target = |dimension| match learned {
            Some(learned) if self.learns(dimension) => learned,
            _ => self.targets.limits.of(dimension),
        };
        let trigger = Loads::from_array(Dimension::SPLITTABLE.map(target));
        Limits { trigger, pack: self.packed(trigger) }
    }

    /// The loads that a plan is judged by which was decided before, by the targets `then`; `learned` is the target
    /// of now.
    ///
    /// Where the target is learned, shards may still be packed as full as they might be then, as long as that is
    /// within the target of now. The room between the two keeps plans from being undone when loads move a little;
    /// that the target has moved instead is no reason to refuse a plan that somebody has agreed to, and up to the
    /// target of now no shard is split again. Beyond it nothing is packed, whatever a plan says of itself. Where the
    /// owner has set the target, his word of now holds.
    pub fn limits_of_older(&self, then: Loads, learned: Option<Load>) -> Limits {
        let Limits { trigger, pack } = self.limits(learned);
        let packed = self.packed(then).zip(trigger, Ord::min).max(pack);
        let limit = |dimension| if self.learns(dimension) { packed } else { pack }.of(dimension);
        Limits { trigger, pack: Loads::from_array(Dimension::SPLITTABLE.map(limit)) }
    }

    /// Whether the target of this dimension is learned.
    pub fn learns(&self, dimension: Dimension) -> bool {
        self.targets.learned.contains(&dimension)
    }

    /// Up to where shards are packed at these targets.
    pub fn packed(&self, targets: Loads) -> Loads {
        let keep = 1_000_000 - u64::from(self.tolerance_millionths.min(1_000_000));
        let floor = Loads::from_array([Load(1); 3]);
        targets.zip(floor, |target, one| Load(target.0 * keep / 1_000_000).max(one))
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

    #[test]
    fn an_older_plan_may_pack_as_full_as_it_might_then_up_to_the_learned_target_of_now() {
        let mut policy = ScalingPolicy::for_stream("orders", 200);
        policy.tolerance_millionths = 100_000;
        policy.targets.learned = vec![Dimension::IngestBytes];
        let limits = |then: u32, now: u32| {
            let then = Loads::from_array([then; 3].map(Load::from_percent));
            let Limits { trigger, pack } = policy.limits_of_older(then, Some(Load::from_percent(now)));
            assert_eq!(trigger.ingest_bytes, Load::from_percent(now), "what is hot is said by now");
            let fixed = policy.limits(None).pack;
            assert_eq!((pack.ingest_records, pack.read_bytes), (fixed.ingest_records, fixed.read_bytes));
            pack.ingest_bytes.0 / 10_000
        };
        assert_eq!(limits(90, 90), 81, "nothing has moved");
        assert_eq!(limits(90, 85), 81, "within the target of now");
        assert_eq!(limits(90, 80), 80, "no fuller than the target of now");
        assert_eq!(limits(90, 50), 50);
        assert_eq!(limits(80, 90), 81, "a target that rose makes nothing narrower");
    }
}
