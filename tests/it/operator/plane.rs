//! The simulated AWS whose clock follows tokio's, and the ways to it.

use std::sync::MutexGuard;
use std::time::Duration;

use jiff::Timestamp;
use reshard::control_plane::{
    ControlPlane, GetMetricData, ListShards, MetricPage, Reply, RequestError, ShardLimits, ShardPage,
    StreamId,
};
use reshard::hash_key::HashKey;
use reshard::operator::planes::{Identity, Planes};
use reshard::simulator::Cloud;
use reshard::simulator::control_plane::SimulatedControlPlane;
use reshard::snapshot::ShardMetric;
use reshard::stream::{ShardId, StreamSummary};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

use super::fuse::Fuse;

/// An account of AWS in tokio's time. Clones are the same account.
#[derive(Debug, Clone)]
pub struct Aws {
    plane: SimulatedControlPlane,
    clock: (Timestamp, Instant),
    fuse: Fuse,
    identities: Arc<Mutex<Vec<Identity>>>,
}

impl Aws {
    /// The account `cloud`, whose clock shows what it shows now.
    pub fn new(cloud: Cloud, fuse: Fuse) -> Aws {
        let clock = (cloud.now(), Instant::now());
        Aws { plane: SimulatedControlPlane::new(cloud), clock, fuse, identities: Arc::default() }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.0 + self.clock.1.elapsed()
    }

    /// The account as it is now.
    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        let mut cloud = self.plane.cloud();
        cloud.advance_to(self.now());
        cloud
    }

    /// In whose names it was asked for.
    pub fn identities(&self) -> Vec<Identity> {
        self.identities.lock().unwrap().clone()
    }

    async fn ask<T>(&self, operation: &str, request: impl Future<Output = T>) -> T {
        // A reply takes a moment: who asks in a loop lets time pass.
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.fuse
            .pass(format!("aws {operation}"), async {
                drop(self.cloud());
                request.await
            })
            .await
    }
}

impl Planes for Aws {
    type Plane = Aws;

    async fn plane(&self, identity: &Identity) -> Result<Aws, String> {
        self.identities.lock().unwrap().push(identity.clone());
        Ok(self.clone())
    }
}

impl ControlPlane for Aws {
    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.ask("DescribeStreamSummary", self.plane.describe_stream_summary(stream)).await
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        self.ask("ListShards", self.plane.list_shards(request)).await
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        self.ask("GetMetricData", self.plane.get_metric_data(request)).await
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        at: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        self.ask("SplitShard", self.plane.split_shard(stream, shard, at)).await
    }

    async fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        self.ask("MergeShards", self.plane.merge_shards(stream, shard, adjacent)).await
    }

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        self.ask("UpdateShardCount", self.plane.update_shard_count(stream, target)).await
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.ask("EnableEnhancedMonitoring", self.plane.enable_enhanced_monitoring(stream, metrics)).await
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.ask("DescribeLimits", self.plane.describe_limits()).await
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
