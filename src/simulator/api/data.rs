//! Writing and reading records.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shards::HashKeyBounds;
use super::streams::StreamRef;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutRecord {
    #[serde(flatten)]
    pub stream: StreamRef,
    #[serde(with = "super::wire::blob")]
    pub data: Vec<u8>,
    pub partition_key: String,
    #[serde(default)]
    pub explicit_hash_key: Option<String>,
    #[serde(default)]
    pub sequence_number_for_ordering: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutRecordReply {
    pub shard_id: String,
    pub sequence_number: String,
    pub encryption_type: &'static str,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutRecordsEntry {
    #[serde(with = "super::wire::blob")]
    pub data: Vec<u8>,
    pub partition_key: String,
    #[serde(default)]
    pub explicit_hash_key: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutRecords {
    #[serde(flatten)]
    pub stream: StreamRef,
    pub records: Vec<PutRecordsEntry>,
}

/// Either the first two fields or the last two are there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutRecordsResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutRecordsReply {
    pub failed_record_count: i32,
    pub records: Vec<PutRecordsResult>,
    pub encryption_type: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ShardIteratorType {
    AtSequenceNumber,
    AfterSequenceNumber,
    TrimHorizon,
    Latest,
    AtTimestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetShardIterator {
    #[serde(flatten)]
    pub stream: StreamRef,
    pub shard_id: String,
    pub shard_iterator_type: ShardIteratorType,
    #[serde(default)]
    pub starting_sequence_number: Option<String>,
    #[serde(default, with = "super::wire::epoch_seconds::option")]
    pub timestamp: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetShardIteratorReply {
    pub shard_iterator: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetRecords {
    pub shard_iterator: String,
    #[serde(default)]
    pub limit: Option<i32>,
    #[serde(default, rename = "StreamARN")]
    pub stream_arn: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RecordReply {
    pub sequence_number: String,
    #[serde(with = "super::wire::epoch_seconds")]
    pub approximate_arrival_timestamp: Timestamp,
    #[serde(with = "super::wire::blob")]
    pub data: Vec<u8>,
    pub partition_key: String,
    pub encryption_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChildShard {
    pub shard_id: String,
    pub parent_shards: Vec<String>,
    pub hash_key_range: HashKeyBounds,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetRecordsReply {
    pub records: Vec<RecordReply>,
    /// Absent at the end of a closed shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_shard_iterator: Option<String>,
    pub millis_behind_latest: i64,
    /// Only at the end of a closed shard.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub child_shards: Vec<ChildShard>,
}
