//! What becomes of an approved plan by what is wrong with it: whether it may wait until that has passed, and
//! whether it is stopped by it where it has begun. One table for the operator and `apply --plan`.

use super::violation::{StepFlaw, Violation};
use crate::load::{Load, Loads};
use crate::plan::{Hold, Step};
use crate::quota::Dimension;

impl Violation {
    /// Whether time, or a person who acts elsewhere, can lift it while the plan stays as it is. `targets` are
    /// those of now: a load above them is too much, one between them and where shards are packed to may fall
    /// again. A peak, past or foreseen, is over some day, whatever it is; that the load of now is not above its
    /// target is checked beside it.
    pub fn may_pass(&self, targets: Loads) -> bool {
        match self {
            Violation::ShardCountMismatch { .. }
            | Violation::NotActive { .. }
            | Violation::Suspended
            | Violation::OnDemand
            | Violation::MergeBudget { .. } => true,
            Violation::Format { .. }
            | Violation::Stream { .. }
            | Violation::CreationTime { .. }
            | Violation::Generation { .. }
            | Violation::Hash { .. }
            | Violation::Start { .. }
            | Violation::DemandOfOtherShards
            | Violation::Segments { .. }
            | Violation::NotExactCover { .. }
            | Violation::StepBudget { .. }
            | Violation::ExplanationCount { .. }
            | Violation::Explanation { .. }
            | Violation::ProjectedRanges { .. }
            | Violation::ProjectedLoads { .. }
            | Violation::OverstatedEvidence { .. }
            | Violation::Limits
            | Violation::Desired { .. } => false,
            Violation::Step { flaw, .. } => flaw.may_pass(targets),
        }
    }

    /// Whether it stops a plan that has begun: the bounds and the schedules do, and a merge that would make a
    /// shard above its target by the load of now. What else has changed was looked at before its first step.
    pub fn stops_what_has_begun(&self, targets: Loads) -> bool {
        match self {
            Violation::Step {
                step: Step::Merge { .. },
                flaw: StepFlaw::RaisesLoad { dimension, load, .. },
                ..
            } => is_above(*dimension, *load, targets),
            Violation::Step { flaw, .. } => matches!(
                flaw,
                StepFlaw::Frozen | StepFlaw::AboveMaxShards { .. } | StepFlaw::BelowMinShards { .. }
            ),
            _ => false,
        }
    }

    /// The hold that bars the step, where it is one.
    pub fn hold(&self) -> Option<&Hold> {
        let Violation::Step { flaw, .. } = self else { return None };
        match flaw {
            StepFlaw::Stopped(hold)
            | StepFlaw::SplitBarred(hold)
            | StepFlaw::MergeBarred(hold)
            | StepFlaw::SplitGuarded { hold, .. }
            | StepFlaw::MergeGuarded { hold, .. } => Some(hold),
            _ => None,
        }
    }
}

impl StepFlaw {
    fn may_pass(&self, targets: Loads) -> bool {
        match self {
            StepFlaw::Stopped(_)
            | StepFlaw::SplitBarred(_)
            | StepFlaw::MergeBarred(_)
            | StepFlaw::Frozen
            | StepFlaw::SplitGuarded { .. }
            | StepFlaw::MergeGuarded { .. }
            | StepFlaw::MergeOfUnmeasured { .. }
            | StepFlaw::MergeOfUnknownPart { .. }
            | StepFlaw::AboveScaleUpLimit { .. }
            | StepFlaw::BelowScaleDownLimit { .. }
            | StepFlaw::CallBudget { .. }
            | StepFlaw::JustRefused(_)
            | StepFlaw::PeakAbovePackLimit { .. }
            | StepFlaw::MayExceedCeiling { at_peak: true, .. } => true,
            StepFlaw::RaisesLoad { dimension, load, .. } => !is_above(*dimension, *load, targets),
            StepFlaw::NoSuchShard(_)
            | StepFlaw::OtherCount { .. }
            | StepFlaw::CountOutOfReach { .. }
            | StepFlaw::CountNotAllowed
            | StepFlaw::NotAlone
            | StepFlaw::MayExceedCeiling { at_peak: false, .. }
            | StepFlaw::IllegalSplitPoint
            | StepFlaw::CutsSegment(_)
            | StepFlaw::NotAdjacent
            | StepFlaw::AboveMaxShards { .. }
            | StepFlaw::BelowMinShards { .. }
            | StepFlaw::MonitoringNotManaged
            | StepFlaw::NoMetrics
            | StepFlaw::MetricIsOn(_) => false,
        }
    }
}

fn is_above(dimension: Dimension, load: Load, targets: Loads) -> bool {
    load > targets.of(dimension)
}
