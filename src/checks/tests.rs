//! A sound plan passes; each way of breaking it is found, and as what it is.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::demand::{DemandSummary, Segment, ShardDemand};
use crate::hash_key::HashKey;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Explanation, Hold, PLAN_FORMAT, RangeLoad, Step, StepReason};
use crate::policy::*;
use crate::quota::Dimension;
use crate::snapshot::{MetricHistory, SNAPSHOT_FORMAT, ShardMetric};
use crate::stream::{Shard, ShardId, StreamMode, StreamStatus, StreamSummary};

use self::bugs::{BUGS, KINDS, kind};

mod bugs;

/// A quarter of the key space.
const QUARTER: u128 = 1 << 126;

fn range(start: u128, end: u128) -> HashKeyRange {
    HashKeyRange::new(HashKey(start), HashKey(end)).expect("ascending")
}

fn quarter(i: u128) -> HashKeyRange {
    range(i * QUARTER, i * QUARTER + (QUARTER - 1))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn evenly(load: u64) -> Loads {
    Loads::from_array([Load(load), Load(load / 2), Load(load / 4)])
}

/// All that a check looks at. As built: the fourth shard is hot and is split, the first two are
/// cold and are merged, and a metric is turned on.
struct Case {
    plan: Plan,
    snapshot: Snapshot,
    policy: ScalingPolicy,
    demand: Demand,
}

impl Case {
    fn sound() -> Case {
        let shards = [80_000, 80_000, 400_000, 1_000_000].into_iter().enumerate().map(shard_demand).collect();
        let demand = Demand {
            shards,
            stops: vec![],
            split_bars: vec![],
            merge_bars: vec![],
            verdicts: vec![],
            merges_in_the_last_day: 0,
            count_updates_minutes_ago: Vec::new(),
            count_update_refused: None,
            is_steady: true,
            forecast: None,
            foreseen_per_mille: 0,
            learned_target: None,
            scale_up_limit: 6,
            scale_down_limit: 2,
            summary: DemandSummary::default(),
        };
        let (snapshot, policy) = (snapshot(&demand), policy());
        let identity = PlanIdentity {
            format: PLAN_FORMAT,
            stream_arn: snapshot.summary.arn.clone(),
            stream_created_at: snapshot.summary.created_at,
            generation: policy.generation,
            start: (0..4).map(quarter).collect(),
            steps: vec![split_last(), merge_first(), enable(&[ShardMetric::OutgoingBytes])],
        };
        let plan = Plan {
            hash: identity.hash(),
            identity,
            explanations: vec![],
            holds: vec![],
            verdicts: vec![],
            desired_shards: 4,
            limits: policy.limits(None),
            before: vec![],
            after: vec![],
        };
        let mut case = Case { plan, snapshot, policy, demand };
        case.describe();
        case
    }

    fn check(&self) -> Result<(), Violations> {
        check(&self.plan, &self.snapshot, &self.policy, &self.demand)
    }

    fn shard(&mut self, i: usize) -> &mut ShardDemand {
        &mut self.demand.shards[i]
    }

    fn steps(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.plan.identity.steps = steps.into_iter().collect();
        self.describe();
    }

    /// A call to so many shards, which the policy leaves to reshard.
    fn call(&mut self, to: u32) {
        self.policy.update_shard_count = UpdateShardCount::Auto;
        self.steps([Step::UpdateShardCount { from: 4, to }]);
    }

    /// A call to three shards, each of which has room for all there is.
    fn call_for_less(&mut self) {
        self.demand.shards = [20_000; 4].into_iter().enumerate().map(shard_demand).collect();
        self.call(3);
    }

    /// Nothing was higher than it is now.
    fn without_peaks(&mut self) {
        for segment in self.demand.shards.iter_mut().flat_map(|shard| &mut shard.segments) {
            segment.peak_loads = Loads::default();
        }
    }

    /// Describes the plan truly, by the model's own way of taking a step.
    fn describe(&mut self) {
        let tell = |ranges: &[HashKeyRange]| ranges.iter().map(|r| self.tell(*r)).collect::<Vec<_>>();
        let mut open = self.plan.identity.start.clone();
        let before = tell(&open);
        let mut explanations = Vec::new();
        for step in self.plan.steps() {
            let was = open.clone();
            // A step that does not fit leaves all as it was.
            let _ = step.apply(&mut open);
            let only_in = |a: &[HashKeyRange], b: &[HashKeyRange]| {
                a.iter().copied().filter(|range| !b.contains(range)).collect::<Vec<_>>()
            };
            explanations.push(Explanation {
                reason: StepReason::MovesBoundary,
                before: tell(&only_in(&was, &open)),
                after: tell(&only_in(&open, &was)),
            });
        }
        let after = tell(&open);
        self.plan.hash = self.plan.identity.hash();
        let limits = self.policy.limits(self.demand.learned_target);
        self.plan = Plan { limits, explanations, before, after, ..self.plan.clone() };
    }

    fn tell(&self, range: HashKeyRange) -> RangeLoad {
        let owners = self.demand.shards.iter().filter(|shard| shard.range.intersection(range).is_some());
        let evidence = owners.map(|shard| shard.evidence).max().unwrap_or(Evidence::Unknown);
        let ends_with_a_shard =
            |key: HashKey| self.demand.shards.iter().any(|shard| shard.range.end() == key);
        let whole = range.start().0.checked_sub(1).is_none_or(|key| ends_with_a_shard(HashKey(key)))
            && ends_with_a_shard(range.end());
        let evidence = if whole { evidence } else { evidence.max(Evidence::Estimated) };
        let segments = || self.demand.shards.iter().flat_map(|shard| &shard.segments);
        let share = |of: HashKeyRange, loads: Loads| {
            let below = |load: Load, end: u128| of.portion_below(load.0, HashKey(end));
            let up_to = |load: Load| range.end().0.checked_add(1).map_or(load.0, |end| below(load, end));
            Loads::from_array(loads.as_array().map(|load| Load(up_to(load) - below(load, range.start().0))))
        };
        let loads = segments().map(|segment| share(segment.range, segment.loads)).sum();
        let peak_loads = segments().map(|segment| share(segment.range, segment.peak_loads)).sum();
        RangeLoad { range, loads, peak_loads, evidence }
    }
}

fn shard_demand((i, load): (usize, u64)) -> ShardDemand {
    let range = quarter(i as u128);
    let part = |part: u128| {
        let start = range.start().0 + part * (QUARTER / 4);
        let loads = evenly(load / 4);
        Segment { range: self::range(start, start + (QUARTER / 4 - 1)), loads, peak_loads: loads }
    };
    ShardDemand {
        id: ShardId::new(format!("shardId-{i:012}")),
        range,
        evidence: Evidence::Measured,
        rejecting: false,
        segments: (0..4).map(part).collect(),
        density: Evidence::Measured,
        unsettled: None,
        split_guard: None,
        merge_guard: None,
    }
}

fn snapshot(demand: &Demand) -> Snapshot {
    // Listed in no order of keys, and with a parent that is closed.
    let parent = (ShardId::new("shardId-000000000099"), HashKeyRange::WHOLE, true);
    let open = demand.shards.iter().rev().map(|shard| (shard.id.clone(), shard.range, false));
    let shards = [parent].into_iter().chain(open).map(|(id, range, closed)| Shard {
        id,
        range,
        parent: None,
        adjacent_parent: None,
        closed,
    });
    Snapshot {
        format: SNAPSHOT_FORMAT,
        observed_at: at(1_000_000),
        summary: StreamSummary {
            arn: "arn:aws:kinesis:eu-west-1:111122223333:stream/orders".to_owned(),
            name: "orders".to_owned(),
            status: StreamStatus::Active,
            mode: StreamMode::Provisioned,
            created_at: at(0),
            retention_hours: 24,
            open_shard_count: demand.shards.len(),
            enhanced_metrics: vec!["IncomingBytes".to_owned()],
            consumer_count: 0,
        },
        shards: shards.collect(),
        look_back_start: at(900_000),
        update_shard_count_refused: None,
        past_topologies: vec![],
        metrics: MetricHistory::default(),
    }
}

fn policy() -> ScalingPolicy {
    let rules = ScalingRules {
        stabilization_window: Duration::ZERO,
        select_policy: SelectPolicy::Max,
        policies: vec![],
    };
    ScalingPolicy {
        stream: StreamRef { name: "orders".to_owned(), region: None, arn: None },
        generation: 7,
        role_arn: None,
        mode: Mode::Apply,
        suspend: false,
        interval: Duration::from_secs(60),
        bounds: bounds(2, 6),
        targets: Targets {
            limits: Loads::from_array([Load(700_000); 3]),
            learned: Vec::new(),
            read_calls: Load::from_percent(80),
        },
        metrics: MetricsPolicy {
            source: MetricsSource::Shard,
            window_minutes: 3,
            max_age: Duration::from_secs(300),
            enhanced_monitoring: EnhancedMonitoring::Manage,
        },
        scale_up: rules.clone(),
        scale_down: rules,
        tolerance_millionths: 200_000,
        tradeoff: Tradeoff { step_cost_shard_seconds: 900, horizon_seconds: 14_400 },
        pace: Pace::default(),
        budgets: Budgets { max_steps_per_plan: 20, max_merges_per_day: 150 },
        update_shard_count: UpdateShardCount::Never,
        hand_overs: false,
        approval: Approval { required: ApprovalRequired::All, expire_after: Duration::from_secs(60) },
        consumers: vec![],
        max_iterator_age: Duration::from_secs(120),
        schedules: vec![],
    }
}

fn bounds(min: u32, max: u32) -> ShardBounds {
    ShardBounds::new(min, max).expect("within 1 to 200")
}

fn always(allow: Allow) -> Schedule {
    Schedule {
        name: "always".to_owned(),
        cron: "* * * * *".parse().expect("every minute"),
        time_zone: jiff::tz::TimeZone::UTC,
        duration: Duration::from_secs(3_600),
        lead_time: Duration::ZERO,
        min_shards: None,
        allow,
    }
}

fn split_at(i: u128, parts_of_16: u128) -> Step {
    let range = quarter(i);
    Step::Split { range, at: HashKey(range.start().0 + parts_of_16 * (QUARTER / 16)) }
}

fn split_last() -> Step {
    split_at(3, 8)
}

fn merge(low: u128, high: u128) -> Step {
    Step::Merge { low: quarter(low), high: quarter(high) }
}

fn merge_first() -> Step {
    merge(0, 1)
}

fn enable(metrics: &[ShardMetric]) -> Step {
    Step::EnableShardMetrics { metrics: metrics.to_vec() }
}

/// The kinds of all that is found, in order.
fn found_in(case: &Case) -> Vec<&'static str> {
    match case.check() {
        Ok(()) => vec![],
        Err(violations) => {
            assert!(!violations.to_string().contains("{"), "{violations}");
            violations.as_slice().iter().map(kind).collect()
        }
    }
}

#[test]
fn a_sound_plan_passes() {
    let case = Case::sound();
    assert_eq!(case.check(), Ok(()));
    let decided_by = case.plan.limits.trigger;
    assert_eq!(
        check_steps(&case.plan.identity, decided_by, &case.snapshot, &case.policy, &case.demand),
        Ok(())
    );
}

#[test]
fn an_older_plan_may_pack_up_to_a_learned_target_that_has_fallen_and_no_further() {
    // Decided by 75 %, packed to 60; the merged shard has 59 %.
    let checked = |merged: u64, now: u32, peaks_alone: bool| {
        let mut case = Case::sound();
        let shards = [merged / 2, merged / 2, 400_000, 400_000];
        case.demand.shards = shards.into_iter().enumerate().map(shard_demand).collect();
        if peaks_alone {
            for segment in case.demand.shards[..2].iter_mut().flat_map(|shard| &mut shard.segments) {
                segment.loads = Loads::default();
            }
        }
        case.policy.targets.learned = vec![Dimension::IngestBytes];
        case.demand.learned_target = Some(Load::from_percent(now));
        case.steps([merge_first()]);
        let decided_by = Loads::from_array([Load::from_percent(75); 3]);
        let found = check_steps(&case.plan.identity, decided_by, &case.snapshot, &case.policy, &case.demand);
        found.err().map(|violations| violations.to_string()).unwrap_or_default()
    };
    for peaks_alone in [true, false] {
        assert_eq!(checked(590_000, 75, peaks_alone), "");
        assert_eq!(checked(590_000, 60, peaks_alone), "", "above 48 %, where shards are packed to by 60");
        let (fallen, grown) = (checked(590_000, 55, peaks_alone), checked(610_000, 55, peaks_alone));
        let since = ": the learned target fell from 75.0 % to 55.0 % since the plan was made";
        assert!(fallen.contains(since), "{fallen}");
        assert!(!grown.is_empty() && !grown.contains("fell"), "it was too much then: {grown}");
    }
}

#[test]
fn every_kind_of_violation_is_found_as_what_it_is_and_nothing_else() {
    for (number, (expected, plant)) in BUGS.iter().enumerate() {
        let mut case = Case::sound();
        plant(&mut case);
        let found = found_in(&case);
        assert!(!found.is_empty(), "bug {number} ({expected}) passes");
        assert!(
            found.iter().all(|found| found == expected),
            "bug {number} ({expected}) is found as {found:?}"
        );
    }
    let planted: BTreeSet<_> = BUGS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(planted, KINDS.iter().copied().collect(), "each kind has a planted bug");
}

#[test]
fn a_call_passes_up_by_what_is_settled_and_down_by_what_is_measured() {
    let mut up = Case::sound();
    for i in 0..4 {
        up.shard(i).evidence = Evidence::Estimated;
        up.shard(i).merge_guard = Some(Hold::LoadEstimated { shards: vec![] });
    }
    up.demand.merge_bars.push(Hold::Rising { per_mille: 60 });
    up.call(6);
    assert_eq!(up.check(), Ok(()));
    let mut down = Case::sound();
    down.call_for_less();
    assert_eq!(down.check(), Ok(()));
    // Where two shards meet, both had half a shard's load: no range may have that again, but on the way up.
    let met = |case: &mut Case| {
        for (shard, segment) in [(0, 3), (1, 0)] {
            case.shard(shard).segments[segment].peak_loads.ingest_bytes = Load(500_000);
        }
        case.describe();
    };
    met(&mut up);
    assert_eq!(up.check(), Ok(()));
    met(&mut down);
    assert_eq!(found_in(&down), ["peak above pack limit", "may exceed the ceiling"]);
    let violations = down.check().expect_err("it would be too much");
    let targets = down.plan.limits.trigger;
    assert!(
        violations.as_slice().iter().all(|violation| violation.may_pass(targets)),
        "a peak is over some day"
    );
    // What rejects is bound by maxShards alone.
    up.demand.scale_up_limit = 4;
    up.shard(3).rejecting = true;
    assert_eq!(up.check(), Ok(()));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let mut case = Case::sound();
    case.policy.suspend = true;
    case.demand.scale_up_limit = 4;
    case.plan.explanations.clear();
    assert_eq!(found_in(&case), ["suspended", "scale-up limit", "explanation count"]);
    let text = case.check().expect_err("three things are wrong").to_string();
    assert!(text.starts_with("the plan breaks its own rules: it has steps though"), "{text}");
    assert!(text.contains("; step 1, split 75.0–100.0 % of the hash keys at"), "{text}");
}

#[test]
fn a_stream_out_of_bounds_may_come_nearer_to_them() {
    let mut case = Case::sound();
    case.policy.bounds = bounds(1, 2);
    case.plan.desired_shards = 2;
    case.steps([merge_first()]);
    assert_eq!(case.check(), Ok(()));
    case.policy.bounds = bounds(6, 6);
    case.plan.desired_shards = 6;
    case.steps([split_last()]);
    assert_eq!(case.check(), Ok(()));
}

#[test]
fn a_shard_that_rejects_writes_is_split_above_the_scale_up_limit_and_never_above_max() {
    let mut case = Case::sound();
    case.demand.scale_up_limit = 4;
    case.shard(3).rejecting = true;
    assert_eq!(case.check(), Ok(()));
    case.policy.bounds = bounds(2, 4);
    assert_eq!(found_in(&case), ["above max"]);
}

#[test]
fn a_part_may_stay_above_the_pack_limit_under_what_the_whole_carried() {
    let mut case = Case::sound();
    case.shard(3).segments[0].loads.ingest_bytes = Load(900_000);
    case.describe();
    assert_eq!(case.check(), Ok(()));
}

#[test]
fn steps_from_shards_that_are_not_listed_are_none_of_this_stream() {
    let mut case = Case::sound();
    case.snapshot.shards.retain(|shard| shard.range != quarter(2));
    case.snapshot.summary.open_shard_count = 3;
    assert_eq!(found_in(&case), ["start", "demand of other shards"]);
}

#[test]
fn a_used_up_merge_budget_bars_no_split() {
    let mut case = Case::sound();
    case.demand.merges_in_the_last_day = 200;
    case.steps([split_last()]);
    assert_eq!(case.check(), Ok(()));
}

#[test]
fn metrics_that_are_off_stop_every_step_but_turning_them_on() {
    let mut case = Case::sound();
    case.demand
        .stops
        .push(Hold::ShardMetricsOff { metrics: vec!["OutgoingBytes".to_owned()], managed: false });
    assert_eq!(found_in(&case), ["stopped", "stopped"]);
    case.steps([enable(&[ShardMetric::OutgoingBytes])]);
    assert_eq!(case.check(), Ok(()));
}

#[test]
fn a_plan_without_steps_passes_whatever_state_the_stream_is_in() {
    let mut case = Case::sound();
    case.steps([]);
    case.policy.suspend = true;
    case.snapshot.summary.status = StreamStatus::Updating;
    case.snapshot.shards.retain(|shard| shard.range != quarter(2));
    case.demand.shards.clear();
    case.demand.stops.push(Hold::Suspended);
    case.plan.identity.start.clear();
    case.plan.desired_shards = 0;
    case.describe();
    assert_eq!(case.check(), Ok(()));
}
