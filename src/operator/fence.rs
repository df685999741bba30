//! The fence before AWS: nothing is written there in the name of a leader whose lease may end
//! before the reply.

use std::time::Duration;

use super::leadership::Leadership;
use crate::control_plane::{
    ControlPlane, ErrorClass, GetMetricData, ListShards, MetricPage, Reply, RequestError, ShardLimits,
    ShardPage, StreamId,
};
use crate::hash_key::HashKey;
use crate::snapshot::ShardMetric;
use crate::stream::{ShardId, StreamSummary};

/// A control plane that asks before it writes.
#[derive(Debug, Clone)]
pub struct Fenced<P> {
    plane: P,
    leadership: Leadership,
    /// How long a write may take.
    write_timeout: Duration,
}

impl<P> Fenced<P> {
    /// Puts the fence before `plane`, whose writes take `write_timeout` at the most.
    pub fn new(plane: P, leadership: Leadership, write_timeout: Duration) -> Self {
        Fenced { plane, leadership, write_timeout }
    }

    /// Lets a write pass while this replica leads for longer than the write may take.
    fn admit(&self, operation: &'static str) -> Result<(), RequestError> {
        let remaining = self.leadership.remaining();
        if remaining > self.write_timeout {
            return Ok(());
        }
        // As if there were no way there: nothing was sent.
        let why = format!(
            "not sent: this replica leads for {} s more at the most, and a reply may take {} s",
            remaining.as_secs(),
            self.write_timeout.as_secs()
        );
        Err(RequestError::new(operation, ErrorClass::Unreachable, why))
    }
}

impl<P: ControlPlane> ControlPlane for Fenced<P> {
    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.plane.describe_stream_summary(stream).await
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        self.plane.list_shards(request).await
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        self.plane.get_metric_data(request).await
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        new_starting_hash_key: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        self.admit("SplitShard")?;
        self.plane.split_shard(stream, shard, new_starting_hash_key).await
    }

    async fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent_shard: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        self.admit("MergeShards")?;
        self.plane.merge_shards(stream, shard, adjacent_shard).await
    }

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        self.admit("UpdateShardCount")?;
        self.plane.update_shard_count(stream, target).await
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.admit("EnableEnhancedMonitoring")?;
        self.plane.enable_enhanced_monitoring(stream, metrics).await
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.plane.describe_limits().await
    }

    async fn sleep(&self, duration: Duration) {
        self.plane.sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::observe::test_plane::TestPlane;
    use crate::operator::leadership::leadership;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_that_may_outlast_the_lease_and_all_is_read() {
        let (handle, leadership) = leadership();
        let plane = Fenced::new(TestPlane::new(2), leadership, Duration::from_secs(5));
        let stream = StreamId::Name("orders".to_owned());
        let shard = |number: u32| ShardId::new(format!("shardId-{number:012}"));
        let writes =
            || plane.plane.state().requests.iter().filter(|name| **name != "DescribeStreamSummary").count();
        for deadline in [None, Some(5)] {
            if let Some(seconds) = deadline {
                handle.holds_until(Instant::now() + Duration::from_secs(seconds));
            }
            let refused = [
                plane.split_shard(&stream, &shard(0), HashKey(7)).await.map(drop),
                plane.merge_shards(&stream, &shard(0), &shard(1)).await.map(drop),
                plane.update_shard_count(&stream, 4).await.map(drop),
                plane.enable_enhanced_monitoring(&stream, &ShardMetric::INGEST).await.map(drop),
            ];
            for refused in refused {
                let error = refused.expect_err("the lease may end before the reply");
                assert_eq!(error.class, ErrorClass::Unreachable);
                assert!(error.message.starts_with("not sent"), "{error}");
            }
            plane.describe_stream_summary(&stream).await.expect("looking is free");
        }
        assert_eq!(writes(), 0);
        handle.holds_until(Instant::now() + Duration::from_secs(6));
        plane.merge_shards(&stream, &shard(0), &shard(1)).await.expect("there is time");
        assert_eq!(writes(), 1);
    }
}
