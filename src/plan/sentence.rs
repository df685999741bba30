//! Holds in sentences: what is not done now and why, with what would change that.

use std::fmt;

use super::Hold;
use crate::stream::ShardId;
use crate::units::duration;

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::Suspended => f.write_str("suspend is set: nothing is done"),
            Hold::StreamNotActive { status } => {
                write!(f, "the stream is {status}; a reshard can begin only while it is ACTIVE")
            }
            Hold::OnDemandStream => {
                f.write_str("the stream is on-demand: AWS keeps its shards and refuses splits and merges")
            }
            Hold::ListingDoesNotTile { error } => {
                write!(f, "the listed shards do not cover the hash-key space exactly: {error}")
            }
            Hold::ShardCountMismatch { listed, described } => write!(
                f,
                "ListShards shows {listed} open shards, DescribeStreamSummary counts {described}; one of them is out of date"
            ),
            Hold::ShardMetricsOff { metrics, managed: true } => write!(
                f,
                "shard-level metrics are off ({}), and decisions need them: they are to be turned on first",
                metrics.join(", ")
            ),
            Hold::ShardMetricsOff { metrics, managed: false } => write!(
                f,
                "shard-level metrics are off ({}); turn them on with `aws kinesis enable-enhanced-monitoring`, or set metrics.enhancedMonitoring to Manage",
                metrics.join(", ")
            ),
            Hold::MetricsStale { newest: Some(newest), max_age_seconds } => write!(
                f,
                "the newest metrics are from {newest}, older than metrics.maxAge ({max_age_seconds} s)"
            ),
            Hold::MetricsStale { newest: None, max_age_seconds } => {
                write!(f, "there are no metrics within metrics.maxAge ({max_age_seconds} s)")
            }
            Hold::MetricsIncomplete { what } => write!(f, "CloudWatch's answer is incomplete: {what}"),
            Hold::MetricsMissing { shards, minute } => write!(
                f,
                "{} no data in the minute of {minute}, and the others do not sum to the stream's total",
                shards_have(shards)
            ),
            Hold::MetricsInconsistent { shards, stream, metric } => write!(
                f,
                "the shards' {metric} sum to {shards}, the stream's is {stream}: more than 1 % apart"
            ),
            Hold::SilentStream => f.write_str(
                "the stream reports no traffic at all; whether it is idle or its metrics are late cannot be told",
            ),
            Hold::MetricsSettling { shards } => {
                write!(f, "{} not been measured for a whole window yet", shards_have(shards))
            }
            Hold::LoadEstimated { shards } => write!(
                f,
                "merges wait: {} not been measured for three minutes yet",
                shards_have(shards)
            ),
            Hold::Stabilizing { window_seconds } => write!(
                f,
                "merges wait: the load was higher within the stabilization window ({window_seconds} s), and that has not faded yet"
            ),
            Hold::Rising { per_mille } => {
                write!(f, "merges wait: writes rise, by {} until a step can help", percent(*per_mille))
            }
            Hold::LoadForeseen { expected_per_mille, course } => {
                let percent = percent(*expected_per_mille);
                write!(f, "merges wait: within 15 min {percent} of the load of now is expected, by {course}")
            }
            Hold::RateLimited { scale_up: true, limit } => {
                write!(f, "behavior.scaleUp allows at most {limit} shards now")
            }
            Hold::RateLimited { scale_up: false, limit } => {
                write!(f, "behavior.scaleDown allows no fewer than {limit} shards now")
            }
            Hold::StepBudget { max_steps_per_plan, left_out } => write!(
                f,
                "budgets.maxStepsPerPlan is {max_steps_per_plan}; {left_out} more steps follow in later plans"
            ),
            Hold::MergeBudget { max_merges_per_day, merged } => write!(
                f,
                "budgets.maxMergesPerDay is {max_merges_per_day}, and {merged} merges were made in the last 24 hours"
            ),
            Hold::UpdateShardCountBudget { calls_a_day, made } => write!(
                f,
                "splits and merges have to do: the shards tell of {made} UpdateShardCount calls in the last 24 hours, and {calls_a_day} may be spent on this"
            ),
            Hold::UpdateShardCountRefused { message } => {
                write!(f, "splits and merges have to do: {message}")
            }
            Hold::ConsumerLagging { consumer, lag_millis, limit_millis } => write!(
                f,
                "merges wait: {} {} behind, more than lagGuard.maxIteratorAge ({})",
                consumer.as_ref().map_or("the slowest reader is".to_owned(), |name| format!("consumer {name} is")),
                duration(lag_millis / 1_000),
                duration(limit_millis / 1_000)
            ),
            Hold::ConsumerSilent { consumer } => {
                write!(f, "merges wait: consumer {consumer} reports no lag, and unknown is not zero")
            }
            Hold::ParentsDraining { shards, until_age_seconds } => write!(
                f,
                "{} younger than {until_age_seconds} s; readers may still be busy with their parents",
                shards_are(shards)
            ),
            Hold::AtMaxShards { max_shards, load, dimension } => write!(
                f,
                "more shards are needed than maxShards ({max_shards}) allows; {} stay at {load} of a shard",
                dimension.label()
            ),
            Hold::BelowMinShards { min_shards } => {
                write!(f, "minShards asks for {min_shards} shards, and no shard can be split any further")
            }
            Hold::Frozen { schedules, scale_up } => write!(
                f,
                "{} barred by {}",
                if *scale_up { "splits are" } else { "merges are" },
                if schedules.is_empty() { "a schedule".to_owned() } else { schedules.join(", ") }
            ),
        }
    }
}

/// Thousandths in percent.
fn percent(per_mille: u64) -> String {
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

fn list(shards: &[ShardId]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = shards.iter().take(SHOWN).map(ShardId::as_str).collect();
    match shards.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn shards_have(shards: &[ShardId]) -> String {
    format!("{} {}", list(shards), if shards.len() == 1 { "has" } else { "have" })
}

fn shards_are(shards: &[ShardId]) -> String {
    format!("{} {}", list(shards), if shards.len() == 1 { "is" } else { "are" })
}
