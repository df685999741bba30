//! Cost: what a stream costs a month with so many shards, monitoring included, before a plan and
//! after it, and what the alternatives would cost for the same traffic. Integers throughout;
//! every figure comes with the assumptions behind it, as text.

use std::fmt;

use serde::Serialize;

pub use self::money::{Money, grouped};
pub use self::prices::Prices;
pub use self::usage::{
    of_metric_reads, of_monitoring, of_put_payload_units, of_shard_metrics, of_shard_seconds,
};
use crate::plan::{Plan, Step};
use crate::policy::{MetricsSource, ScalingPolicy, UpdateShardCount};
use crate::snapshot::{QUARTER_MINUTES, ShardMetric, Snapshot, StreamMetric};
use crate::stream::{StreamMode, StreamSummary, region_of};

#[cfg(test)]
pub(crate) mod fixtures;
mod money;
mod prices;
mod usage;

/// Hours in a month, as AWS's calculator has them.
pub const HOURS_PER_MONTH: u32 = 730;

const SECONDS_PER_MONTH: u128 = HOURS_PER_MONTH as u128 * 3_600;
/// Bytes of a PUT payload unit: 25 KB, a KB being 1,024 bytes (pricing page).
const PUT_PAYLOAD_UNIT: u64 = 25 * 1_024;
/// Bytes of a GB as AWS bills it.
const GIGABYTE: u128 = 1 << 30;
/// Shard-level metrics are read at least that often while the stream is calm.
const CALM_SHARD_READ_SECONDS: u64 = 300;
/// What a forecast goes by is read when a quarter of an hour is over.
const FORECAST_READ_SECONDS: u64 = 60 * QUARTER_MINUTES as u64;

/// What flows through a stream, in bytes and records a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// Bytes written.
    pub bytes_per_second: u64,
    /// Records written.
    pub records_per_second: u64,
    /// Bytes read by polling consumers.
    pub read_bytes_per_second: u64,
}

impl Traffic {
    /// Bytes in the mean record, rounded up; 0 without traffic.
    fn mean_record_bytes(self) -> u128 {
        let (bytes, records) = (u128::from(self.bytes_per_second), u128::from(self.records_per_second));
        if bytes == 0 { 0 } else { bytes.div_ceil(records.max(1)) }
    }

    /// Units of `size` bytes begun by all records of a second, each record as large as the mean.
    fn units_per_second(self, size: u64) -> u128 {
        u128::from(self.records_per_second) * units_of_record(self.mean_record_bytes(), size)
    }

    /// Bytes a second that are billed where each record is rounded up to a multiple of `size`.
    fn billed_bytes_per_second(self, size: u64) -> u128 {
        self.units_per_second(size) * u128::from(size.max(1))
    }
}

/// Units of `size` bytes that a record begins: one at the least.
fn units_of_record(bytes: u128, size: u64) -> u128 {
    bytes.div_ceil(u128::from(size.max(1))).max(1)
}

/// Something that is charged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CostItem {
    /// Shard-hours.
    Shards,
    /// Retention beyond 24 hours.
    ExtendedRetention,
    /// Enhanced fan-out consumers.
    FanOut,
    /// PUT payload units.
    PutPayloadUnits,
    /// Hours of an on-demand stream.
    OnDemandStream,
    /// Gigabytes into and out of an on-demand stream.
    OnDemandTraffic,
    /// Shard-level metrics (enhanced monitoring).
    ShardMetrics,
    /// What reshard itself reads by GetMetricData.
    MetricReads,
}

impl fmt::Display for CostItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            CostItem::Shards => "shards",
            CostItem::ExtendedRetention => "extended retention",
            CostItem::FanOut => "enhanced fan-out",
            CostItem::PutPayloadUnits => "PUT payload units",
            CostItem::OnDemandStream => "on-demand stream",
            CostItem::OnDemandTraffic => "on-demand traffic",
            CostItem::ShardMetrics => "shard-level metrics",
            CostItem::MetricReads => "reading metrics",
        })
    }
}

/// A month's bill: what is charged for, and how much.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// The shards that it is for.
    pub shards: u32,
    /// The items that cost anything.
    pub items: Vec<BillLine>,
    /// Their sum.
    pub total: Money,
}

/// One line of a [`Bill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BillLine {
    /// What for.
    pub item: CostItem,
    /// How much a month.
    pub monthly: Money,
}

impl Bill {
    fn new(shards: u32, lines: impl IntoIterator<Item = (CostItem, Money)>) -> Bill {
        let items: Vec<_> = lines
            .into_iter()
            .filter(|(_, monthly)| *monthly > Money::ZERO)
            .map(|(item, monthly)| BillLine { item, monthly })
            .collect();
        let total = items.iter().map(|line| line.monthly).sum();
        Bill { shards, items, total }
    }

    /// What `item` costs; nothing where it is not on the bill.
    pub fn of(&self, item: CostItem) -> Money {
        self.items.iter().filter(|line| line.item == item).map(|line| line.monthly).sum()
    }
}

/// What a plan changes in a month's bill, and what else could be done with the same traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanCost {
    /// The bill as the stream is.
    pub before: Bill,
    /// The bill after the last step.
    pub after: Bill,
    /// Up to how much reading metrics costs after the plan while the stream rejects, or comes to where the next
    /// decision is another at every interval: shard metrics are then read at each. Not in the bills.
    pub metric_reads_near_target: Money,
    /// The same traffic in other modes; empty where the traffic is not known.
    pub alternatives: Vec<Alternative>,
    /// The prices.
    pub prices: Prices,
    /// What the figures take for granted.
    pub assumptions: Vec<String>,
}

/// Another way to carry the same traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alternative {
    /// "on-demand" or "On-demand Advantage".
    pub name: &'static str,
    /// What it would cost.
    pub bill: Bill,
    /// What the figure hangs on, where it is more than the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How many metrics reshard reads for one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricReads {
    /// Stream-level metrics and consumers' lags, as often as those of the shards.
    pub stream_queries: u64,
    /// How many of them are read at each interval though the stream is calm.
    pub watched_queries: u64,
    /// Those of a forecast, each [`FORECAST_READ_SECONDS`], yet not more often than there are passes.
    pub forecast_queries: u64,
    /// Metrics of each shard, as often as [`MetricReads::monthly`] is told.
    pub queries_per_shard: u64,
    /// Seconds between two passes.
    pub interval_seconds: u64,
}

impl MetricReads {
    /// What a policy makes reshard read. Each query counts: whether CloudWatch bills several
    /// statistics of one metric once is not documented.
    pub fn of(policy: &ScalingPolicy) -> MetricReads {
        MetricReads {
            stream_queries: (StreamMetric::ALL.len() + policy.consumers.len()) as u64,
            watched_queries: StreamMetric::WATCHED.len() as u64,
            forecast_queries: match policy.update_shard_count {
                UpdateShardCount::Auto => StreamMetric::INGEST.len() as u64,
                UpdateShardCount::Never | UpdateShardCount::Emergency => 0,
            },
            queries_per_shard: match policy.metrics.source {
                MetricsSource::Shard => ShardMetric::INGEST.len() as u64,
                MetricsSource::Stream => 0,
            },
            interval_seconds: policy.interval.as_secs().max(1),
        }
    }

    /// What reading costs a month, with the shard-level metrics read every `shard_seconds`, yet
    /// not more often than there are passes.
    pub fn monthly(self, shards: u32, shard_seconds: u64, prices: &Prices) -> Money {
        let read = |queries: u64, seconds: u64| {
            prices
                .thousand_metrics_read
                .times(u128::from(queries) * SECONDS_PER_MONTH, 1_000 * u128::from(seconds))
        };
        let rarely = self.rare_queries() + self.queries_per_shard * u64::from(shards);
        read(self.watched_queries, self.interval_seconds)
            + read(rarely, shard_seconds.max(self.interval_seconds))
            + read(self.forecast_queries, self.forecast_seconds())
    }

    /// How often those of a forecast are read.
    fn forecast_seconds(self) -> u64 {
        FORECAST_READ_SECONDS.max(self.interval_seconds)
    }

    /// Those of the stream that are read no more often than those of the shards.
    fn rare_queries(self) -> u64 {
        self.stream_queries.saturating_sub(self.watched_queries)
    }
}

/// What a plan costs, beside the present and the alternatives. `traffic` is `None` where it is
/// not known.
pub fn of_plan(
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    plan: &Plan,
    traffic: Option<Traffic>,
    prices: &Prices,
) -> PlanCost {
    let summary = &snapshot.summary;
    let reads = MetricReads::of(policy);
    let shards_now = u32::try_from(summary.open_shard_count).unwrap_or(u32::MAX);
    let shards_then = match plan.after.len() {
        0 => shards_now,
        after => u32::try_from(after).unwrap_or(u32::MAX),
    };
    let metrics_now = summary.enhanced_metrics.len() as u64;
    let metrics_then = metrics_now + newly_enabled(plan);
    let bill = |shards, metrics| match (summary.mode, traffic) {
        (StreamMode::Provisioned, _) => provisioned(shards, summary, metrics, traffic, reads, prices),
        (StreamMode::OnDemand, traffic) => {
            on_demand(shards, traffic.unwrap_or_default(), Some((metrics, reads)), prices)
        }
    };
    let alternatives = match (summary.mode, traffic) {
        (_, None) => Vec::new(),
        (StreamMode::OnDemand, Some(traffic)) => vec![on_demand_advantage(traffic, prices)],
        (StreamMode::Provisioned, Some(traffic)) => vec![
            Alternative { name: "on-demand", bill: on_demand(0, traffic, None, prices), note: None },
            on_demand_advantage(traffic, prices),
        ],
    };
    PlanCost {
        before: bill(shards_now, metrics_now),
        after: bill(shards_then, metrics_then),
        metric_reads_near_target: reads.monthly(shards_then, reads.interval_seconds, prices),
        alternatives,
        assumptions: assumptions(summary, traffic, reads, prices),
        prices: prices.clone(),
    }
}

/// What `shards` provisioned shards cost a month by themselves.
pub fn shards_monthly(shards: u32, prices: &Prices) -> Money {
    prices.shard_hour.times(shard_hours_monthly(shards), 1)
}

/// What enhanced monitoring costs a month: `metrics` on each of `shards`.
pub fn shard_metrics_monthly(metrics: u64, shards: u32, prices: &Prices) -> Money {
    prices.metric_month.times(u128::from(metrics) * u128::from(shards), 1)
}

/// What the PUT payload units of `traffic` cost a month.
pub fn put_payload_units_monthly(traffic: Traffic, prices: &Prices) -> Money {
    prices
        .million_put_payload_units
        .times(traffic.units_per_second(PUT_PAYLOAD_UNIT) * SECONDS_PER_MONTH, 1_000_000)
}

/// What retention beyond 24 hours and up to 7 days costs a month.
pub fn extended_retention_monthly(shards: u32, prices: &Prices) -> Money {
    prices.extended_retention_shard_hour.times(shard_hours_monthly(shards), 1)
}

/// What `consumers` with enhanced fan-out cost a month, each of which reads all that is written.
pub fn fan_out_monthly(consumers: u32, shards: u32, bytes_per_second: u64, prices: &Prices) -> Money {
    let consumers = u128::from(consumers);
    prices.fan_out_consumer_shard_hour.times(shard_hours_monthly(shards) * consumers, 1)
        + gigabytes_monthly(prices.fan_out_gigabyte, consumers * u128::from(bytes_per_second))
}

fn shard_hours_monthly(shards: u32) -> u128 {
    u128::from(shards) * u128::from(HOURS_PER_MONTH)
}

fn newly_enabled(plan: &Plan) -> u64 {
    plan.steps()
        .iter()
        .map(|step| match step {
            Step::EnableShardMetrics { metrics } => metrics.len() as u64,
            Step::Split { .. } | Step::Merge { .. } | Step::UpdateShardCount { .. } => 0,
        })
        .sum()
}

fn gigabytes_monthly(price: Money, bytes_per_second: u128) -> Money {
    price.times(bytes_per_second.saturating_mul(SECONDS_PER_MONTH), GIGABYTE)
}

fn provisioned(
    shards: u32,
    summary: &StreamSummary,
    metrics: u64,
    traffic: Option<Traffic>,
    reads: MetricReads,
    prices: &Prices,
) -> Bill {
    let retained = if summary.retention_hours > 24 { shards } else { 0 };
    let known = traffic.unwrap_or_default();
    Bill::new(
        shards,
        [
            (CostItem::Shards, shards_monthly(shards, prices)),
            (CostItem::ExtendedRetention, extended_retention_monthly(retained, prices)),
            (
                CostItem::FanOut,
                fan_out_monthly(summary.consumer_count, shards, known.bytes_per_second, prices),
            ),
            (CostItem::PutPayloadUnits, put_payload_units_monthly(known, prices)),
            (CostItem::ShardMetrics, shard_metrics_monthly(metrics, shards, prices)),
            (CostItem::MetricReads, reads.monthly(shards, CALM_SHARD_READ_SECONDS, prices)),
        ],
    )
}

fn on_demand(shards: u32, traffic: Traffic, monitoring: Option<(u64, MetricReads)>, prices: &Prices) -> Bill {
    let (metrics, reads) = match monitoring {
        Some((metrics, reads)) => (
            shard_metrics_monthly(metrics, shards, prices),
            reads.monthly(shards, CALM_SHARD_READ_SECONDS, prices),
        ),
        None => (Money::ZERO, Money::ZERO),
    };
    Bill::new(
        shards,
        [
            (CostItem::OnDemandStream, prices.on_demand_stream_hour.times(u128::from(HOURS_PER_MONTH), 1)),
            (
                CostItem::OnDemandTraffic,
                gigabytes_monthly(
                    prices.on_demand_gigabyte_in,
                    traffic.billed_bytes_per_second(prices.on_demand_record_bytes),
                ) + gigabytes_monthly(
                    prices.on_demand_gigabyte_out,
                    u128::from(traffic.read_bytes_per_second),
                ),
            ),
            (CostItem::ShardMetrics, metrics),
            (CostItem::MetricReads, reads),
        ],
    )
}

fn on_demand_advantage(traffic: Traffic, prices: &Prices) -> Alternative {
    let least = u128::from(prices.on_demand_advantage_minimum_bytes_per_second);
    let bytes_in = traffic.billed_bytes_per_second(prices.on_demand_advantage_record_bytes);
    let bytes_out = u128::from(traffic.read_bytes_per_second);
    let monthly = gigabytes_monthly(prices.on_demand_advantage_gigabyte_in, bytes_in.max(least))
        + gigabytes_monthly(prices.on_demand_advantage_gigabyte_out, bytes_out.max(least));
    let note = (bytes_in < least || bytes_out < least)
        .then(|| format!("the account's minimum of {} MB/s, borne by this stream alone", least / 1_000_000));
    let bill = Bill::new(0, [(CostItem::OnDemandTraffic, monthly)]);
    Alternative { name: "On-demand Advantage", bill, note }
}

fn assumptions(
    summary: &StreamSummary,
    traffic: Option<Traffic>,
    reads: MetricReads,
    prices: &Prices,
) -> Vec<String> {
    let elsewhere = match region_of(&summary.arn) {
        Some(region) if !region.is_empty() && region != prices.region => format!(" in place of {region}'s"),
        _ => String::new(),
    };
    let mut said = vec![
        format!("{} list prices{elsewhere}, {}", prices.region, prices.as_of),
        format!("{HOURS_PER_MONTH} hours of the present traffic"),
    ];
    match traffic {
        Some(traffic) => said.push(format!(
            "every record is as large as the mean, {} bytes: PUT payload units count each {} bytes begun, on-demand each {}, On-demand Advantage each {}",
            traffic.mean_record_bytes(),
            grouped(PUT_PAYLOAD_UNIT),
            grouped(prices.on_demand_record_bytes),
            grouped(prices.on_demand_advantage_record_bytes)
        )),
        None => said.push("the traffic is not known: what is priced by traffic is left out".to_owned()),
    }
    let of_shards = match reads.queries_per_shard {
        0 => String::new(),
        queries => format!(" and {queries} of each shard"),
    };
    said.push(format!(
        "reshard reads {} metrics of the stream every {} s, {} more{of_shards} every {} s",
        reads.watched_queries,
        reads.interval_seconds,
        reads.rare_queries(),
        CALM_SHARD_READ_SECONDS.max(reads.interval_seconds)
    ));
    if reads.forecast_queries > 0 {
        let (queries, seconds) = (reads.forecast_queries, reads.forecast_seconds());
        said.push(format!("foresight reads {queries} metrics of the stream every {seconds} s"));
    }
    if summary.consumer_count > 0 {
        said.push("enhanced fan-out is left out of the on-demand figures".to_owned());
    }
    if summary.retention_hours > 168 {
        said.push("retention beyond 7 days is priced by the gigabyte and left out".to_owned());
    }
    said
}

#[cfg(test)]
mod tests;
