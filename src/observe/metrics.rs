//! Which metrics are read over which minutes, in as few calls as the limits allow, and the replies
//! put together.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::future::try_join_all;
use jiff::Timestamp;

use super::cache::ObservationCache;
use super::series::{dense, highest_possible};
use super::{ObserveError, Span};
use crate::control_plane::{
    ControlPlane, DataPoint, ErrorClass, GetMetricData, MetricOf, MetricQuery, MetricStatus, Period,
};
use crate::policy::ScalingPolicy;
use crate::quota::{GET_METRIC_DATA_POINTS, GET_METRIC_DATA_QUERIES};
use crate::snapshot::{MetricHistory, Minute, PastTopology, Series, ShardMetric, StreamMetric};
use crate::stream::{Shard, ShardId, StreamSummary};

const OPERATION: &str = "GetMetricData";
/// A call stays within one page by its size; more pages than this are a server's mistake.
const MAX_PAGES: u32 = 50;
/// Tokens of `GetMetricData` expire too; a call is begun anew so many times.
const MAX_BEGINNINGS: u32 = 3;

/// The four shard metrics about readers, which are read on suspicion only: they tell people in which shard
/// the trouble sits ([`crate::advice::readers_by_shard`]), and decide nothing.
const READ_METRICS: [ShardMetric; 4] = [
    ShardMetric::OutgoingBytes,
    ShardMetric::OutgoingRecords,
    ShardMetric::ReadProvisionedThroughputExceeded,
    ShardMetric::IteratorAgeMilliseconds,
];

/// Metrics with the first minute of each; all end together, and have points of the same period.
#[derive(Debug)]
pub(super) struct MetricPlan {
    queries: Vec<(MetricQuery, Minute)>,
    end: Minute,
    period: Period,
}

impl MetricPlan {
    /// What an idle pass looks at.
    pub(super) fn watched(span: &Span) -> Self {
        let queries = StreamMetric::WATCHED.map(|metric| (MetricQuery::Stream(metric), span.first_minute));
        MetricPlan { queries: queries.to_vec(), end: span.settled_until, period: Period::Minute }
    }

    /// The stream's own metrics over the look-back, and the declared consumers' lag over what
    /// decisions look at.
    pub(super) fn stream_level(span: &Span, policy: &ScalingPolicy) -> Self {
        let recent = span.shard_metrics_from(policy);
        let stream = StreamMetric::ALL.map(|metric| (MetricQuery::Stream(metric), span.first_minute));
        let lag =
            policy.consumers.iter().map(|consumer| (MetricQuery::ConsumerLag(consumer.clone()), recent));
        MetricPlan {
            queries: stream.into_iter().chain(lag).collect(),
            end: span.settled_until,
            period: Period::Minute,
        }
    }

    /// Besides, the shards' three metrics about writes over what decisions look at, for every shard
    /// that was open in it.
    pub(super) fn with_writes_of_shards(
        self,
        span: &Span,
        policy: &ScalingPolicy,
        summary: &StreamSummary,
        shards: &[Shard],
        past_topologies: &[PastTopology],
    ) -> Self {
        let from = span.shard_metrics_from(policy);
        let closed_before = closed_before(from.start(), shards, past_topologies);
        let shards = shards.iter().filter(|shard| !closed_before.contains(&shard.id));
        self.with_shards(shards, &ShardMetric::INGEST, summary, from)
    }

    /// The open shards' four metrics about readers over what decisions look at.
    pub(super) fn readers_of_shards(
        span: &Span,
        policy: &ScalingPolicy,
        summary: &StreamSummary,
        shards: &[Shard],
    ) -> Self {
        let shards = shards.iter().filter(|shard| !shard.closed);
        let nothing = MetricPlan { queries: Vec::new(), end: span.settled_until, period: Period::Minute };
        nothing.with_shards(shards, &READ_METRICS, summary, span.shard_metrics_from(policy))
    }

    /// Metrics of shards besides; what is not turned on is not asked for.
    fn with_shards<'s>(
        mut self,
        shards: impl Iterator<Item = &'s Shard>,
        metrics: &[ShardMetric],
        summary: &StreamSummary,
        from: Minute,
    ) -> Self {
        let is_on = |metric: &&ShardMetric| summary.enhanced_metrics.iter().any(|on| on == metric.name());
        for shard in shards {
            let metrics = metrics.iter().filter(is_on);
            let queries = metrics.map(|metric| (MetricQuery::Shard(shard.id.clone(), *metric), from));
            self.queries.extend(queries);
        }
        self
    }

    /// The three metrics about writes of the stream over other minutes than decisions look at.
    pub(super) fn writes_of_the_stream(from: Minute, end: Minute, period: Period) -> Self {
        let queries = StreamMetric::INGEST.map(|metric| (MetricQuery::Stream(metric), from)).to_vec();
        MetricPlan { queries, end, period }
    }

    /// The three metrics about writes of some shards over the whole look-back.
    pub(super) fn since_the_look_back(span: &Span, shards: impl IntoIterator<Item = ShardId>) -> Self {
        let metrics = |shard: ShardId| {
            ShardMetric::INGEST.map(|metric| (MetricQuery::Shard(shard.clone(), metric), span.first_minute))
        };
        MetricPlan {
            queries: shards.into_iter().flat_map(metrics).collect(),
            end: span.settled_until,
            period: Period::Minute,
        }
    }
}

/// The shards that were closed already at a moment: the ancestors of those that were open then.
/// None where it is not known who was open.
fn closed_before(moment: Timestamp, shards: &[Shard], past: &[PastTopology]) -> HashSet<ShardId> {
    let by_id: BTreeMap<&ShardId, &Shard> = shards.iter().map(|shard| (&shard.id, shard)).collect();
    let mut ancestors = HashSet::new();
    let open_then = past.iter().find(|topology| topology.at == moment);
    let mut next: Vec<&ShardId> = open_then.iter().flat_map(|topology| topology.open.iter()).collect();
    while let Some(id) = next.pop() {
        for parent in by_id.get(id).into_iter().flat_map(|shard| shard.parents()) {
            if ancestors.insert(parent.clone()) {
                next.push(parent);
            }
        }
    }
    ancestors
}

/// One call: metrics that are asked for over the same minutes.
struct Call {
    queries: Vec<MetricQuery>,
    /// The first minute that each series is wanted from; earlier than `from` where the cache knows.
    wanted_from: Vec<Minute>,
    from: Minute,
}

/// Reads a plan's metrics into `history`; returns how many metrics were asked for.
pub(super) async fn read_metrics<P: ControlPlane>(
    plane: &P,
    summary: &StreamSummary,
    plan: MetricPlan,
    cache: &mut ObservationCache,
    history: &mut MetricHistory,
) -> Result<u64, ObserveError> {
    let MetricPlan { queries, end, period } = plan;
    let (stream_name, mut requested) = (Arc::<str>::from(summary.name.as_str()), 0);
    let mut open = Vec::with_capacity(queries.len());
    for (query, wanted_from) in queries {
        match cache.told_out(&query, wanted_from, end) {
            Some(series) => put(history, query, series),
            None => open.push((query, wanted_from)),
        }
    }
    let calls = calls(MetricPlan { queries: open, end, period }, cache);
    // Whoever sends them keeps the rates; what goes out together may be joined with what others ask.
    let answers =
        try_join_all(calls.iter().map(|call| call.answer(plane, &stream_name, end, period))).await?;
    for (call, answers) in calls.into_iter().zip(answers) {
        let Call { queries, wanted_from, from } = call;
        if from < end {
            requested += queries.len() as u64;
        }
        for ((query, wanted_from), fetched) in queries.into_iter().zip(wanted_from).zip(answers) {
            let series = cache.extend(&query, wanted_from, fetched);
            put(history, query, series);
        }
    }
    Ok(requested)
}

/// Puts a series where it belongs.
fn put(history: &mut MetricHistory, query: MetricQuery, series: Series) {
    match query {
        MetricQuery::Stream(metric) => {
            history.stream.insert(metric, series);
        }
        MetricQuery::Shard(shard, metric) => {
            history.shards.entry(shard).or_default().insert(metric, series);
        }
        MetricQuery::ConsumerLag(consumer) => {
            history.consumer_lag.insert((&consumer).into(), series);
        }
    }
}

/// Cuts a plan into calls: metrics over the same minutes together, as many as the limits on
/// queries and data points allow, in the plan's order.
fn calls(plan: MetricPlan, cache: &ObservationCache) -> Vec<Call> {
    let mut by_start: BTreeMap<Minute, Vec<(MetricQuery, Minute)>> = BTreeMap::new();
    for (query, wanted_from) in plan.queries {
        let from = cache.ask_from(&query, wanted_from).min(plan.end);
        by_start.entry(from).or_default().push((query, wanted_from.min(plan.end)));
    }
    let mut calls = Vec::new();
    for (from, queries) in by_start {
        let minutes = usize::try_from(plan.end.since(from)).unwrap_or(0);
        let width = usize::try_from(plan.period.minutes()).unwrap_or(1).max(1);
        let points = minutes.div_ceil(width).max(1);
        let together = (GET_METRIC_DATA_POINTS / points).clamp(1, GET_METRIC_DATA_QUERIES);
        let mut queries = queries.into_iter().peekable();
        while queries.peek().is_some() {
            let (queries, wanted_from) = queries.by_ref().take(together).unzip();
            calls.push(Call { queries, wanted_from, from });
        }
    }
    calls
}

impl Call {
    /// The minutes up to `end` of each of its metrics. No minutes are answered without a request.
    async fn answer<P: ControlPlane>(
        &self,
        plane: &P,
        stream_name: &Arc<str>,
        end: Minute,
        period: Period,
    ) -> Result<Vec<Series>, ObserveError> {
        if self.from >= end {
            return Ok(vec![Series::new(self.from, Vec::new(), true); self.queries.len()]);
        }
        let of_stream =
            |query: &MetricQuery| MetricOf { stream_name: Arc::clone(stream_name), query: query.clone() };
        let queries = self.queries.iter().map(of_stream).collect();
        let mut request = GetMetricData { queries, start: self.from, end, period, next_token: None };
        let answers = ask(plane, &mut request).await?;
        // At once, not when all calls are answered: the points of one call are all that is kept of them.
        let series = self.queries.iter().zip(answers).map(|(query, Answer { points, status })| {
            let is_complete = status == Some(MetricStatus::Complete);
            dense(&points, [self.from, end], is_complete, highest_possible(query, period))
        });
        Ok(series.collect())
    }
}

/// What came for one metric, over all pages.
#[derive(Debug, Clone, Default)]
struct Answer {
    points: Vec<DataPoint>,
    /// The last that was said; `PartialData` before the last page is no more than "see there".
    status: Option<MetricStatus>,
}

/// Every page of one call.
async fn ask<P: ControlPlane>(plane: &P, request: &mut GetMetricData) -> Result<Vec<Answer>, ObserveError> {
    for _ in 0..MAX_BEGINNINGS {
        request.next_token = None;
        if let Some(answers) = ask_from_the_beginning(plane, request).await? {
            return Ok(answers);
        }
    }
    Err(ObserveError::ListingExpires { operation: OPERATION, times: MAX_BEGINNINGS })
}

/// `None` where a token expired.
async fn ask_from_the_beginning<P: ControlPlane>(
    plane: &P,
    request: &mut GetMetricData,
) -> Result<Option<Vec<Answer>>, ObserveError> {
    let mut answers = vec![Answer::default(); request.queries.len()];
    for _ in 0..MAX_PAGES {
        let page = match plane.get_metric_data(request).await {
            Ok(page) => page.value,
            Err(error) if error.class == ErrorClass::ExpiredToken && request.next_token.is_some() => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        for result in page.results {
            if let Some(answer) = answers.get_mut(result.query) {
                match answer.points.as_slice() {
                    [] => answer.points = result.points,
                    _ => answer.points.extend(result.points),
                }
                answer.status = Some(result.status);
            }
        }
        match page.next_token {
            Some(token) => request.next_token = Some(token),
            None => return Ok(Some(answers)),
        }
    }
    Err(ObserveError::EndlessListing { operation: OPERATION, pages: MAX_PAGES })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(shards: usize, minutes: i64) -> MetricPlan {
        let queries = (0..shards).flat_map(|shard| {
            let id = ShardId::new(format!("shardId-{shard:012}"));
            ShardMetric::INGEST.map(|metric| (MetricQuery::Shard(id.clone(), metric), Minute(0)))
        });
        MetricPlan { queries: queries.collect(), end: Minute(minutes), period: Period::Minute }
    }

    fn sizes(plan: MetricPlan) -> Vec<usize> {
        calls(plan, &ObservationCache::default()).iter().map(|call| call.queries.len()).collect()
    }

    #[test]
    fn calls_are_as_few_as_the_limits_on_queries_and_points_allow() {
        assert_eq!(sizes(plan(0, 60)), [0; 0]);
        assert_eq!(sizes(plan(200, 65)), [500, 100]);
        assert_eq!(sizes(plan(100, 1_440)), [70, 70, 70, 70, 20]);
        for minutes in [1, 65, 201, 202, 1_440] {
            for queries in sizes(plan(200, minutes)) {
                let points = queries * usize::try_from(minutes).expect("positive");
                assert!(queries <= 500 && points <= 100_800, "{queries} over {minutes}");
            }
        }
        let coarse = MetricPlan { period: Period::FiveMinutes, ..plan(100, 1_440) };
        assert_eq!(sizes(coarse), [300], "a fifth of the points");
    }

    #[test]
    fn shards_that_were_closed_before_the_span_are_known_by_their_descendants() {
        let shard = |id: &str, parent: Option<&str>| Shard {
            id: ShardId::new(id),
            range: crate::hash_key::HashKeyRange::WHOLE,
            parent: parent.map(ShardId::new),
            adjacent_parent: None,
            closed: false,
        };
        let shards = [shard("a", None), shard("b", Some("a")), shard("c", Some("b")), shard("d", Some("c"))];
        let past = [PastTopology { at: Timestamp::UNIX_EPOCH, open: [ShardId::new("c")].into() }];
        let before = closed_before(Timestamp::UNIX_EPOCH, &shards, &past);
        assert_eq!(before, HashSet::from([ShardId::new("a"), ShardId::new("b")]));
        assert!(closed_before(Timestamp::MAX, &shards, &past).is_empty(), "not known, so all are read");
    }
}
