//! A compact Kinesis for tests: shards that split and merge, an UPDATING that takes time, metrics
//! that are a function of shard and minute, and a clock that moves when somebody sleeps.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;

use crate::control_plane::*;
use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::{Load, Loads};
use crate::policy::*;
use crate::snapshot::{Minute, ShardMetric, StreamMetric};
use crate::stream::{OpenShards, Shard, ShardId, StreamMode, StreamStatus, StreamSummary};

pub(crate) const ARN: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";

/// A policy for the stream `orders` at 70 %.
pub(crate) fn policy(min: u32, max: u32) -> ScalingPolicy {
    let rules = |seconds| ScalingRules {
        stabilization_window: Duration::from_secs(seconds),
        select_policy: SelectPolicy::Max,
        policies: vec![RatePolicy { amount: RateAmount::Percent(100), period: Duration::from_secs(300) }],
    };
    ScalingPolicy {
        stream: StreamRef { name: "orders".to_owned(), region: None, arn: None },
        generation: 0,
        role_arn: None,
        mode: Mode::Apply,
        suspend: false,
        interval: Duration::from_secs(60),
        bounds: ShardBounds::new(min, max).expect("valid bounds"),
        targets: Targets {
            limits: Loads::from_array([70, 70, 80].map(Load::from_percent)),
            learned: Vec::new(),
            read_calls: Load::from_percent(80),
        },
        metrics: MetricsPolicy {
            source: MetricsSource::Shard,
            window_minutes: 3,
            max_age: Duration::from_secs(300),
            enhanced_monitoring: EnhancedMonitoring::Require,
        },
        scale_up: rules(0),
        scale_down: rules(3_600),
        tolerance_millionths: 200_000,
        tradeoff: Tradeoff { step_cost_shard_seconds: 900, horizon_seconds: 14_400 },
        pace: Pace::default(),
        budgets: Budgets { max_steps_per_plan: 20, max_merges_per_day: 150 },
        update_shard_count: UpdateShardCount::Never,
        hand_overs: false,
        approval: Approval { required: ApprovalRequired::All, expire_after: Duration::from_secs(14_400) },
        consumers: Vec::new(),
        max_iterator_age: Duration::from_secs(120),
        schedules: Vec::new(),
    }
}

/// What happens to the n-th request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Refused before any effect.
    Refuse(ErrorClass),
    /// Takes effect; the reply is lost.
    LoseReply,
    /// Never ends, before any effect.
    Hang,
    /// Takes effect, and never ends.
    EffectThenHang,
}

/// A shard with the times at which it was open.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) shard: Shard,
    pub(crate) opened_at: Timestamp,
    pub(crate) closed_at: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    pub(crate) summary: StreamSummary,
    pub(crate) lives: Vec<Life>,
    /// A reshard under way: when it ends, whom it closes and the ranges it opens.
    pub(crate) pending: Option<(Timestamp, Vec<ShardId>, Vec<HashKeyRange>)>,
    pub(crate) reshard_takes: Duration,
    /// Every request by its operation.
    pub(crate) requests: Vec<&'static str>,
    /// Requests that are under way, and how many were so at once.
    pub(crate) under_way: usize,
    pub(crate) most_under_way: usize,
    /// Splits and merges that took effect.
    pub(crate) reshards: usize,
    /// By the number of the request, counted from 0.
    pub(crate) faults: Vec<(usize, Fault)>,
    /// Errors that reshards are answered with, first to last.
    pub(crate) refusals: Vec<ErrorClass>,
    /// The account's quota of shards.
    pub(crate) shard_limit: u32,
    /// The error that every UpdateShardCount is answered with.
    pub(crate) refuses_counts: Option<ErrorClass>,
    pub(crate) page_size: usize,
    pub(crate) ignores_filters: bool,
    /// So many listings of open shards still show the shards that the stream was made with.
    pub(crate) stale_listings: usize,
    pub(crate) expire_tokens: usize,
    /// Whether metrics come in two pages; and whether the second never says `Complete`.
    pub(crate) halves_metrics: bool,
    pub(crate) keeps_metrics_partial: bool,
    /// From this minute on all metrics are so many times what they were.
    pub(crate) rises: (Minute, f64),
    /// Minutes of which no metric has a data point.
    pub(crate) silent: Range<Minute>,
    /// Minutes of which no metric of so many of the first shards has one.
    pub(crate) silent_shards: (Range<Minute>, usize),
    pub(crate) asked: Vec<GetMetricData>,
    /// A stream whose metrics are refused, and whatever is asked for together with them.
    pub(crate) unreadable: Option<&'static str>,
    pub(crate) slept: Duration,
    pub(crate) exists: bool,
}

/// The stand-in.
#[derive(Debug)]
pub(crate) struct TestPlane(Mutex<State>);

impl TestPlane {
    /// A stream of `shards` equal shards that is two days old, with all shard metrics on.
    pub(crate) fn new(shards: u32) -> Self {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let created_at = now - jiff::SignedDuration::from_hours(48);
        let mut starts = vec![HashKey::MIN];
        starts.extend(HashKeyRange::WHOLE.inner_boundaries(shards));
        let lives = (0..starts.len()).map(|i| {
            let end = starts.get(i + 1).map_or(HashKey::MAX, |next| HashKey(next.0 - 1));
            let range = HashKeyRange::new(starts[i], end).expect("ascending");
            Life { shard: new_shard(i, range, &[]), opened_at: created_at, closed_at: None }
        });
        TestPlane(Mutex::new(State {
            now,
            summary: StreamSummary {
                arn: ARN.to_owned(),
                name: "orders".to_owned(),
                status: StreamStatus::Active,
                mode: StreamMode::Provisioned,
                created_at,
                retention_hours: 24,
                open_shard_count: starts.len(),
                enhanced_metrics: ShardMetric::ALL.iter().map(|metric| metric.name().to_owned()).collect(),
                consumer_count: 0,
            },
            lives: lives.collect(),
            pending: None,
            reshard_takes: Duration::from_secs(30),
            requests: Vec::new(),
            under_way: 0,
            most_under_way: 0,
            reshards: 0,
            faults: Vec::new(),
            refusals: Vec::new(),
            shard_limit: 500,
            refuses_counts: None,
            page_size: 1_000,
            ignores_filters: false,
            stale_listings: 0,
            expire_tokens: 0,
            halves_metrics: false,
            keeps_metrics_partial: false,
            rises: (Minute(i64::MAX), 1.0),
            silent: Minute(0)..Minute(0),
            silent_shards: (Minute(0)..Minute(0), 0),
            asked: Vec::new(),
            unreadable: None,
            slept: Duration::ZERO,
            exists: true,
        }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with the lock held")
    }

    pub(crate) fn advance(&self, duration: Duration) {
        let mut state = self.state();
        state.now = state.now.checked_add(duration).expect("in range");
        state.settle();
    }

    pub(crate) fn ranges(&self) -> Vec<HashKeyRange> {
        OpenShards::tile(&self.state().listing()).expect("they tile").ranges().collect()
    }

    /// Makes the stream so young that observing it takes few data points.
    pub(crate) fn made_minutes_ago(self, minutes: i64) -> Self {
        {
            let mut state = self.state();
            let created_at = state.now - jiff::SignedDuration::from_mins(minutes);
            state.summary.created_at = created_at;
            state.lives.iter_mut().for_each(|life| life.opened_at = created_at);
        }
        self
    }

    /// Counts the request, and fails or hangs it where a fault says so.
    async fn request<T>(
        &self,
        operation: &'static str,
        effect: impl FnOnce(&mut State) -> Result<T, RequestError>,
    ) -> Result<Reply<T>, RequestError> {
        {
            let mut state = self.state();
            state.under_way += 1;
            state.most_under_way = state.most_under_way.max(state.under_way);
        }
        // A point at which the future can be dropped before anything happened.
        tokio::task::yield_now().await;
        let (fault, outcome) = {
            let mut state = self.state();
            state.under_way -= 1;
            state.settle();
            let number = state.requests.len();
            state.requests.push(operation);
            let fault = state.faults.iter().find(|(at, _)| *at == number).map(|(_, fault)| *fault);
            let outcome = match fault {
                Some(Fault::Refuse(class)) => Err(error(operation, class)),
                Some(Fault::Hang) => Err(error(operation, ErrorClass::Ambiguous)),
                _ if !state.exists => Err(error(operation, ErrorClass::NotFound)),
                _ => effect(&mut state),
            };
            let at = state.now;
            (fault, outcome.map(|value| Reply { value, at }))
        };
        match fault {
            Some(Fault::LoseReply) => Err(error(operation, ErrorClass::Ambiguous)),
            Some(Fault::Hang | Fault::EffectThenHang) => std::future::pending().await,
            _ => outcome,
        }
    }
}

pub(crate) fn error(operation: &'static str, class: ErrorClass) -> RequestError {
    RequestError::new(operation, class, format!("{class:?}"))
}

fn new_shard(number: usize, range: HashKeyRange, parents: &[ShardId]) -> Shard {
    Shard {
        id: ShardId::new(format!("shardId-{number:012}")),
        range,
        parent: parents.first().cloned(),
        adjacent_parent: parents.get(1).cloned(),
        closed: false,
    }
}

impl State {
    fn settle(&mut self) {
        let Some((at, closes, opens)) = self.pending.take_if(|(at, ..)| *at <= self.now) else { return };
        for life in &mut self.lives {
            if closes.contains(&life.shard.id) {
                life.closed_at = Some(at);
                life.shard.closed = true;
            }
        }
        for range in opens {
            let shard = new_shard(self.lives.len(), range, &closes);
            self.lives.push(Life { shard, opened_at: at, closed_at: None });
        }
        self.summary.status = StreamStatus::Active;
        self.summary.open_shard_count = self.lives.iter().filter(|life| !life.shard.closed).count();
    }

    pub(crate) fn listing(&self) -> Vec<Shard> {
        self.lives.iter().map(|life| life.shard.clone()).collect()
    }

    pub(crate) fn reshard(
        &mut self,
        operation: &'static str,
        closes: &[&ShardId],
        opens: Vec<HashKeyRange>,
    ) -> Result<(), RequestError> {
        if !self.refusals.is_empty() {
            return Err(error(operation, self.refusals.remove(0)));
        }
        if self.summary.status != StreamStatus::Active {
            return Err(error(operation, ErrorClass::ResourceInUse));
        }
        self.summary.status = StreamStatus::Updating;
        self.reshards += 1;
        let ends = self.now.checked_add(self.reshard_takes).expect("in range");
        self.pending = Some((ends, closes.iter().map(|id| (*id).clone()).collect(), opens));
        Ok(())
    }

    fn open(&self, operation: &'static str, id: &ShardId) -> Result<HashKeyRange, RequestError> {
        let shard = self.lives.iter().find(|life| life.shard.id == *id && !life.shard.closed);
        shard.map(|life| life.shard.range).ok_or_else(|| error(operation, ErrorClass::Invalid))
    }

    fn filtered(&self, filter: ShardFilter) -> Vec<Shard> {
        let open_at = |life: &Life, at: Timestamp| {
            life.opened_at <= at && life.closed_at.is_none_or(|closed_at| at < closed_at)
        };
        let lives = self.lives.iter().filter(|life| match filter {
            _ if self.ignores_filters => true,
            ShardFilter::AtLatest => !life.shard.closed,
            ShardFilter::AtTimestamp(at) => open_at(life, at),
            ShardFilter::FromTimestamp(at) => life.closed_at.is_none_or(|closed_at| at < closed_at),
        });
        lives.map(|life| life.shard.clone()).collect()
    }

    /// A quiet stream: each open shard takes 1,000 bytes and 10 records a minute. One that is called
    /// after a number takes so many times as much.
    fn value(&self, metric: &MetricOf, minute: Minute) -> Option<f64> {
        let number = metric.stream_name.rsplit('-').next().and_then(|number| number.parse::<f64>().ok());
        let (from, times) = self.rises;
        let risen = if minute < from { 1.0 } else { times };
        Some(self.value_of_one(&metric.query, minute)? * number.unwrap_or(1.0) * risen)
    }

    fn is_late(&self, id: &ShardId, minute: Minute) -> bool {
        let (minutes, shards) = &self.silent_shards;
        minutes.contains(&minute) && self.lives.iter().take(*shards).any(|life| life.shard.id == *id)
    }

    fn value_of_one(&self, query: &MetricQuery, minute: Minute) -> Option<f64> {
        let lives = |minute: Minute| {
            self.lives.iter().filter(move |life| {
                life.opened_at <= minute.start()
                    && life.closed_at.is_none_or(|closed| minute.start() < closed)
            })
        };
        let of_shard = |metric| match metric {
            ShardMetric::IncomingBytes => 1_000,
            ShardMetric::IncomingRecords => 10,
            _ => 0,
        };
        match query {
            _ if self.silent.contains(&minute) => None,
            MetricQuery::Shard(id, _) if self.is_late(id, minute) => None,
            MetricQuery::Shard(id, metric) => {
                lives(minute).any(|life| life.shard.id == *id).then(|| f64::from(of_shard(*metric)))
            }
            MetricQuery::Stream(metric) => {
                let each = match metric {
                    StreamMetric::IncomingBytes | StreamMetric::GetRecordsBytes => 1_000,
                    StreamMetric::IncomingRecords => 10,
                    _ => 0,
                };
                Some(f64::from(each) * lives(minute).count() as f64)
            }
            MetricQuery::ConsumerLag(_) => Some(0.0),
        }
    }
}

impl ControlPlane for TestPlane {
    async fn describe_stream_summary(&self, _: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.request("DescribeStreamSummary", |state| Ok(state.summary.clone())).await
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        self.request("ListShards", |state| {
            let (filter, from) = match request {
                ListShards::First { filter, .. } => (*filter, 0),
                ListShards::Next { token } => {
                    if state.expire_tokens > 0 {
                        state.expire_tokens -= 1;
                        return Err(error("ListShards", ErrorClass::ExpiredToken));
                    }
                    let mut parts = token.split(' ');
                    let from = parts.next().and_then(|from| from.parse().ok()).expect("our own token");
                    let at =
                        || parts.clone().next_back().and_then(|at| at.parse().ok()).expect("our own token");
                    let filter = match parts.clone().next() {
                        Some("latest") => ShardFilter::AtLatest,
                        Some("at") => ShardFilter::AtTimestamp(at()),
                        _ => ShardFilter::FromTimestamp(at()),
                    };
                    (filter, from)
                }
            };
            let mut all = state.filtered(filter);
            if filter == ShardFilter::AtLatest && state.stale_listings > 0 && state.reshards > 0 {
                state.stale_listings -= 1;
                let first = state.lives.iter().filter(|life| life.shard.parent.is_none());
                all = first.map(|life| Shard { closed: false, ..life.shard.clone() }).collect();
            }
            let shards: Vec<Shard> = all.iter().skip(from).take(state.page_size).cloned().collect();
            let to = from + shards.len();
            let next_token = (to < all.len()).then(|| match filter {
                ShardFilter::AtLatest => format!("{to} latest"),
                ShardFilter::AtTimestamp(at) => format!("{to} at {at}"),
                ShardFilter::FromTimestamp(at) => format!("{to} from {at}"),
            });
            Ok(ShardPage { shards, next_token })
        })
        .await
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        self.request("GetMetricData", |state| {
            state.asked.push(request.clone());
            if request.queries.iter().any(|metric| Some(&*metric.stream_name) == state.unreadable) {
                return Err(error("GetMetricData", ErrorClass::Invalid));
            }
            let width = i64::from(request.period.minutes());
            let middle = request.start.0 + (request.end.0 - request.start.0) / width / 2 * width;
            let (minutes, status) = match (&request.next_token, state.halves_metrics) {
                (None, true) => (request.start.0..middle, MetricStatus::PartialData),
                (Some(_), _) if state.keeps_metrics_partial => {
                    (middle..request.end.0, MetricStatus::PartialData)
                }
                (Some(_), _) => (middle..request.end.0, MetricStatus::Complete),
                (None, false) => (request.start.0..request.end.0, MetricStatus::Complete),
            };
            let results = request.queries.iter().enumerate().map(|(query, metric)| {
                let points = minutes
                    .clone()
                    .step_by(width as usize)
                    .filter_map(|first| {
                        let of = (first..first + width).filter_map(|of| state.value(metric, Minute(of)));
                        Some(DataPoint::at(Minute(first).start(), of.reduce(|sum, value| sum + value)?))
                    })
                    .collect();
                MetricResult { query, status, points }
            });
            let next_token = (status == MetricStatus::PartialData && request.next_token.is_none())
                .then(|| "the other half".to_owned());
            Ok(MetricPage { results: results.collect(), next_token })
        })
        .await
    }

    async fn split_shard(
        &self,
        _: &StreamId,
        shard: &ShardId,
        at: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        self.request("SplitShard", |state| {
            let range = state.open("SplitShard", shard)?;
            let (low, high) = range.split(at).map_err(|_| error("SplitShard", ErrorClass::Invalid))?;
            state.reshard("SplitShard", &[shard], vec![low, high])
        })
        .await
    }

    async fn merge_shards(
        &self,
        _: &StreamId,
        shard: &ShardId,
        adjacent: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        self.request("MergeShards", |state| {
            let (low, high) = (state.open("MergeShards", shard)?, state.open("MergeShards", adjacent)?);
            let merged = low.merge(high).ok_or_else(|| error("MergeShards", ErrorClass::Invalid))?;
            state.reshard("MergeShards", &[shard, adjacent], vec![merged])
        })
        .await
    }

    async fn update_shard_count(&self, _: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        self.request("UpdateShardCount", |state| {
            if let Some(class) = state.refuses_counts {
                return Err(error("UpdateShardCount", class));
            }
            let open: Vec<ShardId> =
                state.listing().into_iter().filter(|shard| !shard.closed).map(|shard| shard.id).collect();
            let count = open.len() as u32;
            if !(count.div_ceil(2)..=2 * count).contains(&target) {
                return Err(error("UpdateShardCount", ErrorClass::Invalid));
            }
            let closes: Vec<&ShardId> = open.iter().collect();
            state.reshard("UpdateShardCount", &closes, HashKeyRange::WHOLE.equal_parts(target))
        })
        .await
    }

    async fn enable_enhanced_monitoring(
        &self,
        _: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.request("EnableEnhancedMonitoring", |state| {
            let names = metrics.iter().map(|metric| metric.name().to_owned());
            state.summary.enhanced_metrics.extend(names);
            Ok(())
        })
        .await
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.request("DescribeLimits", |state| {
            let open_shard_count = state.summary.open_shard_count as u32;
            Ok(ShardLimits { shard_limit: state.shard_limit, open_shard_count })
        })
        .await
    }

    async fn sleep(&self, duration: Duration) {
        tokio::task::yield_now().await;
        self.state().slept += duration;
        self.advance(duration);
    }
}
