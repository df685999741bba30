//! Rate limits of an account and region, shared by everything in the process that calls AWS in
//! their name: AWS counts per account, and others have to live on what is left.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::quota;

/// The buckets of one account and region.
#[derive(Debug)]
pub(super) struct RateLimits {
    /// `SplitShard` and `MergeShards` together.
    pub(super) reshard: TokenBucket,
    /// `DescribeStreamSummary`.
    pub(super) describe_stream_summary: TokenBucket,
    /// `DescribeLimits`.
    pub(super) describe_limits: TokenBucket,
    /// `GetMetricData`.
    pub(super) get_metric_data: TokenBucket,
    /// `EnableEnhancedMonitoring`. AWS counts per stream; one bucket for all is the stricter.
    pub(super) enhanced_monitoring: TokenBucket,
}

impl RateLimits {
    fn new(describe_calls_per_second: u32) -> Self {
        RateLimits {
            reshard: TokenBucket::per_second(quota::RESHARD_CALLS_PER_SECOND),
            describe_stream_summary: TokenBucket::per_second(describe_calls_per_second),
            describe_limits: TokenBucket::per_second(quota::DESCRIBE_LIMITS_CALLS_PER_SECOND),
            get_metric_data: TokenBucket::per_second(quota::GET_METRIC_DATA_CALLS_PER_SECOND),
            enhanced_monitoring: TokenBucket::per_second(quota::ENHANCED_MONITORING_CALLS_PER_SECOND),
        }
    }

    /// The buckets that everything in this process shares that calls in the name of `scope` (an
    /// account, a region and an endpoint). The first caller's `describe_calls_per_second` counts.
    pub(super) fn shared(scope: &str, describe_calls_per_second: u32) -> Arc<RateLimits> {
        static SCOPES: LazyLock<Mutex<HashMap<String, Arc<RateLimits>>>> = LazyLock::new(Mutex::default);
        let mut scopes = SCOPES.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = scopes
            .entry(scope.to_owned())
            .or_insert_with(|| Arc::new(RateLimits::new(describe_calls_per_second)));
        Arc::clone(limits)
    }
}

/// A bucket that holds one token: calls are spaced evenly, so that no second, wherever it begins,
/// sees more of them than the rate.
#[derive(Debug)]
pub(super) struct TokenBucket {
    spacing: Duration,
    next: Mutex<Option<Instant>>,
}

impl TokenBucket {
    /// At most `calls` a second; 0 counts as 1.
    pub(super) fn per_second(calls: u32) -> Self {
        TokenBucket { spacing: Duration::from_secs(1) / calls.max(1), next: Mutex::new(None) }
    }

    /// Waits for a turn. Turns are given in the order of the calls; one whose future is dropped is
    /// lost.
    pub(super) async fn take(&self) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.spacing);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }

    /// When the next turn is, if one was ever given.
    #[cfg(test)]
    pub(super) fn next_turn(&self) -> Option<Instant> {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_calls_than_the_rate() {
        let bucket = Arc::new(TokenBucket::per_second(5));
        let start = Instant::now();
        let mut turns = Vec::new();
        for task in (0..12).map(|_| {
            let bucket = Arc::clone(&bucket);
            tokio::spawn(async move {
                bucket.take().await;
                Instant::now()
            })
        }) {
            turns.push(task.await.expect("the task ends").duration_since(start));
        }
        for (turn, later) in turns.iter().zip(&turns[5..]) {
            assert!(*later - *turn >= Duration::from_secs(1), "{turn:?} and {later:?}");
        }
        assert_eq!(turns[0], Duration::ZERO, "the first call does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn time_unused_is_not_saved_up() {
        let bucket = TokenBucket::per_second(1);
        bucket.take().await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        bucket.take().await;
        let second = Instant::now();
        bucket.take().await;
        assert_eq!(second.elapsed(), Duration::from_secs(1));
    }

    #[test]
    fn one_scope_has_one_set_of_buckets() {
        let first = RateLimits::shared("test/eu-west-1", 10);
        assert!(Arc::ptr_eq(&first, &RateLimits::shared("test/eu-west-1", 10)));
        assert!(!Arc::ptr_eq(&first, &RateLimits::shared("test/eu-west-2", 10)));
    }
}
