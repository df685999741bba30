//! The whole way in virtual time: the modelled stream under a load, observed, decided, checked and
//! carried out by the production code, until nothing may be done.

use std::time::Duration;

use jiff::SignedDuration;
use reshard::checks;
use reshard::decision::{self, Decision};
use reshard::executor::{End, ExecuteError, Executor, RunReport};
use reshard::hash_key::HashKey;
use reshard::load::{Load, Loads};
use reshard::observe::{self, Observer};
use reshard::plan::{Hold, Plan, Step, Verdict};
use reshard::policy::{Mode, ScalingPolicy};
use reshard::simulator::api::{
    ChangeEnhancedMonitoring, CreateStream, StreamModeDetails, StreamRef, UpdateStreamMode,
};
use reshard::simulator::control_plane::SimulatedControlPlane;
use reshard::simulator::workload::{Bursts, Consumer, ConsumerKind, Curve, HotSpot, KeySkew, Workload};
use reshard::simulator::{Cloud, Config, Limits};
use reshard::snapshot::Snapshot;
use reshard::stream::StreamMode;

const STREAM: &str = "orders";

/// A modelled account with one stream that is under a policy.
struct World {
    plane: SimulatedControlPlane,
    policy: ScalingPolicy,
}

impl World {
    /// `shards` equal shards with shard metrics on, under `workload` for two hours.
    async fn new(shards: i32, workload: Workload) -> World {
        World::with(Config::default(), shards, workload).await
    }

    async fn with(config: Config, shards: i32, workload: Workload) -> World {
        let mut cloud = Cloud::new(config);
        cloud
            .create_stream(CreateStream {
                stream_name: STREAM.to_owned(),
                shard_count: Some(shards),
                ..CreateStream::default()
            })
            .unwrap();
        cloud.advance_seconds(60);
        cloud
            .enable_enhanced_monitoring(ChangeEnhancedMonitoring {
                stream: StreamRef::name(STREAM),
                shard_level_metrics: vec!["ALL".to_owned()],
            })
            .unwrap();
        cloud.advance_seconds(60);
        let mut policy = ScalingPolicy::for_stream(STREAM, 64);
        policy.mode = Mode::Apply;
        // The stories are reckoned with these numbers.
        policy.targets.limits = Loads::from_array([70, 70, 80].map(Load::from_percent));
        policy.tolerance_millionths = 200_000;
        policy.metrics.window_minutes = 3;
        policy.scale_down.stabilization_window = Duration::from_secs(3_600);
        let world = World { plane: SimulatedControlPlane::new(cloud), policy };
        world.load(workload);
        world.pass(SignedDuration::from_hours(2));
        world
    }

    fn load(&self, workload: Workload) {
        self.plane.cloud().set_workload(STREAM, workload).unwrap();
    }

    fn pass(&self, time: SignedDuration) {
        self.plane.cloud().advance(time);
    }

    async fn decide(&self) -> Decision {
        let observation = observe::observe(&self.plane, &self.policy).await.unwrap();
        decided(&observation.snapshot, &self.policy).unwrap()
    }

    /// What `apply --wait` does.
    async fn apply(&self, wait: SignedDuration) -> RunReport {
        let decide = |snapshot: &Snapshot, policy: &ScalingPolicy| {
            decided(snapshot, policy).map(|decision| decision.plan)
        };
        let wait = Some(Duration::try_from(wait).unwrap());
        Executor::new(&self.plane, &self.policy).run_to_quiet(&mut Observer::one_shot(), decide, wait).await
    }
}

fn decided(snapshot: &Snapshot, policy: &ScalingPolicy) -> Result<Decision, checks::Violations> {
    let decision = decision::decide(snapshot, policy);
    checks::check(&decision.plan, snapshot, policy, &decision.demand)?;
    Ok(decision)
}

fn even(bytes_per_second: u64) -> Workload {
    Workload::new(Curve::constant(bytes_per_second))
}

fn splits(steps: impl IntoIterator<Item = Step>) -> usize {
    steps.into_iter().filter(|step| matches!(step, Step::Split { .. })).count()
}

fn done(report: &RunReport) -> Vec<Step> {
    report.done.iter().map(|done| done.step.clone()).collect()
}

fn holds(plan: &Plan) -> Vec<&'static str> {
    plan.holds.iter().map(Hold::reason).collect()
}

fn verdicts(plan: &Plan) -> Vec<&'static str> {
    plan.verdicts.iter().map(Verdict::reason).collect()
}

fn highest_ingest(plan: &Plan) -> Load {
    let highest = |loads: Loads| loads.ingest_bytes.max(loads.ingest_records);
    plan.before.iter().map(|range| highest(range.loads)).max().unwrap()
}

#[tokio::test]
async fn a_hot_stream_is_brought_under_target_with_the_planned_steps_and_then_left_alone() {
    // 3.4 MB/s on four shards: each at 85 % of its ceiling, each to be split once.
    let world = World::new(4, even(3_400_000)).await;
    let plan = world.decide().await.plan;
    assert_eq!((splits(plan.steps().to_vec()), plan.steps().len()), (4, 4), "{:?}", plan.holds);
    let report = world.apply(SignedDuration::from_hours(1)).await;
    assert!(report.end.is_success(), "{}", report.end);
    assert_eq!(done(&report).len(), 4, "{:?}", done(&report));
    world.pass(SignedDuration::from_mins(10));
    let plan = world.decide().await.plan;
    assert_eq!(plan.steps(), [], "{:?}", plan.explanations);
    assert!(highest_ingest(&plan) <= Load::from_percent(70));
}

#[tokio::test]
async fn a_hot_spot_is_split_where_it_is() {
    let mut workload = even(2_400_000);
    workload.hot_spot = Some(HotSpot { share: 0.4, width: 0.05, position: Some(0.30), moves_every: None });
    let world = World::new(4, workload).await;
    let report = world.apply(SignedDuration::from_mins(30)).await;
    assert!(report.end.is_success(), "{}", report.end);
    let hot = 0.24..0.36;
    for step in done(&report) {
        let Step::Split { range, .. } = step else { panic!("{step}") };
        let place = |key: HashKey| key.0 as f64 / u128::MAX as f64;
        let (start, end) = (place(range.start()), place(range.end()));
        assert!(start < hot.end && hot.start < end, "split at {start:.3} to {end:.3}");
    }
    world.pass(SignedDuration::from_mins(10));
    let plan = world.decide().await.plan;
    assert!(highest_ingest(&plan) <= Load::from_percent(70), "{}", highest_ingest(&plan));
}

#[tokio::test]
async fn a_narrow_hot_spot_of_many_keys_is_not_taken_for_one_key() {
    for position in [0.03, 0.27, 0.41, 0.66, 0.90] {
        let mut workload = even(2_000_000);
        workload.hot_spot =
            Some(HotSpot { share: 0.5, width: 0.02, position: Some(position), moves_every: None });
        let world = World::new(4, workload).await;
        let report = world.apply(SignedDuration::from_mins(90)).await;
        assert!(report.end.is_success(), "{}", report.end);
        let plan = world.decide().await.plan;
        assert!(!verdicts(&plan).contains(&"HotKey"), "at {position}: {:?}", plan.verdicts);
        assert!(highest_ingest(&plan) <= Load::from_percent(70), "at {position}: {}", highest_ingest(&plan));
    }
}

#[tokio::test]
async fn after_the_load_falls_cold_neighbours_are_merged_back() {
    let world = World::new(4, even(3_400_000)).await;
    assert!(world.apply(SignedDuration::from_hours(1)).await.end.is_success());
    world.load(even(800_000));
    world.pass(SignedDuration::from_mins(20));
    let early = world.decide().await.plan;
    assert_eq!(early.steps(), [], "not before the stabilization window is over");
    let waits = ["LoadEstimated", "Stabilizing"];
    assert!(holds(&early).iter().all(|hold| waits.contains(hold)), "{:?}", holds(&early));
    assert!(!early.holds.is_empty());
    let report = world.apply(SignedDuration::from_hours(12)).await;
    assert!(report.end.is_success(), "{}", report.end);
    assert_eq!(splits(done(&report)), 0);
    let plan = world.decide().await.plan;
    // 0.8 MB/s at 56 % of a shard each: two shards.
    assert_eq!((plan.before.len(), plan.steps().len(), plan.desired_shards), (2, 0, 2), "{:?}", plan.holds);
}

#[tokio::test]
async fn a_replaying_consumer_is_catching_up_and_no_reason_to_split() {
    let archive = Consumer::new("archive", ConsumerKind::Polling { interval: SignedDuration::from_secs(1) });
    let world = World::new(2, even(800_000).consumer(archive.clone())).await;
    world.pass(SignedDuration::from_hours(10));
    let mut replay = Consumer::new("replay", archive.kind);
    replay.from_trim_horizon = true;
    world.load(even(800_000).consumer(archive).consumer(replay));
    world.pass(SignedDuration::from_mins(15));
    let plan = world.decide().await.plan;
    assert_eq!(plan.steps(), []);
    assert!(verdicts(&plan).contains(&"CatchingUp"), "{:?} {:?}", verdicts(&plan), holds(&plan));
}

#[tokio::test]
async fn without_shard_metrics_nothing_is_done_and_the_hold_says_how_to_turn_them_on() {
    let world = World::new(2, even(1_900_000)).await;
    world
        .plane
        .cloud()
        .disable_enhanced_monitoring(ChangeEnhancedMonitoring {
            stream: StreamRef::name(STREAM),
            shard_level_metrics: vec!["ALL".to_owned()],
        })
        .unwrap();
    world.pass(SignedDuration::from_mins(15));
    let plan = world.decide().await.plan;
    assert_eq!((plan.steps(), holds(&plan)), (&[][..], vec!["ShardMetricsOff"]));
}

#[tokio::test]
async fn metrics_that_the_policy_manages_are_turned_on_and_then_decide() {
    let mut world = World::new(2, even(1_900_000)).await;
    world.policy.metrics.enhanced_monitoring = reshard::policy::EnhancedMonitoring::Manage;
    world
        .plane
        .cloud()
        .disable_enhanced_monitoring(ChangeEnhancedMonitoring {
            stream: StreamRef::name(STREAM),
            shard_level_metrics: vec!["ALL".to_owned()],
        })
        .unwrap();
    world.pass(SignedDuration::from_mins(15));
    let report = world.apply(SignedDuration::from_hours(1)).await;
    assert!(report.end.is_success(), "{}", report.end);
    let done = done(&report);
    assert!(matches!(done[0], Step::EnableShardMetrics { .. }), "{done:?}");
    assert_eq!(splits(done), 2);
}

#[tokio::test]
async fn one_key_above_a_ceiling_ends_in_a_verdict_and_not_in_a_loop_of_splits() {
    let mut workload = even(2_500_000);
    workload.hot_spot = Some(HotSpot { share: 0.6, width: 0.0, position: Some(0.4), moves_every: None });
    let world = World::new(4, workload).await;
    let report = world.apply(SignedDuration::from_hours(3)).await;
    assert!(report.end.is_success(), "{}", report.end);
    assert!(splits(done(&report)) <= 8, "{:?}", done(&report));
    let plan = world.decide().await.plan;
    assert_eq!(splits(plan.steps().to_vec()), 0);
    assert!(verdicts(&plan).contains(&"HotKey"), "{:?} {:?}", verdicts(&plan), holds(&plan));
    // Hours later the verdict still stands, as long as the splits are within the look-back of a day.
    for hours in [1, 12] {
        world.pass(SignedDuration::from_hours(hours));
        let plan = world.decide().await.plan;
        assert_eq!(splits(plan.steps().to_vec()), 0, "after {hours} h: {:?}", plan.verdicts);
    }
}

#[tokio::test]
async fn bursts_below_the_minute_end_in_a_verdict_where_splits_do_not_help() {
    let mut workload = even(600_000);
    workload.bursts = Some(Bursts { every: 60, length: 2, factor: 25.0 });
    let world = World::new(2, workload).await;
    let report = world.apply(SignedDuration::from_hours(3)).await;
    assert!(report.end.is_success(), "{}", report.end);
    assert!(splits(done(&report)) <= 20, "{:?}", done(&report));
    let plan = world.decide().await.plan;
    assert_eq!(splits(plan.steps().to_vec()), 0, "{:?}", plan.holds);
}

#[tokio::test]
async fn an_on_demand_stream_is_left_to_aws() {
    let world = World::new(2, even(1_900_000)).await;
    let arn = world.decide().await.plan.identity.stream_arn;
    world
        .plane
        .cloud()
        .update_stream_mode(UpdateStreamMode {
            stream_arn: arn,
            stream_mode_details: StreamModeDetails { stream_mode: StreamMode::OnDemand },
        })
        .unwrap();
    world.pass(SignedDuration::from_mins(15));
    let plan = world.decide().await.plan;
    assert_eq!(plan.steps(), []);
    assert!(holds(&plan).contains(&"OnDemandStream"), "{:?}", holds(&plan));
}

#[tokio::test]
async fn a_silent_stream_is_held_and_never_merged() {
    let world = World::new(8, even(0)).await;
    let plan = world.decide().await.plan;
    assert_eq!((plan.steps(), holds(&plan), plan.desired_shards), (&[][..], vec!["SilentStream"], 8));
}

#[tokio::test]
async fn a_silent_stream_has_the_shards_that_min_shards_asks_for_before_anybody_writes() {
    let mut world = World::new(2, even(0)).await;
    world.policy.bounds = reshard::policy::ShardBounds::new(6, 20).unwrap();
    let report = world.apply(SignedDuration::from_hours(1)).await;
    let plan = world.decide().await.plan;
    assert_eq!(
        (plan.before.len(), plan.steps(), holds(&plan)),
        (6, &[][..], vec!["SilentStream"]),
        "{}",
        report.end
    );
    let spans = || plan.before.iter().map(|shard| shard.range.span());
    assert!(spans().max().unwrap() / 3 <= spans().min().unwrap(), "{:?}", plan.before);
}

#[tokio::test]
async fn at_max_shards_the_load_is_evened_out_and_the_verdict_says_that_more_are_needed() {
    let mut world = World::new(2, even(6_000_000)).await;
    world.policy.bounds = reshard::policy::ShardBounds::new(1, 4).unwrap();
    let report = world.apply(SignedDuration::from_hours(1)).await;
    let plan = world.decide().await.plan;
    assert_eq!((plan.before.len(), plan.steps().len()), (4, 0), "{} {:?}", report.end, plan.holds);
    assert!(verdicts(&plan).contains(&"AtMaxShards"));
    assert!(matches!(report.end, End::Quiet { .. }), "{}", report.end);
}

#[tokio::test]
async fn a_used_up_shard_quota_is_told_apart_from_a_rate() {
    let config = Config { limits: Limits { shards: 4, ..Limits::default() }, ..Config::default() };
    let world = World::with(config, 4, even(3_400_000)).await;
    let report = world.apply(SignedDuration::from_hours(1)).await;
    let End::Failed { error, .. } = &report.end else { panic!("{}", report.end) };
    assert_eq!(*error, ExecuteError::ShardQuota { limit: 4, open: 4 });
    assert!(report.done.is_empty());
}

#[tokio::test]
async fn skewed_keys_under_a_moving_hot_spot_keep_every_shard_within_bounds_for_a_day() {
    let mut workload =
        Workload::new(Curve::Diurnal { trough: 1_000_000, peak: 8_000_000 }).keys(KeySkew::zipf(20_000, 0.6));
    workload.noise = 0.05;
    workload.hot_spot = Some(HotSpot {
        share: 0.25,
        width: 0.05,
        position: None,
        moves_every: Some(SignedDuration::from_hours(4)),
    });
    let mut world = World::new(4, workload).await;
    world.policy.bounds = reshard::policy::ShardBounds::new(2, 40).unwrap();
    let mut most = 0;
    for _ in 0..(24 * 12) {
        let report = world.apply(SignedDuration::ZERO).await;
        assert!(report.end.is_success(), "{}", report.end);
        let plan = world.decide().await.plan;
        let shards = plan.before.len();
        assert!((2..=40).contains(&shards), "{shards}");
        most = most.max(shards);
        world.pass(SignedDuration::from_mins(5));
    }
    assert!(most > 12, "{most}");
    let totals = world.plane.cloud().workload_totals(STREAM).unwrap();
    let rejected = totals.rejected_records as f64 / totals.offered_records as f64;
    assert!(rejected < 0.02, "{:.2} % rejected", rejected * 100.0);
}
