//! Demand: what each open range needs, from what was observed.
//!
//! Pure. In: a [`Snapshot`] and a [`ScalingPolicy`]; out: for each open shard the load that decides
//! splits, the load that decides merges, how both are known, how the load is spread inside, and
//! what must not be done to it now.

use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold, ReadCallsSource, Verdict};
use crate::quota::Dimension;
use crate::snapshot::Minute;
use crate::stream::ShardId;

/// What the open ranges of a stream need.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// One for each open shard, in hash-key order; empty where the listing does not tile.
    pub shards: Vec<ShardDemand>,
    /// What bars every step: with one of these there is no plan, only a report.
    pub stops: Vec<Hold>,
    /// What bars splits everywhere (a freeze).
    pub split_bars: Vec<Hold>,
    /// What bars merges everywhere (lag, a freeze, stabilisation).
    pub merge_bars: Vec<Hold>,
    /// What no step can cure.
    pub verdicts: Vec<Verdict>,
    /// How many merges were made in the last 24 hours, as far as the look-back goes.
    pub merges_in_the_last_day: u32,
    /// The most shards that `behavior.scaleUp` allows now.
    pub scale_up_limit: u32,
    /// The fewest shards that `behavior.scaleDown` allows now.
    pub scale_down_limit: u32,
    /// What the stream as a whole shows, for the report.
    pub summary: DemandSummary,
}

/// What one open shard needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardDemand {
    /// The shard.
    pub id: ShardId,
    /// Its hash keys.
    pub range: HashKeyRange,
    /// How its loads are known.
    pub evidence: Evidence,
    /// Whether its writes are being rejected, which lifts every bound on splits but `maxShards`.
    pub rejecting: bool,
    /// Its load, spread over indivisible segments in ascending order that together are `range`;
    /// at least one. A cut falls between two segments, never inside one. One segment alone means
    /// that the shard cannot be split.
    pub segments: Vec<Segment>,
    /// How the spread over the segments is known: [`Evidence::Measured`] where past shards covered
    /// the parts (or the owner vouches for an even spread), else [`Evidence::Estimated`]. A part
    /// of a shard may be merged with a neighbour in one plan only where the spread is measured.
    pub density: Evidence,
    /// Why it must not be split now, if so.
    pub split_guard: Option<Hold>,
    /// Why it must not be merged now, if so.
    pub merge_guard: Option<Hold>,
}

impl ShardDemand {
    /// The load that decides splits: demand over the window.
    pub fn loads(&self) -> Loads {
        self.segments.iter().map(|segment| segment.loads).sum()
    }

    /// The load that decides merges: the highest within the stabilisation window, at least
    /// [`ShardDemand::loads`].
    pub fn peak_loads(&self) -> Loads {
        self.segments.iter().map(|segment| segment.peak_loads).sum()
    }
}

/// A part of a shard's range that is not cut any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The hash keys.
    pub range: HashKeyRange,
    /// Its part of the load that decides splits.
    pub loads: Loads,
    /// Its part of the load that decides merges; in every dimension at least `loads`.
    pub peak_loads: Loads,
}

/// What the stream as a whole shows: for people, no decision reads it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DemandSummary {
    /// The settled minutes that the loads are means over: first, and first after.
    pub window: Option<(Minute, Minute)>,
    /// The mean load over all shards in each dimension, in millionths of one shard's ceiling.
    pub mean: Vec<(Dimension, Load)>,
    /// GetRecords calls in millionths of the ceiling, where known.
    pub read_calls: Option<(Load, ReadCallsSource)>,
    /// Polling consumers in thousandths, and whether they were declared (else derived).
    pub pollers_thousandths: Option<u64>,
    /// Whether the pollers are the declared consumers.
    pub pollers_declared: bool,
    /// The largest consumer lag in milliseconds, where known.
    pub lag_millis: Option<u64>,
    /// Rejected records in millionths of the offered ones, over the window.
    pub rejected_millionths: u64,
    /// Bytes a second written to the stream, over the window.
    pub ingest_bytes_per_second: u64,
    /// Records a second written to the stream, over the window.
    pub ingest_records_per_second: u64,
}
