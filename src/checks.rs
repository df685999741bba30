//! Independent checks of a plan. They share no code with the planner and trust no step to apply
//! itself: every state between two steps is computed anew here, the plain way. A plan that fails
//! them is not carried out.

use std::fmt;

pub use self::violation::{CoverFlaw, StepFlaw, TargetFell, Violation};
use crate::demand::Demand;
use crate::hash_key::HashKeyRange;
use crate::load::Loads;
use crate::plan::{Plan, PlanIdentity};
use crate::policy::ScalingPolicy;
use crate::snapshot::Snapshot;

mod count;
mod description;
mod known;
mod passing;
mod replay;
mod rules;
mod violation;

/// All that is wrong with a plan, at least one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Each of them.
    pub fn as_slice(&self) -> &[Violation] {
        &self.0
    }

    fn none_of(found: Vec<Violation>) -> Result<(), Violations> {
        if found.is_empty() { Ok(()) } else { Err(Violations(found)) }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the plan breaks its own rules")?;
        self.0
            .iter()
            .enumerate()
            .try_for_each(|(i, violation)| write!(f, "{} {violation}", if i == 0 { ":" } else { ";" }))
    }
}

impl std::error::Error for Violations {}

/// Checks a plan as a whole: what [`check_steps`] checks, and that the plan describes itself
/// truly (hash, limits, explanations, projection).
///
/// # Errors
/// [`Violations`] lists all that is wrong.
pub fn check(
    plan: &Plan,
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    demand: &Demand,
) -> Result<(), Violations> {
    let decided_by = policy.limits(demand.learned_target).trigger;
    let mut found = rules::violations(&plan.identity, decided_by, snapshot, policy, demand);
    found.extend(description::violations(plan, snapshot, policy, demand));
    Violations::none_of(found)
}

/// Checks what would be carried out: that the steps belong to this stream as it is now, and that
/// every state on their way is one that policy and demand allow. For a plan that was approved
/// under an earlier load: its description may be out of date, its steps must still be right. By the targets that it
/// was `decided_by` is told how full it may pack shards ([`ScalingPolicy::limits_of_older`]).
///
/// # Errors
/// [`Violations`] lists all that is wrong.
pub fn check_steps(
    identity: &PlanIdentity,
    decided_by: Loads,
    snapshot: &Snapshot,
    policy: &ScalingPolicy,
    demand: &Demand,
) -> Result<(), Violations> {
    Violations::none_of(rules::violations(identity, decided_by, snapshot, policy, demand))
}

/// The ranges of the open shards in hash-key order, whether or not they tile.
fn open_ranges(snapshot: &Snapshot) -> Vec<HashKeyRange> {
    let mut open: Vec<_> =
        snapshot.shards.iter().filter(|shard| !shard.closed).map(|shard| shard.range).collect();
    open.sort();
    open
}

#[cfg(test)]
mod tests;
