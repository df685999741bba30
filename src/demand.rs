//! Demand: what each open range needs, from what was observed.
//!
//! Pure. In: a [`Snapshot`] and a [`ScalingPolicy`]; out: for each open shard the load that decides
//! splits, the load that decides merges, how both are known, how the load is spread inside, and
//! what must not be done to it now. `snapshot.observed_at` is now; nothing else is.
//!
//! # What is known
//!
//! *Settled* are the minutes before `settled_until`; no other is read. The *window* is the newest
//! `metrics.window` of them, the *stabilisation window* the newest
//! `scaleDown.stabilizationWindowSeconds`, at least the window. Nothing is known of a minute that
//! began before the look-back or before the stream was created.
//!
//! A shard *had opened* before a minute if a past topology or a data point of an earlier minute
//! proves it; it is open until it closes. Parents close at the instant at which their children
//! open, so what bounds the one bounds the other.
//!
//! What a *range* carried in a minute is, of the shard that owns it now:
//! - *measured*, if the shard had opened before: its own data points. A missing one is zero if
//!   the reply is complete and what all shards reported in that minute and metric is the stream's
//!   total within 1 %; else it is *unknown*. By the minute, not over the window: over an hour one
//!   minute of a shard is always within 1 %. And on a wide stream 1 % may be all that a shard
//!   carries, so what is unaccounted for may be no more than a tenth of one shard's ceiling.
//!   (Of the stream's own missing data points, bytes are zero where records are, the reverse, and
//!   rejects where both are known; all others are unknown.)
//! - *inherited*, before: a merged child's is the sum of its parents', still measured; a split
//!   child's is the parent's times its share by density, *estimated* unless the parent carried
//!   nothing. And so on through the lineage; unknown where a parent is not listed.
//! - both added, in the minute of the reshard, in which both reported. Where the instant is not
//!   known, neither is assumed to be silent: each must have a data point, or be accounted for.
//!
//! # What is needed
//!
//! *Offered* is accepted plus rejected, rejected counting at most as much as accepted. The load
//! that decides splits is what was offered in the mean over the window (with `scaleUp`
//! stabilisation, the smallest such mean of the windows that ended within it). *Rejecting* is a
//! range on which more than 0.1 % were measured to be rejected in two of the last three minutes;
//! its demand is at least the ceiling in the fuller dimension. The load that decides merges is the
//! highest mean of any window within the stabilisation window, where each *fades* with its age: it
//! counts in full as the newest and for nothing at the end; and, below the most shards there may be, no less than
//! what a [`forecast`] expects of the next quarter of an hour. Read bytes are ingest bytes times pollers, whatever
//! was read. Where the stream *rises*, all of that is raised to what it will be when a step can help ([`rise`]),
//! and merges wait.
//!
//! *Evidence* is `Unknown` if a minute of the window is; else `Estimated` if any minute of the
//! stabilisation window is unknown, or any of its newest three estimated; else `Measured`. Unknown
//! bars splits (but where the shard is measured to reject, or the whole stream is silent) and merges; estimated
//! bars merges.
//!
//! # Why no shard is split in a loop
//!
//! What a parent carried is shared among its children, never multiplied, so inherited history asks
//! for no more shards than the parent did; `rejecting` must be measured on the very range. But for
//! rejects, a window leads to a split only if the shard itself measured all of it, or if all of it
//! was inherited from a shard that had a measured window before it was split: the splits that one
//! measured window asked for are made, and the next ones only after their measured outcome. From
//! then on each split that leads to a hot shard either left less than nine tenths of the load on
//! its side, or was lopsided; lopsided ones running that narrow the range to a sixteenth end in
//! [`Verdict::HotKey`]: four halvings, and no more than k where each keeps the k-th root of a
//! sixteenth. So of every k + 1 splits one shrinks the load to less than 9/10: demand is at most
//! twice what was accepted, thus at most two ceilings, and a constant load is at its target t after
//! at most (k + 1)·(1 + ln(2/t) ÷ ln(10/9)) generations; a burst with a low mean ends after two
//! ([`Verdict::Bursty`]). All of this is read from metrics, not remembered. When the minutes after
//! a split have left the observed history (the look-back of a day: the ancestors of hot shards are
//! observed that far, see [`ancestry_of_heat`]), the verdict is forgotten and the shard may be split
//! anew; a shard narrower than [`crate::quota::NARROWEST_SPLIT_SHARE`] of the space is one segment
//! for good ([`Verdict::Unsplittable`]), so that even without any history halving ends after
//! log₂ 4096 = 12 generations (and cutting off no more than a sixteenth each time after 129).

use std::ops::Range;

use jiff::Timestamp;

use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold, ReadCallsSource, Verdict};
use crate::policy::{MetricsSource, ScalingPolicy};
use crate::quota::{Dimension, SHARD_WRITE_BYTES_PER_SECOND};
use crate::snapshot::{Minute, Snapshot};
use crate::stream::{OpenShards, ShardId};

use self::count_updates::CountUpdates;
use self::forecast::Forecast;
use self::history::{Amounts, Reports, Span, Totals};
use self::ingest::Windows;
use self::lineage::Lineage;
use self::readers::Readers;
use self::rise::Rise;
use self::view::View;

pub use self::ancestry::{ancestry_of, ancestry_of_heat};
#[cfg(feature = "sandbox")]
pub(crate) use self::density::SEGMENTS;
pub use self::headroom::{last_full_hour, learned};
pub use self::history::accounts_for;
pub use self::pulse::Pulse;

mod ancestry;
mod count_updates;
mod density;
#[cfg(test)]
pub(crate) mod fixture;
pub mod forecast;
mod headroom;
mod heat;
mod history;
mod ingest;
mod limits;
mod lineage;
mod pulse;
mod readers;
mod rise;
mod stops;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "sandbox"))]
pub(crate) mod unhindered;
mod view;

/// What the open ranges of a stream need.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// One for each open shard, in hash-key order; empty where the listing does not tile.
    pub shards: Vec<ShardDemand>,
    /// What bars every step: with one of these there is no plan, only a report.
    pub stops: Vec<Hold>,
    /// What bars splits everywhere (a freeze).
    pub split_bars: Vec<Hold>,
    /// What bars merges everywhere (lag, a freeze, a rise).
    pub merge_bars: Vec<Hold>,
    /// What no step can cure.
    pub verdicts: Vec<Verdict>,
    /// How many merges were made in the last 24 hours, as far as the look-back goes.
    pub merges_in_the_last_day: u32,
    /// Of each call of UpdateShardCount in the last 24 hours, how many minutes ago it was made at the least, as far
    /// as the shards tell.
    pub count_updates_minutes_ago: Vec<u32>,
    /// AWS's refusal, where it has just refused an UpdateShardCount.
    pub count_update_refused: Option<String>,
    /// Whether the stream is known not to rise.
    pub is_steady: bool,
    /// What the stream is expected to be offered, where the policy may follow it and the last days say more of it than
    /// the load of now.
    pub forecast: Option<Forecast>,
    /// What merges expect of the next quarter of an hour, in thousandths of the load of now; 0 where they wait
    /// for nothing that is foreseen.
    pub foreseen_per_mille: u64,
    /// The target in the dimensions that learn theirs, where enough is known for one.
    pub learned_target: Option<Load>,
    /// The most shards that `behavior.scaleUp` allows now.
    pub scale_up_limit: u32,
    /// The fewest shards that `behavior.scaleDown` allows now.
    pub scale_down_limit: u32,
    /// What the stream as a whole shows, for the report.
    pub summary: DemandSummary,
}

/// What one open shard needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardDemand {
    /// The shard.
    pub id: ShardId,
    /// Its hash keys.
    pub range: HashKeyRange,
    /// How its loads are known.
    pub evidence: Evidence,
    /// Whether its writes are being rejected, which lifts every bound on splits but `maxShards`.
    pub rejecting: bool,
    /// Its load, spread over indivisible segments in ascending order that together are `range`;
    /// at least one. A cut falls between two segments, never inside one. One segment alone means
    /// that the shard cannot be split.
    pub segments: Vec<Segment>,
    /// How the spread over the segments is known: [`Evidence::Measured`] where past shards covered
    /// the parts (or the owner vouches for an even spread), else [`Evidence::Estimated`]. A part
    /// of a shard may be merged with a neighbour in one plan only where the spread is measured.
    pub density: Evidence,
    /// Why its load of now is not known by measurement, if so: a plan made of it is provisional,
    /// whatever it says.
    pub unsettled: Option<Hold>,
    /// Why it must not be split now, if so.
    pub split_guard: Option<Hold>,
    /// Why it must not be merged now, if so.
    pub merge_guard: Option<Hold>,
}

impl ShardDemand {
    /// The load that decides splits: demand over the window.
    pub fn loads(&self) -> Loads {
        self.segments.iter().map(|segment| segment.loads).sum()
    }

    /// The load that decides merges: the highest within the stabilisation window, fading with its age, at least
    /// [`ShardDemand::loads`], and at least what is foreseen for the next quarter of an hour.
    pub fn peak_loads(&self) -> Loads {
        self.segments.iter().map(|segment| segment.peak_loads).sum()
    }
}

/// A part of a shard's range that is not cut any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The hash keys.
    pub range: HashKeyRange,
    /// Its part of the load that decides splits.
    pub loads: Loads,
    /// Its part of the load that decides merges; in every dimension at least `loads`.
    pub peak_loads: Loads,
}

impl Demand {
    /// What bars that a call of UpdateShardCount joins shards: what bars merges, but on the way `up` to more of them no
    /// rise, which asks for more.
    pub fn bars_on_joins(&self, up: bool) -> impl Iterator<Item = &Hold> {
        self.merge_bars.iter().filter(move |hold| !up || !matches!(hold, Hold::Rising { .. }))
    }

    /// How often UpdateShardCount was called in the last 24 hours, as far as the shards tell.
    pub fn count_updates_made(&self) -> u32 {
        u32::try_from(self.count_updates_minutes_ago.len()).unwrap_or(u32::MAX)
    }
}

/// What the stream as a whole shows: for people, no decision reads it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DemandSummary {
    /// The settled minutes that the loads are means over: first, and first after.
    pub window: Option<(Minute, Minute)>,
    /// The mean load over all shards in each dimension, in millionths of one shard's ceiling.
    pub mean: Vec<(Dimension, Load)>,
    /// GetRecords calls in millionths of the ceiling, where known.
    pub read_calls: Option<(Load, ReadCallsSource)>,
    /// Polling consumers in thousandths, and whether they were declared (else derived).
    pub pollers_thousandths: Option<u64>,
    /// Whether the pollers are the declared consumers.
    pub pollers_declared: bool,
    /// The largest consumer lag in milliseconds, where known.
    pub lag_millis: Option<u64>,
    /// Rejected records in millionths of the offered ones, over the window.
    pub rejected_millionths: u64,
    /// Bytes a second written to the stream, over the window.
    pub ingest_bytes_per_second: u64,
    /// Records a second written to the stream, over the window.
    pub ingest_records_per_second: u64,
    /// The target in the dimensions that learn theirs; absent where none does, or too little is known for one.
    pub learned_target: Option<Load>,
    /// By how many thousandths the loads of shards are raised at the most, where the stream grows: to what they
    /// will be when a step can help ([`rise`]). What is written to the stream is told as it was measured.
    pub rise_per_mille: u64,
}

/// What the open ranges of the stream need, and what must not be done to them now.
pub fn assess(snapshot: &Snapshot, policy: &ScalingPolicy) -> Demand {
    let now = snapshot.observed_at;
    let tiling = OpenShards::tile(&snapshot.shards);
    let open = tiling.as_ref().map(OpenShards::as_slice).unwrap_or_default();
    let mut stops = stops::of_the_stream(snapshot, policy, &tiling);
    let windows = Windows::of(policy);
    let span = span(snapshot, windows);
    let window = [span.end.plus(-(windows.mean as i64)).max(span.known_from).min(span.end), span.end];
    let lineage = Lineage::read(snapshot);
    let totals = Totals::read(&snapshot.metrics, span);
    let reports = Reports::read(&lineage, span, &totals);
    let places = span.len().saturating_sub(windows.mean)..span.len();
    // Where AWS keeps the shards, or deletes them, nothing hangs on what their metrics say.
    let mut is_silent = false;
    if stops::metrics_matter(&snapshot.summary) {
        let of_the_stream = stops::of_the_stream_metrics(snapshot, policy, window);
        // That nobody writes is no reason against the shards that `minShards` asks for.
        is_silent = of_the_stream == Some(Hold::SilentStream);
        let by_shard = policy.metrics.source == MetricsSource::Shard;
        let of_the_shards = || {
            let totals = (!is_silent).then_some(&totals);
            stops::of_the_shard_metrics(&lineage, &reports, totals, places.clone(), window)
        };
        stops.extend(of_the_stream.filter(|_| !is_silent).or_else(|| by_shard.then(of_the_shards)?));
    }

    let readers = Readers::of(snapshot, policy, window, open.len());
    let rise = Rise::read(&totals, span.len(), windows);
    let is_steady = rise.is_some_and(|rise| rise.per_mille == 0);
    let rise = rise.unwrap_or_default();
    let forecast = if is_silent { None } else { forecast(snapshot, policy, rise) };
    let in_force = policy.in_force(now);
    // At the most shards that there may be, merges make room for heat, and wait for nothing that is not there.
    let has_room = open.len() < in_force.bounds.max() as usize;
    let foreseen_per_mille = forecast.as_ref().filter(|_| has_room).map_or(0, Forecast::next_per_mille);
    let learned_target = if policy.targets.learned.is_empty() { None } else { headroom::read(snapshot) };
    let view = View {
        snapshot,
        policy,
        trigger: policy.limits(learned_target).trigger,
        windows,
        rise,
        foreseen_per_mille,
        span,
        lineage: &lineage,
        reports: &reports,
        readers: &readers,
        is_silent,
    };
    let (shards, mut verdicts) = if tiling.is_ok() { view.shards(&totals) } else { (Vec::new(), Vec::new()) };
    verdicts.extend(readers.verdicts.iter().cloned());
    let written = written(&totals, places.clone());
    verdicts.extend(large_records(&written));

    let frozen = |scale_up| vec![Hold::Frozen { schedules: in_force.schedules.clone(), scale_up }];
    let mut merge_bars = readers.merge_bars.clone();
    if is_silent {
        merge_bars.push(Hold::SilentStream);
    }
    if rise.per_mille > 0 {
        merge_bars.push(Hold::Rising { per_mille: rise.per_mille });
    }
    if !in_force.allow.scale_down() {
        merge_bars.extend(frozen(false));
    }
    let count = if tiling.is_ok() { open.len() } else { snapshot.summary.open_shard_count };
    let current = u32::try_from(count).unwrap_or(u32::MAX);
    let updates = CountUpdates::read(snapshot, policy, &lineage);
    Demand {
        stops,
        split_bars: if in_force.allow.scale_up() { Vec::new() } else { frozen(true) },
        merge_bars,
        verdicts,
        merges_in_the_last_day: limits::merges_in_the_last_day(snapshot, &lineage, &updates),
        count_updates_minutes_ago: updates.calls.iter().map(|by| minutes_between(*by, now)).collect(),
        count_update_refused: snapshot.update_shard_count_refused.clone(),
        is_steady,
        forecast,
        foreseen_per_mille,
        learned_target,
        scale_up_limit: limits::scale_up_limit(snapshot, &lineage, &policy.scale_up, current),
        scale_down_limit: limits::scale_down_limit(snapshot, &lineage, &policy.scale_down, current),
        summary: summary(
            &shards,
            &readers,
            !policy.consumers.is_empty(),
            window,
            &written,
            learned_target,
            rise,
        ),
        shards,
    }
}

/// The forecast, where calls of UpdateShardCount may follow it. Merges do even when the day's calls are made: they
/// are not to undo what the last of them was made for.
fn forecast(snapshot: &Snapshot, policy: &ScalingPolicy, rise: Rise) -> Option<Forecast> {
    (policy.update_shard_count.calls_a_day(false) > 0).then(|| forecast::read(snapshot, rise))?
}

/// Whole minutes from one instant to a later one.
fn minutes_between(earlier: Timestamp, later: Timestamp) -> u32 {
    u32::try_from(later.duration_since(earlier).as_mins()).unwrap_or(0)
}

/// The minutes that this policy looks at.
fn span(snapshot: &Snapshot, windows: Windows) -> Span {
    // Without any settled minute the span is there, and nothing in it is known.
    let end = snapshot.metrics.settled_until.unwrap_or(Minute::of(snapshot.observed_at));
    let known_since = snapshot.look_back_start.max(snapshot.summary.created_at);
    let known_from = Minute::from_start(known_since);
    Span { start: end.plus(-(windows.minutes() as i64)), end, known_from }
}

/// What was written to the stream over the window.
struct Written {
    amounts: Amounts,
    seconds: u64,
}

fn written(totals: &Totals, places: Range<usize>) -> Written {
    let known = |of: usize| places.clone().filter_map(move |place| totals.at(place)[of]);
    let [bytes, records, rejected] = [0, 1, 2].map(|of| known(of).fold(0, u64::saturating_add));
    Written { amounts: Amounts { bytes, records, rejected }, seconds: 60 * known(0).count().max(1) as u64 }
}

/// A mean record above 250 KB: a shard takes fewer than four such in a second, so that a single
/// record more or less decides whether a second fits, and no utilization target is met smoothly.
fn large_records(written: &Written) -> Option<Verdict> {
    let mean_bytes = written.amounts.bytes.checked_div(written.amounts.records)?;
    (mean_bytes > LARGE_RECORD_BYTES).then_some(Verdict::LargeRecords { mean_bytes })
}

const LARGE_RECORD_BYTES: u64 = SHARD_WRITE_BYTES_PER_SECOND / 4;

fn summary(
    shards: &[ShardDemand],
    readers: &Readers,
    pollers_declared: bool,
    [from, to]: [Minute; 2],
    written: &Written,
    learned_target: Option<Load>,
    rise: Rise,
) -> DemandSummary {
    let Written { amounts, seconds } = written;
    let total: Loads = shards.iter().map(ShardDemand::loads).sum();
    let mean = |load: Load| Load(load.0 / shards.len().max(1) as u64);
    let offered = u128::from(amounts.records) + u128::from(amounts.rejected);
    let rejected = u128::from(amounts.rejected) * 1_000_000 / offered.max(1);
    DemandSummary {
        window: (from < to).then_some((from, to)),
        mean: Dimension::SPLITTABLE.into_iter().zip(total.as_array().map(mean)).collect(),
        read_calls: readers.calls,
        pollers_thousandths: readers.pollers_thousandths,
        pollers_declared,
        lag_millis: readers.lag_millis,
        rejected_millionths: u64::try_from(rejected).unwrap_or(u64::MAX),
        ingest_bytes_per_second: amounts.bytes / seconds,
        ingest_records_per_second: amounts.records / seconds,
        learned_target,
        rise_per_mille: rise.per_mille,
    }
}
