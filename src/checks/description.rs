//! Whether a plan describes itself truly: hash, limits, explanations, projection, what it leads to.

use super::known::Known;
use super::replay;
use super::violation::Violation;
use crate::demand::Demand;
use crate::hash_key::HashKeyRange;
use crate::plan::{Plan, RangeLoad};
use crate::policy::ScalingPolicy;
use crate::snapshot::Snapshot;

/// Everything that a plan says of itself and that is not so.
pub(super) fn violations(
    plan: &Plan,
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    demand: &Demand,
) -> Vec<Violation> {
    let mut found = Vec::new();
    let expected = plan.identity.hash();
    if plan.hash != expected {
        found.push(Violation::Hash { found: plan.hash.clone(), expected });
    }
    if plan.limits != policy.limits(demand.learned_target) {
        found.push(Violation::Limits);
    }
    // Where something stops every step, nobody knows what the stream needs.
    let bounds = policy.in_force(snapshot.observed_at).bounds;
    let (desired, min, max) = (plan.desired_shards, bounds.min(), bounds.max());
    if demand.stops.is_empty() && !(min..=max).contains(&desired) {
        found.push(Violation::Desired { desired, min, max });
    }
    found.extend(projection(plan, &Known::from(demand)));
    found
}

fn projection(plan: &Plan, known: &Known<'_>) -> Vec<Violation> {
    let (explanations, steps) = (plan.explanations.len(), plan.steps().len());
    let mut open = plan.identity.start.clone();
    let mut found = state_flaws(0, &plan.before, &open, known);
    if explanations != steps {
        found.push(Violation::ExplanationCount { explanations, steps });
    }
    for (index, step) in plan.steps().iter().enumerate() {
        // That a step cannot be taken is found among the rules for steps.
        let Ok(effect) = replay::take(step, &mut open) else { continue };
        let Some(explanation) = plan.explanations.get(index) else { continue };
        let number = index + 1;
        let told = [(&explanation.before, &effect.consumed), (&explanation.after, &effect.made)];
        if told.iter().any(|(told, ranges)| !state_flaws(number, told, ranges, known).is_empty()) {
            found.push(Violation::Explanation { number });
        }
    }
    // Without a step `before` and `after` are the same, but written twice.
    found.extend(state_flaws(steps, &plan.after, &open, known));
    found
}

/// What is wrong with what the plan tells of `ranges` after `steps` steps.
fn state_flaws(
    steps: usize,
    told: &[RangeLoad],
    ranges: &[HashKeyRange],
    known: &Known<'_>,
) -> Vec<Violation> {
    if !told.iter().map(|told| &told.range).eq(ranges) {
        return vec![Violation::ProjectedRanges { steps }];
    }
    let mut found = Vec::new();
    for RangeLoad { range, loads, peak_loads, evidence } in told {
        if (*loads, *peak_loads) != known.loads_and_peaks(*range) {
            found.push(Violation::ProjectedLoads { steps, range: *range });
        }
        let worst = known.evidence(*range);
        if *evidence < worst {
            found.push(Violation::OverstatedEvidence { range: *range, claimed: *evidence, known: worst });
        }
    }
    found
}
