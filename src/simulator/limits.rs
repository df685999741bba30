//! Quotas and rates of the account, the stream and the shard.

/// Every limit can be set; those that are an `Option` are off when `None`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open shards of the account's provisioned streams.
    pub shards: u32,
    /// On-demand streams of the account.
    pub on_demand_streams: u32,
    /// Streams CREATING at once.
    pub creating_streams: usize,
    /// UpdateShardCount calls per stream and rolling 24 h.
    pub update_shard_count_per_day: Option<u32>,
    /// Changes of mode per stream and rolling 24 h.
    pub mode_switches_per_day: Option<u32>,
    /// Whether the control plane's calls per second are limited (reference: quotas and limits).
    pub control_plane_rates: bool,
    /// Whether a shard refuses writes above its rate.
    pub write_rates: bool,
    /// Whether a shard refuses reads above its rates.
    pub read_rates: bool,
    /// Bytes a shard takes a second: 1 MiB.
    pub shard_write_bytes_per_second: u64,
    /// Records a shard takes a second.
    pub shard_write_records_per_second: u64,
    /// Bytes polling consumers share a second and shard: 2 MiB.
    pub shard_read_bytes_per_second: u64,
    /// GetRecords calls polling consumers share a second and shard.
    pub shard_read_calls_per_second: u64,
    /// The largest record, data and partition key together: 1 MiB.
    pub record_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            shards: 20_000,
            on_demand_streams: 50,
            creating_streams: 5,
            update_shard_count_per_day: Some(10),
            mode_switches_per_day: Some(2),
            control_plane_rates: true,
            write_rates: true,
            read_rates: true,
            shard_write_bytes_per_second: 1 << 20,
            shard_write_records_per_second: 1_000,
            shard_read_bytes_per_second: 2 << 20,
            shard_read_calls_per_second: 5,
            record_bytes: 1 << 20,
        }
    }
}
