//! The production adapter: the control plane over Kinesis's and CloudWatch's own protocols. The
//! SDK's types stay inside.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::types::ScalingType;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::time::Instant;

use self::connect::Base;
pub use self::connect::{Access, AssumedRole, AwsOptions, ConnectError, Timeouts, WRITE_TIMEOUT};
use self::convert::Broken;
use self::error::Caller;
use self::exchange::Exchange;
pub use self::pool::AwsPool;
use self::pool::Clients;
use self::rate_limit::{Pace, RateLimits};
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
mod pool;
mod rate_limit;
mod recent;
mod session;
#[cfg(all(test, feature = "sandbox"))]
mod tests;

/// Kinesis and CloudWatch of one account and region.
#[derive(Debug, Clone)]
pub struct AwsControlPlane {
    clients: Clients,
    /// Of the role that was assumed; none: the base credentials.
    credentials: Option<SharedCredentialsProvider>,
    caller: Arc<Caller>,
    limits: Arc<RateLimits>,
    timeouts: Timeouts,
    clock_speed: u32,
}

impl AwsControlPlane {
    /// Clients for `options`. Nothing is asked of AWS yet: what is wrong with credentials or
    /// endpoints shows at the first request.
    ///
    /// # Errors
    /// [`ConnectError`] where the region, the role or the endpoint cannot be one.
    pub async fn connect(options: &AwsOptions) -> Result<Self, ConnectError> {
        AwsPool::open(options).await?.default_plane()
    }

    /// The same with another HTTP client than the SDK's, for who answers requests from memory.
    ///
    /// # Errors
    /// As [`AwsControlPlane::connect`].
    pub async fn connect_through(options: &AwsOptions, http: SharedHttpClient) -> Result<Self, ConnectError> {
        let Base { config, endpoint, profile } = connect::base(options).await?;
        let config = config.into_builder().http_client(http).build();
        AwsPool::over(Base { config, endpoint, profile }, options).default_plane()
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
        let broken = |why: Broken| RequestError::new(operation, ErrorClass::Ambiguous, why);
        let at = seen.date.ok_or_else(|| broken("the reply has no valid Date".to_owned()))?;
        Ok(Reply { value: convert(output).map_err(broken)?, at })
    }

    /// Of a request to Kinesis: its client is the region's, the credentials are the role's.
    fn kinesis(&self) -> aws_sdk_kinesis::config::Builder {
        let mut config = aws_sdk_kinesis::Config::builder();
        config.set_credentials_provider(self.credentials.clone());
        config
    }

    /// The same of a request to CloudWatch.
    fn cloudwatch(&self) -> aws_sdk_cloudwatch::config::Builder {
        let mut config = aws_sdk_cloudwatch::Config::builder();
        config.set_credentials_provider(self.credentials.clone());
        config
    }

    /// Waits for a turn to send `operation`, which changes something, and gives its configuration:
    /// one attempt, no retries, and an end within [`Timeouts::write`] of now. The SDK would repeat
    /// it after a lost reply, and take Kinesis's `LimitExceededException` for throttling.
    async fn once(
        &self,
        operation: &'static str,
        turn: &Pace,
    ) -> Result<aws_sdk_kinesis::config::Builder, RequestError> {
        let deadline = Instant::now() + self.timeouts.write;
        tokio::time::timeout_at(deadline, turn.take()).await.map_err(|_| {
            let why = "not sent: too many calls of this account and region wait for their turn";
            RequestError::new(operation, ErrorClass::LimitExceeded, why)
        })?;
        let left = deadline.saturating_duration_since(Instant::now());
        let timeouts = self.timeouts.writes(left);
        Ok(self.kinesis().retry_config(RetryConfig::disabled()).timeout_config(timeouts))
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
    RequestError::new(operation, ErrorClass::Invalid, message)
}

impl ControlPlane for AwsControlPlane {
    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.limits.describe_stream_summary.take(stream).await;
        let (exchange, (name, arn)) = (Exchange::default(), name_and_arn(stream));
        let outcome = self
            .clients
            .kinesis
            .describe_stream_summary()
            .set_stream_name(name)
            .set_stream_arn(arn)
            .customize()
            .config_override(self.kinesis())
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
        let call = self.clients.kinesis.list_shards().max_results(LIST_SHARDS_PAGE);
        let call = match request {
            ListShards::First { stream, filter } => {
                let (name, arn) = name_and_arn(stream);
                let filter = convert::shard_filter(*filter).map_err(|why| refused("ListShards", why))?;
                call.set_stream_name(name).set_stream_arn(arn).shard_filter(filter)
            }
            ListShards::Next { token } => call.next_token(token),
        };
        let call = call.customize().config_override(self.kinesis()).interceptor(exchange.clone());
        let outcome = call.send().await;
        let names = ("ListShards", "kinesis:ListShards");
        self.finish(names, &exchange, outcome, |output| convert::shard_page(&output))
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        let GetMetricData { queries, start, end, period, next_token } = request;
        if queries.len() > GET_METRIC_DATA_QUERIES {
            let message = format!("{} queries in one call, {GET_METRIC_DATA_QUERIES} at most", queries.len());
            return Err(refused("GetMetricData", message));
        }
        self.limits.data_points.take(queries.len(), *start, *end, *period).await;
        self.limits.get_metric_data.take().await;
        let exchange = Exchange::default();
        let queries: Vec<_> = queries
            .iter()
            .enumerate()
            .map(|(index, query)| convert::metric_query(index, query, *period))
            .collect();
        let asked = queries.len();
        let outcome = self
            .clients
            .cloudwatch
            .get_metric_data()
            .set_metric_data_queries(Some(queries))
            .start_time(convert::date_time(start.start()))
            .end_time(convert::date_time(end.start()))
            .scan_by(aws_sdk_cloudwatch::types::ScanBy::TimestampAscending)
            .set_next_token(next_token.clone())
            .customize()
            .config_override(self.cloudwatch())
            .interceptor(exchange.clone())
            .send()
            .await;
        let names = ("GetMetricData", "cloudwatch:GetMetricData");
        self.finish(names, &exchange, outcome, |output| convert::metric_page(output, asked))
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        new_starting_hash_key: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        let config = self.once("SplitShard", &self.limits.reshard).await?;
        let (exchange, (name, arn)) = (Exchange::default(), name_and_arn(stream));
        let outcome = self
            .clients
            .kinesis
            .split_shard()
            .set_stream_name(name)
            .set_stream_arn(arn)
            .shard_to_split(shard.as_str())
            .new_starting_hash_key(new_starting_hash_key.to_string())
            .customize()
            .config_override(config)
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
        let config = self.once("MergeShards", &self.limits.reshard).await?;
        let (exchange, (name, arn)) = (Exchange::default(), name_and_arn(stream));
        let outcome = self
            .clients
            .kinesis
            .merge_shards()
            .set_stream_name(name)
            .set_stream_arn(arn)
            .shard_to_merge(shard.as_str())
            .adjacent_shard_to_merge(adjacent_shard.as_str())
            .customize()
            .config_override(config)
            .interceptor(exchange.clone())
            .send()
            .await;
        self.finish(("MergeShards", "kinesis:MergeShards"), &exchange, outcome, |_| Ok(()))
    }

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        let target = i32::try_from(target)
            .map_err(|_| refused("UpdateShardCount", format!("{target} shards are too many")))?;
        let config = self.once("UpdateShardCount", &self.limits.update_shard_count).await?;
        let (exchange, (name, arn)) = (Exchange::default(), name_and_arn(stream));
        let outcome = self
            .clients
            .kinesis
            .update_shard_count()
            .set_stream_name(name)
            .set_stream_arn(arn)
            .target_shard_count(target)
            .scaling_type(ScalingType::UniformScaling)
            .customize()
            .config_override(config)
            .interceptor(exchange.clone())
            .send()
            .await;
        self.finish(("UpdateShardCount", "kinesis:UpdateShardCount"), &exchange, outcome, |_| Ok(()))
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        let config = self.once("EnableEnhancedMonitoring", &self.limits.enhanced_monitoring).await?;
        let (exchange, (name, arn)) = (Exchange::default(), name_and_arn(stream));
        let outcome = self
            .clients
            .kinesis
            .enable_enhanced_monitoring()
            .set_stream_name(name)
            .set_stream_arn(arn)
            .set_shard_level_metrics(Some(metrics.iter().copied().map(convert::metrics_name).collect()))
            .customize()
            .config_override(config)
            .interceptor(exchange.clone())
            .send()
            .await;
        let names = ("EnableEnhancedMonitoring", "kinesis:EnableEnhancedMonitoring");
        self.finish(names, &exchange, outcome, |_| Ok(()))
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.limits.describe_limits.take().await;
        let exchange = Exchange::default();
        let call = self.clients.kinesis.describe_limits().customize().config_override(self.kinesis());
        let outcome = call.interceptor(exchange.clone()).send().await;
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
