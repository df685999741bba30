//! The main job: up while the load is there, down after it is gone, and AWS shows the same.

use std::collections::BTreeMap;

use aws_sdk_kinesis::types::Shard;
use serde_json::Value;

use super::world::{STREAM, World, even, finished, steps, two_hot_shards_of_four};
use crate::sandbox::client;

/// Merges follow the measurements at once: no window of low load, no pace, no young parents' grace
/// beyond what metrics and readers need.
const QUICK: &str = "\
maxShards: 16
interval: 10s
metrics: {maxAge: 30m}
behavior:
  scaleDown: {stabilizationWindowSeconds: 0, policies: []}";

#[test]
fn a_hot_stream_is_split_as_planned_and_merged_back_when_the_load_is_gone() {
    let world = World::new(4, two_hot_shards_of_four(), 240);
    let manifest = world.files.manifest("orders.yaml", QUICK);
    let (code, shown) = world.planned(&manifest);
    assert_eq!(code, Some(2), "{shown}");
    let planned = steps(&world.plan(&manifest));
    assert_eq!(planned, 2, "{shown}");

    let applied = world.apply(&manifest, &["--wait"]);
    assert_eq!((applied.code, applied.stderr.as_str()), (Some(0), ""), "{}", applied.stdout);
    assert_eq!(finished(&applied), planned, "{}", applied.stdout);
    assert!(applied.stdout.contains(&format!("{planned} steps done; ")), "{}", applied.stdout);
    world.skip(10);
    let report = world.plan(&manifest);
    assert!(every_shard_is_under_target(&report), "{report:#}");
    let (code, shown) = world.planned(&manifest);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(lineage(&world), Lineage { open: 4 + planned, split: planned, merged: 0 });
    assert_eq!(listed(&world), open_in(&report));

    // 1.2 MB/s packed to 90.3 % of a shard: two shards.
    world.load(even(1_200_000));
    world.skip(15);
    let applied = world.apply(&manifest, &["--wait"]);
    assert_eq!((applied.code, applied.stderr.as_str()), (Some(0), ""), "{}", applied.stdout);
    world.skip(10);
    let (code, shown) = world.planned(&manifest);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("2 shards"), "{shown}\n{}", applied.stdout);
    let report = world.plan(&manifest);
    assert_eq!(report["stream"]["shards"], 2, "{}", applied.stdout);
    assert!(every_shard_is_under_target(&report), "{report:#}");
    let seen = lineage(&world);
    assert_eq!((seen.open, seen.merged), (2, finished(&applied)), "{}", applied.stdout);
    assert_eq!(listed(&world), open_in(&report));
}

fn every_shard_is_under_target(report: &Value) -> bool {
    let target = |of: &Value| of["hottest"]["load"].as_u64() <= of["target"].as_u64();
    report["utilization"].as_array().unwrap().iter().all(target)
}

/// The open shards of a report, by ID, in the order of their keys.
fn open_in(report: &Value) -> Vec<String> {
    let shards = report["shards"].as_array().unwrap();
    shards.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn all_shards(world: &World) -> Vec<Shard> {
    let kinesis = client::kinesis(&world.url());
    let reply = world.wait_for(kinesis.list_shards().stream_name(STREAM).send()).unwrap();
    assert_eq!(reply.next_token(), None);
    reply.shards().to_vec()
}

fn keys(shard: &Shard) -> (u128, u128) {
    let range = shard.hash_key_range().unwrap();
    (range.starting_hash_key().parse().unwrap(), range.ending_hash_key().parse().unwrap())
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range().unwrap().ending_sequence_number().is_none()
}

/// The open shards that AWS lists, by ID, in the order of their keys.
fn listed(world: &World) -> Vec<String> {
    let mut open: Vec<_> = all_shards(world).into_iter().filter(is_open).collect();
    open.sort_by_key(keys);
    open.iter().map(|shard| shard.shard_id().to_owned()).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Lineage {
    open: usize,
    /// Shards that were closed by a split.
    split: usize,
    /// Shards that a merge made.
    merged: usize,
}

/// What ListShards tells of all shards, closed ones included, where each fits its parents.
fn lineage(world: &World) -> Lineage {
    let shards = all_shards(world);
    let by_id: BTreeMap<_, _> = shards.iter().map(|shard| (shard.shard_id(), shard)).collect();
    let children = |id: &str| -> Vec<_> {
        let is_child = |child: &&Shard| {
            child.parent_shard_id() == Some(id) || child.adjacent_parent_shard_id() == Some(id)
        };
        shards.iter().filter(is_child).map(keys).collect()
    };
    let (mut split, mut merged) = (0, 0);
    for shard in &shards {
        let (start, end) = keys(shard);
        let mut children = children(shard.shard_id());
        children.sort_unstable();
        match children.as_slice() {
            [] => assert!(is_open(shard), "{shard:?}"),
            [(low, high)] => assert!(*low <= start && end <= *high && !is_open(shard), "{shard:?}"),
            [(low, middle), (next, high)] => {
                assert!(
                    *low == start && *middle + 1 == *next && *high == end && !is_open(shard),
                    "{shard:?}"
                );
                split += 1;
            }
            more => panic!("{shard:?} has {} children", more.len()),
        }
        if let Some(adjacent) = shard.adjacent_parent_shard_id() {
            let parent = keys(by_id[shard.parent_shard_id().unwrap()]);
            let adjacent = keys(by_id[adjacent]);
            let (low, high) = (parent.min(adjacent), parent.max(adjacent));
            assert_eq!((low.0, low.1 + 1, high.1), (start, high.0, end), "{shard:?}");
            merged += 1;
        }
    }
    let mut open: Vec<_> = shards.iter().filter(|shard| is_open(shard)).map(keys).collect();
    open.sort_unstable();
    assert_eq!((open[0].0, open[open.len() - 1].1), (0, u128::MAX));
    assert!(open.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{open:?}");
    Lineage { open: open.len(), split, merged }
}
