//! What the planner must do, case by case. That its optimum is one is shown by brute force in
//! `tests/it/brute_force.rs`.

use std::time::Duration;

use super::*;
use crate::demand::forecast::{Forecast, SLOTS};
use crate::demand::unhindered::{unhindered, unhindered_shard};
use crate::demand::{Segment, ShardDemand};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::Load;
use crate::plan::{Course, Evidence, Hold};
use crate::policy::{Allow, ShardBounds};
use crate::quota::Dimension;
use crate::stream::ShardId;

/// Loads of ingest bytes in percent of the ceiling, by shard and segment; each segment spans 2^96
/// keys.
pub(super) fn demand(shards: &[&[u32]]) -> Demand {
    const WIDTH: u128 = 1 << 96;
    let mut at = 0;
    let mut segment = |percent: &u32| {
        let range = HashKeyRange::new(HashKey(at), HashKey(at + (WIDTH - 1))).expect("ascending");
        at += WIDTH;
        let loads = Loads { ingest_bytes: Load::from_percent(*percent), ..Loads::default() };
        Segment { range, loads, peak_loads: loads }
    };
    let shards: Vec<ShardDemand> = shards
        .iter()
        .enumerate()
        .map(|(index, loads)| {
            let segments: Vec<Segment> = loads.iter().map(&mut segment).collect();
            let (first, last) = (segments[0].range, segments[segments.len() - 1].range);
            unhindered_shard(
                ShardId::new(format!("shardId-{index:012}")),
                HashKeyRange::new(first.start(), last.end()).expect("ascending"),
                segments,
            )
        })
        .collect();
    unhindered(shards)
}

/// Target 70 %, packing to 56 %.
pub(super) fn policy() -> ScalingPolicy {
    ScalingPolicy::of_round_numbers("orders", 200)
}

pub(super) fn plan_within(demand: &Demand, min: u32, max: u32) -> Proposal {
    let bounds = ShardBounds::new(min, max).expect("valid bounds");
    let in_force = InForce { bounds, allow: Allow::All, schedules: Vec::new() };
    plan(demand, &policy(), &in_force)
}

/// The loads after the plan, in percent.
pub(super) fn after(proposal: &Proposal) -> Vec<u64> {
    proposal.after.iter().map(|range| range.loads.ingest_bytes.0 / 10_000).collect()
}

pub(super) fn kinds(proposal: &Proposal) -> String {
    proposal.steps.iter().map(|step| step.kind().chars().next().unwrap_or('?')).collect()
}

fn reasons(proposal: &Proposal) -> Vec<&'static str> {
    proposal.holds.iter().map(Hold::reason).collect()
}

#[test]
fn shards_between_pack_limit_and_target_are_left_alone() {
    let proposal = plan_within(&demand(&[&[60], &[35, 35], &[57]]), 1, 200);
    assert_eq!((kinds(&proposal), proposal.desired_shards), (String::new(), 3));
    assert!(proposal.holds.is_empty(), "{:?}", proposal.holds);
}

#[test]
fn a_hot_shard_is_cut_where_its_heat_is_and_not_in_the_middle() {
    let proposal = plan_within(&demand(&[&[50, 30, 10, 10], &[60, 0]]), 1, 200);
    assert_eq!(after(&proposal), [50, 50, 60]);
    assert!(matches!(proposal.explanations[0].reason, StepReason::AboveTarget { .. }));
}

#[test]
fn the_parts_of_a_shard_are_as_equal_as_they_can_be() {
    // Two cuts are needed; 40 | 40 | 20 would do as well.
    let proposal = plan_within(&demand(&[&[20, 20, 20, 20, 10, 10]]), 1, 200);
    assert_eq!(after(&proposal), [40, 40, 20]);
    let proposal = plan_within(&demand(&[&[20, 10, 10, 20, 10, 10, 20, 10, 10]]), 1, 200);
    assert_eq!(after(&proposal), [40, 40, 40]);
}

#[test]
fn cold_neighbours_are_merged_up_to_the_pack_limit_and_no_further() {
    let proposal = plan_within(&demand(&[&[10], &[20], &[26], &[1]]), 1, 200);
    assert_eq!(proposal.after.len(), 2);
    assert!(after(&proposal).iter().all(|load| *load <= 56));
    assert_eq!(kinds(&proposal), "MM");
}

#[test]
fn a_boundary_is_moved_where_that_saves_a_shard_and_the_spread_is_measured() {
    // 40 + 32 + 40 fit into two shards of 56 only if the middle one is shared out.
    let mut demand = demand(&[&[40], &[16, 16], &[40]]);
    let proposal = plan_within(&demand, 1, 200);
    assert_eq!((after(&proposal), kinds(&proposal)), (vec![56, 56], "SMM".to_owned()));
    demand.shards[1].density = Evidence::Estimated;
    assert_eq!(kinds(&plan_within(&demand, 1, 200)), "", "an estimate never justifies a merge");
}

#[test]
fn splits_come_before_merges_and_the_most_relief_first() {
    let mut demand = demand(&[&[10], &[10], &[40, 40], &[60, 60], &[5], &[5]]);
    let proposal = plan_within(&demand, 1, 200);
    assert_eq!(kinds(&proposal), "SSMM");
    assert_eq!(proposal.explanations[0].before[0].loads.ingest_bytes, Load::from_percent(120));
    demand.shards[2].rejecting = true;
    let proposal = plan_within(&demand, 1, 200);
    assert_eq!(proposal.explanations[0].before[0].loads.ingest_bytes, Load::from_percent(80));
    assert!(matches!(proposal.explanations[0].reason, StepReason::Rejecting { .. }));
}

#[test]
fn at_max_shards_a_merge_makes_room_for_a_split() {
    let demand = demand(&[&[40, 40], &[10], &[10], &[60]]);
    let proposal = plan_within(&demand, 1, 4);
    assert_eq!((kinds(&proposal), after(&proposal)), ("MS".to_owned(), vec![40, 40, 20, 60]));
}

#[test]
fn with_min_equal_to_max_nothing_can_be_done_and_the_plan_says_so() {
    let demand = demand(&[&[40, 40], &[10], &[10], &[60]]);
    let proposal = plan_within(&demand, 4, 4);
    assert_eq!((kinds(&proposal), reasons(&proposal)), (String::new(), vec!["AtMaxShards"]));
}

#[test]
fn what_does_not_fit_under_max_shards_is_made_as_even_as_it_can_be() {
    // Room for one split only: the fuller shard gets it, and merges stay under the pack limit.
    let demand = demand(&[&[50, 50], &[80, 80], &[60]]);
    let proposal = plan_within(&demand, 1, 4);
    assert_eq!((after(&proposal), reasons(&proposal)), (vec![100, 80, 80, 60], vec!["AtMaxShards"]));
    assert_eq!(proposal.verdicts, [Verdict::AtMaxShards { max_shards: 4 }]);
    let Hold::AtMaxShards { load, dimension, .. } = proposal.holds[0] else { panic!("AtMaxShards") };
    assert_eq!((load, dimension), (Load::from_percent(100), Dimension::IngestBytes));
}

#[test]
fn a_segment_above_the_ceiling_is_isolated_once_and_never_split_again() {
    let proposal = plan_within(&demand(&[&[10, 300, 10]]), 1, 200);
    assert_eq!(after(&proposal), [10, 300, 10]);
    let proposal = plan_within(&demand(&[&[10], &[300], &[10]]), 1, 200);
    assert_eq!(kinds(&proposal), "");
}

#[test]
fn below_min_shards_the_hottest_shards_are_split_and_idle_ones_in_their_middle() {
    let proposal = plan_within(&demand(&[&[10, 10, 10, 10], &[2, 2, 2, 2]]), 4, 200);
    assert_eq!(after(&proposal), [10, 10, 20, 8]);
    assert!(matches!(proposal.explanations[0].reason, StepReason::BelowMinShards { min_shards: 4 }));
    let proposal = plan_within(&demand(&[&[0, 0, 0, 0]]), 2, 200);
    assert_eq!(proposal.after[0].range.span(), proposal.after[1].range.span());
}

#[test]
fn more_segments_than_there_are_cannot_be_asked_for() {
    let proposal = plan_within(&demand(&[&[10], &[1, 1]]), 8, 200);
    assert_eq!(proposal.after.len(), 3);
}

#[test]
fn above_max_shards_what_may_be_merged_is_merged() {
    let proposal = plan_within(&demand(&[&[30], &[30], &[20], &[20]]), 1, 2);
    assert_eq!(proposal.after.len(), 3);
    assert!(after(&proposal).iter().all(|load| *load <= 56), "merges never exceed the pack limit");
    assert!(matches!(proposal.explanations[0].reason, StepReason::AboveMaxShards { max_shards: 2 }));
}

#[test]
fn above_max_shards_where_nothing_can_be_merged_the_plan_says_so() {
    let proposal = plan_within(&demand(&[&[60], &[60], &[60]]), 1, 2);
    assert_eq!((kinds(&proposal), reasons(&proposal)), (String::new(), vec!["AtMaxShards"]));
}

#[test]
fn each_guard_holds_its_step_back_and_says_why() {
    let hold = |shards| Hold::ParentsDraining { shards, until_age_seconds: 120 };
    let mut held = demand(&[&[40, 40], &[10], &[10]]);
    for shard in &mut held.shards {
        shard.split_guard = Some(hold(vec![shard.id.clone()]));
        shard.merge_guard = Some(hold(vec![shard.id.clone()]));
        shard.density = Evidence::Estimated;
    }
    let proposal = plan_within(&held, 1, 200);
    assert_eq!((kinds(&proposal), proposal.desired_shards), (String::new(), 3));
    let all = held.shards.iter().map(|shard| shard.id.clone()).collect();
    assert_eq!(proposal.holds, [hold(all)]);

    let mut frozen = demand(&[&[40, 40], &[10], &[10]]);
    frozen.shards[0].density = Evidence::Estimated;
    frozen.split_bars.push(Hold::Frozen { schedules: vec!["freeze".into()], scale_up: true });
    let proposal = plan_within(&frozen, 1, 200);
    assert_eq!((kinds(&proposal), reasons(&proposal)), ("M".to_owned(), vec!["Frozen"]));

    let mut estimated = demand(&[&[10], &[10]]);
    estimated.shards[0].evidence = Evidence::Estimated;
    let proposal = plan_within(&estimated, 1, 200);
    assert_eq!((kinds(&proposal), reasons(&proposal)), (String::new(), vec!["LoadEstimated"]));

    let mut was_busy = demand(&[&[10], &[10]]);
    was_busy.shards[0].segments[0].peak_loads.ingest_bytes = Load::from_percent(50);
    let proposal = plan_within(&was_busy, 1, 200);
    assert_eq!((kinds(&proposal), reasons(&proposal)), (String::new(), vec!["Stabilizing"]));

    // Together 20 %, of which three times as much is to come, or as much: above 56 % both bar them.
    for (expected, reason) in [(3_000, "LoadForeseen"), (1_000, "Stabilizing")] {
        let per_mille = vec![expected; SLOTS];
        was_busy.foreseen_per_mille = expected;
        was_busy.forecast = Some(Forecast { per_mille, course: Course::Both });
        let proposal = plan_within(&was_busy, 1, 200);
        assert_eq!((kinds(&proposal), reasons(&proposal)), (String::new(), vec![reason]));
    }
}

#[test]
fn a_shard_that_peaks_keep_from_joining_two_others_is_told_of() {
    let mut demand = demand(&[&[10], &[10], &[10]]);
    for shard in &mut demand.shards {
        shard.segments[0].peak_loads.ingest_bytes = Load::from_percent(20);
    }
    let proposal = plan_within(&demand, 1, 200);
    assert_eq!((kinds(&proposal), reasons(&proposal)), ("M".to_owned(), vec!["Stabilizing"]));
}

#[test]
fn a_plan_made_of_estimates_says_that_it_is_provisional() {
    let mut demand = demand(&[&[10], &[40]]);
    let settling = Hold::MetricsSettling { shards: vec![demand.shards[1].id.clone()] };
    demand.shards[1].unsettled = Some(settling.clone());
    demand.shards[1].merge_guard = Some(settling.clone());
    let proposal = plan_within(&demand, 1, 200);
    assert_eq!((kinds(&proposal), &proposal.holds), (String::new(), &vec![settling]));
}

/// A goal of which no merge can go first but the two that stand apart: 30 + 20 and 20 + 30.
fn two_merges_first() -> (Demand, Tiling) {
    let shards: [&[u32]; 7] = [&[30], &[8, 12], &[12, 8], &[30], &[40], &[16, 16], &[40]];
    (demand(&shards), Tiling::of(vec![0, 2, 4, 6, 8, 10]))
}

#[test]
fn above_max_shards_the_coldest_merge_waits_where_too_few_could_follow_it() {
    let (demand, goal) = two_merges_first();
    let (grid, rules) = (Grid::new(&demand.shards), Rules::ideal(&demand, &policy()));
    let allowance = Allowance {
        min: 1,
        max: 6,
        scale_up_limit: 200,
        scale_down_limit: 1,
        merges: usize::MAX,
        steps: usize::MAX,
    };
    let walk = order::walk(&grid, &rules, &goal, &allowance);
    assert_eq!(walk.boundaries, goal.boundaries());
    // The boundary at 3, between 12 and 12, would be the coldest.
    assert_eq!((walk.steps[0].position, walk.steps[1].position), (1, 5));
}

#[test]
fn what_can_be_reached_is_told_without_a_walk() {
    let (demand, goal) = two_merges_first();
    let (grid, rules) = (Grid::new(&demand.shards), Rules::ideal(&demand, &policy()));
    let reachable = |min, max| reach::is_reachable(&grid, &rules, &goal, min, max);
    assert!(reachable(1, 7) && reachable(1, 6), "two merges make room for a split");
    assert!(!reachable(1, 5), "and there are no three");
    assert!(!reachable(6, 7), "five shards are too few");
    assert!(!reachable(5, 5) && !reachable(1, 4));
}

#[test]
fn a_pair_of_which_one_must_not_be_split_is_cold_only_if_the_other_is_not_cut() {
    let mut demand = demand(&[&[10, 10], &[10, 10], &[30, 30]]);
    let pairs = |demand: &Demand| {
        let pairs = reach::cold_pairs(&Grid::new(&demand.shards), &Rules::guarded(demand, &policy()));
        pairs.iter().map(|pair| (pair.latest_low, pair.earliest_high)).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&demand), [(1, 3)]);
    let guard = Some(Hold::MergeBudget { max_merges_per_day: 1, merged: 1 });
    demand.shards[1].split_guard = guard.clone();
    assert_eq!(pairs(&demand), [(0, 3)]);
    (demand.shards[0].split_guard, demand.shards[1].split_guard) = (guard, None);
    assert_eq!(pairs(&demand), [(1, 4)]);
}

#[test]
fn rates_hold_splits_back_but_not_of_a_shard_that_rejects() {
    let mut demand = demand(&[&[40, 40], &[45, 45], &[50, 50]]);
    demand.scale_up_limit = 4;
    let proposal = plan_within(&demand, 1, 200);
    assert_eq!((kinds(&proposal), reasons(&proposal)), ("S".to_owned(), vec!["RateLimited"]));
    for shard in &mut demand.shards[..2] {
        shard.rejecting = true;
    }
    let proposal = plan_within(&demand, 1, 200);
    assert_eq!((kinds(&proposal), reasons(&proposal)), ("SS".to_owned(), vec!["RateLimited"]));
}

#[test]
fn rates_and_budgets_hold_merges_back() {
    let mut demand = demand(&[&[10], &[10], &[10], &[10]]);
    demand.scale_down_limit = 3;
    let proposal = plan_within(&demand, 1, 200);
    assert_eq!((kinds(&proposal), reasons(&proposal)), ("M".to_owned(), vec!["RateLimited"]));
    demand.scale_down_limit = 1;
    demand.merges_in_the_last_day = 148;
    let proposal = plan_within(&demand, 1, 200);
    assert_eq!((kinds(&proposal), reasons(&proposal)), ("MM".to_owned(), vec!["MergeBudget"]));
    assert_eq!(proposal.desired_shards, 1);
}

#[test]
fn a_hot_shard_at_the_cap_is_told_of_where_the_merges_that_would_make_room_must_wait() {
    let mut demand = demand(&[&[40, 40], &[10], &[10], &[60]]);
    demand.merges_in_the_last_day = 150;
    let proposal = plan_within(&demand, 1, 4);
    assert_eq!((kinds(&proposal), reasons(&proposal)), (String::new(), vec!["MergeBudget", "AtMaxShards"]));
}

#[test]
fn of_equally_hot_shards_as_many_are_relieved_as_there_is_room_for() {
    let demand = demand(&[&[60, 60], &[60, 60], &[60, 60], &[60, 60]]);
    let proposal = plan_within(&demand, 1, 7);
    assert_eq!((kinds(&proposal), reasons(&proposal)), ("SSS".to_owned(), vec!["AtMaxShards"]));
    assert_eq!(kinds(&plan_within(&demand, 1, 4)), "");
    let all = plan_within(&demand, 1, 8);
    assert_eq!((kinds(&all), reasons(&all)), ("SSSS".to_owned(), vec![]));
}

#[test]
fn a_plan_has_no_more_steps_than_its_budget_and_says_how_many_follow() {
    let hot: Vec<&[u32]> = vec![&[40, 40]; 23];
    let proposal = plan_within(&demand(&hot), 1, 200);
    assert_eq!(proposal.steps.len(), 20);
    assert_eq!(proposal.holds, [Hold::StepBudget { max_steps_per_plan: 20, left_out: 3 }]);
}

#[test]
fn any_stop_bars_every_step_but_turning_metrics_on() {
    let mut demand = demand(&[&[90, 90]]);
    let off = |managed| Hold::ShardMetricsOff { metrics: vec!["IncomingBytes".into()], managed };
    for (managed, steps) in [(false, ""), (true, "E")] {
        demand.stops = vec![off(managed)];
        assert_eq!(kinds(&plan_within(&demand, 1, 200)), steps);
    }
    demand.stops.push(Hold::OnDemandStream);
    assert_eq!(kinds(&plan_within(&demand, 1, 200)), "");
}

#[test]
fn a_plan_that_was_carried_out_leads_to_no_further_plan() {
    let mut policy = policy();
    policy.scale_down.stabilization_window = Duration::ZERO;
    let shards: [&[u32]; 5] = [&[40, 40], &[10], &[10], &[30, 90], &[26]];
    let first = plan_within(&demand(&shards), 1, 200);
    let loads: Vec<u32> = after(&first).iter().map(|load| u32::try_from(*load).expect("small")).collect();
    let shards: Vec<&[u32]> = loads.iter().map(std::slice::from_ref).collect();
    assert_eq!(kinds(&plan_within(&demand(&shards), 1, 200)), "");
}

#[test]
fn a_silent_stream_is_brought_up_to_min_shards_and_above_max_shards_asks_for_no_more() {
    let mut demand = demand(&[&[0, 0], &[0, 0]]);
    for shard in &mut demand.shards {
        shard.evidence = Evidence::Unknown;
        (shard.unsettled, shard.merge_guard) = (Some(Hold::SilentStream), Some(Hold::SilentStream));
    }
    let up = plan_within(&demand, 4, 8);
    assert_eq!((kinds(&up), reasons(&up), up.desired_shards), ("SS".to_owned(), vec!["SilentStream"], 4));
    let above = plan_within(&demand, 1, 1);
    assert_eq!(
        (kinds(&above), reasons(&above), above.verdicts.len()),
        (String::new(), vec!["SilentStream"], 0)
    );
}

#[test]
fn of_shards_without_load_the_widest_is_cut_first() {
    let demand = demand(&[&[0, 0], &[0, 0, 0, 0]]);
    let proposal = plan_within(&demand, 4, 8);
    let cut = proposal.steps.iter().map(|step| match step {
        Step::Split { range, .. } => *range,
        other => panic!("{other}"),
    });
    assert_eq!(cut.collect::<Vec<_>>(), [demand.shards[1].range, demand.shards[0].range]);
}
