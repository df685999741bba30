//! The way from a snapshot to what a command shows: decide, check, report.

use crate::cost::Prices;
pub(super) use crate::decision::Decision;
use crate::policy::ScalingPolicy;
use crate::report::Report;
use crate::snapshot::Snapshot;
use crate::vetted;

/// A plan that the checks let pass: a mistake of ours ends here.
pub(super) fn decide(snapshot: &Snapshot, policy: &ScalingPolicy) -> anyhow::Result<Decision> {
    vetted::decide(snapshot, policy)
        .map_err(|violations| anyhow::anyhow!("internal error, the plan is not carried out: {violations}"))
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
