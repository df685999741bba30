//! Undeclared readers: what a day of GetRecords metrics tells of them, and what it does not.

use super::*;
use crate::snapshot::{Series, Snapshot, StreamMetric};

const DAY: usize = 23 * 60 + 45;
const POLLING: [StreamMetric; 3] = [
    StreamMetric::GetRecordsBytes,
    StreamMetric::GetRecordsCalls,
    StreamMetric::GetRecordsIteratorAgeMilliseconds,
];
/// 600 kB/s on each of two shards.
const WRITTEN: u64 = 72_000_000;

/// A day on two shards at 60 %, of which `read` tells what was read in a minute for each byte
/// written, by how many minutes ago it was; in the minutes without, no reader left any data point.
fn day(read: impl Fn(usize) -> Option<u64>) -> Snapshot {
    let mut story = two([60, 60]);
    story.pass(DAY - 20, |_| percent(60));
    let mut snapshot = story.snapshot();
    let first = Minute::of(snapshot.look_back_start);
    let end = snapshot.metrics.settled_until.expect("told");
    let minutes = usize::try_from(end.since(first)).expect("a day");
    let tell = |value: &dyn Fn(u64) -> u64| {
        Series::new(first, (0..minutes).map(|at| read(minutes - 1 - at).map(value)).collect(), true)
    };
    let [bytes, calls, age] = POLLING;
    snapshot.metrics.stream.insert(bytes, tell(&|times| times * WRITTEN));
    snapshot.metrics.stream.insert(calls, tell(&|_| 120));
    snapshot.metrics.stream.insert(age, tell(&|_| 0));
    snapshot
}

fn pollers(read: impl Fn(usize) -> Option<u64>) -> Option<u64> {
    assess(&day(read), &policy()).summary.pollers_thousandths
}

#[test]
fn a_sole_consumer_that_crashed_bars_merges() {
    let demand = assess(&day(|ago| (ago >= 10).then_some(1)), &policy());
    assert_eq!(demand.summary.pollers_thousandths, Some(1_000));
    assert_eq!(demand.summary.lag_millis, None);
    assert_eq!(reasons(&demand.merge_bars), ["MetricsIncomplete"]);
    assert_eq!(demand.summary.read_calls, None);
}

#[test]
fn nobody_polls_only_where_the_whole_observed_day_has_no_data_point_of_readers() {
    let silent = day(|_| None);
    let demand = assess(&silent, &policy());
    assert_eq!(demand.summary.pollers_thousandths, Some(0));
    assert!(demand.merge_bars.is_empty(), "{:?}", demand.merge_bars);
    let bars = |change: &dyn Fn(&mut Series)| {
        POLLING.map(|metric| {
            let mut snapshot = silent.clone();
            change(snapshot.metrics.stream.get_mut(&metric).expect("told"));
            !assess(&snapshot, &policy()).merge_bars.is_empty()
        })
    };
    // One data point, however long ago, a partial reply, and a part of the day.
    assert_eq!(bars(&|series| series.values[3] = Some(0)), [true; 3]);
    assert_eq!(bars(&|series| series.complete = false), [true; 3]);
    assert_eq!(
        bars(&|series| {
            series.values.drain(..60);
            series.start = series.start.plus(60);
        }),
        [true; 3]
    );
    let mut slow = silent.clone();
    let latency = Series { values: vec![Some(7)], ..silent.metrics.stream[&POLLING[0]].clone() };
    slow.metrics.stream.insert(StreamMetric::GetRecordsLatency, latency);
    assert!(!assess(&slow, &policy()).merge_bars.is_empty());
}

#[test]
fn consumers_younger_than_half_the_day_are_counted() {
    for before in [None, Some(0), Some(1)] {
        let demand = assess(&day(|ago| if ago < 600 { Some(3) } else { before }), &policy());
        assert_eq!(demand.summary.pollers_thousandths, Some(3_000), "{before:?}");
        let read: Vec<_> = demand.shards.iter().map(|shard| shard.loads().read_bytes).collect();
        assert_eq!(read, [Load(900_000); 2]);
        assert_eq!(demand.verdicts, []);
    }
}

#[test]
fn minutes_without_a_data_point_of_what_was_read_are_unknown_and_not_zero() {
    // Every other minute is lost.
    assert_eq!(pollers(|ago| (ago % 2 == 0).then_some(2)), Some(2_000));
    // Consumers that are gone for the last hours are still known from the day.
    assert_eq!(pollers(|ago| (ago >= 400).then_some(2)), Some(2_000));
    // Calls alone do not tell what they read.
    let mut snapshot = day(|_| Some(1));
    snapshot.metrics.stream.get_mut(&POLLING[0]).expect("told").values.fill(None);
    let demand = assess(&snapshot, &policy());
    assert_eq!(demand.summary.pollers_thousandths, None);
    assert_eq!(reasons(&demand.merge_bars), ["MetricsIncomplete"]);
}

#[test]
fn a_replay_or_a_batch_of_a_few_hours_is_no_poller() {
    assert_eq!(pollers(|ago| Some(if ago < 170 { 3 } else { 1 })), Some(1_000));
    assert_eq!(pollers(|ago| (ago < 170).then_some(3)), None);
}

#[test]
fn the_last_hours_tell_nothing_where_they_had_little_traffic() {
    let mut snapshot = day(|_| Some(1));
    let hours = StreamMetric::IncomingBytes;
    let written = &mut snapshot.metrics.stream.get_mut(&hours).expect("told").values;
    // A calm night but for the last half hour, in which readers are restarted.
    let end = written.len();
    written[end - 360..end - 30].fill(Some(WRITTEN / 100));
    let read = &mut snapshot.metrics.stream.get_mut(&POLLING[0]).expect("told").values;
    let end = read.len();
    read[end - 30..].fill(Some(WRITTEN * 3));
    assert_eq!(assess(&snapshot, &policy()).summary.pollers_thousandths, Some(1_000));
}

#[test]
fn a_lost_minute_of_what_was_written_is_no_catching_up() {
    let mut snapshot = day(|_| Some(1));
    let written = &mut snapshot.metrics.stream.get_mut(&StreamMetric::IncomingBytes).expect("told").values;
    let end = written.len();
    written[end - 2..].fill(None);
    let verdicts = assess(&snapshot, &policy()).verdicts;
    assert!(verdicts.iter().all(|verdict| verdict.reason() != "CatchingUp"), "{verdicts:?}");
}
