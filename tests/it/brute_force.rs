//! The planner against an exhaustive search: every set of boundaries of small random streams is
//! tried against the rules as they are written in the planner's documentation.
//!
//! `RESHARD_CASES=100000` tries more, `RESHARD_SEED=7` begins at another seed; a failure prints
//! the seed of its case, and that seed with `RESHARD_CASES=1` replays it.

use reshard::checks;
use reshard::plan::Step;
use reshard::planner::{self, Proposal};

use self::case::{Case, Profile};
use self::exhaustive::{Goal, Search};

mod case;
mod exhaustive;

/// Runs `test` on many cases, and on the case of `RESHARD_SEED` first.
fn each_case(profile: &Profile, usual: u64, mut test: impl FnMut(&Case)) {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().expect("a number"));
    let first = number("RESHARD_SEED").unwrap_or(1);
    for seed in first..first + number("RESHARD_CASES").unwrap_or(usual) {
        test(&Case::random(profile, seed));
    }
}

/// What the planner aims at must be what the exhaustive search finds, and the way there must be
/// admissible in every state.
fn judge(case: &Case) {
    let proposal = planner::plan(&case.demand, &case.policy, &case.in_force());
    let plan = case.plan_of(&proposal);
    if let Err(violations) = checks::check(&plan, &case.snapshot, &case.policy, &case.demand) {
        panic!("{violations}\n{case}{}", told(case, &proposal));
    }
    let search = Search::of(case);
    let mut goal = search.goal(true);
    // At `maxShards` only few orders lead through a boundary's move; where the planner finds none,
    // the cheapest tiling without moves takes its place.
    if goal.moves && proposal.cost_shard_seconds != goal.cost.shard_seconds {
        goal = search.goal(false);
    }
    assert_eq!(
        proposal.cost_shard_seconds,
        goal.cost.shard_seconds,
        "the search finds {goal:?}\n{case}{}",
        told(case, &proposal)
    );
    if case.nothing_limits_the_way() {
        arrives(case, &search, &goal, &proposal);
    }
}

/// Where neither rates nor budgets cut the walk short, it ends in a tiling that costs what was
/// announced, in the fewest steps, and of which every shard is admissible.
fn arrives(case: &Case, search: &Search<'_>, goal: &Goal, proposal: &Proposal) {
    let ends: Vec<usize> = proposal.after.iter().map(|after| case.position(after.range.end()) + 1).collect();
    let story = || format!("the search finds {goal:?}\n{case}{}", told(case, proposal));
    let cost = search.cost(&ends);
    assert_eq!(cost, goal.cost, "the plan does not end where it aims\n{}", story());
    assert_eq!(proposal.steps.len(), cost.steps, "the plan takes detours\n{}", story());
    let mut low = 0;
    for high in ends {
        assert!(search.is_admissible(goal.per_mille, low, high), "{low}..{high} is no shard\n{}", story());
        low = high;
    }
}

fn told(case: &Case, proposal: &Proposal) -> String {
    let key = |key: reshard::hash_key::HashKey| case.position(key);
    let steps: Vec<String> = proposal
        .steps
        .iter()
        .map(|step| match step {
            Step::Split { at, .. } => format!("split at {}", key(*at)),
            Step::Merge { high, .. } => format!("merge at {}", key(high.start())),
            Step::EnableShardMetrics { .. } => "enable metrics".to_owned(),
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
    each_case(&Profile { dimensions: 1, ..Profile::default() }, 1_500, judge);
}

#[test]
fn two_binding_dimensions_cost_what_an_exhaustive_search_finds() {
    each_case(&Profile { dimensions: 2, ..Profile::default() }, 1_500, judge);
}

#[test]
fn three_binding_dimensions_cost_what_an_exhaustive_search_finds() {
    each_case(&Profile { dimensions: 3, ..Profile::default() }, 1_500, judge);
}

#[test]
fn at_max_shards_the_plan_is_the_best_that_can_be_reached() {
    each_case(&Profile { tight_bounds: true, ..Profile::default() }, 2_000, judge);
}

#[test]
fn guards_and_estimates_are_kept() {
    each_case(&Profile { guards: true, ..Profile::default() }, 2_000, judge);
}

#[test]
fn rates_and_budgets_cut_the_way_short_and_never_make_it_wrong() {
    each_case(
        &Profile { limits: true, tight_bounds: true, guards: true, ..Profile::default() },
        2_000,
        judge,
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
