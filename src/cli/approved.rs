//! A plan that a person has looked at: found in its file, not older than it may be, and still fit
//! for the stream as it is now.

use anyhow::{anyhow, bail};
use jiff::{SignedDuration, Timestamp};

use super::documents::{self, FiledPlan};
use crate::checks::{self, StepFlaw, Violation};
use crate::demand::Demand;
use crate::plan::{Plan, PlanIdentity};
use crate::policy::{Mode, ScalingPolicy};
use crate::resource::DurationText;
use crate::snapshot::Snapshot;
use crate::stream::OpenShards;

/// A plan that a person gave.
///
/// The plan's hash binds what is done, not when it was made: `observedAt` is believed as the file
/// has it. Its expiry keeps an old plan from being given by mistake; whoever would edit the file
/// could as well edit the manifest beside it, which says that plans expire.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Approved {
    pub plan: Plan,
    /// When it was made, where its approval expires: in mode Approve.
    expires_from: Option<Timestamp>,
}

impl Approved {
    /// The plan for the stream of `policy`.
    pub fn find(plans: &[FiledPlan], policy: &ScalingPolicy) -> anyhow::Result<Approved> {
        let arn = |filed: &FiledPlan| filed.plan.identity.stream_arn.clone();
        let is_it = |plan: &&FiledPlan| {
            let arn = arn(plan);
            documents::is_stream(&policy.stream, arn.rsplit('/').next().unwrap_or_default(), &arn)
        };
        let mut own = plans.iter().filter(is_it);
        match (own.next(), own.next()) {
            (Some(filed), None) => Approved::new(filed, policy),
            (Some(_), Some(_)) => {
                bail!("the plan file holds several plans for the stream {}", policy.stream.name)
            }
            (None, _) => {
                let arns: Vec<_> = plans.iter().map(arn).collect();
                bail!(
                    "the plan file holds no plan for the stream {}, only for {}",
                    policy.stream.name,
                    arns.join(", ")
                )
            }
        }
    }

    /// In mode Approve the document has to say when the plan was made.
    fn new(filed: &FiledPlan, policy: &ScalingPolicy) -> anyhow::Result<Approved> {
        let FiledPlan { plan, observed_at } = filed.clone();
        match (policy.mode, observed_at) {
            (Mode::DryRun | Mode::Apply, _) => Ok(Approved { plan, expires_from: None }),
            (Mode::Approve, Some(_)) => Ok(Approved { plan, expires_from: observed_at }),
            (Mode::Approve, None) => bail!(
                "the plan {} for the stream {} does not say when it was made, and approval.expireAfter is {}: \
                 give the whole document that `reshard plan -o json` prints, with its observedAt",
                plan.hash,
                policy.stream.name,
                DurationText::from(policy.approval.expire_after)
            ),
        }
    }

    /// Whether the plan is too old by AWS's clock, or made later than now, which none is.
    pub fn expire(&self, policy: &ScalingPolicy, now: Timestamp) -> anyhow::Result<()> {
        let Some(made_at) = self.expires_from else { return Ok(()) };
        if made_at > now.saturating_add(CLOCKS_DIFFER)? {
            bail!(
                "the plan {} says that it was made at {made_at}, and it is {now} now: plan anew",
                self.plan.hash
            );
        }
        let expire_after = policy.approval.expire_after;
        if SignedDuration::try_from(expire_after).is_ok_and(|lasts| now.duration_since(made_at) > lasts) {
            bail!(
                "the plan {} was made at {made_at}; approval.expireAfter is {}: plan anew",
                self.plan.hash,
                DurationText::from(expire_after)
            );
        }
        Ok(())
    }

    /// Whether what is left of the plan may still be carried out: the checks pass its steps on the stream as it is
    /// now. A learned target that has fallen since refuses it only where a shard would lie above it. The limits are
    /// believed as the file has them, for no more than that is ever packed. A plan that does not fit the shards is
    /// refused by the executor, which says where.
    pub fn admit(&self, snapshot: &Snapshot, policy: &ScalingPolicy, demand: &Demand) -> anyhow::Result<()> {
        let Some(left) = left_of(&self.plan, snapshot) else { return Ok(()) };
        checks::check_steps(&left, self.plan.limits.trigger, snapshot, policy, demand)
            .map_err(|violations| barred(&self.plan, violations.as_slice()))
    }
}

/// By how much the clocks of two of AWS's servers may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// Why an approved plan is not carried out: not yet, or not any more.
fn barred(plan: &Plan, violations: &[Violation]) -> anyhow::Error {
    let told = match violations {
        [one] => one.to_string(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
        [] => String::new(),
    };
    let hash = &plan.hash;
    if violations.iter().all(passes_with_time) {
        anyhow!("the plan {hash} may not be carried out yet: {told}; give it again later")
    } else {
        anyhow!("the plan {hash} may not be carried out any more: {told}; plan anew")
    }
}

/// Whether waiting can lift what bars a step.
fn passes_with_time(violation: &Violation) -> bool {
    match violation {
        Violation::NotActive { .. } | Violation::ShardCountMismatch { .. } => true,
        Violation::Step { flaw, .. } => match flaw {
            StepFlaw::Stopped(hold)
            | StepFlaw::SplitBarred(hold)
            | StepFlaw::MergeBarred(hold)
            | StepFlaw::SplitGuarded { hold, .. }
            | StepFlaw::MergeGuarded { hold, .. } => hold.passes_with_time(),
            StepFlaw::Frozen
            | StepFlaw::MergeOfUnmeasured { .. }
            | StepFlaw::AboveScaleUpLimit { .. }
            | StepFlaw::BelowScaleDownLimit { .. } => true,
            _ => false,
        },
        _ => false,
    }
}

/// The steps that the stream does not show yet; `None` where the plan does not fit it, or is
/// another stream's.
fn left_of(plan: &Plan, snapshot: &Snapshot) -> Option<PlanIdentity> {
    let (planned, found) = (&plan.identity, &snapshot.summary);
    if (&planned.stream_arn, planned.stream_created_at) != (&found.arn, found.created_at) {
        return None;
    }
    let open: Vec<_> = OpenShards::tile(&snapshot.shards).ok()?.ranges().collect();
    (0..=plan.steps().len()).find_map(|count| {
        let start = plan.projected_ranges(count).ok().filter(|ranges| *ranges == open)?;
        let steps = plan.steps().get(count..)?.to_vec();
        Some(PlanIdentity { start, steps, ..plan.identity.clone() })
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cost::fixtures;
    use crate::demand::Segment;
    use crate::demand::unhindered::{unhindered, unhindered_shard};
    use crate::load::Load;
    use crate::plan::Hold;
    use crate::quota::Dimension;
    use crate::stream::{Shard, ShardId};

    #[test]
    fn of_a_plan_that_is_half_done_the_rest_is_left() {
        let mut sample = fixtures::one_hot_shard();
        fixtures::merge(&mut sample, 0);
        let left = left_of(&sample.plan, &sample.snapshot).expect("it fits");
        assert_eq!(left, sample.plan.identity);
        let ranges = sample.plan.projected_ranges(1).expect("steps fit");
        let template = sample.snapshot.shards[0].clone();
        sample.snapshot.shards =
            ranges.iter().map(|range| Shard { range: *range, ..template.clone() }).collect();
        let left = left_of(&sample.plan, &sample.snapshot).expect("it fits");
        assert_eq!((left.start, left.steps.as_slice()), (ranges, &sample.plan.steps()[1..]));
        sample.snapshot.shards.pop();
        assert_eq!(left_of(&sample.plan, &sample.snapshot), None);
    }

    #[test]
    fn the_plan_of_a_file_is_found_by_its_stream() {
        let sample = fixtures::one_hot_shard();
        let plans = [FiledPlan { plan: sample.plan.clone(), observed_at: None }];
        assert_eq!(Approved::find(&plans, &sample.policy).expect("one plan").plan, sample.plan);
        let twice = [plans[0].clone(), plans[0].clone()];
        assert!(Approved::find(&twice, &sample.policy).is_err());
        let other = ScalingPolicy::for_stream("clicks", 8);
        let told = Approved::find(&plans, &other).expect_err("another stream").to_string();
        assert!(told.contains("no plan for the stream clicks, only for arn:aws:kinesis"), "{told}");
    }

    #[test]
    fn in_mode_approve_a_plan_expires_and_one_without_a_time_is_refused() {
        let sample = fixtures::one_hot_shard();
        let made_at = sample.snapshot.observed_at;
        let filed = |observed_at| [FiledPlan { plan: sample.plan.clone(), observed_at }];
        let mut policy = sample.policy.clone();
        policy.approval.expire_after = Duration::from_secs(4 * 3_600);
        let last = made_at + SignedDuration::from_hours(4);
        let late = last + SignedDuration::from_secs(1);

        for mode in [Mode::DryRun, Mode::Apply] {
            policy.mode = mode;
            for observed_at in [None, Some(made_at)] {
                let plan = Approved::find(&filed(observed_at), &policy).expect("no approval is asked for");
                plan.expire(&policy, late).expect("no approval is asked for");
            }
        }
        policy.mode = Mode::Approve;
        let plan = Approved::find(&filed(Some(made_at)), &policy).expect("it has a time");
        plan.expire(&policy, last).expect("not yet expired");
        let before = made_at - SignedDuration::from_secs(61);
        let told = plan.expire(&policy, before).expect_err("from the future").to_string();
        assert!(told.contains("says that it was made at 2026-11-22T04:17:31Z"), "{told}");
        plan.expire(&policy, made_at - SignedDuration::from_secs(60)).expect("clocks differ");
        let told = plan.expire(&policy, late).expect_err("expired").to_string();
        let expected = "was made at 2026-11-22T04:17:31Z; approval.expireAfter is 4h: plan anew";
        assert!(told.ends_with(expected), "{told}");
        let told = Approved::find(&filed(None), &policy).expect_err("without a time").to_string();
        assert!(told.contains("does not say when it was made") && told.contains("observedAt"), "{told}");
    }

    #[test]
    fn a_learned_target_that_fell_refuses_a_plan_only_above_it_and_says_so() {
        let mut sample = fixtures::even(4, 290_000);
        fixtures::merge(&mut sample, 0);
        let policy = &mut sample.policy;
        policy.targets.learned = vec![Dimension::IngestBytes];
        sample.plan.limits = policy.limits(Some(Load::from_percent(75)));
        let shards = sample.snapshot.shards.iter().zip(&sample.plan.before).map(|(shard, load)| {
            let segment = Segment { range: shard.range, loads: load.loads, peak_loads: load.peak_loads };
            unhindered_shard(shard.id.clone(), shard.range, vec![segment])
        });
        let mut demand = unhindered(shards.collect());
        let approved = Approved { plan: sample.plan.clone(), expires_from: None };
        let mut admit = |percent| {
            demand.learned_target = Some(Load::from_percent(percent));
            approved.admit(&sample.snapshot, &sample.policy, &demand).map_err(|refused| refused.to_string())
        };
        // Both together have 58 %, and by 75 shards are packed to 60.
        assert_eq!(admit(60), Ok(()));
        let told = admit(55).expect_err("above the target");
        let since = ": the learned target fell from 75.0 % to 55.0 % since the plan was made";
        assert!(told.contains(since) && told.ends_with("; plan anew"), "{told}");
    }

    #[test]
    fn a_plan_that_has_to_wait_is_told_from_one_that_no_longer_fits() {
        let plan = fixtures::one_hot_shard().plan;
        let flaw = |flaw| Violation::Step { number: 2, step: plan.steps()[0].clone(), flaw };
        let shard = ShardId::new("shardId-000000000007");
        let guarded = |hold| flaw(StepFlaw::SplitGuarded { shard: shard.clone(), hold });
        let young = guarded(Hold::MetricsSettling { shards: vec![shard.clone()] });
        let rate = flaw(StepFlaw::AboveScaleUpLimit { count: 9, limit: 8 });
        let above = flaw(StepFlaw::AboveMaxShards { count: 9, max: 8 });
        let off = guarded(Hold::OnDemandStream);
        let cases: [(&[&Violation], &str, &str); 5] = [
            (&[&young], "not be carried out yet: step 2,", "; give it again later"),
            (&[&young, &rate], "not be carried out yet: step 2,", " (and 1 more); give it again later"),
            (&[&above], "not be carried out any more: step 2,", "; plan anew"),
            (&[&young, &above], "not be carried out any more: step 2,", " (and 1 more); plan anew"),
            (&[&off], "not be carried out any more: step 2,", "; plan anew"),
        ];
        for (violations, begins, ends) in cases {
            let violations: Vec<_> = violations.iter().map(|violation| (*violation).clone()).collect();
            let told = barred(&plan, &violations).to_string();
            assert!(told.contains(begins) && told.ends_with(ends), "{told}");
        }
    }
}
