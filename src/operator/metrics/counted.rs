//! A control plane whose calls are counted.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::Metrics;
use crate::control_plane::{
    ControlPlane, GetMetricData, ListShards, MetricPage, Reply, RequestError, ShardLimits, ShardPage,
    StreamId,
};
use crate::hash_key::HashKey;
use crate::operator::planes::{Identity, Planes};
use crate::snapshot::ShardMetric;
use crate::stream::{ShardId, StreamSummary};

/// Ways to AWS whose calls are counted.
#[derive(Debug, Clone)]
pub struct CountedPlanes<P> {
    planes: P,
    metrics: Metrics,
}

impl<P> CountedPlanes<P> {
    /// Counts the calls on every way that `planes` gives in `metrics`.
    pub fn new(planes: P, metrics: Metrics) -> Self {
        CountedPlanes { planes, metrics }
    }
}

impl<P: Planes> Planes for CountedPlanes<P> {
    type Plane = Counted<P::Plane>;

    async fn plane(&self, identity: &Identity) -> Result<Self::Plane, String> {
        Ok(Counted::new(self.planes.plane(identity).await?, self.metrics.clone()))
    }

    fn region<'a>(&'a self, identity: &'a Identity) -> Option<&'a str> {
        self.planes.region(identity)
    }
}

/// Counts what `plane` is asked.
#[derive(Debug, Clone)]
pub struct Counted<P> {
    plane: P,
    metrics: Metrics,
}

impl<P> Counted<P> {
    /// Counts the calls of `plane` in `metrics`.
    pub fn new(plane: P, metrics: Metrics) -> Self {
        Counted { plane, metrics }
    }

    async fn count<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        let began = Instant::now();
        let reply = call.await;
        self.metrics.aws_called(operation, reply.as_ref().err(), began.elapsed());
        reply
    }
}

impl<P: ControlPlane> ControlPlane for Counted<P> {
    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.count("DescribeStreamSummary", self.plane.describe_stream_summary(stream)).await
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        self.count("ListShards", self.plane.list_shards(request)).await
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        let reply = self.count("GetMetricData", self.plane.get_metric_data(request)).await?;
        self.metrics.metrics_requested(request.queries.len());
        Ok(reply)
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        new_starting_hash_key: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        self.count("SplitShard", self.plane.split_shard(stream, shard, new_starting_hash_key)).await
    }

    async fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent_shard: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        self.count("MergeShards", self.plane.merge_shards(stream, shard, adjacent_shard)).await
    }

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        self.count("UpdateShardCount", self.plane.update_shard_count(stream, target)).await
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.count("EnableEnhancedMonitoring", self.plane.enable_enhanced_monitoring(stream, metrics)).await
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.count("DescribeLimits", self.plane.describe_limits()).await
    }

    async fn sleep(&self, duration: Duration) {
        self.plane.sleep(duration).await;
    }
}
