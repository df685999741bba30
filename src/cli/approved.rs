//! A plan that a person has looked at: found in its file, not older than it may be, and still fit
//! for the stream as it is now.

use anyhow::{anyhow, bail};
use jiff::{SignedDuration, Timestamp};

use super::documents::{self, FiledPlan};
use crate::checks::{self, Violation};
use crate::demand::Demand;
use crate::load::Loads;
use crate::plan::{Hold, Plan, PlanIdentity};
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
    /// When it was made, where its file says so: in mode Approve it does.
    made_at: Option<Timestamp>,
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
        let FiledPlan { plan, observed_at: made_at } = filed.clone();
        if policy.mode == Mode::Approve && made_at.is_none() {
            bail!(
                "the plan {} for the stream {} does not say when it was made, and approval.expireAfter is {}: \
                 give the whole document that `reshard plan -o json` prints, with its observedAt",
                plan.hash,
                policy.stream.name,
                DurationText::from(policy.approval.expire_after)
            );
        }
        Ok(Approved { plan, made_at })
    }

    /// Whether the plan is too old by AWS's clock to be begun, or made later than now, which none is: in mode
    /// Approve.
    pub fn expire(&self, policy: &ScalingPolicy, snapshot: &Snapshot) -> anyhow::Result<()> {
        let now = snapshot.observed_at;
        let Some(made_at) = self.made_at.filter(|_| policy.mode == Mode::Approve) else { return Ok(()) };
        if made_at > now.saturating_add(CLOCKS_DIFFER)? {
            bail!(
                "the plan {} says that it was made at {made_at}, and it is {now} now: plan anew",
                self.plan.hash
            );
        }
        let expire_after = policy.approval.expire_after;
        let is_old =
            SignedDuration::try_from(expire_after).is_ok_and(|lasts| now.duration_since(made_at) > lasts);
        if is_old && !self.has_begun(snapshot) {
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
    ///
    /// One that was interrupted goes on: the checks have passed it, and the shards that it has made are too young
    /// to have told anything. As with the operator, only what stops a plan that has begun stops it.
    pub fn admit(&self, snapshot: &Snapshot, policy: &ScalingPolicy, demand: &Demand) -> anyhow::Result<()> {
        let Some((left, _)) = left_of(&self.plan, snapshot) else { return Ok(()) };
        let checked = checks::check_steps(&left, self.plan.limits.trigger, snapshot, policy, demand);
        let mut found = checked.err().map_or_else(Vec::new, |violations| violations.as_slice().to_vec());
        let targets = policy.limits(demand.learned_target).trigger;
        if self.has_begun(snapshot) {
            found.retain(|violation| violation.stops_what_has_begun(targets));
        }
        if found.is_empty() { Ok(()) } else { Err(barred(&self.plan, &found, targets)) }
    }

    /// Whether some of its steps are done, since it was made. An older plan than what can be known of a stream has
    /// not begun: whoever has made these shards may have meant something else.
    fn has_begun(&self, snapshot: &Snapshot) -> bool {
        let is_known = |made_at| snapshot.observed_at.duration_since(made_at) <= LOOK_BACK;
        self.made_at.is_some_and(is_known) && left_of(&self.plan, snapshot).is_some_and(|(_, done)| done > 0)
    }
}

/// As far as decisions look back: a day.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24);

/// By how much the clocks of two of AWS's servers may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// Why an approved plan is not carried out: not yet, or not any more. `targets` are those of now.
fn barred(plan: &Plan, violations: &[Violation], targets: Loads) -> anyhow::Error {
    let told = match violations {
        [one] => one.to_string(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
        [] => String::new(),
    };
    let hash = &plan.hash;
    // A hold that a person has to lift is no matter of time.
    let passes = |violation: &Violation| {
        violation.may_pass(targets) && violation.hold().is_none_or(Hold::passes_with_time)
    };
    if violations.iter().all(passes) {
        anyhow!("the plan {hash} may not be carried out yet: {told}; give it again later")
    } else {
        anyhow!("the plan {hash} may not be carried out any more: {told}; plan anew")
    }
}

/// The steps that the stream does not show yet, and how many it shows; `None` where the plan does not fit it, or
/// is another stream's.
fn left_of(plan: &Plan, snapshot: &Snapshot) -> Option<(PlanIdentity, usize)> {
    let (planned, found) = (&plan.identity, &snapshot.summary);
    if (&planned.stream_arn, planned.stream_created_at) != (&found.arn, found.created_at) {
        return None;
    }
    let open: Vec<_> = OpenShards::tile(&snapshot.shards).ok()?.ranges().collect();
    (0..=plan.steps().len()).find_map(|count| {
        let start = plan.projected_ranges(count).ok().filter(|ranges| *ranges == open)?;
        let steps = plan.steps().get(count..)?.to_vec();
        Some((PlanIdentity { start, steps, ..plan.identity.clone() }, count))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::checks::StepFlaw;
    use crate::cost::fixtures;
    use crate::demand::Segment;
    use crate::demand::unhindered::{unhindered, unhindered_shard};
    use crate::load::Load;
    use crate::quota::Dimension;
    use crate::stream::{Shard, ShardId};

    #[test]
    fn of_a_plan_that_is_half_done_the_rest_is_left() {
        let mut sample = fixtures::one_hot_shard();
        fixtures::merge(&mut sample, 0);
        let left = left_of(&sample.plan, &sample.snapshot).expect("it fits");
        assert_eq!(left, (sample.plan.identity.clone(), 0));
        let ranges = sample.plan.projected_ranges(1).expect("steps fit");
        let template = sample.snapshot.shards[0].clone();
        sample.snapshot.shards =
            ranges.iter().map(|range| Shard { range: *range, ..template.clone() }).collect();
        let (left, done) = left_of(&sample.plan, &sample.snapshot).expect("it fits");
        assert_eq!((left.start, left.steps.as_slice(), done), (ranges, &sample.plan.steps()[1..], 1));
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
        let seen_at = |observed_at| Snapshot { observed_at, ..sample.snapshot.clone() };
        let last = made_at + SignedDuration::from_hours(4);
        let late = seen_at(last + SignedDuration::from_secs(1));

        for mode in [Mode::DryRun, Mode::Apply] {
            policy.mode = mode;
            for observed_at in [None, Some(made_at)] {
                let plan = Approved::find(&filed(observed_at), &policy).expect("no approval is asked for");
                plan.expire(&policy, &late).expect("no approval is asked for");
            }
        }
        policy.mode = Mode::Approve;
        let plan = Approved::find(&filed(Some(made_at)), &policy).expect("it has a time");
        plan.expire(&policy, &seen_at(last)).expect("not yet expired");
        let before = made_at - SignedDuration::from_secs(61);
        let told = plan.expire(&policy, &seen_at(before)).expect_err("from the future").to_string();
        assert!(told.contains("says that it was made at 2026-11-22T04:17:31Z"), "{told}");
        plan.expire(&policy, &seen_at(made_at - SignedDuration::from_secs(60))).expect("clocks differ");
        let told = plan.expire(&policy, &late).expect_err("expired").to_string();
        let expected = "was made at 2026-11-22T04:17:31Z; approval.expireAfter is 4h: plan anew";
        assert!(told.ends_with(expected), "{told}");
        let told = Approved::find(&filed(None), &policy).expect_err("without a time").to_string();
        assert!(told.contains("does not say when it was made") && told.contains("observedAt"), "{told}");
    }

    #[test]
    fn a_plan_that_was_interrupted_goes_on_within_the_day_and_one_of_last_week_does_not() {
        let mut sample = fixtures::with_loads(&[210_000, 180_000, 1_430_000, 120_000]);
        fixtures::split(&mut sample, 2);
        fixtures::split(&mut sample, 2);
        let made_at = sample.snapshot.observed_at;
        let shows = |sample: &mut fixtures::Sample, count| {
            let template = sample.snapshot.shards[0].clone();
            let ranges = sample.plan.projected_ranges(count).expect("steps fit");
            sample.snapshot.shards =
                ranges.into_iter().map(|range| Shard { range, ..template.clone() }).collect();
            sample.snapshot.summary.open_shard_count = sample.snapshot.shards.len();
        };
        shows(&mut sample, 1);
        // The shard that is cut next is too young to have told anything, and where it would be cut is no place
        // where its parts begin.
        let shards = sample.snapshot.shards.iter().map(|shard| {
            let segment =
                Segment { range: shard.range, loads: Default::default(), peak_loads: Default::default() };
            let mut shard = unhindered_shard(shard.id.clone(), shard.range, vec![segment]);
            shard.split_guard = Some(Hold::MetricsSettling { shards: vec![shard.id.clone()] });
            shard
        });
        let demand = unhindered(shards.collect());
        let admit = |sample: &fixtures::Sample, made_at| {
            let approved = Approved { plan: sample.plan.clone(), made_at };
            let admitted = approved.admit(&sample.snapshot, &sample.policy, &demand);
            admitted.map_err(|refused| refused.to_string())
        };
        assert_eq!(admit(&sample, Some(made_at)), Ok(()));
        for unknown in [None, Some(made_at - SignedDuration::from_hours(25))] {
            let told = admit(&sample, unknown).expect_err("who has made these shards is not known");
            assert!(told.contains("no segment of the demand starts at"), "{told}");
        }
        let mut bounded = sample.clone();
        bounded.policy.bounds = ScalingPolicy::for_stream("orders", 5).bounds;
        let told = admit(&bounded, Some(made_at)).expect_err("out of bounds");
        assert!(told.contains("it makes 6 shards, and 5 are the most"), "{told}");

        // Expiry bounds the start.
        sample.policy.mode = Mode::Approve;
        sample.policy.approval.expire_after = Duration::from_secs(3_600);
        let approved = Approved { plan: sample.plan.clone(), made_at: Some(made_at) };
        sample.snapshot.observed_at = made_at + SignedDuration::from_hours(2);
        approved.expire(&sample.policy, &sample.snapshot).expect("it has begun");
        shows(&mut sample, 0);
        approved.expire(&sample.policy, &sample.snapshot).expect_err("it has not");
    }

    #[test]
    fn a_peak_past_or_foreseen_lets_a_plan_wait_and_the_load_of_now_ends_it() {
        let mut sample = fixtures::even(4, 200_000);
        fixtures::merge(&mut sample, 0);
        let approved = Approved { plan: sample.plan.clone(), made_at: None };
        let admit = |load: u64, peak: u64| {
            let [loads, peak_loads] =
                [load, peak].map(|load| crate::load::Loads::from_array([Load(load); 3]));
            let shards = sample.snapshot.shards.iter().map(|shard| {
                let segment = Segment { range: shard.range, loads, peak_loads };
                unhindered_shard(shard.id.clone(), shard.range, vec![segment])
            });
            let admitted = approved.admit(&sample.snapshot, &sample.policy, &unhindered(shards.collect()));
            admitted.map_err(|refused| refused.to_string())
        };
        // Packed to 56 %, with a target of 70.
        assert_eq!(admit(200_000, 280_000), Ok(()));
        let told = admit(200_000, 400_000).expect_err("the peak");
        assert!(
            told.contains("may not be carried out yet: step 1,") && told.contains("at 80.0 % in"),
            "{told}"
        );
        let told = admit(300_000, 300_000).expect_err("below its target");
        assert!(told.contains("may not be carried out yet: step 1,"), "{told}");
        let told = admit(360_000, 400_000).expect_err("above its target");
        assert!(told.ends_with("; plan anew"), "{told}");
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
        let approved = Approved { plan: sample.plan.clone(), made_at: None };
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
        let targets = plan.limits.trigger;
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
            let told = barred(&plan, &violations, targets).to_string();
            assert!(told.contains(begins) && told.ends_with(ends), "{told}");
        }
    }
}
