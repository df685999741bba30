//! The status of the resource. It is what people and other controllers read, and never evidence
//! about the stream: what the operator reads back from it is its own standing proposal with its
//! expiry, the tokens that it has handled, and transition times.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::load::{Load, Loads};
use crate::plan::{PlanHash, Step};
use crate::stream::{StreamMode, StreamStatus};

pub use self::derive::{Worth, counts, top_shards};
pub(crate) use self::derive::{ending_note, whole_second};

mod derive;

/// The most shards in `topShards`: a row each for all 200 would be 56 kB.
pub const MOST_TOP_SHARDS: usize = 10;
/// The most steps in `recentSteps`.
pub const MOST_RECENT_STEPS: usize = 10;

/// What was seen, what is intended, and how it stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The generation of the spec that the rest of the status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `reshard.dev/reconcile-at` that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The value of the annotation `reshard.dev/approve` whose plan has ended: it approves nothing
    /// any more, until it is removed or names another plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_approval: Option<String>,
    /// The stream as AWS describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamSeen>,
    /// How many shards there are, and how many are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardCounts>,
    /// How full shards may be, as was decided last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// The fullest shards, the fullest first; 10 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub top_shards: Vec<TopShard>,
    /// The plan: proposed, approved, under way, or refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// The steps that were carried out last, the newest first; 10 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recent_steps: Vec<RecentStep>,
    /// Conditions, one of each type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The stream as AWS describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamSeen {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// CREATING, ACTIVE, UPDATING or DELETING.
    #[schemars(with = "String")]
    pub status: StreamStatus,
    /// PROVISIONED or ON_DEMAND.
    #[schemars(with = "String")]
    pub mode: StreamMode,
    /// When it was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub created_at: Timestamp,
}

/// How many shards there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardCounts {
    /// The open shards.
    pub current: u32,
    /// The shards that the policy asks for once nothing is held back.
    pub desired: u32,
    /// The shards above a target.
    pub hot: u32,
    /// The shards that could be merged with a neighbour.
    pub cold: u32,
}

/// The targets that a decision went by, as the resource has them or as they were learned, in whole percents of the
/// ceilings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Targets {
    /// Bytes written.
    pub ingest_bytes_percent: u32,
    /// Records written.
    pub ingest_records_percent: u32,
    /// Bytes read by the polling consumers.
    pub read_bytes_percent: u32,
}

impl Targets {
    /// Those of a decision.
    pub fn of(targets: Loads) -> Targets {
        let [ingest_bytes_percent, ingest_records_percent, read_bytes_percent] =
            targets.as_array().map(derive::percent);
        Targets { ingest_bytes_percent, ingest_records_percent, read_bytes_percent }
    }

    /// As loads.
    pub fn loads(self) -> Loads {
        let Targets { ingest_bytes_percent, ingest_records_percent, read_bytes_percent } = self;
        let percents = [ingest_bytes_percent, ingest_records_percent, read_bytes_percent];
        Loads::from_array(percents.map(Load::from_percent))
    }
}

/// One of the fullest shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopShard {
    /// Its ID.
    pub id: String,
    /// Bytes written, in percent of the ceiling.
    pub ingest_bytes_percent: u32,
    /// Records written, in percent of the ceiling.
    pub ingest_records_percent: u32,
    /// Bytes read by the polling consumers, in percent of the ceiling.
    pub read_bytes_percent: u32,
    /// What no step can cure in it, by its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

/// A plan and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// The plan's hash, which approval names.
    #[schemars(with = "String")]
    pub hash: PlanHash,
    /// How it stands.
    pub state: PlanState,
    /// For people: `4 → 6 shards: 2 splits`.
    pub summary: String,
    /// The generation of the spec that it was made for.
    pub generation: i64,
    /// The steps, in order: with the hash, all that is needed to carry out exactly this plan, for
    /// the ranges that it starts from are those before its steps.
    #[schemars(with = "Vec<StepSchema>")]
    pub steps: Vec<Step>,
    /// The targets that it was decided by; none where an older operator has written it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// Until when its first step may start; none where it needs no approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires_at: Option<Timestamp>,
    /// Why it was refused, ended, or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PlanState {
    /// Shown only: the mode is `DryRun`.
    Planned,
    /// Waits for its hash to be approved.
    AwaitingApproval,
    /// Approved, and to be carried out whole.
    Approved,
    /// A step of it is under way, or the next is due.
    Running,
    /// All its steps are done.
    Done,
    /// Approved, but no longer what fits the stream: it was not carried out, or not to its end.
    Refused,
}

/// What a step looks like in a schema: an object whose fields depend on its kind.
#[derive(JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
struct StepSchema {}

/// A step that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecentStep {
    /// What was done, for people.
    pub step: String,
    /// Why, for people; none where the plan was approved before, or another replica took the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Split, Merge, UpdateShardCount, EnableShardMetrics.
    pub kind: String,
    /// Done, AlreadyDone, Lost, Overtaken, or why it failed.
    pub result: String,
    /// The hash of the plan that it was part of.
    pub plan: String,
    /// Its place in that plan, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<usize>,
    /// When it ended, by AWS's clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// How long it took, in seconds.
    pub seconds: u64,
}

impl RecentStep {
    /// Whether the stream has shown the step.
    pub fn is_done(&self) -> bool {
        matches!(&*self.result, "Done" | "AlreadyDone")
    }
}

/// A condition, as Kubernetes has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its name: one condition of each type.
    pub r#type: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// When `status` changed last.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// The generation of the spec that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}
