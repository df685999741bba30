//! How long planning takes: the planner alone, on demand that needs splits, merges and moves. Fails where
//! what has a target misses it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use reshard::demand::{Demand, DemandSummary, Segment, ShardDemand};
use reshard::hash_key::{HashKey, HashKeyRange};
use reshard::load::{Load, Loads};
use reshard::plan::Evidence;
use reshard::planner;
use reshard::policy::{ScalingPolicy, ShardBounds};
use reshard::stream::ShardId;

use self::target::keeps;

#[path = "observation/target.rs"]
mod target;

/// Segments of one shard, as `demand` makes them.
const SEGMENTS: usize = 16;

/// Shards from idle to overloaded, by a fixed sequence of pseudo-random numbers. With `dimensions`
/// above one, each of them is the fullest in some segments, so that all bind.
fn random_demand(shards: u128, dimensions: usize, density: Evidence, hottest: u64) -> Demand {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let segments = |_| {
        let heat = random(hottest) + random(hottest) * u64::from(random(8) == 0);
        std::array::from_fn(|_| {
            let mut loads = [0; 3];
            loads[random(dimensions as u64) as usize] = heat / 2 + random(heat + 1);
            loads
        })
    };
    demand(shards, density, segments)
}

/// Every three shards fit into two, if the middle one is shared out, but no two into one; the last
/// two are too full. At `maxShards` nothing can go first, so the cheapest tiling cannot be reached.
fn locked_demand() -> Demand {
    demand(200, Evidence::Measured, |shard| match shard {
        198.. => [[75_000, 0, 0]; SEGMENTS],
        _ if shard % 3 == 1 => [[20_000, 0, 0]; SEGMENTS],
        _ => [[25_000, 0, 0]; SEGMENTS],
    })
}

/// Shards of equal width with the loads of their segments, in millionths of a shard's ceiling.
fn demand(
    shards: u128,
    density: Evidence,
    mut segments_of: impl FnMut(u128) -> [[u64; 3]; SEGMENTS],
) -> Demand {
    let width = u128::MAX / (shards * SEGMENTS as u128);
    let range = |start: u128, end: u128| HashKeyRange::new(HashKey(start), HashKey(end)).expect("ascending");
    let mut shard = |index: u128| {
        let start = index * SEGMENTS as u128 * width;
        let segment = |(number, loads): (u128, [u64; 3])| {
            let loads = Loads::from_array(loads.map(Load));
            let from = start + number * width;
            Segment { range: range(from, from + width - 1), loads, peak_loads: loads }
        };
        ShardDemand {
            id: ShardId::new(format!("shardId-{index:012}")),
            range: range(start, start + SEGMENTS as u128 * width - 1),
            evidence: Evidence::Measured,
            rejecting: false,
            segments: (0..).zip(segments_of(index)).map(segment).collect(),
            density,
            unsettled: None,
            split_guard: None,
            merge_guard: None,
        }
    };
    Demand {
        shards: (0..shards).map(&mut shard).collect(),
        stops: Vec::new(),
        split_bars: Vec::new(),
        merge_bars: Vec::new(),
        verdicts: Vec::new(),
        merges_in_the_last_day: 0,
        count_updates_minutes_ago: Vec::new(),
        count_update_refused: None,
        is_steady: true,
        forecast: None,
        foreseen_per_mille: 0,
        learned_target: None,
        scale_up_limit: u32::MAX,
        scale_down_limit: 1,
        summary: DemandSummary::default(),
    }
}

/// How long it takes.
fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    black_box(run());
    begun.elapsed()
}

/// Has glibc keep what is freed: it gives blocks back to the system at once, until one of this size was
/// freed. With 10,000 shards it takes longer to get the memory of a run anew than to plan.
fn keep_memory() {
    drop(black_box(vec![0_u8; 31 << 20]));
}

const ONE_DIMENSION: Duration = Duration::from_micros(200);
const THREE_DIMENSIONS: Duration = Duration::from_millis(1);
const TEN_THOUSAND_SHARDS: Duration = Duration::from_millis(10);

fn planning(criterion: &mut Criterion) {
    keep_memory();
    let mut group = criterion.benchmark_group("planning");
    let (estimated, measured) = (Evidence::Estimated, Evidence::Measured);
    // The cases are made for these targets: what they are named after must not hang on a default.
    let mut policy = ScalingPolicy::for_stream("bench", 200);
    policy.targets.limits = Loads::from_array([70, 70, 80].map(Load::from_percent));
    policy.tolerance_millionths = 200_000;
    for (name, demand, bounds, most) in [
        ("one dimension", random_demand(200, 1, estimated, 40_000), (1, 200), Some(ONE_DIMENSION)),
        ("one dimension, moves", random_demand(200, 1, measured, 40_000), (1, 200), Some(ONE_DIMENSION)),
        ("three dimensions", random_demand(200, 3, estimated, 60_000), (1, 200), Some(THREE_DIMENSIONS)),
        (
            "three dimensions, moves",
            random_demand(200, 3, measured, 60_000),
            (1, 200),
            Some(THREE_DIMENSIONS),
        ),
        ("need 199 of maxShards 200", random_demand(200, 1, measured, 60_000), (1, 200), None),
        ("far hotter than maxShards can carry", random_demand(200, 1, measured, 120_000), (1, 200), None),
        ("must become 150", random_demand(200, 1, measured, 60_000), (1, 150), None),
        ("minShards = maxShards", random_demand(200, 1, measured, 60_000), (200, 200), None),
        ("at maxShards, no order to the cheapest", locked_demand(), (1, 200), None),
    ] {
        let policy = ScalingPolicy {
            bounds: ShardBounds::new(bounds.0, bounds.1).expect("within 1 to 200"),
            ..policy.clone()
        };
        let in_force = policy.in_force(Timestamp::UNIX_EPOCH);
        let proposal = planner::plan(&demand, &policy, &in_force);
        eprintln!("{name}: 200 -> {} shards, {} steps", proposal.desired_shards, proposal.steps.len());
        let name = format!("200 shards, {name}");
        let plan = || planner::plan(black_box(&demand), &policy, &in_force);
        if let Some(most) = most {
            keeps(&name, most, || timed(plan));
        }
        group.bench_function(name, |bencher| bencher.iter(plan));
    }
    for (name, density) in
        [("10,000 shards, one dimension", estimated), ("10,000 shards, one dimension, moves", measured)]
    {
        let demand = random_demand(10_000, 1, density, 60_000);
        let plan = || planner::unbounded_optimum(black_box(&demand), &policy);
        keeps(name, TEN_THOUSAND_SHARDS, || timed(plan));
        group.bench_function(name, |bencher| bencher.iter(plan));
    }
    group.finish();
}

criterion_group!(benches, planning);
criterion_main!(benches);
