//! When a call is better, case by case. That for heat it is the best that the checks let pass is shown by
//! brute force in `tests/it/brute_force/calls.rs`, and that foresight finds the best one in its own tests.

use super::Steps;
use crate::demand::forecast::{Forecast, SLOTS};
use crate::demand::unhindered::{unhindered, unhindered_shard};
use crate::demand::{Demand, Segment, ShardDemand};
use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::{Course, Evidence, Hold, Step, StepReason};
use crate::planner::{Proposal, plan};
use crate::policy::{ScalingPolicy, UpdateShardCount};
use crate::stream::ShardId;

/// Equal shards with so many percent of a shard each, in two segments.
fn equal(percents: &[u32]) -> Demand {
    let ranges = HashKeyRange::WHOLE.equal_parts(percents.len() as u32);
    let shard = |(index, (range, percent)): (usize, (HashKeyRange, &u32))| {
        let loads = Loads { ingest_bytes: Load::from_percent(*percent).scaled(1, 2), ..Loads::default() };
        let segment = |range: HashKeyRange| Segment { range, loads, peak_loads: loads };
        ShardDemand {
            density: Evidence::Estimated,
            ..unhindered_shard(
                ShardId::new(format!("shardId-{index:012}")),
                range,
                halves(range).into_iter().map(segment).collect(),
            )
        }
    };
    unhindered(ranges.into_iter().zip(percents).enumerate().map(shard).collect())
}

fn halves(range: HashKeyRange) -> [HashKeyRange; 2] {
    let middle = range.inner_boundaries(2).next().expect("a wide range");
    range.split(middle).expect("a split point").into()
}

/// Target 70 %, packing to 56 %.
fn planned(demand: &Demand, leave: UpdateShardCount) -> Proposal {
    let mut policy = ScalingPolicy::of_round_numbers("orders", 200);
    policy.update_shard_count = leave;
    let in_force = policy.in_force(jiff::Timestamp::UNIX_EPOCH);
    plan(demand, &policy, &in_force)
}

/// The count that is called for, if one is.
fn called(proposal: &Proposal) -> Option<u32> {
    match proposal.steps[..] {
        [Step::UpdateShardCount { to, .. }] => Some(to),
        _ => None,
    }
}

#[test]
fn heat_everywhere_is_a_call_and_says_what_splits_would_take() {
    // Twenty shards of 120 % need two splits each; forty of 60 % none now.
    let demand = equal(&[120; 20]);
    for leave in [UpdateShardCount::Emergency, UpdateShardCount::Auto] {
        let proposal = planned(&demand, leave);
        assert!(called(&proposal).is_some_and(|to| to > 34), "{:?}", proposal.steps);
        let StepReason::SplitsTooSlow { splits, splits_left, serial_seconds, update_seconds } =
            proposal.explanations[0].reason
        else {
            panic!("{:?}", proposal.explanations)
        };
        assert_eq!((splits, splits_left, serial_seconds, update_seconds), (20, 0, 600, 180));
    }
    assert_eq!(called(&planned(&demand, UpdateShardCount::Never)), None);
}

#[test]
fn up_to_twice_the_time_of_a_call_splits_are_made_one_by_one() {
    let hot = |count: usize| {
        let mut percents = [20; 26];
        percents[..count].fill(100);
        planned(&equal(&percents), UpdateShardCount::Emergency)
    };
    assert_eq!(called(&hot(12)), None);
    let thirteen = hot(13);
    assert!(called(&thirteen).is_some_and(|to| to > 26), "{:?}", thirteen.steps);
    assert!(matches!(
        thirteen.explanations[0].reason,
        StepReason::SplitsTooSlow { splits: 13, splits_left: 0, serial_seconds: 390, update_seconds: 180 }
    ));
}

#[test]
fn equal_shards_that_are_all_a_little_too_full_are_not_doubled() {
    // 71 % of a shard each, where 70 % is the target. A quarter more would be 68.5 % in each of 35, 70.5 % of 34.
    let proposal = planned(&equal(&[71; 27]), UpdateShardCount::Emergency);
    assert_eq!(called(&proposal), Some(35));
    // Splits are as many as ever, and are told.
    let reason = &proposal.explanations[0].reason;
    assert!(matches!(reason, StepReason::SplitsTooSlow { splits: 27, splits_left: 0, .. }), "{reason:?}");
    // Splits would make 54 of them; in 49 a quarter more would be 68.9 %.
    assert_eq!(called(&planned(&equal(&[100; 27]), UpdateShardCount::Emergency)), Some(49));
    // Nor are there fewer where shards are packed to the target: 28 would be full at once.
    let mut policy = ScalingPolicy::of_round_numbers("orders", 200);
    policy.update_shard_count = UpdateShardCount::Emergency;
    policy.tolerance_millionths = 0;
    let in_force = policy.in_force(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(called(&plan(&equal(&[71; 27]), &policy, &in_force)), Some(35));
    // But not while more and more is written, nor before what is expected: half as much again.
    let mut rising = equal(&[71; 27]);
    rising.is_steady = false;
    assert_eq!(called(&planned(&rising, UpdateShardCount::Emergency)), Some(54));
    assert_eq!(called(&planned(&expecting(&[71; 27], 1_500), UpdateShardCount::Auto)), Some(42));
}

#[test]
fn a_call_that_leaves_the_heat_in_one_place_is_not_made() {
    let mut demand = equal(&[10; 4]);
    let hot = Load::from_percent(3);
    let segment = |range| Segment {
        range,
        loads: Loads { ingest_bytes: hot, ..Loads::default() },
        peak_loads: Loads { ingest_bytes: hot, ..Loads::default() },
    };
    let range = demand.shards[1].range;
    demand.shards[1].segments = range.equal_parts(400).into_iter().map(segment).collect();
    assert_eq!(called(&planned(&demand, UpdateShardCount::Auto)), None);
    assert!(planned(&demand, UpdateShardCount::Auto).steps.len() >= 20);
}

#[test]
fn what_is_not_settled_yet_leaves_a_doubling_alone() {
    let mut demand = equal(&[[90; 15], [30; 15]].concat());
    assert!(called(&planned(&demand, UpdateShardCount::Emergency)).is_some_and(|to| to < 60));
    for shard in &mut demand.shards {
        shard.evidence = Evidence::Estimated;
        shard.unsettled = Some(Hold::MetricsSettling { shards: vec![shard.id.clone()] });
        shard.merge_guard = Some(Hold::LoadEstimated { shards: vec![shard.id.clone()] });
    }
    assert_eq!(called(&planned(&demand, UpdateShardCount::Emergency)), Some(60));
    for shard in &mut demand.shards {
        shard.split_guard = shard.unsettled.clone();
    }
    assert_eq!(called(&planned(&demand, UpdateShardCount::Emergency)), None);
}

#[test]
fn heat_gets_no_fewer_shards_by_a_call_than_by_splits() {
    let mut percents = [10; 40];
    percents[..14].fill(75);
    let many = planned(&equal(&percents), UpdateShardCount::Auto);
    assert!(called(&many).is_some_and(|to| to >= 54), "{:?}", many.steps);
}

#[test]
fn once_the_calls_of_the_day_are_made_or_aws_refuses_splits_do_and_it_is_said() {
    let mut demand = equal(&[90; 20]);
    let serial = planned(&demand, UpdateShardCount::Never);
    demand.count_updates_minutes_ago = vec![0; 9];
    assert!(called(&planned(&demand, UpdateShardCount::Emergency)).is_some(), "some are kept for this");
    demand.count_updates_minutes_ago = vec![0; 10];
    let spent = planned(&demand, UpdateShardCount::Emergency);
    assert_eq!(spent.steps, serial.steps);
    assert!(spent.holds.contains(&Hold::UpdateShardCountBudget { calls_a_day: 10, made: 10 }));
    demand.count_updates_minutes_ago.clear();
    demand.count_update_refused = Some("LimitExceededException".to_owned());
    let refused = planned(&demand, UpdateShardCount::Auto);
    assert_eq!(refused.steps, serial.steps);
    let message = "LimitExceededException".to_owned();
    assert!(refused.holds.contains(&Hold::UpdateShardCountRefused { message }));
}

#[test]
fn cold_shards_that_no_merge_can_pair_are_a_call_where_the_past_tells_what_comes() {
    // 34 % + 34 % is above the pack limit; 24 × 34 % fill 15 shards.
    let demand = expecting(&[34; 24], 1_000);
    assert!(planned(&demand, UpdateShardCount::Never).steps.is_empty());
    assert_eq!(called(&planned(&demand, UpdateShardCount::Emergency)), None);
    let auto = planned(&demand, UpdateShardCount::Auto);
    assert_eq!((called(&auto), auto.desired_shards), (Some(15), 15));
    assert!(auto.after.iter().all(|range| range.loads.ingest_bytes <= Load::from_percent(56)));
    assert_eq!(called(&planned(&equal(&[34; 24]), UpdateShardCount::Auto)), None, "who knows what comes?");
}

#[test]
fn what_bars_merges_bars_a_call_for_fewer_shards() {
    let demand = expecting(&[34; 24], 1_000);
    let barred = |change: fn(&mut Demand)| {
        let mut demand = demand.clone();
        change(&mut demand);
        called(&planned(&demand, UpdateShardCount::Auto))
    };
    assert_eq!(barred(|_| {}), Some(15));
    assert_eq!(barred(|demand| demand.merge_bars = vec![Hold::SilentStream]), None);
    assert_eq!(barred(|demand| demand.merge_bars = vec![Hold::Rising { per_mille: 60 }]), None);
    assert_eq!(barred(|demand| demand.shards[7].evidence = Evidence::Estimated), None);
    assert_eq!(barred(|demand| demand.shards[7].merge_guard = Some(Hold::SilentStream)), None);
    assert_eq!(barred(|demand| demand.shards[7].rejecting = true), None);
    assert_eq!(barred(|demand| demand.scale_down_limit = 20), Some(20));
}

#[test]
fn a_part_may_be_as_dense_as_the_densest_shard_and_must_stay_under_the_ceiling() {
    let mut policy = ScalingPolicy::of_round_numbers("orders", 200);
    policy.update_shard_count = UpdateShardCount::Auto;
    policy.targets.limits = Loads::from_array([Load::CEILING; 3]);
    policy.tolerance_millionths = 0;
    let in_force = policy.in_force(jiff::Timestamp::UNIX_EPOCH);
    // A twelfth less is to come, for which eleven and ten would do. The last of eleven holds the last of fifteen and 4/11 of
    // its neighbour, which has 55 %; if that were as dense as the last, they came to 102 % and 95 %.
    for (last, to) in [(75, 12), (70, 11)] {
        let mut percents = [55; 15];
        percents[14] = last;
        assert_eq!(called(&plan(&expecting(&percents, 920), &policy, &in_force)), Some(to), "{last} %");
    }
}

#[test]
fn what_was_higher_or_is_to_come_bars_no_call_to_more_shards() {
    // 55 are the most, and 20 splits would be 10 minutes. Of 54, a range between two of 40 % would have 30 %, or 56 % if
    // it were as dense as the densest; with twice as much, 111 %.
    let mut demand = equal(&[[75; 20], [40; 20]].concat());
    let mut policy = ScalingPolicy::of_round_numbers("orders", 55);
    policy.update_shard_count = UpdateShardCount::Emergency;
    let in_force = policy.in_force(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(called(&plan(&demand, &policy, &in_force)), Some(54));
    for segment in demand.shards.iter_mut().flat_map(|shard| &mut shard.segments) {
        segment.peak_loads = segment.loads.scaled(2, 1);
    }
    assert_eq!(called(&plan(&demand, &policy, &in_force)), Some(54));
}

/// Equal shards, and a forecast of so many thousandths of their load from the first slot on.
fn expecting(percents: &[u32], per_mille: u64) -> Demand {
    let forecast = Forecast { per_mille: vec![per_mille; SLOTS], course: Course::Yesterday };
    Demand { forecast: Some(forecast), ..equal(percents) }
}

#[test]
fn what_is_expected_is_called_for_before_it_is_there() {
    // 60 % of a shard each, and half as much again to come: 26 of them would be at their target then.
    let mut rising = expecting(&[60; 20], 1_500);
    rising.merge_bars = vec![Hold::Rising { per_mille: 60 }];
    let proposal = planned(&rising, UpdateShardCount::Auto);
    assert_eq!(called(&proposal), Some(26), "a rise bars no call to more shards");
    let StepReason::Foreseen { minutes, expected_per_mille, course, saved_shard_seconds, calls_made } =
        proposal.explanations[0].reason
    else {
        panic!("{:?}", proposal.explanations)
    };
    assert_eq!((minutes, expected_per_mille, course, calls_made), (120, 1_500, Course::Yesterday, 0));
    assert!(saved_shard_seconds > 0);
    let mut spent = expecting(&[60; 20], 1_500);
    spent.count_updates_minutes_ago = vec![0; 8];
    assert_eq!(called(&planned(&spent, UpdateShardCount::Auto)), None, "two are kept for emergencies");
    assert_eq!(called(&planned(&expecting(&[60; 20], 1_000), UpdateShardCount::Auto)), None);
}

#[test]
fn heat_does_not_wait_for_a_call_to_fewer_shards() {
    // No two of 41 % fit into one shard, but four into three; the shard below the last is idle, so that a call
    // would leave the last as full as it is.
    let mut percents = [41; 20];
    (percents[18], percents[19]) = (0, 69);
    assert!(called(&planned(&expecting(&percents, 700), UpdateShardCount::Auto)).is_some_and(|to| to < 20));
    percents[19] = 72;
    let proposal = planned(&expecting(&percents, 700), UpdateShardCount::Auto);
    let answers =
        matches!(proposal.steps[0], Step::Split { .. }) || called(&proposal).is_some_and(|to| to > 20);
    assert!(answers, "{:?}", proposal.steps);
}

#[test]
fn a_count_near_the_foreseen_one_is_called_for_unless_it_changes_next_to_nothing() {
    // 53 % each, packed to 56 %: eighteen would do for what comes, and would be above that now; nineteen would not.
    let near = |from: usize, per_mille| {
        called(&planned(&expecting(&vec![53; from], per_mille), UpdateShardCount::Auto))
    };
    assert_eq!(near(20, 1_180), None);
    // Of forty, 36 would do, and 38 may be.
    assert_eq!(near(40, 1_180), Some(38));
}

#[test]
fn neighbours_are_joined_while_there_are_merges() {
    let steps = Steps(vec![[300_000; 2]; 6]);
    assert_eq!([0, 1, 2, 3, 4, 9].map(|merges| steps.shards_for(1_000, merges)), [6, 5, 4, 3, 2, 2]);
    assert_eq!(Steps(vec![[1_500_000; 2]; 6]).shards_for(1_000, 0), 12, "splits need none");
}

#[test]
fn once_the_merges_of_the_day_are_made_a_call_does_what_they_would() {
    let mut policy = ScalingPolicy::of_round_numbers("orders", 200);
    policy.update_shard_count = UpdateShardCount::Auto;
    (policy.tolerance_millionths, policy.tradeoff.step_cost_shard_seconds) = (0, 0);
    let in_force = policy.in_force(jiff::Timestamp::UNIX_EPOCH);
    // Each pair fits into one, which is as many as equal ranges would be.
    let mut demand = expecting(&[34; 20], 1_000);
    let called_after = |merges: u32| {
        demand.merges_in_the_last_day = merges;
        called(&plan(&demand, &policy, &in_force))
    };
    assert_eq!([0, 140, 145, 150].map(called_after), [None, None, Some(10), Some(10)]);
}
