//! What can be wrong with a plan, each as a type of its own.

use jiff::Timestamp;

use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::Load;
use crate::plan::{Evidence, Hold, PLAN_FORMAT, PlanHash, Step};
use crate::quota::Dimension;
use crate::snapshot::ShardMetric;
use crate::stream::{ShardId, StreamStatus};

/// One thing that is wrong with a plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Violation {
    /// The plan is written in a format that means something else.
    #[error("its format is {found}, not {PLAN_FORMAT}")]
    Format {
        /// The plan's format.
        found: u32,
    },
    /// The plan is for another stream.
    #[error("it is for the stream {plan}, not {stream}")]
    Stream {
        /// The ARN in the plan.
        plan: String,
        /// The ARN of the stream.
        stream: String,
    },
    /// The plan is for an earlier stream of the same name.
    #[error("it is for the stream made at {plan}, and this one was made at {stream}")]
    CreationTime {
        /// The time in the plan.
        plan: Timestamp,
        /// The time of the stream.
        stream: Timestamp,
    },
    /// The resource has changed since.
    #[error("it is of generation {plan}, and the resource is of generation {policy}")]
    Generation {
        /// The generation in the plan.
        plan: u64,
        /// The generation of the policy.
        policy: u64,
    },
    /// The hash is not that of what is carried out.
    #[error("its hash is {found}, and its steps have the hash {expected}")]
    Hash {
        /// The hash in the plan.
        found: PlanHash,
        /// The hash of its identity.
        expected: PlanHash,
    },
    /// The plan starts from other ranges than the open ones.
    #[error("it starts from {plan} ranges that are not the stream's {open} open ones")]
    Start {
        /// How many ranges the plan starts from.
        plan: usize,
        /// How many are open.
        open: usize,
    },
    /// The demand is not that of the open shards.
    #[error("the demand is not that of the open shards")]
    DemandOfOtherShards,
    /// A shard's segments are not together its range.
    #[error("the segments of {shard} are not together its range")]
    Segments {
        /// The shard.
        shard: ShardId,
    },
    /// After some steps (none: at the start) a key has no owner, or two.
    #[error("after {steps} steps {flaw}")]
    NotExactCover {
        /// The steps taken.
        steps: usize,
        /// Which key has no owner, or two.
        flaw: CoverFlaw,
    },
    /// Steps although `ListShards` and `OpenShardCount` disagree.
    #[error("it has steps though {listed} shards are listed and {described} described")]
    ShardCountMismatch {
        /// The open shards that are listed.
        listed: usize,
        /// `OpenShardCount`.
        described: usize,
    },
    /// Steps although the stream is not ACTIVE.
    #[error("it has steps though the stream is {status}")]
    NotActive {
        /// The stream's status.
        status: StreamStatus,
    },
    /// Steps although AWS keeps the shards.
    #[error("it has steps though the stream is on-demand")]
    OnDemand,
    /// Steps although the resource is suspended.
    #[error("it has steps though the resource is suspended")]
    Suspended,
    /// More steps than the budget allows.
    #[error("it has {steps} steps, and budgets.maxStepsPerPlan is {budget}")]
    StepBudget {
        /// The steps.
        steps: usize,
        /// The budget.
        budget: u32,
    },
    /// More merges than the budget allows.
    #[error(
        "it makes {merges} merges after {before} of the last 24 hours, and budgets.maxMergesPerDay is {budget}"
    )]
    MergeBudget {
        /// The merges of the plan.
        merges: usize,
        /// The merges of the last 24 hours.
        before: u32,
        /// The budget.
        budget: u32,
    },
    /// A step that must not be taken.
    #[error("step {number}, {step}: {flaw}")]
    Step {
        /// Its number, counted from 1.
        number: usize,
        /// The step.
        step: Step,
        /// What is wrong with it.
        flaw: StepFlaw,
    },
    /// Not every step has its explanation.
    #[error("it has {explanations} explanations for {steps} steps")]
    ExplanationCount {
        /// The explanations.
        explanations: usize,
        /// The steps.
        steps: usize,
    },
    /// An explanation tells of other ranges or loads than those of its step.
    #[error("the explanation of step {number} is not of what the step consumes and makes")]
    Explanation {
        /// The step's number, counted from 1.
        number: usize,
    },
    /// `before` or `after` lists other ranges than those of the start or after the last step.
    #[error("the ranges that it projects after {steps} steps are not those that the steps leave")]
    ProjectedRanges {
        /// The steps taken.
        steps: usize,
    },
    /// `before` or `after` gives a range another load than the segments within it have.
    #[error("the loads that it projects for {range} after {steps} steps are not those within the range")]
    ProjectedLoads {
        /// The steps taken.
        steps: usize,
        /// The range.
        range: HashKeyRange,
    },
    /// `before` or `after` calls a load better known than it is.
    #[error("the loads of {range} are said to be {claimed:?} and are {known:?}")]
    OverstatedEvidence {
        /// The range.
        range: HashKeyRange,
        /// What the plan says.
        claimed: Evidence,
        /// The worst evidence of the shards that hold the range; of a part, at best an estimate.
        known: Evidence,
    },
    /// The plan tells of other limits than those that it is decided by.
    #[error("the loads that it says it was decided by are not those that decide")]
    Limits,
    /// The number of shards that the plan leads to in the end is out of bounds.
    #[error("it asks for {desired} shards in the end, and {min} to {max} are allowed")]
    Desired {
        /// The shards asked for.
        desired: u32,
        /// The fewest allowed now.
        min: u32,
        /// The most allowed now.
        max: u32,
    },
}

/// Why a key does not have exactly one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CoverFlaw {
    /// Nobody owns these keys.
    #[error("no shard owns {0}")]
    Gap(HashKeyRange),
    /// More than one shard owns these keys.
    #[error("more than one shard owns {0}")]
    Overlap(HashKeyRange),
}

/// A learned target that has fallen since a plan was decided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetFell {
    /// The target then.
    pub from: Load,
    /// The target now.
    pub to: Load,
}

/// It as the end of a sentence, where there is one.
fn since(fell: &Option<TargetFell>) -> String {
    let told = |TargetFell { from, to }: &TargetFell| {
        format!(": the learned target fell from {from} to {to} since the plan was made")
    };
    fell.as_ref().map(told).unwrap_or_default()
}

/// What is wrong with one step.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepFlaw {
    /// No open shard owns exactly a range that the step names.
    #[error("no open shard owns exactly {0}")]
    NoSuchShard(HashKeyRange),
    /// AWS refuses the split point: it is not within start + 2 to end − 1.
    #[error("AWS refuses this split point")]
    IllegalSplitPoint,
    /// The split point is not where a segment of the demand starts: what the two children would
    /// carry is not known.
    #[error("no segment of the demand starts at {0}")]
    CutsSegment(HashKey),
    /// The two ranges of a merge are not neighbours, low then high.
    #[error("the first range does not end right before the second")]
    NotAdjacent,
    /// Something bars every step.
    #[error("every step is barred: {0}")]
    Stopped(Hold),
    /// Something bars every split.
    #[error("every split is barred: {0}")]
    SplitBarred(Hold),
    /// Something bars every merge.
    #[error("every merge is barred: {0}")]
    MergeBarred(Hold),
    /// A schedule closes this direction now.
    #[error("a schedule closes this direction")]
    Frozen,
    /// The shard, or the shard that the range is a piece of, must not be split now.
    #[error("{shard} must not be split: {hold}")]
    SplitGuarded {
        /// The shard.
        shard: ShardId,
        /// Why.
        hold: Hold,
    },
    /// The shard, or the shard that the range is a piece of, must not be merged now.
    #[error("{shard} must not be merged: {hold}")]
    MergeGuarded {
        /// The shard.
        shard: ShardId,
        /// Why.
        hold: Hold,
    },
    /// The load of the shard, or of the shard that the range is a piece of, is not measured.
    #[error("the load of {shard} is {evidence:?}, which justifies no merge")]
    MergeOfUnmeasured {
        /// The shard.
        shard: ShardId,
        /// How its load is known.
        evidence: Evidence,
    },
    /// The range is a part of a shard, and how the shard's load is spread is not measured.
    #[error("the spread of the load within {shard} is {density:?}, which justifies no merge of a part")]
    MergeOfUnknownPart {
        /// The shard.
        shard: ShardId,
        /// How the spread of its load is known.
        density: Evidence,
    },
    /// The split leads above `maxShards`, or further above it.
    #[error("it makes {count} shards, and {max} are the most")]
    AboveMaxShards {
        /// The shards after it.
        count: usize,
        /// The most.
        max: u32,
    },
    /// The merge leads below `minShards`, or further below it.
    #[error("it leaves {count} shards, and {min} are the fewest")]
    BelowMinShards {
        /// The shards after it.
        count: usize,
        /// The fewest.
        min: u32,
    },
    /// The split leads above what `behavior.scaleUp` allows, and the shard rejects no writes.
    #[error("it makes {count} shards, and behavior.scaleUp allows {limit} now")]
    AboveScaleUpLimit {
        /// The shards after it.
        count: usize,
        /// The most that are allowed now.
        limit: u32,
    },
    /// The merge leads below what `behavior.scaleDown` allows.
    #[error("it leaves {count} shards, and behavior.scaleDown allows no fewer than {limit} now")]
    BelowScaleDownLimit {
        /// The shards after it.
        count: usize,
        /// The fewest that are allowed now.
        limit: u32,
    },
    /// At its peak, past or foreseen, what is joined would lie above where shards are packed to.
    #[error(
        "{} peak, lately or as foreseen, at {load} in what it joins, and {limit} is the limit{}",
        dimension.label(),
        since(fell)
    )]
    PeakAbovePackLimit {
        /// The dimension.
        dimension: Dimension,
        /// The peak in it.
        load: Load,
        /// Up to where shards are packed, or what was there.
        limit: Load,
        /// The target that has fallen, where the peak was no obstacle by the older one.
        fell: Option<TargetFell>,
    },
    /// A shard that the step makes has a load above the pack limit and above what was there.
    #[error("it raises {} to {load}{}", dimension.label(), since(fell))]
    RaisesLoad {
        /// The dimension.
        dimension: Dimension,
        /// The load that it makes.
        load: Load,
        /// The target that has fallen, where the load was no obstacle by the older one.
        fell: Option<TargetFell>,
    },
    /// The step starts from another count than there is.
    #[error("{open} shards are open, and it starts from {expected}")]
    OtherCount {
        /// The count that it starts from.
        expected: u32,
        /// The shards that are open.
        open: usize,
    },
    /// AWS refuses the count: less than half, more than double, or the same.
    #[error("no UpdateShardCount leads from {from} shards to {to}")]
    CountOutOfReach {
        /// The shards before.
        from: u32,
        /// The shards after.
        to: u32,
    },
    /// The policy does not leave UpdateShardCount to reshard, or not for this.
    #[error("updateShardCount does not allow it")]
    CountNotAllowed,
    /// Beside an UpdateShardCount there is another step.
    #[error("it does not stand alone in its plan")]
    NotAlone,
    /// As many calls as may be were made in the last 24 hours.
    #[error(
        "UpdateShardCount was called {made} times in 24 hours, and {calls_a_day} calls may be made for this"
    )]
    CallBudget {
        /// The calls made, as far as the shards tell.
        made: u32,
        /// The calls that may be made.
        calls_a_day: u32,
    },
    /// AWS has refused an UpdateShardCount in this pass.
    #[error("AWS has just refused it: {0}")]
    JustRefused(String),
    /// A range would hold more than the ceiling, and than what was there, if the parts of shards in it
    /// were as dense as the densest shard.
    #[error("{} may reach {load} in {range}{}", dimension.label(), if *at_peak { " at their peak" } else { "" })]
    MayExceedCeiling {
        /// The range.
        range: HashKeyRange,
        /// The dimension.
        dimension: Dimension,
        /// What the load may be in it.
        load: Load,
        /// Whether that is at a peak, past or foreseen, and not now.
        at_peak: bool,
    },
    /// Metrics are to be turned on that the policy leaves to the owner.
    #[error("metrics.enhancedMonitoring does not leave them to reshard")]
    MonitoringNotManaged,
    /// No metric is named.
    #[error("no metric is named")]
    NoMetrics,
    /// The metric is on already.
    #[error("{} is on already", .0.name())]
    MetricIsOn(ShardMetric),
}
