//! Cost against the figures of AWS's own examples and of our reference table (200 shards,
//! us-east-1, 730 hours).

use std::time::Duration;

use super::*;
use crate::policy::EnhancedMonitoring;

fn dollars(money: Money) -> String {
    money.to_string()
}

fn reads(stream_queries: u64, queries_per_shard: u64) -> MetricReads {
    MetricReads {
        stream_queries,
        watched_queries: stream_queries,
        forecast_queries: 0,
        queries_per_shard,
        interval_seconds: 60,
    }
}

#[test]
fn two_hundred_shards_cost_what_the_reference_table_says() {
    let prices = Prices::default();
    assert_eq!(dollars(shards_monthly(200, &prices)), "$2,190.00");
    assert_eq!(dollars(shard_metrics_monthly(7, 200, &prices)), "$420.00");
    assert_eq!(dollars(shard_metrics_monthly(3, 200, &prices)), "$180.00");
    assert_eq!(dollars(reads(0, 1).monthly(200, 60, &prices)), "$87.60");
    assert_eq!(dollars(reads(0, 4).monthly(200, 60, &prices)), "$350.40");
    assert_eq!(dollars(reads(0, 4).monthly(200, 300, &prices)), "$70.08");
    assert_eq!(dollars(reads(6, 0).monthly(200, 300, &prices)), "$2.63");
}

#[test]
fn shard_metrics_are_never_read_more_often_than_there_are_passes() {
    let prices = Prices::default();
    let slow = MetricReads { interval_seconds: 900, ..reads(0, 3) };
    assert_eq!(slow.monthly(10, 300, &prices), slow.monthly(10, 900, &prices));
}

#[test]
fn of_a_calm_stream_a_few_metrics_are_read_at_each_interval_and_the_others_with_the_shards() {
    let prices = Prices::default();
    let rarely = MetricReads { watched_queries: 0, ..reads(10, 0) };
    let calm = MetricReads { watched_queries: 4, ..reads(10, 0) };
    assert_eq!(calm.monthly(1, 60, &prices), reads(10, 0).monthly(1, 60, &prices));
    // 4 in each minute and 6 in each fifth, at $0.01 a thousand.
    assert_eq!(dollars(calm.monthly(1, 300, &prices)), "$2.28");
    assert_eq!(dollars(rarely.monthly(1, 300, &prices)), "$0.88");
}

#[test]
fn each_record_is_rounded_up_to_the_unit_that_its_mode_bills() {
    let traffic =
        |bytes_per_second| Traffic { bytes_per_second, records_per_second: 100, read_bytes_per_second: 0 };
    // 25 KB is one PUT payload unit, a byte more is two (AWS's pricing page).
    assert_eq!(traffic(100 * 25_600).units_per_second(PUT_PAYLOAD_UNIT), 100);
    assert_eq!(traffic(100 * 25_600 + 1).units_per_second(PUT_PAYLOAD_UNIT), 200);
    // "if your data records are 4.5 KB each, Kinesis Data Streams will count each record as 5 KB"
    assert_eq!(traffic(100 * 4_608).billed_bytes_per_second(1_024), 100 * 5 * 1_024);
    assert_eq!(traffic(100 * 4_608).billed_bytes_per_second(1), 100 * 4_608, "no rounding");
    assert_eq!(Traffic::default().billed_bytes_per_second(1_024), 0);
}

#[test]
fn on_demand_and_advantage_round_records_each_by_its_own_rule() {
    let traffic =
        Traffic { bytes_per_second: 50_000_000, records_per_second: 100_000, read_bytes_per_second: 0 };
    let bills = |prices: &Prices| {
        [on_demand(0, traffic, None, prices), on_demand_advantage(traffic, prices).bill]
            .map(|bill| bill.total)
    };
    let listed = Prices::default();
    let [standard, advantage] = bills(&listed);
    let by_the_byte = Prices { on_demand_advantage_record_bytes: 1, ..listed.clone() };
    // Records of 500 bytes are billed as 1,024.
    assert!(bills(&by_the_byte)[1] < advantage);
    assert_eq!(bills(&by_the_byte)[0], standard, "the other mode's rule is its own");
    let coarse = Prices { on_demand_record_bytes: 5 * 1_024, ..listed };
    assert!(bills(&coarse)[0] > standard);
    assert_eq!(bills(&coarse)[1], advantage);
}

#[test]
fn a_thousand_small_records_a_second_cost_what_others_computed() {
    // 1,000 PUT payload units a second × 2,628,000 s × $0.014 a million.
    let traffic = Traffic { bytes_per_second: 500_000, records_per_second: 1_000, read_bytes_per_second: 0 };
    let snapshot = fixtures::even(1, 100_000).snapshot;
    let bill = provisioned(1, &snapshot.summary, 0, Some(traffic), reads(0, 0), &Prices::default());
    assert_eq!(dollars(bill.of(CostItem::PutPayloadUnits)), "$36.79");
    // On-demand bills each 500-byte record as 1 KB: 1,024,000 B/s × 2,628,000 s / 2^30 × $0.08.
    let on_demand = on_demand(0, traffic, None, &Prices::default());
    assert_eq!(dollars(on_demand.of(CostItem::OnDemandTraffic)), "$200.50");
    assert_eq!(dollars(on_demand.of(CostItem::OnDemandStream)), "$29.20");
}

#[test]
fn advantage_bills_at_least_its_minimum() {
    let prices = Prices::default();
    let idle = on_demand_advantage(Traffic::default(), &prices).bill.total;
    // 25 MB/s × 2,628,000 s / 2^30 × ($0.032 + $0.016).
    assert_eq!(dollars(idle), "$2,937.02");
    let traffic =
        Traffic { bytes_per_second: 50_000_000, records_per_second: 1_000, read_bytes_per_second: 0 };
    assert!(on_demand_advantage(traffic, &prices).bill.total > idle);
}

#[test]
fn a_split_costs_a_shard_and_its_metrics_more() {
    let sample = fixtures::one_hot_shard();
    let cost = of_plan(&sample.snapshot, &sample.policy, &sample.plan, None, &Prices::default());
    assert_eq!((cost.before.shards, cost.after.shards), (4, 5));
    let metrics = sample.snapshot.summary.enhanced_metrics.len() as u64;
    for (item, change) in [
        (CostItem::Shards, shards_monthly(1, &cost.prices)),
        (CostItem::ShardMetrics, shard_metrics_monthly(metrics, 1, &cost.prices)),
    ] {
        assert_eq!(cost.before.of(item) + change, cost.after.of(item), "{item}");
    }
    assert_eq!(cost.before.total, cost.before.items.iter().map(|line| line.monthly).sum());
    assert!(cost.alternatives.is_empty(), "no alternative can be priced without traffic");
    assert!(cost.assumptions.iter().any(|said| said.contains("traffic is not known")));
}

#[test]
fn turning_shard_metrics_on_shows_in_the_bill_after() {
    let mut sample = fixtures::one_hot_shard();
    sample.snapshot.summary.enhanced_metrics.clear();
    sample.policy.metrics.enhanced_monitoring = EnhancedMonitoring::Manage;
    sample.plan.identity.steps = vec![Step::EnableShardMetrics { metrics: ShardMetric::INGEST.to_vec() }];
    sample.plan.after = sample.plan.before.clone();
    let cost = of_plan(&sample.snapshot, &sample.policy, &sample.plan, None, &Prices::default());
    assert_eq!(cost.before.of(CostItem::ShardMetrics), Money::ZERO);
    assert_eq!(dollars(cost.after.of(CostItem::ShardMetrics)), "$3.60");
}

#[test]
fn an_on_demand_stream_is_billed_as_one() {
    let mut sample = fixtures::one_hot_shard();
    sample.snapshot.summary.mode = StreamMode::OnDemand;
    let traffic =
        Traffic { bytes_per_second: 1_000_000, records_per_second: 1_000, read_bytes_per_second: 0 };
    let cost = of_plan(&sample.snapshot, &sample.policy, &sample.plan, Some(traffic), &Prices::default());
    assert_eq!(cost.before.of(CostItem::Shards), Money::ZERO);
    assert!(cost.before.of(CostItem::OnDemandTraffic) > Money::ZERO);
}

#[test]
fn retention_and_fan_out_grow_with_the_shards() {
    let mut summary = fixtures::even(1, 0).snapshot.summary;
    let bill = |summary: &StreamSummary, shards| {
        provisioned(shards, summary, 0, None, reads(0, 0), &Prices::default())
    };
    assert_eq!(bill(&summary, 10).total, shards_monthly(10, &Prices::default()));
    summary.retention_hours = 25;
    summary.consumer_count = 2;
    assert_eq!(dollars(bill(&summary, 10).of(CostItem::ExtendedRetention)), "$146.00");
    assert_eq!(dollars(bill(&summary, 10).of(CostItem::FanOut)), "$219.00");
}

#[test]
fn a_longer_interval_reads_less() {
    let mut policy = fixtures::one_hot_shard().policy;
    let at = |policy: &ScalingPolicy| MetricReads::of(policy).monthly(4, 300, &Prices::default());
    let each_minute = at(&policy);
    policy.interval = Duration::from_secs(120);
    assert!(at(&policy) < each_minute);
    policy.metrics.source = MetricsSource::Stream;
    assert_eq!(MetricReads::of(&policy).queries_per_shard, 0);
}

#[test]
fn foresight_reads_three_metrics_once_in_a_quarter_of_an_hour_and_says_so() {
    let mut case = fixtures::one_hot_shard();
    let mut read = |leave| {
        case.policy.update_shard_count = leave;
        let reads = MetricReads::of(&case.policy);
        let cost = of_plan(&case.snapshot, &case.policy, &case.plan, None, &Prices::default());
        let said =
            cost.assumptions.iter().any(|said| said == "foresight reads 3 metrics of the stream every 900 s");
        (reads.monthly(4, 300, &Prices::default()).nano_dollars(), said)
    };
    let never = read(UpdateShardCount::Never);
    assert_eq!(read(UpdateShardCount::Emergency), never);
    assert!(!never.1);
    // Four times in each of 730 hours, at $0.01 a thousand.
    assert_eq!(read(UpdateShardCount::Auto), (never.0 + 3 * 4 * 730 * 10_000, true));
}
