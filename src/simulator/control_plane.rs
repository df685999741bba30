//! The product's control plane on top of the model: no network, and a sleep moves the virtual clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;

use super::api::{
    self, ChangeEnhancedMonitoring, DescribeStreamSummary, Dimension, HashKeyBounds, Metric, MetricDataQuery,
    MetricStat, MetricStatusCode, ScanBy, ShardDescription, ShardFilterType, StreamRef,
};
use super::{ApiError, ApiErrorCode, Cloud};
use crate::control_plane::{
    ControlPlane, ErrorClass, GetMetricData, ListShards, MetricPage, MetricResult, MetricStatus, Reply,
    RequestError, ShardFilter, ShardLimits, ShardPage, StreamId,
};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::snapshot::{ShardMetric, Statistic};
use crate::stream::{Shard, ShardId, StreamSummary};

/// A [`Cloud`] that several tasks share. Its clones are the same account.
#[derive(Debug, Clone)]
pub struct SimulatedControlPlane {
    cloud: Arc<Mutex<Cloud>>,
}

impl SimulatedControlPlane {
    /// Puts the control plane on `cloud`.
    pub fn new(cloud: Cloud) -> Self {
        SimulatedControlPlane { cloud: Arc::new(Mutex::new(cloud)) }
    }

    /// The account itself: to set a load, to let time pass, to script faults. Never held across an
    /// await.
    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request<T>(
        &self,
        operation: &'static str,
        send: impl FnOnce(&mut Cloud) -> Result<T, ApiError>,
    ) -> Result<Reply<T>, RequestError> {
        let mut cloud = self.cloud();
        let at = cloud.now();
        match send(&mut cloud) {
            Ok(value) => Ok(Reply { value, at }),
            Err(error) => {
                Err(RequestError { operation, class: class_of(error.code), message: error.to_string() })
            }
        }
    }
}

fn class_of(code: ApiErrorCode) -> ErrorClass {
    match code {
        ApiErrorCode::ResourceInUse => ErrorClass::ResourceInUse,
        ApiErrorCode::LimitExceeded => ErrorClass::LimitExceeded,
        ApiErrorCode::ProvisionedThroughputExceeded | ApiErrorCode::Throttling => ErrorClass::Throttled,
        ApiErrorCode::AccessDenied => ErrorClass::AccessDenied,
        ApiErrorCode::ResourceNotFound => ErrorClass::NotFound,
        ApiErrorCode::ExpiredIterator | ApiErrorCode::ExpiredNextToken | ApiErrorCode::InvalidNextToken => {
            ErrorClass::ExpiredToken
        }
        ApiErrorCode::InvalidArgument
        | ApiErrorCode::Validation
        | ApiErrorCode::MissingParameter
        | ApiErrorCode::InvalidParameterValue
        | ApiErrorCode::InvalidParameterCombination => ErrorClass::Invalid,
        ApiErrorCode::InternalFailure | ApiErrorCode::ServiceUnavailable | ApiErrorCode::ReplyLost => {
            ErrorClass::Ambiguous
        }
    }
}

fn address(stream: &StreamId) -> StreamRef {
    match stream {
        StreamId::Name(name) => StreamRef::name(name),
        StreamId::Arn(arn) => StreamRef::arn(arn),
    }
}

fn listed(shard: ShardDescription) -> Shard {
    let HashKeyBounds { starting_hash_key, ending_hash_key } = shard.hash_key_range;
    Shard {
        id: ShardId::new(shard.shard_id),
        range: HashKeyRange::new(starting_hash_key, ending_hash_key).expect("a modelled shard owns a key"),
        parent: shard.parent_shard_id.map(ShardId::new),
        adjacent_parent: shard.adjacent_parent_shard_id.map(ShardId::new),
        closed: shard.sequence_number_range.ending_sequence_number.is_some(),
    }
}

fn filter_of(filter: ShardFilter) -> api::ShardFilter {
    let (r#type, timestamp) = match filter {
        ShardFilter::AtLatest => (ShardFilterType::AtLatest, None),
        ShardFilter::AtTimestamp(at) => (ShardFilterType::AtTimestamp, Some(at)),
        ShardFilter::FromTimestamp(at) => (ShardFilterType::FromTimestamp, Some(at)),
    };
    api::ShardFilter { r#type, shard_id: None, timestamp }
}

fn metric_queries(request: &GetMetricData) -> Vec<MetricDataQuery> {
    let queries = request.queries.iter().enumerate();
    queries
        .map(|(index, query)| {
            let identity = query.identity(&request.stream_name);
            let dimensions = identity.dimensions.into_iter();
            let metric = Metric {
                namespace: identity.namespace,
                metric_name: identity.name.to_owned(),
                dimensions: dimensions.map(|(name, value)| Dimension::new(name, value)).collect(),
            };
            let stat = match identity.statistic {
                Statistic::Sum => "Sum",
                Statistic::SampleCount => "SampleCount",
                Statistic::Maximum => "Maximum",
            };
            MetricDataQuery {
                id: format!("q{index}"),
                metric_stat: Some(MetricStat { metric, period: 60, stat: stat.to_owned() }),
                expression: None,
                label: None,
                return_data: None,
            }
        })
        .collect()
}

fn metric_page(reply: api::GetMetricDataReply) -> MetricPage {
    let results = reply.metric_data_results.into_iter();
    let result = |result: api::MetricDataResult| {
        let query = result.id.strip_prefix('q').and_then(|index| index.parse().ok());
        MetricResult {
            query: query.expect("the model answers with the IDs that it was asked with"),
            status: match result.status_code {
                MetricStatusCode::Complete => MetricStatus::Complete,
                MetricStatusCode::PartialData => MetricStatus::PartialData,
                MetricStatusCode::InternalError | MetricStatusCode::Forbidden => MetricStatus::Failed,
            },
            points: result.timestamps.into_iter().zip(result.values).collect(),
        }
    };
    MetricPage { results: results.map(result).collect(), next_token: reply.next_token }
}

impl ControlPlane for SimulatedControlPlane {
    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.request("DescribeStreamSummary", |cloud| {
            let reply = cloud.describe_stream_summary(DescribeStreamSummary { stream: address(stream) })?;
            let summary = reply.stream_description_summary;
            Ok(StreamSummary {
                arn: summary.stream_arn,
                name: summary.stream_name,
                status: summary.stream_status,
                mode: summary.stream_mode_details.stream_mode,
                created_at: summary.stream_creation_timestamp,
                retention_hours: summary.retention_period_hours.unsigned_abs(),
                open_shard_count: summary.open_shard_count.unsigned_abs() as usize,
                enhanced_metrics: summary
                    .enhanced_monitoring
                    .into_iter()
                    .flat_map(|metrics| metrics.shard_level_metrics)
                    .collect(),
                consumer_count: summary.consumer_count.unsigned_abs(),
            })
        })
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        self.request("ListShards", |cloud| {
            let reply = cloud.list_shards(match request {
                ListShards::First { stream, filter } => api::ListShards {
                    stream: address(stream),
                    shard_filter: Some(filter_of(*filter)),
                    ..api::ListShards::default()
                },
                ListShards::Next { token } => {
                    api::ListShards { next_token: Some(token.clone()), ..api::ListShards::default() }
                }
            })?;
            Ok(ShardPage {
                shards: reply.shards.into_iter().map(listed).collect(),
                next_token: reply.next_token,
            })
        })
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        self.request("GetMetricData", |cloud| {
            let reply = cloud.get_metric_data(api::GetMetricData {
                metric_data_queries: metric_queries(request),
                start_time: request.start.start(),
                end_time: request.end.start(),
                next_token: request.next_token.clone(),
                scan_by: ScanBy::TimestampAscending,
                max_datapoints: None,
            })?;
            Ok(metric_page(reply))
        })
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        new_starting_hash_key: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        self.request("SplitShard", |cloud| {
            cloud.split_shard(api::SplitShard {
                stream: address(stream),
                shard_to_split: shard.as_str().to_owned(),
                new_starting_hash_key: new_starting_hash_key.to_string(),
            })
        })
    }

    async fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent_shard: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        self.request("MergeShards", |cloud| {
            cloud.merge_shards(api::MergeShards {
                stream: address(stream),
                shard_to_merge: shard.as_str().to_owned(),
                adjacent_shard_to_merge: adjacent_shard.as_str().to_owned(),
            })
        })
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.request("EnableEnhancedMonitoring", |cloud| {
            let shard_level_metrics = metrics.iter().map(|metric| metric.name().to_owned()).collect();
            let request = ChangeEnhancedMonitoring { stream: address(stream), shard_level_metrics };
            cloud.enable_enhanced_monitoring(request).map(drop)
        })
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.request("DescribeLimits", |cloud| {
            let reply = cloud.describe_limits()?;
            Ok(ShardLimits {
                shard_limit: reply.shard_limit.unsigned_abs(),
                open_shard_count: reply.open_shard_count.unsigned_abs(),
            })
        })
    }

    async fn sleep(&self, duration: Duration) {
        self.cloud().advance(SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX));
    }
}
