//! Advice: what would help more than a shard, computed from what the snapshot shows, each piece with
//! its numbers and where they come from. For people: no decision reads it.
//!
//! A plan answers with shards what shards can answer. What a log pipeline (applications or an API
//! gateway, a stream, Firehose with or without a transform function, S3) needs is often something
//! else: random keys, packed records, a faster function, a longer retention. Whatever is not known,
//! by metric or by the resource, earns no advice.

use std::fmt;

use serde::Serialize;

pub use self::by_shard::{ShardReaders, readers_by_shard, throttled_reads_per_minute};
pub use self::figures::Figure;
pub use self::past::{Carried, PAST_DAYS, Past, Stretch, Usage};
pub use self::recovery::Recovery;
pub use self::suggestion::{Suggested, Suggestion, suggest};
use crate::cost::{Money, Prices, grouped};
use crate::demand::DemandSummary;
use crate::load::Load;
use crate::plan::Plan;
use crate::policy::ScalingPolicy;
use crate::quota::Dimension;
use crate::snapshot::Snapshot;
use crate::units::duration;

mod by_shard;
mod figures;
mod past;
mod readers;
mod recovery;
mod suggestion;
#[cfg(test)]
mod tests;
mod writers;

/// What would help more than a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "advice", rename_all_fields = "camelCase")]
pub enum Advice {
    /// Only Firehose reads, which needs no order, yet the keys are skewed.
    RandomKeysFirst {
        /// The dimension that is skewed.
        dimension: Dimension,
        /// The hottest shard's load in it.
        hottest: Load,
        /// The mean over all shards.
        mean: Load,
        /// The shards that are open.
        shards: u32,
        /// The shards that even keys would need.
        even_shards: u32,
        /// The splits that the plan buys.
        planned_splits: u32,
    },
    /// Records are small: their number fills the shards, not their bytes.
    PackRecords {
        /// The mean record in bytes.
        mean_bytes: u64,
        /// The shards that the number of records needs.
        by_records: u32,
        /// The shards that the bytes need.
        by_bytes: u32,
        /// What packing them saves a month in shards and PUT payload units.
        saves_monthly: Money,
    },
    /// The function that transforms for Firehose cannot take what a shard may carry.
    TransformTooSlow {
        /// The consumer.
        consumer: String,
        /// What it takes of one shard, in bytes a second.
        ceiling_bytes_per_second: u64,
        /// What a shard carries at its target, in bytes a second.
        target_bytes_per_second: u64,
        /// Bytes of a batch.
        batch_bytes: u32,
        /// How long the function takes for a batch, in milliseconds.
        duration_millis: u64,
        /// How long it may take at the most for the target.
        needed_millis: u64,
    },
    /// The functions that read may use up the account's concurrent executions.
    LambdaConcurrency {
        /// The shards after the plan.
        shards: u32,
        /// Executions at once at the most: of transforms and of event source mappings.
        most: u32,
        /// How many of them are for transforms.
        transforms: u32,
        /// What an account may run at once, unless AWS granted more.
        quota: u32,
    },
    /// After an outage of a consumer it takes longer to catch up than the outage lasted.
    SlowRecovery {
        /// The figures.
        recovery: Recovery,
    },
    /// A consumer is so far behind that records may expire before it reads them.
    ExtendRetention {
        /// The lag in milliseconds.
        lag_millis: u64,
        /// The retention in hours.
        retention_hours: u32,
        /// The lag in thousandths of the retention.
        share_thousandths: u64,
        /// The next retention that AWS offers, in hours.
        next_hours: u32,
        /// What that costs a month, where it is priced by the shard.
        costs_monthly: Option<Money>,
    },
    /// While writes are rejected, producers that give up lose records.
    LostWhileRejecting {
        /// Rejected records a minute.
        rejected_per_minute: u64,
        /// Rejected in millionths of those offered.
        rejected_millionths: u64,
    },
    /// Too many pollers for five calls a second: some could read by enhanced fan-out.
    MoveToFanOut {
        /// The calls of all pollers.
        load: Load,
        /// The target.
        target: Load,
        /// The declared consumers to move so that the rest fits; empty where they are not declared.
        consumers: Vec<String>,
        /// The calls that are left then; `None` where the consumers are not declared.
        left: Option<Load>,
        /// What one consumer with enhanced fan-out costs a month.
        each_monthly: Money,
    },
    /// GetRecords calls are throttled.
    ReadsThrottled {
        /// Throttled calls a minute, of the whole stream.
        per_minute: u64,
        /// In how many shards, as far as that is known.
        throttled_shards: usize,
        /// The open shards.
        shards: u32,
        /// The calls of all pollers, where known.
        calls: Option<Load>,
        /// Those with most throttled calls; empty where the shards' metrics about readers are off.
        worst: Vec<ShardReaders>,
    },
    /// A lag sits in few shards, and the others are read in time.
    LagOfFewShards {
        /// The largest lag of a shard in milliseconds.
        lag_millis: u64,
        /// The largest lag of the others.
        others_millis: u64,
        /// How many have the lag.
        lagging: usize,
        /// Of how many with a known lag.
        shards: usize,
        /// Those with the largest lags.
        worst: Vec<ShardReaders>,
    },
}

/// Everything that `snapshot` and `policy` earn; `summary` is what the stream as a whole shows, and
/// `plan` what was decided.
pub fn advise(
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    summary: &DemandSummary,
    plan: &Plan,
    prices: &Prices,
) -> Vec<Advice> {
    let seen = Seen { snapshot, policy, summary, plan, prices };
    let mut advice: Vec<Advice> = [
        writers::random_keys(seen),
        writers::pack_records(seen),
        writers::lost_while_rejecting(seen),
        readers::fan_out(seen),
        by_shard::throttled(seen),
        by_shard::lag_of_few(seen),
        readers::retention(seen),
    ]
    .into_iter()
    .flatten()
    .collect();
    advice.extend(readers::slow_transforms(seen));
    advice.extend(readers::lambda_concurrency(seen));
    advice.extend(recovery(snapshot, policy, summary, plan).and_then(recovery::advice));
    advice
}

/// How a consumer would catch up after an outage of an hour; `None` where loads or pollers are not
/// known, or nobody polls.
pub fn recovery(
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    summary: &DemandSummary,
    plan: &Plan,
) -> Option<Recovery> {
    recovery::after_an_hour(snapshot, policy, summary, plan)
}

/// What advice is given on.
#[derive(Clone, Copy)]
struct Seen<'a> {
    snapshot: &'a Snapshot,
    policy: &'a ScalingPolicy,
    summary: &'a DemandSummary,
    plan: &'a Plan,
    prices: &'a Prices,
}

impl Seen<'_> {
    /// The open shards.
    fn shards(self) -> u32 {
        u32::try_from(self.snapshot.summary.open_shard_count).unwrap_or(u32::MAX)
    }

    /// The shards after the plan.
    fn planned_shards(self) -> u32 {
        match self.plan.after.len() {
            0 => self.shards(),
            after => u32::try_from(after).unwrap_or(u32::MAX),
        }
    }
}

impl Advice {
    /// The name, the same wherever it is told.
    pub fn reason(&self) -> &'static str {
        match self {
            Advice::RandomKeysFirst { .. } => "RandomKeysFirst",
            Advice::PackRecords { .. } => "PackRecords",
            Advice::TransformTooSlow { .. } => "TransformTooSlow",
            Advice::LambdaConcurrency { .. } => "LambdaConcurrency",
            Advice::SlowRecovery { .. } => "SlowRecovery",
            Advice::ExtendRetention { .. } => "ExtendRetention",
            Advice::LostWhileRejecting { .. } => "LostWhileRejecting",
            Advice::MoveToFanOut { .. } => "MoveToFanOut",
            Advice::ReadsThrottled { .. } => "ReadsThrottled",
            Advice::LagOfFewShards { .. } => "LagOfFewShards",
        }
    }

    /// What to do.
    pub fn remedy(&self) -> String {
        match self {
            Advice::RandomKeysFirst { .. } => {
                "use random partition keys before buying splits: Firehose writes in no order anyway".to_owned()
            }
            Advice::PackRecords { .. } => {
                "pack records, by the Kinesis Producer Library's aggregation or in the producer itself, before buying shards; Firehose and KCL unpack aggregated records".to_owned()
            }
            Advice::TransformTooSlow { batch_bytes, needed_millis, .. } => {
                let most = crate::quota::FIREHOSE_TRANSFORM_BATCH_BYTES;
                let buffer = match *batch_bytes < most {
                    true => format!("a larger buffer for the function (up to {} MB), or ", most >> 20),
                    false => String::new(),
                };
                format!(
                    "{buffer}a function that takes at most {needed_millis} ms for a batch; more shards last"
                )
            }
            Advice::LambdaConcurrency { quota, .. } => format!(
                "ask for more than {quota} concurrent executions, or reserve some for what must not wait, before the stream grows to this count"
            ),
            Advice::SlowRecovery { .. } => {
                "leave the readers more headroom: a lower readBytes target, fewer pollers, or enhanced fan-out for the one that must catch up fast".to_owned()
            }
            Advice::ExtendRetention { next_hours, .. } => format!(
                "extend the retention to {next_hours} h now and make the consumer faster then; no split helps what is written already"
            ),
            Advice::LostWhileRejecting { .. } => {
                "have agents retry until they succeed and buffer on disk: Fluent Bit, for one, gives a chunk up after one retry by default".to_owned()
            }
            Advice::MoveToFanOut { consumers, .. } => match consumers.as_slice() {
                [] => "read with enhanced fan-out from one application or function at least, or poll less often; Firehose cannot use it".to_owned(),
                consumers => format!("have {} read with enhanced fan-out, or poll less often", consumers.join(", ")),
            },
            Advice::ReadsThrottled { calls, worst, .. } => {
                let calls_bind = calls.is_some_and(|calls| calls >= CALLS_BIND);
                let cause = match worst.first() {
                    _ if calls_bind => "poll less often: five calls a second of a shard are for all pollers together",
                    Some(of) if of.is_exhausted() => {
                        "fewer pollers, or enhanced fan-out for one of them: 2 MB/s of a shard are for all pollers together"
                    }
                    _ => "have pollers wait a second between calls, and longer after a refusal: a call that brings 10 MB shuts out the next for five seconds",
                };
                match worst.is_empty() {
                    false => cause.to_owned(),
                    true => format!("{cause}; turn on the shards’ ReadProvisionedThroughputExceeded and OutgoingBytes to see which of them"),
                }
            }
            Advice::LagOfFewShards { worst, .. } if worst.iter().any(ShardReaders::is_exhausted) => {
                "its readers take all that a shard gives, and what is there already drains at that rate: fewer pollers, or enhanced fan-out; a split relieves what is written from then on".to_owned()
            }
            Advice::LagOfFewShards { worst, .. } => format!(
                "look at what reads {}: a record that fails again and again, or a worker that is slow or gone; no split helps, for what is there already is read first",
                names(worst)
            ),
        }
    }
}

/// From here on the calls of all pollers are what is throttled: some of them fall into the same second.
const CALLS_BIND: Load = Load::from_percent(80);
/// The names of shards one after another.
fn names(shards: &[ShardReaders]) -> String {
    shards.iter().map(|of| of.shard.as_str()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Advice::RandomKeysFirst { dimension, hottest, mean, shards, even_shards, planned_splits } => {
                write!(
                    f,
                    "only Firehose reads, which needs no order, yet {} are at {hottest} in one shard of {shards} and at {mean} in the mean: even keys fit into {even_shards}, skewed ones cost {planned_splits} splits now",
                    dimension.label()
                )
            }
            Advice::PackRecords { mean_bytes, by_records, by_bytes, .. } => write!(
                f,
                "records of {mean_bytes} bytes fill the shards by their number, not by their bytes: packed, {by_records} shards become {by_bytes}"
            ),
            Advice::TransformTooSlow {
                consumer, ceiling_bytes_per_second, target_bytes_per_second, ..
            } => write!(
                f,
                "the transform of {consumer} takes {} kB/s of a shard, which may carry {} kB/s: a fuller shard makes Firehose lag",
                grouped(ceiling_bytes_per_second / 1_000),
                grouped(target_bytes_per_second / 1_000)
            ),
            Advice::LambdaConcurrency { shards, most, quota, .. } => write!(
                f,
                "at {shards} shards functions may run {most} times at once, of the {quota} that an account has by default"
            ),
            Advice::SlowRecovery { recovery } => write!(f, "{recovery}"),
            Advice::ExtendRetention { share_thousandths, retention_hours, .. } => {
                write!(f, "the lag is {} % of the retention of {retention_hours} h", share_thousandths / 10)
            }
            Advice::LostWhileRejecting { rejected_per_minute, rejected_millionths } => write!(
                f,
                "{} records a minute are rejected ({}.{:02} %): agents with bounded retries lose logs meanwhile",
                grouped(*rejected_per_minute),
                rejected_millionths / 10_000,
                rejected_millionths / 100 % 100
            ),
            Advice::MoveToFanOut { load, target, .. } => {
                write!(
                    f,
                    "the pollers make {load} of the calls that each shard serves, of {target} wanted; no split adds any"
                )
            }
            Advice::ReadsThrottled { per_minute, throttled_shards, shards, worst, .. } => {
                write!(f, "{} GetRecords calls a minute are throttled", grouped(*per_minute))?;
                match worst.is_empty() {
                    true => Ok(()),
                    false => {
                        write!(f, ", in {throttled_shards} of {shards} shards, most in {}", names(worst))
                    }
                }
            }
            Advice::LagOfFewShards { lag_millis, others_millis, lagging, shards, worst } => write!(
                f,
                "readers are {} behind in {lagging} of {shards} shards ({}), and {} at the most in the others",
                duration(lag_millis / 1_000),
                names(worst),
                duration(others_millis / 1_000)
            ),
        }
    }
}
