//! One AWS account and region's Kinesis and CloudWatch, modelled in virtual time: synchronous,
//! deterministic by its seed, without a wall clock, I/O or global randomness.
//!
//! # Use
//!
//! ```
//! use reshard::simulator::api::{CreateStream, ListShards, SplitShard, StreamRef};
//! use reshard::simulator::workload::{Curve, KeySkew, Workload};
//! use reshard::simulator::{Cloud, Config};
//!
//! let mut cloud = Cloud::new(Config::default());
//! let orders = StreamRef::name("orders");
//! cloud.create_stream(CreateStream {
//!     stream_name: "orders".into(),
//!     shard_count: Some(2),
//!     ..CreateStream::default()
//! })?;
//! cloud.advance_seconds(60); // CREATING → ACTIVE
//! cloud.set_workload("orders", Workload::new(Curve::constant(1_500_000)).keys(KeySkew::zipf(10_000, 1.1)))?;
//! cloud.advance_seconds(600);
//! let listing = cloud.list_shards(ListShards { stream: orders.clone(), ..ListShards::default() })?;
//! assert_eq!(listing.shards.len(), 2);
//! cloud.split_shard(SplitShard {
//!     stream: orders,
//!     shard_to_split: "shardId-000000000000".into(),
//!     new_starting_hash_key: "85070591730234615865843651857942052864".into(),
//! })?; // UPDATING; the parent takes writes until the children open, 30 s later
//! # Ok::<(), reshard::simulator::ApiError>(())
//! ```
//!
//! - Every AWS operation is a method of [`Cloud`] that takes the request and returns the reply or an
//!   [`ApiError`] with AWS's code and text; the types are in [`api`]. A call happens at [`Cloud::now`]
//!   and takes no time.
//! - Time passes only in [`Cloud::advance_to`] and its like. Whoever serves the model in real time
//!   advances it before each call.
//! - Traffic and consumers are fluid, in ticks of one second: see [`workload`]. Records that clients put
//!   are stored one by one and share the shards' throttles with the fluid.
//! - What goes wrong on purpose is said in [`fault`]. [`ApiErrorCode::ReplyLost`] means that no reply
//!   reaches the caller: drop the connection.
//! - [`control_plane::SimulatedControlPlane`] puts the product's own trait on top.

pub mod api;
mod clock;
mod consumers;
pub mod control_plane;
pub(crate) mod dice;
mod error;
pub mod fault;
pub mod limits;
mod listing;
mod metrics;
mod records;
mod reshard;
mod settings;
mod stream;
mod streams;
mod token;
mod traffic;
pub mod truth;
mod validate;
pub mod workload;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use error::{ApiError, ApiErrorCode};
pub use limits::Limits;

/// What a modelled account starts with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Twelve digits.
    pub account_id: String,
    /// Such as `us-east-1`.
    pub region: String,
    /// The same seed, requests and times give the same replies.
    pub seed: u64,
    /// The clock's first reading.
    pub start: Timestamp,
    /// How long changes take.
    pub timings: Timings,
    /// Quotas and rates.
    pub limits: Limits,
    /// When metrics can be read, and for how long.
    pub metrics: MetricTimings,
    /// Bytes of stored records per stream, beyond which the oldest are dropped before their time.
    pub record_memory_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            account_id: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            seed: 1,
            start: Timestamp::from_second(1_767_225_600).expect("2026-01-01T00:00:00Z is a timestamp"),
            timings: Timings::default(),
            limits: Limits::default(),
            metrics: MetricTimings::default(),
            record_memory_bytes: 64 << 20,
        }
    }
}

/// How long each change of a stream takes. AWS states none of them: measure and set.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// CREATING, default 10 s.
    pub create: SignedDuration,
    /// DELETING, default 10 s.
    pub delete: SignedDuration,
    /// UPDATING for a split, default 30 s.
    pub split: SignedDuration,
    /// UPDATING for a merge, default 30 s.
    pub merge: SignedDuration,
    /// UPDATING for an UpdateShardCount, default 180 s.
    pub update_shard_count: SignedDuration,
    /// UPDATING for a change of mode, retention or monitoring, default 5 s.
    pub other_update: SignedDuration,
}

impl Default for Timings {
    fn default() -> Self {
        let seconds = SignedDuration::from_secs;
        Timings {
            create: seconds(10),
            delete: seconds(10),
            split: seconds(30),
            merge: seconds(30),
            update_shard_count: seconds(180),
            other_update: seconds(5),
        }
    }
}

/// When a minute's metrics can be read.
#[derive(Debug, Clone, Copy)]
pub struct MetricTimings {
    /// From the end of a minute until its value is whole, default 120 s.
    pub delay: SignedDuration,
    /// From the end of a minute until a part of its value shows, default 60 s; `None`: never a part.
    pub partial_after: Option<SignedDuration>,
    /// For how long minutes are kept, default 24 h (AWS: 15 days). What streams as a whole took and rejected is
    /// kept as long as AWS keeps it.
    pub retention: SignedDuration,
}

impl Default for MetricTimings {
    fn default() -> Self {
        MetricTimings {
            delay: SignedDuration::from_secs(120),
            partial_after: Some(SignedDuration::from_secs(60)),
            retention: SignedDuration::from_hours(24),
        }
    }
}

/// The modelled account and region.
#[derive(Debug)]
pub struct Cloud {
    config: Config,
    now: Timestamp,
    streams: BTreeMap<String, stream::Stream>,
    metrics: metrics::MetricStore,
    faults: fault::Faults,
    call_rates: limits::CallRates,
}

impl Cloud {
    /// An empty account.
    pub fn new(config: Config) -> Self {
        Cloud {
            now: config.start,
            config,
            streams: BTreeMap::new(),
            metrics: Default::default(),
            faults: Default::default(),
            call_rates: Default::default(),
        }
    }

    /// The virtual time: AWS's clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

#[cfg(test)]
mod tests;
