//! Observation: requests to the control plane, put together into one snapshot.
//!
//! `now` is the `Date` of a reply. A full pass describes the stream, reads the shards from the start
//! of the look-back, who was open at some past moments, the stream's metrics, and the shards'. An
//! idle pass of the loop (the stream has not come to where the last decision would be another, nothing is
//! rejected, no split waits, and it is not the clock's turn) reads only who is open and four of the stream's
//! metrics: metrics cost money.
//!
//! # What a pass asks for
//!
//! Of a stream at rest with `n` shards and `c` declared consumers, once the day is known:
//!
//! | | `ListShards` | `DescribeStreamSummary` | metrics | calls of `GetMetricData` |
//! |---|---|---|---|---|
//! | idle | 1 | – | 4 | 1 |
//! | full, once in five minutes | 2 | every other time | 10 + c + 3n | 2 |
//! | full, each minute while a split waits | 2 | once in ten minutes | 10 + c + 3n, some 7n | 1, some 2 |
//! | full, at a watchpoint or rejecting | 2 | – | 10 + c + 3n, some 7n | 2, some 3 |
//! | the first, or on demand | 1 | 1, or none where the caller has just asked | 10 + c + 3n, some 7n | 2, some 3 |
//!
//! Closed shards are among the `n` while decisions look at minutes in which they were open, but for those that have
//! nothing more to tell: the last quarter of an hour is asked for again, as CloudWatch may publish late, and what was
//! closed before it is known ([`closed`]).
//!
//! Where shards were split or merged within a day, each full pass may ask besides who was open at a
//! few moments, and read a day of the three metrics about writes of what a hot shard came from. Where
//! UpdateShardCount may be called, who was open is asked besides for each whole hour of the day: 24 listings
//! more at first, one an hour later. `updateShardCount: Auto` reads three metrics more, in a call of their own, in the
//! first full pass after each quarter of an hour: at first twelve days of them, 3,456 data points. Calls
//! that go out at the same time may be joined with those of other streams ([`crate::gather`]).

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use self::cache::ObservationCache;
pub use self::closed::ClosedShards;
pub use self::gate::{MetricLevel, Watchpoints, gate, is_due, reads_need_a_closer_look};
pub use self::listing::list_shards;
use self::listing::past_topology;
use self::metrics::{MetricPlan, read_metrics};
pub use self::past::writes_of_days;
pub use self::span::{Span, UNSETTLED_MINUTES};
use crate::control_plane::{ControlPlane, Reply, RequestError, ShardFilter, StreamId};
use crate::demand::{Pulse, ancestry_of_heat};
use crate::plan::Plan;
use crate::policy::{MetricsSource, ScalingPolicy, StreamRef, UpdateShardCount};
use crate::rounds::Sighting;
use crate::snapshot::{MetricHistory, Minute, PastTopology, SNAPSHOT_FORMAT, Snapshot};
use crate::stream::{OpenShards, Shard, ShardId, StreamMode, StreamStatus, StreamSummary};

mod cache;
mod closed;
mod gate;
mod listing;
mod metrics;
mod packed;
mod past;
pub(crate) mod quarters;
mod series;
mod span;
#[cfg(test)]
pub(crate) mod test_plane;
#[cfg(test)]
mod tests;
mod topologies;

/// A stream as it was observed, with what the observation cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What was seen. After a pass at [`MetricLevel::Stream`] it has no metrics but those watched and
    /// no past topologies: nothing is to be decided from it.
    pub snapshot: Snapshot,
    /// What was read.
    pub level: MetricLevel,
    /// How many metrics were asked of `GetMetricData`, each billed.
    pub metrics_requested: u64,
}

/// Why there is no observation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObserveError {
    /// A request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The tokens of a listing expired before its last page, again and again.
    #[error("the pages of {operation} expired {times} times before the last one was read")]
    ListingExpires {
        /// The operation by AWS's name.
        operation: &'static str,
        /// How often it was begun.
        times: u32,
    },
    /// A listing that does not end.
    #[error("{operation} still has a next page after {pages} pages")]
    EndlessListing {
        /// The operation by AWS's name.
        operation: &'static str,
        /// How many pages were read.
        pages: u32,
    },
}

/// Observes once, shard metrics included.
///
/// # Errors
/// [`ObserveError`] where a request fails.
pub async fn observe<P: ControlPlane>(
    plane: &P,
    policy: &ScalingPolicy,
) -> Result<Observation, ObserveError> {
    let mut observer = Observer { cache: ObservationCache::for_one_pass(), ..Observer::one_shot() };
    observer.observe(plane, policy).await
}

/// How requests name the stream of a policy: by ARN where its owner gave one.
pub fn stream_id(stream: &StreamRef) -> StreamId {
    match &stream.arn {
        Some(arn) => StreamId::Arn(arn.clone()),
        None => StreamId::Name(stream.name.clone()),
    }
}

/// Observes one stream, pass after pass. What it remembers is what cannot change: minutes that are
/// long settled and past moments. Losing it costs time and money, never safety.
#[derive(Debug, Default)]
pub struct Observer {
    gated: bool,
    /// Minutes by which its slots of the clock begin earlier.
    phase: i64,
    cache: ObservationCache,
    last_full: Option<LastFull>,
    /// What the last decision left to watch for.
    watch: Option<Watchpoints>,
    /// No decision reads it: it says when to look again.
    clock: Option<Sighting>,
}

/// What later passes build on.
#[derive(Debug)]
struct LastFull {
    at: Minute,
    /// When the stream was described.
    described_at: Minute,
    summary: StreamSummary,
    shards: Vec<Shard>,
    /// The load of the stream as a whole.
    pulse: Option<Pulse>,
    /// Whether what was decided then waits for a look at the shards, however calm the stream is.
    awaited: bool,
}

/// A description that a full pass starts from.
struct Described {
    /// The time of the pass.
    now: Timestamp,
    /// When the stream was described: in this pass or before.
    at: Minute,
    summary: StreamSummary,
}

/// What an idle pass came to.
enum Glance {
    /// There is nothing to look at more closely.
    Calm(Box<Observation>),
    /// Everything has to be read; what the last pass knew of the stream holds, or not.
    Closer(Option<Described>),
}

impl Observer {
    /// Reads the shards' metrics at every pass: for who looks once, or wants every detail.
    pub fn one_shot() -> Self {
        Observer::default()
    }

    /// Reads the shards' metrics when [`gate`] says so: for the loop, and for runs that sit out holds.
    pub fn gated() -> Self {
        Observer { gated: true, ..Observer::default() }
    }

    /// As [`Observer::gated`], with slots of the clock that begin at a minute of their own, which
    /// `name` alone decides: those of many streams are spread evenly, and the same after a restart.
    pub fn gated_apart(name: &str) -> Self {
        let digest = Sha256::digest(format!("slot of {name}"));
        let phase = i64::from(digest[0]) % gate::SUMMARY_SLOT_MINUTES;
        Observer { phase, ..Observer::gated() }
    }

    /// Has the next pass look at everything anew, whatever [`gate`] says: what is known may be wrong
    /// by now, or is not enough for a decision that is to be acted on.
    pub fn look_closely(&mut self) {
        self.last_full = None;
    }

    /// Takes in the plan that was decided from the last pass. The mean of many shards hides a hot one:
    /// while a split waits, the next pass reads the shards' metrics though the stream as a whole is calm. So
    /// it does where a step `is_due`: that may have to wait for its turn, or fail.
    pub fn decided(&mut self, plan: &Plan, is_due: bool) {
        self.shown(plan);
        if let Some(last) = &mut self.last_full {
            last.awaited = is_due || plan.splits_wait();
        }
    }

    /// Takes in the plan that was decided from the last pass where nobody waits for its steps: they are only shown.
    pub fn shown(&mut self, plan: &Plan) {
        let pulse = self.last_full.as_ref().and_then(|last| last.pulse);
        self.watch = Some(Watchpoints::of(&plan.before, plan.limits, &plan.holds, pulse));
    }

    /// What AWS's clock showed when the last pass began; none before the first.
    pub fn clock(&self) -> Option<Sighting> {
        self.clock
    }

    /// One pass.
    ///
    /// # Errors
    /// [`ObserveError`] where a request fails; the next pass begins anew.
    pub async fn observe<P: ControlPlane>(
        &mut self,
        plane: &P,
        policy: &ScalingPolicy,
    ) -> Result<Observation, ObserveError> {
        let mut requested = 0;
        let mut described = None;
        if let Some(last) = self.last_full.take_if(|_| self.gated) {
            match self.idle_pass(plane, policy, last, &mut requested).await? {
                Glance::Calm(observation) => return Ok(*observation),
                Glance::Closer(last) => described = last,
            }
        }
        let described = match described {
            Some(described) => described,
            None => self.described(plane.describe_stream_summary(&stream_id(&policy.stream)).await?),
        };
        self.full_pass(plane, policy, described, requested).await
    }

    /// One pass that reads the shards' metrics, and takes for true that the stream is as it was
    /// `described` a moment ago.
    ///
    /// # Errors
    /// As [`Observer::observe`].
    pub async fn observe_described<P: ControlPlane>(
        &mut self,
        plane: &P,
        policy: &ScalingPolicy,
        described: Reply<StreamSummary>,
    ) -> Result<Observation, ObserveError> {
        // It may be another stream than before.
        (self.last_full, self.watch) = (None, None);
        let described = self.described(described);
        self.full_pass(plane, policy, described, 0).await
    }

    /// The beginning of a full pass.
    fn described(&mut self, Reply { value, at }: Reply<StreamSummary>) -> Described {
        self.clock = Some(Sighting::now(at));
        Described { now: at, at: Minute::of(at), summary: value }
    }

    /// Who is open and the metrics that are watched.
    async fn idle_pass<P: ControlPlane>(
        &mut self,
        plane: &P,
        policy: &ScalingPolicy,
        last: LastFull,
        requested: &mut u64,
    ) -> Result<Glance, ObserveError> {
        let stream = stream_id(&policy.stream);
        let listing = list_shards(plane, &stream, ShardFilter::AtLatest).await?;
        self.clock = Some(Sighting::now(listing.at));
        let (now, minute) = (listing.at, Minute::of(listing.at));
        if !same_open(&listing.value, &last.shards) {
            return Ok(Glance::Closer(None));
        }
        let (this_slot, last_slot) = (minute.plus(self.phase), last.at.plus(self.phase));
        if last.awaited || is_due(Some(last_slot), this_slot) {
            return Ok(Glance::Closer(self.still_holds(now, last)));
        }
        let span = Span::of(now, &last.summary);
        let plan = MetricPlan::watched(&span);
        let mut metrics =
            MetricHistory { settled_until: Some(span.settled_until), ..MetricHistory::default() };
        *requested += read_metrics(plane, &last.summary, plan, &mut self.cache, &mut metrics).await?;
        metrics.settled_until = Some(span.told_until(&metrics, policy));
        let open = last.summary.open_shard_count;
        let level = gate(&metrics, policy, self.watch, open, Some(last_slot), this_slot);
        if level == MetricLevel::Shards {
            return Ok(Glance::Closer(self.still_holds(now, last)));
        }
        let snapshot = Snapshot {
            format: SNAPSHOT_FORMAT,
            observed_at: now,
            summary: last.summary.clone(),
            shards: last.shards.clone(),
            look_back_start: span.look_back_start,
            past_topologies: Vec::new(),
            metrics,
            update_shard_count_refused: None,
        };
        self.last_full = Some(last);
        let metrics_requested = *requested;
        Ok(Glance::Calm(Box::new(Observation { snapshot, level, metrics_requested })))
    }

    /// What the last pass knew of a stream whose open shards are the same, where it may still be
    /// taken for true: not for long, and only where nothing was under way.
    fn still_holds(&self, now: Timestamp, last: LastFull) -> Option<Described> {
        let StreamSummary { status, mode, open_shard_count, .. } = &last.summary;
        let at_rest = (*status, *mode) == (StreamStatus::Active, StreamMode::Provisioned);
        let counted = last.shards.iter().filter(|shard| !shard.closed).count() == *open_shard_count;
        let (then, minute) = (last.described_at.plus(self.phase), Minute::of(now).plus(self.phase));
        let young = gate::same_summary_slot(then, minute);
        (at_rest && counted && young).then_some(Described {
            now,
            at: last.described_at,
            summary: last.summary,
        })
    }

    async fn full_pass<P: ControlPlane>(
        &mut self,
        plane: &P,
        policy: &ScalingPolicy,
        described: Described,
        mut requested: u64,
    ) -> Result<Observation, ObserveError> {
        let (stream, Described { now, at: described_at, summary }) = (stream_id(&policy.stream), described);
        self.cache.begin(&summary, Minute::of(now), policy.metrics.max_age);
        let span = Span::of(now, &summary);
        if summary.status == StreamStatus::Creating {
            return Ok(Observation {
                snapshot: unborn(now, summary, &span),
                level: MetricLevel::Shards,
                metrics_requested: requested,
            });
        }
        let since = ShardFilter::FromTimestamp(span.look_back_start);
        let shards = list_shards(plane, &stream, since).await?.value;
        self.cache.note_closed(&shards);
        let past_topologies = self.past_topologies(plane, policy, &span, &summary, &shards).await;

        let mut metrics =
            MetricHistory { settled_until: Some(span.settled_until), ..MetricHistory::default() };
        let sees_shards =
            policy.metrics.source == MetricsSource::Shard && summary.mode == StreamMode::Provisioned;
        let mut plan = MetricPlan::stream_level(&span, policy);
        if sees_shards {
            plan = plan.with_writes_of_shards(&span, policy, &summary, &shards, &past_topologies);
        }
        requested += read_metrics(plane, &summary, plan, &mut self.cache, &mut metrics).await?;
        let settled_until = span.told_until(&metrics, policy);
        metrics.settled_until = Some(settled_until);
        if sees_shards && reads_need_a_closer_look(&metrics, policy, self.watch, summary.open_shard_count) {
            let plan = MetricPlan::readers_of_shards(&span, policy, &summary, &shards);
            let read = read_metrics(plane, &summary, plan, &mut self.cache, &mut metrics).await;
            requested += or_without(read, "the shards' readers", &summary).unwrap_or(0);
        }
        if policy.update_shard_count == UpdateShardCount::Auto && summary.mode == StreamMode::Provisioned {
            let read = quarters::read(plane, &summary, settled_until, &mut self.cache).await;
            if let Some((read, asked)) = or_without(read, "the stream's past days", &summary) {
                metrics.quarters = Some(read);
                requested += asked;
            }
        }
        let mut snapshot = Snapshot {
            format: SNAPSHOT_FORMAT,
            observed_at: now,
            summary,
            shards,
            look_back_start: span.look_back_start,
            past_topologies,
            metrics,
            update_shard_count_refused: None,
        };
        let ancestry = ancestry_of_heat(&snapshot, policy);
        if !ancestry.is_empty() && !snapshot.metrics.shards.is_empty() {
            let plan = MetricPlan::since_the_look_back(&span, ancestry);
            let Snapshot { summary, metrics, .. } = &mut snapshot;
            requested += read_metrics(plane, summary, plan, &mut self.cache, metrics).await?;
        }
        self.cache.forget_before(span.first_minute, span.look_back_start);
        if self.gated {
            self.last_full = Some(LastFull {
                at: Minute::of(now),
                described_at,
                summary: snapshot.summary.clone(),
                shards: snapshot.shards.clone(),
                pulse: Pulse::read(&snapshot.metrics, policy),
                awaited: false,
            });
        }
        Ok(Observation { snapshot, level: MetricLevel::Shards, metrics_requested: requested })
    }

    /// Who was open at the moments that decisions look at, as far as it can be had: of the others it is not known.
    /// Only what does not follow from what is known is asked for.
    async fn past_topologies<P: ControlPlane>(
        &mut self,
        plane: &P,
        policy: &ScalingPolicy,
        span: &Span,
        summary: &StreamSummary,
        shards: &[Shard],
    ) -> Vec<PastTopology> {
        let open_now: Option<Arc<[ShardId]>> = OpenShards::tile(shards)
            .ok()
            .map(|open| open.as_slice().iter().map(|shard| shard.id.clone()).collect());
        // Whatever was closed since the start of the look-back is listed.
        if let Some(open) = open_now.clone().filter(|open| open.len() == shards.len()) {
            self.cache.keep_topology(&PastTopology { at: span.look_back_start, open });
        }
        let moments = span.past_moments(policy);
        let known: Vec<_> = moments.iter().map(|at| self.cache.topology(*at, open_now.as_deref())).collect();
        let unknown = moments.iter().zip(&known).filter(|(_, known)| known.is_none());
        let stream = stream_id(&policy.stream);
        // ListShards takes a thousand calls a second: these few go out together.
        let seen = join_all(unknown.map(|(at, _)| past_topology(plane, &stream, *at))).await;
        let mut seen = seen.into_iter().map(|seen| or_without(seen, "who was open", summary).flatten());
        let all: Vec<_> = known.into_iter().filter_map(|known| known.or_else(|| seen.next()?)).collect();
        for topology in &all {
            self.cache.keep_topology(topology);
        }
        all
    }
}

/// What helps a decision, and is not needed for one: where it cannot be read, that is said, and decided without.
fn or_without<T>(read: Result<T, ObserveError>, what: &str, summary: &StreamSummary) -> Option<T> {
    read.inspect_err(|error| tracing::warn!(stream = summary.name, %error, "decided without {what}")).ok()
}

/// A stream that is being made: AWS lists no shards of it yet, and nothing was measured.
fn unborn(now: Timestamp, summary: StreamSummary, span: &Span) -> Snapshot {
    Snapshot {
        format: SNAPSHOT_FORMAT,
        observed_at: now,
        summary,
        shards: Vec::new(),
        look_back_start: span.look_back_start,
        past_topologies: Vec::new(),
        metrics: MetricHistory { settled_until: Some(span.settled_until), ..MetricHistory::default() },
        update_shard_count_refused: None,
    }
}

fn same_open(now: &[Shard], before: &[Shard]) -> bool {
    let open = |shards: &[Shard]| {
        let mut ids: Vec<_> =
            shards.iter().filter(|shard| !shard.closed).map(|shard| shard.id.clone()).collect();
        ids.sort();
        ids
    };
    open(now) == open(before)
}
