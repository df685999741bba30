//! What [`assess`] makes of streams with a short history, rule by rule.

mod guards;
mod history;
mod loads;
mod loops;
mod metrics;
mod properties;
mod readers;
mod rise;

use super::fixture::{Story, by_width, percent, policy};
use super::*;

/// Two shards at `shares` percent of their ceilings for 20 minutes.
fn two(shares: [u64; 2]) -> Story {
    let mut story = Story::of(2);
    let low = story.shards[0].range;
    story.pass(20, |range| if low.contains_range(range) { percent(shares[0]) } else { percent(shares[1]) });
    story
}

fn reasons(holds: &[Hold]) -> Vec<&'static str> {
    holds.iter().map(Hold::reason).collect()
}

fn guard(hold: &Option<Hold>) -> Option<&'static str> {
    hold.as_ref().map(Hold::reason)
}

/// Ingest bytes of every shard, in ten-thousandths of the ceiling.
fn heat(demand: &Demand) -> Vec<u64> {
    demand.shards.iter().map(|shard| shard.loads().ingest_bytes.0 / 100).collect()
}

fn peaks(demand: &Demand) -> Vec<u64> {
    demand.shards.iter().map(|shard| shard.peak_loads().ingest_bytes.0 / 100).collect()
}

fn evidence(demand: &Demand) -> Vec<Evidence> {
    demand.shards.iter().map(|shard| shard.evidence).collect()
}

#[test]
fn a_calm_stream_is_measured_and_nothing_bars_it() {
    let demand = assess(&two([40, 20]).snapshot(), &policy());
    assert_eq!(heat(&demand), [4_000, 2_000]);
    assert_eq!(evidence(&demand), [Evidence::Measured; 2]);
    assert!(demand.stops.is_empty() && demand.merge_bars.is_empty(), "{demand:?}");
    assert!(demand.shards.iter().all(|shard| shard.split_guard.is_none() && shard.merge_guard.is_none()));
    assert!(demand.verdicts.is_empty());
    assert_eq!(demand.summary.ingest_bytes_per_second, 600_000);
}

#[test]
fn the_same_snapshot_gives_the_same_demand() {
    let mut story = two([40, 20]);
    story.split(0);
    story.pass(5, |range| by_width(range, percent(90)));
    let snapshot = story.snapshot();
    assert_eq!(assess(&snapshot, &policy()), assess(&snapshot, &policy()));
}
