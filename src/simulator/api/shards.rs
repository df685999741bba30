//! Listing, splitting and merging shards.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::streams::StreamRef;
use crate::hash_key::HashKey;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ShardFilterType {
    AfterShardId,
    AtTrimHorizon,
    FromTrimHorizon,
    AtLatest,
    AtTimestamp,
    FromTimestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShardFilter {
    pub r#type: ShardFilterType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_id: Option<String>,
    #[serde(default, with = "super::wire::epoch_seconds::option", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
}

/// `ListShards`. With a `next_token` only `max_results` may be given besides.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListShards {
    #[serde(flatten)]
    pub stream: StreamRef,
    #[serde(default)]
    pub next_token: Option<String>,
    #[serde(default)]
    pub exclusive_start_shard_id: Option<String>,
    #[serde(default)]
    pub max_results: Option<i32>,
    #[serde(default, with = "super::wire::epoch_seconds::option")]
    pub stream_creation_timestamp: Option<Timestamp>,
    #[serde(default)]
    pub shard_filter: Option<ShardFilter>,
}

/// Both ends belong to it; decimal on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HashKeyBounds {
    pub starting_hash_key: HashKey,
    pub ending_hash_key: HashKey,
}

/// An open shard's has no end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SequenceNumberRange {
    pub starting_sequence_number: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending_sequence_number: Option<String>,
}

/// AWS's `Shard`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShardDescription {
    pub shard_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_shard_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjacent_parent_shard_id: Option<String>,
    pub hash_key_range: HashKeyBounds,
    pub sequence_number_range: SequenceNumberRange,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListShardsReply {
    pub shards: Vec<ShardDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SplitShard {
    #[serde(flatten)]
    pub stream: StreamRef,
    pub shard_to_split: String,
    /// Decimal.
    pub new_starting_hash_key: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MergeShards {
    #[serde(flatten)]
    pub stream: StreamRef,
    pub shard_to_merge: String,
    pub adjacent_shard_to_merge: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateShardCount {
    #[serde(flatten)]
    pub stream: StreamRef,
    pub target_shard_count: i32,
    /// `UNIFORM_SCALING`.
    pub scaling_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateShardCountReply {
    pub stream_name: String,
    #[serde(rename = "StreamARN")]
    pub stream_arn: String,
    pub current_shard_count: i32,
    pub target_shard_count: i32,
}
