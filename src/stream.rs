//! Shards, and a stream whose open shards tile the hash-key space exactly.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hash_key::{HashKey, HashKeyRange};

pub use self::index::ShardIndex;
pub use self::region::{OtherRegion, in_its_region, region_of};

mod index;
mod region;

/// A shard's ID as AWS gives it, `shardId-000000000000`. Unique within one stream's lifetime; a
/// stream that was deleted and made again counts from zero anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(Arc<str>);

impl ShardId {
    /// Takes the ID as it came.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        ShardId(id.into())
    }

    /// The ID as AWS wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ID without its prefix and leading zeros ("shardId-000000000012" → "12"), for tables.
    pub fn short(&self) -> &str {
        let digits = self.0.rsplit('-').next().unwrap_or(&self.0);
        match digits.trim_start_matches('0') {
            "" if !digits.is_empty() => "0",
            "" => &self.0,
            short => short,
        }
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A shard as `ListShards` tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// Its ID.
    pub id: ShardId,
    /// The hash keys it owns.
    pub range: HashKeyRange,
    /// The shard it was split from, or the first of the two it was merged from. The parent may
    /// have expired and be listed nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ShardId>,
    /// The second of the two shards it was merged from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjacent_parent: Option<ShardId>,
    /// Whether a split or merge has closed it: its sequence-number range has an end. Nothing else
    /// tells an open shard from a closed one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

impl Shard {
    /// The shards it came from, those expired included.
    pub fn parents(&self) -> impl Iterator<Item = &ShardId> {
        self.parent.iter().chain(&self.adjacent_parent)
    }
}

/// The open shards of a stream in hash-key order. They tile the space: no key is without a shard,
/// none has two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenShards(Vec<Shard>);

/// Why a listing of shards is not a tiling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum TilingError {
    /// The listing has no open shard.
    #[error("no open shard is listed")]
    Empty,
    /// Keys that no open shard owns.
    #[error("no open shard owns the hash keys {range}")]
    Gap {
        /// The keys without an owner.
        range: HashKeyRange,
    },
    /// Keys that two open shards own.
    #[error("both {first} and {second} own the hash keys {range}")]
    Overlap {
        /// The keys with two owners.
        range: HashKeyRange,
        /// The shard that starts first.
        first: ShardId,
        /// The shard that starts within it.
        second: ShardId,
    },
}

impl OpenShards {
    /// Picks the open shards out of a listing and sorts them by hash key.
    ///
    /// # Errors
    /// [`TilingError`] names the first range that is missing or doubled.
    pub fn tile(listing: &[Shard]) -> Result<Self, TilingError> {
        let mut open: Vec<Shard> = listing.iter().filter(|shard| !shard.closed).cloned().collect();
        open.sort_by_key(|shard| shard.range);
        let first = open.first().ok_or(TilingError::Empty)?;
        if first.range.start() != HashKey::MIN {
            return Err(TilingError::Gap {
                range: between(HashKey::MIN, HashKey(first.range.start().0 - 1)),
            });
        }
        for pair in open.windows(2) {
            let (low, high) = (&pair[0], &pair[1]);
            if let Some(range) = low.range.intersection(high.range) {
                let (first, second) = (low.id.clone(), high.id.clone());
                return Err(TilingError::Overlap { range, first, second });
            }
            if !low.range.is_followed_by(high.range) {
                let range = between(HashKey(low.range.end().0 + 1), HashKey(high.range.start().0 - 1));
                return Err(TilingError::Gap { range });
            }
        }
        match open.last() {
            Some(last) if last.range.end() != HashKey::MAX => {
                Err(TilingError::Gap { range: between(HashKey(last.range.end().0 + 1), HashKey::MAX) })
            }
            _ => Ok(OpenShards(open)),
        }
    }

    /// The shards in hash-key order.
    pub fn as_slice(&self) -> &[Shard] {
        &self.0
    }

    /// How many there are, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a tiling is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Their ranges in order.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = HashKeyRange> + '_ {
        self.0.iter().map(|shard| shard.range)
    }

    /// The shard that owns exactly `range`, if one does.
    pub fn owning(&self, range: HashKeyRange) -> Option<&Shard> {
        let at = self.0.binary_search_by_key(&range, |shard| shard.range).ok()?;
        self.0.get(at)
    }
}

fn between(start: HashKey, end: HashKey) -> HashKeyRange {
    HashKeyRange::new(start, end).expect("the caller found keys between the two")
}

/// `DescribeStreamSummary`'s `StreamStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamStatus {
    /// Being made; nothing can be done with it yet.
    Creating,
    /// Being deleted.
    Deleting,
    /// The only status in which a reshard may begin.
    Active,
    /// A reshard or another change is under way; reads and writes go on.
    Updating,
}

impl fmt::Display for StreamStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StreamStatus::Creating => "CREATING",
            StreamStatus::Deleting => "DELETING",
            StreamStatus::Active => "ACTIVE",
            StreamStatus::Updating => "UPDATING",
        })
    }
}

/// `DescribeStreamSummary`'s capacity mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StreamMode {
    /// Shards are the owner's to split and merge.
    Provisioned,
    /// AWS keeps the shards; SplitShard, MergeShards and UpdateShardCount are refused.
    OnDemand,
}

/// What `DescribeStreamSummary` tells of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamSummary {
    /// `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`
    pub arn: String,
    /// The stream's name.
    pub name: String,
    /// What may be done with it now.
    pub status: StreamStatus,
    /// Provisioned or on-demand.
    pub mode: StreamMode,
    /// When it was made. A stream made anew under the same name has another time, and its shard
    /// IDs and metrics under that name from before belong to another stream.
    pub created_at: Timestamp,
    /// For how long records and closed shards are kept, in hours, 24 to 8,760.
    pub retention_hours: u32,
    /// How many shards are open, by AWS's own count.
    pub open_shard_count: usize,
    /// The shard-level metrics that are turned on, by AWS's names (`IncomingBytes`, …).
    pub enhanced_metrics: Vec<String>,
    /// Registered enhanced fan-out consumers.
    pub consumer_count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: u32, start: u128, end: u128) -> Shard {
        Shard {
            id: ShardId::new(format!("shardId-{id:012}")),
            range: between(HashKey(start), HashKey(end)),
            parent: None,
            adjacent_parent: None,
            closed: false,
        }
    }

    #[test]
    fn shards_in_any_order_tile_when_every_key_has_one_owner() {
        let listing = [shard(2, 200, u128::MAX), shard(0, 0, 99), shard(1, 100, 199)];
        let open = OpenShards::tile(&listing).expect("they tile");
        let ids: Vec<_> = open.as_slice().iter().map(|shard| shard.id.short()).collect();
        assert_eq!(ids, ["0", "1", "2"]);
    }

    #[test]
    fn a_listing_that_does_not_tile_names_the_first_wrong_range() {
        let gap = |start, end| TilingError::Gap { range: between(HashKey(start), HashKey(end)) };
        let tile = |listing: &[Shard]| OpenShards::tile(listing).map(|open| open.len());
        assert_eq!(tile(&[]), Err(TilingError::Empty));
        assert_eq!(tile(&[shard(0, 1, u128::MAX)]), Err(gap(0, 0)));
        assert_eq!(tile(&[shard(0, 0, 9)]), Err(gap(10, u128::MAX)));
        assert_eq!(tile(&[shard(0, 0, 9), shard(1, 11, u128::MAX)]), Err(gap(10, 10)));
        assert_eq!(
            tile(&[shard(0, 0, 9), shard(1, 9, u128::MAX)]),
            Err(TilingError::Overlap {
                range: between(HashKey(9), HashKey(9)),
                first: ShardId::new("shardId-000000000000"),
                second: ShardId::new("shardId-000000000001"),
            })
        );
    }

    #[test]
    fn a_closed_parent_beside_its_children_is_not_an_overlap() {
        let mut parent = shard(0, 0, u128::MAX);
        parent.closed = true;
        let open = OpenShards::tile(&[parent, shard(1, 0, 7), shard(2, 8, u128::MAX)]);
        assert_eq!(open.map(|open| open.len()), Ok(2));
    }
}
