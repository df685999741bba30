//! How long planning takes: the planner alone, on demand that needs splits, merges and moves.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use reshard::demand::{Demand, DemandSummary, Segment, ShardDemand};
use reshard::hash_key::{HashKey, HashKeyRange};
use reshard::load::{Load, Loads};
use reshard::plan::Evidence;
use reshard::planner;
use reshard::policy::ScalingPolicy;
use reshard::stream::ShardId;

/// Segments of one shard, as `demand` makes them.
const SEGMENTS: u128 = 16;

/// Shards from idle to overloaded, by a fixed sequence of pseudo-random numbers. With `dimensions`
/// above one, each of them is the fullest in some segments, so that all bind.
fn demand(shards: u128, dimensions: usize, density: Evidence, hottest: u64) -> Demand {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let width = u128::MAX / (shards * SEGMENTS);
    let range = |start: u128, end: u128| HashKeyRange::new(HashKey(start), HashKey(end)).expect("ascending");
    let mut shard = |index: u128| {
        let heat = random(hottest) + random(hottest) * u64::from(random(8) == 0);
        let start = index * SEGMENTS * width;
        let segments: Vec<Segment> = (0..SEGMENTS)
            .map(|segment| {
                let mut loads = [0; 3];
                loads[random(dimensions as u64) as usize] = heat / 2 + random(heat + 1);
                let loads = Loads::from_array(loads.map(Load));
                let from = start + segment * width;
                Segment { range: range(from, from + width - 1), loads, peak_loads: loads }
            })
            .collect();
        ShardDemand {
            id: ShardId::new(format!("shardId-{index:012}")),
            range: range(start, start + SEGMENTS * width - 1),
            evidence: Evidence::Measured,
            rejecting: false,
            segments,
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
        scale_up_limit: u32::MAX,
        scale_down_limit: 1,
        summary: DemandSummary::default(),
    }
}

fn planning(criterion: &mut Criterion) {
    let policy = ScalingPolicy::for_stream("bench", 200);
    let in_force = policy.in_force(Timestamp::UNIX_EPOCH);
    let mut group = criterion.benchmark_group("planning");
    for (name, shards, dimensions, density, heat) in [
        ("200 shards, one dimension", 200, 1, Evidence::Estimated, 40_000),
        ("200 shards, one dimension, moves", 200, 1, Evidence::Measured, 40_000),
        ("200 shards, three dimensions", 200, 3, Evidence::Estimated, 60_000),
        ("200 shards, three dimensions, moves", 200, 3, Evidence::Measured, 60_000),
        ("200 shards that need more than maxShards", 200, 1, Evidence::Measured, 60_000),
        ("200 shards far hotter than maxShards can carry", 200, 1, Evidence::Measured, 120_000),
    ] {
        let demand = demand(shards, dimensions, density, heat);
        let proposal = planner::plan(&demand, &policy, &in_force);
        eprintln!("{name}: {} -> {} shards, {} steps", shards, proposal.desired_shards, proposal.steps.len());
        group.bench_function(name, |bencher| {
            bencher.iter(|| planner::plan(black_box(&demand), &policy, &in_force));
        });
    }
    for (name, density) in [
        ("10,000 shards, one dimension", Evidence::Estimated),
        ("10,000 shards, one dimension, moves", Evidence::Measured),
    ] {
        let demand = demand(10_000, 1, density, 60_000);
        group.bench_function(name, |bencher| {
            bencher.iter(|| planner::unbounded_optimum(black_box(&demand), &policy));
        });
    }
    group.finish();
}

criterion_group!(benches, planning);
criterion_main!(benches);
