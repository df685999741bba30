//! Quotas and rates of the account, the stream and the shard, and the token buckets that hold them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::fault::Operation;

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
    /// Whether the control plane's calls per second are limited, each as [`Operation::rate`] says.
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

/// What shares one bucket of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All calls of the account.
    Account,
    /// All calls that concern a stream.
    Stream,
}

impl Operation {
    /// Calls a second, and who shares them. `None`: not limited, or limited per shard.
    ///
    /// From the API reference's text of each operation and the quota page.
    pub const fn rate(self) -> Option<(u64, Scope)> {
        use Operation::*;
        Some(match self {
            CreateStream | DeleteStream | ListStreams | SplitShard | MergeShards => (5, Scope::Account),
            AddTagsToStream | RemoveTagsFromStream | ListTagsForStream => (5, Scope::Account),
            DescribeStreamSummary => (20, Scope::Account),
            DescribeStream | UpdateShardCount => (10, Scope::Account),
            DescribeLimits => (1, Scope::Account),
            ListShards => (1_000, Scope::Stream),
            EnableEnhancedMonitoring | DisableEnhancedMonitoring | UpdateStreamMode => (5, Scope::Stream),
            IncreaseStreamRetentionPeriod | DecreaseStreamRetentionPeriod => (5, Scope::Stream),
            RegisterStreamConsumer | DeregisterStreamConsumer | ListStreamConsumers => (5, Scope::Stream),
            GetMetricData => (50, Scope::Account),
            ListMetrics => (25, Scope::Account),
            PutMetricData => (500, Scope::Account),
            PutRecord | PutRecords | GetShardIterator | GetRecords => return None,
        })
    }
}

/// The buckets of the control plane's calls.
#[derive(Debug, Default)]
pub(super) struct CallRates(BTreeMap<(Operation, String), Bucket>);

impl CallRates {
    /// Takes one call, if the rate allows it.
    pub fn take(&mut self, operation: Operation, stream: &str, now: Timestamp) -> bool {
        let Some((rate, scope)) = operation.rate() else { return true };
        let shared_by = if scope == Scope::Stream { stream } else { "" };
        self.0.entry((operation, shared_by.to_owned())).or_insert_with(|| Bucket::new(rate, now)).take(now, 1)
    }
}

/// A token bucket that holds one second's worth, in whole thousandths of a token, so that it
/// refuses exactly at its edge.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    per_second: u64,
    thousandths: i64,
    at_millisecond: i64,
}

impl Bucket {
    /// A full one.
    pub fn new(per_second: u64, now: Timestamp) -> Self {
        Bucket { per_second, thousandths: thousandths(per_second), at_millisecond: now.as_millisecond() }
    }

    fn refill(&mut self, now: Timestamp) {
        let millisecond = now.as_millisecond();
        let elapsed = (millisecond - self.at_millisecond).max(0);
        let full = thousandths(self.per_second);
        let gained = elapsed.saturating_mul(self.per_second as i64);
        self.thousandths = self.thousandths.saturating_add(gained).min(full);
        self.at_millisecond = millisecond;
    }

    /// How many whole tokens there are.
    pub fn available(&mut self, now: Timestamp) -> u64 {
        self.refill(now);
        (self.thousandths.max(0) / 1_000) as u64
    }

    /// Takes `tokens`, or nothing and says no if there are fewer.
    pub fn take(&mut self, now: Timestamp, tokens: u64) -> bool {
        let enough = self.available(now) >= tokens;
        if enough {
            self.spend(tokens);
        }
        enough
    }

    /// Takes `tokens` even if there are fewer: a reply of 10 MB blocks a shard for 5 s.
    pub fn spend(&mut self, tokens: u64) {
        self.thousandths = self.thousandths.saturating_sub(thousandths(tokens));
    }
}

fn thousandths(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX).saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).expect("a timestamp")
    }

    #[test]
    fn a_bucket_refuses_exactly_at_its_edge() {
        let mut bucket = Bucket::new(5, at(0));
        assert!((0..5).all(|_| bucket.take(at(0), 1)));
        assert!(!bucket.take(at(0), 1));
        assert!(!bucket.take(at(199), 1), "a fifth of a second has not passed");
        assert!(bucket.take(at(200), 1));
        assert!(!bucket.take(at(200), 1));
        assert_eq!(bucket.available(at(60_000)), 5, "it holds one second's worth");
    }

    #[test]
    fn a_debt_blocks_until_it_is_paid() {
        let mut bucket = Bucket::new(2_000_000, at(0));
        bucket.spend(10_000_000);
        assert_eq!(bucket.available(at(4_000)), 0);
        assert_eq!(bucket.available(at(4_001)), 2_000);
    }

    #[test]
    fn an_account_s_rate_is_shared_and_a_stream_s_is_not() {
        let mut rates = CallRates::default();
        assert!((0..5).all(|i| rates.take(Operation::SplitShard, &format!("s{i}"), at(0))));
        assert!(!rates.take(Operation::SplitShard, "another", at(0)));
        assert!((0..5).all(|_| rates.take(Operation::EnableEnhancedMonitoring, "a", at(0))));
        assert!(!rates.take(Operation::EnableEnhancedMonitoring, "a", at(0)));
        assert!(rates.take(Operation::EnableEnhancedMonitoring, "b", at(0)));
    }
}
