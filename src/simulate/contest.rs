//! A contest: policies on one load, each by itself, scored beside the optimum.

use std::sync::Mutex;

use jiff::SignedDuration;

use super::course::{self, Course};
use super::fluid::StreamOptions;
use super::load::{Load, LoadOptions};
use super::optimum;
use super::peers::{
    Epsagon, Fixed, NodeScaler, SampleLambda, ScalingUtils, TargetTracking, Tracked, fewest_at_peak,
    on_demand,
};
use super::production::Production;
use super::relieved::{self, Relief, Relieved};
use super::scaler::{Monitoring, Scaler};
use super::score::{HIGH_PENALTY, Optimum, PENALTY, Score, absorbed_after};
use super::trace::{Scale, Span, Trace, TraceError};
use crate::cost::{self, Money, Prices};
use crate::policy::ScalingPolicy;
use crate::quota::MIN_SHARDS;

/// Who takes part.
#[derive(Debug, Clone)]
pub enum Contestant {
    /// The product, under a name, with a policy.
    Ours(String, Box<ScalingPolicy>),
    /// The same relieved of one of its limits.
    Relieved(Box<ScalingPolicy>, Relief),
    /// Equal shards for the peak.
    FixedAtPeak,
    /// [`ScalingUtils`].
    ScalingUtils,
    /// [`SampleLambda`].
    SampleLambda,
    /// [`NodeScaler`].
    NodeScaler,
    /// [`Epsagon`].
    Epsagon,
    /// [`TargetTracking`].
    TargetTracking(Tracked),
}

impl Contestant {
    /// Our policy, relieved of each of its limits.
    pub fn relieved(policy: &ScalingPolicy) -> Vec<Contestant> {
        Relief::ALL.map(|relief| Contestant::Relieved(Box::new(policy.clone()), relief)).into()
    }

    /// Everybody but us, in the order of the scorecard.
    pub fn peers() -> Vec<Contestant> {
        vec![
            Contestant::FixedAtPeak,
            Contestant::ScalingUtils,
            Contestant::SampleLambda,
            Contestant::NodeScaler,
            Contestant::Epsagon,
            Contestant::TargetTracking(Tracked::HottestShard),
            Contestant::TargetTracking(Tracked::Mean),
        ]
    }

    /// As the scorecard calls it.
    pub fn name(&self) -> String {
        match self {
            Contestant::Ours(name, _) => name.clone(),
            Contestant::Relieved(_, relief) => format!("… {}", relief.label()),
            Contestant::FixedAtPeak => "fixed at peak".to_owned(),
            Contestant::ScalingUtils => "awslabs scaling-utils".to_owned(),
            Contestant::SampleLambda => "AWS sample Lambda".to_owned(),
            Contestant::NodeScaler => "per-shard Node scaler".to_owned(),
            Contestant::Epsagon => "Epsagon".to_owned(),
            Contestant::TargetTracking(Tracked::HottestShard) => "target tracking 70 %, shard".to_owned(),
            Contestant::TargetTracking(Tracked::Mean) => "target tracking 70 %, mean".to_owned(),
        }
    }

    fn scaler(&self, options: &Options) -> Box<dyn Scaler> {
        let delay = u32::try_from(options.metric_delay.as_secs()).unwrap_or(0);
        let delay_ticks = delay.div_ceil(options.load.tick_seconds) as usize;
        match self {
            Contestant::Ours(_, policy) => Box::new(Production::new((**policy).clone())),
            Contestant::Relieved(policy, relief) => {
                Box::new(Relieved::new((**policy).clone(), *relief, options.metric_delay))
            }
            Contestant::FixedAtPeak => Box::new(Fixed),
            Contestant::ScalingUtils => Box::<ScalingUtils>::default(),
            Contestant::SampleLambda => Box::<SampleLambda>::default(),
            Contestant::NodeScaler => Box::<NodeScaler>::default(),
            Contestant::Epsagon => Box::<Epsagon>::default(),
            Contestant::TargetTracking(tracked) => Box::new(TargetTracking::new(*tracked, delay_ticks)),
        }
    }

    /// How many shards it begins with: as 70 % of each would carry the first rate, ours as far as the bounds allow
    /// that hold then.
    fn first_shards(&self, load: &Load) -> u32 {
        let first = load.totals().first().copied().unwrap_or(0.0);
        let wanted = (first / 0.7).ceil() as u32;
        match self {
            Contestant::Ours(_, policy) | Contestant::Relieved(policy, _) => {
                let bounds = policy.in_force(load.start()).bounds;
                wanted.clamp(bounds.min(), bounds.max())
            }
            Contestant::FixedAtPeak => fewest_at_peak(load),
            Contestant::ScalingUtils
            | Contestant::SampleLambda
            | Contestant::NodeScaler
            | Contestant::Epsagon
            | Contestant::TargetTracking(_) => wanted.max(MIN_SHARDS),
        }
    }
}

/// How everybody is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How the trace becomes a load.
    pub load: LoadOptions,
    /// How the stream behaves.
    pub stream: StreamOptions,
    /// From the end of a minute until its metrics are public.
    pub metric_delay: SignedDuration,
    /// Shard-units to which the load jumps, from a third of them, in the test of how fast that is
    /// absorbed.
    pub jump_units: f64,
}

/// What came of one trace.
#[derive(Debug)]
pub struct Contest {
    /// The load.
    pub load: Load,
    /// The least that any policy could have.
    pub optimum: Optimum,
    /// The scores, in the order of the contestants, on-demand last.
    pub scores: Vec<Score>,
    /// The courses of those on shards, in the same order.
    pub courses: Vec<Course>,
}

/// What one contestant came to.
#[derive(Debug, Clone)]
struct Played {
    course: Course,
    absorb_minutes: Option<f64>,
}

/// How long before the jump the load stays: a day and two hours, so that all that looks back a day has seen it.
const BEFORE_JUMP_SECONDS: i64 = 26 * 3_600;
/// How long it may take.
const AFTER_JUMP_SECONDS: i64 = 6 * 3_600;

impl Contest {
    /// Lets all of them play a trace that is scaled to shard-units, as many at once as there are
    /// processors; `progress` is told of ticks that are over. On-demand mode is added where there are
    /// peers.
    pub fn play(
        trace: &Trace,
        options: &Options,
        contestants: &[Contestant],
        prices: &Prices,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Contest {
        let load = Load::new(trace, &options.load);
        let optimum = optimum_of(&load, options);
        let jump = jump(options);
        let results: Mutex<Vec<Option<Played>>> = Mutex::new(vec![None; contestants.len()]);
        let next = Mutex::new(0..contestants.len());
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(contestants.len());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let Some(at) = next.lock().ok().and_then(|mut next| next.next()) else { return };
                        let contestant = &contestants[at];
                        let course = play_one(&load, options, contestant, progress);
                        let absorb_minutes = jump.as_ref().and_then(|(jump, tick)| {
                            let course = play_one(jump, options, contestant, progress);
                            absorbed_after(&course, *tick, options.load.tick_seconds)
                        });
                        if let Ok(mut results) = results.lock() {
                            results[at] = Some(Played { course, absorb_minutes });
                        }
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_default();
        let (mut scores, mut courses) = (Vec::new(), Vec::new());
        for (contestant, result) in contestants.iter().zip(results) {
            let Some(Played { course, absorb_minutes }) = result else { continue };
            let dollars = dollars_of(&course, &load, prices);
            let name = contestant.name();
            scores.push(Score::of_course(&name, &load, &course, &optimum, dollars, absorb_minutes));
            courses.push(course);
        }
        let is_ours = |one: &Contestant| matches!(one, Contestant::Ours(..) | Contestant::Relieved(..));
        if !contestants.iter().all(is_ours) {
            let played = on_demand::play(&load, prices);
            for (name, bill) in [("on-demand", played.standard), ("on-demand Advantage", played.advantage)] {
                scores.push(Score::of_on_demand(name, &load, &played, bill, prices.shard_hour, &optimum));
            }
        }
        Contest { load, optimum, scores, courses }
    }

    /// Ticks that a contest plays in all, for progress.
    pub fn ticks(trace: &Trace, options: &Options, contestants: usize) -> u64 {
        let of_jump = (BEFORE_JUMP_SECONDS + AFTER_JUMP_SECONDS).unsigned_abs();
        let seconds = trace.minutes() as u64 * 60 + of_jump;
        seconds / u64::from(options.load.tick_seconds) * contestants as u64
    }
}

fn play_one(
    load: &Load,
    options: &Options,
    contestant: &Contestant,
    progress: &(dyn Fn(u64) + Sync),
) -> Course {
    let mut scaler = contestant.scaler(options);
    let first_shards = contestant.first_shards(load);
    let stream = match contestant {
        Contestant::Relieved(_, relief) => relieved::stream_with(*relief, options.stream),
        _ => options.stream,
    };
    course::play(load, stream, options.metric_delay, first_shards, scaler.as_mut(), &mut |_| progress(1))
}

/// What the shards cost with the PUT payload units of what they took, and what CloudWatch bills for them.
fn dollars_of(course: &Course, load: &Load, prices: &Prices) -> Money {
    let shard_seconds = course.shards.iter().map(|shards| u64::from(*shards)).sum::<u64>();
    let shard_seconds = shard_seconds * u64::from(load.tick_seconds());
    let Monitoring { shard_metrics, metrics_read } = course.monitoring;
    cost::of_shard_seconds(shard_seconds, prices)
        + load.unit().put_payload_units(course.accepted_unit_seconds, prices)
        + cost::of_shard_metrics(shard_metrics, shard_seconds, prices)
        + cost::of_metric_reads(metrics_read, prices)
}

fn optimum_of(load: &Load, options: &Options) -> Optimum {
    let least = |penalty: f64| {
        let rules = optimum::Rules {
            tick_seconds: options.load.tick_seconds,
            step_seconds: options.stream.step_seconds,
            update_seconds: options.stream.update_seconds,
            penalty,
        };
        optimum::least_cost(load.totals(), &rules)
    };
    Optimum { at20: least(PENALTY), at200: least(HIGH_PENALTY) }
}

/// The jump as a load, with the tick at which it comes.
fn jump(options: &Options) -> Option<(Load, usize)> {
    let (before, after) = (options.jump_units / 3.0, options.jump_units);
    let at = BEFORE_JUMP_SECONDS;
    let text =
        format!("0,{before}\n{at},{before}\n{},{after}\n{},{after}\n", at + 1, at + AFTER_JUMP_SECONDS);
    let scale = Scale { peak_units: after, peak_quantile: None, clip_units: None };
    let as_is = |trace: Trace| trace.scaled(Span::default(), scale);
    let trace: Result<Trace, TraceError> = Trace::from_csv(&text).and_then(as_is);
    let tick = usize::try_from(at / i64::from(options.load.tick_seconds)).ok()?;
    Some((Load::new(&trace.ok()?, &options.load), tick))
}

#[cfg(test)]
mod tests;
