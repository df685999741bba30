//! A decision that the checks have passed: what may be shown and carried out. The checks know
//! neither decision nor planner, so the two meet here.

use crate::checks::{self, Violations};
use crate::decision::{self, Decision};
use crate::plan::Plan;
use crate::policy::{ApprovalRequired, Mode, ScalingPolicy};
use crate::snapshot::Snapshot;

/// Decides, and checks the plan.
///
/// # Errors
/// [`Violations`] where the checks veto the plan: a mistake of ours, that ends here.
pub fn decide(snapshot: &Snapshot, policy: &ScalingPolicy) -> Result<Decision, Violations> {
    let decision = decision::decide(snapshot, policy);
    checks::check(&decision.plan, snapshot, policy, &decision.demand)?;
    Ok(decision)
}

/// Whether a person has to approve the first step of `plan`. The loop takes one step and plans
/// anew, so what a later step needs is asked when that step comes first.
pub fn needs_approval(policy: &ScalingPolicy, plan: &Plan) -> bool {
    policy.mode == Mode::Approve
        && match policy.approval.required {
            ApprovalRequired::All => true,
            ApprovalRequired::ScaleDown => plan.steps().first().is_some_and(|step| step.shard_delta() < 0),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures;
    use crate::plan::Step;

    #[test]
    fn heat_does_not_wait_where_only_merges_need_approval() {
        let split = fixtures::one_hot_shard();
        let mut merge = fixtures::even(4, 10_000);
        fixtures::merge(&mut merge, 0);
        let mut heat_first = split.clone();
        fixtures::merge(&mut heat_first, 0);
        let deltas: Vec<_> = heat_first.plan.steps().iter().map(Step::shard_delta).collect();
        assert_eq!(deltas, [1, -1]);
        let mut policy = split.policy.clone();
        for (mode, required, expected) in [
            (Mode::Apply, ApprovalRequired::All, [false, false, false]),
            (Mode::Approve, ApprovalRequired::All, [true, true, true]),
            (Mode::Approve, ApprovalRequired::ScaleDown, [false, true, false]),
        ] {
            policy.mode = mode;
            policy.approval.required = required;
            let plans = [&split.plan, &merge.plan, &heat_first.plan];
            assert_eq!(plans.map(|plan| needs_approval(&policy, plan)), expected);
        }
    }
}
