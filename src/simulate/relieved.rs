//! What keeps our policy from the optimum: the same planner, relieved of one thing that reality denies it.
//!
//! The planner, the targets, the windows and the interval are the policy's; demand comes from the true load
//! instead of from metrics, is measured everywhere and hindered by nothing, so that what is left out is no
//! rate, budget or guard but the one thing. What lies behind fades as it does for the policy; no rise is carried
//! on. A target that is learned is learned from the true load; a perfect forecast is never too low, and so needs no
//! room. Splits and merges alone.

use jiff::SignedDuration;

use super::fluid::{Action, StreamOptions};
use super::load::Load as OfferedLoad;
use super::production::action_of;
use super::scaler::{Monitoring, Rounds, Scaler, View};
use super::watch::bare_snapshot;
use crate::cost::MetricReads;
use crate::decision;
use crate::demand::unhindered::{unhindered, unhindered_shard};
use crate::demand::{self, Demand, SEGMENTS, Segment, ShardDemand};
use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::Evidence;
use crate::policy::{ScalingPolicy, UpdateShardCount};
use crate::snapshot::{Minute, Snapshot};
use crate::stream::ShardId;

/// How far a perfect forecast looks ahead.
const FORECAST_SECONDS: u32 = 600;

/// What the policy is relieved of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relief {
    /// Of not knowing what comes: each shard's highest load of the next ten minutes is known.
    PerfectForecast,
    /// Of boundaries: each change leaves shards that are equally full.
    FreeBoundaries,
    /// Of waiting: a step takes no time.
    InstantSteps,
}

impl Relief {
    /// All of them.
    pub const ALL: [Relief; 3] = [Relief::PerfectForecast, Relief::FreeBoundaries, Relief::InstantSteps];

    /// As the scorecard calls it.
    pub fn label(self) -> &'static str {
        match self {
            Relief::PerfectForecast => "perfect forecast, 10 min",
            Relief::FreeBoundaries => "free boundaries",
            Relief::InstantSteps => "instant steps",
        }
    }
}

/// The policy at work with that relief.
#[derive(Debug)]
pub struct Relieved {
    policy: ScalingPolicy,
    relief: Relief,
    metric_delay: SignedDuration,
    snapshot: Option<Snapshot>,
    rounds: Rounds,
    /// What the day that ended with that minute was worth.
    learned: Option<(Minute, Option<Load>)>,
}

impl Relieved {
    /// The policy, which sees loads so late where it does not know them beforehand.
    pub fn new(policy: ScalingPolicy, relief: Relief, metric_delay: SignedDuration) -> Relieved {
        let policy = ScalingPolicy { update_shard_count: UpdateShardCount::Never, ..policy };
        Relieved { policy, relief, metric_delay, snapshot: None, rounds: Rounds::default(), learned: None }
    }

    /// The ticks whose mean decides splits, and those whose highest load decides merges.
    fn sight(&self, over: usize, tick_seconds: u32) -> [std::ops::Range<usize>; 2] {
        let ticks = |seconds: u64| usize::try_from(seconds).unwrap_or(usize::MAX) / tick_seconds as usize;
        if self.relief == Relief::PerfectForecast {
            let ahead = over..over + ticks(FORECAST_SECONDS.into());
            return [ahead.clone(), ahead];
        }
        let end = over.saturating_sub(ticks(self.metric_delay.as_secs().unsigned_abs()));
        let back = |seconds: u64| end.saturating_sub(ticks(seconds).max(1))..end;
        let window = 60 * u64::from(self.policy.metrics.window_minutes);
        [back(window), back(self.policy.scale_down.stabilization_window.as_secs().max(window))]
    }

    fn demand(&self, view: &View) -> Demand {
        let [now, span] = self.sight(view.ticks, view.load.tick_seconds());
        let count = view.stream.ranges().len();
        let last = view.load.totals().len();
        let (mut sums, mut most) = (vec![0.0_f64; count], vec![0.0_f64; count]);
        let decides = now.start.min(span.start)..now.end.max(span.end).min(last);
        let known = |tick: usize| match self.relief {
            Relief::PerfectForecast => 1.0,
            // As it counts for merges: less with each minute, and for nothing at the end of the window.
            Relief::FreeBoundaries | Relief::InstantSteps => {
                (tick + 1).saturating_sub(span.start) as f64 / span.len().max(1) as f64
            }
        };
        for tick in decides {
            for (at, load) in view.stream.loads(tick).enumerate() {
                if now.contains(&tick) {
                    sums[at] += load;
                }
                most[at] = most[at].max(load * known(tick));
            }
        }
        let ticks = now.end.min(last).saturating_sub(now.start).max(1) as f64;
        let shards = view.stream.ranges().zip(view.stream.ids()).enumerate().map(|(at, (range, id))| {
            let mean = if self.relief == Relief::PerfectForecast { most[at] } else { sums[at] / ticks };
            shard(id, range, mean, most[at].max(mean))
        });
        unhindered(shards.collect())
    }

    /// The target that the policy would learn now, where it learns one.
    fn learned_target(&mut self, view: &View) -> Option<Load> {
        if self.policy.targets.learned.is_empty() {
            return None;
        }
        if self.relief == Relief::PerfectForecast {
            return Some(Load::CEILING);
        }
        let public = view.now.checked_sub(self.metric_delay).unwrap_or(view.load.start());
        let until = demand::last_full_hour(Minute::of(public));
        match self.learned {
            Some((known, learned)) if known == until => learned,
            _ => {
                let learned = demand::learned(&offered(view.load, until));
                self.learned = Some((until, learned));
                learned
            }
        }
    }

    fn step(&mut self, view: &View) -> Option<Action> {
        let demand = Demand { learned_target: self.learned_target(view), ..self.demand(view) };
        let fewer = self.fewer(&demand);
        let snapshot = self.snapshot.get_or_insert_with(|| bare_snapshot(view.stream));
        snapshot.observed_at = view.now;
        let plan = decision::answer(demand, snapshot, &self.policy).plan;
        plan.steps().first().and_then(action_of).or(fewer)
    }

    /// Where boundaries are free, any two shards can be merged once one shard less takes it all.
    fn fewer(&self, demand: &Demand) -> Option<Action> {
        let pack = self.policy.limits(demand.learned_target).pack.ingest_bytes;
        let peak: Loads = demand.shards.iter().map(ShardDemand::peak_loads).sum();
        let room = pack.0.saturating_mul(demand.shards.len() as u64).saturating_sub(pack.0);
        let [low, high, ..] = &demand.shards[..] else { return None };
        let is_less_enough = self.relief == Relief::FreeBoundaries && peak.ingest_bytes.0 <= room;
        is_less_enough.then_some(Action::Merge { low: low.range, high: high.range })
    }
}

impl Scaler for Relieved {
    /// The policy's metrics; read are none, for it knows the loads.
    fn monitoring(&self) -> Monitoring {
        Monitoring { shard_metrics: MetricReads::of(&self.policy).queries_per_shard, metrics_read: 0 }
    }

    fn next(&mut self, view: &mut View) -> Option<Action> {
        if self.rounds.are_due(view, self.policy.interval) { self.step(view) } else { None }
    }
}

/// What is offered in each minute of the day before `until`, in millionths of a shard-unit, as far as the load goes back.
fn offered(load: &OfferedLoad, until: Minute) -> Vec<Option<u64>> {
    let ticks = (60 / load.tick_seconds()).max(1) as usize;
    let end = usize::try_from(until.since(Minute::of(load.start()))).unwrap_or(0) * ticks;
    let day = &load.totals()[..end.min(load.totals().len())];
    let day = &day[day.len().saturating_sub(24 * 60 * ticks)..];
    let mean = |ticks: &[f64]| ticks.iter().sum::<f64>() / ticks.len() as f64;
    day.chunks(ticks).map(|minute| Some((mean(minute) * Load::CEILING.0 as f64) as u64)).collect()
}

/// What a shard of these shard-units needs; how they are spread is not known: evenly.
fn shard(id: &ShardId, range: HashKeyRange, now: f64, peak: f64) -> ShardDemand {
    let ranges = range.equal_parts(SEGMENTS as u32);
    let parts = ranges.len() as f64;
    let load = |units: f64| Loads {
        ingest_bytes: Load((units / parts * Load::CEILING.0 as f64) as u64),
        ..Loads::default()
    };
    let segment = |range| Segment { range, loads: load(now), peak_loads: load(peak) };
    let segments = ranges.into_iter().map(segment).collect();
    ShardDemand { density: Evidence::Estimated, ..unhindered_shard(id.clone(), range, segments) }
}

/// How the stream behaves with this relief.
pub(super) fn stream_with(relief: Relief, options: StreamOptions) -> StreamOptions {
    match relief {
        Relief::PerfectForecast => options,
        Relief::FreeBoundaries => StreamOptions { free_boundaries: true, ..options },
        Relief::InstantSteps => StreamOptions { step_seconds: 0, ..options },
    }
}

#[cfg(test)]
mod tests {
    use super::super::fluid::Fluid;
    use super::super::load::LoadOptions;
    use super::super::trace::{Scale, Span, Trace};
    use super::super::watch::Watch;
    use super::*;
    use crate::quota::Dimension;

    const DELAY: SignedDuration = SignedDuration::from_secs(120);

    /// These shard-units a minute, on a stream of one shard.
    fn load_of(units: impl Fn(usize) -> f64, minutes: usize) -> OfferedLoad {
        let rows = (0..=minutes).map(|minute| format!("{},{}\n", 60 * minute + 30, units(minute)));
        let trace = Trace::from_csv(&rows.collect::<String>()).expect("a trace");
        let peak_units = (0..=minutes).map(&units).fold(0.0, f64::max);
        let scale = Scale { peak_units, peak_quantile: None, clip_units: None };
        let options = LoadOptions {
            tick_seconds: 60,
            record_bytes: 2_000,
            keys: 10,
            skew: 0.0,
            keys_per_tenant: 1,
            noise: 0.0,
            seed: 1,
        };
        OfferedLoad::new(&trace.scaled(Span::default(), scale).expect("a trace"), &options)
    }

    /// What `of` says of the view after so many minutes.
    fn after<T>(minutes: usize, load: &OfferedLoad, of: impl FnOnce(&View) -> T) -> T {
        let options = StreamOptions {
            step_seconds: 30,
            update_seconds: 180,
            retried_share: 0.0,
            free_boundaries: false,
        };
        let stream = Fluid::new(load, options, 1);
        let mut watch = Watch::of_stream(&stream, DELAY);
        let now = load.after(minutes);
        of(&View { now, ticks: minutes, watch: &mut watch, stream: &stream, load, has_changed: false })
    }

    #[test]
    fn what_lies_behind_counts_for_less_with_each_minute_and_what_lies_ahead_counts_in_full() {
        let mut policy = ScalingPolicy::for_stream("orders", 200);
        policy.metrics.window_minutes = 1;
        policy.scale_down.stabilization_window = std::time::Duration::from_secs(600);
        // Four shard-units for an hour, and one from then on.
        let load = load_of(|minute| if minute < 60 { 4.0 } else { 1.0 }, 120);
        let peak = |relief, minutes| {
            let relieved = Relieved::new(policy.clone(), relief, DELAY);
            let demand = after(minutes, &load, |view| relieved.demand(view));
            let Load(peak) = demand.shards[0].peak_loads().ingest_bytes;
            (peak as f64 / 1e5).round() / 10.0
        };
        for relief in [Relief::FreeBoundaries, Relief::InstantSteps] {
            // The last of the high minutes is public after 62, and out of the window after 72.
            let peaks = [62, 63, 66, 69, 70, 72, 80].map(|minutes| peak(relief, minutes));
            assert_eq!(peaks, [4.0, 3.6, 2.4, 1.2, 1.0, 1.0, 1.0], "{relief:?}");
        }
        let ahead = [40, 59, 60].map(|minutes| peak(Relief::PerfectForecast, minutes));
        assert_eq!(ahead, [4.0, 4.0, 1.0]);
    }

    #[test]
    fn a_learned_target_is_learned_from_the_true_load_by_the_hour_and_decides() {
        let mut policy = ScalingPolicy::for_stream("orders", 200);
        policy.targets.learned = vec![Dimension::IngestBytes];
        // Of six minutes two have half as much again as the others.
        let bursty = load_of(|minute| if minute % 6 < 2 { 0.86 } else { 0.57 }, 10 * 60);
        let steady = load_of(|_| 0.86, 10 * 60);
        let learned = |relief, load: &OfferedLoad, minutes: usize| {
            let mut relieved = Relieved::new(policy.clone(), relief, DELAY);
            after(minutes, load, |view| relieved.learned_target(view))
        };
        for relief in [Relief::FreeBoundaries, Relief::InstantSteps] {
            assert_eq!(
                learned(relief, &bursty, 6 * 60 + 2),
                None,
                "not yet a quarter of a day and three minutes"
            );
            assert_eq!(learned(relief, &bursty, 7 * 60 + 1), None, "the hour is not public yet");
            let by_bursts = learned(relief, &bursty, 7 * 60 + 2).expect("seven hours are known");
            assert!(by_bursts < Load::from_percent(86), "{by_bursts}");
            assert_eq!(learned(relief, &steady, 7 * 60 + 2), Some(Load::CEILING));
        }
        assert_eq!(learned(Relief::PerfectForecast, &bursty, 1), Some(Load::CEILING), "it is never too low");
        // The newest public minute has 86 %: too much for what was learned, not for the default.
        let step = |policy: &ScalingPolicy| {
            let mut relieved = Relieved::new(policy.clone(), Relief::InstantSteps, DELAY);
            after(8 * 60 + 3, &bursty, |view| relieved.step(view))
        };
        assert!(matches!(step(&policy), Some(Action::Split { .. })));
        policy.targets.learned.clear();
        assert_eq!(step(&policy), None);
    }
}
