//! Requests for metrics of many streams, joined: what is asked while other calls are under way goes
//! together in the next one. `GetMetricData` takes 500 metrics a call and few calls a second.
//!
//! No clock decides when a call goes. While there is room it goes at once, alone; where the rate or
//! the network makes calls wait, the next one carries all that have come meanwhile and fit. So calls
//! get larger just when they would get too many, and nobody waits for company.
//!
//! Everybody is answered as if alone: with the data points of the minutes asked for, and with an
//! error that is not somebody else's. A joined call that is refused for what it asks, or in whose
//! name, is taken apart, and each request goes alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use self::batch::Batch;
use crate::control_plane::{
    ControlPlane, GetMetricData, ListShards, MetricPage, Reply, RequestError, ShardLimits, ShardPage,
    StreamId,
};
use crate::hash_key::HashKey;
use crate::snapshot::ShardMetric;
use crate::stream::{ShardId, StreamSummary};

mod batch;
#[cfg(test)]
mod tests;

/// Calls under way at once for those who ask in one name: one that hangs must not stop all.
const UNDER_WAY: usize = 2;

/// Where those come together who ask in the same name, of the same region. Clones are the same
/// place.
#[derive(Debug, Clone)]
pub struct Gathering(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Semaphore,
    waiting: Mutex<VecDeque<Waiting>>,
}

/// One who waits to be asked for.
#[derive(Debug)]
struct Waiting {
    request: GetMetricData,
    answer: oneshot::Sender<Answer>,
}

/// What somebody who asked for others came back with.
#[derive(Debug)]
enum Answer {
    /// The reply, or an error that would have met each of them.
    Told(Result<Reply<MetricPage>, RequestError>),
    /// An error that may be another's: ask alone.
    AskAlone,
}

impl Default for Gathering {
    fn default() -> Self {
        Gathering(Arc::new(Shared { places: Semaphore::new(UNDER_WAY), waiting: Mutex::default() }))
    }
}

impl Gathering {
    /// Whether nobody else knows this place.
    pub fn is_deserted(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Lines up with a request.
    fn join(&self, request: GetMetricData) -> oneshot::Receiver<Answer> {
        let (answer, comes) = oneshot::channel();
        self.waiting().push_back(Waiting { request, answer });
        comes
    }

    /// Whoever has waited longest, with all that fit.
    fn next_batch(&self) -> Option<Batch> {
        Batch::take(&mut self.waiting())
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A control plane that asks for metrics together with others.
#[derive(Debug, Clone)]
pub struct Gathered<P> {
    plane: P,
    gathering: Gathering,
}

impl<P: ControlPlane> Gathered<P> {
    /// Asks `plane` together with all that come to `gathering`: with any of their planes each of
    /// them must get the same answer.
    pub fn new(plane: P, gathering: Gathering) -> Self {
        Gathered { plane, gathering }
    }

    /// Asks, or has it asked by somebody who does now.
    async fn ask(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        loop {
            match self.answer(self.gathering.join(request.clone())).await {
                Some(Answer::Told(told)) => return told,
                Some(Answer::AskAlone) => return self.plane.get_metric_data(request).await,
                // Whoever asked has given up on the way.
                None => {}
            }
        }
    }

    /// Waits for the answer; where there is a place, asks for whoever is next, until it has come.
    async fn answer(&self, mut comes: oneshot::Receiver<Answer>) -> Option<Answer> {
        loop {
            tokio::select! {
                biased;
                answer = &mut comes => return answer.ok(),
                Ok(_place) = self.gathering.0.places.acquire() => {
                    if let Some(batch) = self.gathering.next_batch() {
                        batch.ask(&self.plane).await;
                        continue;
                    }
                }
            }
            // All that waited are being asked for, this one too.
            return comes.await.ok();
        }
    }
}

impl<P: ControlPlane> ControlPlane for Gathered<P> {
    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        match request.next_token {
            None => self.ask(request).await,
            // The first page was of a call that was made alone.
            Some(_) => self.plane.get_metric_data(request).await,
        }
    }

    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.plane.describe_stream_summary(stream).await
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        self.plane.list_shards(request).await
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        new_starting_hash_key: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        self.plane.split_shard(stream, shard, new_starting_hash_key).await
    }

    async fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent_shard: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        self.plane.merge_shards(stream, shard, adjacent_shard).await
    }

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        self.plane.update_shard_count(stream, target).await
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.plane.enable_enhanced_monitoring(stream, metrics).await
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.plane.describe_limits().await
    }

    async fn sleep(&self, duration: Duration) {
        self.plane.sleep(duration).await;
    }
}
