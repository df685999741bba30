//! The rules for what is carried out: whose plan it is, what bars it, and what each step may do.

use super::known::Known;
use super::replay::{self, Effect};
use super::violation::{StepFlaw, TargetFell, Violation};
use crate::demand::Demand;
use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold, PLAN_FORMAT, PlanIdentity, Step};
use crate::policy::{EnhancedMonitoring, InForce, Limits, ScalingPolicy};
use crate::quota::Dimension;
use crate::snapshot::Snapshot;
use crate::stream::{StreamMode, StreamStatus};

/// Everything that is wrong with what would be carried out and was decided by these targets.
pub(super) fn violations(
    identity: &PlanIdentity,
    decided_by: Loads,
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    demand: &Demand,
) -> Vec<Violation> {
    let mut found = belonging(identity, snapshot, policy);
    if !identity.steps.is_empty() {
        found.extend(demand_flaws(snapshot, demand));
        found.extend(bars(identity, snapshot, policy));
        found.extend(budgets(identity, policy, demand));
        let in_force = policy.in_force(snapshot.observed_at);
        let limits = policy.limits_of_older(decided_by, demand.learned_target);
        let known = Known::from(demand);
        let rules = Rules { snapshot, policy, demand, in_force, limits, decided_by, known };
        found.extend(rules.walk(identity));
    }
    found
}

/// Whether the plan is one for this stream, this policy and these open shards.
fn belonging(identity: &PlanIdentity, snapshot: &Snapshot, policy: &ScalingPolicy) -> Vec<Violation> {
    let PlanIdentity { format, stream_arn, stream_created_at, generation, start, steps: _ } = identity;
    let summary = &snapshot.summary;
    let mut found = Vec::new();
    if *format != PLAN_FORMAT {
        found.push(Violation::Format { found: *format });
    }
    if *stream_arn != summary.arn {
        found.push(Violation::Stream { plan: stream_arn.clone(), stream: summary.arn.clone() });
    }
    if *stream_created_at != summary.created_at {
        found.push(Violation::CreationTime { plan: *stream_created_at, stream: summary.created_at });
    }
    if *generation != policy.generation {
        found.push(Violation::Generation { plan: *generation, policy: policy.generation });
    }
    // Where the listing does not tile there is no start to agree on: that there are no steps
    // either is checked with the steps.
    let open = super::open_ranges(snapshot);
    let tiles = replay::cover(HashKeyRange::WHOLE, &open).is_ok();
    if *start != open && (tiles || !identity.steps.is_empty()) {
        found.push(Violation::Start { plan: start.len(), open: open.len() });
    }
    found
}

/// The demand must be one of these shards, or nothing that follows from it means anything.
fn demand_flaws(snapshot: &Snapshot, demand: &Demand) -> Vec<Violation> {
    let mut open: Vec<_> = snapshot.shards.iter().filter(|shard| !shard.closed).collect();
    open.sort_by_key(|shard| shard.range);
    let same = open.len() == demand.shards.len()
        && open.iter().zip(&demand.shards).all(|(shard, d)| shard.id == d.id && shard.range == d.range);
    let mut found = Vec::new();
    if !same {
        found.push(Violation::DemandOfOtherShards);
    }
    for shard in &demand.shards {
        let segments: Vec<_> = shard.segments.iter().map(|segment| segment.range).collect();
        if replay::cover(shard.range, &segments).is_err() {
            found.push(Violation::Segments { shard: shard.id.clone() });
        }
    }
    found
}

/// What in the snapshot itself and the policy bars every step.
fn bars(identity: &PlanIdentity, snapshot: &Snapshot, policy: &ScalingPolicy) -> Vec<Violation> {
    let summary = &snapshot.summary;
    let mut found = Vec::new();
    if let Err(flaw) = replay::cover(HashKeyRange::WHOLE, &identity.start) {
        found.push(Violation::NotExactCover { steps: 0, flaw });
    }
    let listed = snapshot.shards.iter().filter(|shard| !shard.closed).count();
    if listed != summary.open_shard_count {
        found.push(Violation::ShardCountMismatch { listed, described: summary.open_shard_count });
    }
    if summary.status != StreamStatus::Active {
        found.push(Violation::NotActive { status: summary.status });
    }
    if summary.mode != StreamMode::Provisioned {
        found.push(Violation::OnDemand);
    }
    if policy.suspend {
        found.push(Violation::Suspended);
    }
    found
}

fn budgets(identity: &PlanIdentity, policy: &ScalingPolicy, demand: &Demand) -> Vec<Violation> {
    let mut found = Vec::new();
    let (steps, budget) = (identity.steps.len(), policy.budgets.max_steps_per_plan);
    if steps > budget as usize {
        found.push(Violation::StepBudget { steps, budget });
    }
    let merges = identity.steps.iter().filter(|step| matches!(step, Step::Merge { .. })).count();
    let (before, budget) = (demand.merges_in_the_last_day, policy.budgets.max_merges_per_day);
    if merges > 0 && merges + before as usize > budget as usize {
        found.push(Violation::MergeBudget { merges, before, budget });
    }
    found
}

/// All that the rules for a single step look at.
pub(super) struct Rules<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a ScalingPolicy,
    pub(super) demand: &'a Demand,
    pub(super) in_force: InForce,
    pub(super) limits: Limits,
    pub(super) decided_by: Loads,
    pub(super) known: Known<'a>,
}

impl Rules<'_> {
    /// Takes the steps one by one and checks each, and the cover that it leaves.
    fn walk(&self, identity: &PlanIdentity) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut open = identity.start.clone();
        let mut covered = replay::cover(HashKeyRange::WHOLE, &open).is_ok();
        for (index, step) in identity.steps.iter().enumerate() {
            let flaws = match replay::take(step, &mut open) {
                Ok(effect) => self.flaws(step, &effect, identity.steps.len()),
                Err(flaw) => vec![flaw],
            };
            let number = index + 1;
            found.extend(flaws.into_iter().map(|flaw| Violation::Step { number, step: step.clone(), flaw }));
            // A broken cover stays broken: its first state tells.
            if covered && let Err(flaw) = replay::cover(HashKeyRange::WHOLE, &open) {
                covered = false;
                found.push(Violation::NotExactCover { steps: number, flaw });
            }
        }
        found
    }

    fn flaws(&self, step: &Step, effect: &Effect, steps: usize) -> Vec<StepFlaw> {
        let cured = |stop: &&Hold| {
            matches!(step, Step::EnableShardMetrics { .. }) && matches!(stop, Hold::ShardMetricsOff { .. })
        };
        let stops = self.demand.stops.iter().filter(|stop| !cured(stop));
        let mut found: Vec<_> = stops.cloned().map(StepFlaw::Stopped).collect();
        match step {
            Step::Split { at, .. } => {
                if !self.known.may_be_cut_at(*at) {
                    found.push(StepFlaw::CutsSegment(*at));
                }
                found.extend(self.split_flaws(effect));
            }
            Step::Merge { .. } => found.extend(self.merge_flaws(effect)),
            Step::UpdateShardCount { from, to } => {
                if steps > 1 {
                    found.push(StepFlaw::NotAlone);
                }
                found.extend(self.count_flaws(*from, *to, effect));
                return found;
            }
            Step::EnableShardMetrics { metrics } => {
                if self.policy.metrics.enhanced_monitoring != EnhancedMonitoring::Manage {
                    found.push(StepFlaw::MonitoringNotManaged);
                }
                if metrics.is_empty() {
                    found.push(StepFlaw::NoMetrics);
                }
                let on = &self.snapshot.summary.enhanced_metrics;
                for (i, metric) in metrics.iter().enumerate() {
                    if on.iter().any(|name| name == metric.name()) || metrics[..i].contains(metric) {
                        found.push(StepFlaw::MetricIsOn(*metric));
                    }
                }
            }
        }
        found.extend(self.raised_load(effect));
        found
    }

    fn split_flaws(&self, effect: &Effect) -> Vec<StepFlaw> {
        let mut found: Vec<_> = self.demand.split_bars.iter().cloned().map(StepFlaw::SplitBarred).collect();
        if !self.in_force.allow.scale_up() {
            found.push(StepFlaw::Frozen);
        }
        let owners: Vec<_> = effect.consumed.iter().flat_map(|range| self.known.owners(*range)).collect();
        for owner in &owners {
            if let Some(hold) = &owner.split_guard {
                found.push(StepFlaw::SplitGuarded { shard: owner.id.clone(), hold: hold.clone() });
            }
        }
        let count = effect.count;
        let max = self.in_force.bounds.max();
        if count > max as usize {
            found.push(StepFlaw::AboveMaxShards { count, max });
        }
        let limit = self.demand.scale_up_limit;
        if count > limit as usize && !owners.iter().any(|owner| owner.rejecting) {
            found.push(StepFlaw::AboveScaleUpLimit { count, limit });
        }
        found
    }

    fn merge_flaws(&self, effect: &Effect) -> Vec<StepFlaw> {
        let mut found: Vec<_> = self.demand.merge_bars.iter().cloned().map(StepFlaw::MergeBarred).collect();
        if !self.in_force.allow.scale_down() {
            found.push(StepFlaw::Frozen);
        }
        for owner in effect.made.iter().flat_map(|range| self.known.owners(*range)) {
            if let Some(hold) = &owner.merge_guard {
                found.push(StepFlaw::MergeGuarded { shard: owner.id.clone(), hold: hold.clone() });
            }
            if owner.evidence != Evidence::Measured {
                let (shard, evidence) = (owner.id.clone(), owner.evidence);
                found.push(StepFlaw::MergeOfUnmeasured { shard, evidence });
            }
        }
        for part in effect.made.iter().flat_map(|range| self.known.divided(*range)) {
            if part.density != Evidence::Measured {
                found.push(StepFlaw::MergeOfUnknownPart { shard: part.id.clone(), density: part.density });
            }
        }
        let count = effect.count;
        let min = self.in_force.bounds.min();
        if count < min as usize {
            found.push(StepFlaw::BelowMinShards { count, min });
        }
        let limit = self.demand.scale_down_limit;
        if count < limit as usize {
            found.push(StepFlaw::BelowScaleDownLimit { count, limit });
        }
        for range in &effect.made {
            let (_, peaks) = self.known.loads_and_peaks(*range);
            for (dimension, load, limit) in by_dimension(peaks, self.limits.pack) {
                if load > limit {
                    let fell = self.fell(dimension, load);
                    found.push(StepFlaw::PeakAbovePackLimit { dimension, load, limit, fell });
                }
            }
        }
        found
    }

    /// Whether a made range lies above the pack limit and above each range that was consumed.
    fn raised_load(&self, effect: &Effect) -> Vec<StepFlaw> {
        let loads = |range: &HashKeyRange| self.known.loads_and_peaks(*range).0;
        let was = effect.consumed.iter().map(loads).fold(Loads::default(), Loads::max);
        let mut found = Vec::new();
        for made in effect.made.iter().map(loads) {
            for (dimension, load, limit) in by_dimension(made, self.limits.pack.max(was)) {
                if load > limit {
                    found.push(StepFlaw::RaisesLoad { dimension, load, fell: self.fell(dimension, load) });
                }
            }
        }
        found
    }

    /// The target that has fallen since the plan was decided, where this load was within what it let pack.
    pub(super) fn fell(&self, dimension: Dimension, load: Load) -> Option<TargetFell> {
        let (from, to) = (self.decided_by.of(dimension), self.limits.trigger.of(dimension));
        let was_within = load <= self.policy.packed(self.decided_by).of(dimension);
        (self.policy.learns(dimension) && from > to && was_within).then_some(TargetFell { from, to })
    }
}

pub(super) fn by_dimension(loads: Loads, limits: Loads) -> impl Iterator<Item = (Dimension, Load, Load)> {
    let (loads, limits) = (loads.as_array(), limits.as_array());
    Dimension::SPLITTABLE.into_iter().enumerate().map(move |(i, dimension)| (dimension, loads[i], limits[i]))
}
