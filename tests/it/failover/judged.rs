//! The way of one replica to AWS: its writes take a while and arrive though their sender is gone, and
//! each is noted and judged when it is sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reshard::control_plane::{
    ControlPlane, GetMetricData, ListShards, MetricPage, Reply, RequestError, ShardLimits, ShardPage,
    StreamId,
};
use reshard::hash_key::HashKey;
use reshard::operator::planes::{Identity, Planes};
use reshard::snapshot::ShardMetric;
use reshard::stream::{ShardId, StreamSummary};
use tokio::time::Instant;

use crate::operator::plane::Aws;

/// A request that would change something; its `Debug` tells all of it where it was wrong to send it.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "what was sent and when is for people")]
pub struct Write {
    /// The replica that sent it.
    pub by: String,
    pub operation: &'static str,
    pub sent: Instant,
    /// Whether it took effect; nothing before it arrives.
    pub done: Option<bool>,
}

/// Who looks at all writes so far, whenever one is sent: that one is the last.
pub type Judge = Arc<dyn Fn(&[Write]) + Send + Sync>;

/// The way of one replica.
#[derive(Clone)]
pub struct Judged {
    pub aws: Aws,
    pub by: String,
    /// Each way of a write.
    pub latency: Duration,
    pub writes: Arc<Mutex<Vec<Write>>>,
    pub judge: Judge,
}

impl Planes for Judged {
    type Plane = Judged;

    async fn plane(&self, _: &Identity) -> Result<Judged, String> {
        Ok(self.clone())
    }
}

impl Judged {
    async fn write<F>(
        &self,
        operation: &'static str,
        send: impl FnOnce(Aws) -> F,
    ) -> Result<Reply<()>, RequestError>
    where
        F: Future<Output = Result<Reply<()>, RequestError>> + Send + 'static,
    {
        let number = {
            let mut writes = self.writes.lock().unwrap();
            writes.push(Write { by: self.by.clone(), operation, sent: Instant::now(), done: None });
            (self.judge)(&writes);
            writes.len() - 1
        };
        let (send, latency, writes) = (send(self.aws.clone()), self.latency, self.writes.clone());
        let travel = tokio::spawn(async move {
            tokio::time::sleep(latency).await;
            let reply = send.await;
            writes.lock().unwrap()[number].done = Some(reply.is_ok());
            tokio::time::sleep(latency).await;
            reply
        });
        travel.await.expect("nothing in it panics")
    }
}

impl ControlPlane for Judged {
    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.aws.describe_stream_summary(stream).await
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        self.aws.list_shards(request).await
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        self.aws.get_metric_data(request).await
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        at: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        let (stream, shard) = (stream.clone(), shard.clone());
        self.write("SplitShard", |aws| async move { aws.split_shard(&stream, &shard, at).await }).await
    }

    async fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        let (stream, low, high) = (stream.clone(), shard.clone(), adjacent.clone());
        self.write("MergeShards", |aws| async move { aws.merge_shards(&stream, &low, &high).await }).await
    }

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        let stream = stream.clone();
        self.write("UpdateShardCount", |aws| async move { aws.update_shard_count(&stream, target).await })
            .await
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.aws.enable_enhanced_monitoring(stream, metrics).await
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.aws.describe_limits().await
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
