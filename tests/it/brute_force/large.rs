//! Streams of full size, too large for a search of all tilings: a plain shortest path over all
//! pairs of positions takes its place. That every tiling of the safe class can be reached is shown
//! on the small streams.

use reshard::load::{Load, Loads};
use reshard::plan::Evidence;
use reshard::planner;
use reshard::policy::{ScalingPolicy, ShardBounds, Tradeoff};

use super::case::{self, Case, Profile, Random};
use super::intervals::{Class, Intervals, UNRAISED};

/// An interval that may be a shard of a tiling.
struct Edge {
    low: usize,
    high: usize,
    rise: u64,
    steps: u64,
}

/// A path's cost in shard-seconds, its steps, and its shards, compared in this order.
type Path = (u64, u64, u64);

fn edges(intervals: &Intervals<'_>, class: Class) -> Vec<Edge> {
    let pack = intervals.case.limits().pack;
    let mut edges = Vec::new();
    for high in 1..=intervals.segments() {
        for low in (0..high).rev() {
            let inside = intervals.shard_of[high - 1] - intervals.shard_of[low];
            // Further down there is only more load.
            if inside > 0 && !intervals.peaks(low, high).within(pack) {
                break;
            }
            if let Some(rise) = intervals.rise(class, low, high) {
                let inserted = !intervals.bounds_of_shards.contains(&high);
                edges.push(Edge { low, high, rise, steps: inside as u64 + u64::from(inserted) });
            }
        }
    }
    edges
}

fn extended((cost, steps, shards): Path, edge: &Edge, tradeoff: Tradeoff) -> Path {
    let more = tradeoff.horizon_seconds + edge.steps * tradeoff.step_cost_shard_seconds;
    (cost + more, steps + edge.steps, shards + 1)
}

/// The cheapest tiling of any count.
fn cheapest(intervals: &Intervals<'_>) -> Path {
    let tradeoff = intervals.case.policy.tradeoff;
    let mut paths: Vec<Option<Path>> = vec![None; intervals.segments() + 1];
    paths[0] = Some((0, 0, 0));
    for edge in edges(intervals, Class::WHOLE).iter().filter(|edge| edge.rise == UNRAISED) {
        let extended = paths[edge.low].map(|path| extended(path, edge, tradeoff));
        paths[edge.high] = paths[edge.high].into_iter().chain(extended).min();
    }
    paths[intervals.segments()].expect("the shards as they are, cut into segments")
}

/// The cheapest tiling of the safe class within the bounds, after the least rise at which there
/// is one; and that rise.
fn cheapest_within(intervals: &Intervals<'_>, min: usize, max: usize) -> (Path, u64) {
    let (tradeoff, last) = (intervals.case.policy.tradeoff, intervals.segments());
    let open = intervals.case.demand.shards.len();
    let class = Class::safe(open, min, max);
    let min = min.min((0..open).map(|shard| intervals.pieces(class, shard)).sum());
    let edges = edges(intervals, class);
    // By count, and to each position: the least of the highest rises of a path.
    let mut rises: Vec<Vec<Option<u64>>> = vec![vec![None; last + 1]];
    rises[0][0] = Some(UNRAISED);
    while rises.len() <= max || rises.iter().all(|rises| rises[last].is_none()) {
        let mut next = vec![None; last + 1];
        for edge in &edges {
            let extended = rises[rises.len() - 1][edge.low].map(|rise| edge.rise.max(rise));
            next[edge.high] = next[edge.high].into_iter().chain(extended).min();
        }
        rises.push(next);
    }
    let counts = rises.len();
    let rise = rises.iter().skip(min).filter_map(|rises| rises[last]).min().expect("to stay is possible");
    let mut paths: Vec<Option<Path>> = vec![None; last + 1];
    paths[0] = Some((0, 0, 0));
    let mut best: Option<Path> = None;
    for count in 1..counts {
        let mut next: Vec<Option<Path>> = vec![None; last + 1];
        for edge in edges.iter().filter(|edge| edge.rise <= rise) {
            let extended = paths[edge.low].map(|path| extended(path, edge, tradeoff));
            next[edge.high] = next[edge.high].into_iter().chain(extended).min();
        }
        paths = next;
        if count >= min {
            best = best.into_iter().chain(paths[last]).min();
        }
    }
    (best.expect("the rise is that of a tiling"), rise)
}

/// A stream of `shards` × 16 segments with load in three dimensions, guards and estimates.
fn case(seed: u64, shards: usize) -> Case {
    let random = &mut Random(seed);
    let profile = Profile { guards: true, ..Profile::default() };
    let demand = case::demand(&profile, random, &vec![16; shards]);
    let mut policy = ScalingPolicy::for_stream("orders", 200);
    policy.targets.limits = Loads::from_array([60, 72, 54].map(Load));
    policy.tolerance_millionths = 200_000;
    policy.tradeoff = Tradeoff {
        step_cost_shard_seconds: random.one_of(&[0, 300, 900]),
        horizon_seconds: random.one_of(&[900, 14_400]),
    };
    let mut case = Case::new(seed, demand, policy);
    case.learn(random, (40, 75));
    case
}

#[test]
fn the_cheapest_tiling_of_two_hundred_shards_is_the_shortest_path() {
    for seed in 1..=6 {
        let case = case(seed, 200);
        let (cost, _, shards) = cheapest(&Intervals::of(&case));
        let found = planner::unbounded_optimum(&case.demand, &case.policy);
        assert_eq!((u64::from(found.0), found.1), (shards, cost), "seed {seed}");
    }
}

#[test]
fn within_bounds_many_shards_cost_what_the_shortest_path_does() {
    let (mut raised, mut fitting) = (0, 0);
    let random = &mut Random(0);
    for seed in 1..=24 {
        let mut case = case(seed, 40);
        // Without moves there is but one class, and all of it can be reached.
        for shard in &mut case.demand.shards {
            shard.density = Evidence::Estimated;
        }
        let (min, max) = random.one_of(&[(1, 30), (20, 44), (45, 46), (38, 60), (1, 90)]);
        case.policy.bounds = ShardBounds::new(min, max).expect("within 1 to 200");
        let ((cost, _, shards), rise) = cheapest_within(&Intervals::of(&case), min as usize, max as usize);
        *(if rise == UNRAISED { &mut fitting } else { &mut raised }) += 1;
        let proposal = planner::plan(&case.demand, &case.policy, &case.in_force());
        // Where not everything fits, what is left of `max` goes to what is fullest: a step and a shard each.
        let Tradeoff { step_cost_shard_seconds, horizon_seconds } = case.policy.tradeoff;
        let cuts = (proposal.cost_shard_seconds - cost) / (step_cost_shard_seconds + horizon_seconds);
        let story = || format!("seed {seed}, {min} to {max}, rise {rise}, {cuts} more cuts");
        let dearer = cuts * (step_cost_shard_seconds + horizon_seconds);
        assert_eq!(proposal.cost_shard_seconds, cost + dearer, "{}", story());
        let room = if rise == UNRAISED { 0 } else { u64::from(max).saturating_sub(shards) };
        assert!(cuts <= room, "{}", story());
    }
    assert!(raised >= 3 && fitting >= 3, "{raised} raised, {fitting} not");
}
