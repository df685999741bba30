//! The planner: from what the ranges need to an ordered list of steps. All branching is here.
//!
//! # The model
//!
//! The hash-key space is a row of *segments*, indivisible parts with a load in each dimension. A
//! *tiling* is a set of boundaries between segments; its shards are the intervals between
//! consecutive boundaries. B₀ is the tiling as it is, B₁ the one to reach. A merge removes a
//! boundary, a split inserts one, so no plan from B₀ to B₁ has fewer than |B₀ △ B₁| steps, and
//! [`order`] always finds one with exactly so many.
//!
//! An interval may be a shard of B₁ if it is one of
//!
//! - **kept**: exactly a shard of B₀, and its load lies at or under the *trigger* (the targets) in
//!   every dimension, or it cannot be split now;
//! - **part**: within one shard of B₀ that may be split, and its load lies at or under the *pack*
//!   limit (target × (1 − tolerance)), or it is a single segment, which no cut can relieve;
//! - **merged**: over several shards of B₀ that all may be merged, and its *peak* load lies at or
//!   under the pack limit; where it takes but a part of a shard, the spread of that shard's load
//!   must be known by measurement, for estimates never justify a merge.
//!
//! [`optimum`] finds the tiling of least cost `shards × horizon + steps × step cost` (ties: fewest
//! steps). Every interval's cost is its horizon, plus a step if its upper boundary is inserted,
//! plus a step for each boundary of B₀ inside it: a shortest path over the boundaries. All three
//! kinds are hereditary (a sub-interval of a part is a part, of a merged interval a part or
//! merged), so for each upper boundary the admissible lower ones form a window that only moves
//! up, and the shortest path is a sliding-window minimum: O(segments), whatever the dimensions.
//!
//! If its count lies outside the bounds, the same sweep runs once for each count up to the upper
//! bound, over the part of the space where a tiling of that count can run, and the cheapest within
//! the bounds is taken: O(segments × bound) at worst. A tiling of more shards can always be had from
//! one of fewer (cut anything: hereditary), so the counts that exist are all those from the fewest
//! up.
//!
//! # The order
//!
//! [`order`]: splits before merges: every shard in between then lies inside a shard of B₀ or of B₁,
//! so none is fuller than both. Where `maxShards` leaves no room, merges go first: each must be
//! admissible by itself at that moment, and what it makes, if it is yet to be cut, must hold no
//! shard that must not be split. Splits only ever make more merges admissible.
//!
//! [`reach`] tells without a search whether an order exists. Of n open shards and m in B₁, with
//! splits *and* merges between them (else there is nothing to choose):
//!
//! - If min = max there is none: the first step leads to the bound, and the next one over it.
//! - If n ≥ max, a first split needs n − max + 1 merges before it, all of shards as they are.
//! - If m = max, the last step is a split: before a merge there would be max + 1 shards. If it cuts
//!   what was merged on the way, leaving it out is cheaper and leads to max − 1 ≥ min shards. So
//!   towards the cheapest tiling it is a *last split*: between two parts of one shard of B₀.
//! - These two are all that is needed. After the first merges there is a free place, and a merge
//!   wants no more than the cuts at both ends of its shard of B₁. Look at the cuts between two
//!   boundaries that are kept, from left to right: where two neighbours have exactly one boundary
//!   of B₀ between them, it falls once both are made; where there are more, one falls with each of
//!   the two, and the others by themselves. So cuts hang together in chains, in which each cut but
//!   the first lets a merge follow. Chains of which an end lets one follow too need one place, and
//!   leave no fewer; they go first. The others take one place for good, and, if they have two cuts
//!   or more, one more for a moment: of it there is none only if m = max and the chain comes last,
//!   and a last split is a chain of one cut.
//! - `min` changes nothing: where a merge would lead below it, the next split can go first, for
//!   there is a place, and after it the merge is admissible all the more.
//!
//! So [`order`] takes the most urgent step after which the rest can still be done: the last split
//! last, at the last place one that lets a merge follow, above the cap only merges after which
//! enough can follow. It never gets stuck, but by rates and budgets.
//!
//! If the cheapest tiling within the bounds cannot be reached, the next-cheapest is found by the
//! same sweeps, with paths told apart by what they have: a last split (asked for at m = max) and, at
//! n = max, a first merge, an interval over the boundary of two neighbours that fit together. That
//! is ten sweeps for each count at most, and exact: of what can be reached only B₀ itself lacks what
//! is asked for, and where two neighbours fit together it is never the cheapest (a shard is worth
//! more than a step, or there would be nothing cheaper than B₀ at all). Above the cap, n > max, it is
//! not exact: how many merges can go first is no property of single intervals. There one first merge
//! is asked for as well. What then cannot be reached gives way to the *safe class*: without moves,
//! and if min = max only in the direction of the bounds (below them no merges, above them no splits,
//! at them nothing). In it an order always exists: at the cap, count + splits left − merges left ≤
//! max, so a merge is left, and each is admissible by itself. With min = max it holds all that can
//! be reached.
//!
//! # What does not fit
//!
//! If no tiling that can be reached satisfies the targets within the bounds, they are raised: the
//! least per mille p of the trigger is found at which one does, where shards up to p × trigger are
//! kept and parts are filled up to max(pack, p × trigger). Merges are never raised. So the highest
//! load becomes as low as the class allows, and the hold `AtMaxShards` says so. Of shards that are equally hot
//! there may be too many to relieve the last of them, and the least p keeps them all: so the places that the
//! cheapest tiling leaves go to what lies above the trigger, one after another to the fullest ([`spread`]).
//!
//! Shards whose load of now is not measured yet are reported as holds whatever the plan: that
//! nothing is to be done is final only once it is measured.
//!
//! # One call for many steps
//!
//! [`update`] compares all this with what UpdateShardCount leads to, where the policy allows it.
//!
//! What guards, rates and budgets keep from the *ideal* tiling (no guards, merges judged by the
//! load of now where it is known) is reported as holds.

use crate::demand::Demand;
use crate::hash_key::HashKeyRange;
use crate::load::Loads;
use crate::plan::{Explanation, HandOver, Hold, RangeLoad, Step, StepReason, Verdict};
use crate::policy::{InForce, ScalingPolicy, Tradeoff};
use crate::snapshot::ShardMetric;

use self::grid::{Grid, Rules};
use self::optimum::{Asked, Tiling};
use self::order::{Allowance, Walk};
use self::update::{Call, Choice};

mod foresight;
mod grid;
mod hand_over;
mod holds;
mod optimum;
mod order;
mod reach;
mod spread;
mod sweep;
#[cfg(test)]
mod tests;
mod update;

/// What the planner proposes; `decision` makes a plan of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Why each is there and what it does.
    pub explanations: Vec<Explanation>,
    /// What is held back, and why.
    pub holds: Vec<Hold>,
    /// What no step can cure, as far as the planner finds it.
    pub verdicts: Vec<Verdict>,
    /// The number of shards once nothing is held back.
    pub desired_shards: u32,
    /// The shards now.
    pub before: Vec<RangeLoad>,
    /// The shards after the last step.
    pub after: Vec<RangeLoad>,
    /// The cost of the tiling aimed at, in shard-seconds: shards × horizon + steps × step cost,
    /// before rates and budgets cut it short.
    pub cost_shard_seconds: u64,
}

/// Plans for one stream.
pub fn plan(demand: &Demand, policy: &ScalingPolicy, in_force: &InForce) -> Proposal {
    let grid = Grid::new(&demand.shards);
    if !demand.stops.is_empty() || demand.shards.is_empty() {
        return stopped(demand, &grid);
    }
    let (min, max) = (in_force.bounds.min() as usize, in_force.bounds.max() as usize);
    let rules = Rules::guarded(demand, policy);
    let goal = aim(&grid, &rules, policy.tradeoff, min, max);
    let allowance = Allowance {
        min,
        max,
        scale_up_limit: demand.scale_up_limit as usize,
        scale_down_limit: demand.scale_down_limit as usize,
        merges: policy.budgets.max_merges_per_day.saturating_sub(demand.merges_in_the_last_day) as usize,
        steps: policy.budgets.max_steps_per_plan as usize,
    };
    let walk = order::walk(&grid, &rules, &goal, &allowance);
    let ideal = if rules.hold_anything_back(&grid) {
        aim(&grid, &Rules::ideal(demand, policy), policy.tradeoff, min, max)
    } else {
        goal.clone()
    };

    let mut holds: Vec<Hold> = demand.shards.iter().filter_map(|shard| shard.unsettled.clone()).collect();
    holds.extend(holds::held_back(&grid, demand, policy, &goal, &ideal));
    holds.extend(walk.holds(policy, demand));
    let mut verdicts = Vec::new();
    // Where merges that would make room must wait, splits are as stuck as where there are none.
    let reached = walk.stuck_at_max();
    if let Some((hold, verdict)) = holds::at_max(&grid, &rules, reached.as_ref().unwrap_or(&goal), in_force) {
        holds.push(hold);
        verdicts.push(verdict);
    }
    if ideal.shard_count() < min {
        holds.push(Hold::BelowMinShards { min_shards: in_force.bounds.min() });
    }
    let options = update::Options { grid: &grid, rules: &rules, goal: &goal, demand, policy, in_force };
    match update::choose(options) {
        Choice::Steps => {}
        Choice::Held(hold) => holds.push(hold),
        Choice::Call(call) => return called(&grid, demand, in_force, call),
    }
    let explanations = explain(&grid, &rules, &walk, demand, in_force);
    let Walk { steps, boundaries, .. } = walk;
    Proposal {
        steps: steps.into_iter().map(|taken| taken.step).collect(),
        explanations,
        holds: combined(holds),
        verdicts,
        desired_shards: shard_count(&ideal).clamp(in_force.bounds.min(), in_force.bounds.max()),
        before: grid.range_loads(grid.shard_boundaries()),
        after: grid.range_loads(&boundaries),
        cost_shard_seconds: goal.cost_shard_seconds(&grid, policy.tradeoff),
    }
}

/// The number of shards and the cost in shard-seconds of the cheapest tiling, bounds, order and
/// rates aside: what the load alone asks for. For studies of streams of any size.
pub fn unbounded_optimum(demand: &Demand, policy: &ScalingPolicy) -> (u32, u64) {
    let grid = Grid::new(&demand.shards);
    let tiling = optimum::cheapest(&grid, &Rules::guarded(demand, policy), policy.tradeoff);
    (shard_count(&tiling), tiling.cost_shard_seconds(&grid, policy.tradeoff))
}

/// The cheapest tiling within the bounds that can be reached in some admissible order.
fn aim(grid: &Grid, rules: &Rules, tradeoff: Tradeoff, min: usize, max: usize) -> Tiling {
    let is_reachable = |tiling: &Tiling| reach::is_reachable(grid, rules, tiling, min, max);
    let free = spread::even(grid, rules, &optimum::cheapest(grid, rules, tradeoff));
    if free.shard_count() >= min && is_reachable(&free) {
        return free;
    }
    let open = grid.shard_count();
    let safe = rules.safe(open, min, max);
    // With too few segments for `min` shards, as many shards as there are segments.
    let min_shards = min.min(optimum::most_shards(grid, &safe));
    let within = |rules: &Rules, max_shards: usize, asked: Asked| {
        let tiling = optimum::within(grid, rules, tradeoff, min_shards, max_shards, asked)?;
        Some(spread::even(grid, rules, &tiling))
    };
    let ordered = |asked: Asked| within(rules, max, asked).filter(is_reachable);
    let asked = if open < max { Asked::LastSplit } else { Asked::FirstMergeAndLastSplit };
    // To ask for nothing takes a fraction of the time, and most often what is found has an order.
    ordered(Asked::Nothing)
        .or_else(|| if min < max { ordered(asked) } else { None })
        .or_else(|| within(&safe, max, Asked::Nothing))
        .or_else(|| {
            let (raised, max_shards) = optimum::raise_limits(grid, &safe, max);
            let tiling = within(&raised, max_shards, Asked::Nothing)?;
            Some(spread::relieved(grid, &raised, safe.limits.trigger, &tiling, max))
        })
        .unwrap_or_else(|| Tiling::of(grid.shard_boundaries().to_vec()))
}

/// One call in place of splits and merges, which may follow it. What is held back now and what does not
/// fit is told of what it leaves.
fn called(grid: &Grid, demand: &Demand, in_force: &InForce, call: Call) -> Proposal {
    let Call { from, to, reason, splits_left, cost_shard_seconds } = call;
    let before = grid.range_loads(grid.shard_boundaries());
    let ranges = HashKeyRange::WHOLE.equal_parts(to);
    let after: Vec<RangeLoad> = ranges.into_iter().map(|range| grid.range_load(range)).collect();
    let unsettled = demand.shards.iter().filter_map(|shard| shard.unsettled.clone());
    Proposal {
        steps: vec![Step::UpdateShardCount { from, to }],
        explanations: vec![Explanation { reason, before: before.clone(), after: after.clone() }],
        holds: combined(unsettled.collect()),
        verdicts: Vec::new(),
        desired_shards: to.saturating_add(splits_left).clamp(in_force.bounds.min(), in_force.bounds.max()),
        before,
        after,
        cost_shard_seconds,
    }
}

/// Where every step is barred: only turning metrics on may be left to do.
fn stopped(demand: &Demand, grid: &Grid) -> Proposal {
    let missing: Vec<ShardMetric> = match &demand.stops[..] {
        [Hold::ShardMetricsOff { metrics, managed: true }] => {
            let off = |metric: &ShardMetric| metrics.iter().any(|name| name == metric.name());
            ShardMetric::ALL.into_iter().filter(off).collect()
        }
        _ => Vec::new(),
    };
    let before = grid.range_loads(grid.shard_boundaries());
    let mut proposal = Proposal {
        steps: Vec::new(),
        explanations: Vec::new(),
        holds: combined(demand.stops.clone()),
        verdicts: Vec::new(),
        desired_shards: shard_count(&Tiling::of(grid.shard_boundaries().to_vec())),
        after: before.clone(),
        before,
        cost_shard_seconds: 0,
    };
    if !missing.is_empty() {
        proposal.steps.push(Step::EnableShardMetrics { metrics: missing });
        proposal.explanations.push(Explanation {
            reason: StepReason::ShardMetricsOff,
            before: Vec::new(),
            after: Vec::new(),
        });
    }
    proposal
}

/// Why each step is there, and what it does to whom.
fn explain(grid: &Grid, rules: &Rules, walk: &Walk, demand: &Demand, in_force: &InForce) -> Vec<Explanation> {
    let start = grid.shard_boundaries();
    let after_all = Tiling::of(walk.boundaries.clone());
    let mut boundaries = start.to_vec();
    let max = in_force.bounds.max();
    let mut explanations = Vec::with_capacity(walk.steps.len());
    for taken in &walk.steps {
        let (low, high) = order::neighbours(&boundaries, taken.position);
        let whole = grid.range_loads(&[low, high]);
        let halves = grid.range_loads(&[low, taken.position, high]);
        let place = boundaries.binary_search(&taken.position);
        let (reason, before, after) = if let Err(place) = place {
            boundaries.insert(place, taken.position);
            let shard = &demand.shards[grid.shard_of(taken.position)];
            // A piece that earlier cuts left under the target is cut for the heat of its shard.
            let piece = grid.loads(low, high);
            let loads = if piece.within(rules.limits.trigger) { shard.loads() } else { piece };
            let (dimension, load) = loads.binding(rules.limits.trigger);
            let reason = if shard.rejecting {
                StepReason::Rejecting { dimension, load }
            } else if !loads.within(rules.limits.trigger) {
                let target = rules.limits.trigger.of(dimension);
                let taker = hand_over::taker(grid, rules, &after_all, (low, taken.position, high));
                let hand_over = taker.map(|(to, peak)| {
                    let (dimension, load) = peak.binding(rules.limits.pack);
                    HandOver { to, dimension, load }
                });
                StepReason::AboveTarget { dimension, load, target, hand_over }
            } else if taken.moves {
                StepReason::MovesBoundary
            } else {
                StepReason::BelowMinShards { min_shards: in_force.bounds.min() }
            };
            (reason, whole, halves)
        } else {
            boundaries.retain(|boundary| *boundary != taken.position);
            let peak = whole.iter().map(|range| range.peak_loads).sum::<Loads>();
            let (dimension, load) = peak.binding(rules.limits.pack);
            let reason = if start.len() - 1 > max as usize {
                StepReason::AboveMaxShards { max_shards: max }
            } else if taken.moves {
                StepReason::MovesBoundary
            } else {
                StepReason::Cold { dimension, load, limit: rules.limits.pack.of(dimension) }
            };
            (reason, halves, whole)
        };
        explanations.push(Explanation { reason, before, after });
    }
    explanations
}

fn shard_count(tiling: &Tiling) -> u32 {
    u32::try_from(tiling.shard_count()).unwrap_or(u32::MAX)
}

/// The same hold of several shards told once.
fn combined(holds: Vec<Hold>) -> Vec<Hold> {
    let mut told: Vec<Hold> = Vec::new();
    for hold in holds {
        if !told.iter_mut().any(|earlier| earlier.absorb(&hold)) {
            told.push(hold);
        }
    }
    told
}
