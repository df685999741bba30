//! The fluid beside [`crate::simulator`], and what is seen of it beside what an observation sees.

use std::time::Duration;

use jiff::SignedDuration;

use super::course;
use super::fluid::{Action, Fluid, StreamOptions};
use super::load::{Load, LoadOptions};
use super::production::Production;
use super::relieved::{Relief, Relieved};
use super::scaler::{Rounds, Scaler, View};
use super::trace::{Scale, Span, Trace};
use super::watch::Watch;
use crate::demand::ancestry_of_heat;
use crate::hash_key::HashKeyRange;
use crate::observe::{MetricLevel, Observer};
use crate::plan::Hold;
use crate::policy::{self, ScalingPolicy, UpdateShardCount as UpdateShardCountPolicy};
use crate::simulator::api::{
    ChangeEnhancedMonitoring, CreateStream, MergeShards, SplitShard, StreamRef, UpdateShardCount,
};
use crate::simulator::control_plane::SimulatedControlPlane;
use crate::simulator::workload::{Consumer, ConsumerKind, Curve, KeySkew, Workload};
use crate::simulator::{Cloud, Config, Limits, Timings, dice};
use crate::snapshot::{Minute, Series, Snapshot};

mod reads;

const STREAM: &str = "simulated";
const KEYS: u32 = 500;
const SKEW: f64 = 0.6;
const FIRST_SHARDS: u32 = 4;
const STREAM_OPTIONS: StreamOptions =
    StreamOptions { step_seconds: 30, update_seconds: 180, retried_share: 0.0, free_boundaries: false };

/// Two hours that rise above what the shards take, and fall again.
fn load() -> Load {
    load_through(&[(0, 2.0), (40, 5.5), (60, 5.5), (120, 1.5)])
}

/// The same with half an hour in which nobody writes.
fn load_with_silence() -> Load {
    load_through(&[(0, 2.0), (29, 2.0), (30, 0.0), (60, 0.0), (61, 5.5), (120, 1.5)])
}

/// A load that has so many units in such minutes, and goes straight in between.
fn load_through(points: &[(i64, f64)]) -> Load {
    let start = Config::default().start.as_second();
    let at = |(minute, units): &(i64, f64)| format!("{},{units}\n", start + 60 * minute);
    let text: String = points.iter().map(at).collect();
    let scale = Scale { peak_units: 5.5, peak_quantile: None, clip_units: None };
    let trace =
        Trace::from_csv(&text).and_then(|trace| trace.scaled(Span::default(), scale)).expect("a trace");
    let options = LoadOptions {
        tick_seconds: 30,
        record_bytes: 2_000,
        keys: KEYS,
        skew: SKEW,
        keys_per_tenant: 1,
        noise: 0.0,
        // The keys that the simulator draws for a stream of this name.
        seed: dice::mix(&[Config::default().seed, dice::text(STREAM)]),
    };
    Load::new(&trace, &options)
}

/// A stream of the simulator with the same shards and the same load, read by one consumer at the tip.
fn simulator(load: &Load) -> SimulatedControlPlane {
    let at_once = SignedDuration::ZERO;
    let timings = Timings { create: at_once, other_update: at_once, ..Timings::default() };
    let limits = Limits { shard_write_bytes_per_second: 1_000_000, ..Limits::default() };
    let mut cloud = Cloud::new(Config { timings, limits, ..Config::default() });
    let create = CreateStream {
        stream_name: STREAM.to_owned(),
        shard_count: Some(FIRST_SHARDS as i32),
        ..CreateStream::default()
    };
    cloud.create_stream(create).expect("the name is free");
    let metrics = ChangeEnhancedMonitoring {
        stream: StreamRef::name(STREAM),
        shard_level_metrics: vec!["ALL".to_owned()],
    };
    cloud.enable_enhanced_monitoring(metrics).expect("the stream is there");
    let bytes = |units: &f64| (units * 1e6) as u64;
    let samples = load.totals().iter().enumerate().map(|(tick, units)| (30 * tick as u64, bytes(units)));
    let curve = Curve::Samples {
        start: load.start(),
        samples: samples.collect(),
        period_seconds: 30 * load.totals().len() as u64,
    };
    let reader = Consumer::new("reader", ConsumerKind::Polling { interval: SignedDuration::from_secs(1) });
    let mut workload = Workload::new(curve).keys(KeySkew::zipf(KEYS, SKEW)).consumer(reader);
    workload.record_bytes = 2_000;
    cloud.set_workload(STREAM, workload).expect("a good workload");
    SimulatedControlPlane::new(cloud)
}

/// What is done, at the end of which tick: a split, a merge of what came of it, an update, a split.
fn action(tick: usize, stream: &Fluid) -> Option<Action> {
    let ranges: Vec<HashKeyRange> = stream.ranges().collect();
    let split = |range: HashKeyRange| {
        Some(Action::Split { range, at: range.inner_boundaries(2).next().expect("a wide range") })
    };
    match tick {
        20 => split(ranges[1]),
        50 => split(ranges[4]),
        90 => Some(Action::Merge { low: ranges[1], high: ranges[2] }),
        130 => Some(Action::UpdateShardCount(7)),
        180 => split(ranges[0]),
        _ => None,
    }
}

fn request(cloud: &mut Cloud, stream: &Fluid, action: Action) {
    let id = |range: HashKeyRange| {
        let place = stream.ranges().position(|known| known == range).expect("an open shard");
        stream.ids().nth(place).expect("as many IDs").to_string()
    };
    let address = StreamRef::name(STREAM);
    match action {
        Action::Split { range, at } => cloud.split_shard(SplitShard {
            stream: address,
            shard_to_split: id(range),
            new_starting_hash_key: at.to_string(),
        }),
        Action::Merge { low, high } => cloud.merge_shards(MergeShards {
            stream: address,
            shard_to_merge: id(low),
            adjacent_shard_to_merge: id(high),
        }),
        Action::UpdateShardCount(target) => cloud
            .update_shard_count(UpdateShardCount {
                stream: address,
                target_shard_count: target as i32,
                scaling_type: "UNIFORM_SCALING".to_owned(),
            })
            .map(drop),
    }
    .expect("the simulator takes what the fluid takes");
}

/// Both for so many ticks: what the watch sees of the fluid, and what an observation sees of the
/// simulator.
fn both_after(load: &Load, ticks: usize, calls: UpdateShardCountPolicy) -> (Snapshot, Snapshot) {
    let plane = simulator(load);
    let policy = ScalingPolicy { update_shard_count: calls, ..ScalingPolicy::for_stream(STREAM, 200) };
    let mut stream = Fluid::new(load, STREAM_OPTIONS, FIRST_SHARDS);
    let mut watch = Watch::of_shards(&stream, SignedDuration::from_secs(120));
    watch.note_topology(&stream, load.start());
    for tick in 0..ticks {
        stream.tick(tick);
        plane.cloud().advance_seconds(30);
        let now = load.after(tick + 1);
        if now.as_second() % 60 == 0 {
            watch.take(stream.report(Minute::of(now).plus(-1)));
        }
        if stream.settle(now).is_some() {
            watch.note_topology(&stream, now);
        }
        watch.publish(now);
        // Looks in between must not change what is seen later.
        if tick % 7 == 0 {
            watch.snapshot(&stream, &policy, now, None);
        }
        if let Some(action) = action(tick, &stream) {
            request(&mut plane.cloud(), &stream, action);
            assert!(stream.begin(action, now));
        }
    }
    let now = load.after(ticks);
    let seen = watch.snapshot(&stream, &policy, now, None).expect("the shards are watched");
    let ancestry = ancestry_of_heat(seen, &policy);
    let seen = watch.snapshot_since_the_look_back(&ancestry).expect("the shards are watched").clone();
    let observe = async { Observer::one_shot().observe(&plane, &policy).await };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let observed = runtime.block_on(observe).expect("nothing fails").snapshot;
    (seen, observed)
}

/// Whether two series cover the same minutes, and hold the same but for what whole records and bursts of
/// a second make of it.
fn agree(ours: &Series, theirs: &Series, slack: u64) -> bool {
    let close = |ours: u64, theirs: u64| ours.abs_diff(theirs) <= ours / 50 + slack;
    ours.start == theirs.start
        && ours.minutes() == theirs.minutes()
        && ours.all_values().zip(theirs.all_values()).all(|pair| match pair {
            (Some(ours), Some(theirs)) => close(ours, theirs),
            (ours, theirs) => ours == theirs,
        })
}

#[test]
fn what_is_seen_of_the_fluid_is_what_an_observation_sees_of_the_simulator() {
    let (loud, silent) = (load(), load_with_silence());
    // After a split and during one; after the merge; after the update; at the end; as silence begins, in it and after.
    let moments = [23, 52, 100, 145, 239].map(|ticks| (&loud, ticks));
    for (load, ticks) in moments.into_iter().chain([66, 70, 100, 128, 145].map(|ticks| (&silent, ticks))) {
        let (seen, observed) = both_after(load, ticks, UpdateShardCountPolicy::Never);
        assert_eq!(seen.shards, observed.shards, "after {ticks} ticks");
        assert_eq!(seen.past_topologies, observed.past_topologies, "after {ticks} ticks");
        assert_eq!(seen.look_back_start, observed.look_back_start);
        assert_eq!(seen.metrics.settled_until, observed.metrics.settled_until);
        assert_eq!(seen.summary.open_shard_count, observed.summary.open_shard_count);
        let ids = |snapshot: &Snapshot| snapshot.metrics.shards.keys().cloned().collect::<Vec<_>>();
        assert_eq!(ids(&seen), ids(&observed), "after {ticks} ticks");
        for (id, metrics) in &seen.metrics.shards {
            for (metric, series) in metrics {
                let theirs = &observed.metrics.shards[id][metric];
                let slack =
                    if *metric == crate::snapshot::ShardMetric::IncomingBytes { 600_000 } else { 300 };
                assert!(agree(series, theirs, slack), "{ticks} {id} {metric:?}\n{series:?}\n{theirs:?}");
            }
        }
        for (metric, series) in &seen.metrics.stream {
            let theirs = &observed.metrics.stream[metric];
            assert_eq!((series.start, series.minutes()), (theirs.start, theirs.minutes()), "{metric:?}");
            let told = |series: &Series| series.all_values().map(|value| value.is_some()).collect::<Vec<_>>();
            assert_eq!(told(series), told(theirs), "{metric:?} after {ticks} ticks");
        }
    }
}

#[test]
fn metrics_later_than_max_age_are_no_metrics_and_those_that_are_not_so_late_decide() {
    let (load, policy) = (load(), ScalingPolicy::for_stream(STREAM, 200));
    for (delay_seconds, unsettled) in [(120, None), (240, None), (600, Some("SilentStream"))] {
        let mut stream = Fluid::new(&load, STREAM_OPTIONS, FIRST_SHARDS);
        let mut watch = Watch::of_shards(&stream, SignedDuration::from_secs(delay_seconds));
        watch.note_topology(&stream, load.start());
        for tick in 0..120 {
            stream.tick(tick);
            let now = load.after(tick + 1);
            if now.as_second() % 60 == 0 {
                watch.take(stream.report(Minute::of(now).plus(-1)));
            }
            watch.publish(now);
            watch.snapshot(&stream, &policy, now, None);
        }
        let seen = watch.snapshot(&stream, &policy, load.after(120), None).expect("the shards are watched");
        let demand = crate::demand::assess(seen, &policy);
        assert_eq!(demand.stops, [], "{delay_seconds} s late");
        for shard in demand.shards {
            assert_eq!(shard.unsettled.as_ref().map(Hold::reason), unsettled, "{delay_seconds} s late");
        }
    }
}

#[test]
fn quarters_and_hours_are_those_that_an_observation_for_calls_sees_of_the_simulator() {
    // Before the first quarter is settled, before and after the second, after an hour, at the end.
    for (ticks, quarters) in [(23, 0), (33, 0), (34, 1), (62, 1), (65, 2), (145, 4), (239, 7)] {
        let (seen, observed) = both_after(&load(), ticks, UpdateShardCountPolicy::Auto);
        assert_eq!(seen.past_topologies, observed.past_topologies, "after {ticks} ticks");
        let [ours, theirs] =
            [seen, observed].map(|snapshot| snapshot.metrics.quarters.expect("they are read"));
        assert_eq!(
            (ours.start, ours.values.len()),
            (theirs.start, theirs.values.len()),
            "after {ticks} ticks"
        );
        assert_eq!(ours.values.len(), quarters, "after {ticks} ticks");
        for (ours, theirs) in ours.values.into_iter().zip(theirs.values) {
            let [bytes, records, _] = ours
                .zip(theirs)
                .map(|(ours, theirs)| std::array::from_fn(|of| (ours[of], theirs[of])))
                .expect("both are known");
            for (ours, theirs) in [bytes, records] {
                assert!(u64::abs_diff(ours, theirs) <= ours / 50, "after {ticks} ticks: {ours} and {theirs}");
            }
        }
    }
}

#[test]
fn a_stream_that_nobody_touches_takes_what_its_ceilings_let_through() {
    struct Nobody;
    impl Scaler for Nobody {
        fn next(&mut self, _: &mut View) -> Option<Action> {
            None
        }
    }
    let load = load();
    let played =
        course::play(&load, STREAM_OPTIONS, SignedDuration::from_secs(120), 1, &mut Nobody, &mut |_| {});
    let over: f64 = load.totals().iter().map(|units| 30.0 * (units - 1.0).max(0.0)).sum();
    let all: f64 = load.totals().iter().map(|units| 30.0 * units).sum();
    assert!((played.rejected_unit_seconds - over).abs() < 1e-6 * all);
    assert!((played.accepted_unit_seconds + over - all).abs() < 1e-6 * all);
    assert_eq!(played.shards, vec![1; load.totals().len()]);
}

/// Looks each `interval`, and splits the only shard at the look at which `splits_at` ticks are over.
struct Looking {
    rounds: Rounds,
    interval: Duration,
    splits_at: usize,
    looks: Vec<usize>,
}

impl Scaler for Looking {
    fn next(&mut self, view: &mut View) -> Option<Action> {
        if !self.rounds.are_due(view, self.interval) {
            return None;
        }
        self.looks.push(view.ticks);
        let (range, splits) = (view.stream.ranges().next()?, view.ticks == self.splits_at);
        splits.then(|| Action::Split { range, at: range.inner_boundaries(2).next().expect("a wide range") })
    }
}

#[test]
fn rounds_come_at_whole_multiples_of_the_interval_and_a_change_does_not_move_them() {
    let load = load();
    assert_eq!(load.start().as_second() % 300, 0);
    for (seconds, splits_at, looks) in [
        // A split takes one tick of half a minute, and the look after it is half a minute before the next.
        (60, 4, vec![1, 2, 4, 5, 6, 8, 10]),
        (60, 11, vec![1, 2, 4, 6, 8, 10]),
        (120, 4, vec![1, 4, 5, 8]),
        (150, 5, vec![1, 5, 6, 10]),
        (30, 4, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ] {
        let interval = Duration::from_secs(seconds);
        let mut looking = Looking { rounds: Rounds::default(), interval, splits_at, looks: Vec::new() };
        course::play(&load, STREAM_OPTIONS, DELAY, 1, &mut looking, &mut |_| {});
        looking.looks.retain(|tick| *tick <= 10);
        assert_eq!(looking.looks, looks, "each {seconds} s, split at {splits_at}");
    }
}

/// A trace of few rows as a load on 100,000 keys.
fn load_of(csv: &str, peak_units: f64) -> Load {
    let scale = Scale { peak_units, peak_quantile: None, clip_units: None };
    let trace = Trace::from_csv(csv).and_then(|trace| trace.scaled(Span::default(), scale)).expect("a trace");
    let options = LoadOptions {
        tick_seconds: 30,
        record_bytes: 2_000,
        keys: 100_000,
        skew: 0.6,
        keys_per_tenant: 1,
        noise: 0.0,
        seed: 1,
    };
    Load::new(&trace, &options)
}

const DELAY: SignedDuration = SignedDuration::from_secs(120);

/// From 20 units to 60 after an hour.
const JUMP: &str = "0,20\n3600,20\n3601,60\n9000,60\n";

/// Minutes from the jump until nothing is rejected any more.
fn minutes_over(course: &course::Course) -> f64 {
    let last = course.is_over.iter().rposition(|over| *over).expect("the jump is too much at first");
    (last + 1) as f64 / 2.0 - 60.0
}

/// Minutes until no shard is offered more than it takes, after a jump from 20 shard-units to 60, and how
/// many calls of UpdateShardCount were made and refused.
fn absorbed(leave: UpdateShardCountPolicy) -> (f64, usize, u64) {
    let load = load_of(JUMP, 60.0);
    let mut policy = ScalingPolicy::for_stream(STREAM, 200);
    policy.update_shard_count = leave;
    let mut ours = Production::new(policy);
    let course = course::play(&load, STREAM_OPTIONS, DELAY, 29, &mut ours, &mut |_| {});
    assert_eq!(ours.counts().vetoes, 0);
    (minutes_over(&course), course.updates.len(), ours.counts().refusals)
}

#[test]
fn a_threefold_load_is_absorbed_by_calls_in_a_fraction_of_the_time_that_splits_take() {
    let (by_splits, none, _) = absorbed(UpdateShardCountPolicy::Never);
    assert_eq!(none, 0);
    for leave in [UpdateShardCountPolicy::Emergency, UpdateShardCountPolicy::Auto] {
        let (by_calls, calls, refusals) = absorbed(leave);
        assert!(by_calls <= 15.0 && by_calls < by_splits / 2.0, "{by_calls} minutes beside {by_splits}");
        println!("{leave:?}: {by_calls} minutes, {calls} calls; by splits {by_splits}");
        assert!((1..=3).contains(&calls) && refusals == 0, "{calls} calls, {refusals} refused");
    }
}

#[test]
fn where_steps_take_no_time_a_jump_is_absorbed_as_soon_as_it_is_seen() {
    let load = load_of(JUMP, 60.0);
    let policy = ScalingPolicy::for_stream(STREAM, 200);
    let over = |options: StreamOptions| {
        let mut ours = Relieved::new(policy.clone(), Relief::InstantSteps, DELAY);
        minutes_over(&course::play(&load, options, DELAY, 29, &mut ours, &mut |_| {}))
    };
    let instant = over(StreamOptions { step_seconds: 0, ..STREAM_OPTIONS });
    assert!(instant <= 5.0 && over(STREAM_OPTIONS) > 15.0, "{instant} minutes");
}

#[test]
fn days_that_repeat_are_met_by_calls_that_look_ahead_with_fewer_steps_and_shards() {
    let rows = (0..=4 * 96).map(|slot| {
        let hour = f64::from(slot) / 4.0;
        format!("{},{}\n", slot * 900, 17.0 - 12.0 * (hour * std::f64::consts::TAU / 24.0).cos())
    });
    let load = load_of(&rows.collect::<String>(), 29.0);
    let play = |leave: UpdateShardCountPolicy| {
        let mut policy = ScalingPolicy::for_stream(STREAM, 200);
        policy.update_shard_count = leave;
        let mut ours = Production::new(policy);
        let course = course::play(&load, STREAM_OPTIONS, DELAY, 8, &mut ours, &mut |_| {});
        assert_eq!((ours.counts().vetoes, ours.counts().refusals), (0, 0));
        course
    };
    let (by_steps, ahead) = (play(UpdateShardCountPolicy::Never), play(UpdateShardCountPolicy::Auto));
    // From the second day on yesterday is known.
    let shards =
        |course: &course::Course| course.shards[2_880..].iter().map(|of| u64::from(*of)).sum::<u64>();
    assert!(shards(&ahead) < shards(&by_steps), "{} beside {}", shards(&ahead), shards(&by_steps));
    // From the third day on two are, and few boundaries are left that steps have to mend.
    let steps = |course: &course::Course| course.steps.iter().filter(|tick| **tick > 5_760).count();
    assert!(steps(&ahead) < steps(&by_steps), "{} beside {}", steps(&ahead), steps(&by_steps));
    let calls = ahead.updates.iter().filter(|tick| **tick > 2_880).count();
    assert!((6..=24).contains(&calls), "{calls} calls in three days");
}

#[test]
fn what_a_resource_declares_to_read_the_stream_does_not_keep_a_simulation_from_merging() {
    let load = load_of("0,20\n3600,20\n3660,5\n18000,5\n", 20.0);
    let steps = |consumers: Vec<policy::Consumer>| {
        let mut ours = Production::new(ScalingPolicy { consumers, ..ScalingPolicy::for_stream(STREAM, 200) });
        course::play(&load, STREAM_OPTIONS, DELAY, 29, &mut ours, &mut |_| {}).steps
    };
    let kind = policy::ConsumerKind::Firehose { transform: None };
    let declared = policy::Consumer { name: "lake".to_owned(), kind };
    let without = steps(Vec::new());
    assert!(without.len() > 10, "{}", without.len());
    assert_eq!(steps(vec![declared]), without);
}

#[test]
fn while_a_split_waits_for_a_rate_the_shards_are_read_each_minute_as_the_loop_does() {
    // Every shard is above its target, and none rejects: but for what waits there is nothing to look at.
    let load = load_of("0,4\n9000,4\n", 4.0);
    let mut policy = ScalingPolicy::for_stream(STREAM, 200);
    policy.targets.limits.ingest_bytes = crate::load::Load::from_percent(70);
    let one = policy::RatePolicy { amount: policy::RateAmount::Shards(1), period: Duration::from_secs(120) };
    policy.scale_up.policies = vec![one];
    let mut ours = Production::new(policy);
    let course = course::play(&load, STREAM_OPTIONS, DELAY, 5, &mut ours, &mut |_| {});
    assert!(course.steps.len() >= 3 && course.rejected_unit_seconds == 0.0, "{:?}", course.steps);
    for pair in course.steps[..3].windows(2) {
        assert!((4..=7).contains(&(pair[1] - pair[0])), "two to three minutes apart: {:?}", course.steps);
    }
}
