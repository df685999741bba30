//! The planner against an exhaustive search: every set of boundaries of small random streams is
//! tried against the rules as they are written in the planner's documentation.
//!
//! `RESHARD_CASES=100000` tries more, `RESHARD_SEED=7` begins at another seed; a failure prints
//! the seed of its case, and that seed with `RESHARD_CASES=1` replays it.

use reshard::checks;
use reshard::load::Loads;
use reshard::plan::{Evidence, Hold, Step};
use reshard::planner::{self, Proposal};

use self::case::{Case, Profile};
use self::exhaustive::{Goal, Search};
use self::intervals::Class;

mod calls;
mod case;
mod exhaustive;
mod intervals;
mod large;

/// Runs `test` on many cases, beginning with that of `RESHARD_SEED`.
fn each_case(profile: &Profile, usual: u64, mut test: impl FnMut(&Case)) {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().expect("a number"));
    let first = number("RESHARD_SEED").unwrap_or(1);
    for seed in first..first + number("RESHARD_CASES").unwrap_or(usual) {
        test(&Case::random(profile, seed));
    }
}

/// Judges many cases of no more shards than `maxShards`: each must be exact.
fn each_is_exact(profile: &Profile, usual: u64) {
    each_case(profile, usual, |case| {
        assert!(!is_above_the_cap(case), "no case of this profile is\n{case}");
        assert!(judge(case));
    });
}

/// Judges many cases at the cap and above it. At it each must be exact. Above it, and nowhere else, a
/// plan may cost more than need be, for there the planner's search is not exact (`src/planner.rs` says
/// why): one in ten thousand at most (one in a million was seen).
fn each_is_exact_but_for_few_above_the_cap(profile: &Profile, usual: u64) {
    let (mut cases, mut above, mut dearer) = (0, 0, 0);
    each_case(profile, usual, |case| {
        cases += 1;
        above += u64::from(is_above_the_cap(case));
        dearer += u64::from(!judge(case));
    });
    println!("of {cases} plans, {above} of them above the cap, {dearer} cost more than need be");
    assert!(
        cases < 1_000 || (above * 10 >= cases && above * 10 <= cases * 9),
        "{above} of {cases} are above the cap"
    );
    assert!(dearer * 10_000 <= above, "{dearer} of {above} plans above the cap cost more than need be");
}

/// Whether there are more shards than there may be.
fn is_above_the_cap(case: &Case) -> bool {
    case.demand.shards.len() > case.in_force().bounds.max() as usize
}

/// What the planner aims at must be what the exhaustive search finds, and the way there must be
/// admissible in every state. Returns whether it is; that it is not is borne above the cap alone.
fn judge(case: &Case) -> bool {
    let proposal = planner::plan(&case.demand, &case.policy, &case.in_force());
    let plan = case.plan_of(&proposal);
    if let Err(violations) = checks::check(&plan, &case.snapshot, &case.policy, &case.demand) {
        panic!("{violations}\n{case}{}", told(case, &proposal));
    }
    let search = Search::of(case);
    let goal = search.goal();
    // What it would come to if nothing were held back.
    let ideal = case.unguarded();
    let bounds = case.in_force().bounds;
    let ideal = Search::of(&ideal);
    let shards = ideal.shards(&ideal.goal());
    let story =
        || format!("the search finds {goal:?} and ideally {shards:?}\n{case}{}", told(case, &proposal));
    let cuts = search.more_cuts(&goal, proposal.cost_shard_seconds);
    let is_best = cuts.is_some() && shards.contains(&proposal.desired_shards);
    assert!(is_best || is_above_the_cap(case), "the plan does not aim at the best\n{}", story());
    if let Some(cuts) = cuts.filter(|_| is_best && case.nothing_limits_the_way()) {
        arrives(case, &search, (&goal, cuts), &proposal);
    }
    let below_min = proposal.holds.contains(&Hold::BelowMinShards { min_shards: bounds.min() });
    assert_eq!(below_min, case.segments().len() < bounds.min() as usize, "BelowMinShards\n{}", story());
    is_best
}

/// Where neither rates nor budgets cut the walk short, it ends in a tiling that costs what was
/// announced, in the fewest steps, and of which every shard is admissible. What stays above its
/// target though it could be cut is told, the fullest of it; or of all, where there are too many.
fn arrives(case: &Case, search: &Search<'_>, (goal, cuts): (&Goal, usize), proposal: &Proposal) {
    let ends: Vec<usize> = proposal.after.iter().map(|after| case.position(after.range.end()) + 1).collect();
    let story = || format!("the plan should come to {goal:?}\n{case}{}", told(case, proposal));
    assert!(search.is_met(goal, cuts, &ends), "the plan does not end where it aims\n{}", story());
    assert_eq!(proposal.steps.len(), goal.cost.steps + cuts, "the plan takes detours\n{}", story());
    let trigger = case.limits().trigger;
    let share = |loads: Loads| {
        let shares = loads
            .as_array()
            .into_iter()
            .zip(trigger.as_array())
            .map(|(load, limit)| load.0 * 1_000_000 / limit.0);
        shares.max().expect("three dimensions")
    };
    let too_many = ends.len() > case.in_force().bounds.max() as usize;
    let fullest = if case.demand.shards.iter().all(|shard| shard.evidence == Evidence::Unknown) {
        None
    } else if too_many {
        proposal.after.iter().map(|range| share(range.loads)).max()
    } else {
        search.overloaded(Class::WHOLE, &ends).into_iter().map(share).max()
    };
    let told = proposal.holds.iter().find_map(|hold| match hold {
        Hold::AtMaxShards { load, dimension, .. } => Some(load.0 * 1_000_000 / trigger.of(*dimension).0),
        _ => None,
    });
    assert_eq!(told, fullest, "AtMaxShards tells of the fullest shard\n{}", story());
}

fn told(case: &Case, proposal: &Proposal) -> String {
    let key = |key: reshard::hash_key::HashKey| case.position(key);
    let steps: Vec<String> = proposal
        .steps
        .iter()
        .map(|step| match step {
            Step::Split { at, .. } => format!("split at {}", key(*at)),
            Step::Merge { high, .. } => format!("merge at {}", key(high.start())),
            Step::UpdateShardCount { .. } | Step::EnableShardMetrics { .. } => step.to_string(),
        })
        .collect();
    let after: Vec<usize> = proposal.after.iter().map(|after| key(after.range.start())).collect();
    let holds: Vec<&str> = proposal.holds.iter().map(|hold| hold.reason()).collect();
    format!(
        "planner: cost {}, desired {}, steps {steps:?}, boundaries after {after:?}, holds {holds:?}\n",
        proposal.cost_shard_seconds, proposal.desired_shards
    )
}

#[test]
fn one_binding_dimension_costs_what_an_exhaustive_search_finds() {
    each_is_exact(&Profile { dimensions: 1, ..Profile::default() }, 1_000);
}

#[test]
fn two_binding_dimensions_cost_what_an_exhaustive_search_finds() {
    each_is_exact(&Profile { dimensions: 2, ..Profile::default() }, 1_000);
}

#[test]
fn three_binding_dimensions_cost_what_an_exhaustive_search_finds() {
    each_is_exact(&Profile { dimensions: 3, ..Profile::default() }, 1_000);
}

#[test]
fn at_max_shards_the_plan_is_the_best_that_can_be_reached_and_above_it_all_but_always() {
    each_is_exact_but_for_few_above_the_cap(&Profile { tight_bounds: true, ..Profile::default() }, 1_500);
}

#[test]
fn guards_and_estimates_are_kept() {
    each_is_exact(&Profile { guards: true, ..Profile::default() }, 1_500);
}

#[test]
fn guards_at_max_shards_are_kept() {
    each_is_exact_but_for_few_above_the_cap(
        &Profile { guards: true, tight_bounds: true, ..Profile::default() },
        1_000,
    );
}

#[test]
fn where_the_cheapest_has_no_order_the_next_cheapest_is_found() {
    // Streams at the cap in which greed for relief gets stuck, or in which only a dearer tiling than
    // the cheapest can be reached.
    let profile = Profile { tight_bounds: true, ..Profile::default() };
    for seed in [
        2199, 2256, 4406, 4844, 8153, 9786, 9868, 14616, 19955, 24666, 25974, 26866, 27626, 29302, 31270,
        34254, 36185, 36787, 36807, 38376, 39450, 39728, 41756, 45018, 46046, 46138, 46956, 50828, 51377,
        51843, 54528, 58312, 58599,
    ] {
        assert!(judge(&Case::random(&profile, seed)), "seed {seed}");
    }
    // And one in which making room merges a shard that must not be split with one that must.
    let profile = Profile { guards: true, ..profile };
    assert!(judge(&Case::random(&profile, 111_869)));
}

#[test]
fn rates_and_budgets_cut_the_way_short_and_never_make_it_wrong() {
    each_is_exact_but_for_few_above_the_cap(
        &Profile { limits: true, tight_bounds: true, guards: true, ..Profile::default() },
        1_500,
    );
}

#[test]
fn the_same_inputs_give_the_same_plan_hash() {
    each_case(&Profile { guards: true, ..Profile::default() }, 200, |case| {
        let decide = |case: &Case| {
            let proposal = planner::plan(&case.demand, &case.policy, &case.in_force());
            case.plan_of(&proposal).hash
        };
        assert_eq!(decide(case), decide(&case.clone()), "{case}");
    });
}

#[test]
fn carrying_plans_out_comes_to_an_end() {
    let profile = Profile { tight_bounds: true, ..Profile::default() };
    each_case(&profile, 1_000, |first| {
        let mut case = first.clone();
        for _ in 0..6 {
            let proposal = planner::plan(&case.demand, &case.policy, &case.in_force());
            if proposal.steps.is_empty() {
                return;
            }
            case = case.carried_out(&proposal);
        }
        panic!("after six plans there is another\n{first}now\n{case}");
    });
}

#[test]
fn a_step_budget_leaves_the_first_steps_as_they_are() {
    let profile = Profile { guards: true, tight_bounds: true, ..Profile::default() };
    each_case(&profile, 1_000, |case| {
        let all = planner::plan(&case.demand, &case.policy, &case.in_force()).steps;
        let mut case = case.clone();
        for budget in 1..all.len() {
            case.policy.budgets.max_steps_per_plan = budget as u32;
            let cut = planner::plan(&case.demand, &case.policy, &case.in_force());
            assert_eq!(cut.steps, all[..budget], "{case}");
        }
    });
}

#[test]
fn what_guards_rates_and_budgets_hold_back_is_told() {
    let profile = Profile { guards: true, limits: true, tight_bounds: true, ..Profile::default() };
    let (mut held, mut cases) = (0, 0);
    each_case(&profile, 1_500, |case| {
        let plan = |case: &Case| planner::plan(&case.demand, &case.policy, &case.in_force());
        let (kept, free) = (plan(case), plan(&case.unguarded().unlimited()));
        cases += 1;
        if kept.steps.len() < free.steps.len() {
            held += 1;
            assert!(
                !kept.holds.is_empty(),
                "nothing tells why\n{case}{}{}",
                told(case, &kept),
                told(case, &free)
            );
        }
    });
    assert!(held * 10 >= cases, "{held} of {cases} plans are held back");
}
