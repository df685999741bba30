//! The production adapter: the control plane over Kinesis's and CloudWatch's own protocols. The
//! SDK's types stay inside.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

pub use self::connect::{Access, AssumedRole, AwsOptions, ConnectError, Timeouts};
use self::convert::Broken;
use self::error::Caller;
use self::exchange::Exchange;
use self::rate_limit::RateLimits;
use crate::control_plane::{
    ControlPlane, ErrorClass, GetMetricData, ListShards, MetricPage, Reply, RequestError, ShardLimits,
    ShardPage, StreamId,
};
use crate::hash_key::HashKey;
use crate::quota::{GET_METRIC_DATA_QUERIES, LIST_SHARDS_PAGE};
use crate::snapshot::ShardMetric;
use crate::stream::{ShardId, StreamSummary};

mod connect;
mod convert;
mod error;
mod exchange;
mod rate_limit;
#[cfg(all(test, feature = "sandbox"))]
mod tests;

/// Kinesis and CloudWatch of one account and region.
#[derive(Debug, Clone)]
pub struct AwsControlPlane {
    kinesis: aws_sdk_kinesis::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    caller: Arc<Caller>,
    limits: Arc<RateLimits>,
    clock_speed: u32,
}

impl AwsControlPlane {
    /// Clients for `options`. Nothing is asked of AWS yet: what is wrong with credentials or
    /// endpoints shows at the first request.
    ///
    /// # Errors
    /// [`ConnectError`] where the region, the role or the endpoint cannot be one.
    pub async fn connect(options: &AwsOptions) -> Result<Self, ConnectError> {
        Ok(Self::over(connect::connect(options).await?, options))
    }

    fn over(connection: connect::Connection, options: &AwsOptions) -> Self {
        let limits = RateLimits::shared(&connection.scope, options.describe_calls_per_second);
        AwsControlPlane {
            kinesis: aws_sdk_kinesis::Client::new(&connection.config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&connection.config),
            caller: Arc::new(Caller { role_arn: connection.role_arn, region: connection.region }),
            limits,
            clock_speed: options.clock_speed.max(1),
        }
    }

    /// The region, wherever it was named.
    pub fn region(&self) -> &str {
        &self.caller.region
    }

    /// Ends a request: an error in its class, or the output converted and dated.
    fn finish<T, E, O>(
        &self,
        (operation, action): (&'static str, &'static str),
        exchange: &Exchange,
        outcome: Result<O, SdkError<E, HttpResponse>>,
        convert: impl FnOnce(O) -> Result<T, Broken>,
    ) -> Result<Reply<T>, RequestError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let seen = exchange.seen();
        let output =
            outcome.map_err(|error| error::classify(operation, action, &self.caller, &seen, &error))?;
        // A reply that cannot be read says nothing of whether the request took effect.
        let broken = |message: Broken| RequestError { operation, class: ErrorClass::Ambiguous, message };
        let at = seen.date.ok_or_else(|| broken("the reply has no valid Date".to_owned()))?;
        Ok(Reply { value: convert(output).map_err(broken)?, at })
    }

    /// For requests that change something: one attempt, no retries. The SDK would repeat them after
    /// a lost reply, and take Kinesis's `LimitExceededException` for throttling.
    fn once(&self) -> aws_sdk_kinesis::config::Builder {
        aws_sdk_kinesis::Config::builder().retry_config(RetryConfig::disabled())
    }
}

/// The name and the ARN parameters: exactly one of them is set.
fn name_and_arn(stream: &StreamId) -> (Option<String>, Option<String>) {
    match stream {
        StreamId::Name(name) => (Some(name.clone()), None),
        StreamId::Arn(arn) => (None, Some(arn.clone())),
    }
}

fn refused(operation: &'static str, message: String) -> RequestError {
    RequestError { operation, class: ErrorClass::Invalid, message }
}

impl ControlPlane for AwsControlPlane {
    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.limits.describe_stream_summary.take().await;
        let (exchange, (name, arn)) = (Exchange::default(), name_and_arn(stream));
        let outcome = self
            .kinesis
            .describe_stream_summary()
            .set_stream_name(name)
            .set_stream_arn(arn)
            .customize()
            .interceptor(exchange.clone())
            .send()
            .await;
        let names = ("DescribeStreamSummary", "kinesis:DescribeStreamSummary");
        self.finish(names, &exchange, outcome, |output| {
            let summary = output.stream_description_summary();
            convert::summary(summary.ok_or("the reply has no StreamDescriptionSummary")?)
        })
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        let exchange = Exchange::default();
        let call = self.kinesis.list_shards().max_results(LIST_SHARDS_PAGE);
        let call = match request {
            ListShards::First { stream, filter } => {
                let (name, arn) = name_and_arn(stream);
                let filter = convert::shard_filter(*filter).map_err(|why| refused("ListShards", why))?;
                call.set_stream_name(name).set_stream_arn(arn).shard_filter(filter)
            }
            ListShards::Next { token } => call.next_token(token),
        };
        let outcome = call.customize().interceptor(exchange.clone()).send().await;
        let names = ("ListShards", "kinesis:ListShards");
        self.finish(names, &exchange, outcome, |output| convert::shard_page(&output))
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        let GetMetricData { stream_name, queries, start, end, next_token } = request;
        if queries.len() > GET_METRIC_DATA_QUERIES {
            let message = format!("{} queries in one call, {GET_METRIC_DATA_QUERIES} at most", queries.len());
            return Err(refused("GetMetricData", message));
        }
        self.limits.get_metric_data.take().await;
        let exchange = Exchange::default();
        let queries: Vec<_> = queries
            .iter()
            .enumerate()
            .map(|(index, query)| convert::metric_query(index, query, stream_name))
            .collect();
        let asked = queries.len();
        let outcome = self
            .cloudwatch
            .get_metric_data()
            .set_metric_data_queries(Some(queries))
            .start_time(convert::date_time(start.start()))
            .end_time(convert::date_time(end.start()))
            .scan_by(aws_sdk_cloudwatch::types::ScanBy::TimestampAscending)
            .set_next_token(next_token.clone())
            .customize()
            .interceptor(exchange.clone())
            .send()
            .await;
        let names = ("GetMetricData", "cloudwatch:GetMetricData");
        self.finish(names, &exchange, outcome, |output| convert::metric_page(&output, asked))
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        new_starting_hash_key: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        self.limits.reshard.take().await;
        let (exchange, (name, arn)) = (Exchange::default(), name_and_arn(stream));
        let outcome = self
            .kinesis
            .split_shard()
            .set_stream_name(name)
            .set_stream_arn(arn)
            .shard_to_split(shard.as_str())
            .new_starting_hash_key(new_starting_hash_key.to_string())
            .customize()
            .config_override(self.once())
            .interceptor(exchange.clone())
            .send()
            .await;
        self.finish(("SplitShard", "kinesis:SplitShard"), &exchange, outcome, |_| Ok(()))
    }

    async fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent_shard: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        self.limits.reshard.take().await;
        let (exchange, (name, arn)) = (Exchange::default(), name_and_arn(stream));
        let outcome = self
            .kinesis
            .merge_shards()
            .set_stream_name(name)
            .set_stream_arn(arn)
            .shard_to_merge(shard.as_str())
            .adjacent_shard_to_merge(adjacent_shard.as_str())
            .customize()
            .config_override(self.once())
            .interceptor(exchange.clone())
            .send()
            .await;
        self.finish(("MergeShards", "kinesis:MergeShards"), &exchange, outcome, |_| Ok(()))
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.limits.enhanced_monitoring.take().await;
        let (exchange, (name, arn)) = (Exchange::default(), name_and_arn(stream));
        let outcome = self
            .kinesis
            .enable_enhanced_monitoring()
            .set_stream_name(name)
            .set_stream_arn(arn)
            .set_shard_level_metrics(Some(metrics.iter().copied().map(convert::metrics_name).collect()))
            .customize()
            .config_override(self.once())
            .interceptor(exchange.clone())
            .send()
            .await;
        let names = ("EnableEnhancedMonitoring", "kinesis:EnableEnhancedMonitoring");
        self.finish(names, &exchange, outcome, |_| Ok(()))
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.limits.describe_limits.take().await;
        let exchange = Exchange::default();
        let outcome = self.kinesis.describe_limits().customize().interceptor(exchange.clone()).send().await;
        self.finish(("DescribeLimits", "kinesis:DescribeLimits"), &exchange, outcome, |output| {
            Ok(ShardLimits {
                shard_limit: convert::non_negative(output.shard_limit(), "ShardLimit")?,
                open_shard_count: convert::non_negative(output.open_shard_count(), "OpenShardCount")?,
            })
        })
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.clock_speed).await;
    }
}
