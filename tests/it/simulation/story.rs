//! A story: what one seed makes of shards, load, readers, policy, faults and strangers.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use reshard::load::Load;
use reshard::policy::{
    self, Allow, Mode, RateAmount, RatePolicy, ScalingPolicy, Schedule, SelectPolicy, ShardBounds,
};
use reshard::simulator::fault::{Effect, Fault, MetricEffect, MetricFault, Operation, When};
use reshard::simulator::workload::{Bursts, Consumer, ConsumerKind, Curve, HotSpot, KeySkew, Workload};
use reshard::simulator::{ApiError, ApiErrorCode, Config};

use crate::support::dice::Dice;

pub const STREAM: &str = "orders";

/// All that a seed decides beforehand.
pub struct Story {
    pub config: Config,
    pub shards: i32,
    pub policy: ScalingPolicy,
    /// The opening of the schedule, which opens once, with its phase `allow` and `min_shards`.
    pub window: Option<Window>,
    /// When the first pass is; faults, strangers and changes of load lie between this and `calm_at`.
    pub begin: Timestamp,
    /// From when on the load is constant and nothing goes wrong.
    pub calm_at: Timestamp,
    /// What happens when, in order; all on whole minutes.
    pub script: Vec<(Timestamp, Happening)>,
    pub faults: Vec<Fault>,
    pub metric_faults: Vec<MetricFault>,
    pub calm: Workload,
    /// How the product is driven.
    pub drive: Drive,
    /// Time from one pass to the next.
    pub every: SignedDuration,
    /// Whether a listing may be stale in this story.
    pub stale_listings: bool,
    /// Whether some load of this story comes in bursts or is noisy: then a mean tells less.
    pub rough: bool,
}

/// A schedule's only opening.
#[derive(Clone, Copy)]
pub struct Window {
    pub opens: Timestamp,
    pub closes: Timestamp,
    pub lead: SignedDuration,
    pub allow: Allow,
    pub min_shards: Option<u32>,
}

/// How the product is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// As `reshard run` does: a gated observer, a step, another look.
    Loop,
    /// As `reshard apply` does, by a cron job.
    Cron,
    /// As `reshard apply --wait` does.
    CronThatWaits,
}

/// What happens at a moment.
#[derive(Debug, Clone)]
pub enum Happening {
    Load(Box<Workload>),
    StrangerSplits(f64, f64),
    StrangerMerges(f64),
    StrangerRescales(f64),
    MonitoringOff,
    MonitoringOn,
    OnDemand,
    Provisioned,
    Delete,
    Create(i32),
    /// The actor dies at its so many-th request from now, and another takes its place.
    Crash(u64),
    /// For so long two actors are at work.
    Twins(SignedDuration),
    /// The owner suspends, or lifts it.
    Suspend(bool),
}

impl Story {
    pub fn of(seed: u64) -> Story {
        let mut dice = Dice::new(seed);
        let mut config = Config { seed, ..Config::default() };
        config.limits.mode_switches_per_day = None;
        config.timings.split = SignedDuration::from_secs(dice.from(5, 90) as i64);
        config.timings.merge = SignedDuration::from_secs(dice.from(5, 90) as i64);
        let begin = config.start + SignedDuration::from_mins(dice.from(20, 90) as i64);
        let calm_at = begin + SignedDuration::from_mins(dice.from(60, 300) as i64);
        let window = dice.chance(0.4).then(|| window(&mut dice, begin, calm_at));
        let mut policy = policy(&mut dice, window);
        let max = u64::from(policy.bounds.max());
        let load = Loads { most_bytes: max * dice.from(200, 900) * 1_000, calm_at };
        let consumers = consumers(&mut dice, &mut policy);
        let record_bytes = dice.from(300, 5_000) as u32;
        let workload = |dice: &mut Dice| load.workload(dice, record_bytes, &consumers);
        let mut script = vec![(
            config.start + SignedDuration::from_mins(2),
            Happening::Load(Box::new(workload(&mut dice))),
        )];
        let moment = |dice: &mut Dice| {
            begin
                + SignedDuration::from_mins(
                    dice.from(0, (calm_at.duration_since(begin).as_mins() - 1) as u64) as i64,
                )
        };
        for _ in 0..dice.from(0, 3) {
            let at = moment(&mut dice);
            let other = workload(&mut dice);
            script.push((at, Happening::Load(Box::new(other))));
        }
        if !consumers.is_empty() && dice.chance(0.3) {
            let at = moment(&mut dice);
            let mut replaying = workload(&mut dice);
            let mut replay = Consumer::new("replay", ConsumerKind::Firehose);
            replay.from_trim_horizon = true;
            replaying.consumers.push(replay);
            script.push((at, Happening::Load(Box::new(replaying))));
        }
        if dice.chance(0.4) {
            for _ in 0..dice.from(1, 4) {
                let at = moment(&mut dice);
                let happening = match dice.from(0, 2) {
                    0 => Happening::StrangerSplits(dice.share(), dice.share()),
                    1 => Happening::StrangerMerges(dice.share()),
                    _ => Happening::StrangerRescales(0.5 + dice.share() * 1.5),
                };
                script.push((at, happening));
            }
        }
        let lasting = |dice: &mut Dice| SignedDuration::from_mins(dice.from(5, 40) as i64);
        if dice.chance(0.2) {
            let at = moment(&mut dice);
            script.push((at, Happening::MonitoringOff));
            script.push((at + lasting(&mut dice), Happening::MonitoringOn));
            if dice.chance(0.5) {
                policy.metrics.enhanced_monitoring = policy::EnhancedMonitoring::Manage;
            }
        }
        if dice.chance(0.15) {
            let at = moment(&mut dice);
            script.push((at, Happening::OnDemand));
            script.push((at + lasting(&mut dice), Happening::Provisioned));
        }
        if dice.chance(0.15) {
            let at = moment(&mut dice);
            let again = at + SignedDuration::from_mins(dice.from(1, 3) as i64);
            script.push((at, Happening::Delete));
            script.push((again, Happening::Create(dice.from(1, max) as i32)));
            let other = workload(&mut dice);
            script.push((again + SignedDuration::from_mins(1), Happening::Load(Box::new(other))));
        }
        if dice.chance(0.4) {
            for _ in 0..dice.from(1, 5) {
                let at = moment(&mut dice);
                script.push((at, Happening::Crash(dice.from(1, 60))));
            }
        }
        if dice.chance(0.3) {
            let at = moment(&mut dice);
            let lasting = lasting(&mut dice);
            script.push((at, Happening::Twins(lasting)));
        }
        if dice.chance(0.15) {
            let at = moment(&mut dice);
            script.push((at, Happening::Suspend(true)));
            script.push((at + lasting(&mut dice), Happening::Suspend(false)));
        }
        script.retain(|(at, _)| *at < calm_at);
        script.sort_by_key(|(at, _)| *at);
        let (faults, stale_listings) = faults(&mut dice, begin, calm_at);
        let metric_faults = metric_faults(&mut dice, begin, calm_at);
        let rough = |workload: &Workload| workload.noise > 0.0 || workload.bursts.is_some();
        Story {
            shards: dice.from(u64::from(policy.bounds.min()), max) as i32,
            window,
            begin,
            calm_at,
            faults,
            metric_faults,
            calm: load.calm(&mut dice, record_bytes, &consumers),
            drive: dice.one_of(&[Drive::Loop, Drive::Loop, Drive::Cron, Drive::CronThatWaits]),
            every: SignedDuration::from_mins(dice.from(1, 6) as i64),
            stale_listings,
            rough: script.iter().any(|(_, event)| matches!(event, Happening::Load(load) if rough(load))),
            script,
            policy,
            config,
        }
    }
}

fn policy(dice: &mut Dice, window: Option<Window>) -> ScalingPolicy {
    let max = dice.from(2, 20) as u32;
    let mut policy = ScalingPolicy::for_stream(STREAM, max);
    policy.mode = Mode::Apply;
    let min = dice.from(1, u64::from(max.min(4))) as u32;
    policy.bounds = ShardBounds::new(min, max).unwrap();
    policy.targets.limits.ingest_bytes = Load::from_percent(dice.from(45, 90) as u32);
    policy.targets.limits.ingest_records = Load::from_percent(dice.from(45, 90) as u32);
    policy.metrics.window_minutes = dice.from(1, 5) as u32;
    policy.tolerance_millionths = dice.one_of(&[100_000, 200_000, 300_000]);
    policy.scale_down.stabilization_window = Duration::from_secs(60 * dice.one_of(&[0, 5, 10, 15, 30, 60]));
    policy.scale_up.stabilization_window = Duration::from_secs(60 * dice.one_of(&[0, 0, 0, 5]));
    policy.scale_down.policies =
        dice.one_of(&[rates_of(50, 4, 300), rates_of(15, 2, 900), rates_of(10, 1, 600)]).to_vec();
    if dice.chance(0.3) {
        policy.scale_up.policies = rates_of(50, 2, 300).to_vec();
    }
    policy.scale_down.select_policy = dice.one_of(&[
        SelectPolicy::Max,
        SelectPolicy::Max,
        SelectPolicy::Max,
        SelectPolicy::Min,
        SelectPolicy::Disabled,
    ]);
    policy.budgets.max_steps_per_plan = dice.one_of(&[1, 3, 20]);
    policy.budgets.max_merges_per_day = dice.one_of(&[2, 150, 150, 150]);
    policy.tradeoff.step_cost_shard_seconds = dice.one_of(&[0, 900, 3_600]);
    policy.schedules = window.into_iter().map(schedule).collect();
    policy
}

fn rates_of(percent: u32, shards: u32, seconds: u64) -> [RatePolicy; 2] {
    let period = Duration::from_secs(seconds);
    [
        RatePolicy { amount: RateAmount::Percent(percent), period },
        RatePolicy { amount: RateAmount::Shards(shards), period },
    ]
}

fn window(dice: &mut Dice, begin: Timestamp, calm_at: Timestamp) -> Window {
    let minutes = |low, high, dice: &mut Dice| SignedDuration::from_mins(dice.from(low, high) as i64);
    let opens = begin + minutes(10, 50, dice);
    Window {
        opens,
        closes: (opens + minutes(10, 120, dice)).min(calm_at),
        lead: minutes(0, 30, dice),
        allow: dice.one_of(&[Allow::All, Allow::ScaleUpOnly, Allow::ScaleDownOnly, Allow::None]),
        min_shards: dice.chance(0.5).then(|| dice.from(1, 12) as u32),
    }
}

fn schedule(window: Window) -> Schedule {
    let opens = window.opens.to_zoned(TimeZone::UTC);
    let (minute, hour, day) = (opens.minute(), opens.hour(), opens.day());
    Schedule {
        name: "window".to_owned(),
        cron: format!("{minute} {hour} {day} {} *", opens.month()).parse().unwrap(),
        time_zone: TimeZone::UTC,
        duration: Duration::try_from(window.closes.duration_since(window.opens)).unwrap(),
        lead_time: Duration::try_from(window.lead).unwrap(),
        min_shards: window.min_shards,
        allow: window.allow,
    }
}

fn consumers(dice: &mut Dice, policy: &mut ScalingPolicy) -> Vec<Consumer> {
    let polling = ConsumerKind::Polling { interval: SignedDuration::from_secs(1) };
    let second = Duration::from_secs(1);
    let kinds = [
        (ConsumerKind::Firehose, policy::ConsumerKind::Firehose { transform: None }),
        (ConsumerKind::Lambda, policy::ConsumerKind::Lambda),
        (polling, policy::ConsumerKind::Polling { poll_interval: second }),
        (ConsumerKind::EnhancedFanOut, policy::ConsumerKind::EnhancedFanOut),
    ];
    let declared = dice.chance(0.5);
    let mut consumers = Vec::new();
    for number in 0..dice.from(0, 2) {
        let (kind, of_policy) = dice.one_of(&kinds);
        let name = format!("reader-{number}");
        if declared {
            policy.consumers.push(policy::Consumer { name: name.clone(), kind: of_policy });
        }
        consumers.push(Consumer::new(name, kind));
    }
    consumers
}

/// How much is written in a story.
struct Loads {
    most_bytes: u64,
    calm_at: Timestamp,
}

impl Loads {
    fn workload(&self, dice: &mut Dice, record_bytes: u32, consumers: &[Consumer]) -> Workload {
        let mut some = |share: u64| self.most_bytes * dice.from(5, share) / 100;
        let (low, high) = (some(40), some(100));
        let at = self.calm_at - SignedDuration::from_mins(dice.from(10, 120) as i64);
        let lasting = SignedDuration::from_mins(dice.from(5, 60) as i64);
        let curve = match dice.from(0, 5) {
            0 => Curve::constant(high),
            1 => Curve::Diurnal { trough: low, peak: high.max(low) },
            2 => Curve::Step { before: low, after: high, at },
            3 => Curve::Step { before: high, after: low, at },
            4 => Curve::Ramp { from: low, to: high, at, over: lasting },
            _ => Curve::Spike { base: low, peak: high, at, lasting },
        };
        let mut workload = self.skewed(dice, curve, record_bytes, consumers);
        if dice.chance(0.3) {
            workload.noise = dice.share() * 0.3;
        }
        if dice.chance(0.2) {
            let length = dice.from(1, 5) as u32;
            workload.bursts = Some(Bursts { every: 60, length, factor: 2.0 + dice.share() * 8.0 });
        }
        if dice.chance(0.3) {
            workload.retried_share = dice.share();
        }
        if let Some(spot) = &mut workload.hot_spot
            && dice.chance(0.5)
        {
            spot.moves_every = Some(SignedDuration::from_mins(dice.from(10, 90) as i64));
        }
        workload
    }

    /// The same for ever.
    fn calm(&self, dice: &mut Dice, record_bytes: u32, consumers: &[Consumer]) -> Workload {
        let curve = Curve::constant(self.most_bytes * dice.from(3, 80) / 100);
        self.skewed(dice, curve, record_bytes, consumers)
    }

    fn skewed(&self, dice: &mut Dice, curve: Curve, record_bytes: u32, consumers: &[Consumer]) -> Workload {
        let mut workload = Workload::new(curve);
        workload.record_bytes = record_bytes;
        workload.consumers = consumers.to_vec();
        if dice.chance(0.5) {
            workload.keys = KeySkew::zipf(dice.from(500, 5_000) as u32, dice.share() * 1.1);
        }
        if dice.chance(0.35) {
            workload.hot_spot = Some(HotSpot {
                share: 0.1 + dice.share() * 0.5,
                width: dice.one_of(&[0.0, 0.02, 0.2]),
                position: Some(dice.share()),
                moves_every: None,
            });
        }
        workload
    }
}

fn faults(dice: &mut Dice, begin: Timestamp, calm_at: Timestamp) -> (Vec<Fault>, bool) {
    let refused = |code| Effect::Refuse(ApiError::new(code, "on purpose"));
    let mut faults = Vec::new();
    let mut stale = false;
    let mut some = |dice: &mut Dice, operation, chance: f64, effect: Effect| {
        if dice.chance(0.35) {
            faults.push(Fault { operation, when: When::Chance(dice.share() * chance), effect });
        }
    };
    for operation in [Operation::SplitShard, Operation::MergeShards] {
        some(dice, operation, 0.6, Effect::LoseReply);
        some(dice, operation, 0.4, Effect::LoseRequest);
        some(dice, operation, 0.4, refused(ApiErrorCode::LimitExceeded));
        some(dice, operation, 0.3, refused(ApiErrorCode::ResourceInUse));
        some(dice, operation, 0.2, refused(ApiErrorCode::InvalidArgument));
        some(dice, operation, 0.2, refused(ApiErrorCode::InternalFailure));
        let minutes = SignedDuration::from_mins(dice.from(1, 15) as i64);
        some(dice, operation, 0.4, Effect::Takes(minutes));
    }
    some(dice, Operation::DescribeStreamSummary, 0.2, refused(ApiErrorCode::LimitExceeded));
    some(dice, Operation::DescribeStreamSummary, 0.1, Effect::LoseReply);
    some(dice, Operation::ListShards, 0.1, refused(ApiErrorCode::LimitExceeded));
    some(dice, Operation::ListShards, 0.05, Effect::LoseReply);
    some(dice, Operation::GetMetricData, 0.2, refused(ApiErrorCode::Throttling));
    some(dice, Operation::GetMetricData, 0.1, Effect::LoseReply);
    if dice.chance(0.25) {
        stale = true;
        let (from, until) = span(dice, begin, calm_at);
        let by = Effect::Stale(SignedDuration::from_secs(dice.from(10, 600) as i64));
        faults.push(Fault { operation: Operation::ListShards, when: When::During(from, until), effect: by });
    }
    (faults, stale)
}

fn metric_faults(dice: &mut Dice, begin: Timestamp, calm_at: Timestamp) -> Vec<MetricFault> {
    if dice.chance(0.4) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for _ in 0..dice.from(1, 4) {
        let (from, until) = span(dice, begin, calm_at);
        let late = SignedDuration::from_mins(dice.from(3, 60) as i64);
        let effect = dice.one_of(&[
            MetricEffect::Missing,
            MetricEffect::Missing,
            MetricEffect::Late(late),
            MetricEffect::NotANumber,
            MetricEffect::Negative,
            MetricEffect::Future(late),
            MetricEffect::PartialData,
        ]);
        let metric_name = match dice.from(0, 3) {
            0 => None,
            1 => Some("IncomingRecords".to_owned()),
            _ => Some("IncomingBytes".to_owned()),
        };
        let shard = format!("shardId-{:012}", dice.from(0, 25));
        let dimension_value = dice.chance(0.7).then_some(shard);
        let chance = dice.one_of(&[1.0, 1.0, 0.4]);
        faults.push(MetricFault { metric_name, dimension_value, from, until, chance, effect });
    }
    faults
}

fn span(dice: &mut Dice, begin: Timestamp, calm_at: Timestamp) -> (Timestamp, Timestamp) {
    let minutes = calm_at.duration_since(begin).as_mins() as u64;
    let from = begin + SignedDuration::from_mins(dice.from(0, minutes - 10) as i64);
    (from, (from + SignedDuration::from_mins(dice.from(5, 60) as i64)).min(calm_at))
}
