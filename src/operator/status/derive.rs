//! The status after a pass, and whether it is worth a write. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    MOST_RECENT_STEPS, MOST_TOP_SHARDS, PlanStatus, RecentStep, ShardCounts, Status, StreamSeen, Targets,
    TopShard,
};
use crate::demand::Demand;
use crate::load::{Load, Loads};
use crate::operator::approval::{self, Ending};
use crate::operator::conditions;
use crate::operator::outcome::{Act, Blocked, Decided, Outcome, Pass, Stepped};
use crate::plan::{Evidence, Plan, RangeLoad, Verdict};
use crate::policy::Limits;
use crate::report::{Report, StreamFacts};

/// The fullest shard must have moved by so many percent of its ceiling to be worth a write.
const NOTABLE_PERCENT: u32 = 10;

/// Whether a status is worth a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// Nothing has changed that anybody would act on.
    Nothing,
    /// Only figures in the words of conditions have changed: from time to time.
    Sometimes,
    /// Now.
    Now,
}

impl Status {
    /// The status after `pass`, which ended at `now`.
    pub fn after(&self, pass: &Pass, now: Timestamp) -> Status {
        let mut status = self.clone();
        status.observed_generation = Some(pass.generation);
        status.conditions = conditions::after(self, pass, whole_second(now));
        if pass.token.is_some() {
            status.last_handled_reconcile_at = pass.token.clone();
        }
        // Taken back, it is no more: the same value given again is a new approval.
        if status.last_handled_approval != pass.approval {
            status.last_handled_approval = None;
        }
        match &pass.outcome {
            Outcome::Idle { .. } | Outcome::Failed(_) => {}
            Outcome::Blocked(blocked) => status.is_blocked(blocked, pass.approval.as_deref()),
            Outcome::Decided(decided) => status.is_decided(decided),
        }
        status
    }

    /// Whether `after` is worth a write where this is what stands.
    pub fn worth_of(&self, after: &Status) -> Worth {
        if self.in_essence() != after.in_essence() || has_moved(&self.top_shards, &after.top_shards) {
            Worth::Now
        } else if self.conditions != after.conditions {
            Worth::Sometimes
        } else {
            Worth::Nothing
        }
    }

    /// Without what changes with each minute's load.
    fn in_essence(&self) -> Status {
        let mut status = self.clone();
        status.top_shards.clear();
        if let Some(shards) = &mut status.shards {
            shards.cold = 0;
        }
        for condition in &mut status.conditions {
            condition.message = without_figures(&condition.message);
        }
        if let Some(message) = status.plan.as_mut().and_then(|plan| plan.message.as_mut()) {
            *message = without_figures(message);
        }
        status
    }

    fn is_blocked(&mut self, blocked: &Blocked, approval: Option<&str>) {
        let ended = self.plan.take_if(|plan| approval::stands(plan));
        if ended.is_some_and(|plan| approval == Some(plan.hash.as_str())) {
            self.last_handled_approval = approval.map(str::to_owned);
        }
        if let Blocked::AccessDenied(_) = blocked {
            // What was seen while it was allowed is nobody's business any more.
            (self.stream, self.shards, self.targets, self.plan) = (None, None, None, None);
            self.top_shards.clear();
        }
    }

    fn is_decided(&mut self, decided: &Decided) {
        let Decided { report, counts, top, answer, act, caught_up, .. } = decided;
        let StreamFacts { name, arn, status, mode, created_at, .. } = &report.stream;
        self.stream = Some(StreamSeen {
            name: name.clone(),
            arn: arn.clone(),
            status: *status,
            mode: *mode,
            created_at: whole_second(*created_at),
        });
        self.shards = Some(*counts);
        self.targets = Some(Targets::of(report.plan.limits.trigger));
        self.top_shards = top.clone();
        self.plan = answer.plan.clone();
        self.last_handled_approval = answer.handled.clone();
        let stepped = if let Act::Stepped(stepped) = act { Some(&**stepped) } else { None };
        for step in caught_up.iter().chain(stepped).map(recent) {
            // A pass that takes a step writes twice.
            if !self.recent_steps.contains(&step) {
                self.recent_steps.insert(0, step);
            }
        }
        self.recent_steps.truncate(MOST_RECENT_STEPS);
    }
}

/// Times in Kubernetes have no fractions of seconds.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn recent(stepped: &Stepped) -> RecentStep {
    RecentStep {
        step: stepped.action.clone(),
        why: stepped.why.clone(),
        kind: stepped.step.kind().to_owned(),
        result: stepped.reason().to_owned(),
        plan: stepped.plan.to_string(),
        number: Some(stepped.index + 1),
        at: whole_second(stepped.at),
        seconds: stepped.seconds(),
    }
}

/// The counts of a decision.
pub fn counts(plan: &Plan) -> ShardCounts {
    let Limits { trigger, pack } = plan.limits;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let known = |shard: &&RangeLoad| shard.evidence != Evidence::Unknown;
    let hot = |shard: &&RangeLoad| !shard.loads.within(trigger);
    let fits = |pair: &[RangeLoad]| {
        pair.iter().all(|shard| known(&shard)) && (pair[0].peak_loads + pair[1].peak_loads).within(pack)
    };
    let pairs = plan.before.windows(2).enumerate().filter(|(_, pair)| fits(pair));
    let cold: BTreeSet<usize> = pairs.flat_map(|(at, _)| [at, at + 1]).collect();
    ShardCounts {
        current: count(plan.before.len()),
        desired: plan.desired_shards,
        hot: count(plan.before.iter().filter(known).filter(hot).count()),
        cold: count(cold.len()),
    }
}

/// The fullest shards of a decision, the fullest first.
pub fn top_shards(report: &Report, demand: &Demand) -> Vec<TopShard> {
    let verdict_of = |id: &str| {
        let about = |verdict: &&Verdict| match verdict {
            Verdict::HotKey { shard, .. }
            | Verdict::Bursty { shard, .. }
            | Verdict::Unsplittable { shard, .. } => shard.as_str() == id,
            _ => false,
        };
        report.plan.verdicts.iter().find(about).map(|verdict| verdict.reason().to_owned())
    };
    let known = demand.shards.iter().filter(|shard| shard.evidence != Evidence::Unknown);
    let mut shards: Vec<_> = known.map(|shard| (shard, shard.loads())).collect();
    shards.sort_by_key(|(_, loads)| std::cmp::Reverse(loads.as_array().into_iter().max()));
    let top = shards.into_iter().take(MOST_TOP_SHARDS).map(|(shard, loads)| {
        let Loads { ingest_bytes, ingest_records, read_bytes } = loads;
        TopShard {
            id: shard.id.to_string(),
            ingest_bytes_percent: percent(ingest_bytes),
            ingest_records_percent: percent(ingest_records),
            read_bytes_percent: percent(read_bytes),
            verdict: verdict_of(shard.id.as_str()),
        }
    });
    top.collect()
}

pub(super) fn percent(load: Load) -> u32 {
    u32::try_from(load.0 / Load::from_percent(1).0).unwrap_or(u32::MAX)
}

/// Whether the picture of the fullest shards has changed: whether there is one, what no step can
/// cure, or how full the fullest is. Which of many equal shards are among the ten, and by how few
/// percent, changes with each minute.
fn has_moved(before: &[TopShard], after: &[TopShard]) -> bool {
    let verdicts = |top: &[TopShard]| {
        let verdicts = top.iter().filter_map(|shard| Some((shard.id.clone(), shard.verdict.clone()?)));
        verdicts.collect::<BTreeSet<_>>()
    };
    let fullest = |top: &[TopShard]| {
        let most = |shard: &TopShard| {
            shard.ingest_bytes_percent.max(shard.ingest_records_percent).max(shard.read_bytes_percent)
        };
        top.iter().map(most).max()
    };
    let moved = match (fullest(before), fullest(after)) {
        (Some(before), Some(after)) => before.abs_diff(after) >= NOTABLE_PERCENT,
        (before, after) => before != after,
    };
    moved || verdicts(before) != verdicts(after)
}

fn without_figures(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The plan that stood and stands no longer, as an event tells of it.
pub(crate) fn ending_note(plan: &PlanStatus, ending: &Ending) -> String {
    format!("plan {} ({}): {ending}", plan.hash, plan.summary)
}

#[cfg(test)]
mod tests;
