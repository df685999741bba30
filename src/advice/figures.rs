//! The numbers behind each piece of advice, with where they come from.

use serde::Serialize;

use super::Advice;
use crate::cost::grouped;
use crate::quota::{FAN_OUT_CONSUMERS, FIREHOSE_TRANSFORMS_PER_SHARD};
use crate::units::duration;

/// A number and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// The number with its unit.
    pub value: String,
    /// Where it comes from: a metric, the resource, a quota, a price, or an assumption.
    pub source: &'static str,
}

/// From the stream's own metrics.
const STREAM: &str = "CloudWatch, the stream, over the window";
/// From the shards' metrics.
const SHARDS: &str = "CloudWatch, by shard, over the window";
const TARGETS: &str = "the policy’s targets and tolerance";
const RESOURCE: &str = "consumers in the resource";
const PRICES: &str = "the prices of the report";
const PLAN: &str = "the plan";

impl Advice {
    /// The numbers that it rests on.
    pub fn figures(&self) -> Vec<Figure> {
        let figure = |name, value: String, source| Figure { name, value, source };
        match self {
            Advice::RandomKeysFirst { dimension: _, hottest, mean, shards, even_shards, planned_splits } => {
                vec![
                    figure("hottest shard", hottest.to_string(), SHARDS),
                    figure("mean", format!("{mean} over {shards} shards"), SHARDS),
                    figure("shards with even keys", even_shards.to_string(), TARGETS),
                    figure("splits planned", planned_splits.to_string(), PLAN),
                ]
            }
            Advice::PackRecords { mean_bytes, by_records, by_bytes, saves_monthly } => vec![
                figure("mean record", format!("{mean_bytes} bytes"), STREAM),
                figure("shards by records", by_records.to_string(), TARGETS),
                figure("shards by bytes", by_bytes.to_string(), TARGETS),
                figure("saved a month", saves_monthly.to_string(), PRICES),
            ],
            Advice::TransformTooSlow {
                consumer: _,
                ceiling_bytes_per_second,
                target_bytes_per_second,
                batch_bytes,
                duration_millis,
                needed_millis,
            } => vec![
                figure(
                    "invocations at once",
                    format!("{FIREHOSE_TRANSFORMS_PER_SHARD} a shard"),
                    "quota of Firehose",
                ),
                figure("batch", format!("{} bytes", grouped(u64::from(*batch_bytes))), RESOURCE),
                figure("duration", format!("{} ms", grouped(*duration_millis)), RESOURCE),
                figure(
                    "ceiling of a shard",
                    format!("{} B/s", grouped(*ceiling_bytes_per_second)),
                    "invocations × batch ÷ duration",
                ),
                figure(
                    "a shard at its target",
                    format!("{} B/s", grouped(*target_bytes_per_second)),
                    TARGETS,
                ),
                figure(
                    "duration that fits",
                    format!("{} ms", grouped(*needed_millis)),
                    "invocations × batch ÷ target",
                ),
            ],
            Advice::LambdaConcurrency { shards, most, transforms, quota } => vec![
                figure("shards", shards.to_string(), PLAN),
                figure(
                    "for transforms",
                    transforms.to_string(),
                    "quota of Firehose, 5 a shard and delivery stream, as if all ran at once",
                ),
                figure(
                    "at once in all",
                    most.to_string(),
                    "the same, and one a shard for each declared Lambda consumer",
                ),
                figure("account quota", quota.to_string(), "AWS’s default, assumed: yours is not known"),
            ],
            Advice::SlowRecovery { recovery } => recovery.figures(),
            Advice::ExtendRetention {
                lag_millis,
                retention_hours,
                share_thousandths,
                next_hours,
                costs_monthly,
            } => {
                let mut said = vec![
                    figure(
                        "lag",
                        format!("{} s", grouped(lag_millis / 1_000)),
                        "the largest of the consumers",
                    ),
                    figure("retention", format!("{retention_hours} h"), "DescribeStreamSummary"),
                    figure(
                        "lag by retention",
                        format!("{}.{} %", share_thousandths / 10, share_thousandths % 10),
                        "lag ÷ retention",
                    ),
                ];
                said.push(match costs_monthly {
                    Some(cost) => Figure {
                        name: "longer retention",
                        value: format!("{cost} more a month for up to {next_hours} h"),
                        source: PRICES,
                    },
                    None => Figure {
                        name: "longer retention",
                        value: "by the gigabyte, not computed".to_owned(),
                        source: "AWS prices what is kept beyond 7 days by volume",
                    },
                });
                said
            }
            Advice::LostWhileRejecting { rejected_per_minute, rejected_millionths: _ } => vec![figure(
                "rejected",
                format!("{} records a minute, retries counted each time", grouped(*rejected_per_minute)),
                STREAM,
            )],
            Advice::MoveToFanOut { load, target, consumers: _, left, each_monthly } => {
                let mut said = vec![
                    figure("calls", load.to_string(), "see “read calls” of the report"),
                    figure("target", target.to_string(), "the policy’s readCalls target"),
                ];
                said.extend(left.map(|left| figure("calls then", left.to_string(), RESOURCE)));
                said.push(figure("a consumer with fan-out", format!("{each_monthly} a month"), PRICES));
                said.push(figure(
                    "consumers with fan-out",
                    format!("{FAN_OUT_CONSUMERS} at the most"),
                    "quota of Kinesis",
                ));
                said
            }
            Advice::ReadsThrottled { per_minute, throttled_shards: _, shards: _, calls, worst } => {
                let mut said =
                    vec![figure("throttled", format!("{} calls a minute", grouped(*per_minute)), STREAM)];
                said.extend(
                    calls.map(|load| figure("calls", load.to_string(), "see “read calls” of the report")),
                );
                said.extend(worst.iter().map(|of| figure("a shard", of.to_string(), SHARDS)));
                said
            }
            Advice::LagOfFewShards { lag_millis: _, others_millis, lagging: _, shards: _, worst } => {
                let mut said: Vec<_> =
                    worst.iter().map(|of| figure("a shard", of.to_string(), SHARDS)).collect();
                let others = format!("{} behind at the most", duration(others_millis / 1_000));
                said.push(figure("the others", others, SHARDS));
                said
            }
        }
    }
}
