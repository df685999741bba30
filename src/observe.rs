//! Observation: requests to the control plane, put together into one snapshot.
//!
//! `now` is the `Date` of `DescribeStreamSummary`. A full pass reads the shards from the start of
//! the look-back, who was open at some past moments, the stream's metrics, and the shards'. An idle
//! pass of the loop (nothing near its target, nothing rejected, not the clock's turn) reads only
//! who is open and the stream's metrics: shard metrics cost money.

use futures::future::{try_join, try_join_all};
use jiff::{SignedDuration, Timestamp};

use self::cache::ObservationCache;
pub use self::gate::{MetricLevel, gate, reads_need_a_closer_look};
pub use self::listing::list_shards;
use self::listing::past_topology;
use self::metrics::{MetricPlan, read_metrics};
pub use self::past::writes_of_days;
use crate::control_plane::{ControlPlane, RequestError, ShardFilter, StreamId};
use crate::demand::ancestry_of_heat;
use crate::policy::{MetricsSource, ScalingPolicy, StreamRef};
use crate::snapshot::{MetricHistory, Minute, PastTopology, SNAPSHOT_FORMAT, Snapshot};
use crate::stream::{Shard, StreamMode, StreamSummary};

mod cache;
mod gate;
mod listing;
mod metrics;
mod packed;
mod past;
mod series;
#[cfg(test)]
pub(crate) mod test_plane;
#[cfg(test)]
mod tests;

/// The newest minutes that are left out, the one that is not over included: CloudWatch publishes
/// "each minute" and promises no delay; two more minutes is what the field has found to be enough.
pub const UNSETTLED_MINUTES: i64 = 3;

/// The longest look-back: one day.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24);
/// Closed shards leave the listing at the end of their retention; this much earlier they are still
/// certain to be in it.
const RETENTION_MARGIN: SignedDuration = SignedDuration::from_mins(15);
/// Moments at which the shards are always looked up, in minutes before now.
const PAST_MINUTES: [i64; 3] = [5, 15, 60];

/// A stream as it was observed, with what the observation cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What was seen. After a pass at [`MetricLevel::Stream`] it has no shard metrics, and its
    /// summary is up to five minutes old: nothing is to be decided from it.
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
    cache: ObservationCache,
    last_full: Option<LastFull>,
}

/// What an idle pass builds on.
#[derive(Debug)]
struct LastFull {
    at: Minute,
    summary: StreamSummary,
    shards: Vec<Shard>,
    past_topologies: Vec<PastTopology>,
}

impl Observer {
    /// Reads the shards' metrics at every pass, for `plan` and `apply`.
    pub fn one_shot() -> Self {
        Observer::default()
    }

    /// Reads the shards' metrics when [`gate`] says so, for the loop.
    pub fn gated() -> Self {
        Observer { gated: true, ..Observer::default() }
    }

    /// Has the next pass read the shards' metrics whatever [`gate`] says, for a decision that is
    /// to be acted on.
    pub fn look_closely(&mut self) {
        self.last_full = None;
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
        if let Some(last) = self.last_full.take_if(|_| self.gated) {
            match self.idle_pass(plane, policy, &last, &mut requested).await? {
                Some(observation) => {
                    self.last_full = Some(last);
                    return Ok(observation);
                }
                None => self.last_full = None,
            }
        }
        self.full_pass(plane, policy, requested).await
    }

    /// Who is open and the stream's metrics; `None` where that calls for more.
    async fn idle_pass<P: ControlPlane>(
        &mut self,
        plane: &P,
        policy: &ScalingPolicy,
        last: &LastFull,
        requested: &mut u64,
    ) -> Result<Option<Observation>, ObserveError> {
        let stream = stream_id(&policy.stream);
        let listing = list_shards(plane, &stream, ShardFilter::AtLatest).await?;
        if !gate::same_slot(last.at, Minute::of(listing.at)) || !same_open(&listing.value, &last.shards) {
            return Ok(None);
        }
        let span = Span::of(listing.at, &last.summary);
        let plan = MetricPlan::stream_level(&span, policy);
        let mut metrics =
            MetricHistory { settled_until: Some(span.settled_until), ..MetricHistory::default() };
        *requested += read_metrics(plane, &last.summary, plan, &mut self.cache, &mut metrics).await?;
        let open = last.summary.open_shard_count;
        if gate(&metrics, policy, open, Some(last.at), Minute::of(listing.at)) == MetricLevel::Shards {
            return Ok(None);
        }
        let snapshot = Snapshot {
            format: SNAPSHOT_FORMAT,
            observed_at: listing.at,
            summary: last.summary.clone(),
            shards: last.shards.clone(),
            look_back_start: span.look_back_start,
            past_topologies: last.past_topologies.clone(),
            metrics,
        };
        Ok(Some(Observation { snapshot, level: MetricLevel::Stream, metrics_requested: *requested }))
    }

    async fn full_pass<P: ControlPlane>(
        &mut self,
        plane: &P,
        policy: &ScalingPolicy,
        mut requested: u64,
    ) -> Result<Observation, ObserveError> {
        let stream = stream_id(&policy.stream);
        let described = plane.describe_stream_summary(&stream).await?;
        let (now, summary) = (described.at, described.value);
        self.cache.begin(&summary, Minute::of(now));
        let span = Span::of(now, &summary);
        let moments = span.past_moments(policy);
        let unknown = moments.iter().filter(|at| self.cache.topology(**at).is_none());
        // ListShards takes a thousand calls a second: these few go out together.
        let (shards, seen) = try_join(
            list_shards(plane, &stream, ShardFilter::FromTimestamp(span.look_back_start)),
            try_join_all(unknown.map(|at| past_topology(plane, &stream, *at))),
        )
        .await?;
        let shards = shards.value;
        let mut seen = seen.into_iter();
        let past_topologies = moments.into_iter().filter_map(|at| match self.cache.topology(at) {
            Some(known) => known,
            None => self.cache.keep_topology(at, seen.next()?),
        });
        let past_topologies: Vec<_> = past_topologies.collect();

        let mut metrics =
            MetricHistory { settled_until: Some(span.settled_until), ..MetricHistory::default() };
        let plan = MetricPlan::stream_level(&span, policy);
        requested += read_metrics(plane, &summary, plan, &mut self.cache, &mut metrics).await?;
        if policy.metrics.source == MetricsSource::Shard && summary.mode == StreamMode::Provisioned {
            let plan = MetricPlan::shard_level(&span, policy, &summary, &shards, &past_topologies, &metrics);
            requested += read_metrics(plane, &summary, plan, &mut self.cache, &mut metrics).await?;
        }
        let mut snapshot = Snapshot {
            format: SNAPSHOT_FORMAT,
            observed_at: now,
            summary,
            shards,
            look_back_start: span.look_back_start,
            past_topologies,
            metrics,
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
                summary: snapshot.summary.clone(),
                shards: snapshot.shards.clone(),
                past_topologies: snapshot.past_topologies.clone(),
            });
        }
        Ok(Observation { snapshot, level: MetricLevel::Shards, metrics_requested: requested })
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

/// The time that an observation looks at.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    now: Timestamp,
    /// What lies before is unknown.
    pub look_back_start: Timestamp,
    /// The first whole minute of the look-back.
    pub first_minute: Minute,
    /// The first minute that is not settled yet.
    pub settled_until: Minute,
}

impl Span {
    /// What an observation of this stream looks at now.
    pub fn of(now: Timestamp, summary: &StreamSummary) -> Span {
        let retention = SignedDuration::from_hours(i64::from(summary.retention_hours));
        let before = |span: SignedDuration| now.checked_sub(span).unwrap_or(Timestamp::MIN);
        let look_back_start =
            before(LOOK_BACK).max(before(retention - RETENTION_MARGIN)).max(summary.created_at);
        Span {
            now,
            look_back_start,
            first_minute: Minute::from_start(look_back_start),
            settled_until: Minute::of(now).plus(1 - UNSETTLED_MINUTES),
        }
    }

    /// The first minute over which the shards' metrics are read, so that the window and the
    /// stabilisation windows are covered; a little more, so that a step's beginnings are seen.
    pub fn shard_metrics_from(&self, policy: &ScalingPolicy) -> Minute {
        const SLACK_MINUTES: i64 = 5;
        let minutes = [&policy.scale_up, &policy.scale_down]
            .map(|rules| whole_minutes(rules.stabilization_window))
            .into_iter()
            .fold(i64::from(policy.metrics.window_minutes), i64::max);
        self.settled_until.plus(-minutes - SLACK_MINUTES).max(self.first_minute)
    }

    /// The moments at which the shards are looked up, oldest first: on whole minutes, so that the
    /// same moments come again in later passes, and within the look-back.
    pub fn past_moments(&self, policy: &ScalingPolicy) -> Vec<Timestamp> {
        let now = Minute::of(self.now);
        let rules = [&policy.scale_up, &policy.scale_down];
        let back = |minutes: i64| now.plus(-minutes);
        let mut moments: Vec<Minute> = PAST_MINUTES.iter().map(|minutes| back(*minutes)).collect();
        moments.push(self.settled_until.plus(-i64::from(policy.metrics.window_minutes)));
        moments.push(self.shard_metrics_from(policy));
        for rules in rules {
            moments.push(back(whole_minutes(rules.stabilization_window)));
            moments.push(self.settled_until.plus(-whole_minutes(rules.stabilization_window)));
            moments.extend(rules.policies.iter().map(|policy| back(whole_minutes(policy.period))));
        }
        moments.push(self.first_minute);
        for moment in &mut moments {
            *moment = (*moment).max(self.first_minute);
        }
        moments.sort();
        moments.dedup();
        moments.into_iter().map(Minute::start).filter(|moment| *moment < self.now).collect()
    }
}

fn whole_minutes(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs().div_ceil(60)).unwrap_or(i64::MAX / 120)
}
