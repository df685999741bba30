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
    ControlPlane, DataPoint, ErrorClass, GetMetricData, ListShards, MetricPage, MetricResult, MetricStatus,
    Reply, RequestError, RequestId, ShardFilter, ShardLimits, ShardPage, StreamId,
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
                let has_answered = error.code != ApiErrorCode::ReplyLost;
                let request_id = RequestId(format!("{:x}-{:x}", at.as_second(), cloud.calls_in_all()));
                Err(RequestError {
                    request_id: has_answered.then_some(request_id),
                    ..RequestError::new(operation, class_of(error.code), error.to_string())
                })
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
            let identity = query.identity();
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
                metric_stat: Some(MetricStat {
                    metric,
                    period: request.period.seconds(),
                    stat: stat.to_owned(),
                }),
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
            points: result
                .timestamps
                .into_iter()
                .zip(result.values)
                .map(|(at, value)| DataPoint::at(at, value))
                .collect(),
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

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        self.request("UpdateShardCount", |cloud| {
            let request = api::UpdateShardCount {
                stream: address(stream),
                target_shard_count: i32::try_from(target).unwrap_or(i32::MAX),
                scaling_type: "UNIFORM_SCALING".to_owned(),
            };
            cloud.update_shard_count(request).map(drop)
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

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::fault::{Effect, Fault, Operation, When};
    use super::super::workload::{Consumer, ConsumerKind, Curve, Workload};
    use super::*;
    use crate::control_plane::{MetricOf, MetricQuery, Period};
    use crate::policy;
    use crate::snapshot::{Minute, StreamMetric};
    use crate::stream::{OpenShards, StreamStatus};

    fn orders() -> StreamId {
        StreamId::Name("orders".to_owned())
    }

    fn with_stream(shards: i32) -> SimulatedControlPlane {
        let control = SimulatedControlPlane::new(Cloud::new(Config::default()));
        let request = api::CreateStream {
            stream_name: "orders".to_owned(),
            shard_count: Some(shards),
            ..api::CreateStream::default()
        };
        control.cloud().create_stream(request).expect("the name is free");
        control.cloud().advance_seconds(60);
        control
    }

    async fn listed(control: &SimulatedControlPlane) -> OpenShards {
        let request = ListShards::First { stream: orders(), filter: ShardFilter::AtLatest };
        let page = control.list_shards(&request).await.expect("it is there").value;
        OpenShards::tile(&page.shards).expect("open shards tile")
    }

    #[tokio::test]
    async fn a_split_is_carried_out_in_virtual_time() {
        let control = with_stream(1);
        let began = control.cloud().now();
        let before = listed(&control).await;
        let shard = &before.as_slice()[0];
        control.split_shard(&orders(), &shard.id, HashKey(1 << 127)).await.expect("a split point");
        let summary = control.describe_stream_summary(&orders()).await.expect("it is there");
        assert_eq!((summary.value.status, summary.at), (StreamStatus::Updating, began));
        control.sleep(Duration::from_secs(30)).await;
        let summary =
            control.describe_stream_summary(&StreamId::Arn(summary.value.arn)).await.expect("there");
        assert_eq!((summary.value.status, summary.value.open_shard_count), (StreamStatus::Active, 2));
        assert_eq!(summary.at.duration_since(began), SignedDuration::from_secs(30));
        let after = listed(&control).await;
        let [low, high] = after.as_slice() else { panic!("two shards are open: {after:?}") };
        control.merge_shards(&orders(), &low.id, &high.id).await.expect("they are adjacent");
        let limits = control.describe_limits().await.expect("one call").value;
        assert_eq!((limits.shard_limit, limits.open_shard_count), (20_000, 2));
    }

    #[tokio::test]
    async fn every_metric_that_the_product_asks_for_is_answered() {
        let control = with_stream(2);
        control.enable_enhanced_monitoring(&orders(), &ShardMetric::ALL).await.expect("ACTIVE");
        control.sleep(Duration::from_secs(60)).await;
        let start = Minute::of(control.cloud().now());
        let polling = ConsumerKind::Polling { interval: SignedDuration::from_secs(1) };
        let consumers = [
            ("archive", ConsumerKind::Firehose, policy::ConsumerKind::Firehose { transform: None }),
            ("fraud", ConsumerKind::Lambda, policy::ConsumerKind::Lambda),
            ("billing", polling, policy::ConsumerKind::Polling { poll_interval: Duration::from_secs(1) }),
            ("search", ConsumerKind::EnhancedFanOut, policy::ConsumerKind::EnhancedFanOut),
        ];
        let mut workload = Workload::new(Curve::constant(800_000));
        workload.consumers = consumers.iter().map(|(name, kind, _)| Consumer::new(*name, *kind)).collect();
        control.cloud().set_workload("orders", workload).expect("it is there");
        control.sleep(Duration::from_secs(600)).await;
        let shards = listed(&control).await;
        let mut queries: Vec<MetricQuery> = StreamMetric::ALL.into_iter().map(MetricQuery::Stream).collect();
        for shard in shards.as_slice() {
            queries.extend(
                ShardMetric::ALL.into_iter().map(|metric| MetricQuery::Shard(shard.id.clone(), metric)),
            );
        }
        queries.extend(consumers.into_iter().map(|(name, _, kind)| {
            MetricQuery::ConsumerLag(policy::Consumer { name: name.to_owned(), kind })
        }));
        let queries: Vec<_> =
            queries.into_iter().map(|query| MetricOf { stream_name: "orders".into(), query }).collect();
        let period = Period::default();
        let request =
            GetMetricData { queries: queries.clone(), start, end: start.plus(8), period, next_token: None };
        let page = control.get_metric_data(&request).await.expect("a good request").value;
        assert_eq!(page.results.len(), queries.len());
        for result in page.results {
            assert_eq!(result.points.len(), 8, "{:?}", queries[result.query]);
            assert_eq!(result.status, MetricStatus::Complete);
        }
    }

    #[tokio::test]
    async fn a_lost_reply_is_ambiguous_and_a_refusal_is_not() {
        let control = with_stream(1);
        let (operation, when, effect) = (Operation::SplitShard, When::Nth(1), Effect::LoseReply);
        control.cloud().inject(Fault { operation, when, effect });
        let shard = ShardId::new("shardId-000000000000");
        let lost = control.split_shard(&orders(), &shard, HashKey(7)).await.expect_err("the reply is lost");
        assert_eq!(lost.class, ErrorClass::Ambiguous);
        let refused = control.split_shard(&orders(), &shard, HashKey(7)).await.expect_err("it took effect");
        assert_eq!(refused.class, ErrorClass::ResourceInUse);
        assert!(refused.message.starts_with("ResourceInUseException: Stream orders"), "{refused}");
    }
}
