//! A simulated account of AWS, and the ways to it, on which requests are counted, judged and lost.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use reshard::control_plane::{
    ControlPlane, GetMetricData, ListShards, MetricPage, Reply, RequestError, ShardLimits, ShardPage,
    StreamId,
};
use reshard::hash_key::HashKey;
use reshard::operator::planes::{Identity, Planes};
use reshard::simulator::control_plane::SimulatedControlPlane;
use reshard::simulator::{Cloud, Config};
use reshard::snapshot::ShardMetric;
use reshard::stream::{ShardId, StreamSummary};

use super::clock::Clock;

/// How long a reply takes: who asks in a loop lets time pass.
const MOMENT: Duration = Duration::from_millis(10);

/// What a request came to.
pub type Answer<T> = Result<Reply<T>, RequestError>;

/// An account. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Account {
    plane: SimulatedControlPlane,
    pub clock: Clock,
}

impl Account {
    /// The account `cloud`, as late as `clock` shows.
    pub fn new(cloud: Cloud, clock: Clock) -> Account {
        Account { plane: SimulatedControlPlane::new(cloud), clock }
    }

    /// An account without streams.
    pub fn empty(clock: Clock) -> Account {
        Account::new(Cloud::new(Config { start: clock.now(), ..Config::default() }), clock)
    }

    /// The account as it is now.
    pub fn cloud(&self) -> MutexGuard<'_, Cloud> {
        let mut cloud = self.plane.cloud();
        cloud.advance_to(self.clock.now());
        cloud
    }
}

/// What lies between an operator and the account: it sends requests, or does not.
pub trait Way: Clone + Send + Sync + 'static {
    /// Sends `request`, which is `operation` by AWS's name; it may outlive whoever asked.
    fn send<T: Send + 'static>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Answer<T>> + Send + 'static,
    ) -> impl Future<Output = Answer<T>> + Send;
}

/// An operator's way to the account. Clones are the same way.
#[derive(Debug, Clone)]
pub struct Aws<W> {
    account: Account,
    way: W,
    identities: Arc<Mutex<Vec<Identity>>>,
}

impl<W: Way> Aws<W> {
    pub fn new(account: Account, way: W) -> Aws<W> {
        Aws { account, way, identities: Arc::default() }
    }

    /// In whose names it was asked for.
    pub fn identities(&self) -> Vec<Identity> {
        self.identities.lock().unwrap().clone()
    }

    async fn ask<T: Send + 'static, F>(
        &self,
        operation: &'static str,
        request: impl FnOnce(SimulatedControlPlane) -> F + Send + 'static,
    ) -> Answer<T>
    where
        F: Future<Output = Answer<T>> + Send,
    {
        let account = self.account.clone();
        let request = async move {
            tokio::time::sleep(MOMENT).await;
            drop(account.cloud());
            request(account.plane).await
        };
        self.way.send(operation, request).await
    }
}

impl<W: Way> Planes for Aws<W> {
    type Plane = Aws<W>;

    async fn plane(&self, identity: &Identity) -> Result<Aws<W>, String> {
        self.identities.lock().unwrap().push(identity.clone());
        Ok(self.clone())
    }

    fn region<'a>(&'a self, identity: &'a Identity) -> Option<&'a str> {
        identity.region.as_deref()
    }
}

impl<W: Way> ControlPlane for Aws<W> {
    async fn describe_stream_summary(&self, stream: &StreamId) -> Answer<StreamSummary> {
        let stream = stream.clone();
        let request = async move |aws: SimulatedControlPlane| aws.describe_stream_summary(&stream).await;
        self.ask("DescribeStreamSummary", request).await
    }

    async fn list_shards(&self, request: &ListShards) -> Answer<ShardPage> {
        let request = request.clone();
        self.ask("ListShards", async move |aws: SimulatedControlPlane| aws.list_shards(&request).await).await
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Answer<MetricPage> {
        let request = request.clone();
        let request = async move |aws: SimulatedControlPlane| aws.get_metric_data(&request).await;
        self.ask("GetMetricData", request).await
    }

    async fn split_shard(&self, stream: &StreamId, shard: &ShardId, at: HashKey) -> Answer<()> {
        let (stream, shard) = (stream.clone(), shard.clone());
        let request = async move |aws: SimulatedControlPlane| aws.split_shard(&stream, &shard, at).await;
        self.ask("SplitShard", request).await
    }

    async fn merge_shards(&self, stream: &StreamId, shard: &ShardId, adjacent: &ShardId) -> Answer<()> {
        let (stream, low, high) = (stream.clone(), shard.clone(), adjacent.clone());
        let request = async move |aws: SimulatedControlPlane| aws.merge_shards(&stream, &low, &high).await;
        self.ask("MergeShards", request).await
    }

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Answer<()> {
        let stream = stream.clone();
        let request = async move |aws: SimulatedControlPlane| aws.update_shard_count(&stream, target).await;
        self.ask("UpdateShardCount", request).await
    }

    async fn enable_enhanced_monitoring(&self, stream: &StreamId, metrics: &[ShardMetric]) -> Answer<()> {
        let (stream, metrics) = (stream.clone(), metrics.to_vec());
        let request =
            async move |aws: SimulatedControlPlane| aws.enable_enhanced_monitoring(&stream, &metrics).await;
        self.ask("EnableEnhancedMonitoring", request).await
    }

    async fn describe_limits(&self) -> Answer<ShardLimits> {
        self.ask("DescribeLimits", async move |aws: SimulatedControlPlane| aws.describe_limits().await).await
    }

    async fn sleep(&self, duration: Duration) {
        self.account.clock.sleep(duration).await;
    }
}
