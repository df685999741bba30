//! The control plane: one method for each wire request that reshard makes, so that every request
//! is a crash point which tests can name. Implemented by `aws` over the real protocols and by
//! `simulator` in virtual time.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::hash_key::HashKey;
use crate::policy::{Consumer, ConsumerKind};
use crate::snapshot::{Minute, ShardMetric, Statistic, StreamMetric};
use crate::stream::{Shard, ShardId, StreamSummary};

/// What reshard asks of AWS, for one account and region.
pub trait ControlPlane: Send + Sync {
    /// `DescribeStreamSummary` (20 calls a second of the account).
    fn describe_stream_summary(
        &self,
        stream: &StreamId,
    ) -> impl Future<Output = Result<Reply<StreamSummary>, RequestError>> + Send;

    /// One page of `ListShards`.
    fn list_shards(
        &self,
        request: &ListShards,
    ) -> impl Future<Output = Result<Reply<ShardPage>, RequestError>> + Send;

    /// One page of `GetMetricData` (at most 500 queries a call).
    fn get_metric_data(
        &self,
        request: &GetMetricData,
    ) -> impl Future<Output = Result<Reply<MetricPage>, RequestError>> + Send;

    /// `SplitShard`, sent once. Any error but a refusal leaves open whether it took effect.
    fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        new_starting_hash_key: HashKey,
    ) -> impl Future<Output = Result<Reply<()>, RequestError>> + Send;

    /// `MergeShards`, sent once. Any error but a refusal leaves open whether it took effect.
    fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent_shard: &ShardId,
    ) -> impl Future<Output = Result<Reply<()>, RequestError>> + Send;

    /// `UpdateShardCount` to so many shards of equal ranges, sent once. Any error but a refusal leaves
    /// open whether it took effect.
    fn update_shard_count(
        &self,
        stream: &StreamId,
        target: u32,
    ) -> impl Future<Output = Result<Reply<()>, RequestError>> + Send;

    /// `EnableEnhancedMonitoring`; turning on what is on changes nothing.
    fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> impl Future<Output = Result<Reply<()>, RequestError>> + Send;

    /// `DescribeLimits` (1 call a second of the account).
    fn describe_limits(&self) -> impl Future<Output = Result<Reply<ShardLimits>, RequestError>> + Send;

    /// Lets time pass: the process clock with AWS, the virtual one in the simulator.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// How a request names a stream: by ARN where it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StreamId {
    /// Its name, in the account and region of the credentials.
    Name(String),
    /// Its ARN.
    Arn(String),
}

/// A reply with AWS's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<T> {
    /// What was asked for.
    pub value: T,
    /// The `Date` of the reply: the only clock that decisions know.
    pub at: Timestamp,
}

/// A request for one page of `ListShards`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListShards {
    /// The first page.
    First {
        /// The stream.
        stream: StreamId,
        /// Which shards.
        filter: ShardFilter,
    },
    /// A page that follows. It sends the token alone: AWS refuses any other parameter beside it.
    Next {
        /// The token of the page before, good for 300 s.
        token: String,
    },
}

/// The filters of `ListShards` that reshard uses. A server that ignores them lists more shards:
/// callers tell open from closed by the ending sequence number alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardFilter {
    /// The shards that are open now.
    AtLatest,
    /// The shards that were open at a moment.
    AtTimestamp(Timestamp),
    /// The shards that were open at a moment, and all since.
    FromTimestamp(Timestamp),
}

/// One page of `ListShards`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardPage {
    /// The shards of this page.
    pub shards: Vec<Shard>,
    /// The token of the next page.
    pub next_token: Option<String>,
}

/// How many minutes CloudWatch puts into one data point. It keeps points of a minute for 15 days and
/// of five minutes for 63 ("CloudWatch concepts").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Period {
    /// A point a minute.
    #[default]
    Minute,
    /// A point each five minutes, on minutes that five divides.
    FiveMinutes,
    /// A point each quarter of an hour of the clock; made of points of a minute or of five.
    QuarterHour,
}

impl Period {
    /// Its length in minutes.
    pub const fn minutes(self) -> u32 {
        match self {
            Period::Minute => 1,
            Period::FiveMinutes => 5,
            Period::QuarterHour => 15,
        }
    }

    /// Its length in seconds, as CloudWatch is told it.
    pub const fn seconds(self) -> i32 {
        match self {
            Period::Minute => 60,
            Period::FiveMinutes => 300,
            Period::QuarterHour => 900,
        }
    }
}

/// A request for one page of `GetMetricData`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMetricData {
    /// The metrics, 500 at most; of one stream or of several.
    pub queries: Vec<MetricOf>,
    /// The first minute.
    pub start: Minute,
    /// The minute after the last.
    pub end: Minute,
    /// What a data point stands for.
    pub period: Period,
    /// The token of the page before.
    pub next_token: Option<String>,
}

/// One metric to read, of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MetricOf {
    /// The stream's name, a dimension of its metrics.
    pub stream_name: Arc<str>,
    /// Which of its metrics.
    pub query: MetricQuery,
}

impl MetricOf {
    /// What CloudWatch calls it.
    pub fn identity(&self) -> MetricIdentity {
        self.query.identity(&self.stream_name)
    }
}

/// One metric to read, whichever the stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MetricQuery {
    /// Of the stream as a whole.
    Stream(StreamMetric),
    /// Of one shard.
    Shard(ShardId, ShardMetric),
    /// The lag of a declared consumer, as its own service reports it.
    ConsumerLag(Consumer),
}

/// A metric as CloudWatch names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MetricIdentity {
    /// `AWS/Kinesis`, or the consumer's own.
    pub namespace: String,
    /// The metric's name.
    pub name: &'static str,
    /// Its dimensions.
    pub dimensions: Vec<(&'static str, String)>,
    /// The statistic.
    pub statistic: Statistic,
}

impl MetricQuery {
    /// What CloudWatch calls this metric of the stream `stream_name`.
    pub fn identity(&self, stream_name: &str) -> MetricIdentity {
        let stream = || ("StreamName", stream_name.to_owned());
        let kinesis = |name, dimensions, statistic| MetricIdentity {
            namespace: "AWS/Kinesis".to_owned(),
            name,
            dimensions,
            statistic,
        };
        match self {
            MetricQuery::Stream(metric) => kinesis(metric.name(), vec![stream()], metric.statistic()),
            MetricQuery::Shard(shard, metric) => kinesis(
                metric.name(),
                vec![stream(), ("ShardId", shard.as_str().to_owned())],
                metric.statistic(),
            ),
            MetricQuery::ConsumerLag(Consumer { name, kind }) => {
                let (namespace, metric, dimensions) = match kind {
                    // "Monitoring Amazon Data Firehose using CloudWatch metrics".
                    ConsumerKind::Firehose { .. } => (
                        "AWS/Firehose".to_owned(),
                        "KinesisMillisBehindLatest",
                        vec![("DeliveryStreamName", name.clone())],
                    ),
                    // "Types of metrics for Lambda functions": IteratorAge of event source mappings.
                    ConsumerKind::Lambda => {
                        ("AWS/Lambda".to_owned(), "IteratorAge", vec![("FunctionName", name.clone())])
                    }
                    // "Monitor the Kinesis Client Library": the namespace is the application's name,
                    // MillisBehindLatest is a metric of its ProcessTask operation.
                    ConsumerKind::Polling { .. } => {
                        (name.clone(), "MillisBehindLatest", vec![("Operation", "ProcessTask".to_owned())])
                    }
                    // "Monitoring Kinesis Data Streams with CloudWatch": by stream and consumer name.
                    ConsumerKind::EnhancedFanOut => (
                        "AWS/Kinesis".to_owned(),
                        "SubscribeToShardEvent.MillisBehindLatest",
                        vec![stream(), ("ConsumerName", name.clone())],
                    ),
                };
                MetricIdentity { namespace, name: metric, dimensions, statistic: Statistic::Maximum }
            }
        }
    }
}

/// One page of `GetMetricData`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricPage {
    /// Data points by query; a query may have none here and some on a later page.
    pub results: Vec<MetricResult>,
    /// The token of the next page.
    pub next_token: Option<String>,
}

/// Data points of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricResult {
    /// The index of the query in the request.
    pub query: usize,
    /// Whether CloudWatch says that these are all (`StatusCode` is `Complete`); `PartialData`
    /// means that more follow on the next page.
    pub status: MetricStatus,
    /// In any order, exactly as they came.
    pub points: Vec<DataPoint>,
}

/// A value with its time stamp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataPoint {
    /// Milliseconds since 1970: CloudWatch's protocols tell no finer time. Any number may come.
    pub at_millis: i64,
    /// The value; any number, or none.
    pub value: f64,
}

impl DataPoint {
    const MINUTE_MILLIS: i64 = 60_000;

    /// A value at an instant.
    pub fn at(instant: Timestamp, value: f64) -> Self {
        DataPoint { at_millis: instant.as_millisecond(), value }
    }

    /// The minute that it lies in.
    pub fn minute(self) -> Minute {
        Minute(self.at_millis.div_euclid(Self::MINUTE_MILLIS))
    }

    /// Whether it stands where a minute begins, as all of CloudWatch's do.
    pub fn begins_a_minute(self) -> bool {
        self.at_millis % Self::MINUTE_MILLIS == 0
    }
}

/// `StatusCode` of a result of `GetMetricData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricStatus {
    /// All the data there is.
    Complete,
    /// More follows, or could not be had.
    PartialData,
    /// CloudWatch failed, or forbids it.
    Failed,
}

/// `DescribeLimits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLimits {
    /// The account's shard quota in the region.
    pub shard_limit: u32,
    /// The provisioned shards that are open in it.
    pub open_shard_count: u32,
}

/// A request that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct RequestError {
    /// The operation by AWS's name, `SplitShard`.
    pub operation: &'static str,
    /// What kind of failure it is, which tells what to do next.
    pub class: ErrorClass,
    /// AWS's code and text, or what happened on the way.
    pub message: String,
    /// Which request it was, where AWS has answered. It is another each time, and no part of what is
    /// said: the same failure reads the same. Who wants to know it asks for the source of the error.
    #[source]
    pub request_id: Option<RequestId>,
}

impl RequestError {
    /// A failure of which AWS has said nothing.
    pub fn new(operation: &'static str, class: ErrorClass, message: impl Into<String>) -> Self {
        RequestError { operation, class, message: message.into(), request_id: None }
    }
}

/// AWS's name for one request, by which its support finds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("request {0}")]
pub struct RequestId(pub String);

impl RequestId {
    /// That of the request whose failure `error` tells of.
    pub fn of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e str> {
        let mut sources = std::iter::successors(error.source(), |error| (*error).source());
        sources.find_map(|source| source.downcast_ref().map(|RequestId(id)| id.as_str()))
    }
}

/// What kind of failure a request met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// `ResourceInUseException`: another reshard is under way. Wait.
    ResourceInUse,
    /// `LimitExceededException`: a rate or the shard quota. Nothing happened; not now.
    LimitExceeded,
    /// A throttled read. Nothing happened; not now.
    Throttled,
    /// `AccessDeniedException`: the action is not allowed.
    AccessDenied,
    /// No credentials, or expired or malformed ones: not those that are late.
    Credentials,
    /// `ResourceNotFoundException`: no such stream or shard.
    NotFound,
    /// `InvalidArgumentException` or `ValidationException`: AWS refuses the request as such.
    Invalid,
    /// A listing's token has expired: begin anew.
    ExpiredToken,
    /// The endpoint could not be reached, or who gives the credentials: nothing was sent.
    Unreachable,
    /// No reply, a broken one, or a server fault: whether it took effect is unknown. Read back.
    Ambiguous,
}

impl ErrorClass {
    /// Whether it is certain that the request had no effect.
    pub fn is_refusal(self) -> bool {
        !matches!(self, ErrorClass::Ambiguous)
    }
}
