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
    use crate::demand::fixture::{self, Story, by_width, percent};
    use crate::hash_key::HashKeyRange;
    use crate::plan::{Hold, Step};
    use crate::policy::UpdateShardCount;

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

    #[test]
    fn two_shards_that_were_split_and_merged_twice_have_used_up_a_budget_of_two_merges() {
        let traffic = |range: HashKeyRange| by_width(range, percent(10));
        let mut story = Story::of(2);
        story.pass(10, traffic);
        for _ in 0..2 {
            let [low, high] = story.split(*story.open_shards().last().expect("two are open"));
            story.pass(10, traffic);
            story.merge(low, high, false);
            story.pass(20, traffic);
        }
        let merge_budget = Hold::MergeBudget { max_merges_per_day: 2, merged: 2 };
        for update_shard_count in
            [UpdateShardCount::Never, UpdateShardCount::Emergency, UpdateShardCount::Auto]
        {
            let mut policy = ScalingPolicy { update_shard_count, ..fixture::policy() };
            let decided = |policy: &ScalingPolicy| {
                let plan = decide(&story.snapshot(), policy).expect("no veto").plan;
                (plan.steps().len(), plan.holds.contains(&merge_budget))
            };
            policy.budgets.max_merges_per_day = 2;
            assert_eq!(decided(&policy), (0, true), "{update_shard_count:?}");
            policy.budgets.max_merges_per_day = 3;
            assert_eq!(decided(&policy), (1, false), "{update_shard_count:?}");
        }
    }
}
