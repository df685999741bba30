//! A stream's state: its shards, open and closed, with their lineage, and what goes on in it.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::consumers::Arrivals;
use super::limits::{Bucket, Limits};
use super::metrics::minute::{ShardMinute, ShardSeries, StreamMinute};
use super::records::{RecordLog, SequenceNumber};
use super::reshard::Change;
use super::traffic::Flow;
use crate::hash_key::{HashKey, HashKeyRange};
use crate::snapshot::ShardMetric;
use crate::stream::{StreamMode, StreamStatus};

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub name: String,
    pub arn: String,
    pub created_at: Timestamp,
    pub status: StreamStatus,
    pub mode: StreamMode,
    pub retention_hours: i32,
    /// Ascending by number; expired ones are gone.
    pub shards: Vec<Shard>,
    /// Indices into `shards` of the open ones, ascending by hash key: they tile the space.
    pub open: Vec<usize>,
    /// Counts changes of `shards` and `open`: whatever was derived from them is stale then.
    pub topology: u64,
    pub next_shard: u32,
    /// What UPDATING, CREATING or DELETING leads to, and when.
    pub pending: Option<(Timestamp, Change)>,
    /// Shard-level metrics that are on, and since when.
    pub monitored: BTreeMap<ShardMetric, Timestamp>,
    pub tags: BTreeMap<String, String>,
    /// Registered enhanced fan-out consumers and when each was registered.
    pub consumers: BTreeMap<String, Timestamp>,
    pub shard_count_updates: VecDeque<Timestamp>,
    pub mode_switches: VecDeque<Timestamp>,
    pub flow: Option<Flow>,
    pub minute: StreamMinute,
    /// Whether something happened in this minute that is to be published.
    pub dirty: bool,
    /// Bytes of stored records.
    pub stored_bytes: u64,
}

/// One shard.
#[derive(Debug)]
pub(super) struct Shard {
    pub number: u32,
    pub range: HashKeyRange,
    pub parent: Option<u32>,
    pub adjacent_parent: Option<u32>,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub records: RecordLog,
    pub write_bytes: Bucket,
    pub write_records: Bucket,
    pub read_bytes: Bucket,
    pub read_calls: Bucket,
    pub iterator_calls: Bucket,
    /// What was written over time, and how far each consumer of the load has read.
    pub arrivals: Arrivals,
    pub minute: ShardMinute,
    pub series: Option<ShardSeries>,
}

/// `GetShardIterator` calls a second of an open shard (quota page).
const ITERATOR_CALLS_PER_SECOND: u64 = 5;

impl Shard {
    /// AWS's ID.
    pub fn id(&self) -> String {
        shard_id(self.number)
    }

    /// Whether it is listed as open at `at`.
    pub fn is_open_at(&self, at: Timestamp) -> bool {
        self.opened_at <= at && self.closed_at.is_none_or(|closed| closed > at)
    }

    /// The sequence number before its first record.
    pub fn starting_sequence_number(&self) -> SequenceNumber {
        SequenceNumber { millisecond: self.opened_at.as_millisecond(), shard: self.number, counter: 0 }
    }

    /// The sequence number after its last record, of a shard closed at `at`.
    pub fn ending_sequence_number(&self, at: Timestamp) -> SequenceNumber {
        let counter = self.records.next_counter();
        SequenceNumber { millisecond: at.as_millisecond(), shard: self.number, counter }
    }

    /// The numbers of the shards it came from.
    pub fn parents(&self) -> impl Iterator<Item = u32> {
        self.parent.into_iter().chain(self.adjacent_parent)
    }
}

/// `shardId-` and twelve digits.
pub(super) fn shard_id(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// The number in a shard's ID, however many digits it is written with.
pub(super) fn shard_number(id: &str) -> Option<u32> {
    let digits = id.strip_prefix("shardId-")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl Stream {
    /// The shard with this number, unless it has expired.
    pub fn shard(&self, number: u32) -> Option<&Shard> {
        Some(&self.shards[self.index_of(number)?])
    }

    /// Its place in `shards`.
    pub fn index_of(&self, number: u32) -> Option<usize> {
        self.shards.binary_search_by_key(&number, |shard| shard.number).ok()
    }

    /// The place in `shards` of the open shard that owns `key`; `None` before there are any.
    pub fn owner_of(&self, key: HashKey) -> Option<usize> {
        let after = self.open.partition_point(|&at| self.shards[at].range.start() <= key);
        self.open.get(after.checked_sub(1)?).copied()
    }

    /// When what is stored now began, at the most: the trim horizon.
    pub fn trim_horizon(&self, now: Timestamp) -> Timestamp {
        let retention = SignedDuration::from_hours(i64::from(self.retention_hours));
        now.checked_sub(retention).unwrap_or(Timestamp::MIN).max(self.created_at)
    }

    /// Opens a shard and gives its number.
    pub fn open_shard(
        &mut self,
        range: HashKeyRange,
        parents: (Option<u32>, Option<u32>),
        at: Timestamp,
        limits: &Limits,
    ) -> u32 {
        let number = self.next_shard;
        self.next_shard += 1;
        self.shards.push(Shard {
            number,
            range,
            parent: parents.0,
            adjacent_parent: parents.1,
            opened_at: at,
            closed_at: None,
            records: RecordLog::default(),
            write_bytes: Bucket::new(limits.shard_write_bytes_per_second, at),
            write_records: Bucket::new(limits.shard_write_records_per_second, at),
            read_bytes: Bucket::new(limits.shard_read_bytes_per_second, at),
            read_calls: Bucket::new(limits.shard_read_calls_per_second, at),
            iterator_calls: Bucket::new(ITERATOR_CALLS_PER_SECOND, at),
            arrivals: Arrivals::default(),
            minute: ShardMinute::default(),
            series: None,
        });
        number
    }

    /// Closes a shard, and with its children open, indexes anew. `children` lists range and parents.
    pub fn replace(
        &mut self,
        closed: &[u32],
        children: &[(HashKeyRange, Option<u32>, Option<u32>)],
        at: Timestamp,
        limits: &Limits,
    ) {
        for &number in closed {
            let index = self.index_of(number).expect("a reshard names shards that are open");
            self.shards[index].closed_at = Some(at);
        }
        for &(range, parent, adjacent_parent) in children {
            self.open_shard(range, (parent, adjacent_parent), at, limits);
        }
        self.reindex();
    }

    /// Finds the open shards anew after `shards` has changed.
    pub fn reindex(&mut self) {
        let shards = &self.shards;
        self.open = (0..shards.len()).filter(|&at| shards[at].closed_at.is_none()).collect();
        self.open.sort_by_key(|&at| shards[at].range.start());
        self.topology += 1;
    }

    /// Drops the shards that were closed longer than the retention ago, and records past it.
    pub fn expire(&mut self, now: Timestamp) {
        let horizon = self.trim_horizon(now);
        if self.shards.iter().any(|shard| shard.closed_at.is_some_and(|closed| closed < horizon)) {
            self.shards.retain(|shard| shard.closed_at.is_none_or(|closed| closed >= horizon));
            self.reindex();
        }
        for shard in &mut self.shards {
            shard.records.trim(horizon);
            shard.arrivals.trim(horizon);
        }
        self.stored_bytes = self.shards.iter().map(|shard| shard.records.bytes()).sum();
    }

    /// Whether the load generator runs.
    pub fn flows(&self) -> bool {
        self.flow.is_some() && !self.open.is_empty() && self.status != StreamStatus::Deleting
    }
}
