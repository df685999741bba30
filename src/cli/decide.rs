//! The way from a snapshot to a plan that may be shown and carried out: decide, check, report.

use crate::checks;
use crate::cost::Prices;
use crate::decision;
pub(super) use crate::decision::Decision;
use crate::plan::Plan;
use crate::policy::{ApprovalRequired, Mode, ScalingPolicy};
use crate::report::Report;
use crate::snapshot::Snapshot;

/// A plan that the checks let pass: a mistake of ours ends here.
pub(super) fn decide(snapshot: &Snapshot, policy: &ScalingPolicy) -> anyhow::Result<Decision> {
    let decision = decision::decide(snapshot, policy);
    checks::check(&decision.plan, snapshot, policy, &decision.demand)
        .map_err(|violations| anyhow::anyhow!("internal error, nothing was done: {violations}"))?;
    Ok(decision)
}

/// The report of a decision.
pub(super) fn report(
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    decision: &Decision,
    prices: &Prices,
) -> Report {
    Report::new(snapshot, policy, &decision.demand.summary, &decision.plan, prices)
}

/// Whether a person has to approve `plan` before any of it is done.
pub(super) fn needs_approval(policy: &ScalingPolicy, plan: &Plan) -> bool {
    policy.mode == Mode::Approve
        && match policy.approval.required {
            ApprovalRequired::All => true,
            ApprovalRequired::ScaleDown => plan.steps().iter().any(|step| step.shard_delta() < 0),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures;

    #[test]
    fn heat_does_not_wait_where_only_merges_need_approval() {
        let split = fixtures::one_hot_shard();
        let mut merge = fixtures::even(4, 10_000);
        fixtures::merge(&mut merge, 0);
        let mut policy = split.policy.clone();
        for (mode, required, expected) in [
            (Mode::Apply, ApprovalRequired::All, [false, false]),
            (Mode::Approve, ApprovalRequired::All, [true, true]),
            (Mode::Approve, ApprovalRequired::ScaleDown, [false, true]),
        ] {
            policy.mode = mode;
            policy.approval.required = required;
            assert_eq!([&split.plan, &merge.plan].map(|plan| needs_approval(&policy, plan)), expected);
        }
    }
}
