//! What a stretch of time has cost, from shard-seconds; bills are by the month.

use super::{MetricReads, Money, PUT_PAYLOAD_UNIT, Prices, SECONDS_PER_MONTH, units_of_record};
use crate::policy::ScalingPolicy;

const SECONDS_PER_HOUR: u128 = 3_600;

/// Shards over time.
pub fn of_shard_seconds(shard_seconds: u64, prices: &Prices) -> Money {
    prices.shard_hour.times(u128::from(shard_seconds), SECONDS_PER_HOUR)
}

/// So many records of this size, written to a provisioned stream.
pub fn of_put_payload_units(records: u64, record_bytes: u32, prices: &Prices) -> Money {
    let units = u128::from(records) * units_of_record(u128::from(record_bytes), PUT_PAYLOAD_UNIT);
    prices.million_put_payload_units.times(units, 1_000_000)
}

/// Shard-level metrics over time, so many of each shard.
pub fn of_shard_metrics(metrics: u64, shard_seconds: u64, prices: &Prices) -> Money {
    prices.metric_month.times(u128::from(metrics) * u128::from(shard_seconds), SECONDS_PER_MONTH)
}

/// So many metrics read by GetMetricData.
pub fn of_metric_reads(reads: u64, prices: &Prices) -> Money {
    prices.thousand_metrics_read.times(u128::from(reads), 1_000)
}

/// What a policy's monitoring costs at the most: the shard-level metrics it needs, and all metrics
/// read at every interval.
pub fn of_monitoring(
    policy: &ScalingPolicy,
    shard_seconds: u64,
    elapsed_seconds: u64,
    prices: &Prices,
) -> Money {
    let reads = MetricReads::of(policy);
    let metric_seconds = u128::from(reads.queries_per_shard) * u128::from(shard_seconds);
    let stream_query_seconds = u128::from(reads.stream_queries) * u128::from(elapsed_seconds);
    let forecast_query_seconds = u128::from(reads.forecast_queries) * u128::from(elapsed_seconds);
    of_shard_metrics(reads.queries_per_shard, shard_seconds, prices)
        + prices
            .thousand_metrics_read
            .times(metric_seconds + stream_query_seconds, 1_000 * u128::from(reads.interval_seconds))
        + prices
            .thousand_metrics_read
            .times(forecast_query_seconds, 1_000 * u128::from(reads.forecast_seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::UpdateShardCount;

    #[test]
    fn a_record_costs_a_put_payload_unit_for_each_25_kb_that_it_begins() {
        let of = |records, bytes| of_put_payload_units(records, bytes, &Prices::default()).nano_dollars();
        // A shard's 500 records of 2,000 bytes a second, for an hour: 1.8 million units at $0.014 a million.
        assert_eq!(of(500 * 3_600, 2_000), 25_200_000);
        assert_eq!([of(1, 25_600), of(1, 25_601), of(0, 25_601)], [14, 28, 0]);
    }

    #[test]
    fn ten_shards_for_an_hour_cost_ten_shard_hours_and_their_metrics() {
        let prices = Prices::default();
        let policy = ScalingPolicy::of_round_numbers("orders", 20);
        assert_eq!(of_shard_seconds(10 * 3_600, &prices).to_string(), "$0.15");
        // 30 metrics for 1/730 of a month at $0.30; 30 shard and 10 stream metrics in 60 passes.
        let metrics = 30 * 300_000_000 / 730;
        let reads = (30 + 10) * 60 * 10_000_000 / 1_000;
        let cost = of_monitoring(&policy, 10 * 3_600, 3_600, &prices).nano_dollars();
        assert!(cost.abs_diff(metrics + reads) <= 1, "{cost}");
        // And three metrics in four passes, for a forecast.
        let looks_ahead = ScalingPolicy { update_shard_count: UpdateShardCount::Auto, ..policy };
        let more = of_monitoring(&looks_ahead, 10 * 3_600, 3_600, &prices).nano_dollars() - cost;
        assert_eq!(more, 4 * 3 * 10_000_000 / 1_000);
    }
}
