//! Verdicts: what no step can cure, typed. They read the same in report, metric, event and
//! condition: `reason` names them, `Display` tells them, `advice` says what would help.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash_key::HashKeyRange;
use crate::load::Load;
use crate::quota::{Dimension, MAX_SHARDS};
use crate::stream::ShardId;
use crate::units::{duration, rate};

/// What no step can cure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all_fields = "camelCase")]
pub enum Verdict {
    /// Splits left the heat where it was: it sits in one key, or in too few to be spread.
    HotKey {
        /// The range in which it sits.
        range: HashKeyRange,
        /// The shard that owns the range.
        shard: ShardId,
        /// The dimension that is hot.
        dimension: Dimension,
        /// The demand in it.
        load: Load,
    },
    /// Writes are rejected though the mean is low, and splits did not help: the traffic comes in
    /// bursts shorter than a minute.
    Bursty {
        /// The shard.
        shard: ShardId,
        /// The mean load in its fullest dimension.
        load: Load,
    },
    /// The range is too narrow to be split any further.
    Unsplittable {
        /// The range.
        range: HashKeyRange,
        /// The shard that owns it.
        shard: ShardId,
        /// The dimension that is hot.
        dimension: Dimension,
        /// The demand in it.
        load: Load,
    },
    /// The pollers use up the five GetRecords calls a second of each shard.
    ReadCallsSaturated {
        /// Calls in millionths of the ceiling.
        load: Load,
        /// How the number of calls is known.
        source: ReadCallsSource,
    },
    /// Readers read more than is written: they replay or catch up.
    CatchingUp {
        /// What is read, in bytes a second.
        read_bytes_per_second: u64,
        /// What the pollers would read at the tip, in bytes a second.
        expected_bytes_per_second: u64,
    },
    /// Readers lag so far that records may expire unread.
    DataLossRisk {
        /// The lag in milliseconds.
        lag_millis: u64,
        /// The stream's retention in hours.
        retention_hours: u32,
    },
    /// Records are so large that few fit into a second of a shard.
    LargeRecords {
        /// The mean record size in bytes.
        mean_bytes: u64,
    },
    /// At `maxShards`, and more are needed.
    AtMaxShards {
        /// The most shards.
        max_shards: u32,
    },
}

/// How the number of GetRecords calls is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadCallsSource {
    /// The declared consumers' poll intervals.
    DeclaredConsumers,
    /// The sample count of `GetRecords.Success`: one sample a call, as far as is known.
    GetRecordsSuccessSampleCount,
}

impl Verdict {
    /// The name in metrics, events and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Verdict::HotKey { .. } => "HotKey",
            Verdict::Bursty { .. } => "Bursty",
            Verdict::Unsplittable { .. } => "Unsplittable",
            Verdict::ReadCallsSaturated { .. } => "ReadCallsSaturated",
            Verdict::CatchingUp { .. } => "CatchingUp",
            Verdict::DataLossRisk { .. } => "DataLossRisk",
            Verdict::LargeRecords { .. } => "LargeRecords",
            Verdict::AtMaxShards { .. } => "AtMaxShards",
        }
    }

    /// What would help.
    pub fn advice(&self) -> &'static str {
        match self {
            Verdict::HotKey { .. } => {
                "spread the key: add a suffix to it, or use random partition keys where order does not matter"
            }
            Verdict::Bursty { .. } => {
                "smooth the producer: batch over time, retry with jitter, or lower the utilization target"
            }
            Verdict::Unsplittable { .. } => "spread the keys of this range over more partition keys",
            Verdict::ReadCallsSaturated { .. } => {
                "poll less often, or move a consumer to enhanced fan-out; no split adds calls to a shard"
            }
            Verdict::CatchingUp { .. } => {
                "wait: a replay drains at 2 MB/s a shard by design; enhanced fan-out reads beside the others"
            }
            Verdict::DataLossRisk { .. } => "extend the retention first, then make the consumer faster",
            Verdict::LargeRecords { .. } => "store large payloads elsewhere and send references",
            Verdict::AtMaxShards { max_shards } if *max_shards >= MAX_SHARDS => {
                "200 is the most that reshard keeps a stream at: spread the load over more streams"
            }
            Verdict::AtMaxShards { .. } => "raise maxShards",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::HotKey { shard, dimension, load, .. } => write!(
                f,
                "{} of {shard} are at {load} of the ceiling, and splits left them in one place: a hot key",
                dimension.label()
            ),
            Verdict::Bursty { shard, load } => write!(
                f,
                "{shard} rejects writes at a mean of {load}, and splits did not help: bursts within the minute"
            ),
            Verdict::Unsplittable { shard, dimension, load, .. } => write!(
                f,
                "{} of {shard} are at {load} of the ceiling, and its range is too narrow to be split",
                dimension.label()
            ),
            Verdict::ReadCallsSaturated { load, .. } => {
                write!(f, "GetRecords calls are at {load} of what each shard allows")
            }
            Verdict::CatchingUp { read_bytes_per_second, expected_bytes_per_second } => write!(
                f,
                "readers take {} where {} would keep up: they are catching up",
                rate(*read_bytes_per_second, "B"),
                rate(*expected_bytes_per_second, "B")
            ),
            Verdict::DataLossRisk { lag_millis, retention_hours } => write!(
                f,
                "readers are {} behind, more than half of the retention of {retention_hours} h",
                duration(lag_millis / 1_000)
            ),
            Verdict::LargeRecords { mean_bytes } => {
                write!(f, "records are {mean_bytes} bytes on average")
            }
            Verdict::AtMaxShards { max_shards } => {
                write!(f, "the stream needs more than maxShards ({max_shards})")
            }
        }
    }
}
