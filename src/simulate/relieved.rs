//! What keeps our policy from the optimum: the same planner, relieved of one thing that reality denies it.
//!
//! The planner, the targets, the windows and the interval are the policy's; demand comes from the true load
//! instead of from metrics, is measured everywhere and hindered by nothing, so that what is left out is no
//! rate, budget or guard but the one thing. What lies behind fades as it does for the policy; no rise is carried
//! on. Splits and merges alone.

use jiff::SignedDuration;

use super::fluid::{Action, StreamOptions};
use super::production::action_of;
use super::scaler::{Rounds, Scaler, View};
use super::watch::bare_snapshot;
use crate::decision;
use crate::demand::unhindered::{unhindered, unhindered_shard};
use crate::demand::{Demand, SEGMENTS, Segment, ShardDemand};
use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::Evidence;
use crate::policy::{ScalingPolicy, UpdateShardCount};
use crate::snapshot::Snapshot;
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
}

impl Relieved {
    /// The policy, which sees loads so late where it does not know them beforehand.
    pub fn new(policy: ScalingPolicy, relief: Relief, metric_delay: SignedDuration) -> Relieved {
        let policy = ScalingPolicy { update_shard_count: UpdateShardCount::Never, ..policy };
        Relieved { policy, relief, metric_delay, snapshot: None, rounds: Rounds::default() }
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

    fn step(&mut self, view: &View) -> Option<Action> {
        let demand = self.demand(view);
        let fewer = self.fewer(&demand);
        let snapshot = self.snapshot.get_or_insert_with(|| bare_snapshot(view.stream));
        snapshot.observed_at = view.now;
        let plan = decision::answer(demand, snapshot, &self.policy).plan;
        plan.steps().first().and_then(action_of).or(fewer)
    }

    /// Where boundaries are free, any two shards can be merged once one shard less takes it all.
    fn fewer(&self, demand: &Demand) -> Option<Action> {
        let pack = self.policy.limits(None).pack.ingest_bytes;
        let peak: Loads = demand.shards.iter().map(ShardDemand::peak_loads).sum();
        let room = pack.0.saturating_mul(demand.shards.len() as u64).saturating_sub(pack.0);
        let [low, high, ..] = &demand.shards[..] else { return None };
        let is_less_enough = self.relief == Relief::FreeBoundaries && peak.ingest_bytes.0 <= room;
        is_less_enough.then_some(Action::Merge { low: low.range, high: high.range })
    }
}

impl Scaler for Relieved {
    fn next(&mut self, view: &mut View) -> Option<Action> {
        if self.rounds.are_due(view, self.policy.interval) { self.step(view) } else { None }
    }
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
