//! The way of one replica to AWS: its writes take a while and arrive though their sender is gone, and
//! each is noted and judged when it is sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::operator::plane::{Answer, Way};

/// The requests that would change shards.
const WRITES: [&str; 3] = ["SplitShard", "MergeShards", "UpdateShardCount"];

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
    pub by: String,
    /// Each way of a write.
    pub latency: Duration,
    pub writes: Arc<Mutex<Vec<Write>>>,
    pub judge: Judge,
}

impl Way for Judged {
    async fn send<T: Send + 'static>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Answer<T>> + Send + 'static,
    ) -> Answer<T> {
        if !WRITES.contains(&operation) {
            return request.await;
        }
        let number = {
            let mut writes = self.writes.lock().unwrap();
            writes.push(Write { by: self.by.clone(), operation, sent: Instant::now(), done: None });
            (self.judge)(&writes);
            writes.len() - 1
        };
        let (latency, writes) = (self.latency, self.writes.clone());
        let travel = tokio::spawn(async move {
            tokio::time::sleep(latency).await;
            let reply = request.await;
            writes.lock().unwrap()[number].done = Some(reply.is_ok());
            tokio::time::sleep(latency).await;
            reply
        });
        travel.await.expect("nothing in it panics")
    }
}
