//! What an observer of perfect sight knows of a stream: no request, so no fault, no delay, no rate.

use jiff::Timestamp;

use super::Cloud;
use crate::hash_key::HashKeyRange;
use crate::stream::{StreamMode, StreamStatus};

/// A stream as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// When it was created: another time is another stream.
    pub created_at: Timestamp,
    /// What it is doing.
    pub status: StreamStatus,
    /// Who decides its shards.
    pub mode: StreamMode,
    /// Its shards, those closed within the retention included, in the order of their opening.
    pub shards: Vec<TrueShard>,
}

/// A shard as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueShard {
    /// AWS's ID.
    pub id: String,
    /// Its hash keys.
    pub range: HashKeyRange,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When it closed; `None`: it is open.
    pub closed_at: Option<Timestamp>,
    /// How many shards it came from: 0, 1 (a split) or 2 (a merge).
    pub parents: usize,
    /// Bytes a second that the load offers to it now, retries and bursts apart; 0 once it is closed.
    pub offered_bytes_per_second: f64,
}

impl Cloud {
    /// The stream called `name` as it is; `None` if there is none.
    pub fn truth(&self, name: &str) -> Option<Truth> {
        let stream = self.streams.get(name)?;
        let offered = self.offered_bytes_per_second(name);
        let shard = |shard: &super::stream::Shard| TrueShard {
            offered_bytes_per_second: offered.get(&shard.id()).copied().unwrap_or(0.0),
            id: shard.id(),
            range: shard.range,
            opened_at: shard.opened_at,
            closed_at: shard.closed_at,
            parents: shard.parents().count(),
        };
        Some(Truth {
            created_at: stream.created_at,
            status: stream.status,
            mode: stream.mode,
            shards: stream.shards.iter().map(shard).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::api::{CreateStream, SplitShard, StreamRef};
    use super::super::workload::{Curve, Workload};
    use super::*;

    #[test]
    fn the_truth_is_told_at_once_with_what_each_open_shard_is_offered() {
        let mut cloud = Cloud::new(Config::default());
        assert_eq!(cloud.truth("orders"), None);
        let request = CreateStream {
            stream_name: "orders".to_owned(),
            shard_count: Some(1),
            ..CreateStream::default()
        };
        cloud.create_stream(request).expect("the name is free");
        cloud.advance_seconds(60);
        cloud.set_workload("orders", Workload::new(Curve::constant(800_000))).expect("it is there");
        let split = SplitShard {
            stream: StreamRef::name("orders"),
            shard_to_split: "shardId-000000000000".to_owned(),
            new_starting_hash_key: (1_u128 << 127).to_string(),
        };
        cloud.split_shard(split).expect("a split point");
        assert_eq!(cloud.truth("orders").expect("there").status, StreamStatus::Updating);
        cloud.advance_seconds(30);
        let truth = cloud.truth("orders").expect("there");
        let told: Vec<_> = truth
            .shards
            .iter()
            .map(|shard| (shard.parents, shard.closed_at.is_some(), shard.offered_bytes_per_second.round()))
            .collect();
        assert_eq!(told, [(0, true, 0.0), (1, false, 400_000.0), (1, false, 400_000.0)]);
    }
}
