//! The way of a plan: proposed, kept, approved, begun, done; or ended, each time with its reason.

use std::time::Duration;

use super::*;
use crate::cost::fixtures::{self, Sample};
use crate::demand::unhindered::{unhindered, unhindered_shard};
use crate::demand::{Demand, Segment};
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold, PlanHash, StepReason};
use crate::policy::ApprovalRequired;
use crate::stream::{Shard, StreamStatus};

mod count;

/// A stream in mode Approve, told from the sample's shards and loads.
struct World {
    sample: Sample,
    decision: Decision,
    status: Status,
    approval: Option<String>,
}

/// Four segments with a quarter of the load each: halves may be cut in halves.
fn quarters(range: crate::hash_key::HashKeyRange, loads: Loads) -> Vec<Segment> {
    let halve = |range: crate::hash_key::HashKeyRange| {
        let at = range.inner_boundaries(2).next().expect("two halves");
        let (low, high) = range.split(at).expect("wide");
        [low, high]
    };
    let quarter = Loads::from_array(loads.as_array().map(|load| Load(load.0 / 4)));
    let ranges = halve(range).into_iter().flat_map(halve);
    ranges.map(|range| Segment { range, loads: quarter, peak_loads: quarter }).collect()
}

fn demand_of(sample: &Sample) -> Demand {
    let shards = sample.snapshot.shards.iter().filter(|shard| !shard.closed).map(|shard| {
        let within = |load: &&crate::plan::RangeLoad| load.range == shard.range;
        let loads = sample.plan.before.iter().find(within).map(|load| load.loads).unwrap_or_default();
        unhindered_shard(shard.id.clone(), shard.range, quarters(shard.range, loads))
    });
    unhindered(shards.collect())
}

impl World {
    fn new(mut sample: Sample) -> World {
        sample.policy.mode = Mode::Approve;
        sample.policy.approval.required = ApprovalRequired::All;
        sample.policy.approval.expire_after = Duration::from_secs(3_600);
        let decision = Decision { demand: demand_of(&sample), plan: sample.plan.clone() };
        World { sample, decision, status: Status::default(), approval: None }
    }

    /// Four shards of which the third is hot.
    fn hot() -> World {
        World::new(fixtures::one_hot_shard())
    }

    /// Four cold shards of which the first two are to be merged.
    fn cold() -> World {
        let mut sample = fixtures::even(4, 100_000);
        fixtures::merge(&mut sample, 0);
        World::new(sample)
    }

    fn consider(&self) -> Answer {
        consider(&Question {
            policy: &self.sample.policy,
            snapshot: &self.sample.snapshot,
            decision: &self.decision,
            summary: "a plan",
            status: &self.status,
            approval: self.approval.as_deref(),
        })
    }

    /// A pass whose answer is written.
    fn pass(&mut self) -> Answer {
        let answer = self.consider();
        self.status.plan = answer.plan.clone();
        self.status.last_handled_approval = answer.handled.clone();
        answer
    }

    fn hash(&self) -> PlanHash {
        self.status.plan.as_ref().expect("a plan").hash.clone()
    }

    fn state(&self) -> Option<PlanState> {
        self.status.plan.as_ref().map(|plan| plan.state)
    }

    fn approve(&mut self) {
        self.approval = Some(self.hash().to_string());
    }

    /// The loads change to these, and nothing is wanted any more.
    fn now_carries(&mut self, ingest_bytes: &[u64]) {
        let Sample { snapshot, plan, .. } = fixtures::with_loads(ingest_bytes);
        self.decides(Sample { snapshot, policy: self.sample.policy.clone(), plan });
    }

    /// The fresh decision is the sample's.
    fn decides(&mut self, mut sample: Sample) {
        sample.policy = self.sample.policy.clone();
        sample.snapshot.observed_at = self.sample.snapshot.observed_at;
        self.decision = Decision { demand: demand_of(&sample), plan: sample.plan.clone() };
        self.sample = sample;
    }

    /// The stream shows the first `count` steps of `plan`, and nothing more is wanted.
    fn shows(&mut self, plan: &Plan, count: usize) {
        let ranges = plan.projected_ranges(count).expect("steps fit");
        let template = self.sample.snapshot.shards[0].clone();
        let shards = ranges.iter().enumerate().map(|(id, range)| Shard {
            id: crate::stream::ShardId::new(format!("shardId-{id:012}")),
            range: *range,
            ..template.clone()
        });
        self.sample.snapshot.shards = shards.collect();
        self.sample.snapshot.summary.open_shard_count = ranges.len();
        let loads = Loads::from_array([Load(100_000); 3]);
        self.sample.plan.before = ranges
            .iter()
            .map(|range| crate::plan::RangeLoad {
                range: *range,
                loads,
                peak_loads: loads,
                evidence: Evidence::Measured,
            })
            .collect();
        let mut quiet = self.sample.plan.clone();
        quiet.identity.start = ranges;
        quiet.identity.steps.clear();
        quiet.explanations.clear();
        quiet.hash = quiet.identity.hash();
        self.decision = Decision { demand: demand_of(&self.sample), plan: quiet };
    }

    fn later(&mut self, minutes: i64) {
        self.sample.snapshot.observed_at += SignedDuration::from_mins(minutes);
    }
}

fn ending(answer: &Answer) -> Option<&Ending> {
    answer.ended.as_ref().map(|(_, ending)| ending)
}

fn index(answer: &Answer) -> Option<usize> {
    match &answer.leave {
        Leave::Nothing => None,
        Leave::Step { index, .. } => Some(*index),
    }
}

#[test]
fn a_proposal_waits_for_its_hash_and_then_runs() {
    let mut world = World::hot();
    assert_eq!(index(&world.pass()), None);
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
    let proposed = world.status.plan.clone().expect("a plan");
    let hour = SignedDuration::from_hours(1);
    assert_eq!(proposed.expires_at, Some(world.sample.snapshot.observed_at + hour));
    world.later(10);
    world.pass();
    assert_eq!(world.status.plan, Some(proposed), "it stands, expiry included");
    world.approve();
    let answer = world.pass();
    assert_eq!(index(&answer), Some(0));
    let Leave::Step { plan, .. } = answer.leave else { panic!("it runs") };
    assert_eq!(plan.identity, world.decision.plan.identity, "the start is recovered");
    assert_eq!(world.state(), Some(PlanState::Running));
}

#[test]
fn in_mode_apply_the_fresh_plan_runs_and_in_dry_run_it_is_shown() {
    let mut world = World::hot();
    world.sample.policy.mode = Mode::Apply;
    assert_eq!(index(&world.pass()), Some(0));
    assert_eq!(world.state(), Some(PlanState::Running));
    world.sample.policy.mode = Mode::DryRun;
    assert_eq!(index(&world.pass()), None);
    assert_eq!(world.state(), Some(PlanState::Planned));
}

#[test]
fn a_shown_plan_is_not_replaced_by_one_that_cuts_a_little_elsewhere() {
    let mut world = World::hot();
    world.sample.policy.mode = Mode::DryRun;
    world.pass();
    let shown = world.hash();
    let Step::Split { range, .. } = world.decision.plan.identity.steps[0] else { panic!("a split") };
    let at = crate::hash_key::HashKey(range.start().0 + range.span() / 3);
    world.decision.plan.identity.steps[0] = Step::Split { range, at };
    world.decision.plan.hash = world.decision.plan.identity.hash();
    world.pass();
    assert_eq!(world.hash(), shown);
}

#[test]
fn a_standing_proposal_is_not_replaced_because_a_minutes_load_differs() {
    let mut world = World::hot();
    world.pass();
    let proposed = world.hash();
    // The target is 70 %, packed is up to 56 %: between the two nothing changes.
    for load in [1_390_000, 900_000, 690_000, 570_000] {
        world.now_carries(&[310_000, 280_000, load, 120_000]);
        assert_eq!(ending(&world.pass()), None, "{load}");
        assert_eq!(world.hash(), proposed, "{load}");
    }
    world.now_carries(&[310_000, 280_000, 550_000, 120_000]);
    assert_eq!(ending(&world.pass()), Some(&Ending::NoLongerWorth));
    assert_eq!(world.state(), None, "nobody had approved it");
}

#[test]
fn what_cannot_be_known_now_takes_no_proposal_back() {
    let mut world = World::hot();
    world.pass();
    world.now_carries(&[310_000, 280_000, 550_000, 120_000]);
    let stale = Hold::MetricsStale { newest: None, max_age_seconds: 300 };
    world.decision.demand.stops = vec![stale.clone()];
    assert_eq!(ending(&world.pass()), None);
    world.approve();
    let answer = world.pass();
    assert_eq!(index(&answer), None, "it waits");
    assert_eq!(world.state(), Some(PlanState::Approved));
    let message = answer.plan.and_then(|plan| plan.message).expect("why it waits");
    assert_eq!(message, format!("waits: {stale}"));
    world.decision.demand.stops.clear();
    assert_eq!(index(&world.pass()), Some(0), "approved, it is worth it to whoever approved it");
}

#[test]
fn a_proposal_expires_and_expiry_bounds_the_start_alone() {
    let mut world = World::hot();
    world.pass();
    let plan = world.decision.plan.clone();
    let proposed = world.hash();
    world.later(60);
    assert_eq!(ending(&world.consider()), None, "at the very end it may begin");
    world.later(1);
    world.approve();
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (Some(&Ending::Expired), None));
    assert_eq!(world.hash(), proposed, "the same plan is proposed anew");
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
    assert_eq!(answer.approval, Approval::UsedUp, "and the late approval is not one of it");
    // Taken away and given again it is.
    world.approval = None;
    world.pass();
    world.approve();
    assert_eq!(index(&world.pass()), Some(0));
    // Begun, it has all the time it needs.
    let mut two = fixtures::one_hot_shard();
    fixtures::split(&mut two, 2);
    let mut world = World::new(two);
    world.pass();
    let whole = world.decision.plan.clone();
    world.approve();
    world.pass();
    world.shows(&whole, 1);
    world.later(600);
    assert_eq!(index(&world.pass()), Some(1));
    assert_ne!(plan.hash, whole.hash);
}

#[test]
fn an_approved_plan_runs_whole_and_how_far_it_is_the_shards_tell() {
    let mut sample = fixtures::with_loads(&[210_000, 180_000, 1_430_000, 120_000]);
    fixtures::split(&mut sample, 2);
    fixtures::split(&mut sample, 2);
    fixtures::merge(&mut sample, 0);
    let mut world = World::new(sample);
    world.pass();
    world.approve();
    let plan = world.decision.plan.clone();
    for done in 0..plan.steps().len() {
        if done > 0 {
            world.shows(&plan, done);
        }
        // Whether or not what was answered last has been written.
        let answer = if done % 2 == 0 { world.pass() } else { world.consider() };
        let Leave::Step { plan: run, index } = answer.leave else { panic!("step {done} is to run") };
        assert_eq!((index, &run.identity), (done, &plan.identity));
    }
    world.shows(&plan, plan.steps().len());
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (Some(&Ending::Done), None));
    assert_eq!(world.state(), Some(PlanState::Done));
    assert_eq!(ending(&world.pass()), None, "it is told once");
    assert_eq!(world.state(), Some(PlanState::Done), "and shown until there is another");
}

#[test]
fn an_approval_is_good_for_one_plan_once() {
    let mut world = World::hot();
    world.pass();
    world.approve();
    let plan = world.decision.plan.clone();
    world.pass();
    let before = world.sample.clone();
    world.shows(&plan, 1);
    world.pass();
    assert_eq!(world.state(), Some(PlanState::Done));
    // Somebody merges the two again, and the same plan comes up again.
    world.decides(before);
    let answer = world.pass();
    assert_eq!((index(&answer), answer.approval), (None, Approval::UsedUp));
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
    assert_eq!(index(&world.pass()), None, "nor later");
    world.approval = None;
    world.pass();
    world.approve();
    assert_eq!(index(&world.pass()), Some(0));
}

#[test]
fn the_approval_of_another_plan_approves_nothing_and_is_told() {
    let mut world = World::hot();
    world.approval = Some("0123456789abcdef".to_owned());
    let answer = world.pass();
    assert_eq!(answer.approval, Approval::OfAnotherPlan("0123456789abcdef".to_owned()));
    let answer = world.pass();
    assert_eq!(answer.approval, Approval::OfAnotherPlan("0123456789abcdef".to_owned()));
    assert_eq!(index(&answer), None);
    world.approval = Some(String::new());
    assert_eq!(world.pass().approval, Approval::None);
}

#[test]
fn a_plan_that_is_approved_before_it_is_proposed_runs_at_once() {
    let mut world = World::hot();
    world.approval = Some(world.decision.plan.hash.to_string());
    assert_eq!(index(&world.pass()), Some(0));
    assert_eq!(world.state(), Some(PlanState::Running));
}

#[test]
fn an_edit_ends_plan_and_approval() {
    for begun in [0, 1] {
        let mut sample = fixtures::one_hot_shard();
        fixtures::split(&mut sample, 2);
        let mut world = World::new(sample);
        world.pass();
        world.approve();
        world.pass();
        let plan = world.decision.plan.clone();
        world.shows(&plan, begun);
        world.sample.policy.generation += 1;
        let answer = world.pass();
        assert_eq!((ending(&answer), index(&answer)), (Some(&Ending::Edited), None), "{begun} done");
        assert_eq!(world.state(), Some(PlanState::Refused));
    }
}

#[test]
fn shards_that_somebody_else_has_moved_end_the_plan() {
    let mut world = World::hot();
    world.pass();
    world.approve();
    world.pass();
    world.now_carries(&[100_000; 3]);
    let answer = world.pass();
    assert_eq!(ending(&answer), Some(&Ending::Moved));
    assert_eq!(world.state(), Some(PlanState::Refused));
    // Nor is a plan ours of which somebody else has done a part before anybody approved it.
    let mut world = World::hot();
    world.pass();
    let plan = world.decision.plan.clone();
    world.shows(&plan, 1);
    assert_eq!(ending(&world.pass()), Some(&Ending::Moved));
}

#[test]
fn another_stream_of_the_same_name_ends_the_plan() {
    let mut world = World::hot();
    world.pass();
    world.sample.snapshot.summary.created_at += SignedDuration::from_hours(1);
    assert_eq!(ending(&world.pass()), Some(&Ending::Moved));
}

#[test]
fn while_the_stream_changes_nothing_is_concluded() {
    let mut world = World::hot();
    world.pass();
    world.approve();
    world.now_carries(&[100_000; 3]);
    world.decision.demand.stops = vec![Hold::StreamNotActive { status: StreamStatus::Updating }];
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (None, None));
}

#[test]
fn an_approval_that_is_taken_back_ends_a_plan_that_has_begun() {
    let mut sample = fixtures::one_hot_shard();
    fixtures::split(&mut sample, 2);
    let mut world = World::new(sample);
    world.pass();
    world.approve();
    world.pass();
    let plan = world.decision.plan.clone();
    world.shows(&plan, 1);
    world.approval = None;
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (Some(&Ending::Revoked), None));
}

#[test]
fn a_merge_that_would_be_above_its_target_now_is_unsafe_and_between_it_waits() {
    let mut world = World::cold();
    world.pass();
    let proposed = world.hash();
    // 56 % is where shards are packed to, 70 % the target.
    world.now_carries(&[300_000, 300_000, 100_000, 100_000]);
    assert_eq!(ending(&world.pass()), None);
    world.approve();
    let answer = world.pass();
    assert_eq!((ending(&answer), index(&answer)), (None, None));
    assert_eq!((world.state(), world.hash()), (Some(PlanState::Approved), proposed));
    world.now_carries(&[360_000, 360_000, 100_000, 100_000]);
    assert!(matches!(ending(&world.pass()), Some(Ending::Unsafe(_))));
    assert_eq!(world.state(), Some(PlanState::Refused));
}

#[test]
fn a_begun_plan_is_not_carried_on_over_a_shard_that_would_be_too_hot() {
    let mut sample = fixtures::even(4, 100_000);
    fixtures::merge(&mut sample, 0);
    fixtures::merge(&mut sample, 1);
    let mut world = World::new(sample);
    world.pass();
    world.approve();
    world.pass();
    let plan = world.decision.plan.clone();
    world.shows(&plan, 1);
    assert_eq!(index(&world.consider()), Some(1), "as long as it fits");
    for shard in &mut world.decision.demand.shards {
        shard.segments = quarters(shard.range, Loads::from_array([Load(400_000); 3]));
    }
    let answer = world.pass();
    assert!(matches!(ending(&answer), Some(Ending::Unsafe(_))), "{answer:?}");
    assert_eq!(index(&answer), None);
}

#[test]
fn heat_elsewhere_overtakes_a_proposal_that_nobody_has_approved() {
    let hot_elsewhere = |world: &World| {
        let mut sample = fixtures::with_loads(&[100_000, 100_000, 100_000, 900_000]);
        fixtures::split(&mut sample, 3);
        sample.policy = world.sample.policy.clone();
        sample
    };
    let mut world = World::cold();
    world.pass();
    let proposed = world.hash();
    world.decides(hot_elsewhere(&world));
    let answer = world.pass();
    assert!(matches!(ending(&answer), Some(Ending::Overtaken(_))), "{answer:?}");
    assert_ne!(world.hash(), proposed, "the heat is proposed");
    // Whoever has approved gets what he approved.
    let mut world = World::cold();
    world.pass();
    world.approve();
    world.decides(hot_elsewhere(&world));
    assert_eq!(index(&world.pass()), Some(0));
    assert_eq!(world.hash(), proposed);
    // But where heat needs no approval, it waits for nobody.
    let mut world = World::cold();
    world.sample.policy.approval.required = ApprovalRequired::ScaleDown;
    world.pass();
    world.approve();
    world.decides(hot_elsewhere(&world));
    let answer = world.pass();
    assert!(matches!(ending(&answer), Some(Ending::Overtaken(_))), "{answer:?}");
    assert_eq!(index(&answer), Some(0));
    assert_ne!(world.hash(), proposed);
    assert_eq!(answer.plan.and_then(|plan| plan.expires_at), None, "it needs no approval");
}

#[test]
fn where_only_merges_need_approval_splits_run_without() {
    let mut world = World::hot();
    world.sample.policy.approval.required = ApprovalRequired::ScaleDown;
    assert_eq!(index(&world.pass()), Some(0));
    let mut world = World::cold();
    world.sample.policy.approval.required = ApprovalRequired::ScaleDown;
    assert_eq!(index(&world.pass()), None);
    assert_eq!(world.state(), Some(PlanState::AwaitingApproval));
}

#[test]
fn metrics_that_are_turned_on_by_a_plan_end_it_though_no_range_has_changed() {
    let mut sample = fixtures::even(4, 100_000);
    let metrics = vec![crate::snapshot::ShardMetric::IteratorAgeMilliseconds];
    sample.plan.identity.steps.push(Step::EnableShardMetrics { metrics: metrics.clone() });
    sample.plan.explanations.push(crate::plan::Explanation {
        reason: StepReason::ShardMetricsOff,
        before: Vec::new(),
        after: Vec::new(),
    });
    sample.plan.hash = sample.plan.identity.hash();
    sample.policy.metrics.enhanced_monitoring = crate::policy::EnhancedMonitoring::Manage;
    let mut world = World::new(sample);
    world.pass();
    world.approve();
    assert_eq!(index(&world.pass()), Some(0));
    let names = metrics.iter().map(|metric| metric.name().to_owned());
    world.sample.snapshot.summary.enhanced_metrics.extend(names);
    world.decision.plan.identity.steps.clear();
    assert_eq!(ending(&world.pass()), Some(&Ending::Done));
}

#[test]
fn the_step_that_nobody_has_told_of_is_the_latest_that_the_stream_shows() {
    let mut world = World::hot();
    let plan = world.sample.plan.clone();
    world.pass();
    world.approve();
    world.pass();
    let told = |world: &World, number, result: &str| {
        let mut status = world.status.clone();
        status.recent_steps.push(RecentStep {
            step: String::new(),
            kind: "Split".to_owned(),
            result: result.to_owned(),
            plan: plan.hash.to_string(),
            number: Some(number),
            at: Timestamp::UNIX_EPOCH,
            seconds: 30,
        });
        untold(&world.sample.snapshot, &status).map(|(_, index)| index)
    };
    assert_eq!(untold(&world.sample.snapshot, &world.status), None, "nothing is done yet");
    world.shows(&plan, 1);
    assert_eq!(untold(&world.sample.snapshot, &world.status).map(|(_, index)| index), Some(0));
    assert_eq!(told(&world, 1, "Done"), None);
    assert_eq!(told(&world, 1, "Unconfirmed"), Some(0), "it was not known then");
    assert_eq!(told(&world, 2, "Done"), Some(0), "another step");
    world.sample.snapshot.summary.status = StreamStatus::Updating;
    assert_eq!(untold(&world.sample.snapshot, &world.status), None, "it is not done yet");
}

#[test]
fn a_step_that_is_under_way_stays_in_the_status_while_the_stream_changes() {
    let mut world = World::hot();
    world.sample.policy.mode = Mode::Apply;
    let running = world.pass().plan.expect("a step is taken");
    assert_eq!(running.state, PlanState::Running);
    let plan = world.sample.plan.clone();
    world.shows(&plan, 0);
    world.decision.demand.stops = vec![Hold::StreamNotActive { status: StreamStatus::Updating }];
    assert_eq!(world.pass().plan, Some(running));
    world.shows(&plan, 1);
    world.decision.demand.stops.clear();
    assert_eq!(untold(&world.sample.snapshot, &world.status).map(|(_, index)| index), Some(0));
    assert_eq!(world.pass().plan, None);
}
