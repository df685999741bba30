//! UpdateShardCount against a search of all counts: what the planner calls for passes the checks, and where it is
//! called for heat it is the best that does. (What is foreseen is tried by every course in `src/planner/foresight.rs`.)

use reshard::checks;
use reshard::demand::forecast::{Forecast, SLOTS};
use reshard::hash_key::HashKeyRange;
use reshard::load::{Load, Loads};
use reshard::plan::{Course, Hold, PlanIdentity, Step, StepReason};
use reshard::planner;
use reshard::policy::{Limits, UpdateShardCount};

use super::case::{Case, Profile};
use super::each_case;

/// What a load of the small cases is in millionths, so that shares of parts are known well enough.
const UNIT: u64 = 50_000;

/// A case of many shards under a policy that lets UpdateShardCount be called.
fn with_calls(case: &Case) -> Case {
    let mut case = case.clone();
    let scaled = |loads: Loads| Loads::from_array(loads.as_array().map(|load| Load(load.0 * UNIT)));
    case.policy.targets.limits = scaled(case.policy.targets.limits);
    case.demand.learned_target = case.demand.learned_target.map(|Load(learned)| Load(learned * UNIT));
    for (index, shard) in case.demand.shards.iter_mut().enumerate() {
        if shard.evidence != reshard::plan::Evidence::Measured && index.is_multiple_of(2) {
            let shards = vec![shard.id.clone()];
            shard.unsettled = Some(Hold::MetricsSettling { shards });
        }
        for segment in &mut shard.segments {
            segment.loads = scaled(segment.loads);
            segment.peak_loads = scaled(segment.peak_loads);
        }
    }
    let seed = case.seed;
    if seed.is_multiple_of(11) {
        case.demand.merge_bars.push(Hold::Rising { per_mille: 60 });
        case.demand.is_steady = false;
    }
    if !seed.is_multiple_of(4) {
        spread_evenly(&mut case, 40 + seed * 37 % 160);
    }
    case.policy.update_shard_count =
        if seed.is_multiple_of(3) { UpdateShardCount::Emergency } else { UpdateShardCount::Auto };
    case.policy.pace.step_seconds = [30, 90, 180][(seed / 3 % 3) as usize];
    case.demand.count_updates_minutes_ago = vec![0; [0, 0, 1, 5, 9, 10][(seed / 9 % 6) as usize]];
    if !seed.is_multiple_of(7) {
        let per_mille = vec![300 + seed * 53 % 1_500; SLOTS];
        case.demand.forecast = Some(Forecast { per_mille, course: Course::Yesterday });
    }
    if seed.is_multiple_of(5) {
        case.demand.shards.iter_mut().for_each(|shard| shard.rejecting = false);
    }
    case
}

/// Spreads over the whole key space what so many percent of all shards' targets carry. Random loads leave
/// few cases in which equal ranges help.
fn spread_evenly(case: &mut Case, percent: u64) {
    let target = case.limits().trigger.ingest_bytes.0;
    let total = target * case.demand.shards.len() as u64 * percent / 100;
    for segment in case.demand.shards.iter_mut().flat_map(|shard| &mut shard.segments) {
        let share = (total as f64 * segment.range.fraction_of_space()).round() as u64;
        segment.loads = Loads { ingest_bytes: Load(share), ..Loads::default() };
        segment.peak_loads = segment.loads;
    }
}

/// What a count leaves: splits up to where shards are packed to, those of hot ranges, the heat in
/// shares of a target, and how full the fullest range is. `None` where a load is too near a limit to tell.
fn left(case: &Case, to: u32) -> Option<(u64, u64, f64, f64)> {
    let Limits { pack, trigger } = case.limits();
    let (part, trigger) = (pack.as_array(), trigger.as_array());
    let (mut splits, mut hot_splits, mut heat, mut fullest) = (0, 0, 0.0, 0.0_f64);
    for range in HashKeyRange::WHOLE.equal_parts(to) {
        let (mut parts, mut hottest) = (1, 0.0_f64);
        for dimension in 0..3 {
            let held: f64 = case
                .demand
                .shards
                .iter()
                .flat_map(|shard| &shard.segments)
                .filter_map(|segment| {
                    let common = segment.range.intersection(range)?;
                    let share = common.fraction_of_space() / segment.range.fraction_of_space();
                    Some(segment.loads.as_array()[dimension].0 as f64 * share)
                })
                .sum();
            let limits = [part, trigger].map(|limits| limits[dimension].0 as f64);
            for limit in limits {
                let filled = held / limit;
                if filled.round() >= 1.0 && (filled - filled.round()).abs() * limit < 50.0 {
                    return None;
                }
            }
            parts = parts.max((held / limits[0]).ceil() as u64);
            hottest = hottest.max(held / limits[1] - 1.0);
            fullest = fullest.max(held / limits[1]);
        }
        splits += parts - 1;
        hot_splits += if hottest > 0.0 { parts - 1 } else { 0 };
        heat += hottest;
    }
    Some((splits, hot_splits, heat, fullest))
}

fn may_be(case: &Case, identity: &PlanIdentity, to: u32) -> bool {
    let from = identity.start.len() as u32;
    let identity = PlanIdentity { steps: vec![Step::UpdateShardCount { from, to }], ..identity.clone() };
    checks::check_steps(&identity, case.limits().trigger, &case.snapshot, &case.policy, &case.demand).is_ok()
}

#[test]
fn a_call_passes_the_checks_and_for_heat_it_is_the_best_that_does() {
    let (mut emergencies, mut fewer, mut foreseen) = (0, 0, 0);
    for guards in [true, false] {
        let profile = Profile { guards, limits: false, shards: 32, segments: 96, ..Profile::default() };
        each_case(&profile, 2_000, |case| {
            hold_against_all_counts(case, [&mut emergencies, &mut fewer, &mut foreseen])
        });
    }
    let told =
        format!("{emergencies} emergencies, {fewer} with fewer shards than by splits, {foreseen} foreseen");
    println!("{told}");
    assert!(emergencies >= 400 && fewer >= 40 && foreseen >= 40, "{told}");
}

/// The call that is planned in a case, if one is, against all other counts.
fn hold_against_all_counts(case: &Case, [emergencies, fewer, foreseen]: [&mut usize; 3]) {
    let case = with_calls(case);
    let proposal = planner::plan(&case.demand, &case.policy, &case.in_force());
    let plan = case.plan_of(&proposal);
    if let Err(violations) = checks::check(&plan, &case.snapshot, &case.policy, &case.demand) {
        panic!("{violations}\n{case}\n{:?}", proposal.steps);
    }
    let [Step::UpdateShardCount { from, to }] = proposal.steps[..] else {
        assert!(!proposal.steps.iter().any(|step| matches!(step, Step::UpdateShardCount { .. })));
        return;
    };
    let tradeoff = case.policy.tradeoff;
    let cost = |count: u32, left: u64| {
        (u64::from(count) + left) * tradeoff.horizon_seconds + left * tradeoff.step_cost_shard_seconds
    };
    let Some(chosen) = left(&case, to) else { return };
    assert_eq!(proposal.cost_shard_seconds, cost(to, chosen.0), "{case}");
    let pace = case.policy.pace;
    let trigger = case.limits().trigger.as_array();
    let heat: f64 = case
        .demand
        .shards
        .iter()
        .map(|shard| {
            let filled = shard.loads().as_array().into_iter().zip(trigger);
            filled.map(|(load, limit)| load.0 as f64 / limit.0 as f64 - 1.0).fold(0.0, f64::max)
        })
        .sum();
    let heat_seconds = |(_, hot_splits, left, _): (u64, u64, f64, f64)| {
        heat * pace.update_seconds as f64 + left * pace.serial_seconds(hot_splits) as f64 / 2.0
    };
    let others = (from.div_ceil(2)..=2 * from).filter(|other| *other != to && *other != from);
    match proposal.explanations[0].reason {
        StepReason::SplitsTooSlow { splits, splits_left, serial_seconds, .. } => {
            *emergencies += 1;
            assert_eq!(
                (u64::from(splits_left), pace.serial_seconds(splits.into())),
                (chosen.1, serial_seconds)
            );
            let here = heat_seconds(chosen);
            assert!(here < heat * serial_seconds as f64 / 2.0 * 1.001, "{case}");
            // Fewer than splits would leave are enough where the stream does not rise, and neither a quarter more nor
            // what is expected would make any of them hot.
            let expected = case.demand.forecast.as_ref().map_or(0.0, |forecast| forecast.per_mille[0] as f64);
            let growth = if case.demand.is_steady { (expected / 1_000.0).max(1.25) } else { f64::INFINITY };
            let grown = |fullest: f64| fullest * growth;
            let enough = from + splits;
            let bears_growth = grown(chosen.3) < 1.000_1;
            let mut more = others.clone().filter(|other| *other > to);
            assert!(
                to >= enough || bears_growth || !more.any(|other| may_be(&case, &plan.identity, other)),
                "{case}"
            );
            *fewer += usize::from(to < enough && bears_growth);
            for other in others.filter(|other| *other > from) {
                let Some(there) = left(&case, other) else { continue };
                if other < enough && grown(there.3) > 0.999_9 {
                    continue;
                }
                let cooler = heat_seconds(there) < here * 0.999;
                let cheaper = heat_seconds(there) <= here && cost(other, there.0) < cost(to, chosen.0);
                if cooler || (cheaper && chosen.2 == 0.0) {
                    assert!(!may_be(&case, &plan.identity, other), "{other} is better than {to}\n{case}");
                }
            }
        }
        StepReason::Foreseen { saved_shard_seconds, .. } => {
            *foreseen += 1;
            let may_look_ahead = case.policy.update_shard_count == UpdateShardCount::Auto;
            assert!(may_look_ahead && case.demand.forecast.is_some() && saved_shard_seconds > 0, "{case}");
        }
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn without_leave_nothing_is_called_for_and_the_plan_is_the_same_as_ever() {
    let profile = Profile { guards: true, limits: true, shards: 24, segments: 72, ..Profile::default() };
    each_case(&profile, 500, |case| {
        let mut case = with_calls(case);
        case.policy.update_shard_count = UpdateShardCount::Never;
        let never = planner::plan(&case.demand, &case.policy, &case.in_force());
        assert!(!never.steps.iter().any(|step| matches!(step, Step::UpdateShardCount { .. })), "{case}");
        // Neither is it once AWS has refused a call: then too it is splits and merges that are planned.
        case.policy.update_shard_count = UpdateShardCount::Auto;
        case.demand.count_update_refused = Some("LimitExceededException".to_owned());
        let refused = planner::plan(&case.demand, &case.policy, &case.in_force());
        assert_eq!(refused.steps, never.steps, "{case}");
    });
}
