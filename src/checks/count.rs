//! The rules for an UpdateShardCount: whether the policy leaves it to reshard, whether calls are left,
//! and what each equal range would take from whom.

use super::replay::Effect;
use super::rules::{Rules, by_dimension};
use super::violation::StepFlaw;
use crate::demand::ShardDemand;
use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold};
use crate::policy::UpdateShardCount;

impl Rules<'_> {
    pub(super) fn count_flaws(&self, from: u32, to: u32, effect: &Effect) -> Vec<StepFlaw> {
        let mut found = self.call_flaws(from, to);
        let bounds = self.in_force.bounds;
        if to > bounds.max() {
            found.push(StepFlaw::AboveMaxShards { count: effect.count, max: bounds.max() });
        }
        if to < bounds.min() {
            found.push(StepFlaw::BelowMinShards { count: effect.count, min: bounds.min() });
        }
        let allow = self.in_force.allow;
        if if to > from { !allow.scale_up() } else { !allow.scale_down() } {
            found.push(StepFlaw::Frozen);
        }
        let (up, down) = (self.demand.scale_up_limit, self.demand.scale_down_limit);
        if to > from && to > up && !self.demand.shards.iter().any(|shard| shard.rejecting) {
            found.push(StepFlaw::AboveScaleUpLimit { count: effect.count, limit: up });
        }
        if to < from && to < down {
            found.push(StepFlaw::BelowScaleDownLimit { count: effect.count, limit: down });
        }
        for range in &effect.made {
            found.extend(self.range_flaws(*range, HashKeyRange::leeway(to), to > from));
        }
        found
    }

    /// Whether a call may be made for this at all.
    fn call_flaws(&self, from: u32, to: u32) -> Vec<StepFlaw> {
        let (demand, mode) = (self.demand, self.policy.update_shard_count);
        let trigger = self.limits.trigger;
        let heat =
            to > from && demand.shards.iter().any(|shard| shard.rejecting || !shard.loads().within(trigger));
        let allowed = match mode {
            UpdateShardCount::Never => false,
            UpdateShardCount::Emergency => heat,
            UpdateShardCount::Auto => true,
        };
        let (made, calls_a_day) = (demand.count_updates_made(), mode.calls_a_day(heat));
        let mut found = Vec::new();
        if !allowed {
            found.push(StepFlaw::CountNotAllowed);
        } else if made >= calls_a_day {
            found.push(StepFlaw::CallBudget { made, calls_a_day });
        }
        found.extend(demand.count_update_refused.clone().map(StepFlaw::JustRefused));
        found
    }

    /// What is wrong with one of the equal ranges, whose ends count as well `leeway` keys away.
    fn range_flaws(&self, range: HashKeyRange, leeway: u128, up: bool) -> Vec<StepFlaw> {
        let (start, end) = (range.start().0, range.end().0);
        let reaches = |shard: &&ShardDemand| {
            shard.range.end().0 > start.saturating_add(leeway)
                && shard.range.start().0 < end.saturating_sub(leeway)
        };
        let is_cut = |shard: &ShardDemand| {
            shard.range.start().0.saturating_add(leeway) < start
                || shard.range.end().0 > end.saturating_add(leeway)
        };
        let owners: Vec<&ShardDemand> = self.known.owners(range).filter(reaches).collect();
        let mut found = Vec::new();
        for owner in owners.iter().filter(|owner| is_cut(owner)) {
            found.extend(self.demand.split_bars.iter().cloned().map(StepFlaw::SplitBarred));
            if let Some(hold) = &owner.split_guard {
                found.push(StepFlaw::SplitGuarded { shard: owner.id.clone(), hold: hold.clone() });
            }
        }
        if owners.len() < 2 {
            return found;
        }
        found.extend(self.demand.bars_on_joins(up).cloned().map(StepFlaw::MergeBarred));
        for owner in &owners {
            let shard = owner.id.clone();
            match &owner.merge_guard {
                Some(Hold::LoadEstimated { .. }) if up => {}
                Some(hold) => found.push(StepFlaw::MergeGuarded { shard, hold: hold.clone() }),
                None => {}
            }
            let is_known = if up { owner.unsettled.is_none() } else { owner.evidence == Evidence::Measured };
            if !is_known {
                let (shard, evidence) = (owner.id.clone(), owner.evidence);
                found.push(StepFlaw::MergeOfUnmeasured { shard, evidence });
            }
        }
        found.extend(self.load_flaws(range, &owners, is_cut, false));
        // What was higher, or is to come, is no reason against more shards.
        if !up {
            found.extend(self.load_flaws(range, &owners, is_cut, true));
        }
        found
    }

    /// Whether a range over several shards may hold too much: by the load of now, or by the peak.
    fn load_flaws(
        &self,
        range: HashKeyRange,
        owners: &[&ShardDemand],
        is_cut: impl Fn(&ShardDemand) -> bool,
        by_peak: bool,
    ) -> Vec<StepFlaw> {
        let of = |shard: &ShardDemand| if by_peak { shard.peak_loads() } else { shard.loads() };
        let within = |range: HashKeyRange| {
            let (loads, peaks) = self.known.loads_and_peaks(range);
            if by_peak { peaks } else { loads }
        };
        let was = owners.iter().map(|owner| of(owner)).fold(Loads::default(), Loads::max);
        let made = within(range);
        // What keys would carry that are as dense as any shard that is more than one place.
        let spread = || self.demand.shards.iter().filter(|shard| shard.segments.len() > 1);
        let dense = |keys: HashKeyRange| {
            let as_in = |shard: &ShardDemand| {
                let loads = of(shard).as_array();
                Loads::from_array(loads.map(|load| Load(shard.range.as_dense(load.0, keys))))
            };
            spread().map(as_in).fold(Loads::default(), Loads::max)
        };
        // What a part may hold beside its share: up to that, or all the rest where no cut relieves it.
        let beside = |owner: &ShardDemand| {
            let Some(keys) = owner.range.intersection(range) else { return Loads::default() };
            let less = |a: Loads, b: Loads| a.zip(b, |a, b| Load(a.0.saturating_sub(b.0)));
            let share = within(keys);
            let rest = less(of(owner), share);
            match (owner.segments.len(), owner.density) {
                (1, _) => rest,
                (_, Evidence::Measured) => Loads::default(),
                _ => rest.zip(less(dense(keys), share), Ord::min),
            }
        };
        let most = owners.iter().filter(|owner| is_cut(owner)).fold(made, |sum, owner| sum + beside(owner));
        let ceiling = Loads::from_array([Load::CEILING; 3]);
        let raised = by_dimension(made, self.limits.pack.max(was));
        let raised = raised.filter(|(_, load, limit)| load > limit);
        let exceeding = by_dimension(most, ceiling.max(was)).filter(|(_, load, limit)| load > limit);
        raised
            .map(|(dimension, load, limit)| {
                let fell = self.fell(dimension, load);
                match by_peak {
                    true => StepFlaw::PeakAbovePackLimit { dimension, load, limit, fell },
                    false => StepFlaw::RaisesLoad { dimension, load, fell },
                }
            })
            .chain(exceeding.map(|(dimension, load, _)| {
                let at_peak = by_peak;
                StepFlaw::MayExceedCeiling { range, dimension, load, at_peak }
            }))
            .collect()
    }
}
