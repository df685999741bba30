//! No heat makes a shard be split in a loop.

use super::super::fixture::{FIRST, kilobytes};
use super::*;
use crate::hash_key::HashKey;

/// Splits whatever is hot and may be split, in the middle of its load, round after round, until
/// ten rounds running split nothing. `memory` is how many minutes of shard metrics are kept.
fn split_until_calm(offered: impl Fn(HashKeyRange) -> u64, memory: i64) -> (usize, Demand) {
    let mut story = Story::of(1);
    let accepted = |range| {
        let (offered, ceiling) = (offered(range), 60_000);
        Amounts { rejected: offered.saturating_sub(ceiling), ..kilobytes(offered.min(ceiling)) }
    };
    let (mut splits, mut calm) = (0, 0);
    story.pass(12, accepted);
    loop {
        let mut snapshot = story.snapshot();
        let kept = FIRST.plus(story.minutes() - memory);
        for series in snapshot.metrics.shards.values_mut().flat_map(|shard| shard.values_mut()) {
            let forgotten = usize::try_from(kept.since(series.start)).unwrap_or(0);
            series.values.drain(..forgotten);
            series.start = series.start.plus(forgotten as i64);
        }
        let demand = assess(&snapshot, &policy());
        assert!(demand.stops.is_empty(), "{:?}", demand.stops);
        let before = splits;
        for shard in &demand.shards {
            let hot = shard.rejecting || !shard.loads().within(policy().targets.limits);
            if let (true, None, Some(cut)) = (hot, &shard.split_guard, middle(shard)) {
                let at = story.shards.iter().position(|listed| listed.id == shard.id).expect("listed");
                story.split_at(at, cut, false);
                splits += 1;
            }
        }
        calm = if splits == before { calm + 1 } else { 0 };
        if calm == 10 {
            return (splits, demand);
        }
        assert!(splits < 100, "a loop");
        story.pass(12, accepted);
    }
}

/// The border between segments that halves the load best.
fn middle(shard: &ShardDemand) -> Option<HashKey> {
    let whole = shard.loads().ingest_records.0;
    let mut below = 0;
    let mut best: Option<(u64, HashKey)> = None;
    for pair in shard.segments.windows(2) {
        below += pair[0].loads.ingest_records.0;
        let uneven = (2 * below).abs_diff(whole);
        if best.is_none_or(|(least, _)| uneven < least) {
            best = Some((uneven, pair[1].range.start()));
        }
    }
    best.map(|(_, cut)| cut)
}

const KEY: HashKey = HashKey(0x5555_5555_5555_5555_5555_5555_5555_5555);

#[test]
fn one_hot_key_is_split_a_few_times_and_then_named() {
    let (splits, demand) = split_until_calm(|range| if range.contains(KEY) { 110_000 } else { 0 }, 10_000);
    assert!((2..=5).contains(&splits), "{splits}");
    let [Verdict::HotKey { range, dimension: Dimension::IngestBytes, .. }] = &demand.verdicts[..] else {
        panic!("{:?}", demand.verdicts)
    };
    assert!(range.contains(KEY));
    let shard = demand.shards.iter().find(|shard| shard.range == *range).expect("it is open");
    assert_eq!(shard.segments.len(), 1);
}

#[test]
fn one_hot_key_among_many_others_is_named_too() {
    let (_, demand) = split_until_calm(
        |range| by_width(range, kilobytes(60_000)).records + if range.contains(KEY) { 90_000 } else { 0 },
        10_000,
    );
    let hot: Vec<_> = demand.verdicts.iter().map(Verdict::reason).collect();
    assert_eq!(hot, ["HotKey"]);
}

#[test]
fn without_any_memory_a_hot_key_is_split_until_its_range_is_narrow_and_no_further() {
    let (splits, demand) = split_until_calm(|range| if range.contains(KEY) { 110_000 } else { 0 }, 11);
    assert_eq!(demand.verdicts.iter().map(Verdict::reason).collect::<Vec<_>>(), ["Unsplittable"]);
    assert!(splits <= 13, "{splits}");
}

#[test]
fn heat_that_can_be_spread_is_spread_without_a_verdict() {
    let (_, demand) = split_until_calm(|range| by_width(range, kilobytes(240_000)).records, 10_000);
    assert!(demand.verdicts.is_empty(), "{:?}", demand.verdicts);
    assert!(demand.shards.iter().all(|shard| shard.loads().within(policy().targets.limits)));
}

#[test]
fn bursts_are_split_twice_and_then_named() {
    let mut story = Story::of(1);
    let bursts = |range| Amounts { rejected: 500, ..by_width(range, percent(30)) };
    story.pass(12, bursts);
    for generation in 0..4 {
        let demand = assess(&story.snapshot(), &policy());
        assert!(demand.shards.iter().all(|shard| shard.rejecting));
        let bursty = demand.verdicts.iter().filter(|verdict| verdict.reason() == "Bursty").count();
        if generation < 2 {
            assert_eq!(bursty, 0);
            for shard in story.open_shards() {
                story.split(shard);
            }
        } else {
            assert_eq!(bursty, 4);
            assert!(demand.shards.iter().all(|shard| shard.segments.len() == 1));
        }
        story.pass(12, bursts);
    }
}

#[test]
fn with_stream_metrics_bursts_are_split_twice_and_then_named() {
    let mut by_stream = policy();
    by_stream.metrics.source = MetricsSource::Stream;
    let mut story = Story::of(1);
    let bursts = |range| Amounts { rejected: 500, ..by_width(range, percent(30)) };
    story.pass(12, bursts);
    for generation in 0..4 {
        let demand = assess(&story.snapshot(), &by_stream);
        assert!(demand.shards.iter().all(|shard| shard.rejecting));
        let bursty = demand.verdicts.iter().filter(|verdict| verdict.reason() == "Bursty").count();
        assert_eq!(bursty, if generation < 2 { 0 } else { 4 });
        if generation < 2 {
            for shard in story.open_shards() {
                story.split(shard);
            }
        }
        story.pass(12, bursts);
    }
}

#[test]
fn bursts_on_shards_that_were_split_for_other_reasons_are_split_before_they_are_named() {
    let mut story = Story::of(1);
    story.pass(12, |_| percent(60));
    for _ in 0..2 {
        for shard in story.open_shards() {
            story.split(shard);
        }
        story.pass(12, |range| by_width(range, percent(60)));
    }
    story.pass(3, |range| Amounts { rejected: 500, ..by_width(range, percent(60)) });
    let demand = assess(&story.snapshot(), &policy());
    assert!(demand.shards.iter().all(|shard| shard.rejecting && shard.segments.len() == 16));
    assert!(demand.verdicts.is_empty(), "{:?}", demand.verdicts);
}

#[test]
fn heat_that_came_after_the_splits_is_still_split() {
    // Twice split evenly; only then one quarter becomes hot.
    let mut story = Story::of(1);
    story.pass(12, |_| percent(60));
    for _ in 0..2 {
        for shard in story.open_shards() {
            story.split(shard);
        }
        story.pass(12, |range| by_width(range, percent(60)));
    }
    story.pass(12, |range| if range.start() == HashKey::MIN { percent(95) } else { percent(1) });
    let demand = assess(&story.snapshot(), &policy());
    assert_eq!(demand.shards[0].segments.len(), 16);
    assert!(demand.verdicts.is_empty(), "{:?}", demand.verdicts);
}
