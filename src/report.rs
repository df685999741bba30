//! The report: one plan with all that explains it, for people and for machines.
//!
//! Pure. [`Report::new`] gathers everything once; the renderers ([`table`], [`markdown`], [`html()`]) and the
//! serialised form only show it. Serialised, a report is a document of stable camelCase fields:
//! hash keys are decimal strings, loads are integer millionths of a shard's ceiling, money is a
//! number of dollars, and `plan` is the plan itself, which `apply --plan` takes back.

use jiff::Timestamp;
use serde::Serialize;

pub use self::history::{DimensionHistory, History};
pub use self::hottest::HotShard;
pub use self::html::html;
pub use self::layout::count;
#[cfg(feature = "cli")]
pub(crate) use self::layout::{Cell, Painter, Tone, fitting, hang, set_columns};
pub use self::line::line;
pub use self::markdown::markdown;
pub use self::steps::{StepReport, action_on};
#[cfg(feature = "cli")]
pub(crate) use self::strip::bar;
pub use self::strip::heat_strip;
pub use self::suggested::suggested_manifest;
pub use self::table::{Style, inspection, table};
use crate::advice::{self, Advice, Figure, Recovery, ShardReaders};
use crate::cost::{self, PlanCost, Prices, Traffic};
use crate::demand::DemandSummary;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold, Plan, RangeLoad, ReadCallsSource, Verdict};
use crate::policy::{Mode, ScalingPolicy};
use crate::quota::Dimension;
use crate::snapshot::Snapshot;
use crate::stream::{ShardId, StreamMode, StreamStatus, region_of};

mod history;
mod hottest;
mod html;
mod layout;
mod line;
mod markdown;
mod steps;
mod story;
mod strip;
mod suggested;
mod summary;
mod table;
#[cfg(test)]
mod tests;

/// The format of serialised reports; raised when a field of a released format changes its meaning or goes.
pub const REPORT_FORMAT: u32 = 1;

/// A plan with all that explains it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`REPORT_FORMAT`].
    pub format: u32,
    /// The plan in one line: "4 → 5 shards in 1 step".
    pub summary: String,
    /// The stream.
    pub stream: StreamFacts,
    /// What is allowed at the moment.
    pub policy: PolicyFacts,
    /// AWS's clock when the stream was observed.
    pub observed_at: Timestamp,
    /// Where knowledge of the stream begins: what was before (who resharded, calls of UpdateShardCount,
    /// ranges that have expired) is unknown.
    pub look_back_start: Timestamp,
    /// What the figures are means over; absent without metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// How full the shards are, one entry for each dimension.
    pub utilization: Vec<Utilization>,
    /// Which statistic stood for GetRecords calls; absent where they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_calls_source: Option<ReadCallsSource>,
    /// What flows, who reads it and how far behind; absent without metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficFacts>,
    /// What the readers of each shard do, worst first, where that was read: on suspicion alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readers_by_shard: Vec<ShardReaders>,
    /// How full the shards were, minute by minute; absent without metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// The steps as people read them.
    pub steps: Vec<StepReport>,
    /// What is not done now, and why.
    pub holds: Vec<Notice>,
    /// What no step can cure, and what would.
    pub verdicts: Vec<Notice>,
    /// What would help more than a shard.
    pub advice: Vec<AdviceReport>,
    /// How a consumer would catch up after an outage of an hour; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// A month's bill before and after.
    pub cost: PlanCost,
    /// The open shards in hash-key order, as `plan.before` has them; `None` for a range that no
    /// listed shard owns.
    pub shards: Vec<Option<ShardId>>,
    /// The plan itself.
    pub plan: Plan,
}

/// The stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamFacts {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its region, from the ARN.
    pub region: String,
    /// Its status.
    pub status: StreamStatus,
    /// Provisioned or on-demand.
    pub mode: StreamMode,
    /// How many shards are open, by AWS's count.
    pub shards: usize,
    /// For how long records are kept.
    pub retention_hours: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is allowed at the moment, schedules considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyFacts {
    /// What may be done with a plan.
    pub mode: Mode,
    /// Fewest shards now.
    pub min_shards: u32,
    /// Most shards now.
    pub max_shards: u32,
    /// The schedules in force.
    pub schedules: Vec<String>,
    /// The dimensions whose target is learned; what it is now, `utilization` has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learned_targets: Vec<Dimension>,
    /// What is learned; absent where nothing is to be, or too little is known: then targets have their fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned_target: Option<Load>,
}

/// Settled minutes that figures are means over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    /// Its length.
    pub minutes: i64,
}

/// How full the shards are in one dimension, in millionths of a shard's ceiling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Utilization {
    /// The dimension.
    pub dimension: Dimension,
    /// What a shard carries at the most, in bytes, records or calls a second.
    pub ceiling_per_second: u64,
    /// The mean over all shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Load>,
    /// The hottest shard, where any carries anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hottest: Option<Hottest>,
    /// The target.
    pub target: Load,
}

/// The shard with the highest load in a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hottest {
    /// The shard.
    pub shard: ShardId,
    /// Its load.
    pub load: Load,
}

/// What flows, who reads it and how far behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficFacts {
    /// Bytes and records.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Rejected records in millionths of those offered.
    pub rejected_millionths: u64,
    /// By how many thousandths the loads of shards, here and in the plan, lie above what was measured at the most:
    /// the stream grows, and they are what they will be when a step can help. 0 where it does not.
    pub rise_per_mille: u64,
    /// GetRecords calls that were throttled, a minute, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_reads_per_minute: Option<u64>,
    /// Polling consumers in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pollers_thousandths: Option<u64>,
    /// Whether the pollers are the declared consumers; else derived from metrics.
    pub pollers_declared: bool,
    /// The largest lag of a consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_millis: Option<u64>,
}

/// A hold or a verdict as people read it; `plan` has it with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Its name, the same in metrics, events and conditions.
    pub reason: &'static str,
    /// What it says.
    pub message: String,
    /// What would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<&'static str>,
}

impl From<&Hold> for Notice {
    fn from(hold: &Hold) -> Notice {
        Notice { reason: hold.reason(), message: hold.to_string(), advice: None }
    }
}

impl From<&Verdict> for Notice {
    fn from(verdict: &Verdict) -> Notice {
        Notice { reason: verdict.reason(), message: verdict.to_string(), advice: Some(verdict.advice()) }
    }
}

/// A piece of advice as people read it, and with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdviceReport {
    /// Its name.
    pub reason: &'static str,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// The numbers it rests on, each with where it comes from.
    pub figures: Vec<Figure>,
    /// The advice itself.
    pub detail: Advice,
}

impl From<Advice> for AdviceReport {
    fn from(detail: Advice) -> AdviceReport {
        AdviceReport {
            reason: detail.reason(),
            message: detail.to_string(),
            remedy: detail.remedy(),
            figures: detail.figures(),
            detail,
        }
    }
}

impl Report {
    /// Gathers what explains `plan`, which was decided for `policy` from `snapshot`; `demand` is
    /// what the stream as a whole shows.
    pub fn new(
        snapshot: &Snapshot,
        policy: &ScalingPolicy,
        demand: &DemandSummary,
        plan: &Plan,
        prices: &Prices,
    ) -> Report {
        let stream = &snapshot.summary;
        let in_force = policy.in_force(snapshot.observed_at);
        let owner = |range| {
            snapshot
                .shards
                .iter()
                .find(|shard| !shard.closed && shard.range == range)
                .map(|shard| shard.id.clone())
        };
        let shards: Vec<_> = plan.before.iter().map(|load| owner(load.range)).collect();
        let window = demand.window.map(|(start, end)| Window {
            start: start.start(),
            end: end.start(),
            minutes: end.since(start),
        });
        let traffic = window.map(|_| traffic_facts(snapshot, demand));
        Report {
            format: REPORT_FORMAT,
            summary: summary::of(plan, stream.open_shard_count),
            stream: StreamFacts {
                name: stream.name.clone(),
                arn: stream.arn.clone(),
                region: region_of(&stream.arn).unwrap_or_default().to_owned(),
                status: stream.status,
                mode: stream.mode,
                shards: stream.open_shard_count,
                retention_hours: stream.retention_hours,
                created_at: stream.created_at,
            },
            policy: PolicyFacts {
                mode: policy.mode,
                min_shards: in_force.bounds.min(),
                max_shards: in_force.bounds.max(),
                schedules: in_force.schedules,
                learned_targets: policy.targets.learned.clone(),
                learned_target: demand.learned_target,
            },
            observed_at: snapshot.observed_at,
            look_back_start: snapshot.look_back_start,
            window,
            utilization: Dimension::ALL
                .map(|dimension| utilization(dimension, policy, demand, plan, &shards))
                .to_vec(),
            read_calls_source: demand.read_calls.map(|(_, source)| source),
            readers_by_shard: advice::readers_by_shard(snapshot, demand.window),
            history: History::read(snapshot, policy),
            steps: steps::explain(plan, &shards, plan.limits.trigger, demand.rise_per_mille),
            holds: plan.holds.iter().map(Notice::from).collect(),
            verdicts: plan.verdicts.iter().map(Notice::from).collect(),
            advice: advice::advise(snapshot, policy, demand, plan, prices)
                .into_iter()
                .map(AdviceReport::from)
                .collect(),
            recovery: advice::recovery(snapshot, policy, demand, plan),
            cost: cost::of_plan(snapshot, policy, plan, traffic.as_ref().map(|facts| facts.traffic), prices),
            traffic,
            shards,
            plan: plan.clone(),
        }
    }

    /// The targets of the dimensions that a split relieves.
    fn target_loads(&self) -> Loads {
        let target =
            |dimension| self.utilization.iter().find(|of| of.dimension == dimension).map(|of| of.target);
        Loads::from_array(Dimension::SPLITTABLE.map(|of| target(of).unwrap_or(Load::CEILING)))
    }
}

fn traffic_facts(snapshot: &Snapshot, demand: &DemandSummary) -> TrafficFacts {
    // Of what was written: a rise that is expected is no reason for another price.
    let pollers = demand.pollers_thousandths.unwrap_or(0);
    let read = u128::from(demand.ingest_bytes_per_second) * u128::from(pollers) / 1_000;
    TrafficFacts {
        traffic: Traffic {
            bytes_per_second: demand.ingest_bytes_per_second,
            records_per_second: demand.ingest_records_per_second,
            read_bytes_per_second: u64::try_from(read).unwrap_or(u64::MAX),
        },
        rejected_millionths: demand.rejected_millionths,
        rise_per_mille: demand.rise_per_mille,
        throttled_reads_per_minute: advice::throttled_reads_per_minute(snapshot, demand.window),
        pollers_thousandths: demand.pollers_thousandths,
        pollers_declared: demand.pollers_declared,
        lag_millis: demand.lag_millis,
    }
}

fn utilization(
    dimension: Dimension,
    policy: &ScalingPolicy,
    demand: &DemandSummary,
    plan: &Plan,
    shards: &[Option<ShardId>],
) -> Utilization {
    let known = |shard: &&RangeLoad| shard.evidence != Evidence::Unknown;
    let mean = match dimension {
        // Every poller polls every shard: the mean is every shard's.
        Dimension::ReadCalls => demand.read_calls.map(|(load, _)| load),
        // Unknown is not zero: a mean that leaves shards out would be too low.
        _ if !plan.before.iter().all(|shard| known(&shard)) => None,
        _ => demand.mean.iter().find(|(of, _)| *of == dimension).map(|(_, load)| *load),
    };
    let slot = Dimension::SPLITTABLE.iter().position(|of| *of == dimension);
    let hottest = slot.and_then(|slot| {
        let loads = plan.before.iter().zip(shards).filter(|(shard, _)| known(shard));
        let (load, shard) = loads
            .filter_map(|(shard, id)| Some((shard.loads.as_array()[slot], id.as_ref()?)))
            .filter(|(load, _)| *load > Load::ZERO)
            .rev()
            .max_by_key(|(load, _)| *load)?;
        Some(Hottest { shard: shard.clone(), load })
    });
    Utilization {
        dimension,
        ceiling_per_second: dimension.ceiling_per_second(),
        mean,
        hottest,
        target: slot.map_or(policy.targets.read_calls, |slot| plan.limits.trigger.as_array()[slot]),
    }
}
